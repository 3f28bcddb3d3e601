"""Scenes that hide bodies for a while, so that the context fixes when and where they appear again.

Bodies pass behind a standing screen, or rest where a screen comes down, waits and goes. Whatever uncovers
them moves at constant speed from at least 0.3 s before the cut and has been seen whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wmeval.camera import Vec3
from wmeval.caption import caption
from wmeval.scene import Body, Case, Scene, occluder, side_camera
from wmeval_probes.physics.draw import (
    EDGE,
    LEFT,
    RIGHT,
    TOP,
    half_height,
    half_width,
    hues,
    radius,
    solid,
    stage,
)  # fmt: skip

SCREEN_Y = -1.0  # m, in front of all bodies
GROWN = 14.0 / (14.0 + SCREEN_Y)  # a screen hides so many times its width of the plane of the bodies
SPEEDS, FAST = (0.8, 1.5), (2.1, 2.4)  # m/s
WIDEST = 0.95  # m, half the width of a standing screen in the plane of the bodies
HORIZON_S = 3.0  # after the cut all must be over
AFTER_S = 0.6  # every body is seen for so long after it comes out


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return a case of bodies that are hidden by a screen and appear again after the cut.

    Tag "ood-duration" hides them for 2 to 5 s; "ood-composition" has screens that grow out of the floor and
    sink again, and panels that slide past, which the training split does not hold. Tag "control" has no
    screen at all.
    """
    if tag == "control":
        return Case.single(_open(rng, tag))
    kinds, weights = ("passes", "lifts"), (0.65, 0.35)
    if tag == "ood-composition":
        kinds, weights = ("sinks", "slides"), (0.5, 0.5)
    kind = "lifts" if tag == "ood-duration" else str(rng.choice(kinds, p=weights))
    draw = {"passes": _passes, "lifts": _lifts, "sinks": _sinks, "slides": _slides}[kind]
    while (drawn := draw(rng, tag)) is None or drawn.duration_s - drawn.cut_s > HORIZON_S:
        pass
    return Case.single(drawn)


def _open(rng: np.random.Generator, tag: str) -> Scene:
    """One to three bodies glide over the floor, and nothing hides them."""
    bodies, lasts = _standing(rng, tag, int(rng.integers(1, 4))), 1.8
    side, (left, right) = int(rng.choice([-1, 1])), _span(bodies)
    room = RIGHT - LEFT - 2 * EDGE - (right - left)
    speed = float(rng.uniform(0.2, max(0.25, min(SPEEDS[1], room / lasts))))
    shift = LEFT + EDGE + float(rng.uniform(0.0, max(0.0, room - speed * lasts))) - left
    placed = [_moved(b, side * (b.position[0] + shift), side * speed) for b in bodies]
    everything = (*placed, *stage(rng, friction=0.0))
    return Scene(everything, side_camera(), lasts, 0.6, 0.4, "rest", caption=caption(everything), tag=tag)


def _scene(
    rng: np.random.Generator,
    bodies: Sequence[Body],
    screen: Body,
    cut: float,
    lasts: float,
    tag: str,
    *,
    needs: float | None = None,
) -> Scene:
    everything = (*bodies, screen, *stage(rng, friction=0.0))
    return Scene(
        bodies=everything,
        camera=side_camera(),
        duration_s=float(np.ceil(lasts * 10 - 1e-9) / 10),
        cut_s=round(cut, 1),
        needs_s=round(needs or cut, 1),
        profile="rest",
        caption=caption(everything),
        tag=tag,
    )


def _screen(
    rng: np.random.Generator, half: float, tall: float, at: Vec3, path: tuple[tuple[float, Vec3], ...] = ()
) -> Body:
    """Return a dark screen that covers 2 * `half` of the plane of the bodies and is `tall` [m]."""
    size = (half / GROWN, 0.05, tall / 2)
    return occluder("screen", half=size, position=at, path=path, value=float(rng.uniform(0.12, 0.35)))


def _standing(rng: np.random.Generator, tag: str, n: int) -> list[Body]:
    """Return n bodies on the floor, side by side from x = 0 to the right, 0.1 to 0.4 m apart."""
    bodies: list[Body] = []
    x = 0.0
    for hue in hues(rng, n):
        body = solid(rng, hue, radius(rng, tag), (0.0, 0.0, 1.0), boxes=0.4, friction=0.0)
        x += half_width(body)
        bodies.append(_moved(body, x))
        x += half_width(body) + float(rng.uniform(0.1, 0.4))
    return bodies


