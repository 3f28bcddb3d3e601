"""Can cheap cues tell possible clips from impossible ones? If so, surprise says nothing of the concept.

For exactly matched clips the multisets of frames must be equal and everything that reads single frames,
differences of frames or flow must be at chance. For pairs nothing of that holds; then what the cues score
is printed beside what a model scores. (The check of frame multisets follows IntPhys.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.measure.cues import BASELINES, FEATURES
from wmeval.measure.surprise import in_window, share_above
from wmeval.probe import Probe
from wmeval.stats import Interval, bounded_mean
from wmeval.twins import Matching, Member, Refused, members, multiset, question

Floats = NDArray[np.float64]
FOLDS = 5
RIDGE = 1.0  # weight of the squared coefficients of standardised features
HIDDEN = 3  # bit-equal frames around the splice of a swap, so that nothing of it is seen


@dataclass(frozen=True)
class Audit:
    """What cheap cues make of n questions: relative accuracy of each, chance being one half."""

    probe: str
    tag: str
    matching: Matching
    n: int
    refused: tuple[str, ...]  # why questions could not be made, one sentence each
    unequal: int  # questions whose possible and impossible clips do not hold the same frames
    short: int  # swaps that are hidden for fewer than 3 frames
    cues: Mapping[str, Interval]

    @property
    def telling(self) -> tuple[str, ...]:
        """The cues whose interval lies off chance."""
        off = [n for n, i in self.cues.items() if i.lo is not None and i.hi is not None]
        return tuple(n for n in off if not (self.cues[n].lo or 0.0) <= 0.5 <= (self.cues[n].hi or 1.0))

    @property
    def ok(self) -> bool:
        """Whether nothing but the concept tells the clips apart; of pairs nothing is demanded."""
        if self.matching == "pairs":
            return not self.refused
        return not (self.refused or self.unequal or self.short or self.telling)

    @property
    def sentence(self) -> str:
        """What was found, and what to mend."""
        told = ", ".join(f"{name} {i.mean:.2f}" for name, i in self.cues.items())
        what = f"{self.matching} clips of {self.n} questions; cheap cues: {told or 'none'}"
        wrong = []
        if self.refused:
            wrong.append(f"{len(self.refused)} questions cannot be made: {self.refused[0]}")
        if self.matching != "pairs":
            if self.unequal:
                wrong.append(f"{self.unequal} hold other frames where they are impossible")
            if self.short:
                wrong.append(
                    f"{self.short} swaps are hidden for fewer than {HIDDEN} frames; enlarge the screen"
                )
            if self.telling:
                wrong.append(f"{', '.join(self.telling)} must be at 0.5 and are not")
        return "; ".join([what, *wrong])


def audit(probe: Probe, tag: str, view: View, n: int = 40) -> Audit:
    """Return what cheap cues make of n development questions of a probe and tag.

    Raises:
        UsageError: the probe has neither a twin nor a violation that must be seen.
        ProbeFault: `twin`, `case` or `violate` raised, or returned something else.
    """
    from wmeval.run.truths import truth_of

    refused: list[str] = []
    scenes: list[tuple[Member, ...]] = []
    short = 0
    matching: Matching = "pairs" if probe.twin is None else "matched"
    for i in range(n):
        asked = question(probe, tag, i, "dev")
        matching = asked.matching
        if matching == "pairs" and not probe.must_see:
            raise UsageError(f"{probe.key} has no twin and no must_see; name one of them to ask for surprise")
        try:
            made = members(asked, probe, tag, i, view, truth_of, "dev")
        except Refused as why:
            refused.append(str(why))
            continue
        scenes.append(made)
        if asked.twin is not None and asked.twin.kind == "swap":
            short += _hidden(made, asked.twin.splice_s) < HIDDEN
    cues = {name: _interval([_won(m, _means(m, name)) for m in scenes]) for name in BASELINES}
    for name in FEATURES:
        cues[name] = _interval(classified(scenes, name))
    exact = [_equal(m) for m in scenes] if matching != "pairs" else []
    unequal = sum(not e for e in exact)
    return Audit(probe.key, tag, matching, len(scenes), tuple(refused), unequal, short, cues)


def classified(scenes: Sequence[Sequence[Member]], name: str) -> list[float]:
    """Return for each scene the share of comparisons won by a classifier that learnt from other scenes.

    It is a logistic regression with a ridge on standardised histograms, fitted to all scenes but a fifth.
    """
    features = [np.array([FEATURES[name](m.clip.frames, m.window) for m in scene]) for scene in scenes]
    labels = [np.array([float(not m.possible) for m in scene]) for scene in scenes]
    fold = np.arange(len(scenes)) % FOLDS
    won = [0.5] * len(scenes)
    for k in range(FOLDS):
        train, test = np.flatnonzero(fold != k).tolist(), np.flatnonzero(fold == k).tolist()
        if not len(train) or not len(test):
            continue
        x, y = np.concatenate([features[i] for i in train]), np.concatenate([labels[i] for i in train])
        centre, spread = x.mean(0), x.std(0)
        spread = np.where(spread > 1e-12, spread, 1.0)
        weights = logistic((x - centre) / spread, y)
        for i in test:
            won[i] = _won(scenes[i], ((features[i] - centre) / spread @ weights).tolist())
    return won


def logistic(x: Floats, y: Floats, ridge: float = RIDGE) -> Floats:
    """Return the weights (D,) of a logistic regression of labels y (N,) on x (N, D), by Newton's method.

    An intercept is fitted and left out, since only differences of scores are asked for.
    """
    design = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    penalty = np.diag([ridge] * x.shape[1] + [1e-9])
    weights = np.zeros(design.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (p - y) + penalty @ weights
        curve = design.T @ (design * (p * (1 - p))[:, None]) + penalty
        step = np.linalg.solve(curve, slope)
        weights -= step
        if float(np.abs(step).max()) < 1e-9:
            break
    fitted: Floats = weights[:-1]
    return fitted


def _means(scene: Sequence[Member], name: str) -> list[float]:
    return [in_window(BASELINES[name](m.clip.frames), m.window) for m in scene]


def _won(scene: Sequence[Member], scores: Sequence[float]) -> float:
    shares = [
        share_above([scores[i]], [scores[j]])
        for i, one in enumerate(scene)
        for j, other in enumerate(scene)
        if other.possible and not one.possible and one.group == other.group
    ]
    return float(np.mean(shares))


def _interval(won: Sequence[float]) -> Interval:
    return bounded_mean(won, 0.0, 1.0)


def _equal(scene: Sequence[Member]) -> bool:
    sides = [[m.clip.frames for m in scene if m.possible is side] for side in (True, False)]
    return multiset(sides[0]) == multiset(sides[1])


def _hidden(scene: Sequence[Member], splice_s: float) -> int:
    """Return how many frames around the splice are bit-equal in all clips of a question."""
    clips = [m.clip.frames for m in scene]
    same = np.all([(c == clips[0]).all((1, 2, 3)) for c in clips[1:]], axis=0)
    at = int(splice_s * scene[0].clip.fps + 1e-9)
    before, after = same[: at + 1][::-1], same[at + 1 :]
    return sum(int(part.argmin()) if not part.all() else len(part) for part in (before, after))
