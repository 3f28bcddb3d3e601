"""Where a body is: its known outline laid over the pixels that can tell.

First a bank of outlines, shifted and turned, is compared with a coarse picture; then Gauss-Newton steps
move the outline until its soft edge agrees with the shares of the pixels on it. Pixels behind a static
body, under another body or outside the image have no weight, so a body half hidden is not pulled towards
its visible half. All frames of a body are fitted at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from wmeval.perceive.outline import Lens, Outline, outline, reach, symmetry
from wmeval.scene import Body

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_COARSE_PX = 5.0  # least radius of a body in the coarse picture
_TURN_STEP = np.deg2rad(22.5)  # between the outlines of the bank
_OTHERWISE = np.deg2rad(30.0)  # outlines turned by more than that are different guesses
_CLOSE = 0.1  # of the silhouette: a second guess worse by less than that is tried too
_UNSURE, _UNSURE_PX = 0.5, 0.15  # misfits nearer than that, relatively or in px, decide nothing
_ROOM = 0.6  # radii that a fit may move
_DAMPING = 0.02  # of the steps, in pixels that tell everything
_UNKNOWN = 1e-4  # what is known of a direction that no pixel tells of: it keeps sigma finite, at 5 px


@dataclass(frozen=True)
class Patches:
    """Square windows (F, P * P) around one body: shares, weights, and pixel coordinates."""

    share: Singles
    weight: Singles  # 0 = tells nothing
    away: Bools  # tells nothing because it is outside the image or behind a static body
    x: Singles  # (F, P * P) px, pixel centres
    y: Singles
    side: int  # P

    def take(self, rows: Ints) -> Patches:
        """Return some of the windows."""
        return Patches(
            self.share[rows], self.weight[rows], self.away[rows], self.x[rows], self.y[rows], self.side
        )


@dataclass(frozen=True)
class Fits:
    """Fitted centres and angles of one body in F frames."""

    pixel: Floats  # (F, 2)
    angle: Floats  # (F,) rad, of the body's own x axis, up to its symmetry
    covariance: Floats  # (F, 3, 3) of u, v [px] and angle [rad]
    distance: Singles  # (F, P * P) of each pixel from the outline
    misfit: Floats  # (F,) sum of weighted squared differences between shares and outline


@dataclass(frozen=True)
class Geometry:
    """What is known of a body in F frames: shape, camera, plane."""

    body: Body
    lens: Lens
    y: Floats  # (F,) m

    def outline(self, pixel: Floats, angle: Floats) -> Outline:
        """Return the silhouettes at pixels (F, 2) and angles (F,)."""
        return outline(self.body, self.lens, pixel, angle, self.y)

    def size(self, pixel: Floats) -> Floats:
        """Return the radius [px] of the circle around the silhouettes, (F,)."""
        centre = self.lens.on_plane(pixel, self.y)
        _, depth = self.lens.project(centre[:, None])
        return self.lens.focal * reach(self.body) / depth[:, 0]

    def area(self, pixel: Floats) -> Floats:
        """Return the area [px] of the face that the body turns to a camera along y, (F,)."""
        centre = self.lens.on_plane(pixel, self.y)
        _, depth = self.lens.project(centre[:, None])
        size = self.body.size
        disc = self.body.shape == "sphere" or symmetry(self.body) == 0.0
        face = np.pi * size[0] ** 2 if disc else 4 * size[0] * size[-1]
        return face * (self.lens.focal / depth[:, 0]) ** 2

    def take(self, rows: Ints) -> Geometry:
        """Return the geometry of some of the frames."""
        return Geometry(self.body, self.lens.take(rows), self.y[rows])


def soft(distance: Singles, width: float) -> Singles:
    """Return the share of a pixel that lies within an outline at a signed distance [px].

    >>> soft(np.array([-1, 0, .25, 1], np.float32), 1.0).tolist()
    [1.0, 0.5, 0.25, 0.0]
    """
    share: Singles = np.clip(np.float32(0.5) - distance / np.float32(width), 0, 1)
    return share


@dataclass(frozen=True)
class Guesses:
    """The two best of a bank of outlines in F frames; the second is turned otherwise."""

    pixel: Floats  # (2, F, 2)
    angle: Floats  # (2, F)
    gap: Floats  # (F,) by how much the second is worse, as a share of the silhouette; inf = there is none


def offset(body: Body) -> float:
    """Return how far, in radii of the circle around it, a body's centre may lie from what is seen of it."""
    return 0.85 if body.shape == "sphere" else 0.65