def _moved(body: Body, x: float, velocity: float = 0.0) -> Body:
    return replace(body, position=(x, 0.0, half_height(body)), velocity=(velocity, 0.0, 0.0))


def _span(bodies: Sequence[Body]) -> tuple[float, float]:
    """Return the x of the left and the right end of a row of bodies [m]."""
    return (
        min(b.position[0] - half_width(b) for b in bodies),
        max(b.position[0] + half_width(b) for b in bodies),
    )


def _passes(rng: np.random.Generator, tag: str) -> Scene | None:
    """One to three bodies glide over the floor and behind a standing screen."""
    fast = tag == "ood-speed"  # then there is room in the picture for one short pass only
    n = 1 if fast else int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))
    speed = float(rng.uniform(*(FAST if fast else SPEEDS)))
    side = int(rng.choice([-1, 1]))
    bodies = _standing(rng, tag, n)
    widest = max(half_width(b) for b in bodies)
    longest = min(0.5 if fast else 1.5, 2 * (WIDEST - widest) / speed)
    if longest < 0.3:
        return None
    hidden = float(rng.uniform(0.3, longest))  # s, of the largest body
    half = (2 * widest + speed * hidden) / 2  # of the screen, in the plane of the bodies
    centre = float(rng.uniform(-0.8, 0.8))
    touches = float(rng.uniform(0.4, 0.5 if fast else 0.8))  # when the first body meets the screen's edge
    left, right = _span(bodies)
    shift = centre - half - speed * touches - right
    lead = bodies[-1]
    in_s = touches + 2 * half_width(lead) / speed
    out_s = in_s + (2 * half - 2 * half_width(lead)) / speed
    if rng.random() < 0.6:
        cut = in_s + float(rng.uniform(0.1, 0.9)) * (out_s - in_s)
    else:
        cut = float(rng.uniform(0.4, touches))
    cut = max(0.4, float(np.floor(cut * 10) / 10))
    last_out = (centre + half + half_width(bodies[0]) - (bodies[0].position[0] + shift)) / speed
    lasts = last_out + AFTER_S
    if cut > out_s - 0.05 or left + shift < LEFT + EDGE or right + shift + speed * lasts > RIGHT - EDGE:
        return None
    tall = float(rng.uniform(max(0.9, 2 * max(half_height(b) for b in bodies) + 0.25), 1.8))
    screen = _screen(rng, half, tall, (side * centre / GROWN, SCREEN_Y, tall / 2))
    placed = [_moved(b, side * (b.position[0] + shift), side * speed) for b in bodies]
    needs = min(cut, max(0.4, cut - touches + 0.4))  # from where the first body is seen for 0.4 s
    return _scene(rng, placed, screen, cut, lasts, tag, needs=needs)


def _row(rng: np.random.Generator, tag: str, n: int) -> list[Body] | None:
    """Return n bodies at rest side by side somewhere on the floor; None where they do not fit."""
    bodies = _standing(rng, tag, n)
    width = _span(bodies)[1]
    room = RIGHT - LEFT - 0.6 - width
    if room < 0:
        return None
    shift = LEFT + 0.3 + room * float(rng.random())
    return [_moved(b, b.position[0] + shift) for b in bodies]


