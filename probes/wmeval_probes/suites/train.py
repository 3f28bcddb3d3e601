"""train@0.1: scenes to learn from. Wider than what any probe asks, and never an evaluation scene.

Four families: bodies that fly and bounce under many gravities; bodies that go, or wait, behind a screen;
bodies that meet walls and one another; and random action play, so that what learns here can also plan.
Seeds are disjoint from evaluation by construction (wmeval.seeds: the split is part of what is hashed).
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from wmeval.scene import (
    HUES,
    Body,
    Push,
    Scene,
    backdrop,
    ball,
    box,
    floor,
    occluder,
    side_camera,
    wall,
)
from wmeval.suite import Split

DURATION_S = 3.9  # 40 frames at 10 Hz
EDGE_M = 2.2  # half the width that the camera sees


def scene(rng: np.random.Generator) -> Scene:
    """Return one scene of a family drawn at random; the cut is anywhere from 4 to 24 frames."""
    family = (_fly, _hide, _meet, _play)[int(rng.choice(4, p=[0.3, 0.32, 0.2, 0.18]))]
    return family(rng)


def _stage(rng: np.random.Generator, *, restitution: float = 1.0, friction: float = 1.0) -> tuple[Body, ...]:
    ground = floor(value=rng.uniform(0.35, 0.65), restitution=restitution, friction=friction, rolling=0.0)
    if rng.random() < 0.75:
        return (ground, backdrop(value=rng.uniform(0.75, 0.97)))
    return (ground,)


def _hues(rng: np.random.Generator, count: int) -> list[float]:
    return [float(h) for h in rng.choice(sorted(HUES.values()), size=count, replace=False)]


def _finish(rng: np.random.Generator, bodies: tuple[Body, ...], **more: Any) -> Scene:
    cut = int(rng.integers(3, 24)) / 10
    return Scene(bodies, side_camera(), DURATION_S, cut, min(0.3, cut), "impact", **more)


def _mover(rng: np.random.Generator, name: str, hue: float, x: float, z: float | None, **more: Any) -> Body:
    """Return a ball (three in four) or a box; z None = standing on the floor."""
    size = float(rng.uniform(0.2, 0.42))
    given = {"value": float(rng.uniform(0.7, 0.95)), **more}
    if rng.random() < 0.75:
        return ball(name, radius=size, position=(x, 0, size if z is None else z), hue=hue, **given)
    half = (size * float(rng.uniform(0.75, 1.0)), size, size * float(rng.uniform(0.75, 1.0)))
    return box(name, half=half, position=(x, 0, half[2] if z is None else z), hue=hue, **given)


def _fly(rng: np.random.Generator) -> Scene:
    """Throws and falls with bounces: gravity is anything from the Moon's to a little over the Earth's."""
    gravity = float(rng.uniform(1.4, 10.5))
    bodies: list[Body] = []
    for i, hue in enumerate(_hues(rng, int(rng.choice([1, 2], p=[0.8, 0.2])))):
        x = float(rng.uniform(-1.7, 1.7)) if i == 0 else float(-np.sign(bodies[0].position[0]) * 1.3)
        z = float(rng.uniform(0.8, 3.7))
        room = max(0.0, 3.8 - z)
        up = float(rng.choice([0.0, rng.uniform(-0.5, 1.0)])) * float(np.sqrt(2 * gravity * room))
        sideways = float(rng.uniform(0.0, 1.1)) * -float(np.sign(x))
        bodies.append(
            _mover(
                rng,
                f"body{i}",
                hue,
                x,
                z,
                velocity=(sideways, 0, up),
                friction=float(rng.choice([0.0, 0.3])),
                restitution=float(rng.uniform(0.2, 0.9)),
            )
        )
    return _finish(rng, (*_stage(rng), *bodies), gravity=gravity)


def _hide(rng: np.random.Generator) -> Scene:
    """A body passes behind a screen and comes out, or waits behind one that rises and falls."""
    half_width, half_height = float(rng.uniform(0.3, 0.9)), float(rng.uniform(0.45, 0.9))
    at = float(rng.uniform(-0.8, 0.8))
    given = {"value": float(rng.uniform(0.12, 0.35))}
    hues = _hues(rng, int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15])))
    bodies: list[Body] = []
    if rng.random() < 0.7:
        screen = occluder(
            "screen", half=(half_width, 0.05, half_height), position=(at, -1, half_height), **given
        )
        side = float(rng.choice([-1.0, 1.0]))
        speed = float(rng.uniform(0.5, 2.0))
        for i, hue in enumerate(hues):
            start = side * (rng.uniform(0.0, 0.5) + half_width + 0.4 + 1.1 * i) + at
            bodies.append(_mover(rng, f"body{i}", hue, float(start), None, velocity=(-side * speed, 0, 0),
                                 friction=0.0, restitution=0.0))  # fmt: skip
    else:
        low, high = half_height, half_height + float(rng.uniform(1.2, 2.0))
        down = float(rng.uniform(0.3, 1.2))
        up = down + float(rng.uniform(0.6, 1.6))
        lag = float(rng.uniform(0.3, 0.7))
        start = high if rng.random() < 0.7 else low
        screen = occluder(
            "screen", half=(half_width + 0.3, 0.05, half_height), position=(at, -1, start),
            path=((down, (at, -1, start)), (down + lag, (at, -1, low)), (up, (at, -1, low)),
                  (up + lag, (at, -1, high))), **given,
        )  # fmt: skip
        for i, hue in enumerate(hues[:2]):
            spot = at + (i - 0.5 * (len(hues[:2]) - 1)) * 0.95 + float(rng.uniform(-0.05, 0.05))
            drift = float(rng.choice([0.0, rng.uniform(-0.4, 0.4)])) if len(hues) == 1 else 0.0
            bodies.append(
                _mover(
                    rng, f"body{i}", hue, spot, None, velocity=(drift, 0, 0), friction=0.0, restitution=0.0
                )
            )
    return _finish(rng, (*_stage(rng), screen, *bodies))


def _meet(rng: np.random.Generator) -> Scene:
    """Bodies run into a wall or into one another, on a smooth floor or floating."""
    floating = rng.random() < 0.35
    bounce = float(rng.choice([0.0, rng.uniform(0.2, 0.95)]))
    wall_x = float(rng.choice([-1.0, 1.0]) * rng.uniform(1.0, 1.9))
    bodies: list[Body] = []
    if rng.random() < 0.7:
        height = float(rng.uniform(0.5, 1.6))
        bodies.append(
            wall("wall", half=(0.15, 0.45, height), position=(wall_x, 0, height), restitution=1.0,
                 friction=0.0, value=float(rng.uniform(0.2, 0.45)))
        )  # fmt: skip
    count = int(rng.choice([1, 2, 3], p=[0.35, 0.45, 0.2]))
    spots = np.sort(rng.uniform(-1.5, 1.5, count)) if count == 1 else np.linspace(-1.5, 1.1, count)
    z = float(rng.uniform(0.8, 2.8)) if floating else None
    for i, (hue, x) in enumerate(zip(_hues(rng, count), spots, strict=True)):
        x = float(np.clip(x + rng.uniform(-0.1, 0.1), -1.7, 1.7))
        if bodies and bodies[0].name == "wall" and abs(x - wall_x) < 0.62:
            x = wall_x - float(np.sign(wall_x)) * 0.7
        toward = float(np.sign(wall_x - x)) if count == 1 else (1.0, -1.0, -1.0)[i]
        speed = float(rng.choice([0.0, rng.uniform(0.4, 2.2)])) if i else float(rng.uniform(0.5, 2.2))
        bodies.append(
            _mover(
                rng,
                f"body{i}",
                hue,
                x,
                z,
                velocity=(toward * speed, 0, 0),
                friction=0.0,
                restitution=bounce**0.5,
            )
        )
    apart = [b for b in bodies if b.mass > 0]
    for one, two in itertools.pairwise(apart):
        if two.position[0] - one.position[0] < one.size[0] + two.size[0] + 0.05:
            return _meet(rng)  # they would start inside one another
    return _finish(rng, (*_stage(rng, friction=0.0), *bodies), gravity=0.0 if floating else 9.81)


def _play(rng: np.random.Generator) -> Scene:
    """One body is pushed at random; others may be in its way."""
    count = int(rng.choice([1, 2], p=[0.6, 0.4]))
    bodies: list[Body] = []
    for i, hue in enumerate(_hues(rng, count)):
        x = float(rng.uniform(-1.4, -0.2)) if i == 0 else float(rng.uniform(0.5, 1.5))
        bodies.append(_mover(rng, f"body{i}", hue, x, None, friction=0.25, restitution=0.5))
    if rng.random() < 0.5:
        bodies = [_mirrored(b) for b in bodies]
    pushes = []
    when = float(rng.uniform(0.2, 0.9))
    while when < DURATION_S - 0.4:
        mass = bodies[0].mass
        speed, rise = float(rng.uniform(-2.5, 2.5)), float(rng.choice([0.0, rng.uniform(0.0, 4.0)]))
        start = round(when, 1)
        if rng.random() < 0.65:
            pushes.append(Push("body0", start, start, impulse=(mass * speed, 0, mass * rise)))
        else:
            end = start + round(float(rng.uniform(0.2, 0.5)), 1)
            pushes.append(Push("body0", start, end, force=(mass * speed * 3, 0, 0)))
        when = start + float(rng.uniform(0.6, 1.6))
    return _finish(rng, (*_stage(rng), *bodies), pushes=tuple(pushes), actuated="body0")


def _mirrored(body: Body) -> Body:
    x, y, z = body.position
    return replace(body, position=(-x, y, z))


SPLIT = Split("train", "0.1", scene)