def search(patches: Patches, geometry: Geometry, near: Floats, angle: Floats) -> Guesses:
    """Return the best of a bank of shifted and turned outlines.

    `near` (F, 2) are first guesses that the centre lies within about a radius of; `angle` (F,) is kept
    for bodies that look the same from all sides.
    """
    period = symmetry(geometry.body)
    middle = len(near) // 2
    size = float(geometry.size(near).max())
    by = max(1, int(size / _COARSE_PX))
    side = patches.side // by
    far = int(np.ceil(offset(geometry.body) * size / by))
    turns = np.arange(0.0, period - 1e-9, _TURN_STEP) if period else angle[:1]
    wide = side + 2 * far
    # one large picture of the outline per angle; every shift is a window into it
    grid = (np.arange(wide) - (wide - 1) / 2) * by
    x, y = (a.ravel()[None].astype(np.float32) for a in np.meshgrid(grid, grid))
    home = near[middle : middle + 1]
    same = geometry.take(np.full(len(turns), middle))
    shape = same.outline(np.broadcast_to(home, (len(turns), 2)), turns)
    d, _, _ = shape.distance(x + np.float32(home[0, 0]), y + np.float32(home[0, 1]))
    bank = soft(d, 1.3 * by).reshape(-1, wide, wide)  # (angles, wide, wide)

    def pool(a: Singles) -> Singles:
        cut = a.reshape(-1, patches.side, patches.side)[:, : side * by, : side * by]
        pooled: Singles = cut if by == 1 else cut.reshape(-1, side, by, side, by).mean((2, 4))
        return pooled

    steps = (far - np.arange(2 * far + 1)) * by
    down, right = (a.ravel() for a in np.meshgrid(steps, steps, indexing="ij"))
    # beside a screen the colour of a body speaks for it, though its absence says nothing
    weight = np.maximum(patches.weight, np.float32(0.5) * patches.share)
    cost = _misfits(pool(weight), pool(weight * patches.share), bank, 2 * far + 1)
    # the middle of the window that was cut is not exactly the first guess
    x0 = patches.x.reshape(-1, patches.side, patches.side)[:, 0, : side * by].mean(-1)
    y0 = patches.y.reshape(-1, patches.side, patches.side)[:, : side * by, 0].mean(-1)
    pull = 0.002 * (right**2 + down**2) / by**2
    cost = cost.reshape(len(near), len(turns), len(right)) + pull.astype(np.float32)
    shift, least = cost.argmin(2), cost.min(2)  # (F, angles)
    rows = np.arange(len(near))
    first = least.argmin(1)
    away = np.abs((turns - turns[first][:, None] + period / 2) % period - period / 2) if period else None
    if away is None or len(turns) == 1:
        second, gap = first, np.full(len(near), np.inf)
    else:
        others = np.where(away > _OTHERWISE, least, np.inf)
        second = others.argmin(1)
        gap = (others[rows, second] - least[rows, first]) / bank.sum((1, 2)).max()
    pixel = [np.stack([x0 + right[s], y0 + down[s]], -1) for s in (shift[rows, first], shift[rows, second])]
    turned_to = np.stack([turns[first], turns[second]]) if period else np.stack([angle, angle])
    return Guesses(np.stack(pixel).astype(np.float64), turned_to.astype(np.float64), gap.astype(np.float64))


def _misfits(weight: Singles, weighted: Singles, bank: Singles, shifts: int) -> Singles:
    """Return weight . shape^2 - 2 (weight share) . shape of every shifted shape, (F, angles, shifts, shifts).

    `weight` and `weighted` = weight x share are (F, S, S); shift i, j of a picture of the bank (A, W, W) is
    its window that starts at i, j. All shifts at once are a correlation, and that is a product of spectra.
    """
    size = fft.next_fast_len(bank.shape[1], real=True)
    ours, theirs = (
        fft.rfft2(a, (size, size)) for a in (np.stack([weight, -2 * weighted]), np.stack([bank * bank, bank]))
    )
    product = np.einsum("kfij,kaij->faij", ours.conj(), theirs)
    rows = fft.ifft(product, axis=2)[:, :, :shifts]
    found = fft.irfft(rows, size, axis=3)[..., :shifts]
    return np.asarray(found, dtype=np.float32)


