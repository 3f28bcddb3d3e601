"""Runs against one another, paired: differences on the scenes that they share, and the ranks these allow.

Two intervals that overlap say little of a difference on the same scenes; the difference of each scene does.
A verdict holds for the table as a whole: p-values are corrected by Holm for all rows, so that a model that is
as good as the first is called worse anywhere in one comparison of twenty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from wmeval.chance import holm, paired_p, rank_ranges
from wmeval.errors import UsageError
from wmeval.measure.choosing import judge
from wmeval.report.read import measured
from wmeval.run import Run
from wmeval.run.instruments import PLANNING, UNASKED, worst
from wmeval.stats import LEVEL, MIN_N, paired_difference

Key = tuple[str, str, str]  # probe@version, instrument and how clips were matched, tag


@dataclass(frozen=True)
class Difference:
    """How much more `other` has than `base` of one thing, over the n cases of both.

    The thing is the skill of a probe, the share of a task's problems that are solved, or the mean of a metric
    over clips (then `probe` is the task's or the metric's name, and `_skill` that share or mean).
    `p` is that of this row alone, as its interval is; `p_holm` is corrected for all rows, and decides.
    """

    probe: str
    instrument: str
    tag: str
    base: str  # folder
    other: str
    difference: float | None
    lo: float | None
    hi: float | None
    n: int
    base_skill: float | None
    other_skill: float | None
    reason: str = ""
    higher: bool = True  # whether more of it is better
    p: float | None = None
    p_holm: float | None = None

    @property
    def worse(self) -> bool:
        """Whether `other` does worse, beyond what chance explains in a table of so many rows."""
        return self._beyond(not self.higher)

    @property
    def better(self) -> bool:
        """Whether `other` does better, beyond what chance explains in a table of so many rows."""
        return self._beyond(self.higher)

    def _beyond(self, above: bool) -> bool:
        if self.p_holm is None or self.difference is None or self.p_holm > 1 - LEVEL:
            return False
        return self.difference > 0 if above else self.difference < 0


@dataclass(frozen=True)
class Rank:
    """The ranks (1 is best) that a run may have in one row, among all runs on the n cases of all."""

    probe: str
    instrument: str
    tag: str
    run: str  # folder
    mean: float  # skill of the shared cases, before it is clipped; success of problems
    best: int
    worst: int
    n: int


@dataclass(frozen=True)
class Comparison:
    """Every later run against the first one in skills and metrics, the ranks of all, and what to mind."""

    differences: list[Difference]
    planning: list[Difference]
    metrics: list[Difference]
    ranks: list[Rank]
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        rows = {"differences": self.differences, "planning": self.planning, "metrics": self.metrics}
        told: dict[str, Any] = {k: [{**asdict(d), "worse": d.worse} for d in v] for k, v in rows.items()}
        return {**told, "ranks": [asdict(r) for r in self.ranks], "notes": self.notes}


@dataclass(frozen=True)
class Answers:
    """What one run says of each case."""

    path: str
    values: Mapping[Key, Mapping[str, float]]  # unclipped skill, the mean over replicates
    plans: Mapping[Key, Mapping[str, float]]  # success of each problem, by task and by how it was planned
    metrics: Mapping[str, Mapping[str, float]]  # name -> probe, tag and case -> mean over frames, replicates
    scores: Mapping[Key, Mapping[str, Any]]
    lowest: Callable[[Key], float]  # the skill that a case has at the worst error


def compare(runs: Sequence[Run]) -> Comparison:
    """Return what later runs do otherwise than the first, in the order of its probes.

    Raises:
        UsageError: fewer than two runs, one that is not scored, or runs that cannot be paired: of other
            suites, views, versions of a probe, or scored against other anchors.
    """
    if len(runs) < 2:
        raise UsageError(f"compare was given {len(runs)} run; expected a first one and one or more others")
    check_pairs(runs)
    base, *others = every = [answers(run) for run in runs]
    _check_anchors(every)
    rows = [row for other in others for row in _differences(base, other)]
    plans = [row for other in others for row in _plans(base, other)]
    if not rows and not plans:
        raise UsageError(
            f"{base.path} and the others share no probe or task and tag, so nothing can be paired; "
            "run them with the same --suite, --probe or --task"
        )
    told = _notes(runs)
    if not any(row.p is not None for row in (*rows, *plans)):
        told.append(f"no row has {MIN_N} cases in common, so nothing can be told apart, nor stop a gate")
    metrics = [row for other in others for row in _metrics(base, other)]
    return Comparison(_corrected(rows), _corrected(plans), _corrected(metrics), _ranks(every), told)


def check_pairs(runs: Sequence[Run]) -> None:
    """Raise UsageError, with the sentence that tells why, where runs did not answer the same scenes."""
    base, *others = runs
    first = {p.partition("@")[0]: p for p in (u.probe for u in base.units)}
    for other in others:
        for what in ("suite", "view"):
            one, two = base.manifest[what], other.manifest[what]
            if one != two:
                raise UsageError(
                    f"{base.path} is of {what} {_words(one)} and {other.path} of {_words(two)}; only runs on "
                    f"the same {what} can be paired: run one of them again with the other's"
                )
        for key in dict.fromkeys(u.probe for u in other.units):
            of = first.get(key.partition("@")[0], key)
            if of != key:
                raise UsageError(
                    f"{base.path} answers {of} and {other.path} {key}, whose scenes are others; "
                    "run the older one again, and compare then"
                )


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        rest = ", ".join(f"{k} {v}" for k, v in value.items() if k not in ("width", "height", "fps"))
        return f"{value['width']} x {value['height']} px at {value['fps']:g} fps ({rest})"
    return str(value)


def _check_anchors(answers: Sequence[Answers]) -> None:
    base, *others = answers
    for other in others:
        for key in (k for k in base.scores if k in other.scores):
            one, two = ([s[key][k] for k in ("null", "ceiling")] for s in (base.scores, other.scores))
            if one != two:
                raise UsageError(
                    f"{base.path} and {other.path} were scored against other anchors of {key[0]} "
                    f"({one} and {two}: null, ceiling); `wmeval score RUN` scores each again with what is "
                    "stored now"
                )


def _differences(base: Answers, other: Answers) -> list[Difference]:
    rows = []
    for key in (k for k in base.values if k in other.values):
        bounds = (min(base.lowest(key), other.lowest(key)), 1.0)
        row = _paired(key, base, other, base.values[key], other.values[key], bounds)
        clipped = {"base_skill": base.scores[key]["skill"], "other_skill": other.scores[key]["skill"]}
        rows.append(replace(row, **clipped))
    return rows


def _plans(base: Answers, other: Answers) -> list[Difference]:
    both = ((k, base.plans[k], other.plans[k]) for k in base.plans if k in other.plans)
    return [
        _paired(key, base, other, before, after, (0.0, 1.0))
        for key, before, after in both
        if before.keys() & after.keys()
    ]


def _metrics(base: Answers, other: Answers) -> list[Difference]:
    from wmeval import registry

    rows = []
    for name in (n for n in base.metrics if n in other.metrics):
        metric, before, after = registry.load_metric(name), base.metrics[name], other.metrics[name]
        if metric.kind == "set" or not before.keys() & after.keys():
            continue
        row = _paired((metric.name, "rollout", "all"), base, other, before, after, None)
        rows.append(replace(row, higher=metric.better == "higher"))
    return rows


def _paired(
    key: Key, base: Answers, other: Answers, before: Mapping[str, float], after: Mapping[str, float],
    bounds: tuple[float, float] | None,
) -> Difference:  # fmt: skip
    """Return how much more the other run has than the base on the cases that both have."""
    shared = sorted(before.keys() & after.keys())
    pair = np.array([after[c] for c in shared]), np.array([before[c] for c in shared])
    told = paired_difference(*pair, bounds=bounds)
    whole = len(shared) == len(before) == len(after)
    theirs, mine = (float(side.mean()) if shared else None for side in pair)
    reason = told.reason or ("" if whole else "not all cases are shared")
    return Difference(
        *key, base.path, other.path, told.mean if shared else None, told.lo, told.hi, len(shared), mine,
        theirs, reason, p=paired_p(*pair, bounds=bounds),
    )  # fmt: skip


def _corrected(rows: Sequence[Difference]) -> list[Difference]:
    corrected = holm([row.p for row in rows])
    return [replace(row, p_holm=p) for row, p in zip(rows, corrected, strict=True)]


def _ranks(answers: Sequence[Answers]) -> list[Rank]:
    rows = []
    for key in (*answers[0].values, *answers[0].plans):
        of = [(a, a.values.get(key) or a.plans.get(key)) for a in answers]
        having = [(a, values) for a, values in of if values]
        shared = sorted(set.intersection(*(set(values) for _, values in having)))
        if len(having) < 2 or not shared:
            continue
        scores = [np.array([values[c] for c in shared]) for _, values in having]
        least = min(a.lowest(key) if key in a.values else 0.0 for a, _ in having)
        ranges = rank_ranges(scores, bounds=(least, 1.0))
        rows += [
            Rank(*key, a.path, float(s.mean()), lo, hi, len(shared))
            for (a, _), s, (lo, hi) in zip(having, scores, ranges, strict=True)
        ]
    return rows


def _notes(runs: Sequence[Run]) -> list[str]:
    """Return what stands against a comparison: other classes, runs that are not whole, references."""
    results = [r.results for r in runs]
    told = []
    if len({tuple(r["card"]["classes"]) for r in results}) > 1:
        told.append("the models are of different classes, which are never ranked together")
    for run, result in zip(runs, results, strict=True):
        if result["partial"] or not result["complete"]:
            told.append(f"{run.path} is not the whole suite")
        if result["card"].get("reference"):
            told.append(f"{result['model']['name']} is a reference, not a model")
    return told


def answers(run: Run) -> Answers:
    """Return what a run says of each case, the mean over its replicates.

    Raises:
        UsageError: the run is not scored.
    """
    scores: dict[Key, Mapping[str, Any]] = {}
    usual: dict[tuple[str, str, str], str | None] = {}
    for s in run.results["scores"]:
        scores[s["probe"], _asked(s["instrument"], s.get("matching")), s["tag"]] = s
        usual.setdefault((s["probe"], s["instrument"], s["tag"]), s.get("matching"))
    values: dict[Key, dict[str, list[float]]] = {}
    plans: dict[Key, dict[str, list[float]]] = {}
    metrics: dict[str, dict[str, list[float]]] = {}
    for r in measured(run):
        if r["instrument"] in PLANNING:
            if (solved := _solved(r)) is not None:
                how = ", ".join(f"{r['instrument']}|{r['arm']}".split("|"))
                plans.setdefault((r["probe"], how, r["tag"]), {}).setdefault(r["case_id"], []).append(solved)
            continue
        if r["value"] is not None and r["status"] != UNASKED:
            matching = r.get("matching") or usual.get((r["probe"], r["instrument"], r["tag"]))
            of = values.setdefault((r["probe"], _asked(r["instrument"], matching), r["tag"]), {})
            of.setdefault(r["case_id"], []).append(r["value"])
        for name, cell in r["metrics"].items():
            if cell["mean"] is not None:
                case = "|".join((r["probe"], r["tag"], r["case_id"]))
                metrics.setdefault(name, {}).setdefault(case, []).append(cell["mean"])

    def means(by_case: Mapping[str, Sequence[float]]) -> dict[str, float]:
        return {case: float(np.mean(v)) for case, v in by_case.items()}

    return Answers(
        str(run.path),
        {key: means(v) for key, v in values.items()},
        {key: means(v) for key, v in plans.items()},
        {name: means(v) for name, v in metrics.items()},
        scores,
        lambda key: _lowest(run, scores[key]),
    )


def _solved(record: Mapping[str, Any]) -> float | None:
    """Return whether a problem was solved at its end; None where no model planned, or none was posed.

    An episode that failed was not solved; a choice that the task could not pose has no outcome.
    """
    if record["instrument"] == "choose":
        told = record.get("choice")
        return None if told is None else judge(told["predicted"], told["true"], told["good"]).success
    if not record["arm"].startswith("model|"):
        return None
    return float(record["control"]["success"]) if "control" in record else 0.0


def _asked(instrument: str, matching: str | None) -> str:
    return f"{instrument}, {matching}" if matching else instrument


def _lowest(run: Run, score: Mapping[str, Any]) -> float:
    """Return the skill that a case has at the worst error of a row."""
    from wmeval import registry

    probe = registry.load_probe(next(u.given for u in run.units if u.probe == score["probe"]))
    most = worst(score["instrument"], probe)
    return (float(score["null"]) - most) / (float(score["null"]) - float(score["ceiling"]))
