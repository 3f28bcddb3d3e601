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
from wmeval.stats import paired_difference

Key = tuple[str, str]  # probe@version, tag


@dataclass(frozen=True)
class Difference:
    """How much more skill `other` has than `base` on one probe and tag, over the n cases of both."""

    probe: str
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

    @property
    def worse(self) -> bool:
        """Whether the interval says that `other` has less skill."""
        return self.hi is not None and self.hi < 0


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
            of = cases.setdefault((record["probe"], record["tag"]), {})
            of.setdefault(record["case_id"], []).append(record["value"])
    return {key: {case: float(np.mean(v)) for case, v in of.items()} for key, of in cases.items()}


def _skills(run: Run) -> dict[Key, float | None]:
    return {(s["probe"], s["tag"]): s["skill"] for s in run.results["scores"]}


def _lowest(run: Run, key: Key) -> float:
    """Return the skill that a case has at the probe's worst error."""
    from wmeval import registry

    score = next(s for s in run.results["scores"] if (s["probe"], s["tag"]) == key)
    probe = registry.load_probe(next(u.given for u in run.units if u.probe == key[0]))
    return (float(score["null"]) - probe.worst) / (float(score["null"]) - float(score["ceiling"]))


def as_rows(differences: Sequence[Difference]) -> list[dict[str, Any]]:
    """Return the differences as JSON values."""
    from dataclasses import asdict

    return [{**asdict(d), "worse": d.worse} for d in differences]
