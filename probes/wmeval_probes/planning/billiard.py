"""Hit one floating ball once, so that a second one ends in a cup: one decision, and a collision foreseen.

Nothing weighs and nothing slows down. The cup is three grey walls that nothing bounces off, so that the ball
stays in it; with tag "wide" the second ball has to turn farther from the way of the first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.scene import Body, Scene, ball, side_camera, wall
from wmeval.task import Choice, Drive, Instance, States, Task
from wmeval_probes.physics.draw import EDGE, LEFT, RIGHT, hues, stage
from wmeval_probes.planning.places import away, ending, least
from wmeval_probes.planning.shown import Kick, choice_of

Floats = NDArray[np.float64]
LOW, HIGH = 0.6, 3.3  # m, where balls float
ROOM = 0.1  # m between a ball in the cup and a wall beside it
THICK = 0.07  # m, half of a wall of the cup
CUT = {"iid": (0.0, 0.4), "wide": (0.4, 0.7)}  # rad between the ways of the two balls
FASTEST = 2.5  # m/s along an axis
FAN = 0.45  # rad by which the directions that are tried differ from their own middle
CUT_S, LASTS_S = 0.3, 2.2  # s of context, and of an episode after it
SHOWN_S, SEEN_S, ENDS_S = 0.1, 0.4, 2.1  # s: push of an intervention, end of its context, what follows


def instance(rng: np.random.Generator, tag: str) -> Instance:
    """Return a ball to hit, one to be hit by it, and a cup, all at rest."""
    while (drawn := _draw(rng, tag)) is None:
        pass
    return drawn[0]


def _draw(rng: np.random.Generator, tag: str) -> tuple[Instance, Floats] | None:
    """Return an instance with the direction (x, z) in which the first ball meets the second rightly."""
    side = float(rng.choice([-1.0, 1.0]))
    mine, other = float(rng.uniform(0.22, 0.28)), float(rng.uniform(0.22, 0.28))
    deep, half = 1.6 * other, other + ROOM  # of the cup's inside
    mouth = np.array([RIGHT - EDGE - 2 * THICK - deep, rng.uniform(LOW + 0.2, HIGH - 0.2)])
    rests = mouth + np.array([deep - other, 0.0])
    slope = float(rng.uniform(-0.25, 0.25))
    second = mouth - float(rng.uniform(0.6, 1.0)) * np.array([np.cos(slope), np.sin(slope)])
    go = rests - second
    go /= np.hypot(*go)
    meets = second - (mine + other) * go
    turn = float(rng.uniform(*CUT[tag]) * rng.choice([-1.0, 1.0]))
    way = np.array([go[0] * np.cos(turn) - go[1] * np.sin(turn), go[0] * np.sin(turn) + go[1] * np.cos(turn)])
    first = meets - float(rng.uniform(0.75, 1.3)) * way
    if first[0] < LEFT + EDGE + mine or not all(LOW < p[1] < HIGH for p in (first, second)):
        return None
    names, given = hues(rng, 2), {"friction": 0.0, "restitution": 0.95}
    bodies = [
        ball(name, radius=r, position=(side * p[0], 0, p[1]), hue=hue, value=float(rng.uniform(0.7, 0.95)),
             mass=60.0, **given)
        for name, r, p, hue in zip(("first", "second"), (mine, other), (first, second), names, strict=True)
    ]  # fmt: skip
    cup = _cup(side, mouth, deep, half, float(rng.uniform(0.2, 0.4)))
    scene = Scene(
        (*bodies, *cup, *stage(rng, friction=0.0)), side_camera(), CUT_S + LASTS_S, CUT_S, CUT_S, "impact",
        gravity=0.0, actuated="first", caption=caption((*bodies, *cup)), tag=tag,
    )  # fmt: skip
    goal = {"x": side * rests[0], "z": rests[1], "deep": other, "wide": ROOM + 0.05}
    posed = {"second": ((side * float(rests[0]), 0.0, float(rests[1])), (0.0, 0.0, 0.0, 1.0))}
    return Instance(scene, goal, posed), way * np.array([side, 1.0])


def _cup(side: float, mouth: Floats, deep: float, half: float, grey: float) -> tuple[Body, ...]:
    """Return three walls: what is in the cup goes `deep` [m] into it and has 2 x `half` of room."""
    x, z = float(mouth[0]), float(mouth[1])
    given = {"value": grey, "friction": 0.5, "restitution": 0.0}
    high = half + 2 * THICK
    back = wall("back", half=(THICK, 0.45, high), position=(side * (x + deep + THICK), 0, z), **given)
    beside = [
        wall(name, half=(deep / 2, 0.45, THICK), position=(side * (x + deep / 2), 0, z + s * (half + THICK)),
             **given)
        for name, s in (("upper", 1), ("lower", -1))
    ]  # fmt: skip
    return (back, *beside)


def cost(states: States, instance: Instance) -> Floats:
    """Return how near to its rest in the cup the second ball comes, and ends, mixed 7 to 3 [m]."""
    off = away(states["second"], (instance.goal["x"], instance.goal["z"]))
    return 0.7 * least(off) + 0.3 * ending(off)


def success(states: States, instance: Instance) -> NDArray[np.bool_]:
    """Return whether the second ball is in the cup."""
    place, goal = states["second"], instance.goal
    inside = np.abs(place[..., 0] - goal["x"]) <= goal["deep"]
    return np.asarray(inside & (np.abs(place[..., 2] - goal["z"]) <= goal["wide"]))


def choice(rng: np.random.Generator, tag: str) -> Choice:
    """Return impulses in directions near to one another, of which one to three bring it into the cup.

    The right one is as often at the side of them as in their middle.
    """
    while (drawn := _choice(rng, tag)) is None:
        pass
    return drawn


def _choice(rng: np.random.Generator, tag: str) -> Choice | None:
    drawn = _draw(rng, tag)
    if drawn is None:
        return None
    start, way = drawn
    turns = [0.0, *(rng.uniform(-FAN, FAN) + rng.uniform(-FAN, FAN, 12))]
    kicks: list[Kick] = []
    for turn in turns:
        pace, c, s = float(rng.uniform(1.3, 2.2)), np.cos(turn), np.sin(turn)
        kicks.append((float(pace * (c * way[0] - s * way[1])), float(pace * (s * way[0] + c * way[1]))))
    return choice_of(rng, TASK, start, kicks, at_s=SHOWN_S, seen_s=SEEN_S, lasts_s=ENDS_S)


TASK = Task(
    name="billiard", version="0.2", unit="m", worst=4.0, tags=("iid", "wide"), instance=instance, cost=cost,
    success=success, choice=choice, drive=Drive("impulse", ("x", "z"), FASTEST), block_s=LASTS_S, look=1,
    summary="hit one ball once, so that a second one ends in a cup",
)  # fmt: skip
