"""Reads the recordings, asks what is missing, measures, and writes results.json: a run on one's own truth.

It works in this process, one block after another: times are the model's alone, and a stop loses one block.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wmeval.errors import Interrupted, UsageError
from wmeval.own import sums
from wmeval.own.ask import NEEDS, Ask, Unit, run_unit, units
from wmeval.own.fit import fitted
from wmeval.own.measure import measure_key, measured
from wmeval.own.sources import recordings
from wmeval.own.windows import Window, frames_ahead, frames_shown, windows
from wmeval.run.code import source_digest
from wmeval.run.interrupt import draining
from wmeval.run.machine import cores
from wmeval.run.plan import SCHEMA, Plan, identity, reaches
from wmeval.run.progress import Progress
from wmeval.run.store import Store, plain, read_json
from wmeval.run.worker import Setup, Worker
from wmeval.seeds import digest

OWN = "own.json"  # what was read of the truth and what is asked of it, beside the manifest
MEASURED: tuple[Ask, ...] = ("rollout", "other")
SCENELESS = ("oracle", "freeze", "vanish", "blur", "noise")
Told = Callable[[Progress], None]


@dataclass(frozen=True)
class Work:
    """What a truth comes to for one model: facts of it, where its windows lie, and the units."""

    truth: Mapping[str, Any]
    places: tuple[Mapping[str, Any], ...]  # {id, episode, start, shown, ahead} a window
    units: tuple[Unit, ...]
    every: tuple[Window, ...] = ()  # empty where only the folder was read

    def to_json(self) -> dict[str, Any]:
        """Return what is kept in the run's folder."""
        units = [u.to_json() for u in self.units]
        return {"truth": dict(self.truth), "windows": [dict(p) for p in self.places], "units": units}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Work:
        """Return what `to_json` described, without the recordings."""
        return cls(data["truth"], tuple(data["windows"]), tuple(Unit.from_json(u) for u in data["units"]))


def planned(plan: Plan) -> Work:
    """Return what is to be asked of a plan's model on the recordings that it names.

    Raises:
        UsageError: nothing can be read there, or the model's actions are others.
        EnvironmentFault: a library that reads them is not installed.
    """
    request, card = plan.request, plan.card
    assert request.truth is not None
    if card.reference and card.name not in SCENELESS:
        raise UsageError(
            f"the reference {card.name!r} needs scenes, and recordings have none; ask {', '.join(SCENELESS)}"
        )
    given = recordings(request.truth, request.limit)
    fit = fitted(given, card, plan.view)
    shown, ahead = frames_shown(card), frames_ahead(card)
    every = windows(fit.recordings.episodes, shown, ahead, fit.native)
    if not every:
        longest = max(len(e.frames) for e in given.episodes)
        raise UsageError(
            f"the longest episode of {request.truth} has {longest} frames, and {card.name!r} is shown "
            f"{shown}: none is left to predict"
        )
    asked = {w.episode for w in every}
    notes = [*fit.notes]
    if short := [e.name for e in given.episodes if e.name not in asked]:
        notes.append(f"left out, for no frame is left to predict: {', '.join(short[:8])}")
    ended = sum(w.ends is not None and bool(w.ends[w.shown - 1 : -1].any()) for w in every)
    if ended:
        notes.append(f"in {ended} of {len(every)} windows an end lies before the last frame")
    model = [card.name, card.version, plan.weights, identity(request, reaches(request.model))["options"]]
    truth = {
        "source": request.truth, "digest": given.digest,
        "digests": {e.name: e.digest for e in given.episodes}, "episodes": len(asked),
        "frames": sum(len(e.frames) for e in given.episodes), "windows": len(every), "fps": given.fps,
        "size": [plan.view.height, plan.view.width], "recorded_size": [*given.size], "space": given.space,
        "action_size": given.width, "shown": shown, "ahead": max(w.ahead for w in every), "acts": fit.acts,
        "rewards": any(w.rewards is not None for w in every),
        "ends": any(w.ends is not None for w in every), "notes": notes,
    }  # fmt: skip
    places = tuple(
        {"id": w.id, "episode": w.episode, "start": w.start, "shown": w.shown, "ahead": w.ahead}
        for w in every
    )
    return Work(truth, places, units(every, card, model, request.seed, request.replicates, fit.acts), every)


