"""What a run decides before and after the work: how many workers, what to expect of it, how it ends."""

from __future__ import annotations

from typing import Any

from wmeval.errors import UsageError
from wmeval.run.folder import Run
from wmeval.run.machine import cores, gpu_present
from wmeval.run.plan import Plan


def summary(run: Run) -> dict[str, Any]:
    """Return what a dry run shows: units in all and still to do, samples, seconds and bytes to expect.

    Seconds come from what this folder has measured so far; None where it has measured nothing.
    """
    plan = run.plan
    if plan is None:
        raise UsageError("only a run that was just planned has a summary; use status()")
    if plan.request.truth is not None:
        return _on_recordings(run, plan)
    todo = [u for u in plan.units if not run.unit_records(u)]
    left = sum(len(u.indices) for u in todo)
    sessions = [e for e in run.store.events("session") if e["samples"]]
    pace = sum(e["wall_s"] for e in sessions) / sum(e["samples"] for e in sessions) if sessions else None
    pixels = plan.view.height * plan.view.width * 3
    return {
        "model": plan.card.name,
        "suite": plan.suite.key,
        "folder": str(run.path),
        "units": len(plan.units),
        "cached": len(plan.units) - len(todo),
        "to_run": len(todo),
        "samples": plan.samples,
        "samples_to_run": left,
        "seconds": pace * left if pace else None,
        "bytes": left * pixels * 40,  # two videos of a few dozen frames, before compression
        "na": [dict(row) for row in plan.na],
        "partial": plan.partial,
        "workers": workers_for(plan, len(todo))[0],
    }


def _on_recordings(run: Run, plan: Plan) -> dict[str, Any]:
    """Return the summary of a run on one's own truth, which is read for it; one process does it."""
    from wmeval.own import loop

    work = loop.planned(plan)
    todo = [u for u in work.units if not loop.done(run.store, plan, u)]
    left = sum(len(u.places) for u in todo)
    pixels = plan.view.height * plan.view.width * 3
    return {
        "model": plan.card.name,
        "suite": plan.suite.key,
        "folder": str(run.path),
        "units": len(work.units),
        "cached": len(work.units) - len(todo),
        "to_run": len(todo),
        "samples": sum(len(u.places) for u in work.units),
        "samples_to_run": left,
        "seconds": None,
        "bytes": left * pixels * 2 * (work.truth["shown"] + work.truth["ahead"]),
        "na": [dict(row) for row in plan.na],
        "partial": plan.partial,
        "workers": 1,
    }


def workers_for(plan: Plan, todo: int) -> tuple[int, int]:
    """Return how many workers to use and how many threads each has.

    On a CPU one thread a worker: on 2 cores, two workers of one thread finish a suite sooner than one
    worker of two, since simulating, rendering and perceiving use one thread only.
    """
    there = cores()
    asked = plan.request.workers
    if plan.request.executor == "inline":
        return 1, there
    if isinstance(asked, int):
        count = asked
    else:
        wants_gpu = plan.request.device.startswith("cuda") or (
            plan.request.device == "auto" and not plan.card.reference and gpu_present()
        )
        count = 1 if wants_gpu else min(there, 8)
    count = max(1, min(count, todo or 1))
    return count, max(1, there // count)


def exit_code(run: Run) -> int:
    """Return 0 for a complete run, 1 where more samples failed than `fail_on_error` allows.

    `fail_on_error` below 1 is a share of the samples, else a count. A probe that cannot even draw its cases
    leaves a run that is not what was asked for.
    """
    results, threshold = run.results, run.manifest["request"]["fail_on_error"]
    failed, total = results["failed"], results["samples"]
    allowed = threshold * total if threshold < 1 else threshold
    drawn = not any(row.get("fault") for row in results["na"])
    return 0 if results["complete"] and drawn and failed <= allowed else 1
