"""Where the static bodies of a scene stand between the camera and a moving body.

The measurer knows the walls and screens of a scene. A pixel in front of which one of them stands tells
nothing about the body behind, so a contour fit leaves it out instead of taking it for background.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, reduce

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from wmeval.camera import Camera, View
from wmeval.perceive.outline import Lens, start_turn
from wmeval.scene import Body, Scene

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
_CONTACT_PX = 1  # of a surface in front of a body, where it recedes to the body, still show the body's edge
_SAME_SURFACE_M = 2.0  # neighbouring pixels farther apart in depth see different surfaces


@dataclass(frozen=True)
class Statics:
    """The static bodies as the camera sees them, in the U frames that differ in them.

    `nearest` is how far from the eye [m] the ray of each pixel meets one, inf = never; `recession` by how
    much that changes from pixel to pixel on the same surface.
    """

    nearest: Floats  # (U, H, W)
    recession: Floats  # (U, H, W)
    lens: Lens
    which: Ints  # (T,) into U

    @classmethod
    def of(cls, scene: Scene, view: View, times: Floats) -> Statics:
        """Return what stands in a scene at times (T,) [s]. The last few answers are kept: write into none."""
        return _statics(scene.static, scene.camera, view, tuple(times.tolist()))


@dataclass(frozen=True)
class Hidden:
    """Pixels that tell nothing of one moving body, in the U frames that differ in them."""

    mask: Bools  # (U, H, W)
    which: Ints  # (T,) into U

    def grown(self, by: int) -> Hidden:
        """Return the same with so many pixels more all around."""
        if by < 1 or not self.mask.any():
            return self
        return Hidden(ndimage.maximum_filter(self.mask, (1, 2 * by + 1, 2 * by + 1)), self.which)


@lru_cache(8)
def _statics(static: tuple[Body, ...], camera: Camera, view: View, times: tuple[float, ...]) -> Statics:
    movers = [b for b in static if b.path]
    placed = [[np.round(b.placed(t), 6) for b in movers] for t in times]
    still_camera = not camera.path
    poses = map(camera.at, times if not still_camera else [0.0] * min(len(times), 1))
    views = [np.concatenate([p.eye, p.axes.ravel()]) for p in poses] * (len(times) if still_camera else 1)
    keys = np.stack([np.concatenate([v, *p]) for v, p in zip(views, placed, strict=True)])
    _, first, which = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    lens = Lens.of(camera, view, np.array(times)[first])
    local = _directions(lens, view)
    in_camera = (local / np.linalg.norm(local, axis=-1, keepdims=True)).reshape(-1, 3)
    nearest = np.empty((len(first), len(in_camera)))
    still = None
    for i, t in enumerate(first):
        rays = in_camera @ lens.axes[i]
        if still is None or camera.path:
            fixed = [entry(b, np.array(b.position), lens.eye[i], rays) for b in static if not b.path]
            still = np.min([np.full(len(rays), np.inf), *fixed], axis=0)
        moved = [entry(b, w, lens.eye[i], rays) for b, w in zip(movers, placed[t], strict=True)]
        nearest[i] = np.min([still, *moved], axis=0)
    seen = nearest.reshape(len(first), view.height, view.width)
    return Statics(seen, _recession(seen), lens, which.reshape(-1))


def _directions(lens: Lens, view: View) -> Floats:
    """Return the directions (H, W, 3) of all pixel centres in camera axes, 1 along the optical axis."""
    u, v = np.meshgrid(np.arange(view.width) + 0.5, np.arange(view.height) + 0.5)
    return np.stack(
        [(u - lens.centre[0]) / lens.focal, (v - lens.centre[1]) / lens.focal, np.ones_like(u)], -1
    )


def entry(body: Body, where: Floats, eye: Floats, rays: Floats) -> Floats:
    """Return at which distance [m] unit rays (P, 3) from the eye enter a body that stands at `where`."""
    own, _ = start_turn(body)
    start, ray = (eye - where) @ own, rays @ own
    ray = np.where(np.abs(ray) < 1e-12, 1e-12, ray)
    if body.shape == "box":
        near, far = _slabs(start, ray, np.array(body.size))
    elif body.shape == "sphere":
        near, far = _round(start, ray, body.size[0])
    else:
        around = _round(start[:2], ray[:, :2], body.size[0])
        along = _slabs(start[2:], ray[:, 2:], np.array(body.size[1:]))
        near, far = np.maximum(around[0], along[0]), np.minimum(around[1], along[1])
    return np.where((near <= far) & (far > 0), np.maximum(near, 0.0), np.inf)


def _slabs(start: Floats, ray: Floats, half: Floats) -> tuple[Floats, Floats]:
    one, two = (-half - start) / ray, (half - start) / ray
    # a reduction over an axis of 3 takes several times as long
    low, high = (np.moveaxis(f(one, two), -1, 0) for f in (np.minimum, np.maximum))
    return reduce(np.maximum, low), reduce(np.minimum, high)


def _round(start: Floats, ray: Floats, radius: float) -> tuple[Floats, Floats]:
    a, b = (ray * ray).sum(-1), ray @ start
    root = b * b - a * (float(start @ start) - radius**2)
    half = np.sqrt(np.maximum(root, 0.0))
    missed = root <= 0
    return np.where(missed, np.inf, (-b - half) / a), np.where(missed, -np.inf, (-b + half) / a)


def hidden(statics: Statics, view: View, front_y: Floats) -> Hidden:
    """Return which pixels tell nothing of a body whose front is at y (T,) [m]: those behind a static body.

    But where the static body recedes to where the moving one stands, as the floor under it does, their
    common edge is in full view, and the first pixels of it stay out.
    """
    shared = bool(np.ptp(front_y) < 1e-9)
    rows = np.arange(len(statics.nearest)) if shared else statics.which
    lens, front = statics.lens.take(rows), np.full(len(rows), front_y[0]) if shared else front_y
    local = _directions(lens, view)
    # only the y of each ray matters: how far along it the plane of the body's front is met
    slope = np.einsum("hwi,ti->thw", local, lens.axes[:, :, 1]) / np.linalg.norm(local, axis=-1)
    slope = np.where(np.abs(slope) < 1e-9, 1e-9, slope)
    distance = (front - lens.eye[:, 1])[:, None, None] / slope
    behind = (distance > 0) & (statics.nearest[rows] + (_CONTACT_PX + 1) * statics.recession[rows] < distance)
    return Hidden(behind, statics.which if shared else np.arange(len(front_y))).grown(1)


def _recession(nearest: Floats) -> Floats:
    """Return by how much [m] the distance of a surface changes from pixel to pixel, (U, H, W).

    Of the two neighbours along an axis the nearer in depth lies on the same surface; where neither does,
    nothing is said.
    """
    depth = np.where(np.isfinite(nearest), nearest, 1e6)
    total = np.zeros_like(depth)
    for axis in (1, 2):
        step = np.abs(np.diff(depth, axis=axis))
        pad = [(0, 0)] * 3
        pad[axis] = (1, 0)
        before = np.pad(step, pad, constant_values=np.inf)
        pad[axis] = (0, 1)
        after = np.pad(step, pad, constant_values=np.inf)
        least = np.minimum(before, after)
        total += np.where(least < _SAME_SURFACE_M, least, 0.0)
    return total
