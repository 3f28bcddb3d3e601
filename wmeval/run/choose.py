"""The choose protocol: N interventions, each shown in a context of its own; which comes nearest to the goal?

The model continues every context and never sees another candidate's. What it foresees becomes States: read
by perception from frames that it generates (arm "frames"), or by the frozen readout from latents that it
imagines (arm "latents"). The task's cost of these orders the candidates, and the simulated outcomes say what
that order is worth. A candidate whose cost cannot be told, since a body is not found or the model failed on
it, costs the task's worst.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval import promises
from wmeval.camera import View
from wmeval.errors import EnvironmentFault, ProbeFault, UsageError
from wmeval.measure import choosing
from wmeval.model import Card, Encodes, Imagines, WorldModel
from wmeval.perceive import track
from wmeval.perceive.readout import Readout, from_arrays
from wmeval.references import Reference
from wmeval.run import problems
from wmeval.run.generate import Asked, Sample, answers, ask_all, check, lay, record, trace
from wmeval.run.instruments import blank, failed
from wmeval.run.progress import Progress
from wmeval.run.store import Store
from wmeval.run.truths import truth_of
from wmeval.run.units import Unit, as_planned
from wmeval.scene import Scene
from wmeval.seeds import sample_seed
from wmeval.stats import bounded_mean, wilson
from wmeval.suite import Suite
from wmeval.task import CLOCK_HZ, States, Task
from wmeval.tracks import Tracks
from wmeval.truth import Truth

Floats = NDArray[np.float64]
Record = Mapping[str, Any]
_ARRAYS = tuple(f.name for f in fields(Tracks) if f.name not in ("names", "camera", "view"))


def lacking(card: Card, task: Task) -> str:
    """Return in words what a model cannot do that choosing needs, or nothing."""
    return "" if arms(card) else "the model neither generates frames nor imagines in latents that it encodes"


def arms(card: Card) -> tuple[str, ...]:
    """Return the ways in which a model's foresight can be read; each is a row of its own."""
    drawn = ("frames",) if "generates" in card.capabilities else ()
    return (*drawn, "latents") if {"encodes", "imagines"} <= card.capabilities else drawn


def prepare(plan: Any, units: Sequence[Unit], tell: Callable[[Progress], None]) -> None:
    """Fit the readout of latents for workers to find in the cache, telling how far it is."""
    if any(u.arm == "latents" for u in units):
        from wmeval.run.readouts import fitted_before

        fitted_before(plan, tell)


def generate(
    unit: Unit, task: Task, model: WorldModel | Reference, view: View, run_seed: int, store: Store
) -> dict[str, Any]:
    """Return the record of a unit: what the model foresees of every candidate; see `instruments.Generating`.

    Raises:
        EnvironmentFault: the choices drawn here are not the planned ones, or the disk is full.
    """
    samples = [_shown(unit, i, task, model.card.context[1], view, run_seed, store)
               for i in range(len(unit.indices))]  # fmt: skip
    if unit.arm == "frames":
        ask_all(samples, model.card.max_batch, lambda batch: answers(model, batch, view), check)
        return record(unit, samples, store)
    from wmeval.run.imagination import check as check_latents
    from wmeval.run.readouts import readout_of

    if not isinstance(model, Encodes) or not isinstance(model, Imagines):
        lacks = (
            f"{type(model).__name__} has no encode(batch) and imagine(batch, seeds), though its card says so"
        )
        return record(unit, [Sample(fault=lacks) for _ in unit.indices], store)
    try:
        readout = readout_of(model, view)
    except UsageError as fault:
        return record(unit, [Sample(fault=str(fault)) for _ in unit.indices], store)

    def answering(batch: list[Asked]) -> Any:
        return model.imagine([a.observation for a in batch], [a.seed for a in batch])

    ask_all(
        samples, model.card.max_batch, answering, lambda told, seen: check_latents(told, seen, readout.shape)
    )
    made, blob = record(unit, samples, store), store.put(readout.to_arrays())
    for told in made["samples"]:
        told["readout"] = blob
    return made


def _shown(
    unit: Unit, position: int, task: Task, most: int, view: View, run_seed: int, store: Store
) -> Sample:
    sample, index = Sample(), unit.indices[position]
    try:
        choice = problems.choice(task, unit.tag, index)
        as_planned(unit, position, "choice", choice.digest)
        seed = sample_seed(run_seed, unit.probe, choice.digest, unit.replicate)
        for i, candidate in enumerate(choice.candidates):
            scene, begun = candidate.scene, time.perf_counter()
            with promises.blamed(task, "choice", "its scene cannot be simulated"):
                truth = truth_of(scene)
            sample.seconds["simulate"] += time.perf_counter() - begun
            lay(sample, position, str(i), truth, scene.duration_s - scene.cut_s, most, view, seed, store)
    except EnvironmentFault:
        raise
    except ProbeFault as fault:
        return Sample(fault=str(fault.on(f"problem {index} (eval, {unit.tag})")), seconds=sample.seconds)
    except Exception:
        return Sample(fault=f"the task's scene could not be made\n{trace()}", seconds=sample.seconds)
    return sample