def _lifts(rng: np.random.Generator, tag: str) -> Scene | None:
    """A floating screen comes down in front of one or two bodies, into the floor, waits, and goes up."""
    bodies = _row(rng, tag, int(rng.integers(1, 3)))
    if bodies is None:
        return None
    left, right = _span(bodies)
    tallest = max(half_height(b) for b in bodies)
    speed = float(rng.uniform(2.2, 3.0) if tag == "ood-speed" else rng.uniform(0.9, 1.8))  # m/s, upwards
    sunk = speed * float(rng.uniform(0.6, 1.0))  # into the floor, so that it rises a while before it frees
    tall = sunk + 2 * tallest + 0.25
    above = 2 * tallest + float(rng.uniform(0.1, 0.4))  # under its lower edge, at first
    down, lag = 0.3, float(rng.uniform(0.2, 0.4))
    waits = float(rng.uniform(1.5, 4.0) if tag == "ood-duration" else rng.uniform(0.1, 1.1))
    up = round(down + lag + waits, 2)
    frees = up + sunk / speed
    cut = float(np.ceil((up + 0.3) * 10 - 1e-9) / 10)
    if above + tall > TOP - 0.05 or not 0.2 < frees - cut < 1.0:
        return None
    centre = (left + right) / 2 / GROWN

    def at(bottom: float) -> Vec3:
        return (centre, SCREEN_Y, bottom + tall / 2)

    path = (
        (down, at(above)),
        (down + lag, at(-sunk)),
        (up, at(-sunk)),
        (up + (sunk + above) / speed, at(above)),
    )
    screen = _screen(rng, (right - left) / 2 + 0.15, tall, at(above), path)
    lasts = frees + 2 * tallest / speed + AFTER_S
    return _scene(rng, bodies, screen, cut, lasts, tag)


def _sinks(rng: np.random.Generator, tag: str) -> Scene | None:
    """A screen comes out of the floor in front of one to three bodies, and goes down again."""
    bodies = _row(rng, tag, int(rng.integers(1, 4)))
    if bodies is None:
        return None
    left, right = _span(bodies)
    top = float(rng.uniform(1.3, 2.4))
    shown, rise = 0.3, 0.2
    held = float(rng.uniform(0.7, 1.2))
    sinks = shown + rise + held
    speed = float(rng.uniform(0.8, 1.8))  # m/s
    cut = round(float(np.ceil((sinks + 0.3) * 10) / 10), 1)
    lowest = min(half_height(b) for b in bodies)
    tallest = max(half_height(b) for b in bodies)
    first_out, last_out = sinks + (top - 2 * tallest) / speed, sinks + (top - lowest) / speed
    if not 0.25 < first_out - cut < 1.2:
        return None
    up, down = top / 2, -top / 2 - 0.05
    centre = (left + right) / 2 / GROWN

    def at(z: float) -> Vec3:
        return (centre, SCREEN_Y, z)

    gone = sinks + (up - down) / speed
    path = ((shown, at(down)), (shown + rise, at(up)), (sinks, at(up)), (gone, at(down)))
    screen = _screen(rng, (right - left) / 2 + 0.15, top, at(down), path)
    return _scene(rng, bodies, screen, cut, last_out + AFTER_S, tag)


def _slides(rng: np.random.Generator, tag: str) -> Scene | None:
    """A panel slides past one or two bodies at constant speed."""
    bodies = _standing(rng, tag, int(rng.integers(1, 3)))
    side = int(rng.choice([-1, 1]))
    speed = float(rng.uniform(0.7, 1.3))  # m/s, over the plane of the bodies
    left, right = _span(bodies)
    narrow = min(half_width(b) for b in bodies)
    before, after = float(rng.uniform(0.8, 1.3)), float(rng.uniform(0.3, 0.9))  # s, all of them hidden
    half = ((right - left) + speed * (before + after)) / 2
    shift = float(rng.uniform(0.0, RIGHT - EDGE - (right - left))) - left
    bodies = [_moved(b, b.position[0] + shift) for b in bodies]
    left, right = left + shift, right + shift
    starts = float(rng.uniform(0.3, 0.5))  # when its leading edge comes to the first body
    leads = left - speed * starts  # leading edge at time 0, in the plane of the bodies
    in_s = (right - leads) / speed
    cut = float(np.floor((in_s + before) * 10) / 10)
    lasts = (right + 2 * half - leads) / speed - narrow / speed + AFTER_S
    if leads - 2 * half + speed * (cut - 0.3) < LEFT + 0.05 or cut - in_s < starts + (right - left) / speed:
        return None
    tall = 2 * max(half_height(b) for b in bodies) + float(rng.uniform(0.2, 0.6))
    bodies = [_moved(b, side * b.position[0]) for b in bodies]

    def at(t: float) -> Vec3:
        return (side * (leads - half + speed * t) / GROWN, SCREEN_Y, tall / 2 + 0.02)

    screen = _screen(rng, half, tall, at(0.0), ((10.0, at(10.0)),))
    return _scene(rng, bodies, screen, cut, lasts, tag)