def best_of(
    patches: Patches, geometry: Geometry, guesses: Guesses, widths: tuple[float, ...], times: Floats
) -> Fits:
    """Return the fits from the first guesses, or from the second where these agree better with the pixels.

    Where both agree about as well (a body that is nearly square and half hidden), the turn is taken that
    is nearer to the body's turn in the nearest frame in which it is clear.
    """
    fits = refine(patches, geometry, guesses.pixel[0], guesses.angle[0], widths)
    rows = np.flatnonzero(guesses.gap < _CLOSE)
    if not len(rows):
        return fits
    part = patches.take(rows)
    other = refine(part, geometry.take(rows), guesses.pixel[1][rows], guesses.angle[1][rows], widths)
    one, two = fits.misfit[rows], other.misfit
    better = two < one
    unsure = np.abs(two - one) < np.maximum(_UNSURE * np.minimum(one, two), _UNSURE_PX)
    clear = np.ones(len(times), bool)
    clear[rows[unsure]] = False
    if clear.any() and unsure.any():
        turn = fits.angle.copy()
        turn[rows[better]] = other.angle[better]
        at = np.flatnonzero(clear)
        nearest = at[np.abs(times[rows][:, None] - times[at]).argmin(1)]
        period = symmetry(geometry.body)

        def off(angle: Floats) -> Floats:
            away: Floats = np.abs((angle - turn[nearest] + period / 2) % period - period / 2)
            return away

        better = np.where(unsure, off(other.angle) < off(fits.angle[rows]), better)
    for name in ("pixel", "angle", "covariance", "distance", "misfit"):
        getattr(fits, name)[rows[better]] = getattr(other, name)[better]
    return fits


def refine(
    patches: Patches, geometry: Geometry, pixel: Floats, angle: Floats, widths: tuple[float, ...]
) -> Fits:
    """Return the outlines after one Gauss-Newton step for each edge width [px], the last one the true one."""
    turning = symmetry(geometry.body) > 0
    sign = np.where(geometry.lens.axes[:, 2, 1] < 0, -1.0, 1.0).astype(np.float32)[:, None]
    damping = np.eye(3 if turning else 2) * _DAMPING
    size = geometry.size(pixel)
    start, angle = pixel, angle.copy()
    scale = np.stack([np.ones_like(size), np.ones_like(size), 1 / size], -1)  # angle in px at the rim
    for step, width in enumerate((*widths, widths[-1])):
        shape = geometry.outline(pixel, angle)
        distance, nx, ny = shape.distance(patches.x, patches.y)
        residual = patches.share - soft(distance, width)
        edge = (np.abs(distance) < width / 2) * patches.weight
        columns = [nx / np.float32(width), ny / np.float32(width)]
        if turning:
            dx = patches.x - pixel[:, :1].astype(np.float32)
            dy = patches.y - pixel[:, 1:].astype(np.float32)
            columns.append(
                sign * (nx * dy - ny * dx) / (np.float32(width) * size[:, None].astype(np.float32))
            )
        jacobian = np.stack(columns, 1)  # (F, 2 or 3, P^2)
        weighted = jacobian * edge[:, None]
        normal = (weighted @ np.swapaxes(jacobian, 1, 2)).astype(np.float64)
        if step == len(widths):
            break
        right = (weighted @ residual[..., None])[..., 0].astype(np.float64)
        move = np.linalg.solve(normal + damping, right[..., None])[..., 0]
        move *= np.minimum(1.0, width / np.maximum(np.abs(move).max(-1), 1e-9))[:, None]
        # a fit that leaves its neighbourhood has lost its edges
        moved = pixel + move[:, :2] - start
        far = np.linalg.norm(moved, axis=-1)
        pixel = start + moved * np.minimum(1.0, _ROOM * size / np.maximum(far, 1e-9))[:, None]
        if turning:
            angle += move[:, 2] / size
    # the scatter of the edge pixels about the outline, never better than the quarter steps of their shares
    spread = (edge * residual**2).sum(-1) / np.maximum(edge.sum(-1) - len(columns), 1.0)
    inverse = (
        np.linalg.inv(normal + np.eye(len(columns)) * _UNKNOWN)
        * np.maximum(spread, 0.05**2).astype(np.float64)[:, None, None]
    )
    covariance = np.full((len(pixel), 3, 3), 0.0)
    covariance[:, : len(columns), : len(columns)] = inverse
    covariance *= scale[:, :, None] * scale[:, None, :]
    if not turning:
        covariance[:, 2, 2] = np.inf
    misfit = (patches.weight * residual**2).sum(-1).astype(np.float64)
    return Fits(pixel, angle, covariance, distance, misfit)
