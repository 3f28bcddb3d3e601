"""The control protocol: a planner acts in the world by what a model foresees, and so reaches the goal or not.

Every instance is played in the four cells of {model, simulator} x {state, goal}, by the same planner with the
same seed and budget, and beside them by random actions and by none. An arm is "DYNAMICS|COST|BUDGET". Where
an episode goes wrong in the model (it raises, answers in a wrong shape, fails on every plan) it has failed,
and the sentence is kept; it is never left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wmeval.camera import View
from wmeval.errors import EnvironmentFault, ProbeFault, UsageError
from wmeval.measure.plans import summed
from wmeval.model import Card, WorldModel
from wmeval.plan import ICEM
from wmeval.references import Reference
from wmeval.run import problems, simulated
from wmeval.run.clips import trace
from wmeval.run.episode import Played, planned
from wmeval.run.foresight import Modelled, SimulatedToGoal, farthest
from wmeval.run.instruments import blank
from wmeval.run.progress import Progress
from wmeval.run.readouts import fitted_before
from wmeval.run.sight import Lost, sight_of
from wmeval.run.standing import rows
from wmeval.run.store import Store, plain
from wmeval.run.units import Unit, as_planned
from wmeval.seeds import sample_seed
from wmeval.suite import Suite
from wmeval.task import CLOCK_HZ, Instance, States, Task

PLANNER = ICEM


@dataclass(frozen=True)
class Arm:
    """How an instance is played: whose dynamics, which cost, how many candidates a round."""

    dynamics: str  # model, simulator, random or still
    cost: str  # state, goal or ""
    budget: int | None

    @classmethod
    def of(cls, text: str) -> Arm:
        """Return the arm that is written as "model|state|64" or "random||".

        >>> Arm.of("model|state|64"), Arm.of("still||").budget
        (Arm(dynamics='model', cost='state', budget=64), None)
        """
        dynamics, cost, budget = text.split("|")
        return cls(dynamics, cost, int(budget) if budget else None)


def lacking(card: Card, task: Task) -> str:
    """Return in words why a model cannot be planned with, or nothing."""
    if card.reference:
        return (
            "a reference is not planned with: it predicts from the truth, which no plan has before it is "
            "carried out; every model's rows hold the simulator, random actions and none"
        )
    if not ({"encodes", "imagines"} <= card.capabilities or "generates" in card.capabilities):
        return "the model neither generates frames nor imagines in latents that it encodes"
    if card.actions.fidelity == "none":
        return "the task commands actions, and none of a scene reaches the model"
    return ""


def prepare(plan: Any, units: Sequence[Unit], tell: Callable[[Progress], None]) -> None:
    """Fit the readout of latents for workers to find in the cache, telling how far it is."""
    latent = {"encodes", "imagines"} <= plan.card.capabilities
    if latent and any(u.arm.startswith("model|state") for u in units):
        fitted_before(plan, tell)


def generate(
    unit: Unit, task: Task, model: WorldModel | Reference, view: View, run_seed: int, store: Store
) -> dict[str, Any]:
    """Return the record of a unit's episodes; see `instruments.Generating`.

    Raises:
        EnvironmentFault: the instances drawn here are not the planned ones, or the disk is full.
    """
    samples = [_sample(unit, i, task, model, view, run_seed, store) for i in range(len(unit.indices))]
    return {"stage": "generate", "unit": unit.to_json(), "samples": samples}


def _sample(
    unit: Unit, position: int, task: Task, model: WorldModel | Reference, view: View, run_seed: int,
    store: Store,
) -> dict[str, Any]:  # fmt: skip
    index, wanted, begun = unit.indices[position], unit.case_ids[position], time.perf_counter()
    arm: dict[str, Any] = {
        "status": "failed", "detail": "", "truth": None, "prediction": None, "shown": 0, "asked": 0,
    }  # fmt: skip
    out: dict[str, Any] = {"index": index, "case_id": wanted, "fault": "", "arms": {unit.arm: arm}}
    seconds = {"simulate": 0.0, "render": 0.0, "model": 0.0}
    spent_in = "model" if unit.arm.startswith("model") else "simulate"
    try:
        instance = problems.instance(task, unit.tag, index)
        as_planned(unit, position, "instance", instance.digest)
        seed = sample_seed(run_seed, unit.probe, wanted, unit.replicate)
        played = play(Arm.of(unit.arm), task, instance, model, view, seed)
        arm |= {"status": "ok", "prediction": store.put(played.to_arrays())}
        if len(played.seconds):
            seconds["decide"] = float(played.seconds.mean())
    except EnvironmentFault:
        raise
    except ProbeFault as fault:
        out["fault"] = arm["detail"] = str(fault.on(f"problem {index} (eval, {unit.tag})"))
    except (Lost, UsageError) as fault:
        arm["detail"] = str(fault)
    except Exception:
        arm["detail"] = f"the episode broke off\n{trace()}"
    seconds[spent_in] = time.perf_counter() - begun
    return {**out, "seconds": {k: round(v, 6) for k, v in seconds.items()}}


def play(
    arm: Arm, task: Task, instance: Instance, model: WorldModel | Reference, view: View, seed: int
) -> Played:
    """Return the episode of one arm; those that no model takes part in come from the cache, or go there.

    Raises:
        Lost: the episode cannot go on; the sentence says why.
        UsageError: the model cannot be planned with.
        ProbeFault: a function of the task broke its promise.
    """
    if arm.dynamics == "random":
        return simulated.random(task, instance, seed)
    if arm.dynamics == "still":
        return simulated.still(task, instance)
    settings = PLANNER if arm.budget is None else replace(PLANNER, candidates=arm.budget)
    if (arm.dynamics, arm.cost) == ("simulator", "state"):
        return simulated.simulator(task, instance, settings, seed)
    if isinstance(model, Reference):
        raise UsageError(lacking(model.card, task))
    if arm.cost == "goal" and not instance.posed:
        raise UsageError("no picture can tell this goal, so there is no distance to one")
    if arm.dynamics == "simulator":
        looking = SimulatedToGoal(sight_of(model, view, reads=False), view)
        return planned(task, instance, looking, settings, task.look, seed)
    ahead = farthest(model, task, instance, view)
    if not ahead:
        raise UsageError(
            f"the model predicts {model.card.horizon} frames at {view.fps:g} fps, less than one action of "
            f"{task.block_s:g} s"
        )
    goal = arm.cost == "goal"
    asked = Modelled(model, sight_of(model, view, reads=not goal), view, to_goal=goal)
    return planned(task, instance, asked, settings, ahead, seed)


def measure(
    unit: Unit, task: Task, view: View, metrics: Sequence[str], generated: Mapping[str, Any], store: Store
) -> dict[str, Any]:
    """Return the record of a unit's measurement; see `instruments.Measuring`. Metrics are of probes alone."""
    judged = [_judged(unit, task, shown, store) for shown in generated["samples"]]
    return {"stage": "measure", "unit": unit.to_json(), "samples": judged}


