"""A body goes behind a screen where a wall stands, or none: it comes back, or it goes through.

The wall is seen before the screen comes up. Crossing over while the screen hides both makes the body go
through the wall, or turn back from nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wmeval.caption import caption
from wmeval.probe import Twin
from wmeval.scene import Body, Scene, occluder, side_camera, wall
from wmeval_probes.physics.draw import EDGE, LEFT, RIGHT, half_height, half_width, hues, solid, stage

SCREEN_Y = -1.0  # m
GROWN = 14.0 / (14.0 + SCREEN_Y)  # a screen hides so many times its size of the plane of the bodies
THICK, SPARE = 0.08, 0.15  # m: half of the wall; what the screen hides more than it must
RISES_S = (0.3, 0.45)


def twin(rng: np.random.Generator, tag: str) -> Twin:
    """Return the scene with the wall and the one without, with the splice as the body meets the wall."""
    while True:
        speed, back = float(rng.uniform(1.5, 1.9)), float(rng.uniform(0.75, 0.95))
        size, side = float(rng.uniform(0.22, 0.28)), int(rng.choice([-1, 1]))
        body = solid(rng, hues(rng, 1)[0], size, (0.0, 0.0, 1.0), boxes=0.4, restitution=back, friction=0.0)
        wide, tall = half_width(body), float(rng.uniform(0.3, 0.45))
        half = 2 * wide + THICK + SPARE  # of the screen, in the plane of the bodies
        meets, at = float(rng.uniform(0.95, 1.15)), float(rng.uniform(-0.2, 0.5))
        start = at - THICK - wide - speed * meets
        out_s = meets + max((2 * wide + half + THICK) / speed, (2 * half) / (speed * back))
        goes = at + half + 2 * wide  # past the screen, if nothing stops it
        if start - wide - EDGE > LEFT and goes < RIGHT and start + wide < at - half - 0.3:
            break
    body = replace(body, position=(side * start, 0.0, half_height(body)), velocity=(side * speed, 0.0, 0.0))
    barrier = wall("wall", half=(THICK, 0.4, tall), position=(side * at, 0.0, tall), friction=0.0,
                   restitution=1.0, value=float(rng.uniform(0.3, 0.45)))  # fmt: skip
    around = (_screen(rng, side * at, half, 2 * max(tall, half_height(body)) + 0.25),
              *stage(rng, friction=0.0, restitution=1.0))  # fmt: skip
    splice, ends = float(np.floor(meets * 10)) / 10, float(np.ceil(out_s * 10)) / 10
    scenes = [
        Scene((body, *stands, *around), side_camera(), ends, splice, 0.3, "impact",
              caption=caption((body, *around)), tag=tag)
        for stands in ((barrier,), ())
    ]  # fmt: skip
    return Twin("factorial", scenes[0], scenes[1], splice, (splice, ends))


def _screen(rng: np.random.Generator, x: float, half: float, top: float) -> Body:
    """Return a screen that comes out of the floor and hides 2 * `half` [m] of the plane of the bodies."""
    tall = 1.9 + (top - 1.9) / GROWN  # the camera stands at 1.9 m
    down, up = (x / GROWN, SCREEN_Y, -tall / 2 - 0.05), (x / GROWN, SCREEN_Y, tall / 2)
    path = ((RISES_S[0], down), (RISES_S[1], up))
    half_size = (half / GROWN, 0.05, tall / 2)
    return occluder("screen", half=half_size, position=down, path=path, value=float(rng.uniform(0.12, 0.25)))
