"""Possible and impossible clips of one question: twins crossed over, played backwards, or a violated truth.

Exactly matched clips are made of a probe's Twin: the impossible ones hold the same frames as the possible
ones, in another order, so that no picture, no change of a picture and no count of bodies tells them apart.
Where a probe has no twin its truth is paired with the truth violated at `must_see`, and cheap cues may tell;
so the two kinds are never put into one table. (Crossing over: Riochet et al. 2018, arXiv:1803.07616.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wmeval import promises
from wmeval.camera import View
from wmeval.model import Card, Clip
from wmeval.probe import Probe, Twin
from wmeval.scene import Case, Scene
from wmeval.seeds import Split, digest, scene_rng
from wmeval.truth import Truth

Frames = NDArray[np.uint8]
Floats = NDArray[np.float64]
Matching = Literal["matched", "reversal", "pairs"]
MATCHINGS: tuple[Matching, ...] = ("matched", "reversal", "pairs")
Simulated = Callable[[Scene, int], Truth]  # scene, futures -> its truth


class Refused(Exception):
    """No impossible clip can be made of a draw; the message says what was found and what was expected."""


@dataclass(frozen=True)
class Question:
    """One surprise question before anything is simulated: a Twin, or a Case to be violated."""

    twin: Twin | None
    case: Case | None
    strength: float | None  # of the violation of the case

    @property
    def matching(self) -> Matching:
        """What tells its clips apart: "pairs" may be told apart by cheaper cues than the concept."""
        if self.twin is None:
            return "pairs"
        return "reversal" if self.twin.kind == "reversal" else "matched"

    @property
    def scenes(self) -> Mapping[str, Scene]:
        """The scenes that are simulated, by name."""
        if self.twin is not None:
            return {"one": self.twin.one, "two": self.twin.two}
        assert self.case is not None
        return self.case.arms

    @cached_property
    def case_id(self) -> str:
        """SHA-256 of all that determines the clips."""
        about = [self.twin.kind, self.twin.splice_s, list(self.twin.window_s)] if self.twin else self.strength
        return digest([{name: s.to_json() for name, s in self.scenes.items()}, about])


@dataclass(frozen=True)
class Member:
    """One clip of a question. A violation is to be seen in frames `window` = [first, last)."""

    clip: Clip
    possible: bool
    window: tuple[int, int]
    group: str  # only clips of one group are compared


def question(probe: Probe, tag: str, index: int, split: Split = "eval") -> Question:
    """Return surprise question `index` of a probe and tag; the same on every machine.

    Its scenes are not those that rollouts are asked about, so that no model is shown the end of a scene
    that it has to continue.

    Raises:
        ProbeFault: `twin` or `case` raised, or returned something else.
    """
    made = None
    if probe.twin is not None:
        made = promises.call(probe, "twin", scene_rng(split, probe.key, f"{tag}|surprise", index), tag)
    if made is None:
        rng = scene_rng(split, probe.key, f"{tag}|surprise", index)
        return Question(None, promises.drawn(probe, rng, tag), probe.must_see)
    if not isinstance(made, Twin):
        raise promises.fault(
            probe, "twin", f"returned a {type(made).__name__}; return a Twin, or None for a tag that has none"
        )
    return Question(made, None, None)


def unaskable(questions: Sequence[Question], card: Card, view: View) -> str:
    """Return in words why questions cannot be asked of a model, or nothing."""
    if any(q.matching == "pairs" and not q.strength for q in questions):
        return "the probe has no twin and names no violation that must be seen (must_see)"
    frames = min(len(view.frame_times(s.duration_s)) for q in questions for s in q.scenes.values())
    if frames <= card.context[0]:
        return f"the model needs {card.context[0]} frames before one it can score; a clip has {frames}"
    return ""


def members(
    asked: Question,
    probe: Probe,
    tag: str,
    index: int,
    view: View,
    simulated: Simulated,
    split: Split = "eval",
) -> tuple[Member, ...]:
    """Return the clips of a question, in the order of their content, which tells nothing of what they are.

    `simulated` gives the truth of a scene with so many futures.

    Raises:
        Refused: a twin is not exact at this View, or a violation cannot be seen in it.
        ProbeFault: `violate` raised, or returned something else.
    """
    truths = {
        name: simulated(scene, probe.futures if asked.case else 0) for name, scene in asked.scenes.items()
    }
    if asked.twin is not None:
        one, two = (_drawn(truths[name], view) for name in ("one", "two"))
        made = backwards(asked.twin, one) if asked.twin.kind == "reversal" else crossed(asked.twin, one, two)
    else:
        assert asked.strength is not None
        rng = scene_rng(split, probe.key, f"{tag}|surprise|violate {asked.strength:g}", index)
        broken = promises.violated(probe, truths, asked.strength, rng)
        made = paired(
            {arm: _drawn(truth, view) for arm, truth in truths.items()},
            {arm: _drawn(truth, view) for arm, truth in broken.items()},
        )
    return tuple(sorted(made, key=lambda m: (m.group, hashlib.sha256(m.clip.frames.tobytes()).digest())))


def crossed(twin: Twin, one: Clip, two: Clip) -> tuple[Member, ...]:
    """Return both clips of a swap or factorial and both of their crossings.

    Raises:
        Refused: the clips differ on the frame where they are crossed over, or not on both sides of it.
    """
    if len(one.frames) != len(two.frames):
        raise Refused(
            f"the two scenes have {len(one.frames)} and {len(two.frames)} frames; give both one length"
        )
    times = np.arange(len(one.frames)) / one.fps
    k = int(np.sum(times <= twin.splice_s + 1e-9)) - 1
    if k < 0 or not np.array_equal(one.frames[k], two.frames[k]):
        off = int((one.frames[k] != two.frames[k]).any(-1).sum()) if k >= 0 else 0
        raise Refused(
            f"at the splice ({twin.splice_s:g} s) {off} pixels differ between the two scenes; their frames "
            "must be bit-equal there"
        )
    for part, where in ((slice(0, k), "before"), (slice(k + 1, None), "after")):
        if np.array_equal(one.frames[part], two.frames[part]):
            raise Refused(
                f"the two scenes look the same {where} the splice, so that no crossing is impossible"
            )
    first, last = _frames_in(times, twin.window_s)
    first = max(first, k + 1)
    if first >= last:
        raise Refused(f"no frame after the splice lies in the window {twin.window_s} s")
    window = (first, last)
    return (
        Member(one, True, window, "main"),
        Member(two, True, window, "main"),
        Member(_joined(one, two, k), False, window, "main"),
        Member(_joined(two, one, k), False, window, "main"),
    )


def backwards(twin: Twin, one: Clip) -> tuple[Member, ...]:
    """Return a clip and itself played backwards.

    The windows mirror each other in the steps between frames, so that both hold the same changes.

    Raises:
        Refused: the camera or something else acts on the scene, which has no backwards.
    """
    if one.actions.any():
        raise Refused(
            "a scene that is acted on cannot be played backwards; use one without pushes and camera path"
        )
    count = len(one.frames)
    first, last = _frames_in(np.arange(count) / one.fps, twin.window_s)
    first = max(first, 1)
    if first >= last:
        raise Refused(f"no frame lies in the window {twin.window_s} s")
    back = replace(one, frames=np.ascontiguousarray(one.frames[::-1]))
    return (
        Member(one, True, (first, last), "main"),
        Member(back, False, (count - last + 1, count - first + 1), "main"),
    )


def paired(true: Mapping[str, Clip], broken: Mapping[str, Clip]) -> tuple[Member, ...]:
    """Return the clips of each arm with those of its violation, where the picture shows a difference.

    Raises:
        Refused: it shows none on any arm.
    """
    made: list[Member] = []
    for arm, clip in true.items():
        differ = np.flatnonzero((clip.frames != broken[arm].frames).any((1, 2, 3)))
        if len(differ):
            window = (int(differ[0]), int(differ[-1]) + 1)
            made += [Member(clip, True, window, arm), Member(broken[arm], False, window, arm)]
    if not made:
        raise Refused("the violation changes no pixel of any frame; draw scenes in which it can be seen")
    return tuple(made)


def multiset(clips: Sequence[Frames]) -> list[str]:
    """Return the sorted SHA-256 of all frames of clips; equal lists hold the same frames as often."""
    return sorted(hashlib.sha256(frame.tobytes()).hexdigest() for frames in clips for frame in frames)


def prefix(one: Frames, two: Frames) -> int:
    """Return how many frames of two clips are bit-equal before the first that is not."""
    count = min(len(one), len(two))
    same = (one[:count] == two[:count]).all((1, 2, 3))
    return count if same.all() else int(same.argmin())


def _joined(start: Clip, end: Clip, k: int) -> Clip:
    """Return frames 0..k of one clip and then those of another, each with its own actions."""
    return replace(
        start,
        frames=np.concatenate([start.frames[: k + 1], end.frames[k + 1 :]]),
        actions=np.concatenate([start.actions[:k], end.actions[k:]]),
    )


def _frames_in(times: Floats, window_s: tuple[float, float]) -> tuple[int, int]:
    inside = np.flatnonzero((times >= window_s[0] - 1e-9) & (times <= window_s[1] + 1e-9))
    return (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 0)


def _drawn(truth: Truth, view: View) -> Clip:
    from wmeval.world import clip

    return clip(truth, view)