def kept(store: Store) -> Work:
    """Return the work that a run's folder holds, without the recordings."""
    return Work.from_json(read_json(store.folder / OWN))


def run(
    plan: Plan, store: Store, tell: Told, opened: Callable[[Mapping[str, Any]], None], version: str | None
) -> None:
    """Ask what is missing and write results.json; nothing where all is done.

    `opened` is told the card of the opened model, `version` is what that must say.

    Raises:
        UsageError, EnvironmentFault: see `planned`; or the recordings are not those that the run began with.
        Interrupted: Ctrl-C; the message holds the line that continues.
    """
    tell(Progress("plan", message="reading the recordings"))
    work = planned(plan)
    before = kept(store).to_json() if (store.folder / OWN).exists() else None
    if before:
        _unchanged(before["truth"]["digests"], work.truth["digests"], plan, store)
    if before != work.to_json():
        store.write_json(OWN, work.to_json())
    todo = [u for u in work.units if not done(store, plan, u)]
    if todo:
        _compute(plan, store, work, todo, tell, opened, version)
    if todo or _inputs(store, plan, work) != _inputs_of(store):
        tell(Progress("score", message="scoring"))
        write(plan, store, work)
    count = len(work.units)
    tell(Progress("done", count, count, samples_done=count, samples_total=count))


def score(plan: Plan, store: Store, tell: Told) -> None:
    """Measure and score again what was asked; the recordings need not be there, nor the model."""
    work = kept(store)
    for unit in work.units:
        if unit.ask in MEASURED and store.has(unit.key):
            asked = store.read(unit.key)
            key = measure_key(unit, plan.metrics, asked)
            lacking = store.has(key) and any(
                c["lacking"] for s in store.read(key)["samples"] for c in s["metrics"].values()
            )
            if lacking:
                store.discard(key)
            if not store.has(key):
                store.commit(key, measured(unit, plan.metrics, asked, plan.view, store))
    tell(Progress("score", message="scoring"))
    write(plan, store, work)


def _unchanged(before: Mapping[str, str], now: Mapping[str, str], plan: Plan, store: Store) -> None:
    """Raise UsageError where recordings are not those of before; another --limit makes more or fewer."""
    same = all(now[name] == before[name] for name in before.keys() & now.keys())
    if not same or not (before.keys() <= now.keys() or now.keys() <= before.keys()):
        raise UsageError(
            f"the recordings of {plan.request.truth} are not those that {store.folder} began with; give "
            "another folder with --out"
        )


def status(plan: Plan, store: Store) -> dict[str, Any]:
    """Return how far a run on recordings has come: units and samples done and in all, and how many failed."""
    if not (store.folder / OWN).exists():
        return {"units": (0, 0), "samples": (0, 0), "failed": 0, "complete": False}
    work = kept(store)
    finished = [u for u in work.units if done(store, plan, u)]
    rows = [s for u in finished for s in store.read(u.key)["samples"]]
    return {
        "units": (len(finished), len(work.units)),
        "samples": (len(rows), sum(len(u.places) for u in work.units)),
        "failed": sum(s["status"] != "ok" for s in rows),
        "complete": len(finished) == len(work.units),
    }


def done(store: Store, plan: Plan, unit: Unit) -> bool:
    """Return whether a unit is asked and measured."""
    if not store.has(unit.key):
        return False
    return unit.ask not in MEASURED or store.has(measure_key(unit, plan.metrics, store.read(unit.key)))


