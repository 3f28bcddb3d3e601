"""Fidelity against utility: for each task, how a model's other numbers go with what one can plan with it.

A model is what has one name, version, weights and options; its numbers may lie in several runs (planning in
one suite, physics and fidelity in another). Tasks are never pooled: what helps in one may not in another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import factorial, sqrt
from typing import Any

import numpy as np

from wmeval.chance import holm
from wmeval.errors import UsageError
from wmeval.report.relation import Relation, relation
from wmeval.run import Run

PHYSICS = {"rollout": "physics", "imagination": "physics, imagined"}
COST, VALUE = "cost error", "plan values, tau"
SETS = ("fvd", "kvd")  # metrics of a whole set of clips, which are never compared across numbers of clips


@dataclass(frozen=True)
class Number:
    """One number of a model with its interval, and of what it was made."""

    value: float
    lo: float | None = None
    hi: float | None = None
    higher: bool = True  # whether more of it is better
    unit: str = ""
    basis: str = ""  # numbers of one column that rest on different ones are not compared


@dataclass(frozen=True)
class Model:
    """What runs say of one model on one tag. `skills` is planning skill by (task, protocol)."""

    label: str
    family: str
    reference: bool
    skills: dict[tuple[str, str], Number] = field(default_factory=dict)
    numbers: dict[str, Number] = field(default_factory=dict)  # of the model, whatever the task
    of_task: dict[tuple[str, str], Number] = field(default_factory=dict)  # (task, column)

    def number(self, task: str, column: str) -> Number | None:
        """Return a column's number for a task."""
        return self.of_task.get((task, column), self.numbers.get(column))


@dataclass(frozen=True)
class Row:
    """How a column goes with planning skill in a task, asked by a protocol; positive: better with better."""

    task: str
    protocol: str
    column: str
    relation: Relation
    p_holm: float | None = None


@dataclass(frozen=True)
class Utility:
    """Models, the columns that they have, and how each goes with planning skill in each task."""

    tag: str
    models: list[Model]
    columns: list[str]
    rows: list[Row]
    notes: list[str]

    @property
    def questions(self) -> list[tuple[str, str]]:
        """Return the pairs of task and protocol."""
        return list(dict.fromkeys((r.task, r.protocol) for r in self.rows))

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        models = [
            {"label": m.label, "family": m.family, "reference": m.reference,
             "skills": [{"task": t, "protocol": p, **asdict(v)} for (t, p), v in m.skills.items()],
             "numbers": {c: asdict(v) for c, v in m.numbers.items()},
             "of_task": [{"task": t, "column": c, **asdict(v)} for (t, c), v in m.of_task.items()]}
            for m in self.models
        ]  # fmt: skip
        rows = [
            {
                "task": r.task,
                "protocol": r.protocol,
                "column": r.column,
                **asdict(r.relation),
                "p_holm": r.p_holm,
            }
            for r in self.rows
        ]
        return {"tag": self.tag, "models": models, "rows": rows, "notes": self.notes}


def utility(runs: Sequence[Run], tag: str = "iid") -> Utility:
    """Return how the numbers of models go with their planning skill, task by task.

    Raises:
        UsageError: a run is not scored, or no run has planning skill on this tag.
    """
    notes: list[str] = []
    models = _models(runs, tag, notes)
    questions = list(dict.fromkeys(q for m in models for q in m.skills))
    if not questions:
        raise UsageError(
            f"none of the {len(runs)} runs has planning skill on {tag!r}; `wmeval run --suite planning` "
            "makes it"
        )
    columns = list(dict.fromkeys([c for m in models for c in (*m.numbers, *(c for _, c in m.of_task))]))
    rows = [Row(*q, c, _relation(models, q, c)) for q in questions for c in columns]
    if any(m.reference for m in models):
        notes.append("references and organisms are shown, and no part of any correlation")
    corrected = holm([r.relation.p for r in rows])
    rows = [replace(r, p_holm=p) for r, p in zip(rows, corrected, strict=True)]
    notes += _limits(models, rows)
    if elsewhere := _elsewhere(runs, tag):
        notes.append(f"not asked at {tag!r}, so not here: {', '.join(elsewhere)}")
    return Utility(tag, models, columns, rows, notes)


