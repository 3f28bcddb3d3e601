"""An outside reference: pictures drawn here by supersampling, with nothing of perception's own geometry."""

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.scene import Scene, floor, side_camera

FINE = 8  # samples a pixel, along each axis


class Easel:
    """Draws discs, rectangles and half planes on grey, in metres of the plane y = 0, and averages them."""

    def __init__(self, view, ground=0.8):
        self.view, self.ground = view, ground
        self.camera = side_camera()
        scale = self.camera.focal_px(view) / 14.0  # px per m in the plane y = 0
        n = view.height * FINE
        at = (np.arange(n) + 0.5) / FINE
        self.x = ((at - view.width / 2) / scale)[None, :]
        self.z = (1.9 - (at - view.height / 2) / scale)[:, None]
        self.clear()

    def clear(self):
        self.picture = np.full((len(self.z), self.x.size, 3), self.ground)
        return self

    def fill(self, inside, colour, shade=1.0):
        shades = np.broadcast_to(shade, inside.shape)[inside]
        self.picture[inside] = shades[:, None] * np.asarray(colour)
        return self

    def disc(self, x, z, r, colour, shaded=False):
        shade = np.clip(0.8 + 0.2 * ((self.z - z) - (self.x - x)) / r, 0, 1.1) if shaded else 1.0
        return self.fill((self.x - x) ** 2 + (self.z - z) ** 2 < r * r, colour, shade)

    def rectangle(self, x, z, half_x, half_z, colour, turn=0.0):
        """`turn` [rad] anticlockwise."""
        dx, dz = self.x - x, self.z - z
        along, across = np.cos(turn) * dx + np.sin(turn) * dz, -np.sin(turn) * dx + np.cos(turn) * dz
        return self.fill((np.abs(along) < half_x) & (np.abs(across) < half_z), colour)

    def below(self, z, colour):
        return self.fill(np.broadcast_to(self.z < z, self.picture.shape[:2]), colour)

    def frame(self):
        h, w = self.view.height, self.view.width
        mean = self.picture.reshape(h, FINE, w, FINE, 3).mean((1, 3))
        self.clear()
        return np.rint(255 * np.clip(mean, 0, 1)).astype(np.uint8)


@pytest.fixture
def easel():
    return Easel(View())


@pytest.fixture
def make_easel():
    return Easel


@pytest.fixture
def make_scene():
    """Bodies before an empty background, or whatever else is given."""

    def make(*bodies, ground=None):
        more = () if ground is None else (floor(top=ground),)
        return Scene((*bodies, *more), side_camera(), 10.0, 1.0, 0.5, "flight")

    return make
