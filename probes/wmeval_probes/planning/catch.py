"""Be where a thrown ball comes down: it is behind a screen when the block under it has to start.

Where and how fast it was is seen before; that it is still there, and falls on, has to be known. With tag
"high" the ball is hidden for longer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.scene import Scene, ball, box, occluder, side_camera
from wmeval.task import Choice, Drive, Instance, States, Task
from wmeval_probes.physics.draw import EDGE, LEFT, RIGHT, hues, stage
from wmeval_probes.planning.places import average, ending
from wmeval_probes.planning.shown import CANDIDATES, Kick, choice_of

Floats = NDArray[np.float64]
GRAVITY = (2.2, 3.2)  # m/s2
FRICTION = 0.25  # of the block on the floor
STICKY = 4.0  # of the ball: times the block's it is 1, so that it does not slide off
ROLLING = 0.15  # m, of the ball: nor roll
SCREEN_Y = -1.0  # m
GROWN = 14.0 / (14.0 + SCREEN_Y)  # a screen hides so many times its size of the plane of the bodies
CUT_S, ENDS_S = 0.6, 1.4  # s of context; from when the ball has come down to the end there are at least 0.2
SHOWN_S = 0.2  # s, when the push of an intervention acts
FAR = (0.75, 1.3)  # m between the block and where the ball comes down
NEAREST = 0.5  # share kept of choices whose right push has the block nearest to the ball at the cut
ABOVE = 0.15  # m that a ball on the block may seem to be off in height


def instance(rng: np.random.Generator, tag: str) -> Instance:
    """Return a ball in flight that is behind a screen at the cut, and a block on the floor elsewhere."""
    while (drawn := _draw(rng, tag)) is None:
        pass
    return drawn


def _draw(rng: np.random.Generator, tag: str) -> Instance | None:
    g, side = float(rng.uniform(*GRAVITY)), float(rng.choice([-1.0, 1.0]))
    radius, half = float(rng.uniform(0.22, 0.28)), float(rng.uniform(0.3, 0.4))
    tall = float(rng.uniform(0.16, 0.24))
    x, z = float(rng.uniform(LEFT + 0.5, 0.3)), float(rng.uniform(3.2, 3.7))
    vx, vz = float(rng.uniform(0.5, 1.1)), float(rng.uniform(-0.3, 0.0))
    rests = 2 * tall + radius
    falls = (vz + np.sqrt(vz**2 + 2 * g * (z - rests))) / g
    down = x + vx * falls
    block = down + float(rng.choice([-1.0, 1.0]) * rng.uniform(*FAR))
    if not CUT_S + 0.6 <= falls <= CUT_S + ENDS_S - 0.5:
        return None
    if not (LEFT + EDGE + half < block < RIGHT - EDGE - half and abs(down) < RIGHT - EDGE - half):
        return None
    screen = _screen((x, z), (vx, vz), g, radius, tag)
    names = hues(rng, 2)
    thrown = ball("ball", radius=radius, position=(side * x, 0, z), velocity=(side * vx, 0, vz),
                  hue=names[0], value=float(rng.uniform(0.7, 0.95)), friction=STICKY, rolling=ROLLING,
                  density=200.0)  # fmt: skip
    keeper = box("keeper", half=(half, 0.3, tall), position=(side * block, 0, tall), hue=names[1],
                 value=float(rng.uniform(0.7, 0.95)), friction=FRICTION)  # fmt: skip
    middle, wide, low, high = screen
    hides = occluder("screen", half=(wide / GROWN, 0.05, (high - low) / 2 / GROWN),
                     position=(side * middle / GROWN, SCREEN_Y, 1.9 + ((high + low) / 2 - 1.9) / GROWN),
                     value=float(rng.uniform(0.12, 0.35)))  # fmt: skip
    bodies = (keeper, thrown, hides, *stage(rng, friction=1.0))
    scene = Scene(
        bodies, side_camera(), CUT_S + ENDS_S, CUT_S, CUT_S, "rest", gravity=g, actuated="keeper",
        caption=caption(bodies), tag=tag,
    )  # fmt: skip
    posed = {
        "keeper": ((side * down, 0.0, tall), (0.0, 0.0, 0.0, 1.0)),
        "ball": ((side * down, 0.0, rests), (0.0, 0.0, 0.0, 1.0)),
    }
    return Instance(scene, {"half": half, "above": tall + radius}, posed)


def _screen(
    at: tuple[float, float], speed: tuple[float, float], g: float, radius: float, tag: str
) -> tuple[float, float, float, float]:
    """Return middle, half width, lower and upper edge [m] of what a screen hides of the plane of the ball.

    The ball is behind it from 0.05 s before the cut for 0.3 s, or 0.45 s.
    """
    times = np.array([CUT_S - 0.05, CUT_S + (0.4 if tag == "high" else 0.25)])
    x = at[0] + speed[0] * times
    z = at[1] + speed[1] * times - g * times**2 / 2
    margin = radius + 0.03
    return float(x.mean()), float(np.ptp(x) / 2 + margin), float(z.min() - margin), float(z.max() + margin)


def _off(states: States, instance: Instance) -> tuple[Floats, Floats]:
    """Return how far (..., T) the ball is from lying on the middle of the block along x and z [m]."""
    between = states["ball"] - states["keeper"]
    return np.abs(between[..., 0]), np.abs(between[..., 2] - instance.goal["above"])


def cost(states: States, instance: Instance) -> Floats:
    """Return how far the ball is from lying on the block at the end, and how far beside it on the way [m].

    On the way the ball may be hidden; only where it is seen does it count.
    """
    beside, height = _off(states, instance)
    return ending(np.hypot(beside, height)) + 0.1 * average(beside)


def success(states: States, instance: Instance) -> NDArray[np.bool_]:
    """Return whether the ball lies on the block."""
    beside, height = _off(states, instance)
    return np.asarray((beside <= instance.goal["half"]) & (height <= ABOVE))


def choice(rng: np.random.Generator, tag: str) -> Choice:
    """Return pushes of the block by one impulse each, seen before the cut, of which one or two catch.

    Each goes the right way, as fast as is right in a situation drawn like this one.
    """
    while (drawn := _choice(rng, tag)) is None:
        pass
    return drawn


def _choice(rng: np.random.Generator, tag: str) -> Choice | None:
    start = instance(rng, tag)
    way = np.sign(_away(start))
    tried = [start, *(instance(rng, tag) for _ in range(2 * CANDIDATES))]
    speeds = [np.sqrt(2 * FRICTION * one.scene.gravity * abs(_away(one))) for one in tried]
    kicks: list[Kick] = [(float(way * v * rng.uniform(0.8, 1.3)), 0.0) for v in speeds]
    return choice_of(
        rng, TASK, start, kicks, at_s=SHOWN_S, seen_s=CUT_S, lasts_s=ENDS_S, most=2, nearest=NEAREST
    )  # fmt: skip


def _away(start: Instance) -> float:
    """Return how far [m] along x the ball comes down from the block."""
    return start.posed["keeper"][0][0] - start.scene["keeper"].position[0]


TASK = Task(
    name="catch", version="0.2", unit="m", worst=4.0, tags=("iid", "high"), instance=instance, cost=cost,
    success=success, choice=choice, drive=Drive("force", ("x",), 7.0), block_s=0.2, look=12, per_plan=1,
    summary="bring a block under a thrown ball that is hidden when it has to start",
)  # fmt: skip
