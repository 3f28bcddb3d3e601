"""Scenes in which a body floats along a straight line, behind one screen or two with a gap between them.

It is seen whole for 0.4 s before the cut, so that the context fixes when it must show again, and where.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wmeval.caption import caption
from wmeval.probe import Twin
from wmeval.scene import Body, Case, Scene, ball, side_camera
from wmeval_probes.physics.draw import EDGE, LEFT, RIGHT, TOP, half_height, hues, radius, solid, stage
from wmeval_probes.physics.veil import SPARE, same_picture, veil

SPEEDS, BRISK, FAST = (0.8, 1.5), (1.0, 1.3), (2.0, 2.3)  # m/s; large bodies have a longer way
SHOWN_S = 0.4  # whole, before it meets a screen
GAP_S = (0.32, 0.45)  # whole, between two screens: three frames
AFTER_S = 0.35  # whole, at the end
HIDDEN_S, BRIEF_S = (0.2, 0.6), (0.1, 0.3)  # wholly, behind each screen; behind the one of the fast and large
HORIZON_S = 2.5


@dataclass(frozen=True)
class Lane:
    """A body that goes to the right from `x` at `speed` [m/s], as if there were no other side."""

    x: float  # m
    z: float  # m
    speed: float
    radius: float  # half its width [m]


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return one body behind two screens or one; tag "ood-count" has two bodies on two heights.

    Tag "control" has no screen. Fast and large bodies pass one screen, since two leave them no room.
    """
    draw = {"ood-speed": _one, "ood-size": _one, "ood-count": _lanes, "control": _open}.get(tag)
    if draw is None:
        draw = _two if rng.random() < 0.7 else _one
    while (drawn := draw(rng, tag)) is None:
        pass
    return Case.single(drawn)


def _finish(
    rng: np.random.Generator,
    lanes: list[Lane],
    spans: list[tuple[float, float]],
    cut: float,
    lasts: float,
    tag: str,
) -> Scene | None:
    """Return the scene of lanes and of screens over spans of x [m], turned round half of the time."""
    cut, lasts = float(np.floor(cut * 10 + 1e-9) / 10), float(np.ceil(lasts * 10 - 1e-9) / 10)
    if lasts - cut > HORIZON_S or cut < SHOWN_S:
        return None
    side, camera, dark = int(rng.choice([-1, 1])), side_camera(), float(rng.uniform(0.12, 0.35))
    bodies = []
    for lane, hue in zip(lanes, hues(rng, len(lanes)), strict=True):
        size = lane.radius / 1.1  # a box is at most so much wider
        body = solid(
            rng, hue, size, (side * lane.x, 0.0, lane.z), boxes=0.4, velocity=(side * lane.speed, 0.0, 0.0)
        )
        if lane.x - lane.radius - EDGE < LEFT or lane.x + lane.speed * lasts + lane.radius + EDGE > RIGHT:
            return None
        bodies.append(body)
    top = max(b.position[2] + half_height(b) for b in bodies) + SPARE
    screens = [
        veil(
            f"screen {i}",
            camera,
            x=(min(side * a, side * b), max(side * a, side * b)),
            z=(0.0, min(top, TOP)),
            value=dark,
        )
        for i, (a, b) in enumerate(spans)
    ]
    everything = (*bodies, *screens, *stage(rng))
    return Scene(
        bodies=everything,
        camera=camera,
        duration_s=lasts,
        cut_s=cut,
        needs_s=SHOWN_S,
        profile="flight",
        gravity=0.0,
        caption=caption(everything),
        tag=tag,
    )


def _wide(rng: np.random.Generator, tag: str) -> float:
    """Return half the width of the widest body of a lane [m]; larger ones leave a screen no room."""
    return 1.1 * (float(rng.uniform(0.42, 0.46)) if tag == "ood-size" else radius(rng, tag))


def _two(rng: np.random.Generator, tag: str) -> Scene | None:
    size, speed = 1.1 * float(rng.uniform(0.2, 0.26)), float(rng.uniform(*SPEEDS))
    dark = [float(rng.uniform(*HIDDEN_S)) for _ in range(2)]
    gap = max(3 * size, 2 * size + speed * float(rng.uniform(*GAP_S)))
    x = LEFT + EDGE + size + float(rng.uniform(0.01, 0.1))
    a = x + speed * SHOWN_S + size
    b = a + 2 * size + speed * dark[0]
    c = b + gap
    d = c + 2 * size + speed * dark[1]
    lasts = (d + size - x) / speed + AFTER_S
    hides, frees = (a + size - x) / speed, (b - size - x) / speed
    cut = float(rng.uniform(SHOWN_S, hides)) if rng.random() < 0.3 else float(rng.uniform(hides + 0.1, frees))
    height = float(rng.uniform(size + 0.1, TOP - size - SPARE))
    return _finish(rng, [Lane(x, height, speed, size)], [(a, b), (c, d)], cut, lasts, tag)


