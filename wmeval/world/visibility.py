"""How much of each body the camera sees, by rays against the scene's own geometry; nothing is rendered."""

from __future__ import annotations

from functools import lru_cache, reduce

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import View
from wmeval.scene import Body, Scene
from wmeval.truth import Truth

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_SUNFLOWER = np.arange(64) + 0.5
_DISC = np.sqrt(_SUNFLOWER / 64)[:, None] * np.stack(
    [np.cos(np.pi * (1 + 5**0.5) * _SUNFLOWER), np.sin(np.pi * (1 + 5**0.5) * _SUNFLOWER)], -1
)
_GRID = np.stack(np.meshgrid(np.linspace(-1, 1, 13), np.linspace(-1, 1, 13)), -1).reshape(-1, 2)
_LENS = View(height=1000, width=1000)  # square, as every view of ours; only the borders matter


def visibility(truth: Truth, times: Floats) -> Floats:
    """Return the share (T, N) of each dynamic body's silhouette that is in view and not hidden.

    The last answers are kept, since all that is judged against one truth asks for them: write into none.
    """
    return _visibility(_Same(truth), np.asarray(times, dtype=np.float64).tobytes())


class _Same:
    """A truth that equals itself alone: comparing poses would take longer than looking again."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth

    def __hash__(self) -> int:
        return id(self.truth)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.truth is self.truth


@lru_cache(8)
def _visibility(of: _Same, stamps: bytes) -> Floats:
    truth, times = of.truth, np.frombuffer(stamps)
    position, orientation = truth.poses_at(times)
    share = seen(truth.scene, position, orientation, times)
    share.setflags(write=False)
    return share


def seen(scene: Scene, position: Floats, orientation: Floats, times: Floats) -> Floats:
    """Return the same as `visibility` for poses (T, N, 3) and (T, N, 4); a NaN pose is not seen."""
    share = np.zeros(position.shape[:2])
    eyes = np.array([scene.camera.at(float(now)).eye for now in times]).reshape(-1, 3)
    blockers = [_Placed.still(b, times) for b in scene.static]
    movers = [_Placed(b, position[:, i], orientation[:, i]) for i, b in enumerate(scene.moving)]
    for i, body in enumerate(movers):
        there = np.flatnonzero(body.present)
        if not len(there):
            continue
        points, real = body.at(there).silhouette(eyes[there])
        clear = real & _in_view(scene, points, times[there])
        for other in blockers + movers[:i] + movers[i + 1 :]:
            clear &= ~other.at(there).blocks(eyes[there], points)
        share[there, i] = clear.sum(1) / np.maximum(real.sum(1), 1)
    return share


def _in_view(scene: Scene, points: Floats, times: Floats) -> Bools:
    if not scene.camera.path:
        pixel, _ = scene.camera.project(points, 0.0, _LENS)
    else:
        shown = [scene.camera.project(p, float(t), _LENS) for p, t in zip(points, times, strict=True)]
        behind = np.stack([depth <= 0 for _, depth in shown])
        pixel = np.where(behind[..., None], np.inf, np.stack([p for p, _ in shown]))
    inside: Bools = np.all((pixel >= 0) & (pixel <= 1000), axis=-1)
    return inside


class _Placed:
    """A body along T times: positions (T, 3), quaternions (T, 4), and whether it is there at all."""

    def __init__(self, body: Body, position: Floats, orientation: Floats) -> None:
        self.body, self.position, self.orientation = body, position, orientation
        self.present: Bools = np.all(np.isfinite(position), axis=-1)

    @classmethod
    def still(cls, body: Body, times: Floats) -> _Placed:
        """Return a static body along its path."""
        if body.path:
            position = np.array([body.placed(float(now)) for now in times]).reshape(-1, 3)
        else:
            position = np.tile(np.array(body.position), (len(times), 1))
        return cls(body, position, np.tile(np.array(body.orientation), (len(times), 1)))

    def at(self, index: NDArray[np.int64]) -> _Placed:
        """Return the body at some of its times."""
        return _Placed(self.body, self.position[index], self.orientation[index])

    def silhouette(self, eyes: Floats) -> tuple[Floats, Bools]:
        """Return points (T, P, 3) spread evenly over what eyes (T, 3) see, and which of them are real."""
        body, position = self.body, self.position
        forward = position - eyes
        forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right, axis=-1, keepdims=True)
        down = np.cross(forward, right)
        spots = _DISC if body.shape == "sphere" else _GRID
        reach = body.size[0] if body.shape == "sphere" else float(np.linalg.norm(body.size))
        plane = (
            position[:, None]
            + reach * (spots[:, :1] * right[:, None] + spots[:, 1:] * down[:, None])
        )  # fmt: skip
        if body.shape == "sphere":
            bulge = reach * np.sqrt(np.maximum(0.0, 1 - (_DISC**2).sum(-1)))
            return plane - bulge[:, None] * forward[:, None], np.ones(plane.shape[:2], np.bool_)
        # A grid over the bounding disc of a box or cylinder, kept where the ray meets the body.
        hit = self._enter(eyes, plane)
        real = np.isfinite(hit)
        way = np.where(real, hit, 1.0)[..., None]
        return eyes[:, None] + (plane - eyes[:, None]) * way, real

    def blocks(self, eyes: Floats, points: Floats) -> Bools:
        """Return whether the body stands between the eye and each point (T, P, 3)."""
        with np.errstate(invalid="ignore"):  # an absent body is NaN, and blocks nothing
            blocked: Bools = self._enter(eyes, points) < 1.0 - 1e-6
        return blocked

    def _enter(self, eyes: Floats, points: Floats) -> Floats:
        """Return at which share of the way from eye to point the ray enters the body (T, P); inf = never."""
        rotation = rotation_matrices(self.orientation)
        origin = np.einsum("ti,tij->tj", eyes - self.position, rotation)[:, None]
        ray = np.einsum("tpi,tij->tpj", points - eyes[:, None], rotation)
        size = np.array(self.body.size)
        if self.body.shape == "sphere":
            return _first(*_round_span(origin, ray, size[0]))
        if self.body.shape == "cylinder":
            around = _round_span(origin[..., :2], ray[..., :2], size[0])
            along = _slab_span(origin[..., 2:], ray[..., 2:], size[1:])
            return _first(np.maximum(around[0], along[0]), np.minimum(around[1], along[1]))
        return _first(*_slab_span(origin, ray, size))


def _first(start: Floats, end: Floats) -> Floats:
    return np.where((start <= end) & (end > 0), np.maximum(start, 0.0), np.inf)


def _round_span(origin: Floats, ray: Floats, radius: float) -> tuple[Floats, Floats]:
    a, b = (ray * ray).sum(-1), (ray * origin).sum(-1)
    root = b * b - a * ((origin * origin).sum(-1) - radius**2)
    reach = np.sqrt(np.maximum(root, 0.0))
    return np.where(root > 0, (-b - reach) / a, np.inf), np.where(root > 0, (-b + reach) / a, -np.inf)


def _slab_span(origin: Floats, ray: Floats, half: Floats) -> tuple[Floats, Floats]:
    safe = np.where(np.abs(ray) < 1e-12, 1e-12, ray)
    one, two = (-half - origin) / safe, (half - origin) / safe
    # a reduction over an axis of 3 takes several times as long
    low, high = (np.moveaxis(f(one, two), -1, 0) for f in (np.minimum, np.maximum))
    return reduce(np.maximum, low), reduce(np.minimum, high)


def rotation_matrices(quaternion: Floats) -> Floats:
    """Return the matrices (T, 3, 3) that turn body axes into world axes; quaternions (T, 4) x y z w."""
    x, y, z, w = np.moveaxis(quaternion, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)