def _limits(models: Sequence[Model], rows: Sequence[Row]) -> list[str]:
    """Return what no order of so few families could show, once corrected for so many lines, in words."""
    families = len({m.family for m in models if not m.reference and m.skills})
    lines = sum(r.relation.p is not None for r in rows)
    least = min(1.0, 2 * lines / factorial(families))
    if lines == 0 or least <= 0.05:
        return []
    return [
        f"with {families} families and {lines} lines, even a perfect order has a corrected p of {least:.2g}: "
        "what is here can be looked at, and shows nothing for certain"
    ]


def _elsewhere(runs: Sequence[Run], tag: str) -> list[str]:
    """Return "TASK (TAGS)" of tasks that have skill, and none at a tag."""
    tags: dict[str, set[str]] = {}
    for row in (r for run in runs for r in run.results.get("planning") or [] if r["skill"] is not None):
        tags.setdefault(row["task"], set()).add(row["tag"])
    return [f"{task} ({', '.join(sorted(of))})" for task, of in tags.items() if tag not in of]


def _relation(models: Sequence[Model], question: tuple[str, str], column: str) -> Relation:
    """Return how a column goes with the skill of those models that have both, references left out."""
    having = [
        (m, number, m.skills[question])
        for m in models
        if not m.reference and question in m.skills and (number := m.number(question[0], column))
    ]
    if len(bases := {n.basis for _, n, _ in having}) > 1:
        reason = f"not compared: models have it of {' and of '.join(sorted(map(_brief, bases)))}"
        return replace(relation([], [], []), reason=reason)
    if len(bases := {s.basis for *_, s in having}) > 1:
        reason = f"not compared: models plan with {' and with '.join(sorted(bases))}"
        return replace(relation([], [], []), reason=reason)
    x = [n.value if n.higher else -n.value for _, n, _ in having]
    return relation(x, [s.value for _, _, s in having], [m.family for m, _, _ in having])


def _brief(basis: str) -> str:
    """Return a suite with how many of its probes, where it would name them all.

    >>> _brief("core@0.1 (a@0.1, b@0.1)"), _brief("64 clips")
    ('2 probes of core@0.1', '64 clips')
    """
    suite, _, probes = basis.partition(" (")
    return f"{probes.count('@')} probes of {suite}" if probes else basis


def _models(runs: Sequence[Run], tag: str, notes: list[str]) -> list[Model]:
    found: dict[tuple[Any, ...], Model] = {}
    for run in runs:
        results = run.results
        if results["partial"] or not results["complete"]:
            notes.append(f"{run.path} is not the whole suite")
        told, card = results["model"], results["card"]
        options = "".join(f" {k}={v}" for k, v in sorted(told["options"].items()))
        # A reference or an organism is a family by its own name: nothing was trained.
        aside = bool(told.get("reference") or card.get("reference"))
        # Of weights that were given, the opened model's card knows the version; a plan may not.
        label = f"{told['name']} {card.get('version', told['version'])}{options}"
        key = (told["name"], told["version"], told["weights"], options)
        if key not in found and any(m.label == label for m in found.values()):
            label += f" {str(told['weights'])[:6]}"
        mine = found.setdefault(key, Model(label, told["name"] if aside else card["family"], aside))
        _put(mine.skills, _skills(results, tag), run, notes, mine.label)
        _put(mine.numbers, {**_fidelity(results, tag), **_physics(results, tag)}, run, notes, mine.label)
        _put(mine.of_task, _of_task(run, results, tag, notes), run, notes, mine.label)
    return list(found.values())


def _put(into: dict[Any, Number], new: Mapping[Any, Number], run: Run, notes: list[str], label: str) -> None:
    """Add what is not there yet; of what two runs say, the first one given stays."""
    twice = [k for k in new if k in into]
    if twice:
        names = sorted({k if isinstance(k, str) else " ".join(k) for k in twice})
        notes.append(f"{label}: {', '.join(names)} of {run.path} left out, an earlier run has it")
    into.update({k: v for k, v in new.items() if k not in into})


