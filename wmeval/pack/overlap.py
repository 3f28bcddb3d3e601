"""Does a video begin with the context that its model was shown, and if so, with how much of it?

Told by what moves: where bodies moved between two context frames, a repeated frame differs from its original
by far less than a step of that motion, and the frame after it by about a step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wmeval.pack.place import psnr

Floats = NDArray[np.float64]
Mode = Literal["none", "last", "all"]
MODES: tuple[Mode, ...] = ("none", "last", "all")
SAME, OTHER = 0.25, 0.5  # of a step: less is the same frame, more is another; between them nothing is said
MOVED = 12.0  # grey levels: what changes by less may be the renderer's
AROUND = 2  # px around what moved that are looked at too
LEAST_PX = 4


@dataclass(frozen=True)
class Beginning:
    """What the first frames of a video are like. Ratios are in steps of motion, None where nothing moved."""

    last: float | None  # first frame against the last context frame
    all: float | None  # as many first frames as there are context frames against these
    psnr_last: float  # dB
    psnr_all: float | None  # dB; None where the video is shorter than the context

    @property
    def mode(self) -> Mode | None:
        """How it begins, or None where the pictures cannot tell."""
        if self.all is not None and self.all < SAME:
            return "all"
        if self.last is None or (self.all is not None and self.all < OTHER):
            return None
        return "last" if self.last < SAME else "none" if self.last > OTHER else None


def beginning(answer: Floats, context: Floats) -> Beginning:
    """Return how an answer (T, H, W, 3) begins beside a context (n, H, W, 3), both at one rate and size."""
    n = len(context)
    steps = np.abs(np.diff(context, axis=0))  # (n - 1, H, W, 3)
    last = _ratio(answer[:1], context[-1:], steps[-1:])
    whole = len(answer) >= n
    return Beginning(
        last,
        _ratio(answer[:n], context, steps) if whole else None,
        psnr(answer[0], context[-1]),
        psnr(answer[:n], context) if whole else None,
    )


def length_says(count: int, context: int, horizon: int) -> Mode | None:
    """Return how a video of `count` frames begins if it is exactly as long as one of the ways to answer.

    >>> length_says(16, 9, 16), length_says(25, 9, 16), length_says(40, 9, 16)
    ('none', 'all', None)
    """
    lengths: dict[int, Mode] = {horizon: "none", horizon + 1: "last", horizon + context: "all"}
    return lengths.get(count)


def common(modes: Iterable[Mode | None]) -> Mode | None:
    """Return the way in which all videos begin of which it is known, or None where they differ."""
    known = Counter(m for m in modes if m is not None)
    return next(iter(known)) if len(known) == 1 else None


def frames_of(mode: Mode | int, context: int) -> int:
    """Return how many context frames a video of this mode begins with."""
    return {"none": 0, "last": 1, "all": context}[mode] if isinstance(mode, str) else mode


def _ratio(answer: Floats, known: Floats, steps: Floats) -> float | None:
    from scipy.ndimage import binary_dilation

    if not len(steps):
        return None
    moved = (steps.max(-1) > MOVED).any(0)
    if moved.sum() < LEAST_PX:
        return None
    near = binary_dilation(moved, iterations=AROUND)
    step = np.sqrt((steps[:, near] ** 2).mean())
    apart = np.sqrt(((answer - known)[:, near] ** 2).mean())
    return float(apart / step)
