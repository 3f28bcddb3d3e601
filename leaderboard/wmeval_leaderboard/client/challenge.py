"""A challenge from a submitter's side: take it, let the model answer, send what it answered.

All of it lies in one folder, and the same call goes on where one stopped: the challenge that was taken is
remembered there, the questions are fetched once, and what is answered stays answered.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wmeval import registry
from wmeval.camera import View
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.model import Capability, Card
from wmeval.pack import archive, layout
from wmeval.pack.answering import answer as let_answer
from wmeval.pack.layout import Pack
from wmeval.pack.settings import OPTIONS, classes
from wmeval.run.code import file_digest
from wmeval.run.plan import described, reaches
from wmeval.run.request import Request
from wmeval.submission.parts import Part, root_of
from wmeval.submission.signing import public_key, sign
from wmeval_leaderboard.client.sending import Sent, send_parts
from wmeval_leaderboard.client.server import Server

STATE, ZIP, PACK = "challenge.json", "pack.zip", "pack"
POLL_S = 3.0  # between two looks at whether the questions are made
Tell = Callable[[str, int, int], None]  # what is done, how much of it, of how much


@dataclass(frozen=True)
class Waiting:
    """Questions that people put to a model, which nobody has answered yet."""

    folder: Path
    deadline: float  # seconds since 1970
    questions: int
    clips: int


def answer(
    server: Server, key: str, asked: Request, folder: Path, *, season: str | None = None,
    tell: Tell = lambda what, done, total: None,
) -> Sent | Waiting:  # fmt: skip
    """Answer a challenge with the model that a request names (model, weights, options, device).

    `recorded` stands for a model that is not here (`--set name=NAME`, and `--set clips=yes` where it judges
    clips too): its questions come as pictures into `folder`, and the same call sends the answers put there.

    Raises:
        UsageError: the model cannot be challenged, or the server refuses.
        EnvironmentFault: the server cannot be reached, or the model met one; the same call goes on.
    """
    by_hand = asked.model == "recorded"
    if registry.is_reference(asked.model):
        raise UsageError(f"{asked.model!r} is a reference and needs the truth; the operator verifies those")
    wish = _wish(folder, server, asked, season, "pictures" if by_hand else "arrays")
    taken = _ready(server, wish, tell)
    pack = _fetched(server, taken, folder, tell)
    if by_hand and not any(pack.answers.iterdir() if pack.answers.is_dir() else ()):
        return Waiting(pack.folder, taken["deadline"], len(pack.questions), len(pack.clips))
    if not by_hand and taken["state"] == "ready":
        model = registry.load_model(asked.model, asked.weights, device=asked.device, options=asked.options)
        let_answer(pack, model, lambda done, total: tell("answers", done, total))
    stated = {k: v for k, v in asked.options.items() if k in OPTIONS} if by_hand else {"overlap": "none"}
    return send(server, key, taken["challenge"], pack, stated, lambda d, t: tell("files", d, t))


def send(
    server: Server, key: str, challenge: str, pack: Pack, stated: Mapping[str, str],
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Sent:  # fmt: skip
    """Promise the answers that lie in a pack, and send the files that the server lacks.

    Raises:
        UsageError: there are none, or the server refuses.
    """
    parts = answers_of(pack)
    root = root_of(parts)
    told = server.json("POST", f"/api/v1/challenges/{challenge}/answers", {
        "parts": [[part.path, part.digest, part.size] for part in parts], "root": root,
        "key": public_key(key), "signature": sign(key, root), "stated": dict(stated),
    })  # fmt: skip
    lacking = set(told["lacking"])
    left = [part for part in {p.digest: p for p in parts}.values() if part.digest in lacking]
    send_parts(pack.folder, left, server, tell)
    told = server.json("POST", f"/api/v1/challenges/{challenge}/complete")
    slug = told["submission"]
    return Sent(
        slug, f"{server.address}/submissions/{slug}", told["submission_state"], told["reason"], len(left),
        sum(part.size for part in left),
    )  # fmt: skip


def answers_of(pack: Pack) -> list[Part]:
    """Return the files that answer a pack, in the order of their names.

    Raises:
        UsageError: there are none.
    """
    files = [p for p in pack.answers.rglob("*") if p.is_file() and not p.name.startswith(".")]
    files += [p for p in [pack.folder / layout.SURPRISE] if p.is_file()]
    if not files:
        raise UsageError(f"{pack.answers} holds no answers; put them there as {layout.README} says")
    names = sorted(p.relative_to(pack.folder).as_posix() for p in files)
    return [Part(n, file_digest(pack.folder / n), (pack.folder / n).stat().st_size) for n in names]


def _wish(folder: Path, server: Server, asked: Request, season: str | None, form: str) -> dict[str, Any]:
    """Return what the server is asked for: what was asked before in this folder, or something new.

    Raises:
        UsageError: the folder holds the challenge of another model or server.
    """
    path = folder / STATE
    kept = json.loads(path.read_text()) if path.exists() else None
    if kept is not None and form == "pictures" and kept["wish"]["form"] == form:
        told, card = kept["wish"]["model"], kept["wish"]["card"]  # who brings answers need not say it again
    else:
        told, card = _declared(asked)
    if kept is None:
        wish = {"model": told, "card": card, "form": form, "season": season, "nonce": secrets.token_hex(16)}
        kept = {"server": server.address, "wish": wish}
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(kept, indent=1))
    if (kept["server"], kept["wish"]["model"]) != (server.address, told):
        raise UsageError(f"{folder} holds the challenge of another model or server; give another folder")
    made: dict[str, Any] = kept["wish"]
    return made


def _declared(asked: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a model is: as results.json has it under `model`, and its card."""
    if asked.model == "recorded" and "folder" not in asked.options:
        card, weights = _by_hand(asked.options), None
    else:
        card, weights = described(asked)
    named = {k: v for k, v in asked.options.items() if k not in reaches(asked.model)}
    told = {"name": card.name, "version": card.version, "weights": weights, "options": named}
    return told, card.to_json()


