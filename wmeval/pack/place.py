"""Where our picture lies in somebody else's pixels, and their frames brought to ours.

Services scale, letterbox or crop what they are given. All of these put the picture into an axis-aligned
rectangle of their frame, so that four numbers are the whole affine map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Frame = NDArray[np.uint8]
GRID = 128  # px a side at which a placement is refined
COARSE = 256  # px: frames are averaged down to no less than this before
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


def shrink(frame: NDArray[np.uint8] | Floats, placement: Placement, height: int, width: int) -> Floats:
    """Return our picture (height, width, 3) in a frame (H, W, 3): the mean colour under each of our pixels.

    What lies beyond the frame repeats its edge.
    """
    down = _shares(height, placement.y, placement.height, frame.shape[0])
    across = _shares(width, placement.x, placement.width, frame.shape[1])
    rows = np.tensordot(down, np.asarray(frame, np.float32), (1, 0))
    made: Floats = np.einsum("jw,hwc->hjc", across, rows, optimize=True).astype(np.float64)
    return made


def refined(pairs: Sequence[tuple[Frame, Frame]], start: Placement, picture: Placement) -> Placement:
    """Return the placement that brings frames nearest to the known pictures, or `start` where none is nearer.

    `pairs` holds (their frame, the picture handed out). The squared difference on a grid of 128 x 128 is
    brought down by Gauss-Newton steps over x, y, width and height, all pairs together; what no picture tells
    (a scene without vertical edges says nothing of x) stays as it was.
    """
    small = [_coarse(theirs) for theirs, _ in pairs]
    wanted = np.stack([shrink(ours, picture, GRID, GRID) for _, ours in pairs])
    by = np.array([start.width / GRID, start.height / GRID] * 2)  # one grid pixel, in theirs

    def seen(v: Floats) -> Floats:
        return np.stack([shrink(f, Placement(*(v / r)), GRID, GRID) for f, r in small])

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


def _shares(out: int, start: float, length: float, size: int) -> NDArray[np.float32]:
    """Return (out, size): how much of each of their pixels lies under each of ours; rows sum to 1."""
    edges = np.clip(start + length * np.arange(out + 1) / out, 0, size)
    low, high = edges[:-1, None], edges[1:, None]
    cells = np.arange(size)[None]
    share = np.clip(np.minimum(high, cells + 1) - np.maximum(low, cells), 0, None)
    beyond = share.sum(1) < 1e-9
    nearest = np.clip(np.floor(edges[:-1]), 0, size - 1).astype(int)
    share[beyond, nearest[beyond]] = 1.0
    made: NDArray[np.float32] = (share / share.sum(1, keepdims=True)).astype(np.float32)
    return made


def _coarse(frame: Frame) -> tuple[Floats, float]:
    """Return a frame averaged over blocks, and the side of a block [px]; an odd rest is left out."""
    by = max(1, min(frame.shape[:2]) // COARSE)
    h, w = frame.shape[0] // by * by, frame.shape[1] // by * by
    blocks = frame[:h, :w].reshape(h // by, by, w // by, by, 3)
    return blocks.mean((1, 3), dtype=np.float64), float(by)
