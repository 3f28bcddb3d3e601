"""Where the static bodies of a scene stand between the camera and a moving body.

The measurer knows the walls and screens of a scene. A pixel in front of which one of them stands tells
nothing about the body behind, so a contour fit leaves it out instead of taking it for background.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from wmeval.camera import View
from wmeval.perceive.outline import Lens, start_turn
from wmeval.scene import Body, Scene

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_SAME_SURFACE_M = 2.0  # neighbouring pixels farther apart in depth see different surfaces


def nearest_static(scene: Scene, view: View, times: Floats) -> Floats:
    """Return how far from the eye [m] the ray of each pixel meets a static body, inf = never.

    The shape is (T, H, W), or (1, H, W) where neither the camera nor a static body moves.
    """
    moves = bool(scene.camera.path) or any(b.path for b in scene.static)
    when = times if moves else times[:1]
    lens = Lens.of(scene.camera, view, when)
    local = _directions(lens, view)
    rays_in_camera = (local / np.linalg.norm(local, axis=-1, keepdims=True)).reshape(-1, 3)
    out = np.full((len(when), view.height * view.width), np.inf)
    for t, now in enumerate(when):
        rays = rays_in_camera @ lens.axes[t]
        for body in scene.static:
            where = np.array(body.placed(float(now)))
            out[t] = np.minimum(out[t], entry(body, where, lens.eye[t], rays))
    return out.reshape(len(when), view.height, view.width)


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
    return np.minimum(one, two).max(-1), np.maximum(one, two).min(-1)


def _round(start: Floats, ray: Floats, radius: float) -> tuple[Floats, Floats]:
    a, b = (ray * ray).sum(-1), ray @ start
    root = b * b - a * (float(start @ start) - radius**2)
    half = np.sqrt(np.maximum(root, 0.0))
    missed = root <= 0
    return np.where(missed, np.inf, (-b - half) / a), np.where(missed, -np.inf, (-b + half) / a)


def hidden(nearest: Floats, scene: Scene, view: View, times: Floats, front_y: Floats, margin: int) -> Bools:
    """Return which pixels (T, H, W) tell nothing of a body whose front is at y (T,) [m].

    They are those behind a static body and `margin` px around them. But where the static body recedes to
    where the body stands, as the floor under it does, their common edge is in full view and stays out.
    The first axis is 1 where nothing depends on time.
    """
    still = len(nearest) == 1 and bool(np.ptp(front_y) < 1e-9)
    when, front = (times[:1], front_y[:1]) if still else (times, front_y)
    lens = Lens.of(scene.camera, view, when)
    local = _directions(lens, view)
    length = np.linalg.norm(local, axis=-1)
    # only the y of each ray matters: how far along it the plane of the body's front is met
    slope = np.einsum("hwi,ti->thw", local, lens.axes[:, :, 1]) / length
    slope = np.where(np.abs(slope) < 1e-9, 1e-9, slope)
    distance = (front - lens.eye[:, 1])[:, None, None] / slope
    behind = (distance > 0) & (nearest + (1 + margin) * _recession(nearest) < distance)
    if not behind.any():
        return behind
    wide: Bools = ndimage.maximum_filter(behind, (1, 2 * margin + 1, 2 * margin + 1))
    return wide


def _recession(nearest: Floats) -> Floats:
    """Return by how much [m] the distance of a surface changes from pixel to pixel, (T, H, W).

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