def _judged(unit: Unit, task: Task, shown: Mapping[str, Any], store: Store) -> dict[str, Any]:
    """Return the row of one episode.

    Beside the rest: {"control": {success, any, cost, elite_regret, optimism, rank, calls}}, where None does
    not apply; or {"unposed": True} where the task failed and not the model, so that nothing was asked.
    """
    row = blank(unit, task, shown, shown["fault"])
    arm = shown["arms"].get(unit.arm, {"status": "failed", "detail": shown["fault"]})
    row |= {"arm": unit.arm, "status": arm["status"], "detail": arm["detail"]}
    if shown["fault"]:
        row["unposed"] = True
    if arm["status"] != "ok":
        return row
    begun = time.perf_counter()
    try:
        instance = problems.instance(task, unit.tag, shown["index"])
        kept = store.get(arm["prediction"])
        times = instance.scene.cut_s + np.arange(1, len(kept["position"]) + 1) / CLOCK_HZ
        states = States(instance.scene.names, times, kept["position"])
        end, ever = problems.succeeded(task, states, instance)
        cost = float(problems.cost(task, states, instance, exact=True))
        way = Arm.of(unit.arm)
        told = summed(kept["predicted"], kept["true"], same_unit=way.cost == "state")
        calls = float(kept["calls"].mean()) if len(kept["calls"]) else None
        row |= {"error": 1.0 - float(end), "event": None, "measured": "ok", "found": None}
        row["control"] = plain(
            {"success": float(end), "any": float(ever), "cost": cost, **told, "calls": calls}
        )
    except EnvironmentFault:
        raise
    except ProbeFault as fault:
        said = str(fault.on(f"problem {shown['index']} (eval, {unit.tag})"))
        row |= {"status": "failed", "detail": said, "unposed": True}
    except Exception:
        row |= {"status": "failed", "detail": f"the measurement raised\n{trace()}"}
    row["seconds"]["measure"] = round(time.perf_counter() - begun, 6)
    return row


def score(
    task: Task, tag: str, records: Sequence[Mapping[str, Any]], suite: Suite, view: View
) -> list[dict[str, Any]]:
    """Return a row of results.json's planning for each arm, with what the 2 x 2 says of the model."""
    posed = True
    with suppress(ProbeFault):
        posed = bool(problems.instance(task, tag, 0).posed)
    return rows(task, tag, records, posed=posed)
