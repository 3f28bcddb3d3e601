"""Push a block along the floor to a place and leave it there; with tag "obstacle" another block is in the way.

The block stops by friction, so one has to foresee how far it slides; an obstacle is pushed ahead, and
weighs as much again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.scene import Push, Scene, box, side_camera
from wmeval.task import Choice, Drive, Instance, States, Task
from wmeval_probes.physics.draw import EDGE, LEFT, RIGHT, hues, stage

Floats = NDArray[np.float64]
FRICTION = 0.25  # as the engine multiplies it with the floor's 1
GRAVITY = 9.81
WITHIN = 0.12  # m from the place that counts as there
FAR = (0.7, 1.8)  # m between block and place
CUT_S, LASTS_S = 0.4, 2.4  # s of context, and of an episode after it
SHOWN_S = 0.2  # when the push of an intervention acts
SEEN_S = 0.6  # where the context of an intervention ends
ENDS_S = 2.6  # of an intervention: every block rests by then
CANDIDATES = 8
FASTEST = 3.2  # m/s that an intervention gives at most


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
    bodies, ahead = [block], target + way * half
    if tag == "obstacle":
        other = float(rng.uniform(0.2, 0.28))
        gap = float(rng.uniform(0.1, 0.3)) * far
        place = start + way * (half + other + gap)
        bodies.append(
            box("other", half=(other, other, other), position=(place, 0, other), hue=names[1],
                density=1000.0 * (half / other) ** 3, **given)
        )  # fmt: skip
        ahead += way * 2 * other
    if not LEFT + EDGE < min(start - half, ahead) < max(start + half, ahead) < RIGHT - EDGE:
        return None
    scene = Scene(
        (*bodies, *stage(rng, friction=1.0)), side_camera(), CUT_S + LASTS_S, CUT_S, CUT_S, "rest",
        actuated="block", caption=caption(bodies), tag=tag,
    )  # fmt: skip
    return Instance(scene, {"x": target}, {"block": ((target, 0.0, half), (0.0, 0.0, 0.0, 1.0))})


def cost(states: States, instance: Instance) -> Floats:
    """Return how far from its place the block is at the end, with how fast it is still on its way [m]."""
    x = states["block"][..., 0]
    off = np.abs(x - instance.goal["x"])
    slide = np.abs(x[..., -1] - x[..., -2]) if x.shape[-1] > 1 else 0.0
    return np.asarray(off[..., -1] + 0.3 * off.mean(axis=-1) + slide)


def success(states: States, instance: Instance) -> NDArray[np.bool_]:
    """Return whether the block is there."""
    return np.asarray(np.abs(states["block"][..., 0] - instance.goal["x"]) <= WITHIN)


def choice(rng: np.random.Generator, tag: str) -> Choice:
    """Return pushes of one block by one impulse each: one or two of them end at the place."""
    while True:
        start = instance(rng, tag)
        block, far = start.scene["block"], start.goal["x"] - start.scene["block"].position[0]
        load = 2.0 if tag == "obstacle" else 1.0
        right = float(np.sqrt(2 * FRICTION * GRAVITY * abs(far))) * load**0.5
        if not 0.45 * FASTEST < right < 0.8 * FASTEST:
            continue
        rest = np.setdiff1d(np.linspace(0.0, FASTEST, 12)[1:], [])
        rest = rest[np.abs(rest - right) > 0.3]
        others = rng.choice(rest, size=CANDIDATES - 3, replace=False)
        speeds = np.concatenate([[0.0, right, FASTEST], others])
        signs = np.where(np.arange(CANDIDATES) < 3, 1.0, rng.choice([-1.0, 1.0, 1.0], CANDIDATES))
        order = rng.permutation(CANDIDATES)
        made = [_pushed(start, float(speeds[i] * signs[i] * np.sign(far)), block.mass) for i in order]
        return Choice(tuple(made), tuple(float(speeds[i]) for i in order))


def _pushed(start: Instance, speed: float, mass: float) -> Instance:
    pushes = (Push("block", SHOWN_S, SHOWN_S, impulse=(mass * speed, 0, 0)),) if speed else ()
    was = start.scene
    scene = Scene(
        was.bodies, was.camera, SHOWN_S + ENDS_S, SEEN_S, SEEN_S, was.profile, pushes=pushes,
        actuated="block", caption=caption(was.bodies, pushes), tag=was.tag,
    )  # fmt: skip
    return Instance(scene, start.goal, start.posed)


TASK = Task(
    name="push", version="0.1", unit="m", worst=3.0, tags=("iid", "obstacle"), instance=instance, cost=cost,
    success=success, choice=choice, drive=Drive("force", ("x",), 6.0), block_s=0.2, look=12, per_plan=1,
    summary="push a block to a place and leave it there, past nothing or with another block ahead of it",
)  # fmt: skip
