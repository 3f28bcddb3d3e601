"""From a Truth to pictures: a small renderer interface, and PyBullet's software renderer behind it.

Pictures come from interpolated poses and never change the physics. A second renderer needs only to be a
`Renderer`.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import Camera, View
from wmeval.scene import Body
from wmeval.truth import Truth
from wmeval.world.bullet import camera_client

NEAR_M, FAR_M = 1.0, 60.0
SATURATION = 0.9
ROD_M, PEG_M = 0.025, 0.06  # half the width of a rod, and the radius of the peg that it hangs from
ROD_GREY = 0.3


@dataclass(frozen=True)
class Rendered:
    """Pictures of a truth."""

    frames: NDArray[np.uint8]  # (T, H, W, 3) sRGB
    bodies: NDArray[np.uint8]  # (T, H, W) 0 = none, i + 1 = dynamic body in slot i
    depth: NDArray[np.float32]  # (T, H, W) m along the optical axis


class Renderer(Protocol):
    """Draws a truth at given times."""

    def __call__(self, truth: Truth, view: View, times: NDArray[np.float64]) -> Rendered:
        """Return T pictures."""
        ...


def render(
    truth: Truth, view: View, times: NDArray[np.float64] | None = None, *, renderer: Renderer | None = None
) -> Rendered:
    """Return the pictures of a truth at times [s] (default: every frame of the view)."""
    when = view.frame_times(truth.scene.duration_s) if times is None else np.asarray(times)
    return (renderer or tiny_renderer)(truth, view, when)


def film(truth: Truth, view: View, times: NDArray[np.float64] | None = None) -> NDArray[np.uint8]:
    """Return the frames (T, H, W, 3) of `render`, without masks and depth."""
    when = view.frame_times(truth.scene.duration_s) if times is None else np.asarray(times)
    frames = np.empty((len(when), view.height, view.width, 3), np.uint8)
    for t, picture in enumerate(_pictures(truth, view, when)):
        frames[t] = _colours(picture.rgba, view.supersample)
    return frames


def tiny_renderer(truth: Truth, view: View, times: NDArray[np.float64]) -> Rendered:
    """Draw with PyBullet's software renderer, box-averaged from `view.supersample` times the size."""
    shape = (len(times), view.height, view.width)
    drawn = Rendered(np.empty((*shape, 3), np.uint8), np.empty(shape, np.uint8), np.empty(shape, np.float32))
    for t, picture in enumerate(_pictures(truth, view, times)):
        drawn.frames[t] = _colours(picture.rgba, view.supersample)
        depth = FAR_M * NEAR_M / (FAR_M - (FAR_M - NEAR_M) * picture.buffer.astype(np.float64))
        drawn.bodies[t], drawn.depth[t] = _coverage(picture.slots, depth, view.supersample)
    return drawn


@dataclass(frozen=True)
class _Picture:
    rgba: NDArray[np.uint8]  # (h, w, 4), at the size that is drawn
    buffer: NDArray[np.float32]  # (h, w) in [0, 1], nonlinear depth
    ids: NDArray[np.int32]  # (h, w) of the bodies that move, -1 = none
    slot_of: NDArray[np.uint8]  # (ids + 1,) 0 = none, i + 1 = dynamic body in slot i

    @property
    def slots(self) -> NDArray[np.uint8]:
        """Whose each pixel is, (h, w): 0 = none, i + 1 = dynamic body in slot i."""
        return self.slot_of[self.ids]

    def before(self, stage: _Picture) -> _Picture:
        """Return this picture where it is nearer than a stage, and the stage elsewhere."""
        near = self.buffer < stage.buffer  # where nothing is drawn, the buffer is 1
        whole, behind = (p.rgba.view(np.uint32)[..., 0] for p in (self, stage))  # a pixel is one number
        return _Picture(
            np.where(near, whole, behind)[..., None].view(np.uint8),
            np.where(near, self.buffer, stage.buffer),
            np.where(near, self.ids, stage.ids),
            self.slot_of,
        )


def _pictures(truth: Truth, view: View, times: NDArray[np.float64]) -> Iterator[_Picture]:
    scene, client, ss = truth.scene, camera_client(), view.supersample
    height, width = view.height * ss, view.width * ss
    big = View(view.fps, height, width)
    hung = [(i, b) for i, b in enumerate(scene.moving) if b.pivot is not None]
    standing = (*(b for b in scene.static if not b.path), *(_peg(b) for _, b in hung))
    # nothing that moves changes how a standing body looks, but by its shadow: one picture serves all times
    apart = not scene.camera.path and not view.shadows
    stage = _stage(standing, scene.camera, big) if apart else None
    client.reset("flight", 0.0)
    if stage is None:
        for body in standing:
            client.paint(body, body_colour(body))
    wardrobe = {b: client.paint(b, body_colour(b)) for b in scene.moving}
    uids = list(wardrobe.values())
    slot_of = {uid: i for i, uid in enumerate(uids)}
    for look in truth.looks:
        if look.body not in wardrobe:
            wardrobe[look.body] = client.paint(look.body, body_colour(look.body))
            slot_of[wardrobe[look.body]] = scene.names.index(look.body.name)
    rods = [(i, client.paint(_rod(b), (ROD_GREY,) * 3), b) for i, b in hung]
    paths = [(client.paint(b, body_colour(b)), b) for b in scene.static if b.path]
    painted = len(standing) + len(wardrobe) + len(rods) + len(paths)
    lut = np.zeros(painted + 1, np.uint8)  # by body id; the last is -1, nothing
    for uid, slot in slot_of.items():
        lut[uid] = slot + 1
    position, orientation = truth.poses_at(times)
    far_away = np.array([0.0, 0.0, -1e3])
    upright = np.array([0.0, 0.0, 0.0, 1.0])
    shown: NDArray[np.bool_] = np.all(np.isfinite(position), axis=-1)
    still: tuple[list[float], list[float]] | None = None
    for t, now in enumerate(times):
        if truth.looks:
            worn = [wardrobe[truth.look(name, float(now))] for name in scene.names]
            for uid in set(wardrobe.values()) - set(worn):
                client.put(uid, far_away, upright)
            uids = worn
        for slot, uid in enumerate(uids):
            if shown[t, slot]:
                client.put(uid, position[t, slot], orientation[t, slot])
            else:
                client.put(uid, far_away, upright)
        for slot, uid, body in rods:
            if shown[t, slot]:
                client.put(uid, *_rod_at(body, position[t, slot]))
            else:
                client.put(uid, far_away, upright)
        for uid, body in paths:
            client.put(uid, np.array(body.placed(float(now))), np.array(body.orientation))
        if still is None or scene.camera.path:
            still = matrices(scene.camera, float(now), big)
        picture = _Picture(*client.picture(width, height, *still, shadows=view.shadows), slot_of=lut)
        yield picture if stage is None else picture.before(stage)


