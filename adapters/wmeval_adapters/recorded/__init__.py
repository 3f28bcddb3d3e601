"""recorded: the answers that somebody else's model gave to a pack, in a model's place.

A pack (`wmeval export`) is how a question reaches a model that nobody can call from here; this is how its
answers come back. A question is found in the pack by what it shows and by nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.model import Adapter, Capability, Card, WorldModel
from wmeval.pack import layout
from wmeval.pack.layout import Pack
from wmeval.pack.settings import CONTEXTS, TRAININGS, classes
from wmeval.pack.settings import OPTIONS as STATED

OPTIONS = {
    "folder": "the pack, with its answers",
    "name": "what the model is called in the results",
    "context": f"what the model was given of each question: {', '.join(CONTEXTS)}",
    "training": f"whether it was trained on our scenes: {', '.join(TRAININGS)}",
    **STATED,
}
NOTES = ("answers were read from files: how fast they were is not known",)
CARD = replace(layout.card(View()), notes=NOTES)
_NAME = 60  # characters


def described(weights: Path | None, options: Mapping[str, str]) -> Card:
    """Return the card of the pack's answers: named by their content, able to do what was answered.

    Raises:
        UsageError: there is no pack, no answer, or an option that cannot be.
    """
    return opened(weights, options)[1]


def opened(weights: Path | None, options: Mapping[str, str]) -> tuple[Pack, Card]:
    """Return the pack that the options name, and the card of its answers; see `described`."""
    from wmeval.pack import surprise
    from wmeval.pack.settings import Settings
    from wmeval.seeds import digest

    if weights is not None:
        raise UsageError("recorded answers have no weights; give the pack with --set folder=PACK")
    if not options.get("folder"):
        raise UsageError(
            "--model recorded was given no pack; name it with --set folder=PACK (`wmeval export` writes one)"
        )
    Settings.of(options)
    pack = layout.read(Path(options["folder"]).expanduser())
    can: set[Capability] = set()
    if pack.questions and pack.answers.is_dir() and any(pack.answers.iterdir()):
        can.add("generates")
    if surprise.given(pack):
        can.add("scores")
    if not can:
        more = f", nor {layout.SURPRISE}" if pack.clips else ""
        raise UsageError(
            f"{pack.folder} holds no answers yet{more}: put videos into {pack.answers} as its "
            f"{layout.README} says"
        )
    content = digest([pack.salt.hex(), _answered(pack)])[:12]
    name = options.get("name", "").strip()
    if len(name) > _NAME or not name.isprintable():
        raise UsageError(f"name was given as {name[:80]!r}; expected at most {_NAME} printable characters")
    return pack, replace(
        CARD, name=f"recorded: {name}" if name else "recorded", version=f"answers {content}", view=pack.view,
        capabilities=frozenset(can), classes=classes(options),
    )  # fmt: skip


def load(weights: Path | None, device: str, options: Mapping[str, str]) -> WorldModel:
    """Return the answers of a pack as a model.

    Raises:
        UsageError: there is no pack, no answer, or an option that cannot be.
    """
    from wmeval.pack.settings import Settings
    from wmeval_adapters.recorded.model import Recorded

    if device not in ("cpu", "auto"):
        raise UsageError(f"recorded answers were asked for on {device!r}; they are read by `--device cpu`")
    pack, card = opened(weights, options)
    return Recorded(card, pack, Settings.of(options))


def _answered(pack: Pack) -> list[list[str]]:
    """Return the names and digests of all that was answered; links that lead out have none."""
    from wmeval.run.code import file_digest

    files = sorted(p for p in pack.answers.rglob("*") if p.is_file()) if pack.answers.is_dir() else []
    files += [p for p in [pack.folder / layout.SURPRISE] if p.is_file()]
    root = pack.folder.resolve()
    return [
        [p.relative_to(pack.folder).as_posix(), file_digest(p) if p.resolve().is_relative_to(root) else ""]
        for p in files
    ]


ADAPTER = Adapter(
    CARD, load, OPTIONS, completed=described, reaches=frozenset({"folder"}), needs="--set folder=PACK"
)
