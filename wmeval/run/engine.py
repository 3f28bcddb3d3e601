"""Plan, compute what is missing, score: the loop that `wmeval run` is.

The same call continues a run that stopped, and does nothing where everything is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wmeval import registry
from wmeval.camera import View
from wmeval.errors import Interrupted, UsageError
from wmeval.own.sources import absolute
from wmeval.run.folder import Run
from wmeval.run.instruments import loaded, prepare
from wmeval.run.interrupt import draining
from wmeval.run.machine import machine
from wmeval.run.plan import Plan, Unit, identity, make_plan, measure_key, reaches
from wmeval.run.policy import exit_code, summary, workers_for
from wmeval.run.progress import Progress, Tally
from wmeval.run.request import Request
from wmeval.run.store import Store, read_json
from wmeval.seeds import asked_by
from wmeval.suite import Instrument

EXECUTORS = ("local", "inline")
MANIFEST = "manifest.json"
Told = Callable[[Progress], None]


def run(
    model: str,
    suite: str = "quick",
    probes: Sequence[str] | None = None,
    instruments: Sequence[Instrument] | None = None,
    weights: str | Path | None = None,
    options: Mapping[str, str] | None = None,
    limit: int | None = None,
    seed: int = 0,
    replicates: int = 1,
    device: str = "auto",
    executor: str = "local",
    workers: int | str = "auto",
    fail_on_error: float = 0,
    out: str | Path | None = None,
    dry_run: bool = False,
    view: View | None = None,
    truth: str | Path | None = None,
    tasks: Sequence[str] | None = None,
    budgets: Sequence[int] | None = None,
    progress: Told | None = None,
) -> Run:
    """Return the finished run of a model on a suite; see `Request` for what the arguments mean.

    `out` is the run's folder (default: runs/MODEL-SUITE-KEY). Where it holds the same run, only what is
    missing is computed. With `dry_run` nothing is computed or written: the Run has only its `plan`.

    Raises:
        UsageError: a name, option or file that is not there, or a folder that holds another run.
        EnvironmentFault: weights, disk or memory are missing.
        Interrupted: Ctrl-C; units under way were finished, the message holds the line that continues.
    """
    if executor not in EXECUTORS:
        raise UsageError(f"--executor was given as {executor!r}; expected one of {', '.join(EXECUTORS)}")
    request = Request(
        model=_absolute(model), suite=_absolute(suite),
        probes=tuple(_absolute(p) for p in probes) if probes else None,
        instruments=tuple(dict.fromkeys(instruments)) if instruments else None,
        weights=_located(weights),
        options=dict(options or {}), limit=limit, seed=seed, replicates=replicates, device=device,
        executor=executor, workers=workers, fail_on_error=fail_on_error, view=view,
        truth=None if truth is None else absolute(str(truth)),
        tasks=tuple(_absolute(t) for t in tasks) if tasks else None,
        budgets=tuple(sorted(set(budgets))) if budgets else None,
        hidden=asked_by(),
    )  # fmt: skip
    tell: Told = progress or (lambda _: None)
    tell(Progress("plan"))
    plan = make_plan(request)
    name = Path(model).stem if model.endswith(".py") or ".py:" in model else model
    folder = Path(out) if out else Path("runs") / f"{name}-{plan.suite.name}-{plan.short_key}"
    return Run(folder, plan=plan) if dry_run else carry_out(plan, folder, tell)


def carry_out(plan: Plan, folder: Path, progress: Told | None = None) -> Run:
    """Return the finished run of a plan in a folder; where that holds the same run, it is continued.

    Raises:
        UsageError: the folder holds another run, or the plan's scenes are not those that are drawn now.
        EnvironmentFault, Interrupted: see `run`.
    """
    tell: Told = progress or (lambda _: None)
    request = plan.request
    request.drawable()
    store = Store(folder)
    _claim(store, plan)
    if request.truth is not None:
        from wmeval.own import loop

        loop.run(plan, store, tell, lambda card: _complete_card(store, card), _planned_version(plan))
        return Run(folder, plan=plan)
    todo = missing(store, plan)
    if todo or not _scored(store, plan):
        _compute(store, plan, todo, tell)
        from wmeval.run.scoring import write_results

        tell(Progress("score", message="scoring"))
        write_results(Run(folder, plan=plan), tell)
    tell(
        Progress(
            "done", len(plan.units), len(plan.units), samples_done=plan.samples, samples_total=plan.samples
        )
    )
    return Run(folder, plan=plan)


def score(path: str | Path, progress: Told | None = None) -> Run:
    """Return a run scored again from what it stored; nothing is generated.

    What was not measured, or could not be for want of something on this machine (weights of a metric), is
    measured now.

    Raises:
        UsageError: the folder holds no run.
    """
    tell: Told = progress or (lambda _: None)
    opened = Run(path)
    # as it was planned: the model need not be installed here, and a newer world would plan other units
    plan = Plan.from_json(opened.manifest)
    plan.request.drawable()
    store = opened.store
    if plan.request.truth is not None:
        from wmeval.own import loop

        loop.score(plan, store, tell)
        return Run(path, plan=plan)
    for unit in plan.units:
        if _measured(store, plan, unit) and _lacking(store, plan, unit):
            store.discard(_measure_key(store, plan, unit))
    todo = [u for u in missing(store, plan) if store.has(u.key)]
    _compute(store, plan, todo, tell, generates=False)
    from wmeval.run.scoring import write_results

    tell(Progress("score", message="scoring"))
    write_results(Run(path, plan=plan), tell)
    return Run(path, plan=plan)


def missing(store: Store, plan: Plan) -> list[Unit]:
    """Return the units that are not generated and measured yet, in the order of the plan."""
    return [u for u in plan.units if not _measured(store, plan, u)]


def _compute(store: Store, plan: Plan, todo: Sequence[Unit], tell: Told, *, generates: bool = True) -> None:
    """Do the units that are to do, telling how far it is."""
    if not todo:
        return
    from wmeval.run.executors import Executor, Inline, Local
    from wmeval.run.truths import trim
    from wmeval.run.worker import Setup

    request = plan.request
    count, threads = workers_for(plan, len(todo))
    doing: Executor = Inline() if request.executor == "inline" else Local(count)
    setup = Setup(
        str(store.folder.resolve()), request.model, request.weights, request.device, request.options, threads,
        request.seed, asdict(plan.view), plan.metrics, generates,
        _planned_version(plan) if generates else None,
    )  # fmt: skip
    if generates:
        prepare(plan, [u for u in todo if not store.has(u.key)], tell)
    left = sum(len(u.indices) for u in todo)
    tally = Tally(len(plan.units), len(plan.units) - len(todo), plan.samples, plan.samples - left)
    skills = _stored_skills(plan)
    tell(tally.progress("open", f"opening {plan.card.name} in {count} worker{'s' * (count > 1)}"))
    begun = time.monotonic()
    loaded: dict[str, Any] = {}

    def opened(about: dict[str, Any]) -> None:
        loaded.update(about)
        _complete_card(store, about["card"])
        tell(tally.progress("run"))

    with draining(
        lambda: tell(tally.progress("drain", "finishing the units under way; Ctrl-C again stops now"))
    ) as stop:
        try:
            for outcome in doing.run(setup, todo, opened=opened, stopping=stop.is_set):
                unit = outcome.unit
                done = outcome.summary
                if done is None:
                    done = _give_up(store, plan, unit, outcome.death)
                tally.units += 1
                tally.samples += len(unit.indices)
                skill = skills.get((unit.probe, unit.instrument, unit.tag))
                tally.add(_running(unit), done["samples"], skill)
                tell(tally.progress("run"))
        finally:
            store.event(
                "session", wall_s=round(time.monotonic() - begun, 3), units=tally.units,
                samples=tally.samples, workers=count, threads=threads, load_s=loaded.get("seconds"),
                executor=request.executor,
            )  # fmt: skip
        trim()
        if stop.is_set() and tally.units < len(todo):
            raise Interrupted(
                f"interrupted with {tally.cached + tally.units} of {tally.total} units done; "
                f"`{request.command(store.folder)}` continues"
            )


def _give_up(store: Store, plan: Plan, unit: Unit, why: str) -> dict[str, Any]:
    """Commit a unit that no worker survives as failed, in the stage that kills them; return its summary."""
    from wmeval.run.generate import failed_record
    from wmeval.run.instruments import given_up
    from wmeval.run.worker import told

    store.event("quarantine", key=unit.key, why=why)
    if not store.has(unit.key):
        store.commit(unit.key, failed_record(unit, why))
    probe, generated = loaded(unit.instrument, unit.given), store.read(unit.key)
    judged = given_up(unit, probe, generated, why)
    store.commit(measure_key(unit, probe, plan.metrics, generated), judged)
    return told(unit, judged)


def _measure_key(store: Store, plan: Plan, unit: Unit) -> str:
    asks = loaded(unit.instrument, unit.given)
    return measure_key(unit, asks, plan.metrics, store.read(unit.key))


def _measured(store: Store, plan: Plan, unit: Unit) -> bool:
    return store.has(unit.key) and store.has(_measure_key(store, plan, unit))


def _lacking(store: Store, plan: Plan, unit: Unit) -> bool:
    rows = store.read(_measure_key(store, plan, unit))["samples"]
    return any(cell.get("lacking") for row in rows for cell in row["metrics"].values())


def _scored(store: Store, plan: Plan) -> bool:
    from wmeval.run.scoring import inputs_digest

    path = store.folder / "results.json"
    return path.exists() and read_json(path).get("inputs") == inputs_digest(store, plan)


def _claim(store: Store, plan: Plan) -> None:
    """Write the manifest, unless the folder holds another run.

    Raises:
        UsageError: it does.
    """
    path = store.folder / MANIFEST
    fresh, kept = plan.to_json(), {}
    if path.exists():
        old = read_json(path)
        how = reaches(plan.request.model)
        before, asked = identity(Request.from_json(old["request"]), how), identity(plan.request, how)
        differs = [k for k in {**asked, **before} if before.get(k) != asked.get(k)]
        if differs:
            k = differs[0]
            raise UsageError(
                f"{store.folder} holds a run with {k} {before.get(k)!r}, and {asked.get(k)!r} was "
                "asked for; give another folder with --out"
            )
        if all(old[k] == v for k, v in fresh.items() if k != "card"):
            return
        kept = {k: old[k] for k in ("created", "opened") if k in old}
    elif store.folder.exists() and any(not p.name.startswith(".") for p in store.folder.iterdir()):
        raise UsageError(f"{store.folder} is not empty and holds no run; give another folder with --out")
    created = {"created": datetime.now(UTC).isoformat(timespec="seconds")}
    store.write_json(MANIFEST, {**fresh, **machine(), **created, **kept})


def _complete_card(store: Store, card: Mapping[str, Any] | None) -> None:
    """Keep what the opened model says of itself: its weights know more than the static card."""
    manifest = read_json(store.folder / MANIFEST)
    if card is not None and manifest.get("opened") != card:
        store.write_json(MANIFEST, {**manifest, "opened": card})


def _planned_version(plan: Plan) -> str | None:
    """Return the version that an opened model must have, where the plan asked for the model's own word."""
    model = plan.request.model
    asked = not registry.is_reference(model) and registry.load_adapter(model).completed is not None
    return plan.card.version if asked else None


