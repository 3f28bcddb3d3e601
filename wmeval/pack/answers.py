"""The answers to a pack: what is there, and their frames in our pixels and times without the context."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wmeval.pack import footage, layout, shown
from wmeval.pack.footage import Footage, Unreadable
from wmeval.pack.layout import Pack, Question
from wmeval.pack.overlap import Beginning, Mode, beginning, frames_of, length_says
from wmeval.pack.place import Placement, shrink
from wmeval.pack.settings import Settings
from wmeval.run.code import file_digest

Floats = NDArray[np.float64]
Size = tuple[int, int]
State = Literal["ok", "missing", "refused", "bad", "short"]
REASON_CHARS = 500


@dataclass(frozen=True)
class Found:
    """One expected answer and what is there of it."""

    question: Question
    seed: int
    name: str
    state: State
    sentence: str = ""
    footage: Footage | None = None
    fps: float = 0.0

    def indices(self, count: int, fps: float) -> list[int]:
        """Return which of its frames are shown at the first `count` times of `fps`, as far as it lasts."""
        assert self.footage is not None
        at = np.floor(np.arange(count) * self.fps / fps + 0.5 + 1e-9).astype(int)
        return [int(i) for i in at[at < self.footage.count]]


@dataclass(frozen=True)
class Settled:
    """What holds for all answers: size -> where our picture lies (or why none knows), and how they begin."""

    places: Mapping[Size, Placement | str]
    mode: Mode | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """One answer in our pixels and times. `frames` (at most horizon, H, W, 3) where any could be read."""

    state: State
    sentence: str = ""
    frames: NDArray[np.uint8] | None = None
    mode: Mode | int | None = None
    begins: Beginning | None = None


def look(pack: Pack, settings: Settings) -> list[Found]:
    """Return every expected answer with what its header says; nothing is decoded."""
    found = [
        _found(pack, settings, question, seed, name)
        for question in pack.questions.values()
        for seed, name in zip(question.seeds, question.names, strict=True)
    ]
    twice = _doubled(pack, found)
    return [replace(f, state="bad", sentence=twice[f.name], footage=None) if f.name in twice else f
            for f in found]  # fmt: skip


def strays(pack: Pack) -> list[str]:
    """Return what lies in the folder of answers and answers nothing."""
    names = {name for q in pack.questions.values() for name in q.names}
    if not pack.answers.is_dir():
        return []
    left = []
    for path in sorted(pack.answers.iterdir()):
        known = (path.name, *(path.name.removesuffix(e) for e in (*footage.ENDINGS, layout.REFUSED)))
        if not path.name.startswith(footage.HIDDEN) and not names.intersection(known):
            left.append(path.name)
    return left


def read(pack: Pack, found: Found, settled: Settled, settings: Settings) -> Reading:
    """Return one answer in our pixels and times, its repeated context dropped."""
    if found.footage is None:
        return Reading(found.state, found.sentence)
    film, question, view = found.footage, found.question, pack.view
    place = settled.places[film.width, film.height]
    if isinstance(place, str):
        return Reading("bad", place)
    wanted = found.indices(question.shown + question.horizon, view.fps)
    try:
        seen = [shrink(f, place, view.height, view.width) for f in decoded(found, wanted)]
    except Unreadable as why:
        return Reading("bad", str(why))
    if not seen:
        return Reading("bad", f"{film.path.name} holds no frames")
    frames = np.stack(seen)
    begins = beginning(frames, context(pack, question.id))
    total = len(found.indices(footage.MOST_FRAMES, view.fps))
    mode = settings.overlap if settings.overlap is not None else begins.mode or settled.mode
    if mode is None:
        mode = length_says(total, question.shown, question.horizon)
    if mode is None:
        return Reading(
            "bad", f"{film.path.name}: its pictures do not tell whether it begins with context frames; "
            "say it with --set overlap=none|last|all|N", begins=begins,
        )  # fmt: skip
    drop = frames_of(mode, question.shown)
    asked = np.rint(frames[drop : drop + question.horizon]).astype(np.uint8)
    if len(asked) < question.horizon:
        needs = (drop + question.horizon - 1) / view.fps + 1 / found.fps
        return Reading(
            "short", f"{film.path.name} lasts {film.count / found.fps:.2f} s; {needs:.2f} s are needed"
            + (f", since it repeats {drop} of the context frames" if drop else ""),
            asked if len(asked) else None, mode, begins,
        )  # fmt: skip
    return Reading("ok", "", asked, mode, begins)


def context(pack: Pack, name: str) -> Floats:
    """Return the context frames (n, H, W, 3) of a question at the size that answers are measured at."""
    return _context(pack.folder / layout.QUESTIONS / name, pack.picture, *sides(pack))


def _doubled(pack: Pack, found: Sequence[Found]) -> dict[str, str]:
    """Return name -> sentence of answers that are one and the same file though their contexts differ."""
    sizes: dict[int, list[Found]] = {}
    for one in found:
        if one.footage is not None and one.footage.kind != "pictures":
            sizes.setdefault(one.footage.path.stat().st_size, []).append(one)
    told = {}
    for group in (g for g in sizes.values() if len(g) > 1):
        same: dict[str, list[Found]] = {}
        for one in group:
            assert one.footage is not None
            same.setdefault(file_digest(one.footage.path), []).append(one)
        for alike in (a for a in same.values() if len(a) > 1):
            lasts = {o.name: _last_picture(pack, o.question) for o in alike}
            for one in alike:
                # arms of one case may share their context, and a model may ignore what differs
                others = [o.name for o in alike if lasts[o.name] != lasts[one.name]]
                if others:
                    told[one.name] = (
                        f"{one.name} is the same file as {others[0]}, the answer to another question"
                    )
    return told


def _last_picture(pack: Pack, question: Question) -> bytes:
    return bytes(shown.context(pack.folder / layout.QUESTIONS / question.id)[-1].tobytes())


def _found(pack: Pack, settings: Settings, question: Question, seed: int, name: str) -> Found:
    def told(state: State, sentence: str) -> Found:
        return Found(question, seed, name, state, sentence)

    there = footage.find(pack.answers, name)
    refusal = pack.answers / f"{name}{layout.REFUSED}"
    if refusal.is_file() and there:
        return told("bad", f"{there[0].name} and {refusal.name} are both there; keep one")
    try:
        if refusal.is_file():
            footage.inside(refusal, pack.folder)
            with refusal.open(errors="replace") as file:
                return told("refused", file.read(REASON_CHARS).strip() or "no reason was given")
        if not there:
            return told("missing", f"no answer; expected {layout.ANSWERS}/{name}.mp4")
        if len(there) > 1:
            return told("bad", f"{' and '.join(p.name for p in there)} answer the same question; keep one")
        film = footage.look(there[0], pack.folder)
    except Unreadable as why:
        return told("bad", str(why))
    except OSError as fault:
        return told("bad", f"{name} cannot be read: {fault}")
    fps = settings.fps or film.fps or pack.view.fps
    if fps < pack.view.fps - 1e-6:
        return told("bad", f"{film.path.name} has {fps:.4g} frames a second; needed are {pack.view.fps:g}")
    made = Found(question, seed, name, "ok", "", film, fps)
    return made


def decoded(one: Found, wanted: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of ascending indices; raises Unreadable."""
    assert one.footage is not None
    return one.footage.frames(wanted, one.fps)


def sides(pack: Pack) -> tuple[int, int]:
    """Return the height and width that answers are measured at."""
    return pack.view.height, pack.view.width


@lru_cache(maxsize=64)
def _context(folder: Path, picture: Placement, height: int, width: int) -> Floats:
    return np.stack([shrink(frame, picture, height, width) for frame in shown.context(folder)])
