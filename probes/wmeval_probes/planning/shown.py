"""Interventions to choose from: the same start, each shown with one push of its own, and what comes of it.

A candidate is found by simulating it: what succeeds is never said by a formula that the engine may not keep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.scene import Push, Scene
from wmeval.task import CLOCK_HZ, Choice, Instance, States, Task

Kick = tuple[float, float]  # m/s along x and z
CANDIDATES = 8
GOOD = (1, 3)  # fewest and most of them that succeed
STILL: Kick = (0.0, 0.0)


def outcome(instance: Instance) -> States:
    """Return where the bodies of an instance are after its cut when nobody acts, in the simulator."""
    from wmeval.world import simulate

    scene = instance.scene
    truth = simulate(scene, poses_only=True)
    times = _clock(scene)
    return States(scene.names, times, truth.position[np.rint(times * truth.clock_hz).astype(np.int64)])


def held(instance: Instance) -> States:
    """Return where bodies are if each stays where it is at the cut: nothing is foreseen."""
    from wmeval.world import simulate

    scene = instance.scene
    truth = simulate(replace(scene, duration_s=scene.cut_s + 1 / CLOCK_HZ), poses_only=True)
    at_cut = truth.position[round(scene.cut_s * truth.clock_hz)]
    times = _clock(scene)
    return States(scene.names, times, np.broadcast_to(at_cut, (len(times), len(scene.names), 3)))


def _clock(scene: Scene) -> NDArray[np.float64]:
    """Return the times [s] of States: after the cut, to the end of the scene."""
    ticks = np.arange(1, round((scene.duration_s - scene.cut_s) * CLOCK_HZ) + 1)
    return np.asarray(scene.cut_s + ticks / CLOCK_HZ)


def succeeds(instance: Instance, task: Task) -> bool:
    """Return whether the goal of a task is reached at the end when nobody acts."""
    return bool(task.succeeded(outcome(instance), instance)[0])


def kicked(start: Instance, kick: Kick, *, at_s: float, seen_s: float, lasts_s: float) -> Instance:
    """Return the instance whose context shows an impulse on the actuated body.

    Args:
        start: the situation; its actuated body is pushed.
        kick: the change of velocity (x, z) [m/s]; none is no push.
        at_s: when it acts.
        seen_s: where the context ends, with frames of what the impulse did.
        lasts_s: how long the scene goes on after that.
    """
    was = start.scene
    if was.actuated is None:
        raise ValueError("nothing can be pushed in a scene without an actuated body")
    mass = was[was.actuated].mass
    push = Push(was.actuated, at_s, at_s, impulse=(mass * kick[0], 0.0, mass * kick[1]))
    pushes = (push,) if any(kick) else ()
    scene = replace(
        was, duration_s=seen_s + lasts_s, cut_s=seen_s, needs_s=seen_s, pushes=pushes,
        caption=caption(was.bodies, pushes),
    )  # fmt: skip
    return Instance(scene, start.goal, start.posed)


def choice_of(
    rng: np.random.Generator,
    task: Task,
    start: Instance,
    tried: Sequence[Kick],
    *,
    at_s: float,
    seen_s: float,
    lasts_s: float,
    most: int = GOOD[1],
    nearest: float = 1.0,
) -> Choice | None:
    """Return a choice of eight interventions of which one is to do nothing, and one to `most` succeed.

    `tried` are shown (see `kicked`) and simulated in their order; successes beyond `most` are left out.
    None = there are too few of a kind. The size of an intervention is its speed [m/s]. Of the choices in
    which what is nearest to the goal at the cut is right, a share of `nearest` is kept.
    """

    def made(kick: Kick) -> Instance:
        return kicked(start, kick, at_s=at_s, seen_s=seen_s, lasts_s=lasts_s)

    drawn = [(STILL, made(STILL))]
    found = 0
    if succeeds(drawn[0][1], task):
        return None
    for kick in tried:
        one = made(kick)
        reached = succeeds(one, task)
        if reached and found == most:
            continue
        found += reached
        drawn.append((kick, one))
        if len(drawn) == CANDIDATES:
            break
        if not found and len(drawn) == CANDIDATES - 1:
            drawn.pop(1)  # a failure makes room: the last one has to succeed
    if len(drawn) < CANDIDATES or found < GOOD[0]:
        return None
    if nearest < 1:
        first = min((one for _, one in drawn), key=lambda one: float(task.value(held(one), one)))
        if succeeds(first, task) and rng.random() > nearest:
            return None
    order = rng.permutation(CANDIDATES)
    return Choice(
        tuple(drawn[i][1] for i in order), tuple(round(float(np.hypot(*drawn[i][0])), 6) for i in order)
    )
