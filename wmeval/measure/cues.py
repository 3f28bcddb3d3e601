"""What a clip gives away without any physics: its pictures one by one, how much changes, how fast.

As surprise per frame these are the trivial baselines that stand beside every surprise score; as histograms
they are what the audit lets a classifier learn from. None of them knows what came long before, so that
exactly matched clips are worth chance to all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
Floats = NDArray[np.float64]
BINS = 12
LARGEST_FLOW_PX = 6.0  # a frame; faster is counted as this fast
STEEP = 8.0  # grey levels a pixel: below that a gradient tells no speed


def pixel_difference(frames: Frames) -> Floats:
    """Return the mean absolute change from the frame before, (T,) in grey levels; NaN on the first."""
    return _from_second(np.abs(_steps(frames)).mean((1, 2, 3)))


def copy_last(frames: Frames) -> Floats:
    """Return the squared error of predicting that nothing changes, (T,); NaN on the first frame."""
    return _from_second((_steps(frames) ** 2).mean((1, 2, 3)))


def flow_speed(frames: Frames) -> Floats:
    """Return the mean speed of what moves, (T,) in px a frame; NaN on the first frame."""
    return _from_second(np.array([s.mean() if len(s) else 0.0 for s in _speeds(frames)]))


BASELINES: Mapping[str, Callable[[Frames], Floats]] = {
    "pixel-difference": pixel_difference,
    "copy-last": copy_last,
    "flow-speed": flow_speed,
}


def pictures(frames: Frames, window: tuple[int, int]) -> Floats:
    """Return what single frames of a window show: colour histograms and a coarse picture, averaged."""
    part = frames[window[0] : window[1]].astype(np.float64)
    counts = [np.histogram(part[..., c], BINS, (0, 256))[0] / part[..., c].size for c in range(3)]
    t, h, w, _ = part.shape
    blocks = part[:, : h // 8 * 8, : w // 8 * 8].reshape(t, 8, h // 8, 8, w // 8, 3)
    return np.concatenate([*counts, blocks.mean((0, 2, 4)).ravel() / 255])


def changes(frames: Frames, window: tuple[int, int]) -> Floats:
    """Return the histogram of |frame difference| over the steps that end in a window."""
    steps = np.abs(_steps(frames))[max(window[0] - 1, 0) : window[1] - 1]
    edges = np.concatenate([[0.0], np.geomspace(1.0, 256.0, BINS)])
    shares: Floats = np.histogram(steps, edges)[0] / max(steps.size, 1)
    return np.concatenate([shares, [steps.mean() / 255 if steps.size else 0.0]])


def flows(frames: Frames, window: tuple[int, int]) -> Floats:
    """Return the histogram of the speeds of what moves over the steps that end in a window."""
    speeds = np.concatenate([*_speeds(frames)[max(window[0] - 1, 0) : window[1] - 1], np.zeros(0)])
    counts = np.histogram(np.minimum(speeds, LARGEST_FLOW_PX - 1e-9), BINS, (0.0, LARGEST_FLOW_PX))[0]
    area = frames.shape[1] * frames.shape[2] * max(window[1] - window[0], 1)
    shares: Floats = counts / area
    return shares


FEATURES: Mapping[str, Callable[[Frames, tuple[int, int]], Floats]] = {
    "single frames": pictures,
    "frame differences": changes,
    "flow": flows,
}


def _steps(frames: Frames) -> Floats:
    steps: Floats = np.diff(frames.astype(np.float64), axis=0)
    return steps


def _speeds(frames: Frames) -> list[Floats]:
    """Return for each step the normal flow |dI/dt| / |grad I| [px] where something changes on an edge.

    The gradient is that of the mean of both frames, so that a step and its reverse have the same speeds.
    """
    grey = frames.astype(np.float64).mean(-1)
    found = []
    for one, two in pairwise(grey):
        down, right = np.gradient((one + two) / 2)
        slope, change = np.hypot(down, right), np.abs(two - one)
        moves = (slope > STEEP) & (change > STEEP)
        found.append(change[moves] / slope[moves])
    return found


def _from_second(values: Floats) -> Floats:
    return np.concatenate([[np.nan], values])
