"""One picture: what stands still, what moves and where it is, through which lens; drawn in software.

What stands still before a camera that does is drawn once, and only what moves for each picture. The same shot
is asked for again and again (the arms of a case share their beginning, a violated truth all that comes before
its event), so the last ones are kept.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import Camera, View
from wmeval.scene import Body
from wmeval.world.bullet import Client, camera_client

Floats = NDArray[np.float64]
NEAR_M, FAR_M = 1.0, 60.0
SATURATION = 0.9
KEPT = 128  # frames, of 12 kB each at 64 px
Matrices = tuple[tuple[float, ...], tuple[float, ...]]  # OpenGL view and projection, column by column


@dataclass(frozen=True)
class Shot:
    """All that one picture shows; two that are equal give the same picture, bit for bit."""

    standing: tuple[Body, ...]
    cast: tuple[Body, ...]  # what moves
    places: bytes  # (len(cast), 7) float64: position [m], quaternion x y z w
    lens: Matrices
    height: int  # px, as drawn
    width: int
    shadows: bool
    apart: bool  # whether what stands may be drawn by itself: the lens stays, and no shadow falls


@dataclass(frozen=True)
class Picture:
    """A shot as it is drawn, before it is averaged down."""

    rgba: NDArray[np.uint8]  # (h, w, 4)
    buffer: NDArray[np.float32]  # (h, w) in [0, 1], nonlinear depth
    cast: NDArray[np.int32]  # (h, w) which of the cast, -1 = none of it

    @property
    def depth(self) -> Floats:
        """The depth (h, w) along the optical axis [m]."""
        return FAR_M * NEAR_M / (FAR_M - (FAR_M - NEAR_M) * self.buffer.astype(np.float64))


def draw(shot: Shot) -> Picture:
    """Return the picture of a shot."""
    front, stage = _layers(shot)
    if stage is None:
        return front
    near = _nearer(front, stage)
    return Picture(
        _over(front, stage, near),
        np.where(near, front.buffer, stage.buffer),
        np.where(near, front.cast, stage.cast),
    )


@lru_cache(KEPT)
def frame(shot: Shot, by: int) -> NDArray[np.uint8]:
    """Return the colours of a shot, averaged over by x by blocks (H, W, 3); nobody may write into them."""
    front, stage = _layers(shot)
    colours = averaged(front.rgba if stage is None else _over(front, stage, _nearer(front, stage)), by)
    colours.setflags(write=False)
    return colours


def _layers(shot: Shot) -> tuple[Picture, Picture | None]:
    """Return what moves and what stands; or all of it and None, where they cannot be drawn apart."""
    behind = () if shot.apart else shot.standing
    stage = _stage(shot.standing, shot.lens, shot.height, shot.width) if shot.apart else None
    client, first = _painted((*behind, *shot.cast)), len(behind)
    for uid, place in enumerate(np.frombuffer(shot.places).reshape(-1, 7), first):
        client.put(uid, place[:3], place[3:])
    rgba, buffer, ids = client.picture(shot.width, shot.height, *shot.lens, shadows=shot.shadows)
    return Picture(rgba, buffer, np.maximum(ids - first, -1) if first else ids), stage


def _nearer(front: Picture, stage: Picture) -> NDArray[np.bool_]:
    """Return where what moves hides what stands; where nothing is drawn, the buffer is 1."""
    near: NDArray[np.bool_] = front.buffer < stage.buffer
    return near


def _over(front: Picture, stage: Picture, near: NDArray[np.bool_]) -> NDArray[np.uint8]:
    one, other = (p.rgba.view(np.uint32)[..., 0] for p in (front, stage))  # a pixel is one number
    return np.where(near, one, other)[..., None].view(np.uint8)


@lru_cache(1)
def _painted(bodies: tuple[Body, ...]) -> Client:
    """Return the client for pictures with nothing but these bodies in it, by their place as id."""
    client = camera_client()
    client.reset("flight", 0.0)
    for body in bodies:
        client.paint(body, body_colour(body))
    return client


@lru_cache(8)
def _stage(standing: tuple[Body, ...], lens: Matrices, height: int, width: int) -> Picture:
    rgba, buffer, ids = _painted(standing).picture(width, height, *lens, shadows=False)
    return Picture(rgba, buffer, np.full_like(ids, -1))


def body_colour(body: Body) -> tuple[float, float, float]:
    """Return the sRGB colour in [0, 1] that a body is painted with: its hue, or grey."""
    if body.hue is None:
        return (body.value,) * 3
    return colorsys.hsv_to_rgb(body.hue / 360.0, SATURATION, body.value)


def matrices(camera: Camera, time_s: float, view: View) -> Matrices:
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
    return tuple(look.T.ravel().tolist()), tuple(lens.T.ravel().tolist())


def averaged(rgba: NDArray[np.uint8], by: int) -> NDArray[np.uint8]:
    """Return the colours of pixels (h, w, 4), averaged over by x by blocks (H, W, 3)."""
    if by == 1:
        return rgba[..., :3].copy()
    room = np.uint16 if by <= 16 else np.uint32  # for 256 bytes
    total = np.zeros((rgba.shape[0] // by, rgba.shape[1] // by, 4), room)
    for block in blocks(rgba, by):
        total += block
    return ((total + by * by // 2) // (by * by)).astype(np.uint8)[..., :3]


def covering(labels: NDArray[np.uint8], depth: Floats, by: int) -> tuple[NDArray[np.uint8], Floats]:
    """Return the label that covers most of each by x by block, and the mean depth there."""
    if by == 1:
        return labels, depth
    present = np.flatnonzero(np.bincount(labels.ravel()))
    parts = blocks(labels, by)
    share = np.stack([sum((part == one).astype(np.uint8) for part in parts) for one in present])
    return present[share.argmax(0)].astype(np.uint8), np.asarray(sum(blocks(depth, by)) / by**2)


def blocks(pixels: NDArray[Any], by: int) -> list[NDArray[Any]]:
    """Return the by x by pixels of every block, each as an image of blocks.

    Strided views: a reshape to blocks and a sum over two axes takes ten times as long.
    """
    return [pixels[i::by, j::by] for i in range(by) for j in range(by)]
