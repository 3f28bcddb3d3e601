"""Launching scenes: one body glides up to another at rest, with nothing or with a wall between them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wmeval.caption import caption
from wmeval.probe import Twin
from wmeval.scene import Body, Case, Hidden, Scene, occluder, side_camera, wall
from wmeval_probes.physics.draw import EDGE, LEFT, RIGHT, half_height, half_width, hues, radius, solid, stage

SPEEDS, FAST = (0.8, 1.5), (1.7, 2.4)  # m/s
RESTITUTION = (0.6, 1.0)  # of each body; a pair's is the product
MASS = 5.0  # kg, of every body: what cannot be seen is the same for all
MEETS_S = (0.55, 0.85)  # after the cut
AFTER_S = 0.85  # from contact to the end
THIN = 0.06  # m, half the thickness of the wall between


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return a launching with contact and the same with a wall between; "control": the body moves away."""
    while (drawn := _launch(rng, tag)) is None:
        pass
    scene, barrier = drawn
    if tag == "control":
        return Case({"away": _away(scene)})
    blocked = replace(scene, bodies=(*scene.bodies, barrier))
    return Case({"contact": scene, "none": replace(blocked, caption=caption(blocked.bodies))})


def _launch(rng: np.random.Generator, tag: str) -> tuple[Scene, Body] | None:
    """Return a scene in which the first body hits the second, and a wall that would prevent it."""
    cut = round(float(rng.integers(4, 8)) / 10, 1)
    meets = cut + float(rng.uniform(*MEETS_S))
    speed = float(rng.uniform(*(FAST if tag == "ood-speed" else SPEEDS)))
    side, size, (one, two) = int(rng.choice([-1, 1])), radius(rng, tag), hues(rng, 2)
    more = {"friction": 0.0, "mass": MASS}
    a, b = (
        solid(rng, h, size, (0.0, 0.0, 1.0), boxes=0.4, restitution=float(rng.uniform(*RESTITUTION)), **more)
        for h in (one, two)
    )
    run = speed * meets
    left = half_width(a) + EDGE  # of the start
    touch = half_width(a) + half_width(b)
    beyond = speed * AFTER_S + half_width(b) + EDGE
    room = RIGHT - LEFT - left - run - touch - beyond
    gap = float(rng.uniform(0.08, 0.3))
    if room < 0 or (gap + 2 * THIN) / speed > meets - cut - 0.25:
        return None
    start = LEFT + left + room * float(rng.random())
    at = start + run + touch  # of the second body
    a = replace(a, position=(side * start, 0.0, half_height(a)), velocity=(side * speed, 0.0, 0.0))
    b = replace(b, position=(side * at, 0.0, half_height(b)))
    tall = float(rng.uniform(0.9, 1.5)) * half_height(a)
    stands = (side * (at - half_width(b) - gap - THIN), 0.0, tall)
    barrier = wall("wall", half=(THIN, 0.45, tall), position=stands, friction=0.0, restitution=1.0,
                   value=float(rng.uniform(0.2, 0.45)))  # fmt: skip
    bodies = (a, b, *stage(rng, friction=0.0, restitution=1.0))
    scene = Scene(
        bodies=bodies,
        camera=side_camera(),
        duration_s=float(np.ceil((meets + AFTER_S) * 10 - 1e-9) / 10),
        cut_s=cut,
        needs_s=0.4,
        profile="impact",
        caption=caption(bodies),
        hidden=tuple(Hidden(f"{x.name}.restitution", *RESTITUTION) for x in (a, b)),
        tag=tag,
    )
    return scene, barrier


def _away(scene: Scene) -> Scene:
    """Return the scene in which the first body leaves from beside the second."""
    a, b = scene.moving
    side = float(np.sign(a.velocity[0]))
    near = b.position[0] - side * (half_width(a) + half_width(b) + 0.2)
    gone = min(float(np.linalg.norm(a.velocity)), (abs(near - side * LEFT) - 0.5) / scene.duration_s)
    a = replace(a, position=(near, 0.0, a.position[2]), velocity=(-side * gone, 0.0, 0.0))
    return replace(scene, bodies=(a, *scene.bodies[1:]))


def twin(rng: np.random.Generator, tag: str) -> Twin | None:
    """Return a launching behind a screen with and without a wall, which is shown before the screen falls.

    There is none for "ood-speed": before so fast a body arrives no screen can fall within the picture.
    """
    if tag == "ood-speed":
        return None
    while (drawn := _twin(rng, tag)) is None:
        pass
    return drawn


def _twin(rng: np.random.Generator, tag: str) -> Twin | None:
    launched = _launch(rng, tag)
    if launched is None:
        return None
    scene, barrier = launched
    a, b = scene.moving
    side, speed = float(np.sign(a.velocity[0])), abs(a.velocity[0])
    grown = 14.0 / 13.0  # the screen stands a metre nearer to the eye than what it hides
    left = side * barrier.position[0] - THIN - 0.2
    right = side * b.position[0] + half_width(b) + 0.2
    high = 2 * max(half_height(b), half_height(barrier)) + 0.6
    falls, down = 0.4, 0.7
    arrives = (left - side * a.position[0] - half_width(a)) / speed  # behind the screen
    meets = (side * (b.position[0] - a.position[0]) - half_width(a) - half_width(b)) / speed
    slowest = speed * (1 + RESTITUTION[0] ** 2) / 2
    out = meets + 0.2 / speed
    if arrives < down + 0.2 or scene.duration_s < meets + 0.2 / slowest + 0.4:
        return None
    low = (side * (left + right) / 2 / grown, -1.0, high / 2)
    above = (low[0], low[1], low[2] + 2.0)
    screen = occluder("screen", half=((right - left) / 2 / grown, 0.05, high / 2), position=above,
                      path=((falls, above), (down, low)), value=float(rng.uniform(0.12, 0.35)))  # fmt: skip
    # a wall that gives nothing back keeps the first body behind the screen
    dull = replace(barrier, restitution=0.0)
    cut = float(np.floor(arrives * 10) / 10)
    made = [
        replace(scene, bodies=bodies, caption=caption(bodies), cut_s=cut)
        for bodies in ((*scene.bodies, screen), (*scene.bodies, screen, dull))
    ]
    return Twin("factorial", made[0], made[1], round(down + 0.1, 1), (round(out, 3), scene.duration_s))