def _by_hand(options: Mapping[str, str]) -> Card:
    """Return the card of a model that people put the questions to, which was never run on a public pack."""
    if not (name := options.get("name", "").strip()):
        raise UsageError("a model that is not here is challenged by its name; give it with --set name=NAME")
    card = layout.card(View())
    can: set[Capability] = {"generates"}
    if options.get("clips") == "yes":
        can.add("scores")
    return replace(
        card, name=f"recorded: {name}", version="answers to a challenge", capabilities=frozenset(can),
        classes=classes(options),
    )  # fmt: skip


def _ready(server: Server, wish: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Return the challenge once its questions are made."""
    told: dict[str, Any] = server.json("POST", "/api/v1/challenges", wish)
    while told["state"] == "preparing":
        tell("questions are made", 0, 1)
        server.wait(POLL_S)
        told = server.json("GET", f"/api/v1/challenges/{told['challenge']}")
    if told["state"] == "refused":
        raise UsageError(f"the server can make no challenge for this model: {told['reason']}")
    if told["state"] == "over":
        ended = time.strftime("%Y-%m-%d %H:%M", time.gmtime(told["deadline"]))
        raise UsageError(f"the challenge ended at {ended} UTC; take another one in another folder")
    return told


def _fetched(server: Server, taken: Mapping[str, Any], folder: Path, tell: Tell) -> Pack:
    """Return the questions, fetched piece by piece and unpacked once."""
    if (folder / PACK).is_dir():
        return layout.read(folder / PACK)
    path, size = folder / ZIP, int(taken["pack"]["size"])
    with path.open("ab") as file:
        while (at := file.tell()) < size:
            tell("bytes of questions", at, size)
            piece = server.ask("GET", f"/api/v1/challenges/{taken['challenge']}/pack?offset={at}").content
            if not piece:
                raise EnvironmentFault("the questions broke off; the same command goes on")
            file.write(piece)
    if file_digest(path) != taken["pack"]["digest"]:
        path.unlink()
        raise EnvironmentFault("the questions were damaged on their way; the same command fetches them anew")
    pack = archive.unpacked(path, folder / PACK)
    path.unlink()
    return pack