def _compute(
    plan: Plan, store: Store, work: Work, todo: Sequence[Unit], tell: Told,
    opened: Callable[[Mapping[str, Any]], None], version: str | None,
) -> None:  # fmt: skip
    request, total, cached = plan.request, len(work.units), len(work.units) - len(todo)
    # as many as the user's environment allows; more threads than free cores wait for one another
    told = os.environ.get("OMP_NUM_THREADS", "")
    threads = min(cores(), int(told)) if told.isdecimal() and int(told) else cores()
    setup = Setup(
        str(store.folder.resolve()), request.model, request.weights, request.device, request.options, threads,
        request.seed, {"fps": plan.view.fps, "height": plan.view.height, "width": plan.view.width},
        plan.metrics, True, version,
    )  # fmt: skip
    asks = any(not store.has(u.key) for u in todo)
    worker, load_s = Worker(setup), None
    if asks:
        tell(Progress("open", cached, total, cached, message=f"opening {plan.card.name}"))
        about = worker.open()
        load_s = about["seconds"]
        opened(about["card"])
    begun, finished = time.monotonic(), 0
    with draining(lambda: tell(Progress("drain", message="finishing the block under way"))) as stop:
        try:
            for unit in todo:
                if stop.is_set():
                    break
                if not store.has(unit.key):
                    made = run_unit(unit, work.every, worker.model, plan.view, request.seed, store)
                    store.commit(unit.key, plain(made))
                if unit.ask in MEASURED:
                    asked = store.read(unit.key)
                    key = measure_key(unit, plan.metrics, asked)
                    if not store.has(key):
                        store.commit(key, measured(unit, plan.metrics, asked, plan.view, store))
                finished += 1
                rate = finished / (time.monotonic() - begun)
                tell(
                    Progress(
                        "run", cached + finished, total, cached, cached + finished, total, rate,
                        (len(todo) - finished) / rate, message=unit.ask,
                    )
                )  # fmt: skip
        finally:
            store.event(
                "session", wall_s=round(time.monotonic() - begun, 3), units=finished, samples=finished,
                workers=1, threads=threads, load_s=load_s, executor="inline",
            )  # fmt: skip
    if finished < len(todo):
        raise Interrupted(
            f"interrupted with {cached + finished} of {total} units done; "
            f"`{request.command(store.folder)}` continues"
        )


def records(store: Store, plan: Plan, work: Work) -> dict[str, list[dict[str, Any]]]:
    """Return the finished samples by how they were asked, each with its episode and its measurement."""
    found: dict[str, list[dict[str, Any]]] = {ask: [] for ask in NEEDS}
    for unit in work.units:
        if not done(store, plan, unit):
            continue
        asked = store.read(unit.key)
        empty: list[dict[str, Any]] = [{"metrics": {}, "nulls": {}}] * len(unit.places)
        if unit.ask in MEASURED:
            empty = store.read(measure_key(unit, plan.metrics, asked))["samples"]
        for place, sample, row in zip(unit.places, asked["samples"], empty, strict=True):
            where = work.places[place]
            found[unit.ask].append({**where, **sample, **row, "place": place, "replicate": unit.replicate})
    return found


