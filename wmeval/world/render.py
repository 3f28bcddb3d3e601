"""From a Truth to pictures: a small renderer interface, and PyBullet's software renderer behind it.

Pictures come from interpolated poses and never change the physics. A second renderer needs only to be a
`Renderer`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import View
from wmeval.scene import Body
from wmeval.truth import Truth
from wmeval.world.shot import Shot, averaged, covering, draw, frame, matrices

ROD_M, PEG_M = 0.025, 0.06  # half the width of a rod, and the radius of the peg that it hangs from
ROD_GREY = 0.3
AWAY = (0.0, 0.0, -1e3, 0.0, 0.0, 0.0, 1.0)  # the place of what is not there


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
    for t, shot in enumerate(staged(truth, view, when).shots):
        frames[t] = frame(shot, view.supersample)
    return frames


def tiny_renderer(truth: Truth, view: View, times: NDArray[np.float64]) -> Rendered:
    """Draw with PyBullet's software renderer, box-averaged from `view.supersample` times the size."""
    shape = (len(times), view.height, view.width)
    drawn = Rendered(np.empty((*shape, 3), np.uint8), np.empty(shape, np.uint8), np.empty(shape, np.float32))
    scenery = staged(truth, view, times)
    for t, shot in enumerate(scenery.shots):
        picture = draw(shot)
        drawn.frames[t] = averaged(picture.rgba, view.supersample)
        slots = scenery.slot_of[picture.cast]
        drawn.bodies[t], drawn.depth[t] = covering(slots, picture.depth, view.supersample)
    return drawn


@dataclass(frozen=True)
class Staged:
    """What is to be drawn, and whose each of the cast is."""

    shots: tuple[Shot, ...]
    slot_of: NDArray[np.uint8]  # by the place in the cast, -1 at the end: 0 = none, i + 1 = dynamic body i


def staged(truth: Truth, view: View, times: NDArray[np.float64]) -> Staged:
    """Return what is to be drawn of a truth at times [s]."""
    scene, ss = truth.scene, view.supersample
    hung = [(i, b) for i, b in enumerate(scene.moving) if b.pivot is not None]
    standing = (*(b for b in scene.static if not b.path), *(_peg(b) for _, b in hung))
    wardrobe = tuple(dict.fromkeys((*scene.moving, *(look.body for look in truth.looks))))
    paths = tuple(b for b in scene.static if b.path)
    cast = (*wardrobe, *(_rod(b) for _, b in hung), *paths)
    slot_of = np.zeros(len(cast) + 1, np.uint8)
    slot_of[: len(wardrobe)] = [scene.names.index(b.name) + 1 for b in wardrobe]
    position, orientation = truth.poses_at(times)
    shown: NDArray[np.bool_] = np.all(np.isfinite(position), axis=-1)
    big = View(view.fps, view.height * ss, view.width * ss)
    apart = not scene.camera.path and not view.shadows
    lens = matrices(scene.camera, 0.0, big)
    shots = []
    for t, now in enumerate(times.tolist()):
        places = np.tile(AWAY, (len(cast), 1))
        worn = (
            [wardrobe.index(truth.look(n, now)) for n in scene.names] if truth.looks else range(len(shown[t]))
        )
        for slot, i in enumerate(worn):
            if shown[t, slot]:
                places[i] = *position[t, slot], *orientation[t, slot]
        for i, (slot, body) in enumerate(hung, len(wardrobe)):
            if shown[t, slot]:
                places[i] = np.concatenate(_rod_at(body, position[t, slot]))
        for i, body in enumerate(paths, len(cast) - len(paths)):
            places[i] = *body.placed(now), *body.orientation
        if scene.camera.path:
            lens = matrices(scene.camera, now, big)
        shots.append(Shot(standing, cast, places.tobytes(), lens, big.height, big.width, view.shadows, apart))
    return Staged(tuple(shots), slot_of)


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
