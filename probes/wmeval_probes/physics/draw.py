"""What the physics probes draw alike: hues, sizes, and the stage that the default camera sees."""

from __future__ import annotations

from typing import Any

import numpy as np

from wmeval.camera import Vec3
from wmeval.scene import HUES, Body, backdrop, ball, box, floor

LEFT, RIGHT, TOP = -2.2, 2.2, 4.1  # m, what the side camera sees of the plane y = 0
EDGE = 0.1  # m kept free between a body and the edge of the image
IID_RADII, LARGE_RADII = (0.22, 0.40), (0.44, 0.56)  # m; 0.22 m are 3.2 px at 64 px


def radius(rng: np.random.Generator, tag: str) -> float:
    """Return a body's radius [m]; tag "ood-size" lies above all radii of the training split."""
    return float(rng.uniform(*(LARGE_RADII if tag == "ood-size" else IID_RADII)))


def hues(rng: np.random.Generator, n: int) -> list[str]:
    """Return n different colour names."""
    return [str(h) for h in rng.permutation(sorted(HUES))[:n]]


def stage(rng: np.random.Generator, *, friction: float = 0.5, restitution: float = 0.0) -> tuple[Body, ...]:
    """Return the floor and, three times in four, a grey sheet far behind."""
    below = floor(value=float(rng.uniform(0.35, 0.65)), friction=friction, restitution=restitution)
    behind = backdrop(value=float(rng.uniform(0.75, 0.97)))
    return (below, behind) if rng.random() < 0.75 else (below,)


def solid(
    rng: np.random.Generator, hue: str, size: float, position: Vec3, *, boxes: float, **more: Any
) -> Body:
    """Return a ball, or with probability `boxes` a box, named after its hue and kind.

    The box is upright with half extents 0.8 to 1.1 of `size`, so that it covers about as many pixels.
    """
    value = float(rng.uniform(0.7, 0.95))
    if rng.random() >= boxes:
        return ball(f"{hue} ball", radius=size, position=position, hue=hue, value=value, **more)
    half = (size * float(rng.uniform(0.8, 1.1)), size, size * float(rng.uniform(0.8, 1.1)))
    return box(f"{hue} box", half=half, position=position, hue=hue, value=value, **more)


def half_width(body: Body) -> float:
    """Return the half extent of an upright body along x [m]."""
    return body.size[0]


def half_height(body: Body) -> float:
    """Return the half extent of an upright body along z [m]."""
    return body.size[2] if body.shape == "box" else body.size[-1]