def measure(
    unit: Unit, task: Task, view: View, metrics: Sequence[str], generated: Record, store: Store
) -> dict[str, Any]:
    """Return the record of a unit's measurement; see `instruments.Measuring`. Metrics are of probes alone."""
    rows = [_judged(unit, task, view, shown, store) for shown in generated["samples"]]
    return {"stage": "measure", "unit": unit.to_json(), "samples": rows}


def _judged(unit: Unit, task: Task, view: View, shown: Record, store: Store) -> dict[str, Any]:
    """Return the row of one choice: {"choice": {predicted, true, good, any, told, sizes}} beside the rest."""
    row = blank(unit, task, shown, shown["fault"])
    if shown["fault"]:
        return row
    try:
        _choose(row, unit, task, view, shown, store)
    except EnvironmentFault:
        raise
    except ProbeFault as fault:
        row["detail"] = str(fault.on(f"problem {shown['index']} (eval, {unit.tag})"))
    except Exception:
        row["detail"] = f"the measurement raised\n{trace()}"
    row["seconds"] = {k: round(v, 6) for k, v in row["seconds"].items()}
    return row


def _choose(row: dict[str, Any], unit: Unit, task: Task, view: View, shown: Record, store: Store) -> None:
    choice = problems.choice(task, unit.tag, shown["index"])
    readout = from_arrays(store.get(shown["readout"])) if "readout" in shown else None
    count = len(choice.candidates)
    true, predicted = np.zeros(count), np.full(count, np.nan)
    good, ever = np.zeros(count, bool), np.zeros(count, bool)
    bad = [a for a in shown["arms"].values() if a["status"] != "ok"]
    for i, candidate in enumerate(choice.candidates):
        scene, blobs = candidate.scene, shown["arms"][str(i)]
        begun = time.perf_counter()
        outcome = true_states(truth_of(scene))
        true[i] = problems.cost(task, outcome, candidate, exact=True)
        good[i], ever[i] = problems.succeeded(task, outcome, candidate)
        row["seconds"]["measure"] += time.perf_counter() - begun
        if blobs["status"] != "ok":
            continue
        begun = time.perf_counter()
        seen = _foreseen(blobs, scene, view, store, readout)
        row["seconds"]["perceive"] += time.perf_counter() - begun
        row["arms"][str(i)] = {"tracks": store.put({f"seen.{k}": getattr(seen, k) for k in _ARRAYS})}
        predicted[i] = problems.cost(task, foreseen_states(seen, scene), candidate)
    if np.ptp(true) <= 1e-9:
        raise promises.fault(
            task, "choice", f"offers {count} candidates that all cost {true[0]:.3g}; draw choices whose "
            "outcomes differ",
        )  # fmt: skip
    told = np.isfinite(predicted)
    predicted[~told] = task.worst
    came = choosing.judge(predicted, true, good)
    row |= {
        "status": "failed" if bad else "ok",
        "detail": bad[0]["detail"] or "no reason was given" if bad else "",
        "error": came.regret,
        "measured": "ok",
        "event": None,
        "found": float(told.mean()),
        "choice": {
            "predicted": predicted.tolist(), "true": true.tolist(), "good": good.tolist(),
            "any": ever.tolist(), "told": told.tolist(), "sizes": list(choice.sizes),
        },
    }  # fmt: skip


def _foreseen(blobs: Record, scene: Scene, view: View, store: Store, readout: Readout | None) -> Tracks:
    """Return the Tracks of what a model foresees of one candidate, on the measuring grid."""
    from wmeval.run.measure import on_grid

    kept, cut = store.get(blobs["truth"]), blobs["shown"]
    ahead = store.get(blobs["prediction"])
    if readout is None:
        video = np.concatenate([kept["frames"][:cut], ahead["frames"]])
        seen = track(video, scene, view, kept["times"][: len(video)])
        return seen.part(on_grid(seen.times))
    times = kept["times"][cut : cut + len(ahead["latents"])]
    keep = np.isin(np.arange(cut, cut + len(times)), on_grid(kept["times"]))
    return readout.read(ahead["latents"], scene, view, times).part(keep)


def true_states(truth: Truth) -> States:
    """Return where the bodies are after the cut, at 10 Hz to the end of the scene."""
    scene = truth.scene
    ticks = np.arange(1, int(np.floor(scene.duration_s * CLOCK_HZ + 1e-6)) + 1) / CLOCK_HZ
    times = ticks[ticks > scene.cut_s + 1e-9]
    return States(scene.names, times, truth.poses_at(times)[0])


def foreseen_states(tracks: Tracks, scene: Scene) -> States:
    """Return where the bodies were found to be after the cut; NaN where one was not found."""
    after = tracks.after(scene.cut_s)
    return States(scene.names, after.times, np.where(after.found[..., None], after.position, np.nan))


