"""The doors between truth and models: what a model may see, and the exact Tracks of what happened.

`observe` is the only way to a continuation, `clip` the only way to judging or encoding a whole video; a
request never holds both. Neither carries poses, seeds, names of bodies or hidden parameters.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import View
from wmeval.model import ACTION_DIM, Clip, Observation
from wmeval.scene import Body, Scene
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval.world.render import Rendered, film
from wmeval.world.visibility import rotation_matrices, visibility

Floats = NDArray[np.float64]
FOUND_SHARE = 0.1  # of the silhouette: less than that is not asked of any eye


def frame_split(scene: Scene, view: View, horizon_s: float | None = None) -> tuple[Floats, Floats]:
    """Return the times [s] of the context frames and of the frames asked for.

    >>> from wmeval.scene import ball, side_camera
    >>> one = ball("a", radius=.3, position=(0, 0, 2), hue="red")
    >>> scene = Scene((one,), side_camera(), duration_s=1.0, cut_s=.4, needs_s=.4, profile="flight")
    >>> [len(part) for part in frame_split(scene, View(fps=10))]
    [5, 6]
    """
    times = view.frame_times(scene.duration_s)
    shown = times <= scene.cut_s + 1e-9
    end = scene.duration_s if horizon_s is None else scene.cut_s + horizon_s
    return times[shown], times[~shown & (times <= end + 1e-9)]


def observe(
    truth: Truth, view: View, horizon_s: float | None = None, *, rendered: Rendered | None = None
) -> Observation:
    """Return all that a model may see of a truth: frames up to the cut, actions, caption, intrinsics.

    `rendered` saves drawing the frames again; it must hold at least the context frames of this view.
    """
    context, asked = frame_split(truth.scene, view, horizon_s)
    frames = (film(truth, view, context) if rendered is None else rendered.frames)[: len(context)]
    times = np.concatenate([context, asked])
    return Observation(
        frames, view.fps, actions(truth.scene, times), len(asked), truth.scene.caption,
        truth.scene.camera.intrinsics(view),
    )  # fmt: skip


def clip(truth: Truth, view: View, *, rendered: Rendered | None = None) -> Clip:
    """Return the whole video of a truth with its actions."""
    times = view.frame_times(truth.scene.duration_s)
    frames = film(truth, view, times) if rendered is None else rendered.frames
    return Clip(frames, view.fps, actions(truth.scene, times))


def actions(scene: Scene, times: Floats) -> Floats:
    """Return the scene actions (T - 1, 12) between consecutive frame times (layout: wmeval.model)."""
    out = np.zeros((len(times) - 1, ACTION_DIM))
    for push in scene.pushes:
        if push.body != scene.actuated:
            continue
        for t, (start, end) in enumerate(pairwise(times)):
            if start - 1e-9 <= push.start_s < end - 1e-9:
                out[t, 0:3] += push.impulse
            overlap = min(end, push.end_s) - max(start, push.start_s)
            if overlap > 0:
                out[t, 3:6] += np.array(push.force) * overlap / (end - start)
    if scene.camera.path:
        out[:, 6:12] = _camera_motion(scene, times)
    return out


def _camera_motion(scene: Scene, times: Floats) -> Floats:
    poses = [scene.camera.at(float(t)) for t in times]
    rows = []
    for one, two, dt in zip(poses[:-1], poses[1:], np.diff(times), strict=True):
        turn = two.axes.T @ one.axes  # world rotation that takes the first camera's axes to the second's
        angle = float(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))
        axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
        scale = angle / (2 * np.sin(angle)) if angle > 1e-9 else 0.5
        rows.append(np.concatenate([(two.eye - one.eye) / dt, axis * scale / dt]))
    return np.array(rows).reshape(-1, 6)


def exact_tracks(truth: Truth, view: View, times: Floats | None = None) -> Tracks:
    """Return the Tracks that a perfect eye would have: exact where at least a tenth of a body is seen."""
    scene = truth.scene
    when = view.frame_times(scene.duration_s) if times is None else np.asarray(times, dtype=np.float64)
    position, orientation = truth.poses_at(when)
    share = visibility(truth, when)
    found = share >= FOUND_SHARE
    gone = ~found
    pixel, depth = np.empty((*found.shape, 2)), np.empty(found.shape)
    for t, now in enumerate(when):
        pixel[t], depth[t] = scene.camera.project(position[t], float(now), view)
    position = np.where(gone[..., None], np.nan, position)
    x, y, z, w = np.moveaxis(orientation, -1, 0)
    angle = np.arctan2(2 * (x * z - y * w), 1 - 2 * (y * y + z * z))
    scale = scene.camera.focal_px(view) / depth
    worn = [[truth.look(name, float(now)) for name in scene.names] for now in when]
    face = np.array([[_face_m2(b) for b in row] for row in worn]).reshape(found.shape)
    hue = np.array([[b.hue for b in row] for row in worn], dtype=np.float64).reshape(found.shape)
    area = face * scale**2 * share
    if scene.camera.path:
        for i, j in np.ndindex(*found.shape):
            if found[i, j] and worn[i][j].shape != "sphere":
                outline = silhouette_px(
                    worn[i][j], position[i, j], orientation[i, j], scene, float(when[i]), view
                )
                area[i, j] = outline * share[i, j]
    zero = np.where(gone, np.inf, 0.0)
    return Tracks(
        names=scene.names,
        times=when,
        pixel=np.where(gone[..., None], np.nan, pixel),
        position=position,
        sigma=np.repeat(zero[..., None], 3, -1),
        angle=np.where(gone, np.nan, angle),
        angle_sigma=zero,
        visible=share,
        found=found,
        area=np.where(gone, np.nan, area),
        colour=np.where(gone, np.nan, hue),
        confidence=found.astype(np.float64),
        extras=np.zeros(len(when), np.int64),
        camera=scene.camera,
        view=view,
    )


def silhouette_px(
    body: Body, position: Floats, orientation: Floats, scene: Scene, time_s: float, view: View
) -> float:
    """Return the area [px] of the silhouette of a box or cylinder, wherever the camera is.

    The faces of a convex body cover its silhouette twice, once with those turned to the eye and once with
    those turned away. A cylinder is taken for a prism of 24 sides.
    """
    around = 4 if body.shape == "box" else 24
    turn = 2 * np.pi * (np.arange(around) + 0.5) / around
    rim = np.stack([np.cos(turn), np.sin(turn)], -1)
    rim = np.sign(rim) * body.size[:2] if body.shape == "box" else rim * body.size[0]
    low, high = (np.column_stack([rim, np.full(around, h)]) for h in (-body.size[-1], body.size[-1]))
    points = np.concatenate([low, high]) @ rotation_matrices(orientation[None])[0].T + position
    pixel, _ = scene.camera.project(points, time_s, view)
    ring = np.arange(around)
    beside = (ring + 1) % around
    sides = pixel[np.stack([ring, beside, beside + around, ring + around], -1)]
    return (_polygons_px2(sides) + _polygons_px2(pixel.reshape(2, around, 2))) / 2


def _polygons_px2(corners: Floats) -> float:
    """Return the sum of the areas of polygons (P, K, 2), by the shoelace formula."""
    x, y = np.moveaxis(corners, -1, 0)
    twice = (x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1)
    return float(np.abs(twice).sum()) / 2


def _face_m2(body: Body) -> float:
    """Return the area [m2] of the face that a body turns to the side camera."""
    if body.shape == "sphere":
        return float(np.pi * body.size[0] ** 2)
    return 4 * body.size[0] * body.size[-1]
