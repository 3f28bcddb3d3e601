"""How a body can come to look otherwise: another size, hue or shape, each by a stated share."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from wmeval.scene import Body
from wmeval.truth import Truth
from wmeval_probes.physics.draw import half_height

HUE_UNIT = 125.0  # degrees that count as much as a change of area by 100 %
ROUND = float(np.sqrt(np.pi) / 2)  # half the side of the square that is as large as a circle of radius 1


def changed(truth: Truth, slot: int, new: Body, at_s: float) -> Truth:
    """Return the truth in which a body looks like `new` from a time on; what stands stays on the floor."""
    from wmeval.world import repaint

    body = truth.scene.moving[slot]
    position = truth.position.copy()
    if truth.scene.profile == "rest":
        position[truth.times >= at_s - 1e-9, slot, 2] += half_height(new) - half_height(body)
    return repaint(replace(truth, position=position), at_s, new)


def resized(body: Body, strength: float, sign: int) -> Body:
    """Return the body with its area in the picture times, or for sign -1 over, 1 + `strength`."""
    grown = (1 + strength) ** (sign / 2)
    return replace(body, size=tuple(s * grown for s in body.size))


def turned(body: Body, strength: float, sign: int) -> Body:
    """Return the body with its hue turned by `strength` times `HUE_UNIT` degrees."""
    return replace(body, hue=((body.hue or 0.0) + sign * strength * HUE_UNIT) % 360.0)


def reshaped(body: Body, strength: float, sign: int) -> Body:
    """Return a box as large in the picture, of whose outline a share `strength` lies elsewhere."""
    moved = min(strength, 0.5)
    if body.shape == "box":
        stretch = (1 - moved) ** -sign
        return replace(body, size=(body.size[0] * stretch, body.size[1], body.size[2] / stretch))
    side, stretch = body.size[0] * ROUND, _stretch(round(moved, 3)) ** sign
    return replace(body, shape="box", size=(side * stretch, body.size[0], side / stretch))


@cache
def _stretch(moved: float) -> float:
    """Return the stretch of a square of which a share `moved` lies outside a circle of equal area."""
    u = (np.arange(200) + 0.5) / 200
    stretches = np.linspace(1.0, 4.0, 301)
    outside = [float(np.mean((ROUND * s * u[:, None]) ** 2 + (ROUND / s * u) ** 2 > 1)) for s in stretches]
    return float(np.interp(moved, outside, stretches))
