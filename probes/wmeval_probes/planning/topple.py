"""Throw a ball so that a row of dominoes falls and the block that stands before it does not.

The ball has to go over the block and meet the first domino: rolled along the floor, or thrown too weakly, it
hits the block; too strongly, it goes over the dominoes. With tag "long" there are four dominoes, else three.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.scene import Scene, ball, box, side_camera
from wmeval.task import Choice, Drive, Instance, States, Task
from wmeval_probes.physics.draw import EDGE, LEFT, RIGHT, hues, stage
from wmeval_probes.planning.places import LOST, average, away, ending, least
from wmeval_probes.planning.shown import CANDIDATES, Kick, choice_of

Floats = NDArray[np.float64]
COUNT = {"iid": 3, "long": 4}
DOWN = 0.15  # half heights that the middle of a domino has sunk when it counts as fallen
MOVED = 0.1  # m that the block may be moved
FASTEST = 4.5  # m/s along an axis
CUT_S, LASTS_S = 0.3, 2.2  # s of context, and of an episode after it
SHOWN_S, SEEN_S, ENDS_S = 0.1, 0.4, 2.0  # s: push of an intervention, end of its context, what follows
ALONG = (1.6, 3.2)  # m/s to the row that interventions give
AIM = (1.1, 1.8)  # half heights of a domino at which one is aimed
GRAVITY = (4.0, 16.0)  # m/s2 under which interventions are thrown, drawn by its logarithm
NEAREST = 0.25  # share kept of choices whose right throw is at the cut the nearest to the dominoes


def instance(rng: np.random.Generator, tag: str) -> Instance:
    """Return a ball, a block, and a row of dominoes behind it."""
    while (drawn := _draw(rng, tag)) is None:
        pass
    return drawn


def _draw(rng: np.random.Generator, tag: str) -> Instance | None:
    count, side = COUNT[tag], float(rng.choice([-1.0, 1.0]))
    high = float(rng.uniform(0.36, 0.42) if count == 3 else rng.uniform(0.3, 0.34))
    thick, radius = high * float(rng.uniform(0.18, 0.21)), float(rng.uniform(0.22, 0.26))
    step = 2 * thick + 2 * high * float(rng.uniform(0.4, 0.5))
    wide, low = float(rng.uniform(0.13, 0.17)), float(rng.uniform(0.19, 0.23))
    starts = LEFT + EDGE / 2 + radius + float(rng.uniform(0.0, 0.1))
    block = starts + radius + wide + float(rng.uniform(0.4, 0.5))
    row = block + wide + thick + float(rng.uniform(0.4, 0.5))
    places = row + step * np.arange(count)
    if places[-1] + thick + 1.7 * high > RIGHT:
        return None
    names, value = hues(rng, count + 2), float(rng.uniform(0.7, 0.95))
    bodies = [
        ball("ball", radius=radius, position=(side * starts, 0, radius), hue=names[0], density=600.0,
             value=value),
        box("block", half=(wide, 0.22, low), position=(side * block, 0, low), hue=names[1], density=500.0,
            value=value),
        *(box(f"domino {i}", half=(thick, 0.22, high), position=(side * float(x), 0, high), hue=hue,
              density=500.0, value=value) for i, (hue, x) in enumerate(zip(names[2:], places, strict=True))),
    ]  # fmt: skip
    scene = Scene(
        (*bodies, *stage(rng, friction=1.0)), side_camera(), CUT_S + LASTS_S, CUT_S, CUT_S, "rest",
        actuated="ball", caption=caption(bodies), tag=tag,
    )  # fmt: skip
    return Instance(scene, {"down": DOWN * high, "x": side * (row - thick - radius), "z": 1.4 * high})


def _stands(states: States, instance: Instance) -> Floats:
    """Return how much each domino (..., T, D) still has to sink [m], 0 = it has fallen."""
    dominoes = [b for b in instance.scene.moving if b.name.startswith("domino")]
    sunk = np.stack([b.position[2] - states[b.name][..., 2] for b in dominoes], axis=-1)
    out: Floats = np.maximum(instance.goal["down"] - sunk, 0.0)
    return out


def _moved(states: States, instance: Instance) -> Floats:
    x, _, z = instance.scene["block"].position
    return away(states["block"], (x, z))


def cost(states: States, instance: Instance) -> Floats:
    """Return what the dominoes still have to sink, how far the block has been moved, and a hint [m].

    The first is six times the mean over dominoes, in the last 0.3 s; the second is taken at the end. The
    hint is a fifth of how near the ball comes to the upper half of the first domino.
    """
    stands = np.moveaxis(_stands(states, instance), -1, 0)
    lack = np.mean([average(one[..., -LOST:]) for one in stands], axis=0)
    miss = least(away(states["ball"], (instance.goal["x"], instance.goal["z"])))
    return np.asarray(6 * lack + ending(_moved(states, instance)) + 0.2 * np.nan_to_num(miss, nan=1.0))


def success(states: States, instance: Instance) -> NDArray[np.bool_]:
    """Return whether all dominoes are down and the block is where it was."""
    return np.asarray((_stands(states, instance) <= 0).all(axis=-1) & (_moved(states, instance) <= MOVED))


def choice(rng: np.random.Generator, tag: str) -> Choice:
    """Return throws under some gravity, of which one fells the row and leaves the block.

    Each is aimed at the first domino of a situation drawn like this one, under its own gravity: no throw
    tells by itself that it is right here. The gravity that is has to be seen, and where it brings the ball.
    """
    while (drawn := _choice(rng, tag)) is None:
        pass
    return drawn


def _choice(rng: np.random.Generator, tag: str) -> Choice | None:
    start = _under_gravity(rng, tag)
    side = -float(np.sign(start.scene["ball"].position[0]))
    aimed = [_aimed(rng, start), *(_aimed(rng, _under_gravity(rng, tag)) for _ in range(2 * CANDIDATES))]
    kicks: list[Kick] = [(side * kick[0], kick[1]) for kick in aimed if kick]
    return choice_of(
        rng, TASK, start, kicks, at_s=SHOWN_S, seen_s=SEEN_S, lasts_s=ENDS_S, most=1, nearest=NEAREST
    )  # fmt: skip


def _under_gravity(rng: np.random.Generator, tag: str) -> Instance:
    """Return an instance under a gravity that is drawn."""
    made = instance(rng, tag)
    return replace(made, scene=replace(made.scene, gravity=float(np.exp(rng.uniform(*np.log(GRAVITY))))))


def _aimed(rng: np.random.Generator, start: Instance) -> Kick | None:
    """Return a throw [m/s], towards the row and up, over the block and at the first domino."""
    ball, block, first = (start.scene[name] for name in ("ball", "block", "domino 0"))
    far, beside = (abs(x - ball.position[0]) for x in (start.goal["x"], block.position[0]))
    for _ in range(50):
        along = float(rng.uniform(*ALONG))
        lasts, climbs = far / along, float(rng.uniform(*AIM)) * first.size[2] - ball.position[2]
        rise = climbs / lasts + start.scene.gravity * lasts / 2
        t = np.linspace(0.0, lasts, 40)
        beyond = np.maximum(np.abs(along * t - beside) - block.size[0], 0.0)
        above = ball.position[2] + rise * t - start.scene.gravity * t**2 / 2 - 2 * block.size[2]
        if rise <= FASTEST and np.hypot(beyond, np.maximum(above, 0.0)).min() > ball.size[0]:
            return along, rise
    return None


TASK = Task(
    name="topple", version="0.3", unit="m", worst=3.0, tags=("iid", "long"), instance=instance, cost=cost,
    success=success, choice=choice, drive=Drive("impulse", ("x", "z"), FASTEST), block_s=LASTS_S, look=1,
    summary="throw a ball over a block so that a row of dominoes falls and the block does not",
)  # fmt: skip
