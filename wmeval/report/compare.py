"""Runs against the first of them, paired: the difference on scenes that both answered, with its interval.

Two intervals that overlap say little of a difference on the same scenes; the difference of each scene does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wmeval.errors import UsageError
from wmeval.report.read import measured
from wmeval.run import Run
from wmeval.run.instruments import worst
from wmeval.stats import paired_difference

Key = tuple[str, str, str]  # probe@version, instrument, tag


@dataclass(frozen=True)
class Difference:
    """How much more `other` has than `base` of one thing, over the n cases of both.

    The thing is the skill of a probe, or the mean of a metric over clips (then `probe` is its name).
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

    @property
    def worse(self) -> bool:
        """Whether the interval says that `other` does worse."""
        return self._beyond(not self.higher)

    @property
    def better(self) -> bool:
        """Whether the interval says that `other` does better."""
        return self._beyond(self.higher)

    def _beyond(self, above: bool) -> bool:
        end = self.lo if above else self.hi
        return end is not None and (end > 0 if above else end < 0)


def compare(runs: Sequence[Run]) -> list[Difference]:
    """Return the differences of every later run from the first, in the order of its probes.

    Raises:
        UsageError: fewer than two runs, one that is not scored, or runs without a probe in common.
    """
    if len(runs) < 2:
        raise UsageError(f"compare was given {len(runs)} run; expected a first one and one or more others")
    base, *others = runs
    first = _values(base)
    rows = [row for other in others for row in _differences(base, first, other)]
    if not rows:
        raise UsageError("the runs have no probe of the same version and tag in common")
    return rows


def compare_metrics(runs: Sequence[Run]) -> list[Difference]:
    """Return the differences of every later run from the first in each metric that reads single clips."""
    from wmeval import registry

    base, *others = runs
    first, rows = _clips(base), []
    for other in others:
        second = _clips(other)
        for name in dict.fromkeys(name for clip in first.values() for name in clip):
            metric = registry.load_metric(name)
            pairs = [
                (a, b)
                for clip in sorted(first.keys() & second.keys())
                if (a := first[clip].get(name)) is not None and (b := second[clip].get(name)) is not None
            ]
            if metric.kind == "set" or not pairs:
                continue
            before, after = np.array(pairs).T
            told = paired_difference(after, before)
            rows.append(
                Difference(
                    metric.name, "rollout", "all", str(base.path), str(other.path), told.mean, told.lo,
                    told.hi, len(pairs), float(before.mean()), float(after.mean()), told.reason,
                    metric.better == "higher",
                )
            )  # fmt: skip
    return rows


def notes(runs: Sequence[Run]) -> list[str]:
    """Return what stands against a comparison: other classes, other seeds, runs that are not whole."""
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


def _differences(base: Run, first: Mapping[Key, Mapping[str, float]], other: Run) -> list[Difference]:
    rows = []
    second, skills = _values(other), [_skills(base), _skills(other)]
    for key, before in first.items():
        if key not in second:
            continue
        shared = sorted(before.keys() & second[key].keys())
        low = min(_lowest(base, key), _lowest(other, key))
        told = paired_difference(
            [second[key][c] for c in shared], [before[c] for c in shared], bounds=(low, 1.0)
        )
        whole = len(shared) == len(before) == len(second[key])
        reason = told.reason or ("" if whole else "not all cases are shared")
        rows.append(
            Difference(
                *key, str(base.path), str(other.path), told.mean if shared else None, told.lo, told.hi,
                len(shared), skills[0].get(key), skills[1].get(key), reason,
            )
        )  # fmt: skip
    return rows


def _values(run: Run) -> dict[Key, dict[str, float]]:
    """Return probe and tag -> case -> its unclipped skill, the mean over replicates."""
    cases: dict[Key, dict[str, list[float]]] = {}
    for record in measured(run):
        if record["value"] is not None:
            of = cases.setdefault((record["probe"], record["instrument"], record["tag"]), {})
            of.setdefault(record["case_id"], []).append(record["value"])
    return {key: {case: float(np.mean(v)) for case, v in of.items()} for key, of in cases.items()}


def _clips(run: Run) -> dict[tuple[str, str, str, int], dict[str, float | None]]:
    """Return clip -> metric -> mean over its frames."""
    return {
        (r["probe"], r["tag"], r["case_id"], r["replicate"]): {n: c["mean"] for n, c in r["metrics"].items()}
        for r in measured(run)
        if r["metrics"]
    }


def _skills(run: Run) -> dict[Key, float | None]:
    return {(s["probe"], s["instrument"], s["tag"]): s["skill"] for s in run.results["scores"]}


def _lowest(run: Run, key: Key) -> float:
    """Return the skill that a case has at the probe's worst error."""
    from wmeval import registry

    score = next(s for s in run.results["scores"] if (s["probe"], s["instrument"], s["tag"]) == key)
    probe = registry.load_probe(next(u.given for u in run.units if u.probe == key[0]))
    most = worst(score["instrument"], probe)
    return (float(score["null"]) - most) / (float(score["null"]) - float(score["ceiling"]))


def as_rows(differences: Sequence[Difference]) -> list[dict[str, Any]]:
    """Return the differences as JSON values."""
    from dataclasses import asdict

    return [{**asdict(d), "worse": d.worse} for d in differences]
