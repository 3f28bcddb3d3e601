"""Push a block along the floor to a place and leave it there.

The block stops by friction, so one has to foresee how far it slides; with tag "obstacle" another block, half
as heavy, is in the way and is pushed ahead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.scene import Scene, box, side_camera
from wmeval.task import Choice, Drive, Instance, States, Task
from wmeval_probes.physics.draw import EDGE, LEFT, RIGHT, hues, stage
from wmeval_probes.planning.places import average, ending, still_going
from wmeval_probes.planning.shown import CANDIDATES, Kick, choice_of

Floats = NDArray[np.float64]
FRICTION = 0.25  # as the engine multiplies it with the floor's 1
GRAVITY = 9.81
LOAD = 0.5  # of the block's mass: an obstacle's
WITHIN = 0.12  # m from the place that counts as there
FAR = (0.7, 1.8)  # m between block and place
CUT_S, LASTS_S = 0.4, 2.4  # s of context, and of an episode after it
SHOWN_S, SEEN_S = 0.2, 0.6  # s: when the push of an intervention acts, and where its context ends
ENDS_S = 2.0  # s after that: every block rests by then
FASTEST = 3.6  # m/s that an intervention gives at most


def instance(rng: np.random.Generator, tag: str) -> Instance:
    """Return a block at rest and a place to the left or right of it."""
    while (drawn := _draw(rng, tag)) is None:
        pass
    return drawn


def _draw(rng: np.random.Generator, tag: str) -> Instance | None:
    way = float(rng.choice([-1.0, 1.0]))
    half = float(rng.uniform(0.22, 0.34))
    far = float(rng.uniform(*FAR))
    start = -way * float(rng.uniform(0.4, 1.6))
    target = start + way * far
    names = hues(rng, 2)
    given = {"friction": FRICTION, "restitution": 0.0}
    block = box("block", half=(half, half, half), position=(start, 0, half), hue=names[0],
                value=float(rng.uniform(0.7, 0.95)), **given)  # fmt: skip
    bodies, ahead, flat = [block], target + way * half, (0.0, 0.0, 0.0, 1.0)
    posed = {"block": ((target, 0.0, half), flat)}
    if tag == "obstacle":
        other = float(rng.uniform(0.2, 0.28))
        gap = float(rng.uniform(0.1, 0.3)) * far
        place = start + way * (half + other + gap)
        bodies.append(
            box("other", half=(other, other, other), position=(place, 0, other), hue=names[1],
                density=LOAD * 1000.0 * (half / other) ** 3, **given)
        )  # fmt: skip
        # nothing bounces: it rests ahead of the block
        posed["other"] = ((ahead + way * other, 0.0, other), flat)
        ahead += way * 2 * other
    if not LEFT + EDGE < min(start - half, ahead) < max(start + half, ahead) < RIGHT - EDGE:
        return None
    scene = Scene(
        (*bodies, *stage(rng, friction=1.0)), side_camera(), CUT_S + LASTS_S, CUT_S, CUT_S, "rest",
        actuated="block", caption=caption(bodies), tag=tag,
    )  # fmt: skip
    return Instance(scene, {"x": target}, posed)


def cost(states: States, instance: Instance) -> Floats:
    """Return how far from its place the block is at the end, with how fast it is still on its way [m]."""
    x = states["block"][..., 0]
    off = np.abs(x - instance.goal["x"])
    return ending(off) + 0.3 * average(off) + still_going(x)


def success(states: States, instance: Instance) -> NDArray[np.bool_]:
    """Return whether the block is there."""
    return np.asarray(np.abs(states["block"][..., 0] - instance.goal["x"]) <= WITHIN)


def choice(rng: np.random.Generator, tag: str) -> Choice:
    """Return pushes of one block by one impulse each, of which one to three end at the place.

    Each has a speed that is right for a place drawn like this one, so that no speed tells by itself that it
    is right here: neither the greatest nor the middle one.
    """
    while (drawn := _choice(rng, tag)) is None:
        pass
    return drawn


def _choice(rng: np.random.Generator, tag: str) -> Choice | None:
    start = instance(rng, tag)
    way = np.sign(start.goal["x"] - start.scene["block"].position[0])
    tried = [_right(start), *(_right(instance(rng, tag)) for _ in range(2 * CANDIDATES))]
    speeds = [speed for v in tried if (speed := v * float(rng.uniform(0.95, 1.05))) <= FASTEST]
    kicks: list[Kick] = [(float(way * v), 0.0) for v in speeds]
    return choice_of(rng, TASK, start, kicks, at_s=SHOWN_S, seen_s=SEEN_S, lasts_s=ENDS_S)


def _right(start: Instance) -> float:
    """Return the speed [m/s] with which the block comes to rest at its place."""
    block = start.scene["block"]
    far = abs(start.goal["x"] - block.position[0])
    freely, loaded = far, 0.0
    if start.scene.tag == "obstacle":
        other = start.scene["other"]
        freely = abs(other.position[0] - block.position[0]) - block.size[0] - other.size[0]
        # nothing bounces, so that both go on with the momentum of one
        loaded = (far - freely) * (1 + LOAD) ** 2
    return float(np.sqrt(2 * FRICTION * GRAVITY * (freely + loaded)))


TASK = Task(
    name="push", version="0.2", unit="m", worst=3.0, tags=("iid", "obstacle"), instance=instance, cost=cost,
    success=success, choice=choice, drive=Drive("force", ("x",), 6.0), block_s=0.2, look=12, per_plan=1,
    summary="push a block to a place and leave it there, past nothing or with another block ahead of it",
)  # fmt: skip
