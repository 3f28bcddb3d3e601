"""One episode of model predictive control: look, plan, carry out the first of it, look again.

Whenever it plans, some of the planner's last candidates are also carried out in the simulator and taken back,
so that it is known what they would truly have cost: errors on the plans that a planner looks at are what
matters for planning, and those on other data say little of them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.plan import Found, Settings, search
from wmeval.run.foresight import Foresight, value
from wmeval.run.playing import Playing
from wmeval.run.sight import Lost
from wmeval.task import Instance, Task

Floats = NDArray[np.float64]
COMPARED = 16  # candidates of a decision whose true costs are found, beside the committed plan


@dataclass(frozen=True)
class Played:
    """What was done and what came of it, with R decisions to plan; NaN where a decision had less to tell.

    Entry 0 of `predicted` and `true` is the committed plan; the others are candidates, cheapest first.
    """

    position: Floats  # (T, n, 3) m, States of the episode
    actions: Floats  # (D, A)
    predicted: Floats  # (R, 1 + C) what plans were predicted to cost
    true: Floats  # (R, 1 + C) what they would have cost, in the task's unit
    imagined: Floats  # (R, T, n, 3) m, States expected of the committed plan
    calls: NDArray[np.int64]  # (R,) plans that were evaluated
    seconds: Floats  # (R,) that a decision took

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all but the seconds, which differ each time, as named arrays."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "seconds"}


def planned(
    task: Task, instance: Instance, foresight: Foresight, settings: Settings, look: int, seed: int
) -> Played:
    """Return the episode of an agent that plans `look` blocks ahead, or to the end of the episode.

    Raises:
        Lost: it cannot go on; the sentence says why.
        ProbeFault: a function of the task broke its promise.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    decisions = task.decisions(instance)
    told: list[tuple[Floats, Floats, Floats | None]] = []
    calls, seconds = [], []
    found: Found | None = None
    with Playing(task, instance) as play:
        while (at := len(play.done)) < decisions:
            begun = time.perf_counter()
            now = replace(settings, look=min(look, decisions - at))

            def costs(plans: Floats, play: Playing = play, at: int = at) -> Floats:
                return foresight.costs(play, plans, (seed + at) % (1 << 64))

            try:
                found = search(costs, now, play.drive.size, rng, found)
            except ValueError as fault:
                raise Lost(f"decision {at + 1} of {decisions}: {fault}") from fault
            seconds.append(time.perf_counter() - begun)
            calls.append(found.calls)
            chosen = compared(found)
            predicted = np.concatenate([[found.cost], found.costs[chosen]])
            true = predicted
            if not foresight.exact:
                plans = np.concatenate([found.plan[None], found.plans[chosen]])
                true = value(task, play.tried(plans), instance, exact=True)
            told.append((predicted, true, foresight.states(play, found.plan, (seed + at) % (1 << 64))))
            count = min(task.per_plan, len(found.plan))
            for action in found.plan[:count]:
                play.act(action)
            found = found.later(count)
        states = play.states()
        return Played(
            states.position, play.done, _rows([t[0] for t in told]), _rows([t[1] for t in told]),
            _paths([t[2] for t in told], states.position.shape),
            np.array(calls, dtype=np.int64), np.array(seconds),
        )  # fmt: skip


def acted(task: Task, instance: Instance, actions: Floats) -> Played:
    """Return the episode in which actions (D, A) are carried out, whatever comes of them."""
    with Playing(task, instance) as play:
        for action in actions:
            play.act(action)
        states = play.states()
    none = np.zeros((0, 0))
    path = np.zeros((0, *states.position.shape))
    return Played(states.position, play.done, none, none, path, np.zeros(0, np.int64), np.zeros(0))


def compared(found: Found) -> NDArray[np.intp]:
    """Return which candidates are also tried in the simulator: the cheapest half, and others of all ranks."""
    order = np.argsort(found.costs, kind="stable")
    order = order[np.isfinite(found.costs[order])]
    half = COMPARED // 2
    if len(order) <= COMPARED:
        return order
    spread = np.linspace(half, len(order) - 1, COMPARED - half).round().astype(int)
    return np.concatenate([order[:half], order[spread]])


def _rows(values: list[Floats]) -> Floats:
    out = np.full((len(values), 1 + COMPARED), np.nan)
    for row, each in zip(out, values, strict=True):
        row[: len(each)] = each
    return out


def _paths(values: list[Floats | None], shape: tuple[int, ...]) -> Floats:
    out = np.full((len(values), *shape), np.nan)
    for row, each in zip(out, values, strict=True):
        if each is not None:
            row[: len(each)] = each
    return out
