"""Windows cut around one body: the shares of its pixels, and which of them can tell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from wmeval.perceive.evidence import Evidence
from wmeval.perceive.fit import Patches
from wmeval.perceive.hiding import Hidden

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
_PLAIN = 0.6  # a share that noise on a dark screen does not reach
_IN_FRONT = 0.3  # of a body's colour where it should be hidden: then it was drawn in front


def cut(
    evidence: Evidence, behind: Hidden, slot: int, rows: Ints, near: Floats, half: int, margin: int
) -> Patches:
    """Return the windows of half width `half` [px] around `near` (F, 2) in frames `rows` (F,).

    `behind` are the pixels where a static body hides this one; `margin` [px] is how far the colours of two
    bodies mix where they meet.
    """
    height, width = evidence.owner.shape[1:]
    corner = np.floor(near).astype(np.int64) - half
    side = 2 * half + 1
    offsets = np.arange(side)
    u = corner[:, 0, None, None] + offsets[None, None, :]
    v = corner[:, 1, None, None] + offsets[None, :, None]
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    within = np.clip(v, 0, height - 1) * width + np.clip(u, 0, width - 1)
    at = rows[:, None, None] * (height * width) + within
    share = evidence.share(slot, at) * inside
    owner = evidence.owner.take(at)
    others = evidence.strong.take(at) & (owner != slot + 1)
    # on the seam of two bodies their colours mix, which says nothing of either share
    blocked = ndimage.maximum_filter(others, (1, 2 * margin + 1, 2 * margin + 1))
    covered = behind.mask.take(behind.which[rows][:, None, None] * (height * width) + within)
    plain = share * (share > _PLAIN)
    drawn = (plain * ndimage.minimum_filter(covered, (1, 5, 5))).sum((1, 2))
    ahead = drawn > _IN_FRONT * np.maximum(plain.sum((1, 2)), 1e-6)
    away = ~inside | (covered & ~ahead[:, None, None])
    weight = (~away & ~blocked).astype(np.float32)
    shape = (len(rows), side * side)
    x = np.broadcast_to(u + np.float32(0.5), share.shape).reshape(shape).astype(np.float32)
    y = np.broadcast_to(v + np.float32(0.5), share.shape).reshape(shape).astype(np.float32)
    return Patches(share.reshape(shape), weight.reshape(shape), away.reshape(shape), x, y, side)