@lru_cache(maxsize=8)
def _stage(bodies: tuple[Body, ...], camera: Camera, view: View) -> _Picture:
    """Return the picture of what stands still before a camera that does."""
    client = camera_client()
    client.reset("flight", 0.0)
    for body in bodies:
        client.paint(body, body_colour(body))
    look = matrices(camera, 0.0, view)
    rgba, buffer, ids = client.picture(view.width, view.height, *look, shadows=False)
    return _Picture(rgba, buffer, np.full_like(ids, -1), np.zeros(1, np.uint8))


def _rod(body: Body) -> Body:
    """Return the rod that a body hangs from, as long as it is at the start."""
    length = float(np.linalg.norm(np.subtract(body.position, body.pivot or body.position)))
    return Body("rod", "box", (ROD_M, ROD_M, length / 2), (0.0, 0.0, 0.0), value=ROD_GREY)


def _peg(body: Body) -> Body:
    """Return the peg that is seen where a body's rod hangs."""
    return Body("peg", "sphere", (PEG_M,), body.pivot or body.position, value=ROD_GREY)


def _rod_at(body: Body, position: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the middle of a body's rod and the turn that brings its z axis from the pivot to the body."""
    pivot = np.array(body.pivot)
    to = position - pivot
    x, y, z = to / np.linalg.norm(to)
    half = np.array([-y, x, 0.0, 1.0 + z])  # between (0, 0, 1) and the way to the body
    if 1.0 + z < 1e-9:
        half = np.array([0.0, 1.0, 0.0, 0.0])
    return pivot + to / 2, half / np.linalg.norm(half)


def body_colour(body: Body) -> tuple[float, float, float]:
    """Return the sRGB colour in [0, 1] that a body is painted with: its hue, or grey."""
    if body.hue is None:
        return (body.value,) * 3
    return colorsys.hsv_to_rgb(body.hue / 360.0, SATURATION, body.value)


def matrices(camera: Camera, time_s: float, view: View) -> tuple[list[float], list[float]]:
    """Return OpenGL view and projection matrices, column by column.

    The renderer samples half a pixel right of and above the centre of a pixel; a shear of the projection
    takes that out, so that images agree with Camera.project.
    """
    pose = camera.at(time_s)
    rotation = np.stack([pose.axes[0], -pose.axes[1], -pose.axes[2]])
    look = np.eye(4)
    look[:3, :3] = rotation
    look[:3, 3] = -rotation @ pose.eye
    f = camera.focal_px(view)
    lens = np.zeros((4, 4))
    lens[0, 0], lens[1, 1] = 2 * f / view.width, 2 * f / view.height
    lens[0, 2], lens[1, 2] = 1.0 / view.width, 1.0 / view.height
    lens[2, 2], lens[2, 3] = -(FAR_M + NEAR_M) / (FAR_M - NEAR_M), -2 * FAR_M * NEAR_M / (FAR_M - NEAR_M)
    lens[3, 2] = -1.0
    return look.T.ravel().tolist(), lens.T.ravel().tolist()


def _blocks(pixels: NDArray[Any], by: int) -> list[NDArray[Any]]:
    """Return the by x by pixels of every block, each as an image of blocks.

    Strided views: a reshape to blocks and a sum over two axes takes ten times as long.
    """
    return [pixels[i::by, j::by] for i in range(by) for j in range(by)]


def _colours(rgba: NDArray[np.uint8], by: int) -> NDArray[np.uint8]:
    """Return colours (h, w, 3) averaged over by x by blocks."""
    if by == 1:
        return rgba[..., :3]
    total = sum(block.astype(np.uint32) for block in _blocks(rgba, by))
    mean: NDArray[np.uint8] = ((total + by * by // 2) // (by * by)).astype(np.uint8)  # type: ignore[union-attr]
    return mean[..., :3]


def _coverage(
    slots: NDArray[np.uint8], depth: NDArray[np.float64], by: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return the body that covers most of each by x by block, and the mean depth there."""
    if by == 1:
        return slots, depth
    present = np.flatnonzero(np.bincount(slots.ravel()))
    blocks = _blocks(slots, by)
    share = np.stack([sum((block == s).astype(np.uint8) for block in blocks) for s in present])
    near = sum(_blocks(depth, by)) / by**2
    return present[share.argmax(0)].astype(np.uint8), np.asarray(near)
