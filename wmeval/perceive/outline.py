"""What a body's outline looks like in the image: signed distances to its silhouettes in many frames.

A silhouette is held as half planes: the distance of a pixel is the largest of `n . p - h`. With h the
support of the projected points of the body along n, no half plane ever cuts the body, whatever the camera
and the turn, so a few well-chosen normals give the outline of a box or a cylinder. A sphere is a circle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import Camera, View
from wmeval.scene import Body

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
# Normals of a cylinder's outline as turns from its axis: two straight sides, two round caps.
_CAPS = np.deg2rad([0, 15, -15, 32, -32, 52, -52, 72, -72])
_CYLINDER_TURNS = np.concatenate([[np.pi / 2, -np.pi / 2], _CAPS, _CAPS + np.pi])
_RIM = 2 * np.pi * np.arange(24) / 24


@dataclass(frozen=True)
class Lens:
    """A Camera at given times as arrays: eye (T, 3), axes (T, 3, 3) = right, down, forward."""

    eye: Floats
    axes: Floats
    focal: float  # px
    centre: Floats  # (2,) px

    @classmethod
    def of(cls, camera: Camera, view: View, times: Floats) -> Lens:
        """Return the lens of a camera at times (T,) [s]."""
        if camera.path:
            poses = [camera.at(float(t)) for t in times]
            eye, axes = np.stack([p.eye for p in poses]), np.stack([p.axes for p in poses])
        else:
            pose = camera.at(0.0)
            eye = np.broadcast_to(pose.eye, (len(times), 3))
            axes = np.broadcast_to(pose.axes, (len(times), 3, 3))
        return cls(eye, axes, camera.focal_px(view), np.array([view.width / 2, view.height / 2]))

    def take(self, rows: NDArray[np.int64]) -> Lens:
        """Return the lens of some of the frames."""
        return Lens(self.eye[rows], self.axes[rows], self.focal, self.centre)

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Return pixels (T, K, 2) and depths (T, K) [m] of points (T, K, 3)."""
        local = (points - self.eye[:, None]) @ np.swapaxes(self.axes, 1, 2)
        depth = np.where(np.abs(local[..., 2]) < 1e-9, 1e-9, local[..., 2])
        return local[..., :2] * (self.focal / depth)[..., None] + self.centre, depth

    def on_plane(self, pixels: Floats, y: Floats) -> Floats:
        """Return the points (T, 3) [m] where the rays through pixels (T, 2) meet the planes y (T,)."""
        local = np.concatenate([(pixels - self.centre) / self.focal, np.ones((len(pixels), 1))], axis=1)
        ray = np.einsum("ti,tij->tj", local, self.axes)
        slope = np.where(np.abs(ray[:, 1]) < 1e-9, 1e-9, ray[:, 1])
        points: Floats = self.eye + ray * ((y - self.eye[:, 1]) / slope)[:, None]
        points[:, 1] = y
        return points


@dataclass(frozen=True)
class Outline:
    """Silhouettes of one body in F frames: half planes, or a circle where `radius` is given."""

    normal: Singles  # (F, M, 2) unit, px
    offset: Singles  # (F, M) px
    centre: Singles  # (F, 2) px, of the circle
    radius: Singles | None  # (F,) px

    def distance(self, x: Singles, y: Singles) -> tuple[Singles, Singles, Singles]:
        """Return the signed distance [px] of pixels x, y (F, P), positive outside, and its gradient.

        Returns:
            distance, and the two components of the outward unit normal, (F, P) each.
        """
        if self.radius is not None:
            dx, dy = x - self.centre[:, :1], y - self.centre[:, 1:]
            far = np.sqrt(dx * dx + dy * dy) + np.float32(1e-6)
            return far - self.radius[:, None], dx / far, dy / far
        best = np.full(np.broadcast_shapes(x.shape, (len(self.offset), 1)), -np.inf, np.float32)
        which = np.zeros(best.shape, np.intp)
        for m in range(self.offset.shape[1]):
            d = self.normal[:, m, :1] * x
            d += self.normal[:, m, 1:] * y
            d -= self.offset[:, m : m + 1]
            np.copyto(which, m, where=d > best)
            np.maximum(best, d, out=best)
        which += np.arange(len(best))[:, None] * self.offset.shape[1]
        gx, gy = (np.take(self.normal[..., i], which) for i in (0, 1))
        return best, gx, gy


