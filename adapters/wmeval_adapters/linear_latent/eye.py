"""Frames -> six tokens: for each hue where its pixels are, how far they spread and how much there is of it.

Bodies have one of six hues and whatever stands still is grey, so six opponent channels tell bodies from
everything else. The tokens are moments of a channel over the image (a spatial softmax gives such keypoints
where channels are learnt: Finn et al. 2016), hence positions can be read from them linearly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
HUES = 6  # red, yellow, green, cyan, blue, magenta
NAMES = (
    "u", "v", "spread u", "spread v", "skew u", "skew v", "lean u", "lean v", "side", "area", "bright u",
    "bright v", "there",
)  # fmt: skip
WIDTH = len(NAMES)
THERE = NAMES.index("there")
FULL = 0.35  # of a channel, from which a pixel counts whole: shading must not pull the centre
STEEP = 4.0  # of skewness: how soon a body counts as cut off on one side
LEAST_PX = 2.0  # pixels of a hue from which it is there; seams of two bodies mix to fewer of a third


def channels(frames: NDArray[np.uint8]) -> Floats:
    """Return how much of each hue pixels show, in [0, 1]: (T, 6, H, W) of frames (T, H, W, 3).

    >>> grey, cyan = [[[[90, 90, 90]]]], [[[[0, 255, 255]]]]
    >>> [channels(np.array(f, np.uint8)).ravel().tolist() for f in (grey, cyan)]
    [[0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]]
    """
    r, g, b = (frames[..., i].astype(np.float64) / 255 for i in range(3))
    high, low = np.maximum, np.minimum
    told = (r - high(g, b), low(r, g) - b, g - high(r, b), low(g, b) - r, b - high(r, g), low(r, b) - g)
    return np.maximum(np.stack(told, axis=1), 0.0)


def tokens(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the tokens (T, 6, 13) of frames (T, H, W, 3), each frame by itself; an absent hue has zeros."""
    bright = channels(frames)
    mask = np.minimum(bright / FULL, 1.0)
    height, width = frames.shape[1:3]
    area = mask.sum(axis=(2, 3))
    u, v = np.arange(width) + 0.5, np.arange(height) + 0.5
    across = mask.sum(axis=2) / np.maximum(area, 1e-9)[..., None]
    along = mask.sum(axis=3) / np.maximum(area, 1e-9)[..., None]
    glow = np.maximum(bright.sum(axis=(2, 3)), 1e-9)
    centre = [(across * u).sum(-1), (along * v).sum(-1)]
    off = [u - centre[0][..., None], v - centre[1][..., None]]
    weight = [across, along]
    spread = [np.sqrt((w * d**2).sum(-1)) for w, d in zip(weight, off, strict=True)]
    third = [(w * d**3).sum(-1) for w, d in zip(weight, off, strict=True)]
    # what is cut off on one side is narrower than it is high, and skewed: that far its centre lies beyond
    short = [np.maximum(spread[1 - k] - spread[k], 0.0) for k in (0, 1)]
    lean = [np.tanh(STEEP * third[k] / np.maximum(spread[k], 0.3) ** 3) * short[k] for k in (0, 1)]
    lit = [(bright.sum(axis=2) * u).sum(-1) / glow, (bright.sum(axis=3) * v).sum(-1) / glow]
    half = np.array([width, height]) / 2
    values = [
        centre[0] / half[0] - 1, centre[1] / half[1] - 1, 
        *(s / half[0] * 8 for s in (*spread, *(np.cbrt(m) for m in third), *lean)),
        np.sqrt(area) / half[1] * 4, area / (half[0] * half[1]) * 25,
        lit[0] / half[0] - 1, lit[1] / half[1] - 1, np.ones_like(area),
    ]  # fmt: skip
    there = (area >= LEAST_PX)[..., None]
    return np.where(there, np.stack(values, axis=-1), 0.0).astype(np.float32)
