"""What a pack is: folders of questions under opaque ids, and one manifest that holds no truth.

An id is the HMAC of all that a question shows, keyed with a salt that each pack draws anew. So whoever asks a
question finds its answer by what the question shows, and the pack names no case, probe or scene.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.model import ActionSpace, Card, Clip, Observation
from wmeval.pack.place import Placement
from wmeval.seeds import digest

SCHEMA = 1
Form = Literal["pictures", "arrays"]  # for people and for programs
MANIFEST, README = "pack.json", "README.md"
QUESTIONS, CLIPS, ANSWERS = "questions", "clips", "answers"
SURPRISE, TEMPLATE = "surprise.csv", "surprise-to-fill.csv"
INDEX = "questions.csv"
REFUSED = ".refused.txt"  # after the name of an answer
MANIFEST_BYTES = 64 << 20
ANY = 1 << 20  # frames: as long a context as a scene has
ID_HEX = 12


@dataclass(frozen=True)
class Question:
    """One video to be continued; an answer is expected for each of `seeds`."""

    id: str
    shown: int  # context frames
    horizon: int  # frames asked for, at the pack's fps
    seeds: tuple[int, ...]
    content: str  # SHA-256 of the files of its folder

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the answers without ending, one a seed."""
        if len(self.seeds) == 1:
            return (self.id,)
        return tuple(f"{self.id}-{k + 1}" for k in range(len(self.seeds)))


@dataclass(frozen=True)
class Shown:
    """One whole clip to be judged frame by frame."""

    id: str
    frames: int
    content: str


@dataclass(frozen=True)
class Pack:
    """A pack on disk. `ask` holds the arguments of `wmeval run` that ask its questions again."""

    folder: Path
    ask: Mapping[str, Any]
    view: View  # at which answers are measured
    canvas: tuple[int, int]  # width and height of the pictures handed out [px]
    picture: Placement  # where in them the scene is
    salt: bytes
    questions: Mapping[str, Question]
    clips: Mapping[str, Shown]
    left_out: tuple[Mapping[str, str], ...] = ()  # what of the suite is not in it, and why
    form: Form = "pictures"

    @property
    def answers(self) -> Path:
        """The folder that answers are put into."""
        return self.folder / ANSWERS

    def command(self) -> str:
        """Return the command line that scores the pack; of an unlabelled one only its server can."""
        if not self.ask:
            return shlex.join(["wmeval", "submit", str(self.folder), "--challenge", "--server", "URL"])
        words = ["wmeval", "run", "--model", "recorded", "--set", f"folder={self.folder}"]
        words += ["--suite", str(self.ask["suite"])]
        for option, key in (("--probe", "probes"), ("--task", "tasks"), ("--instrument", "instruments")):
            for name in self.ask.get(key) or ():
                words += [option, name]
        for option, key, usual in (("--limit", "limit", None), ("--seed", "seed", 0),
                                   ("--replicates", "replicates", 1)):  # fmt: skip
            if self.ask[key] != usual:
                words += [option, str(self.ask[key])]
        return shlex.join(words)

    def to_json(self) -> dict[str, Any]:
        """Return the manifest, whose `digest` is of all the rest."""
        told = {
            "schema": SCHEMA,
            "ask": dict(self.ask),
            "view": asdict(self.view),
            "canvas": list(self.canvas),
            "picture": list(self.picture.numbers()),
            "salt": self.salt.hex(),
            "questions": [{**asdict(q), "seeds": list(q.seeds)} for q in self.questions.values()],
            "clips": [asdict(c) for c in self.clips.values()],
            "left_out": [dict(row) for row in self.left_out],
        }
        if self.form != "pictures":
            told["form"] = self.form
        return {**told, "digest": digest(told)}

    def unlabelled(self) -> Pack:
        """Return the pack as it is given to somebody who shall find out no more than what it shows.

        Without the salt nobody can try whether a question is one that he guesses.
        """
        return replace(self, ask={}, salt=b"", left_out=())


