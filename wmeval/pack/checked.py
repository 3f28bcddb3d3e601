"""What is wrong with the answers to a pack, all of it at once, and what scoring would do with the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wmeval.pack import layout, surprise
from wmeval.pack.answers import Reading, State, look, read, strays
from wmeval.pack.footage import Unreadable
from wmeval.pack.layout import Pack, folder_digest
from wmeval.pack.overlap import frames_of
from wmeval.pack.settings import Settings
from wmeval.pack.settle import settle

SAID: Mapping[State, str] = {
    "ok": "can be scored", "refused": "refused", "missing": "missing", "short": "too short",
    "bad": "cannot be used",
}  # fmt: skip


@dataclass(frozen=True)
class Checked:
    """What was found. `problems` are (name of the answer or clip, sentence)."""

    counts: Mapping[State, int]
    judged: Mapping[str, int] | None  # clips: told, bad; None where none was judged
    problems: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether everything that is expected is there and can be scored."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "ok": self.ok,
            "answers": dict(self.counts),
            "clips": dict(self.judged) if self.judged is not None else None,
            "problems": [{"name": name, "problem": why} for name, why in self.problems],
            "notes": list(self.notes),
        }


def check(pack: Pack, settings: Settings, progress: Callable[[int, int], None] | None = None) -> Checked:
    """Return what is wrong with a pack and its answers; every answer is decoded to its end."""
    tell = progress or (lambda done, total: None)
    found = look(pack, settings)
    settled = settle(pack, found, settings)
    problems = [(name, why) for name, why in _changed(pack)]
    counts: Counter[State] = Counter()
    begun: Counter[int] = Counter()
    fit: list[float] = []
    for i, one in enumerate(found):
        told = read(pack, one, settled, settings)
        counts[told.state] += 1
        if told.state not in ("ok", "refused"):
            problems.append((one.name, told.sentence))
        _begins(told, one.question.shown, begun, fit)
        tell(i + 1, len(found))
    problems += [(name, "answers no question of this pack; its name is no id") for name in strays(pack)]
    judged, notes = None, list(settled.notes)
    if begun:
        notes.append(_overlap(begun, fit))
    if surprise.given(pack):
        judged, more, aside = _judged(pack)
        problems += more
        notes += aside
    elif pack.clips:
        notes.append(f"no {layout.SURPRISE}: surprise will not be asked")
    return Checked(counts, judged, tuple(problems), tuple(notes))


def _changed(pack: Pack) -> list[tuple[str, str]]:
    changed = []
    for kind, entries in ((layout.QUESTIONS, pack.questions), (layout.CLIPS, pack.clips)):
        for name, entry in entries.items():
            folder = pack.folder / kind / name
            if not folder.is_dir():
                changed.append((name, f"the folder {kind}/{name} is gone; export the pack again"))
            elif folder_digest(folder) != entry.content:
                changed.append((name, f"files in {kind}/{name} were changed; it was asked something else"))
    return changed


def _begins(told: Reading, shown: int, begun: Counter[int], fit: list[float]) -> None:
    if told.mode is None or told.begins is None:
        return
    drop = frames_of(told.mode, shown)
    begun[-1 if drop == shown else drop] += 1
    quality = told.begins.psnr_all if drop == shown else told.begins.psnr_last if drop == 1 else None
    if quality is not None:
        fit.append(quality)


def _overlap(begun: Counter[int], fit: list[float]) -> str:
    names = {-1: "all context frames", 0: "no context frame", 1: "the last context frame"}
    told = ", ".join(f"{n} with {names.get(k, f'{k} context frames')}" for k, n in sorted(begun.items()))
    mean = f"; repeated at {sum(fit) / len(fit):.1f} dB, and dropped" if fit else ""
    return f"videos begin: {told}{mean}"


def _judged(pack: Pack) -> tuple[dict[str, int], list[tuple[str, str]], list[str]]:
    try:
        told = surprise.read(pack)
    except Unreadable as why:
        return {"told": 0, "bad": len(pack.clips)}, [(layout.SURPRISE, str(why))], []
    problems = [(layout.SURPRISE, why) for why in told.stray]
    problems += sorted(told.bad.items())
    notes = ["one number a clip: nothing can be said of where it was surprised"] if told.whole_clips else []
    return {"told": len(told.told), "bad": len(told.bad)}, problems, notes
