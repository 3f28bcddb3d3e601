"""How much of each body the camera sees, by rays against the scene's own geometry; nothing is rendered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import View
from wmeval.scene import Body, Scene
from wmeval.truth import Truth

Floats = NDArray[np.float64]
_SUNFLOWER = np.arange(64) + 0.5
_DISC = np.sqrt(_SUNFLOWER / 64)[:, None] * np.stack(
    [np.cos(np.pi * (1 + 5**0.5) * _SUNFLOWER), np.sin(np.pi * (1 + 5**0.5) * _SUNFLOWER)], -1
)


def visibility(truth: Truth, times: Floats) -> Floats:
    """Return the share (T, N) of each dynamic body's silhouette that is in view and not hidden."""
    position, orientation = truth.poses_at(times)
    return seen(truth.scene, position, orientation, np.asarray(times))


def seen(scene: Scene, position: Floats, orientation: Floats, times: Floats) -> Floats:
    """Return the same as `visibility` for poses (T, N, 3) and (T, N, 4); a NaN pose is not seen."""
    share = np.zeros(position.shape[:2])
    lens = View(height=1000, width=1000)  # square, as every view of ours; only the borders matter
    for t, now in enumerate(times):
        camera = scene.camera.at(float(now))
        spots = [
            _silhouette(b, position[t, i], orientation[t, i], camera.eye) for i, b in enumerate(scene.moving)
        ]
        blockers = [(b, np.array(b.placed(float(now))), np.array(b.orientation)) for b in scene.static]
        others = [(b, position[t, i], orientation[t, i]) for i, b in enumerate(scene.moving)]
        for i, points in enumerate(spots):
            if not len(points) or not np.isfinite(points).all():
                continue
            pixel, _ = scene.camera.project(points, float(now), lens)
            clear = ((pixel >= 0) & (pixel <= 1000)).all(-1)
            for body, where, turn in blockers + others[:i] + others[i + 1 :]:
                if clear.any() and np.isfinite(where).all():
                    clear &= ~_blocks(body, where, turn, camera.eye, points)
            share[t, i] = clear.mean()
    return share


def _silhouette(body: Body, position: Floats, orientation: Floats, eye: Floats) -> Floats:
    """Return points (P, 3) spread evenly over the silhouette of a body, on the side of the camera."""
    forward = (position - eye) / np.linalg.norm(position - eye)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    if body.shape == "sphere":
        r = body.size[0]
        bulge = np.sqrt(np.maximum(0.0, 1 - (_DISC**2).sum(-1)))
        spots: Floats = position + r * (_DISC[:, :1] * right + _DISC[:, 1:] * down - bulge[:, None] * forward)
        return spots
    # A grid over the bounding disc of a box or cylinder, kept where the ray meets the body.
    reach = float(np.linalg.norm(body.size if body.shape == "box" else (body.size[0], body.size[1])))
    grid = (np.arange(13) - 6) / 6 * reach
    u, v = np.meshgrid(grid, grid)
    plane = position + u.reshape(-1, 1) * right + v.reshape(-1, 1) * down
    hit = _enter(body, position, orientation, eye, plane)
    met = np.isfinite(hit)
    return eye + (plane[met] - eye) * hit[met, None]


def _blocks(body: Body, where: Floats, turn: Floats, eye: Floats, points: Floats) -> NDArray[np.bool_]:
    """Return whether a body stands between the eye and each point (P, 3)."""
    blocked: NDArray[np.bool_] = _enter(body, where, turn, eye, points) < 1.0 - 1e-6
    return blocked


def _enter(body: Body, where: Floats, turn: Floats, eye: Floats, points: Floats) -> Floats:
    """Return at which share of the way from the eye to each point the ray enters the body; inf = never."""
    rotation = rotation_matrix(turn)
    origin = (eye - where) @ rotation
    ray = (points - eye) @ rotation
    if body.shape == "sphere":
        return _enter_round(origin, ray, body.size[0], axes=3)
    if body.shape == "cylinder":
        around = _round_span(origin, ray, body.size[0], axes=2)
        along = _slab_span(origin[2:], ray[:, 2:], np.array([body.size[1]]))
        return _first(np.maximum(around[0], along[0]), np.minimum(around[1], along[1]))
    return _first(*_slab_span(origin, ray, np.array(body.size)))


def _first(start: Floats, end: Floats) -> Floats:
    return np.where((start <= end) & (end > 0), np.maximum(start, 0.0), np.inf)


def _enter_round(origin: Floats, ray: Floats, radius: float, *, axes: int) -> Floats:
    return _first(*_round_span(origin, ray, radius, axes=axes))


def _round_span(origin: Floats, ray: Floats, radius: float, *, axes: int) -> tuple[Floats, Floats]:
    o, d = origin[:axes], ray[:, :axes]
    a, b, c = (d * d).sum(-1), d @ o, float(o @ o) - radius**2
    root = b * b - a * c
    reach = np.sqrt(np.maximum(root, 0.0))
    start, end = (-b - reach) / a, (-b + reach) / a
    return np.where(root > 0, start, np.inf), np.where(root > 0, end, -np.inf)


def _slab_span(origin: Floats, ray: Floats, half: Floats) -> tuple[Floats, Floats]:
    safe = np.where(np.abs(ray) < 1e-12, 1e-12, ray)
    one, two = (-half - origin) / safe, (half - origin) / safe
    return np.minimum(one, two).max(-1), np.maximum(one, two).min(-1)


def rotation_matrix(quaternion: Floats) -> Floats:
    """Return the 3 x 3 matrix that turns body axes into world axes; quaternion x y z w."""
    x, y, z, w = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
