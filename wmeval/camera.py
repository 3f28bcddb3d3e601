"""A pinhole camera on a path: where a point of the world falls in the image, and back.

World: x right, y away from the default camera, z up, in metres. Image: u right, v down, in pixels; the
image spans [0, W] x [0, H], so the centre of the top-left pixel is (0.5, 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Vec3 = tuple[float, float, float]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """How a model looks at a scene: frames per second and image size [px].

    Frames come from interpolated poses, so a View never changes the physics. `supersample` renders at
    that multiple and averages; it is part of the View because it changes pixels.
    """

    fps: float = 10.0
    height: int = 64
    width: int = 64
    supersample: int = 2
    shadows: bool = False

    def frame_times(self, until_s: float) -> Floats:
        """Return the times [s] of all frames in [0, until_s], (T,)."""
        return np.arange(int(np.floor(until_s * self.fps + 1e-9)) + 1) / self.fps


@dataclass(frozen=True)
class Pose:
    """A camera at one instant: eye, rows of `axes` = right, down, forward (3, 3)."""

    eye: Floats
    axes: Floats


@dataclass(frozen=True)
class Camera:
    """A camera that looks from `eye` to `target`; `path` holds later (time s, eye, target) keyframes."""

    eye: Vec3
    target: Vec3
    fov_deg: float = 20.0  # vertical
    path: tuple[tuple[float, Vec3, Vec3], ...] = field(default=())

    def at(self, time_s: float) -> Pose:
        """Return the pose at a time [s]; keyframes are joined linearly and held after the last."""
        kept = _pose(self, float(time_s) if self.path else 0.0)
        return Pose(kept.eye.copy(), kept.axes.copy())

    def focal_px(self, view: View) -> float:
        """Return the focal length [px]; pixels are square."""
        return view.height / 2 / float(np.tan(np.deg2rad(self.fov_deg) / 2))

    def intrinsics(self, view: View) -> Floats:
        """Return the 3 x 3 matrix from camera coordinates (right, down, forward) to pixels."""
        f = self.focal_px(view)
        return np.array([[f, 0, view.width / 2], [0, f, view.height / 2], [0, 0, 1.0]])

    def project(self, points: Floats, time_s: float, view: View) -> tuple[Floats, Floats]:
        """Return pixels (..., 2) and depths along the optical axis [m] (...,) of points (..., 3)."""
        pose = self.at(time_s)
        local = (np.asarray(points, dtype=np.float64) - pose.eye) @ pose.axes.T
        depth = local[..., 2]
        scale = self.focal_px(view) / np.where(np.abs(depth) < 1e-9, 1e-9, depth)
        centre = np.array([view.width / 2, view.height / 2])
        return local[..., :2] * scale[..., None] + centre, depth

    def rays(self, pixels: Floats, time_s: float, view: View) -> tuple[Floats, Floats]:
        """Return the eye (3,) and unit directions (..., 3) of the rays through pixels (..., 2)."""
        pose = self.at(time_s)
        centre = np.array([view.width / 2, view.height / 2])
        local = (np.asarray(pixels, dtype=np.float64) - centre) / self.focal_px(view)
        local = np.concatenate([local, np.ones_like(local[..., :1])], axis=-1)
        world = local @ pose.axes
        return pose.eye, world / np.linalg.norm(world, axis=-1, keepdims=True)

    def on_plane(self, pixels: Floats, time_s: float, view: View, *, y: float | Floats) -> Floats:
        """Return the points (..., 3) [m] where the rays through pixels (..., 2) meet the plane y."""
        eye, direction = self.rays(pixels, time_s, view)
        reach: Floats = (np.asarray(y, dtype=np.float64) - eye[1]) / direction[..., 1]
        points: Floats = eye + direction * reach[..., None]
        return points


@lru_cache(maxsize=1024)
def _pose(camera: Camera, time_s: float) -> Pose:
    keys = ((0.0, camera.eye, camera.target), *camera.path)
    stamps = np.array([k[0] for k in keys])
    eye = np.array([np.interp(time_s, stamps, [k[1][i] for k in keys]) for i in range(3)])
    target = np.array([np.interp(time_s, stamps, [k[2][i] for k in keys]) for i in range(3)])
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(forward, right), forward])
    return Pose(eye, axes)
