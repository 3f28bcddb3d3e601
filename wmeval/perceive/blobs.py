"""Connected components of one hue, and which of them is the body.

Identity is the hue. Where a hue shows several components, the body is the one that has most of the
expected area and lies nearest to where the body was heading; the others stay unexplained.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# neighbours in the image only: frames are labelled in one call and never joined
_IN_PLANE = np.zeros((3, 3, 3), bool)
_IN_PLANE[1] = True


@dataclass(frozen=True)
class Blobs:
    """Components of a mask over a clip, sorted by frame."""

    frame: Ints  # (K,)
    area: Floats  # (K,) px
    centre: Floats  # (K, 2) u, v [px]
    name: Ints  # (K,) what the component is called in `label`
    label: NDArray[np.signedinteger]  # (T, H, W) 0 = none

    def only(self, keep: NDArray[np.bool_]) -> Blobs:
        """Return some of the components."""
        return Blobs(self.frame[keep], self.area[keep], self.centre[keep], self.name[keep], self.label)

    def pixels(self, which: Ints) -> NDArray[np.bool_]:
        """Return the mask (T, H, W) of some components, given by their place in the arrays."""
        picked = np.zeros(int(self.label.max(initial=0)) + 1, bool)
        picked[self.name[which]] = True
        mask: NDArray[np.bool_] = picked[self.label]
        return mask


def components(mask: NDArray[np.bool_]) -> Blobs:
    """Return the connected components of a mask (T, H, W), frame by frame."""
    label, count = ndimage.label(mask, structure=_IN_PLANE)
    t, v, u = np.nonzero(mask)
    of = label[t, v, u] - 1
    area = np.bincount(of, minlength=count).astype(np.float64)
    safe = np.maximum(area, 1.0)
    centre = np.stack([np.bincount(of, weights=x + 0.5, minlength=count) / safe for x in (u, v)], -1)
    frame = np.zeros(count, np.int64)
    frame[of] = t
    return Blobs(frame, area, centre, np.arange(1, count + 1), label)


def choose(blobs: Blobs, frames: int, expected: Floats, size: float, start: Floats | None) -> Ints:
    """Return which component is the body in each frame (T,), -1 = none.

    Args:
        blobs: components of the body's hue, already without those too small to be it.
        frames: T.
        expected: area of the whole silhouette [px], (T,).
        size: radius of the silhouette [px]; jumps are judged by it.
        start: where the scene says the body is in the first frame (2,), only to choose between components.
    """
    chosen = np.full(frames, -1, np.int64)
    last, before = (start, start) if start is not None else (None, None)
    seen_at, seen_before = (0, 0)
    edges = np.searchsorted(blobs.frame, np.arange(frames + 1))
    for t in range(frames):
        some = np.arange(edges[t], edges[t + 1])
        if not len(some):
            continue
        best = some[0]
        if len(some) > 1:
            cost = -np.minimum(blobs.area[some] / expected[t], 1.0)
            if last is not None and before is not None:
                pace = (last - before) / max(seen_at - seen_before, 1)
                jump = np.linalg.norm(blobs.centre[some] - last - pace * (t - seen_at), axis=1)
                cost = cost + 0.6 * np.minimum(jump / (4 * size), 1.0)
            best = some[cost.argmin()]
        chosen[t] = best
        if last is None or t > seen_at:
            before, seen_before = (last, seen_at) if last is not None else (blobs.centre[best], t)
        last, seen_at = blobs.centre[best], t
    return chosen