def _one(rng: np.random.Generator, tag: str) -> Scene | None:
    size = _wide(rng, tag)
    speed = float(rng.uniform(*{"ood-speed": FAST, "ood-size": BRISK}.get(tag, SPEEDS)))
    dark = float(rng.uniform(*(BRIEF_S if tag in ("ood-speed", "ood-size") else HIDDEN_S)))
    x = LEFT + EDGE + size + float(rng.uniform(0.01, 0.2))
    touches = SHOWN_S if tag == "ood-speed" else float(rng.uniform(SHOWN_S, SHOWN_S + 0.2))
    a = x + speed * touches + size
    b = a + 2 * size + speed * dark
    lasts = (b + size - x) / speed + AFTER_S + float(rng.uniform(0.0, 0.1))
    hides = (a + size - x) / speed
    cut = float(rng.uniform(SHOWN_S, hides + dark))
    height = float(rng.uniform(size + 0.1, TOP - size - SPARE))
    return _finish(rng, [Lane(x, height, speed, size)], [(a, b)], cut, lasts, tag)


def _lanes(rng: np.random.Generator, tag: str) -> Scene | None:
    lanes, low = [], 0.0
    centre, half = float(rng.uniform(-0.4, 0.4)), float(rng.uniform(0.45, 0.7))
    cut, lasts = SHOWN_S, 0.0
    for _ in range(2):
        size, speed = _wide(rng, tag), float(rng.uniform(*SPEEDS))
        touches = float(rng.uniform(SHOWN_S, SHOWN_S + 0.2))
        x = centre - half - size - speed * touches
        if 2 * (half - size) / speed < HIDDEN_S[0]:
            return None
        height = low + size + float(rng.uniform(0.1, 0.3))
        low = height + size
        cut = max(cut, touches)
        lasts = max(lasts, (centre + half + size - x) / speed + AFTER_S)
        lanes.append(Lane(x, height, speed, size))
    return _finish(rng, lanes, [(centre - half, centre + half)], cut, lasts, tag)


def _open(rng: np.random.Generator, tag: str) -> Scene | None:
    size, speed, lasts = _wide(rng, tag), float(rng.uniform(*SPEEDS)), float(rng.uniform(1.4, 2.2))
    x, z = float(rng.uniform(LEFT, 0.0)), float(rng.uniform(size + 0.1, TOP - size - SPARE))
    return _finish(rng, [Lane(x, z, speed, size)], [], SHOWN_S, lasts, tag)


def twin(rng: np.random.Generator, tag: str) -> Twin:
    """Return the same passage behind two screens at two times, as far apart as the screens are.

    At the splice both bodies are hidden: one behind the first screen, one behind the second. Crossed over,
    a body leaves the second screen that never crossed the gap, and one comes out of the first again.
    """
    while (drawn := _twin(rng, tag)) is None:
        pass
    return drawn


def _twin(rng: np.random.Generator, tag: str) -> Twin | None:
    size, speed = float(rng.uniform(0.22, 0.25)), float(rng.uniform(0.8, 0.95))
    slack = float(rng.uniform(0.19, 0.23))  # m that the body goes unseen on each side of a screen's middle
    wide, gap = 2 * size + 2 * slack, 2 * size + float(rng.uniform(0.28, 0.36))
    splice = float(np.ceil((0.4 + (wide / 2 + size) / speed) * 10) / 10)
    first = LEFT + EDGE + size + speed * splice
    middles = (first, first + wide + gap)
    lasts = splice + round(float(np.ceil((wide / 2 + size + gap) / speed * 10)) / 10, 1)
    if middles[1] + wide / 2 + size > RIGHT - 0.2:
        return None
    side, camera, (hue,) = int(rng.choice([-1, 1])), side_camera(), hues(rng, 1)
    height, dark = float(rng.uniform(0.5, 3.0)), float(rng.uniform(0.12, 0.35))
    behind = stage(rng)
    screens = [
        veil(
            f"screen {i}",
            camera,
            x=(side * m - wide / 2, side * m + wide / 2),
            z=(0.0, height + size + SPARE),
            value=dark,
        )
        for i, m in enumerate(middles)
    ]

    def at(middle: float) -> Scene:
        body: Body = ball(
            f"{hue} ball",
            radius=size,
            position=(side * (middle - speed * splice), 0.0, height),
            velocity=(side * speed, 0.0, 0.0),
            hue=hue,
        )
        everything = (body, *screens, *behind)
        return Scene(everything, camera, lasts, splice, splice, "flight", gravity=0.0,
                     caption=caption(everything), tag=tag)  # fmt: skip

    scenes = [at(m) for m in middles]
    if rng.random() < 0.5:
        scenes.reverse()
    if not same_picture(scenes[0], scenes[1], splice):
        return None
    comes = splice + slack / speed
    return Twin("swap", scenes[0], scenes[1], splice, (round(comes, 3), lasts))