def _running(unit: Unit) -> str:
    """Return what the errors of a unit are averaged under while a run goes on."""
    more = [x for x in (unit.instrument, unit.tag, unit.arm) if x not in ("rollout", "iid", "")]
    return " ".join([unit.probe, *more])


def _stored_skills(plan: Plan) -> dict[tuple[str, str, str], Callable[[float], float]]:
    """Return error -> skill where an anchor is stored: only those are known before the end."""
    from wmeval.run.scoring import stored_anchor

    skills: dict[tuple[str, str, str], Callable[[float], float]] = {}
    for probe, tag, given in {(u.probe, u.tag, u.given) for u in plan.units if u.instrument == "rollout"}:
        anchor = stored_anchor(plan.suite, registry.load_probe(given), tag, plan.view)
        if anchor is not None and anchor.null > anchor.ceiling:
            skills[probe, "rollout", tag] = anchor.value
    return skills


def _located(weights: str | Path | None) -> str | None:
    """Return weights as a path from the root, so that workers find them."""
    if weights is None or str(weights).startswith("hf:"):
        return None if weights is None else str(weights)
    return str(Path(weights).expanduser().absolute())


def _absolute(name: str) -> str:
    """Return a file's name from the root, so that workers and later commands find it; names stay names."""
    path, dot, rest = name.partition(".py")
    if not dot or (rest and not rest.startswith(":")):
        return name
    return str(Path(path + dot).expanduser().absolute()) + rest


__all__ = ["EXECUTORS", "exit_code", "missing", "run", "score", "summary", "workers_for"]
