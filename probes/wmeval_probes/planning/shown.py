"""Interventions to choose from: the same start, each shown with one push of its own, and what comes of it.

A candidate is found by simulating it: what succeeds is never said by a formula that the engine may not keep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.scene import Push
from wmeval.task import CLOCK_HZ, Choice, Instance, States

Floats = NDArray[np.float64]
Kick = tuple[float, float]  # m/s along x and z
Success = Callable[[States, Instance], NDArray[np.bool_]]
CANDIDATES = 8
DWELL = 3  # times at 10 Hz: 0.2 s, as the tasks ask
STILL: Kick = (0.0, 0.0)


def outcome(instance: Instance) -> States:
    """Return where the bodies of an instance are after its cut when nobody acts, in the simulator."""
    from wmeval.world import Live

    scene = instance.scene
    ticks = np.arange(1, round((scene.duration_s - scene.cut_s) * CLOCK_HZ) + 1)
    with Live(scene) as live:
        live.advance(scene.duration_s)
        times = scene.cut_s + ticks / CLOCK_HZ
        position, _ = live.poses_at(np.rint(times * 240).astype(np.int64))
    return States(scene.names, times, position)


def succeeds(instance: Instance, success: Success) -> bool:
    """Return whether the goal is reached at the end, and was for 0.2 s, when nobody acts."""
    return bool(success(outcome(instance), instance)[-DWELL:].all())


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
    success: Success,
    made: Callable[[Kick], Instance],
    tried: Sequence[Kick],
    *,
    good: tuple[int, int] = (1, 3),
    count: int = CANDIDATES,
) -> Choice | None:
    """Return a choice of `count` interventions of which one is to do nothing, and `good` many succeed.

    `tried` are simulated in their order; successes beyond the most that are wanted are left out. None = there
    are too few of a kind. The size of an intervention is its speed [m/s].
    """
    drawn = [(STILL, made(STILL))]
    found = 0
    if succeeds(drawn[0][1], success):
        return None
    for kick in tried:
        one = made(kick)
        reached = succeeds(one, success)
        if reached and found == good[1]:
            continue
        found += reached
        drawn.append((kick, one))
        if len(drawn) == count:
            break
        if not found and len(drawn) == count - 1:
            drawn.pop(1)  # a failure makes room: the last one has to succeed
    if len(drawn) < count or found < good[0]:
        return None
    order = rng.permutation(count)
    return Choice(
        tuple(drawn[i][1] for i in order), tuple(round(float(np.hypot(*drawn[i][0])), 6) for i in order)
    )
