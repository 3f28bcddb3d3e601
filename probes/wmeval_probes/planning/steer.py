"""Steer a floating ball past other bodies to a place, and stop it there without moving what was in the way.

Nothing slows the ball down but a force, so braking has to begin in time; with tag "crowd" two bodies stand
between, with "iid" one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.scene import Body, Scene, ball, side_camera
from wmeval.task import Choice, Drive, Instance, States, Task
from wmeval_probes.physics.draw import EDGE, LEFT, RIGHT, hues, solid, stage
from wmeval_probes.planning.places import LOST, average, away, ending
from wmeval_probes.planning.shown import Kick, choice_of

Floats = NDArray[np.float64]
WITHIN = 0.2  # m from the place that counts as there
MOVED = 0.1  # m that a body in the way may have been moved
FAR = (1.4, 2.3)  # m between ball and place
LOW, HIGH = 0.45, 3.6  # m, where bodies float
IN_THE_WAY = (-0.25, 0.25)  # m that a body is off the straight line
BESIDE = (0.7, 0.85)  # m, where a straight line is to be chosen
CUT_S, LASTS_S = 0.4, 2.4  # s of context, and of an episode after it
FAN, FASTER = 0.5, 0.45  # rad, and logarithm of speed, by which what is tried differs from its own middle
SHOWN_S, SEEN_S, ENDS_S = 0.1, 0.5, 1.8  # s: push of an intervention, end of its context, what follows


def instance(rng: np.random.Generator, tag: str) -> Instance:
    """Return a ball, a place, and one or two bodies between them, all at rest and without weight."""
    while (drawn := _draw(rng, tag, IN_THE_WAY)) is None:
        pass
    return drawn


def _draw(rng: np.random.Generator, tag: str, off: tuple[float, float]) -> Instance | None:
    radius = float(rng.uniform(0.22, 0.3))
    margin = radius + EDGE
    start = np.array([rng.uniform(LEFT + margin, RIGHT - margin), rng.uniform(LOW, HIGH)])
    turn = float(rng.uniform(0, 2 * np.pi))
    far = float(rng.uniform(*FAR))
    way = np.array([np.cos(turn), np.sin(turn)])
    target = start + far * way
    if not (LEFT + margin < target[0] < RIGHT - margin and LOW < target[1] < HIGH):
        return None
    names, given = hues(rng, 3), {"friction": 0.0, "restitution": 0.0}
    one = ball("ball", radius=radius, position=(start[0], 0, start[1]), hue=names[0],
               value=float(rng.uniform(0.7, 0.95)), **given)  # fmt: skip
    bodies: list[Body] = [one]
    places: list[Floats] = []
    for hue, share in zip(names[1:], (0.35, 0.7) if tag == "crowd" else (0.5,), strict=False):
        size = float(rng.uniform(0.22, 0.3))
        aside = float(rng.uniform(*off) * rng.choice([-1.0, 1.0])) * np.array([-way[1], way[0]])
        at = start + (share + float(rng.uniform(-0.05, 0.05))) * far * way + aside
        gaps = [np.hypot(*(at - p)) for p in (start, target, *places)]
        if min(gaps) < radius + 1.45 * size + 0.1 or not LOW < at[1] < HIGH or abs(at[0]) > RIGHT - size:
            return None
        places.append(at)
        bodies.append(solid(rng, hue, size, (at[0], 0, at[1]), boxes=0.4, **given))
    scene = Scene(
        (*bodies, *stage(rng, friction=0.0)), side_camera(), CUT_S + LASTS_S, CUT_S, CUT_S, "rest",
        gravity=0.0, actuated="ball", caption=caption(bodies), tag=tag,
    )  # fmt: skip
    posed = {"ball": ((target[0], 0.0, target[1]), (0.0, 0.0, 0.0, 1.0))}
    return Instance(scene, {"x": target[0], "z": target[1]}, posed)


def _off(states: States, instance: Instance) -> Floats:
    return away(states["ball"], (instance.goal["x"], instance.goal["z"]))


def _moved(states: States, instance: Instance) -> Floats:
    """Return how far (..., T) the bodies in the way are from where they were, the farthest [m]."""
    others = [b for b in instance.scene.moving if b.name != "ball"]
    gone = [away(states[b.name], (b.position[0], b.position[2])) for b in others]
    return np.asarray(np.max(gone, axis=0))


def cost(states: States, instance: Instance) -> Floats:
    """Return the distance of the ball from its place in the last 0.3 s, with what it has moved [m].

    A tenth of the distance on the way is added.
    """
    off = _off(states, instance)
    return average(off[..., -LOST:]) + 0.1 * average(off) + ending(_moved(states, instance))


def success(states: States, instance: Instance) -> NDArray[np.bool_]:
    """Return whether the ball is there and what was in its way still where it was."""
    return np.asarray((_off(states, instance) <= WITHIN) & (_moved(states, instance) <= MOVED))


def choice(rng: np.random.Generator, tag: str) -> Choice:
    """Return impulses of which one or two have the ball at the place when the scene ends.

    What stands beside the way is met by some of the others. The ball does not stop, so both its direction
    and its speed have to be right, which are as often at the side of what is tried as in its middle.
    """
    while (drawn := _choice(rng, tag)) is None:
        pass
    return drawn


def _choice(rng: np.random.Generator, tag: str) -> Choice | None:
    start = _draw(rng, tag, BESIDE)
    if start is None:
        return None
    x, _, z = start.scene["ball"].position
    way = np.array([start.goal["x"] - x, start.goal["z"] - z])
    right = way / (SEEN_S + ENDS_S - SHOWN_S - 0.1)  # there in the middle of the time that is asked about
    kicks: list[Kick] = [(float(right[0]), float(right[1]))]
    off = rng.uniform(-1.0, 1.0, 2)
    for _ in range(16):
        turn, grown = (off + rng.uniform(-1.0, 1.0, 2)) * (FAN, FASTER)
        pace = float(np.exp(grown))
        c, s = pace * np.cos(turn), pace * np.sin(turn)
        kicks.append((float(c * right[0] - s * right[1]), float(s * right[0] + c * right[1])))
    near = float(rng.uniform(-0.02, 0.02))
    if rng.random() < 0.5:
        kicks.insert(1, (float(right[0] * (1 + near)), float(right[1] * (1 - near))))
    return choice_of(rng, TASK, start, kicks, at_s=SHOWN_S, seen_s=SEEN_S, lasts_s=ENDS_S)


TASK = Task(
    name="steer", version="0.2", unit="m", worst=4.0, tags=("iid", "crowd"), instance=instance, cost=cost,
    success=success, choice=choice, drive=Drive("force", ("x", "z"), 2.5), block_s=0.2, look=12, per_plan=1,
    summary="steer a floating ball past one body, or two, to a place, and stop it there",
)  # fmt: skip
