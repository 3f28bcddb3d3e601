"""Exactly matched clips in which a body is there, or is not, while a screen hides its place.

Crossed over at a frame on which it is hidden, the body that was shown is gone, or one that nobody saw comes
out. Another body stays in sight all the time.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wmeval.caption import caption
from wmeval.probe import Twin
from wmeval.scene import Body, Scene, side_camera
from wmeval_probes.physics.draw import EDGE, LEFT, RIGHT, half_height, half_width, hues, radius, solid, stage
from wmeval_probes.physics.veil import SPARE, same_picture, veil


def twin(rng: np.random.Generator, tag: str) -> Twin:
    """Return a scene with and without a body that a screen comes down before, or that passes behind one."""
    draw = _covered if rng.random() < 0.5 else _passing
    while (drawn := draw(rng, tag)) is None:
        pass
    return drawn


def _covered(rng: np.random.Generator, tag: str) -> Twin | None:
    """A screen comes down before a body at rest, waits and goes up again."""
    asked, other = hues(rng, 2)
    at = float(rng.uniform(LEFT + 0.8, RIGHT - 0.8))
    body = _put(solid(rng, asked, radius(rng, "iid"), (at, 0.0, 1.0), boxes=0.4), at)
    witness = solid(rng, other, radius(rng, "iid"), (0.0, 0.0, 1.0), boxes=0.4)
    wide = half_width(body) + SPARE
    room = wide + half_width(witness) + 0.1
    aside = float(rng.uniform(LEFT + EDGE + half_width(witness), RIGHT - EDGE - half_width(witness)))
    if abs(aside - at) < room:
        return None
    camera, tall = side_camera(), 2 * half_height(body)
    down, falls, waits = 0.4, 0.3, round(float(rng.uniform(0.4, 0.8)), 1)
    goes = down + falls + waits
    screen = veil("screen", camera, x=(at - wide, at + wide), z=(-0.1, tall + SPARE), value=_dark(rng),
                  path=((down, 4.5), (down + falls, 0.0), (goes, 0.0), (goes + falls, 4.5)))  # fmt: skip
    splice, lasts = round(down + falls + waits / 2, 1), round(goes + falls + 0.5, 1)
    return _matched(
        rng, body, _put(witness, aside), screen, splice, lasts, (round(goes, 3), lasts), 9.81, tag
    )


def _passing(rng: np.random.Generator, tag: str) -> Twin | None:
    """A body floats behind a standing screen and out again; the other one hangs above."""
    asked, other = hues(rng, 2)
    size, speed, side = radius(rng, "iid"), float(rng.uniform(0.9, 1.4)), int(rng.choice([-1, 1]))
    height = size * 1.1 + float(rng.uniform(0.1, 0.4))
    wide = 1.1 * size + SPARE + 0.2 * speed  # half; so that four frames or more are dark
    middle = float(rng.uniform(-0.3, 0.3))
    before = (wide + 1.1 * size) / speed + 0.45
    splice = float(np.ceil(before * 10) / 10)
    lasts = round(float(np.ceil((splice + (wide + 1.1 * size) / speed) * 10) / 10) + 0.3, 1)
    ends = middle - speed * splice, middle + speed * (lasts - splice)
    if ends[0] - 1.1 * size - EDGE < LEFT or ends[1] > RIGHT:
        return None
    start = (side * ends[0], 0.0, height)
    body = solid(rng, asked, size, start, boxes=0.4, velocity=(side * speed, 0.0, 0.0))
    aloft = (float(rng.uniform(-1.5, 1.5)), 0.0, float(rng.uniform(2.6, 3.3)))
    witness = solid(rng, other, radius(rng, "iid"), aloft, boxes=0.4)
    top = height + half_height(body) + SPARE
    edges = sorted((side * (middle - wide), side * (middle + wide)))
    screen = veil("screen", side_camera(), x=(edges[0], edges[1]), z=(-0.1, top), value=_dark(rng))
    shows = splice + (wide - half_width(body)) / speed
    return _matched(rng, body, witness, screen, splice, lasts, (round(shows, 3), lasts), 0.0, tag)


def _dark(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.12, 0.35))


def _put(body: Body, x: float) -> Body:
    return replace(body, position=(x, 0.0, half_height(body)))


def _matched(
    rng: np.random.Generator,
    body: Body,
    witness: Body,
    screen: Body,
    splice: float,
    lasts: float,
    window: tuple[float, float],
    gravity: float,
    tag: str,
) -> Twin | None:
    around = (witness, screen, *stage(rng))
    scenes = [
        Scene(
            bodies=(*more, *around),
            camera=side_camera(),
            duration_s=lasts,
            cut_s=splice,
            needs_s=splice,
            profile="rest" if gravity > 0 else "flight",
            gravity=gravity,
            caption=caption(around),
            tag=tag,
        )
        for more in ((body,), ())
    ]
    if rng.random() < 0.5:
        scenes.reverse()
    if not same_picture(scenes[0], scenes[1], splice):
        return None
    return Twin("swap", scenes[0], scenes[1], splice, window)