def _planned(results: Mapping[str, Any], tag: str) -> Iterable[Mapping[str, Any]]:
    """Yield the model's rows on its own state cost: of control those of the largest budget.

    Of several readings of one model's foresight the first that the run lists counts, never the best.
    """
    rows = [
        r for r in results.get("planning") or []
        if r["tag"] == tag and r["dynamics"] == "model" and r["cost"] == "state"
    ]  # fmt: skip
    most = {t: max(r["budget"] or 0 for r in rows if r["task"] == t) for t in {r["task"] for r in rows}}
    seen = set()
    for row in rows:
        key = (row["task"], row["protocol"])
        if key in seen or (row["protocol"] == "control" and row["budget"] != most[row["task"]]):
            continue
        seen.add(key)
        yield row


def _skills(results: Mapping[str, Any], tag: str) -> dict[tuple[str, str], Number]:
    return {
        (r["task"], r["protocol"]): Number(
            r["skill"],
            r["skill_lo"],
            r["skill_hi"],
            unit="skill",
            basis=f"{r['budget']} candidates" if r["protocol"] == "control" else "",
        )
        for r in _planned(results, tag)
        if r["skill"] is not None
    }


def _fidelity(results: Mapping[str, Any], tag: str) -> dict[str, Number]:
    out = {}
    for row in results.get("fidelity") or []:
        if row["tag"] == tag and row["value"] is not None:
            name = row["metric"].partition("@")[0]
            of = f"{results['suite']}, n = {row['n']}" if name.startswith(SETS) else results["suite"]
            out[name] = Number(row["value"], row["lo"], row["hi"], row["better"] == "higher", row["unit"], of)
    return out


def _physics(results: Mapping[str, Any], tag: str) -> dict[str, Number]:
    """Return the mean skill over a suite's probes; its interval takes them as independent."""
    out = {}
    for instrument, name in PHYSICS.items():
        rows = [
            s for s in results.get("scores") or []
            if s["instrument"] == instrument and s["tag"] == tag and s["skill"] is not None
        ]  # fmt: skip
        if rows:
            mean = float(np.mean([s["skill"] for s in rows]))
            lo = hi = None
            if all(s["lo"] is not None and s["hi"] is not None for s in rows):
                lo = mean - sqrt(sum((s["skill"] - s["lo"]) ** 2 for s in rows)) / len(rows)
                hi = mean + sqrt(sum((s["hi"] - s["skill"]) ** 2 for s in rows)) / len(rows)
            asked = ", ".join(sorted(s["probe"] for s in rows))
            basis = f"{results['suite']} ({asked})"
            out[name] = Number(mean, lo, hi, unit=f"mean skill of {len(rows)} probes", basis=basis)
    return out


def _of_task(
    run: Run, results: Mapping[str, Any], tag: str, notes: list[str]
) -> dict[tuple[str, str], Number]:  # fmt: skip
    """Return the error of predicted costs and the tau of plan values, of tasks that were asked to choose."""
    rows = [r for r in _planned(results, tag) if r["protocol"] == "choose"]
    out = {(r["task"], VALUE): Number(r["kendall"]) for r in rows if r["kendall"] is not None}
    off: dict[str, dict[str, list[float]]] = {}
    readings = {r["task"]: r["read"] for r in rows}
    for record in run.records() if rows else ():
        choice, task = record.get("choice"), record["probe"]
        if choice and record["tag"] == tag and record["arm"] == readings.get(task):
            gap = np.abs(np.subtract(choice["predicted"], choice["true"], dtype=np.float64))
            off.setdefault(task, {}).setdefault(record["case_id"], []).append(float(gap.mean()))
    if lacking := sorted(r["task"] for r in rows if r["task"] not in off):
        notes.append(
            f"no cost error of {', '.join(lacking)} in {run.path}: no choice is measured by this "
            f"version of the code; `wmeval score {run.path}` measures it again"
        )
    for task, cases in off.items():
        out[task, COST] = _spread([float(np.mean(v)) for v in cases.values()])
    return out


def _spread(values: Sequence[float]) -> Number:
    from wmeval.stats import free_mean

    told = free_mean(values)
    return Number(told.mean, told.lo, told.hi, higher=False, unit="of the task's cost")