def turn_about_y(angle: Floats) -> Floats:
    """Return matrices (F, 3, 3) that turn x towards z: anticlockwise for a camera that looks along +y."""
    turned = np.zeros((len(angle), 3, 3))
    turned[:, 1, 1] = 1
    turned[:, 0, 0] = turned[:, 2, 2] = np.cos(angle)
    turned[:, 2, 0] = np.sin(angle)
    turned[:, 0, 2] = -turned[:, 2, 0]
    return turned


@lru_cache(256)
def start_turn(body: Body) -> tuple[Floats, float]:
    """Return the rotation matrix (3, 3) a body starts with and its angle [rad] in the x-z plane."""
    x, y, z, w = body.orientation
    matrix = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    return matrix, float(np.arctan2(matrix[2, 0], matrix[0, 0]))


def symmetry(body: Body) -> float:
    """Return the turn [rad] in the image plane after which a body looks the same; 0 = always."""
    if body.shape == "sphere":
        return 0.0
    if body.shape == "cylinder":
        # a cylinder whose axis points along y shows a disc
        return 0.0 if abs(start_turn(body)[0][1, 2]) > 0.999 else np.pi
    return np.pi / 2 if abs(body.size[0] - body.size[2]) < 1e-6 else np.pi


def reach(body: Body) -> float:
    """Return the radius [m] of the circle around a body's silhouette, however it turns about y."""
    if body.shape == "sphere":
        return body.size[0]
    turned = _points(body) @ start_turn(body)[0].T
    return float(np.linalg.norm(turned[:, [0, 2]], axis=1).max())


def depth_reach(body: Body) -> float:
    """Return how far [m] a body comes towards the camera from its centre, along y."""
    if body.shape == "sphere":
        return body.size[0]
    turned = np.abs(start_turn(body)[0][1])
    half = body.size if body.shape == "box" else (body.size[0], body.size[0], body.size[1])
    return float(turned @ np.array(half))


def outline(body: Body, lens: Lens, pixel: Floats, angle: Floats, y: Floats) -> Outline:
    """Return the silhouettes of a body whose centre is seen at pixels (F, 2), turned by angles (F,) [rad].

    `y` (F,) [m] are the planes that its centre moves in, `angle` is the angle of its own x axis.
    """
    centre = lens.on_plane(pixel, y)
    flat = np.zeros((len(pixel), 0, 2), np.float32)
    none = np.zeros((len(pixel), 0), np.float32)
    if body.shape == "sphere":
        # the cone around a sphere cuts the image in an ellipse; it is taken for the circle of equal area
        ray = centre - lens.eye
        depth = np.einsum("fi,fi->f", ray, lens.axes[:, 2])
        distance2, radius2 = (ray**2).sum(-1), body.size[0] ** 2
        squared = np.maximum(depth**2 - radius2, 1e-6)
        shown = lens.centre + (pixel - lens.centre) * (depth**2 / squared)[:, None]
        stretch = (np.maximum(distance2 - radius2, 1e-6) / squared) ** 0.25
        radius = lens.focal * body.size[0] / np.sqrt(squared) * stretch
        return Outline(flat, none, shown.astype(np.float32), radius.astype(np.float32))
    own, start = start_turn(body)
    rotation = turn_about_y(angle - start) @ own  # (F, 3, 3)
    own_points = np.concatenate([_points(body), 0.01 * np.eye(3)])
    points, _ = lens.project(centre[:, None] + own_points @ np.swapaxes(rotation, 1, 2))
    points, along = points[:, :-3], points[:, -3:] - pixel[:, None]  # the body, and its axes in the image
    turns = np.arctan2(along[..., 1], along[..., 0])
    if body.shape == "box":
        facing = np.concatenate([turns + np.pi / 2, turns - np.pi / 2], axis=1)
    else:
        facing = turns[:, 2:3] + _CYLINDER_TURNS
    normal = np.stack([np.cos(facing), np.sin(facing)], -1)  # (F, M, 2)
    offset = (normal @ np.swapaxes(points, 1, 2)).max(-1)
    return Outline(
        normal.astype(np.float32), offset.astype(np.float32), pixel.astype(np.float32), None
    )  # fmt: skip


@lru_cache(256)
def _points(body: Body) -> Floats:
    """Return points (K, 3) [m] whose hull is the body, in its own axes."""
    if body.shape == "box":
        signs = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)])
        corners: Floats = signs * np.array(body.size)
        return corners
    r, h = body.size
    rim = np.stack([r * np.cos(_RIM), r * np.sin(_RIM), np.full_like(_RIM, h)], -1)
    return np.concatenate([rim, rim * [1, 1, -1]])
