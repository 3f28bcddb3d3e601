"""Where our picture lies in somebody else's pixels, and their frames brought to ours.

Services scale, letterbox or crop what they are given. All of these put the picture into an axis-aligned
rectangle of their frame, so that four numbers are the whole affine map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Frame = NDArray[np.uint8]
GRID = 128  # px a side at which a placement is refined
GAIN = 0.05  # share of the squared difference that refining must take away to be believed
ROUNDS = 12


@dataclass(frozen=True)
class Placement:
    """The rectangle of a frame [px] that our picture fills; it may reach beyond the frame."""

    x: float
    y: float
    width: float
    height: float

    def cut_away(self, width: int, height: int) -> float:
        """Return the share of our picture that lies beyond a frame of this size.

        >>> Placement(0, -140, 1280, 1280).cut_away(1280, 720) > .4
        True
        """
        wide = max(0.0, min(self.x + self.width, width) - max(self.x, 0.0)) / self.width
        high = max(0.0, min(self.y + self.height, height) - max(self.y, 0.0)) / self.height
        return 1 - wide * high

    def within(self, outer: Placement, width: int, height: int) -> Placement:
        """Return where this rectangle of a frame of width x height px lies if that frame fills `outer`."""
        sx, sy = outer.width / width, outer.height / height
        return Placement(outer.x + self.x * sx, outer.y + self.y * sy, self.width * sx, self.height * sy)

    def said(self) -> str:
        """Return the rectangle as `--set geometry=` takes it."""
        return ",".join(f"{v:.4g}" if abs(v) < 1000 else f"{v:.1f}" for v in self.numbers())

    def numbers(self) -> tuple[float, float, float, float]:
        """Return x, y, width, height."""
        return (self.x, self.y, self.width, self.height)


def fits(width: int, height: int, canvas: tuple[int, int], picture: Placement) -> Mapping[str, Placement]:
    """Return where our picture can lie in a frame of width x height px, by the name of how it got there.

    `canvas` is the size (width, height) of what was handed out, and `picture` our picture in it. A frame of
    the same shape can only have been scaled.

    >>> sorted(fits(1280, 720, (512, 512), Placement(0, 0, 512, 512)))
    ['crop', 'letterbox', 'stretch']
    >>> fits(1024, 1024, (512, 512), Placement(0, 0, 512, 512))
    {'scale': Placement(x=0.0, y=0.0, width=1024.0, height=1024.0)}
    """
    sx, sy = width / canvas[0], height / canvas[1]
    if abs(sx / sy - 1) * max(width, height) < 1:
        return {"scale": picture.within(Placement(0.0, 0.0, float(width), float(height)), *canvas)}
    made = {}
    for name, (x, y) in {
        "letterbox": (min(sx, sy),) * 2, "crop": (max(sx, sy),) * 2, "stretch": (sx, sy),
    }.items():  # fmt: skip
        w, h = x * canvas[0], y * canvas[1]
        made[name] = picture.within(Placement((width - w) / 2, (height - h) / 2, w, h), *canvas)
    return made


class Summed:
    """A frame as its summed-area table, from which the mean of any rectangle is four look-ups (Crow 1984)."""

    def __init__(self, frame: NDArray[np.uint8] | Floats) -> None:
        height, width = frame.shape[:2]
        self.table = np.zeros((height + 1, width + 1, frame.shape[2]))
        np.cumsum(frame, axis=0, dtype=np.float64, out=self.table[1:, 1:])
        np.cumsum(self.table[1:, 1:], axis=1, out=self.table[1:, 1:])

    def picture(self, placement: Placement, height: int, width: int) -> Floats:
        """Return our picture (height, width, C): the mean colour under each of our pixels.

        What lies beyond the frame repeats its edge.
        """
        y = _edges(height, placement.y, placement.height, self.table.shape[0] - 1)
        x = _edges(width, placement.x, placement.width, self.table.shape[1] - 1)
        down = _between(self.table, y[1], 0) - _between(self.table, y[0], 0)
        box = _between(down, x[1], 1) - _between(down, x[0], 1)
        area = (y[1] - y[0])[:, None] * (x[1] - x[0])[None]
        made: Floats = box / area[..., None]
        return made


def shrink(frame: NDArray[np.uint8] | Floats, placement: Placement, height: int, width: int) -> Floats:
    """Return our picture (height, width, 3) in a frame (H, W, 3); see `Summed.picture`."""
    rows, columns = frame.shape[:2]
    # what lies beside the picture need not be summed
    y, x = max(0, min(rows - 1, int(placement.y))), max(0, min(columns - 1, int(placement.x)))
    low = max(y + 1, int(np.ceil(placement.y + placement.height)))
    right = max(x + 1, int(np.ceil(placement.x + placement.width)))
    inner = replace(placement, x=placement.x - x, y=placement.y - y)
    return Summed(frame[y:low, x:right]).picture(inner, height, width)


def refined(pairs: Sequence[tuple[Frame, Frame]], start: Placement, picture: Placement) -> Placement:
    """Return the placement that brings frames nearest to the known pictures, or `start` where none is nearer.

    `pairs` holds (their frame, the picture handed out). The squared difference on a grid of 128 x 128 is
    brought down by Gauss-Newton steps over x, y, width and height, all pairs together; what no picture tells
    (a scene without vertical edges says nothing of x) stays as it was.
    """
    tables = [Summed(theirs.mean(-1, keepdims=True, dtype=np.float64)) for theirs, _ in pairs]
    wanted = np.stack([shrink(ours, picture, GRID, GRID).mean(-1, keepdims=True) for _, ours in pairs])
    by = np.array([start.width / GRID, start.height / GRID] * 2)  # one grid pixel, in theirs

    def seen(v: Floats) -> Floats:
        return np.stack([table.picture(Placement(*v), GRID, GRID) for table in tables])

    at = np.array(start.numbers())
    first = best = float(((seen(at) - wanted) ** 2).mean())
    damping = 1e-3
    for _ in range(ROUNDS):
        now = seen(at)
        slopes = np.stack(
            [((seen(at + e * by) - seen(at - e * by)) / 0.5).ravel() for e in np.eye(4) * 0.25], -1
        )
        normal = slopes.T @ slopes
        pull = slopes.T @ (wanted - now).ravel()
        step = np.linalg.solve(normal + damping * np.trace(normal) / 4 * np.eye(4), pull)
        step = np.clip(step, -2, 2) * by
        error = float(((seen(at + step) - wanted) ** 2).mean())
        if error >= best:
            damping *= 10
            if damping > 1:
                break
            continue
        at, best, damping = at + step, error, damping / 3
        if np.abs(step / by).max() < 1e-3:
            break
    return Placement(*(float(v) for v in at)) if best < (1 - GAIN) * first else start


def psnr(one: Floats, two: Floats) -> float:
    """Return the peak signal-to-noise ratio [dB] of 8-bit pictures; at most 99."""
    error = float(((np.asarray(one, np.float64) - two) ** 2).mean())
    return 99.0 if error == 0 else min(99.0, 10 * float(np.log10(255**2 / error)))


def _edges(out: int, start: float, length: float, size: int) -> tuple[Floats, Floats]:
    """Return the lower and upper edges (out,) of our pixels in theirs, inside [0, size] and never empty."""
    edges = np.clip(start + length * np.arange(out + 1) / out, 0, size)
    low, high = edges[:-1], edges[1:]
    beyond = high - low < 1e-6
    nearest = np.clip(np.floor(low), 0, size - 1)
    return np.where(beyond, nearest, low), np.where(beyond, nearest + 1, high)


def _between(table: Floats, at: Floats, axis: int) -> Floats:
    """Return a table interpolated linearly at fractional indices along an axis: the exact partial sums."""
    low = np.minimum(np.floor(at).astype(np.int64), table.shape[axis] - 2)
    share = (at - low)[:, None, None] if axis == 0 else (at - low)[None, :, None]
    under, over = np.take(table, low, axis), np.take(table, low + 1, axis)
    made: Floats = under + share * (over - under)
    return made
