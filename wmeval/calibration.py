"""One probe's calibration: what skill 0 and 1 mean, and the smallest violation that can be seen.

null = mean error of the probe's null reference; ceiling = 95th percentile of the oracle's. At a threshold a
little above it graded violations are looked for on other development scenes, so that a score never comes
without the smallest violation that its instrument sees, and how often it sees one in the truth.
"""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wmeval import promises
from wmeval.anchor import Anchor
from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.probe import Probe
from wmeval.seeds import Split, scene_rng

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

    from wmeval.trial import Eye

REFERENCE_ROWS = ("oracle", "freeze", "vanish", "blur", "linear", "noise")
DETECTED = 0.8  # of the violated scenes: from there a strength is seen
QUIET = 0.975  # of the clean truths lie below the threshold: half of the 5 % that may raise a false alarm
NULLS = 200  # scenes that give the null at most: a null fails alike on all, so that its mean is soon known
LOOKED_AT = 8  # first cases in which a probe must keep its promises, else it gets no anchor
Told = Callable[[int, int], None]  # (cases done, cases in all)


@dataclass(frozen=True)
class Grade:
    """How well one strength of violation is told from clean truths."""

    strength: float
    detected: float  # share above the threshold
    auroc: float  # against clean truths; 0.5 = not told apart
    error: float  # mean


@dataclass(frozen=True)
class Calibration:
    """An anchor with the detection curve that it sums up; `tested` scenes a strength.

    `stress` holds what disturbs the instrument and what else it sees (see wmeval.stress), where that was
    asked for.
    """

    anchor: Anchor
    curve: tuple[Grade, ...]
    tested: int
    oracle: Mapping[str, float]  # median, p90, p95 and worst error of the oracle
    stress: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the calibration as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Job:
    """One case and what is to be tried on it: references by name, violations by strength.

    With `disturbed` the clean video and the one with that violation are tried under every disturbance too.
    """

    split: Split
    tag: str
    index: int
    view: View
    references: tuple[str, ...] = ()
    strengths: tuple[float, ...] = ()
    disturbed: float | None = None


Row = Mapping[str, tuple[float, float, float]]  # reference or strength -> error, event, found


