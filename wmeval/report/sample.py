"""A Sample is one case as a model answered it, with all that a page shows of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Motion:
    """What moved in one sample: the videos of context and future, and the paths of its N bodies.

    Videos are at the model's frame rate, paths on the measuring grid of K times; both start with the
    context. Paths are in pixels; NaN = not known (truth) or not found (prediction).
    """

    fps: float
    cut: int  # frames of context
    times: Floats  # (K,) s
    true_path: Floats  # (K, N, 2)
    true_seen: Bools  # (K, N) whether enough of the body is in view to be found
    predicted_path: Floats  # (K, N, 2)
    hues: tuple[float, ...]  # degrees, (N,)
    height: int  # of the image [px]
    # () -> true frames (T, H, W, 3) and predicted ones (at most T - cut, H, W, 3); read when they are shown
    videos: Callable[[], tuple[Frames, Frames]]
    goals: tuple[tuple[float, float, float], ...] = ()  # of a task: pixel u, v and hue of each body's goal

    def rings(self, factor: int) -> list[list[float]]:
        """Return the goals [u, v, hue] in pixels of pictures that are `factor` times smaller."""
        return [[round(u / factor, 1), round(v / factor, 1), hue] for u, v, hue in self.goals]

    @property
    def after(self) -> Bools:
        """Which times lie after the cut, (K,)."""
        return np.asarray(self.times > (self.cut - 1) / self.fps + 1e-6)

    @property
    def distance(self) -> Floats:
        """Distance after the cut of each predicted body from the true one, as a share of the image height.

        NaN where the body is out of sight in truth or not found in the prediction.
        """
        gap = np.linalg.norm(self.predicted_path - self.true_path, axis=-1) / self.height
        return np.asarray(np.where(self.true_seen, gap, np.nan)[self.after], dtype=np.float64)

    @property
    def found(self) -> Floats:
        """Share after the cut of the bodies in sight that are found; NaN where none is in sight."""
        found = self.true_seen & np.isfinite(self.predicted_path).all(-1)
        seen = self.true_seen.sum(1)
        return np.asarray((found.sum(1) / np.where(seen > 0, seen, np.nan))[self.after], dtype=np.float64)


@dataclass(frozen=True)
class Judged:
    """A possible and an impossible clip of one scene, and how surprising a model found each frame.

    Both start alike where clips can; the violation shows in frames `window` = [first, last) of the latter.
    """

    fps: float
    window: tuple[int, int]
    possible: Floats  # (T,) surprise; NaN = undefined
    impossible: Floats  # (T,)
    # () -> frames of both (T, H, W, 3)
    videos: Callable[[], tuple[Frames, Frames]]


Key = tuple[str, str, str, str]  # probe, instrument, tag, matching


@dataclass(frozen=True)
class Sample:
    """One case of one probe, asked with one instrument; `error` is bounded and in the probe's unit."""

    probe: str  # name@version
    instrument: str
    tag: str
    case_id: str
    replicate: int
    arm: str
    error: float
    event: float  # share of the situation asked about that arose, 0 to 1
    status: str  # "ok", or how the model failed
    measured: str = "ok"  # or why nothing could be measured in what it made
    caption: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    reproduce: str = ""
    motion: Motion | None = None
    matching: str = ""  # how clips were matched; only of what was asked by surprise
    judged: Judged | None = None

    @property
    def key(self) -> Key:
        """What it is grouped by."""
        return (self.probe, self.instrument, self.tag, self.matching)

    @property
    def shown(self) -> bool:
        """Whether there is a video of it."""
        return self.motion is not None or self.judged is not None

    @property
    def failed(self) -> bool:
        """Whether there is no measurement, so that the error is the worst."""
        return self.status != "ok" or self.measured != "ok"

    @property
    def why(self) -> str:
        """What went wrong; empty where nothing did."""
        if self.status != "ok":
            return self.status
        return "" if self.measured == "ok" else f"not measurable: {self.measured}"


def telling(samples: Sequence[Sample]) -> dict[str, Sample]:
    """Return the best, the median and the worst sample by error, fewer where there are fewer.

    Ties are broken by case id, so that the choice is nobody's, but what can be seen is worse than what
    failed with the same error. The median is the lower one of two.

    >>> made = [Sample("p", "rollout", "iid", str(e), 0, "main", e, 1.0, "ok") for e in (3, 1, 4, 2)]
    >>> {k: v.error for k, v in telling(made).items()}
    {'best': 1, 'median': 2, 'worst': 4}
    """
    ranked = sorted(samples, key=lambda s: (s.error, s.shown, s.case_id, s.replicate))
    last = len(ranked) - 1
    picks = {last: "worst", last // 2: "median", 0: "best"}  # of few samples one may be all of these
    return {name: ranked[at] for at, name in sorted(picks.items()) if 0 <= at <= last}
