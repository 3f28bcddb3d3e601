"""The colour cast of each frame, and the frame without it.

Everything that does not move is grey, so a picture's greys tell what its channels were gained by: most
pixels then share one ratio of red to green and of blue to green. A cast is taken out of a frame only where
its greys agree on one, within stated limits. Frames without a cast stay as they are, to the last bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Bools = NDArray[np.bool_]
STRONGEST = 1.5  # a ratio of two channels beyond it is a colour, not a cast
NO_CAST = 0.02  # ratios nearer to 1 are none: codecs and rounding turn greys by as much
_AGREE = 0.06  # the greys of one cast lie this near to its ratio
_ENOUGH = 0.02  # of a frame's pixels must be grey and neither black nor clipped
_MOST = 0.6  # of these must agree on one cast
_DARK, _CLIPPED = 24, 250  # of 255: values that tell no ratio


def balanced(frames: NDArray[np.uint8]) -> NDArray[np.uint8] | Singles:
    """Return frames (T, H, W, 3) without their colour casts, in [0, 255]; the same array where there is none.

    A clipped channel says only that it is large. It is taken for as large as the largest other one, as in
    the white of an empty background, and never for less than what it shows.
    """
    gain = casts(frames)
    off = np.flatnonzero((gain != 1).any(-1))
    if not len(off):
        return frames
    out = frames.astype(np.float32)
    seen, by = out[off], gain[off, None, None].astype(np.float32)
    clipped = seen >= _CLIPPED
    clean = np.minimum(seen / by, 255)
    known = np.where(clipped, 0, clean).max(-1, keepdims=True)
    white = clipped.all(-1, keepdims=True)
    out[off] = np.where(white, 255, np.where(clipped, np.maximum(clean, known), clean))
    return out


def casts(frames: NDArray[np.uint8]) -> Floats:
    """Return the gain of each channel in each frame, (T, 3); 1 where no cast can be told. Green has 1."""
    gain = np.ones((len(frames), 3))
    red, green, blue = (np.ascontiguousarray(frames[..., c]) for c in range(3))
    low, high = np.minimum(np.minimum(red, green), blue), np.maximum(np.maximum(red, green), blue)
    told = (low > _DARK) & (high < _CLIPPED)
    count, plain = (np.count_nonzero(m, axis=(1, 2)) for m in (told, told & (low == high)))
    # half of them exactly grey is a median of exactly 1
    for t in np.flatnonzero((count >= _ENOUGH * told[0].size) & (2 * plain < count)):
        some = frames[t][told[t] & (high[t] < STRONGEST**2 * low[t].astype(np.float32))]
        if len(some) < _ENOUGH * told[t].size:
            continue
        ratio = some[:, ::2] / some[:, 1:2].astype(np.float32)
        middle = np.median(ratio, axis=0)
        if np.abs(middle - 1).max() < NO_CAST or np.abs(np.log(middle)).max() > np.log(STRONGEST):
            continue
        near = (np.abs(ratio - middle) < _AGREE * middle).all(-1)
        if near.mean() >= _MOST:
            gain[t, ::2] = ratio[near].mean(0)
    return gain