def calibration(
    probe: Probe,
    tag: str,
    view: View,
    n: int = 1000,
    workers: int = 2,
    progress: Told | None = None,
    *,
    tested: int | None = None,
    cases: int = 16,
) -> Calibration:
    """Return a probe's calibration at a tag and View.

    `n` development scenes give the ceiling, the first 200 of them the null, `tested` others (default: n / 2,
    at most 200) the violated ones of the detection curve, and the first `cases` evaluation scenes the
    reference rows.

    Raises:
        UsageError: the probe has no such tag, or n is too small for a 95th percentile.
    """
    if tag not in probe.tags:
        raise UsageError(f"{probe.key} was given the tag {tag!r}; its tags are {', '.join(probe.tags)}")
    if n < 20:
        raise UsageError(
            f"a calibration was given {n} scenes; a 95th percentile needs 20 or more (`--n 100`)"
        )
    tested = min(n // 2, 200) if tested is None else tested
    both, alone = tuple(dict.fromkeys((probe.null, "oracle"))), ("oracle",)
    base = Job("dev", tag, 0, view)
    jobs = [replace(base, index=i, references=both if i < NULLS else alone) for i in range(n)]
    jobs += [
        replace(base, index=n + i, references=("oracle",), strengths=probe.strengths) for i in range(tested)
    ]
    jobs += [replace(base, split="eval", index=i, references=REFERENCE_ROWS) for i in range(cases)]
    rows: list[Row] = []
    for row in run_jobs(probe, jobs, workers):
        rows.append(row)
        if progress is not None:
            progress(len(rows), len(jobs))
    return summed(probe, tag, view, rows[:n], rows[n : n + tested], rows[n + tested :])


def summed(
    probe: Probe, tag: str, view: View, scenes: Sequence[Row], graded: Sequence[Row], evaluated: Sequence[Row]
) -> Calibration:
    """Return the calibration that the rows of three disjoint sets of scenes make."""
    oracle = np.array([r["oracle"][0] for r in scenes])
    null = float(np.mean([r[probe.null][0] for r in scenes if probe.null in r]))
    ceiling = float(np.quantile(oracle, 0.95))
    threshold = max(ceiling, float(np.quantile(oracle, QUIET)))
    anchor = Anchor(probe.key, tag, view, null, ceiling, len(scenes), threshold=threshold)
    clean = np.array([r["oracle"][0] for r in (*scenes, *graded)])
    curve = []
    for strength in probe.strengths:
        broken = np.array([r[f"{strength:g}"][0] for r in graded])
        if len(broken):
            seen = float(np.mean(broken > threshold))
            curve.append(Grade(strength, seen, auroc(broken, clean), float(broken.mean())))
    anchor = replace(
        anchor,
        detectable=next((g.strength for g in sorted_curve(curve) if g.detected >= DETECTED), None),
        false_alarms=crossed(oracle),
        rows={name: reference_row(anchor, probe, evaluated, name) for name in REFERENCE_ROWS}
        if len(evaluated)
        else {},
    )
    of_oracle = {
        "median": float(np.median(oracle)),
        "p90": float(np.quantile(oracle, 0.9)),
        "p95": ceiling,
        "worst": float(oracle.max()),
    }
    return Calibration(anchor, tuple(curve), len(graded), of_oracle)


def crossed(clean: NDArray[np.float64]) -> float:
    """Return the share of clean errors above the threshold of the other half of them, both ways."""
    halves = clean[0::2], clean[1::2]
    over = [np.sum(one > np.quantile(two, QUIET)) for one, two in (halves, halves[::-1])]
    return float(sum(over)) / len(clean)


def sorted_curve(curve: Sequence[Grade]) -> list[Grade]:
    """Return the grades from the weakest violation to the strongest."""
    return sorted(curve, key=lambda g: g.strength)


def auroc(broken: ArrayLike, clean: ArrayLike) -> float:
    """Return P(broken > clean) + P(equal) / 2 (Mann-Whitney U over the number of pairs).

    >>> auroc([1, 2, 2], [0, 2])
    0.6666666666666666
    """
    one, other = np.asarray(broken, dtype=np.float64)[:, None], np.asarray(clean, dtype=np.float64)[None]
    return float(np.mean((one > other) + 0.5 * (one == other)))


def reference_row(anchor: Anchor, probe: Probe, rows: Sequence[Row], name: str) -> dict[str, Any]:
    """Return {skill, lo, hi, error, found, n} of a reference over evaluation scenes."""
    from wmeval.stats import skill_score

    errors = [r[name][0] for r in rows]
    found = np.array([r[name][2] for r in rows])
    row: dict[str, Any] = {"skill": None, "lo": None, "hi": None, "error": float(np.mean(errors))}
    if anchor.null > anchor.ceiling:
        score = skill_score([anchor.value(e) for e in errors], anchor.value(probe.worst), 1.0)
        row |= {"skill": score.skill, "lo": score.lo, "hi": score.hi}
    known = found[np.isfinite(found)]
    return {**row, "found": float(known.mean()) if len(known) else None, "n": len(errors)}


def try_case(probe: Probe, job: Job, eye: Eye | None = None) -> Row:
    """Return what each reference and each violation of one case is worth to an eye (default: perception).

    Raises:
        ProbeFault: a function of the probe broke its promise; the sentence names the case.
    """
    from wmeval.trial import prepare

    row = {}
    with promises.on(f"case {job.index} ({job.split}, {job.tag})"):
        case = promises.drawn(probe, scene_rng(job.split, probe.key, job.tag, job.index), job.tag)
        trial = prepare(probe, case, job.view, eye=eye)
        if job.index < LOOKED_AT and job.tag != "control":
            eyes = trial.perfect()
            promises.arose(probe, eyes, trial.truths)
            promises.not_given_away(probe, eyes, trial.truths)
        for name in job.references:
            told = trial.reference(name)
            row[name] = (told.error, told.event, told.found)
        for strength in job.strengths:
            rng = scene_rng(job.split, probe.key, f"{job.tag}|violate {strength:g}", job.index)
            told = trial.violated(strength, rng)
            row[f"{strength:g}"] = (told.error, told.event, told.found)
        if job.disturbed is not None:
            rng = scene_rng(job.split, probe.key, f"{job.tag}|violate {job.disturbed:g}", job.index)
            for name, told in trial.disturbed(job.disturbed, rng):
                row[name] = (told.error, told.event, told.found)
    return row


def run_jobs(probe: Probe, jobs: Sequence[Job], workers: int = 1) -> Iterator[Row]:
    """Yield the row of each job in order, from `workers` processes.

    A probe that no other process can import is tried in this one.
    """
    where = _address(probe) if workers > 1 else None
    if where is None:
        for job in jobs:
            yield try_case(probe, job)
        return
    from concurrent.futures.process import BrokenProcessPool

    try:
        # one by one: cases differ in length a hundredfold, and a process that waits for the last is idle
        yield from _pool(workers).map(_try_at, [where] * len(jobs), jobs)
    except BrokenProcessPool:
        _pool.cache_clear()
        raise


@cache
def _pool(workers: int) -> ProcessPoolExecutor:
    """Return the processes that try cases; they last, since starting them takes longer than many a case."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    pool = ProcessPoolExecutor(workers, get_context("spawn"), _settle)
    atexit.register(pool.shutdown)
    return pool


def _settle() -> None:
    """Import what trying a case takes, and have the garbage collector look at it no more."""
    import wmeval.trial  # noqa: F401

    gc.freeze()


def _try_at(where: str, job: Job) -> Row:
    from wmeval.registry import load_probe

    return try_case(load_probe(where), job)


def _address(probe: Probe) -> str | None:
    """Return the name or file.py:NAME under which another process finds a probe."""
    from wmeval import registry

    entry = registry.entries("probes").get(probe.name)
    registered: object = entry.load("probes") if entry is not None else None
    if registered is probe:
        return probe.name
    for name in dict.fromkeys(f.__module__ for f in (probe.case, probe.measure, probe.event, probe.violate)):
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        for attribute, value in vars(module).items() if file else ():
            if value is probe:
                return f"{file}:{attribute}"
    return None
