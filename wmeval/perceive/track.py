"""Frames -> Tracks: colour cast, palette, evidence, components, outlines, and what is left unexplained.

The measurer knows the Scene (shapes, sizes, hues, static bodies, camera) and never the Truth. It takes
bodies to move in the plane y = where they start, drifting with their starting velocity along y; the depth
is not observed, so its sigma is inf.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import View
from wmeval.perceive.balance import balanced
from wmeval.perceive.blobs import components
from wmeval.perceive.evidence import gather
from wmeval.perceive.fit import Geometry
from wmeval.perceive.hiding import Statics
from wmeval.perceive.locate import Seen, Sight, continued, locate, settle
from wmeval.perceive.outline import symmetry
from wmeval.perceive.palette import colours, estimate
from wmeval.scene import Body, Scene
from wmeval.tracks import Tracks

Floats = NDArray[np.float64]
SIGMA_FLOOR_PX = 0.03  # no centre of a round body is known better, in px
EXTRA_SHARE, EXTRA_PX = 0.2, 5.0  # of the smallest silhouette, and px: smaller components are no extras


def track(frames: NDArray[np.uint8], scene: Scene, view: View, times: Floats) -> Tracks:
    """Return what frames (T, H, W, 3), seen at times (T,) [s], show of a scene's moving bodies.

    A body that is not found has found False, NaN and sigma inf; nothing is filled in. `position` lies on
    the body's plane and its sigma along y is inf. Angles are those of a body's own x axis in the x-z
    plane; where a body looks the same after a turn, the branch that continues its motion is taken.

    Raises:
        ValueError: the frames are not uint8 (T, H, W, 3) of the view's size with one time each.
    """
    frames, times = np.asarray(frames), np.asarray(times, dtype=np.float64)
    wanted = (len(times), view.height, view.width, 3)
    if frames.dtype != np.uint8 or frames.shape != wanted:
        raise ValueError(
            f"frames are {frames.dtype} {frames.shape}; expected uint8 {wanted} for {len(times)} times and "
            f"a view of {view.height} x {view.width}"
        )
    out = _nothing(scene, view, times)
    if not scene.moving or not len(times):
        return out
    clip = colours(balanced(frames))
    evidence = gather(clip, estimate(clip, scene))
    statics = Statics.of(scene, view, times)
    sights = [locate(i, scene, view, times, evidence, statics) for i in range(len(scene.moving))]
    widths = np.concatenate([s.edge for s in sights])
    widths = widths[np.isfinite(widths)]
    width = float(np.median(widths)) if len(widths) else 1.0
    width = float(np.clip(width, 1.0, 1.2 * min(s.size for s in sights)))
    left = evidence.strong.copy()
    for sight in sights:
        if len(sight.rows):
            seen = settle(sight, evidence, width)
            left &= ~seen.explained
            _write(out, sight, seen)
    blobs = components(left)
    smallest = min(s.expected for s in sights)
    large = blobs.area >= max(EXTRA_PX, EXTRA_SHARE * smallest)
    out.extras[:] = np.bincount(blobs.frame[large], minlength=len(times))
    return out


def _nothing(scene: Scene, view: View, times: Floats) -> Tracks:
    """Return Tracks in which no body is found."""
    shape = (len(times), len(scene.moving))
    return Tracks(
        names=scene.names,
        times=times,
        pixel=np.full((*shape, 2), np.nan),
        position=np.full((*shape, 3), np.nan),
        sigma=np.full((*shape, 3), np.inf),
        angle=np.full(shape, np.nan),
        angle_sigma=np.full(shape, np.inf),
        visible=np.zeros(shape),
        found=np.zeros(shape, bool),
        area=np.full(shape, np.nan),
        colour=np.full(shape, np.nan),
        confidence=np.zeros(shape),
        extras=np.zeros(len(times), np.int64),
        camera=scene.camera,
        view=view,
    )


def _write(out: Tracks, sight: Sight, seen: Seen) -> None:
    """Write one body into its slot."""
    slot, found, fits = sight.slot, seen.found, seen.fits
    out.visible[sight.rows, slot] = seen.visible
    at = sight.rows[found]
    out.found[at, slot] = True
    out.confidence[at, slot] = seen.confidence[found]
    out.area[at, slot] = seen.area[found]
    out.colour[at, slot] = seen.hue[found]
    out.pixel[at, slot] = fits.pixel[found]
    geometry = sight.geometry.take(np.flatnonzero(found))
    covariance = fits.covariance[found, :2, :2] + _grain(geometry.body, out.view) ** 2 * np.eye(2)
    position, sigma = _in_metres(geometry, fits.pixel[found], covariance)
    out.position[at, slot], out.sigma[at, slot] = position, sigma
    period = symmetry(geometry.body)
    if period:
        spread = np.sqrt(fits.covariance[found, 2, 2])
        known = spread < period / 6  # beyond that, one turn is as good as another
        when = at[known]
        out.angle_sigma[when, slot] = spread[known]
        out.angle[when, slot] = continued(fits.angle[found][known], out.times[when], geometry.body)


def _grain(body: Body, view: View) -> float:
    """Return the error [px] of a centre that the pixels of an edge share, so that they do not average it out.

    A straight edge along the rows or columns is drawn in whole sub-pixels, `supersample` to a pixel: it is
    off by up to half of one, evenly, and a centre is the mean of two such edges.
    """
    if body.shape == "sphere":
        return SIGMA_FLOOR_PX
    return float(1 / (view.supersample * np.sqrt(24)))


def _in_metres(geometry: Geometry, pixel: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """Return positions and sigmas (F, 3) [m] on the body's plane from pixels (F, 2) and their covariance."""
    position = geometry.lens.on_plane(pixel, geometry.y)
    slopes = np.stack(
        [geometry.lens.on_plane(pixel + step, geometry.y) - position for step in np.eye(2)], -1
    )  # (F, 3, 2) m per px
    sigma = np.sqrt(np.einsum("fij,fjk,fik->fi", slopes, covariance, slopes))
    sigma[:, 1] = np.inf
    return position, sigma