def score(task: Task, tag: str, records: Sequence[Record], suite: Suite, view: View) -> list[dict[str, Any]]:
    """Return a row of results.json's planning for each reading of a model's foresight."""
    of: dict[str, list[Record]] = defaultdict(list)
    for one in records:
        of[one["arm"]].append(one)
    return [_row(task, tag, reading, rows) for reading, rows in of.items()]


def _row(task: Task, tag: str, reading: str, records: Sequence[Record]) -> dict[str, Any]:
    """Return the row of the choices of one task, tag and reading.

    Replicates of a choice are averaged first. A choice that the task could not pose has no outcome: it is in
    `failed` and not in `n`.
    """
    cases: dict[str, list[dict[str, float]]] = defaultdict(list)
    for one in records:
        if "choice" in one:
            cases[one["case_id"]].append(_values(one["choice"]))
    values = {k: np.array([np.mean([r[k] for r in rows]) for rows in cases.values()]) for k in _VALUES}
    n = len(cases)
    bad = list(dict.fromkeys(r["detail"] for r in records if failed(r)))
    made: dict[str, Any] = {
        "task": task.key, "protocol": "choose", "tag": tag, "dynamics": "model", "cost": "state",
        "read": reading, "budget": None, "n": n, "failed": sum(map(failed, records)),
        **dict.fromkeys((
            "success", "lo", "hi", "any", "skill", "skill_lo", "skill_hi", "random", "oracle", "regret",
            "regret_lo", "regret_hi", "kendall", "auccess", "auccess_random", "elite_regret", "optimism",
            "rank", "calls", "seconds", "found",
        )),
        "rows": {}, "verdict": "", "reason": bad[0].splitlines()[0] if bad else "",
    }  # fmt: skip
    if not n:
        return {**made, "reason": made["reason"] or "no choice is finished yet"}
    count = max(len(r["choice"]["true"]) for r in records if "choice" in r)
    told = wilson(float(values["success"].sum()), n)
    regret = bounded_mean(values["regret"], 0.0, float(count))
    chance, best = float(values["random"].mean()), float(values["oracle"].mean())
    made |= {k: float(v.mean()) for k, v in values.items() if k in made}
    made |= {
        "lo": told.lo, "hi": told.hi, "regret_lo": regret.lo, "regret_hi": regret.hi,
        "calls": count, "seconds": float(np.mean([r["seconds"]["model"] for r in records if "choice" in r])),
        "rows": {
            name: {"success": float(values[f"{name}.success"].mean()),
                   "regret": float(values[f"{name}.regret"].mean())}
            for name in ("still", "largest")
        },
        "reason": made["reason"] or told.reason,
    }  # fmt: skip
    if best > chance:
        # bounds of success less chance, which hold whatever a model does
        spread = (-float(values["random"].max()), 1.0 - float(values["random"].min()))
        gain = bounded_mean(values["success"] - values["random"], *spread)
        over = best - chance
        made |= {
            "skill": gain.mean / over,
            "skill_lo": None if gain.lo is None else gain.lo / over,
            "skill_hi": None if gain.hi is None else gain.hi / over,
        }
    return {**made, "verdict": verdict(made)}


_VALUES = (
    "success", "any", "regret", "kendall", "auccess", "auccess_random", "random", "oracle", "found",
    "still.success", "still.regret", "largest.success", "largest.regret",
)  # fmt: skip


def _values(choice: Mapping[str, Sequence[Any]]) -> dict[str, float]:
    """Return what one choice came to, with what knows nothing and what knows all beside it."""
    predicted, true, sizes = (np.asarray(choice[k], np.float64) for k in ("predicted", "true", "sizes"))
    good, ever = np.asarray(choice["good"], bool), np.asarray(choice["any"], bool)
    came, chance = choosing.judge(predicted, true, good), choosing.at_random(true, good)
    out = {
        "success": came.success, "any": float(ever[predicted == predicted.min()].mean()),
        "regret": came.regret, "kendall": came.kendall, "auccess": came.auccess,
        "auccess_random": chance.auccess, "random": chance.success,
        "oracle": choosing.judge(true, true, good).success, "found": float(np.mean(choice["told"])),
    }  # fmt: skip
    for name, order in (("still", sizes), ("largest", -sizes)):
        default = choosing.judge(order, true, good)
        out |= {f"{name}.success": default.success, f"{name}.regret": default.regret}
    return out


def verdict(row: Record) -> str:
    """Return what a row says, in words that its interval supports.

    >>> verdict({"skill": 0.5, "skill_lo": 0.3, "skill_hi": 0.7})
    'better than chance'
    """
    lo, hi = row["skill_lo"], row["skill_hi"]
    if lo is None or hi is None:
        return "too few choices to tell" if row["skill"] is not None else "nothing can be told"
    if lo > 0:
        return "better than chance" if hi < 1 else "not told apart from knowing the outcomes"
    return "worse than chance" if hi < 0 else "not told apart from chance"