def card(view: View) -> Card:
    """Return what a pack's answers can be asked of: any length of context, any horizon, one View."""
    return Card(
        name="recorded", family="recorded", version="no answers", licence="not stated",
        source="videos and surprise scores that somebody else made of a pack (`wmeval export`)",
        capabilities=frozenset({"generates", "scores"}), view=view, context=(1, ANY), horizon=None,
        # the pack tells the actions in words and numbers; how far they were followed is what is measured
        actions=ActionSpace("text", 0, "lossy"), classes=("not stated", "not stated"),
    )  # fmt: skip


def limited(model: Card) -> Card:
    """Return the card of the answers that a model gives to a pack: it is asked no more than it can be."""
    wide = card(model.view)
    return replace(
        wide, context=model.context, context_step=model.context_step, horizon=model.horizon,
        capabilities=wide.capabilities & model.capabilities, actions=model.actions, classes=model.classes,
    )  # fmt: skip


def question_id(salt: bytes, seen: Observation) -> str:
    """Return the id of a question in the pack of a salt, from all that it shows."""
    more = [seen.fps, seen.horizon, seen.caption, np.round(seen.intrinsics, 9).tolist()]
    return _id(salt, "question", seen.frames, seen.actions, more)


def clip_id(salt: bytes, seen: Clip) -> str:
    """Return the id of a clip in the pack of a salt."""
    return _id(salt, "clip", seen.frames, seen.actions, [seen.fps])


def read(folder: Path) -> Pack:
    """Return the pack in a folder.

    Raises:
        UsageError: there is none, it is of another schema, or its manifest was changed.
    """
    path = folder / MANIFEST
    again = "export the pack again with `wmeval export`"
    if not path.is_file():
        raise UsageError(f"{folder} holds no {MANIFEST}; give the folder that `wmeval export --out` wrote")
    if path.stat().st_size > MANIFEST_BYTES:
        raise UsageError(f"{path} is larger than {MANIFEST_BYTES >> 20} MiB, which no pack is; {again}")
    try:
        told = json.loads(path.read_text())
        schema, signed = told.pop("schema"), told.pop("digest")
    except (OSError, ValueError, KeyError, AttributeError, RecursionError) as fault:
        raise UsageError(f"{path} cannot be read ({type(fault).__name__}: {fault}); {again}") from fault
    if schema != SCHEMA:
        raise UsageError(f"{path} has schema {schema!r}; this wmeval reads {SCHEMA}: {again}")
    if not isinstance(signed, str) or digest({"schema": schema, **told}) != signed:
        raise UsageError(f"{path} was changed since it was written (its digest does not fit); {again}")
    try:
        made = Pack(
            folder, told["ask"], View(**told["view"]), (int(told["canvas"][0]), int(told["canvas"][1])),
            Placement(*told["picture"]), bytes.fromhex(told["salt"]),
            {q["id"]: Question(**{**q, "seeds": tuple(q["seeds"])}) for q in told["questions"]},
            {c["id"]: Shown(**c) for c in told["clips"]}, tuple(told["left_out"]),
            told.get("form", "pictures"),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, IndexError) as fault:
        raise UsageError(f"{path} lacks something ({type(fault).__name__}: {fault}); {again}") from fault
    if bad := [i for i in (*made.questions, *made.clips) if not (len(i) == ID_HEX and i.isalnum())]:
        raise UsageError(f"{path} holds the id {bad[0]!r}; ids are {ID_HEX} hex digits: {again}")
    return made


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 of the files below a folder, with their names."""
    sha = hashlib.sha256()
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        sha.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return sha.hexdigest()


def _id(salt: bytes, kind: str, frames: Any, actions: Any, more: list[Any]) -> str:
    sha = hashlib.sha256(digest([kind, list(frames.shape), list(np.shape(actions)), more]).encode())
    sha.update(np.ascontiguousarray(frames).tobytes())
    # rounded and + 0.0: what counts is the number, not its last bit or the sign of a zero
    sha.update((np.round(np.asarray(actions, np.float64), 9) + 0.0).tobytes())
    return hmac.digest(salt, sha.digest(), "sha256").hex()[:ID_HEX]
