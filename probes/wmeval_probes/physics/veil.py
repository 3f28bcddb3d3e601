"""Screens for exactly matched clips: they cover a given patch of the plane of the bodies, to the pixel.

Two lawful scenes may be crossed over at a frame on which their pictures are the same, bit by bit. What
differs at that frame stands behind a veil that is larger than it.
"""

from __future__ import annotations

import numpy as np

from wmeval.camera import Camera, Vec3, View
from wmeval.scene import Body, Scene, occluder

VEIL_Y = -1.0  # m, in front of all bodies
SPARE = 0.2  # m beyond what it hides on each side: 2.9 px at 64 px, since an edge blurs over a pixel


def veil(
    name: str,
    camera: Camera,
    *,
    x: tuple[float, float],
    z: tuple[float, float],
    value: float,
    path: tuple[tuple[float, float], ...] = (),
) -> Body:
    """Return a dark screen that covers the patch x by z [m] of the plane y = 0.

    `path` lifts it: (time [s], height [m] above that patch) keyframes, as seen in the plane y = 0.
    """
    eye = camera.eye
    near = (VEIL_Y - eye[1]) / (0.0 - eye[1])

    def at(up: float) -> Vec3:
        middle = (x[0] + x[1]) / 2, (z[0] + z[1]) / 2 + up
        return (eye[0] + near * (middle[0] - eye[0]), VEIL_Y, eye[2] + near * (middle[1] - eye[2]))

    half = (near * (x[1] - x[0]) / 2, 0.02, near * (z[1] - z[0]) / 2)
    keys = tuple((when, at(up)) for when, up in path)
    return occluder(name, half=half, position=keys[0][1] if keys else at(0.0), value=value, path=keys)


def same_picture(one: Scene, two: Scene, splice_s: float, view: View | None = None) -> bool:
    """Return whether two scenes look the same, bit by bit, on the last frame up to `splice_s`."""
    from wmeval.world import render, simulate

    look = view or View()
    when = look.frame_times(splice_s)[-1:]
    first, second = (render(simulate(scene), look, when).frames for scene in (one, two))
    return bool(np.array_equal(first, second))
