"""Windows cut around one body: the shares of its pixels, and which of them can tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from wmeval.perceive.evidence import Evidence
from wmeval.perceive.fit import Patches

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
_IN_FRONT = 0.3  # of a body's colour where it should be hidden: then it was drawn in front


@dataclass(frozen=True)
class Cover:
    """Pixels that a static body hides from one moving body, (T or 1, H, W): all, with a rim, without one."""

    rim: Bools
    core: Bools

    @classmethod
    def of(cls, behind: Bools, margin: int) -> Cover:
        """Return the cover with its rim `margin` px outwards and its core as much inwards."""
        if not behind.any():
            return cls(behind, behind)
        size = (1, 2 * margin + 1, 2 * margin + 1)
        return cls(ndimage.maximum_filter(behind, size), ndimage.minimum_filter(behind, size))


def cut(evidence: Evidence, cover: Cover, slot: int, rows: Ints, near: Floats, half: int) -> Patches:
    """Return the windows of half width `half` [px] around `near` (F, 2) in frames `rows` (F,)."""
    height, width = evidence.owner.shape[1:]
    corner = np.floor(near).astype(np.int64) - half
    side = 2 * half + 1
    offsets = np.arange(side)
    u = corner[:, 0, None, None] + offsets[None, None, :]
    v = corner[:, 1, None, None] + offsets[None, :, None]
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    at = (rows[:, None, None], np.clip(v, 0, height - 1), np.clip(u, 0, width - 1))
    share = evidence.share(slot, at) * inside
    owner = evidence.owner[at]
    others = evidence.strong[at] & (owner != slot + 1)
    # on the seam of two bodies their colours mix, which says nothing of either share
    blocked = ndimage.maximum_filter(others, (1, 3, 3))
    moving = len(cover.rim) > 1
    place = (at[0] if moving else np.zeros_like(at[0]), at[1], at[2])
    in_core = (share * cover.core[place]).sum((1, 2))
    ahead = in_core > _IN_FRONT * np.maximum(share.sum((1, 2)), 1e-6)
    blocked |= cover.rim[place] & ~ahead[:, None, None]
    weight = (inside & ~blocked).astype(np.float32)
    shape = (len(rows), side * side)
    x = np.broadcast_to(u + np.float32(0.5), share.shape).reshape(shape).astype(np.float32)
    y = np.broadcast_to(v + np.float32(0.5), share.shape).reshape(shape).astype(np.float32)
    return Patches(share.reshape(shape), weight.reshape(shape), x, y, side)