def write(plan: Plan, store: Store, work: Work) -> None:
    """Write results.json from what the store holds."""
    found = records(store, plan, work)
    every = [r for rows in found.values() for r in rows]
    manifest = read_json(store.folder / "manifest.json")
    card = manifest.get("opened") or manifest["card"]
    can = {ask: NEEDS[ask] in card["capabilities"] for ask in NEEDS}
    judges = not plan.card.reference

    def lacks(ask: Ask, what: str) -> str:
        if not judges and ask in ("other", "surprise"):
            return "a reference follows no actions and judges no clip"
        return sums.why_not(ask, can[ask], what)

    alike = "the model takes no actions" if not work.truth["acts"] else "no other episode acts differently"
    failures = [
        {"ask": ask, **{k: r[k] for k in ("episode", "start", "status", "detail")}}
        for ask, rows in found.items() for r in rows if r["status"] != "ok"
    ]  # fmt: skip
    results = {
        "schema": SCHEMA,
        "inputs": _inputs(store, plan, work),
        "model": {
            "name": plan.card.name, "version": plan.card.version, "weights": plan.weights,
            "options": dict(plan.request.options), "reference": plan.card.reference,
        },
        "suite": plan.suite.key,
        "card": card,
        "complete": all(done(store, plan, u) for u in work.units),
        "partial": plan.partial,
        "samples": sum(len(u.places) for u in work.units),
        "failed": len(failures),
        "nondeterminism": len(store.events("nondeterminism")),
        "scores": [],
        "fidelity": sums.fidelity(plan.metrics, found["rollout"]) if can["rollout"] else [],
        "planning": [],
        "implied": [],
        "speed": _speed(found, store.events("session")),
        "na": [dict(r) for r in plan.na],
        "own": {
            "truth": dict(work.truth),
            "drift": sums.drift(plan.metrics, found["rollout"]),
            "actions": sums.following(found["rollout"], found["other"], lacks("other", alike)),
            "surprise": sums.surprise(found["surprise"], lacks("surprise", "the windows are too short")),
            "reward": sums.rewards(found["reward"], lacks("reward", "no rewards or ends were recorded")),
            "pace": sums.pace(found["pace"], found["rollout"], work.truth["fps"]) if judges
            else {"how": None, "reason": "a reference is no model"},
            "strip": _strip(found["rollout"]),
            "failures": failures,
        },
    }  # fmt: skip
    assert len(every) <= results["samples"]
    store.write_json("results.json", plain(results))


def _strip(rollouts: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the blobs of the window of median PSNR, of which a page shows frames."""
    named = [
        (
            sum(c for c in r["metrics"]["psnr"]["curve"] if c is not None)
            / len(r["metrics"]["psnr"]["curve"]),
            i,
        )
        for i, r in enumerate(rollouts)
        if r["status"] == "ok" and r["metrics"].get("psnr", {}).get("curve")
    ]
    if not named:
        return None
    chosen = rollouts[sorted(named)[len(named) // 2][1]]
    keys = ("episode", "start", "shown", "truth", "prediction")
    return {k: chosen[k] for k in keys}


def _speed(
    found: Mapping[str, Sequence[Mapping[str, Any]]], sessions: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return where the time went, under the names that every run has."""
    made = [r for r in (*found["rollout"], *found["other"]) if r["status"] == "ok"]
    predicting = sum(r["seconds"]["model"] for r in made)
    frames = sum(r["ahead"] for r in made)
    inside = sum(r["seconds"]["model"] for rows in found.values() for r in rows)
    wall = sum(s["wall_s"] for s in sessions)
    last = sessions[-1] if sessions else {}
    return {
        "wall_s": round(wall, 3), "model_s": round(inside, 3),
        "outside_s": round(max(0.0, wall - inside), 3), "stages": {"model": round(inside, 3)},
        "load_s": last.get("load_s"), "frames": frames,
        "ms_per_frame": round(1000 * predicting / frames, 3) if frames else None,
        "frames_per_s": round(frames / predicting, 3) if predicting else None,
        "workers": 1, "threads": last.get("threads"), "sessions": len(sessions),
    }  # fmt: skip


def _inputs(store: Store, plan: Plan, work: Work) -> str:
    code = source_digest("wmeval.own.sums", "wmeval.own.loop", "wmeval.stats")
    keys = [[u.key, done(store, plan, u)] for u in work.units]
    return digest([keys, dict(work.truth), plan.partial, [dict(r) for r in plan.na], code])


def _inputs_of(store: Store) -> str | None:
    path = store.folder / "results.json"
    return read_json(path).get("inputs") if path.exists() else None
