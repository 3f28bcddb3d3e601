"""What a registered name stands for, as plain values."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from wmeval import registry
from wmeval.errors import UsageError

if TYPE_CHECKING:
    from wmeval.metric import Extractor, Metric, SetMetric
    from wmeval.model import Adapter, Card
    from wmeval.probe import Probe
    from wmeval.suite import Split, Suite
    from wmeval.task import Task


def describe(name: str) -> list[dict[str, Any]]:
    """Return what a name stands for: {"kind", "name", ...} for each kind that has it.

    A file holds a probe or a task.

    Raises:
        UsageError: nothing has this name, or what has it cannot be imported.
    """
    if name.endswith(".py") or ".py:" in name:
        return [_in_file(name)]
    bare = name.partition("@")[0]
    found: list[dict[str, Any]] = []
    if registry.is_reference(bare):
        found.append({"kind": "reference", **_card(registry.load_reference(bare).card)})
    for kind, tell in _TELL.items():
        if bare in registry.entries(kind):
            found.append({"kind": kind[:-1], **tell(name), "from": registry.entries(kind)[bare].origin})
    if not found:
        known = {n for kind in _TELL for n in registry.entries(kind)} | {
            *registry.REFERENCE_NAMES,
            *registry.ORGANISM_NAMES,
        }
        near = difflib.get_close_matches(name, sorted(known), n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "`wmeval list` shows all names"
        raise UsageError(f"nothing is called {name!r}; {hint}")
    return found


def _model(name: str) -> dict[str, Any]:
    adapter: Adapter = registry.load_adapter(name)
    return {
        **_card(adapter.card),
        "options": dict(adapter.options),
        "trains": adapter.train is not None,
    }


def _card(card: Card) -> dict[str, Any]:
    return card.to_json()


def _probe_named(name: str) -> dict[str, Any]:
    return _probe(registry.load_probe(name.partition("@")[0]))


def _probe(probe: Probe) -> dict[str, Any]:
    return {
        "name": probe.name, "version": probe.version, "summary": probe.summary, "unit": probe.unit,
        "worst": probe.worst, "null": probe.null, "tags": list(probe.tags), "horizon_s": probe.horizon_s,
        "strengths": list(probe.strengths), "strength_unit": probe.strength_unit, "futures": probe.futures,
        "must_see": probe.must_see, "twin": probe.twin is not None,
    }  # fmt: skip


def _suite(name: str) -> dict[str, Any]:
    suite: Suite = registry.load_suite(name)
    return {
        "name": suite.name, "version": suite.version, "summary": suite.summary, "probes": list(suite.probes),
        "metrics": list(suite.metrics), "cases": suite.cases, "tags": list(suite.tags),
        "instruments": list(suite.instruments), "controls": suite.controls, "tasks": list(suite.tasks),
        "instances": suite.instances, "episodes": suite.episodes,
        "budgets": list(suite.budgets) if suite.tasks else [],
        "anchors": "stored" if suite.anchors is not None else "made by each run",
    }  # fmt: skip


def _metric(name: str) -> dict[str, Any]:
    metric: Metric | SetMetric = registry.load_metric(name)
    of = "one clip" if metric.kind == "clip" else f"a set of at least {metric.min_clips} clips"
    return {
        "name": metric.name, "version": metric.version, "unit": metric.unit, "better": metric.better,
        "of": of,
    }  # fmt: skip


def _features(name: str) -> dict[str, Any]:
    extractor: Extractor = registry.load_features(name)
    return {
        "name": extractor.name, "summary": extractor.summary, "options": dict(extractor.options),
        "trains": extractor.train is not None,
    }  # fmt: skip


def _split(name: str) -> dict[str, Any]:
    from dataclasses import asdict

    split: Split = registry.load_split(name)
    return {
        "name": split.name, "version": split.version, "view": asdict(split.view), "notes": dict(split.notes),
    }  # fmt: skip


def task_facts(name: str) -> dict[str, Any]:
    """Return what there is to say of a planning task, by its name or from a file."""
    task: Task = registry.load_task(name.partition("@")[0] if ".py" not in name else name)
    drive, told = task.drive, {}
    if drive is not None:
        unit = "m/s2" if drive.kind == "force" else "m/s"
        told = {
            "actions": f"{drive.size} in [-1, 1]: {drive.kind} along {' and '.join(drive.axes)}, 1 is "
            f"{drive.most:g} {unit}, one a block of {task.block_s:g} s",
            "planned": f"{task.look} blocks ahead, {task.per_plan} carried out before planning again",
        }  # fmt: skip
    return {
        "name": task.name, "version": task.version, "summary": task.summary,
        "asked": list(task.protocols), "tags": list(task.tags),
        "cost": f"{task.unit}, 0 = reached, at most {task.worst:g}",
        "succeeds": f"when the goal holds for the last {task.dwell_s:g} s", **told,
    }  # fmt: skip


def _in_file(name: str) -> dict[str, Any]:
    """Return what a file holds: a probe, or else a task; the fault is that of the probe."""
    try:
        return {"kind": "probe", **_probe(registry.load_probe(name))}
    except UsageError as fault:
        try:
            return {"kind": "task", **task_facts(name)}
        except UsageError:
            raise fault from None


_TELL: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "models": _model,
    "probes": _probe_named,
    "suites": _suite,
    "metrics": _metric,
    "features": _features,
    "splits": _split,
    "tasks": task_facts,
}
