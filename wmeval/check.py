"""Does a probe measure what it says? It is refused unless the truth passes it and laziness does not.

The oracle must have skill .95, and freeze, vanish, blur and noise may have .05 at most, on anchors of the
probe's own making; its violations must be seen, and all that the context leaves open must not matter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wmeval.anchor import LAZY_SKILL, Anchor
from wmeval.calibration import DETECTED, Calibration, Job, Row, run_jobs, summed
from wmeval.camera import View
from wmeval.check_adapter import Finding
from wmeval.errors import UsageError, WmevalError
from wmeval.probe import Probe
from wmeval.scene import Case
from wmeval.seeds import scene_rng
from wmeval.truth import Future, Truth

ORACLE_SKILL = 0.95
LAZY = ("freeze", "vanish", "blur", "noise")
HAPPENED = 0.99  # what `event` must say of the truth
CEILING_SHARE = 0.2  # of the null
CLOSE = 8  # scenes looked at closely: determinism, truth, futures


@dataclass(frozen=True)
class Findings:
    """What was found of a probe, in the order in which one would mend it."""

    probe: str
    findings: tuple[Finding, ...]
    calibration: Calibration | None = None  # None = a check before it failed

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(f.ok for f in self.findings)

    @property
    def verdict(self) -> str:
        """One sentence: that it passes, or what to mend first."""
        if self.ok:
            return f"{self.probe} passes all {len(self.findings)} checks"
        wrong = [f for f in self.findings if not f.ok]
        return f"{self.probe} is refused ({len(wrong)} of {len(self.findings)} checks): {wrong[0].sentence}"


def check_probe(
    probe: Probe, n: int = 40, *, tag: str | None = None, view: View | None = None, workers: int = 1
) -> Findings:
    """Return what was found of a probe on n development scenes and n / 2 others, at a tag (default: first).

    Raises:
        UsageError: n is below 20, too few for a 95th percentile.
    """
    if n < 20:
        raise UsageError(f"a probe was to be checked on {n} scenes; expected 20 or more (`--n 40`)")
    at, of = view or View(), tag or probe.tags[0]
    found = list(_closely(probe, of, at))
    if not all(f.ok for f in found):
        return Findings(probe.key, tuple(found))
    begun = time.perf_counter()
    references = tuple(dict.fromkeys((probe.null, "oracle")))
    jobs = [Job("dev", of, i, at, references) for i in range(n)]
    jobs += [
        Job("dev", of, n + i, at, ("oracle", *LAZY), tuple(s for s in probe.strengths)) for i in range(n // 2)
    ]
    try:
        rows = list(run_jobs(probe, jobs, workers))
    except WmevalError:
        raise
    except Exception as fault:
        wrong = Finding("measures", False, f"{type(fault).__name__} while measuring references: {fault}")
        return Findings(probe.key, (*found, wrong))
    spent = (time.perf_counter() - begun) / len(jobs)
    made = summed(probe, of, at, rows[:n], rows[n:], [])
    found += list(_skills(probe, made.anchor, rows[n:]))
    found += list(_violations(probe, made))
    if all(f.ok for f in found):
        found.append(_told("what the context leaves open", lambda: _open(probe, of, at, made.anchor)))
    found.append(Finding("time", True, f"{spent:.2f} s a case with its references and violations"))
    return Findings(probe.key, tuple(found), made)


def _closely(probe: Probe, tag: str, view: View) -> Iterator[Finding]:
    """Yield what can be said of a few cases without any picture."""
    cases: list[Case] = []

    def draw() -> str:
        for i in range(CLOSE):
            one, two = (probe.case(scene_rng("dev", probe.key, tag, i), tag) for _ in range(2))
            if one.case_id != two.case_id:
                return "`case` drew two cases from one generator; draw everything from `rng` and nothing else"
            if one.tag != tag:
                return f"`case` was asked for tag {tag!r} and drew {one.tag!r}; pass `tag` on to the Scene"
            cases.append(one)
        if len({c.case_id for c in cases}) < CLOSE:
            return "`case` drew the same case from different generators; draw the parameters from `rng`"
        late = [s.duration_s - s.cut_s for c in cases for s in c.arms.values()]
        if max(late) > probe.horizon_s + 1e-6:
            return (
                f"a scene goes on for {max(late):g} s after its cut, the horizon is {probe.horizon_s:g} s; "
                "make horizon_s at least as long, or the scene shorter"
            )
        return ""

    yield _told("cases", draw)
    if not cases:
        return

    truths: list[Mapping[str, Truth]] = []

    def simulate() -> str:
        from wmeval.world import simulate

        for case in cases:
            truths.append({a: simulate(s, futures=probe.futures) for a, s in case.arms.items()})
        again = {a: simulate(s) for a, s in cases[0].arms.items()}
        if any((again[a].position.tobytes() != truths[0][a].position.tobytes()) for a in again):
            return "the same scene was simulated to two truths; this machine's PyBullet is not deterministic"
        return ""

    yield _told("determinism", simulate)
    if len(truths) < len(cases):
        return
    yield _told("the truth passes", lambda: _truth(probe, cases, truths, view))
    yield _told("strength 0", lambda: _untouched(probe, truths))


def _truth(probe: Probe, cases: Sequence[Case], truths: Sequence[Mapping[str, Truth]], view: View) -> str:
    for case, arms in zip(cases, truths, strict=True):
        told = _exact(probe, case, arms, view)
        if told[1] < HAPPENED:
            return (
                f"`event` says {told[1]:.3f} of a truth and must say {HAPPENED} or more; ask for what "
                "happens in every case, or redraw the scenes in which it does not"
            )
        if told[0] > CEILING_SHARE * probe.worst:
            return f"`measure` gives the truth itself an error of {told[0]:.3g}; it must be near 0"
    return ""


def _untouched(probe: Probe, truths: Sequence[Mapping[str, Truth]]) -> str:
    arms = truths[0]
    single = list(arms) == ["main"]
    rng = np.random.default_rng(0)
    same = probe.violate(arms["main"] if single else arms, 0.0, rng)
    made = {"main": same} if single else same
    if any(made[a].position.tobytes() != arms[a].position.tobytes() for a in arms):
        return "`violate` at strength 0 changed the truth; return it as it is"
    return ""


def _skills(probe: Probe, anchor: Anchor, rows: Sequence[Row]) -> Iterator[Finding]:
    null, ceiling = anchor.null, anchor.ceiling
    apart = null > 0 and ceiling <= CEILING_SHARE * null
    yield Finding(
        "ceiling",
        apart,
        f"null {null:.3g} ({probe.null}), ceiling {ceiling:.3g}"
        + (
            ""
            if apart
            else ": the ceiling may be a fifth of the null at most; measure what perception resolves"
        ),
    )
    if not null > ceiling:
        return
    for name in ("oracle", *LAZY):
        values = [anchor.value(r[name][0]) for r in rows]
        skill = float(np.clip(np.mean(values), 0.0, 1.0))
        share = float(np.mean([r[name][1] for r in rows]))
        says = f"{name} has skill {skill:.3f} (event {share:.2f}) on {len(rows)} scenes"
        if name == "oracle":
            ok, wanted = skill >= ORACLE_SKILL, f"must have {ORACLE_SKILL} or more; perception costs too much"
        else:
            ok = skill <= LAZY_SKILL
            wanted = f"may have {LAZY_SKILL} at most; let `event` ask for something that {name} does not do"
        yield Finding(name, ok, says if ok else f"{says} and {wanted}")


def _violations(probe: Probe, made: Calibration) -> Iterator[Finding]:
    strongest = max(made.curve, key=lambda g: g.strength)
    seen = strongest.detected >= DETECTED
    says = ", ".join(f"{g.strength:g}: {g.detected:.2f} (AUROC {g.auroc:.2f})" for g in made.curve)
    yield Finding(
        "violations are seen",
        seen,
        f"detected at strength {says}"
        + (
            ""
            if seen
            else f"; the strongest must be seen in {DETECTED:.0%} of scenes: make `violate` stronger"
        ),
    )


def _open(probe: Probe, tag: str, view: View, anchor: Anchor) -> str:
    """Return what is wrong where a lawful future, which the context does not refuse, is marked down."""
    from wmeval.world import simulate

    values = []
    for i in range(CLOSE):
        case = probe.case(scene_rng("dev", probe.key, tag, i), tag)
        truths = {a: simulate(s, futures=16) for a, s in case.arms.items()}
        for k in range(16):
            futures = {a: as_truth(t, t.futures[k]) for a, t in truths.items()}
            values.append(anchor.value(_exact(probe, case, truths, view, futures)[0]))
    skill = float(np.mean(values))
    if skill < ORACLE_SKILL:
        return (
            f"futures that the context does not tell apart have skill {skill:.3f}, and must have "
            f"{ORACLE_SKILL}: show what the measure rests on before the cut, or do not grade it"
        )
    return ""


def as_truth(truth: Truth, future: Future) -> Truth:
    """Return a future as a truth on the 10 Hz clock, with the orientations of the truth that it varies."""
    times = np.arange(len(future.position)) / 10
    return replace(
        truth,
        clock_hz=10,
        position=future.position,
        orientation=truth.poses_at(times)[1],
        velocity=np.gradient(future.position, 0.1, axis=0),
        spin=np.zeros_like(future.position),
        futures=(),
    )


def _exact(
    probe: Probe,
    case: Case,
    truths: Mapping[str, Truth],
    view: View,
    seen: Mapping[str, Truth] | None = None,
) -> tuple[float, float]:
    """Return error and event of a perfect eye's tracks of `seen` (default: the truths themselves)."""
    from wmeval.trial import Trial

    told = Trial(probe, case, view, truths, {}).exact(seen)
    return told.error, told.event


def _told(name: str, check: Callable[[], str]) -> Finding:
    try:
        wrong = check()
    except WmevalError:
        raise
    except Exception as fault:
        wrong = f"{type(fault).__name__}: {fault}"
    return Finding(name, not wrong, wrong)
