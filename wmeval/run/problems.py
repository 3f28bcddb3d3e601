"""Planning problems: how a task's are drawn and judged, and which units of work ask them.

A task is its author's code. Whatever of it breaks its promise is a ProbeFault, a sentence that names the
file, the function and the problem, and costs nothing but the problem it happened on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval import promises
from wmeval.camera import View
from wmeval.caption import caption
from wmeval.errors import ProbeFault
from wmeval.model import Card
from wmeval.run.drawn import Names, remembered
from wmeval.run.instruments import lacking
from wmeval.run.units import Asking, Unit, blocks
from wmeval.scene import Scene
from wmeval.seeds import scene_rng
from wmeval.task import Choice, Instance, States, Task

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@lru_cache(maxsize=64)
def choice(task: Task, tag: str, index: int) -> Choice:
    """Return public choice `index` of a task and tag; the same on every machine.

    Raises:
        ProbeFault: `choice` raised, or returned what cannot be chosen from.
    """
    return _choice(task, tag, index)


def _choice(task: Task, tag: str, index: int) -> Choice:
    with promises.on(_problem(tag, index)):
        made = promises.call(task, "choice", scene_rng("eval", task.key, tag, index), tag)
        if not isinstance(made, Choice):
            raise promises.fault(task, "choice", f"returned a {type(made).__name__}; return a Choice")
        count, sizes = len(made.candidates), np.asarray(made.sizes, dtype=np.float64)
        if count < 2 or sizes.shape != (count,) or not (np.isfinite(sizes) & (sizes >= 0)).all():
            raise promises.fault(
                task, "choice", f"returned {count} candidates of sizes {made.sizes}; expected 2 or more, and "
                "for each a size of at least 0",
            )  # fmt: skip
        for candidate in made.candidates:
            _whole(task, "choice", candidate, tag)
        if len({tuple(sorted(c.goal.items())) for c in made.candidates}) > 1:
            raise promises.fault(task, "choice", "returned different goals; give all candidates one")
        return made


@lru_cache(maxsize=64)
def instance(task: Task, tag: str, index: int) -> Instance:
    """Return public instance `index` of a task and tag; the same on every machine.

    Raises:
        ProbeFault: `instance` raised, or returned something else.
    """
    return _instance(task, tag, index)


def _instance(task: Task, tag: str, index: int) -> Instance:
    with promises.on(_problem(tag, index)):
        made = promises.call(task, "instance", scene_rng("eval", task.key, tag, index), tag)
        if not isinstance(made, Instance):
            raise promises.fault(
                task, "instance", f"returned a {type(made).__name__}; return an Instance"
            )  # fmt: skip
        _whole(task, "instance", made, tag)
        if made.scene.actuated not in made.scene.names:
            raise promises.fault(
                task, "instance", f"has no moving body {made.scene.actuated!r} to act on; name one of "
                f"{', '.join(made.scene.names)} as `actuated`",
            )  # fmt: skip
        return made


def _whole(task: Task, part: promises.Part, made: Any, tag: str) -> None:
    if not isinstance(made, Instance):
        raise promises.fault(
            task, part, f"has a {type(made).__name__} among its candidates; each is an Instance"
        )  # fmt: skip
    scene = made.scene
    if scene.tag != tag:
        raise promises.fault(
            task, part, f"was asked for tag {tag!r} and drew {scene.tag!r}; pass `tag` on to the Scene"
        )
    if not scene.cut_s + 0.1 <= scene.duration_s + 1e-9:
        raise promises.fault(task, part, f"ends at {scene.duration_s} s, and its context at {scene.cut_s} s")
    told = promises.OUTCOMES.search(scene.caption)
    if told and scene.caption != caption(scene.bodies, scene.pushes):
        raise promises.fault(
            task, part, f"the caption tells the outcome ({told.group()!r} in {scene.caption!r}); say what is "
            "there up to the cut, as `wmeval.caption.caption(bodies, pushes)` does",
        )  # fmt: skip


def cost(task: Task, states: States, made: Instance, *, exact: bool = False) -> Floats:
    """Return the cost (...) of futures, at most `worst`; NaN where it cannot be told.

    Raises:
        ProbeFault: `cost` raised, returned another shape or a cost below 0, or NaN of `exact` states.
    """
    told = promises.call(task, "cost", states, made)
    wanted = states.position.shape[:-3]
    try:
        values = np.asarray(told, dtype=np.float64)
    except (TypeError, ValueError):
        raise promises.fault(task, "cost", f"returned a {type(told).__name__}; expected numbers") from None
    if values.shape != wanted:
        raise promises.fault(task, "cost", f"returned the shape {values.shape} of futures {wanted}")
    if (values < 0).any():
        raise promises.fault(task, "cost", f"returned {np.nanmin(values):.3g}; expected at least 0 (reached)")
    if exact and np.isnan(values).any():
        raise promises.fault(
            task, "cost", "returned NaN of exact states; every outcome needs a cost (NaN is for what a "
            "prediction does not tell)",
        )  # fmt: skip
    return np.minimum(values, task.worst)


def succeeded(task: Task, states: States, made: Instance) -> tuple[Bools, Bools]:
    """Return whether futures reach the goal at the end, and at any time, (...) each.

    Raises:
        ProbeFault: `success` raised or returned another shape.
    """
    told = np.asarray(promises.call(task, "success", states, made))
    if told.shape != states.position.shape[:-2]:
        raise promises.fault(
            task, "success", f"returned the shape {told.shape}; expected {states.position.shape[:-2]}"
        )  # fmt: skip
    with promises.blamed(task, "success", "what it returned is no list of yes and no"):
        return task.succeeded(states, made)


def asked(a: Asking) -> tuple[list[Unit], list[Mapping[str, str]]]:
    """Return the units that ask a task by a protocol, and why any are missing."""
    task = a.asks
    assert isinstance(task, Task)
    if a.instrument not in task.protocols:
        way = "shows no interventions to choose from" if a.instrument == "choose" else "has nothing to steer"
        return [], [a.na(f"the task {way}")]
    if reason := lacking(a.card, a.instrument, task):
        return [], [a.na(reason)]
    own = not (a.suite.tasks and a.suite.tags)
    tags = list(task.tags) if own else [t for t in a.suite.tags if t in task.tags]
    na: list[Mapping[str, str]] = []
    if not tags:
        na.append(a.na(f"has tags {', '.join(task.tags)}, the suite {', '.join(a.suite.tags)}"))
    units: list[Unit] = []
    for tag in tags:
        try:
            made = _names(a, task, tag, min(a.count, a.request.limit or a.count))
        except ProbeFault as fault:
            na.append({**a.na(str(fault), tag), "fault": "task"})
            continue
        if isinstance(made, str):
            na.append(a.na(made, tag))
            continue
        for way in _ways(a, task, tag):
            for replicate in range(a.request.replicates):
                units += blocks(a, tag, made, replicate, way)
    return units, na


def _ways(a: Asking, task: Task, tag: str) -> list[str]:
    """Return the arms of a problem: how a model is read, or whose dynamics are planned in, by which cost."""
    if a.instrument == "choose":
        home: Any = import_module("wmeval.run.choose")
        return list(home.arms(a.card))
    # where no picture tells the goal, there is no distance to one
    costs = ["state", "goal"] if instance(task, tag, 0).posed else ["state"]
    budgets = a.request.budgets or a.suite.budgets
    ways = [f"{who}|{cost}|{b}" for who in ("model", "simulator") for cost in costs for b in budgets]
    return [*ways, "random||", "still||"]


def _names(a: Asking, task: Task, tag: str, count: int) -> Names:
    """Return the ids of the problems, or in words why they cannot be asked of this model; drawn once."""
    of = [a.instrument, tag, count, asdict(a.view), [*a.card.context, a.card.context_step], a.card.horizon]
    return remembered(task, [a.given, *of, task.key], lambda: _drawn(a, task, tag, count))


def _drawn(a: Asking, task: Task, tag: str, count: int) -> Names:
    draw: Callable[[Task, str, int], Choice | Instance]
    draw = _choice if a.instrument == "choose" else _instance
    found = [draw(task, tag, i) for i in range(count)]
    if draw(task, tag, 0).digest != found[0].digest:
        raise promises.fault(
            task, "choice" if a.instrument == "choose" else "instance",
            "drew two problems from one generator; draw everything from `rng` and nothing else",
        ).on(_problem(tag, 0))  # fmt: skip
    for one in found:
        for each in one.candidates if isinstance(one, Choice) else (one,):
            scene = each.scene
            ahead = scene.duration_s - scene.cut_s
            if a.instrument == "control":
                assert task.look
                ahead = min(ahead, task.look * task.block_s)
            if why := unseen(a.card, a.view, scene, ahead, "task"):
                return why
    return [one.digest for one in found]


def unseen(card: Card, view: View, scene: Scene, horizon_s: float, what: str) -> str:
    """Return in words why a model cannot be shown a scene or continue it so far, or nothing."""
    shown, wanted = frame_counts(scene, view, horizon_s)
    fewest, most = card.context
    if shown < fewest:
        return f"the model needs {fewest} context frames; a scene shows {shown}"
    seen = (min(shown, most) - 1) // card.context_step * card.context_step
    if seen / view.fps < scene.needs_s - 1e-6 and seen + 1 < shown:
        at = f"{seen + 1} frames ({seen / view.fps:g} s)"
        return f"the model sees {at}; one must look for {scene.needs_s:g} s"
    if card.horizon is not None and wanted > card.horizon:
        return f"the model predicts {card.horizon} frames; the {what} asks for {wanted}"
    return ""


def frame_counts(scene: Scene, view: View, horizon_s: float) -> tuple[int, int]:
    """Return how many frames a scene has up to its cut and how many are asked for after it."""
    times = view.frame_times(scene.duration_s)
    shown = int(np.sum(times <= scene.cut_s + 1e-9))
    return shown, int(np.sum(times[shown:] <= scene.cut_s + horizon_s + 1e-9))


def _problem(tag: str, index: int) -> str:
    return f"problem {index} (eval, {tag})"
