"""Does a probe measure what it says? It is refused unless the truth passes it and laziness does not.

The oracle must have skill .95, and freeze, vanish, blur and noise may have .05 at most, on anchors of the
probe's own making; its violations must be seen and clean truths must not be accused; and all that the
context leaves open must not matter. Scenes are few here, so a share is refused only where chance alone
would hardly make it that large; the numbers are always told.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from wmeval import check_cases, promises
from wmeval.anchor import LAZY_SKILL, Anchor
from wmeval.calibration import DETECTED, Calibration, Job, Row, auroc, run_jobs, sorted_curve, summed
from wmeval.camera import View
from wmeval.check_adapter import Finding
from wmeval.check_cases import CEILING_SHARE, closely, exact, told
from wmeval.errors import EnvironmentFault, UsageError, WmevalError
from wmeval.probe import Probe
from wmeval.seeds import scene_rng
from wmeval.truth import Future, Truth

ORACLE_SKILL = 0.95
LAZY = ("freeze", "vanish", "blur", "noise")
MUST_TELL = 0.95  # AUROC at `must_see`
ALARMS = 0.05  # of clean truths may lie above the ceiling, which is their own 95th percentile
CHANCE = 0.01  # a share is refused where chance would exceed it less often than this
ONE_SIDED = 1.64  # standard errors by which a lazy skill may exceed its limit
FUTURES = 16  # re-simulations a case


@dataclass(frozen=True)
class Findings:
    """What was found of a probe, in the order in which one would mend it.

    `references` holds name -> {skill, error, event, found} on the tested scenes, `seconds` what one case
    costs: {"simulate", "draw", "perceive and measure", "frames"}.
    """

    probe: str
    findings: tuple[Finding, ...]
    calibration: Calibration | None = None  # None = a check before it failed
    references: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    strength_unit: str = ""
    must_see: float | None = None

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

    def to_json(self) -> dict[str, Any]:
        """Return the findings as JSON values."""
        return {**asdict(self), "ok": self.ok, "verdict": self.verdict}


def check_probe(
    probe: Probe, n: int = 40, *, tag: str | None = None, view: View | None = None, workers: int = 1
) -> Findings:
    """Return what was found of a probe on n development scenes and n / 2 others, at a tag (default: first).

    Raises:
        UsageError: n is below 20, too few for a 95th percentile, or the probe has no such tag.
    """
    if n < 20:
        raise UsageError(f"a probe was to be checked on {n} scenes; expected 20 or more (`--n 40`)")
    at, of = view or View(), tag or probe.tags[0]
    if of not in probe.tags:
        raise UsageError(f"{probe.key} was given the tag {of!r}; its tags are {', '.join(probe.tags)}")
    about = Findings(probe.key, (), strength_unit=probe.strength_unit, must_see=probe.must_see)
    found = list(closely(probe, of, at, check_cases.CLOSE))
    if not all(f.ok for f in found):
        return replace(about, findings=tuple(found))
    references = tuple(dict.fromkeys((probe.null, "oracle")))
    jobs = [Job("dev", of, i, at, references) for i in range(n)]
    jobs += [Job("dev", of, n + i, at, ("oracle", *LAZY), _strengths(probe)) for i in range(n // 2)]
    if "control" in probe.tags and of != "control":
        jobs += [Job("dev", "control", i, at, ("oracle",)) for i in range(n // 2)]
    try:
        rows = list(run_jobs(probe, jobs, workers))
    except EnvironmentFault:
        raise
    except Exception as fault:
        kind = "" if isinstance(fault, WmevalError) else f"{type(fault).__name__}: "
        wrong = Finding("measures", False, f"{kind}{fault}")
        return replace(about, findings=(*found, wrong))
    tested = rows[n : n + n // 2]
    made = summed(replace(probe, strengths=_strengths(probe)), of, at, rows[:n], tested, [])
    anchor = made.anchor
    found += list(_skills(probe, anchor, rows[:n], tested))
    found += list(_violations(probe, made, tested))
    found.append(
        _alarms("false alarms", "clean truths", [r["oracle"][0] for r in tested], anchor.alarm_above)
    )
    if control := rows[n + n // 2 :]:
        errors = [r["oracle"][0] for r in control]
        found.append(_alarms("control scenes", "control scenes", errors, anchor.alarm_above))
    if anchor.null > anchor.ceiling:
        found.append(told("what the context leaves open", lambda: _open(probe, of, at, anchor)))
    if probe.twin is not None:
        found.append(told("twins", lambda: _twins(probe, of, at)))
    if (probe.twin is not None or probe.must_see) and all(f.ok for f in found):
        found.append(told("cheap cues", lambda: _cues(probe, of, at, n // 2)))
    seconds = _seconds(probe, of, at)
    found.append(Finding("time", True, _spent(seconds)))
    return replace(
        about,
        findings=tuple(found),
        calibration=made,
        references=_references(anchor, tested),
        seconds=seconds,
    )


def _strengths(probe: Probe) -> tuple[float, ...]:
    """Return the strengths to try: those of the curve, and the one that must be seen."""
    extra = () if probe.must_see is None or probe.must_see in probe.strengths else (probe.must_see,)
    return (*probe.strengths, *extra)


def _references(anchor: Anchor, rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    table = {}
    for name in ("oracle", *LAZY):
        values = np.array([r[name] for r in rows], dtype=np.float64)
        seen = values[np.isfinite(values[:, 2]), 2]
        skill = float("nan")
        if anchor.null > anchor.ceiling:
            skill = float(np.clip(np.mean([anchor.value(e) for e in values[:, 0]]), 0.0, 1.0))
        table[name] = {
            "skill": skill, "error": float(values[:, 0].mean()), "event": float(values[:, 1].mean()),
            "found": float(seen.mean()) if len(seen) else float("nan"),
        }  # fmt: skip
    return table


def _skills(probe: Probe, anchor: Anchor, scenes: Sequence[Row], rows: Sequence[Row]) -> Iterator[Finding]:
    null, ceiling = anchor.null, anchor.ceiling
    apart = null > 0 and ceiling <= CEILING_SHARE * null
    mend = ": the ceiling may be a fifth of the null at most; measure what perception resolves"
    says = f"null {null:.3g} ({probe.null}), ceiling {ceiling:.3g}"
    yield Finding("ceiling", apart, says if apart else says + mend)
    if not null > ceiling:
        return
    unsure = float(np.var([anchor.value(r[probe.null][0]) for r in scenes])) / len(scenes)
    for name, row in _references(anchor, rows).items():
        values = [anchor.value(r[name][0]) for r in rows]
        skill, error = row["skill"], math.sqrt(unsure + float(np.var(values)) / len(rows))
        says = f"{name} has skill {skill:.3f} +- {error:.3f} (event {row['event']:.2f}) on {len(rows)} scenes"
        if name == "oracle":
            ok, wanted = skill >= ORACLE_SKILL, f"must have {ORACLE_SKILL} or more; perception costs too much"
        else:
            # the null itself has skill 0 only up to the scatter of two sets of few scenes
            ok = skill <= LAZY_SKILL + ONE_SIDED * error
            wanted = f"may have {LAZY_SKILL} at most; let `event` ask for something that {name} does not do"
            if ok and skill > LAZY_SKILL:
                says += f": more than {LAZY_SKILL}, which so few scenes do not settle (`--n 200`)"
        yield Finding(name, ok, says if ok else f"{says} and {wanted}")


def _violations(probe: Probe, made: Calibration, rows: Sequence[Row]) -> Iterator[Finding]:
    curve = sorted_curve(made.curve)
    strongest = curve[-1]
    seen = strongest.detected >= DETECTED
    says = f"strength {strongest.strength:g} is detected in {strongest.detected:.2f} of {len(rows)} scenes"
    least = made.anchor.detectable
    says += "" if least is None else f", and {least:g} is the smallest seen in {DETECTED:g} or more"
    mend = f"; the strongest must be seen in {DETECTED:.0%} of them: make `violate` stronger"
    yield Finding("violations are seen", seen, says if seen else says + mend)
    if probe.must_see is not None:
        clean = [r["oracle"][0] for r in rows]
        area = auroc([r[f"{probe.must_see:g}"][0] for r in rows], clean)
        says = f"strength {probe.must_see:g} is told from the truth with AUROC {area:.3f}"
        mend = f", and must be with {MUST_TELL}: choose scenes in which it shows more, or measure it sharper"
        yield Finding("what must be seen", area >= MUST_TELL, says if area >= MUST_TELL else says + mend)
    falls = [
        f"{weak.detected:.2f} at {weak.strength:g} and {strong.detected:.2f} at {strong.strength:g}"
        for i, weak in enumerate(curve)
        for strong in curve[i + 1 :]
        if weak.detected - strong.detected > _slack(weak.detected, strong.detected, len(rows))
    ]
    wrong = f"more is seen less: {'; '.join(falls)}; a violation must be the more wrong the stronger it is"
    yield Finding(
        "stronger is seen more", not falls, wrong if falls else "detection does not fall with strength"
    )


def _slack(one: float, other: float, n: int) -> float:
    """Return by how much two shares of n scenes may differ by chance (2.6 standard errors)."""
    return 2.6 * math.sqrt(max(one * (1 - one) + other * (1 - other), 1 / n) / n)


def _alarms(name: str, of: str, errors: Sequence[float], ceiling: float) -> Finding:
    """Return whether no more lie above the ceiling than chance makes of ALARMS."""
    n, count = len(errors), int(np.sum(np.asarray(errors) > ceiling))
    tail = 1.0 - sum(math.comb(n, k) * ALARMS**k * (1 - ALARMS) ** (n - k) for k in range(count))
    ok = tail >= CHANCE
    says = f"{count} of {n} {of} raise an alarm ({count / n:.2f}, median error {np.median(errors):.3g})"
    mend = f", and {ALARMS} may: nothing is wrong in them, so let `measure` say so"
    return Finding(name, ok, says if ok else says + mend)


def _open(probe: Probe, tag: str, view: View, anchor: Anchor) -> tuple[bool, str]:
    """Return whether lawful futures, which the context does not tell apart, are as good as the truth."""
    from wmeval.world import simulate

    values = []
    for i in range(check_cases.CLOSE):
        case = probe.case(scene_rng("dev", probe.key, tag, i), tag)
        truths = {a: simulate(s, futures=FUTURES) for a, s in case.arms.items()}
        for k in range(FUTURES):
            futures = {a: as_truth(t, t.futures[k]) for a, t in truths.items()}
            values.append(anchor.value(exact(probe, case, truths, view, futures)[0]))
    skill = float(np.mean(values))
    says = f"futures that the context does not tell apart have skill {skill:.3f}"
    mend = (
        f", and must have {ORACLE_SKILL}: show what the measure rests on before the cut, or do not grade it"
    )
    return skill >= ORACLE_SKILL, says if skill >= ORACLE_SKILL else says + mend


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


def _twins(probe: Probe, tag: str, view: View) -> tuple[bool, str]:
    """Return whether the twins of a probe can be crossed over and hold the same frames."""
    from wmeval import twins
    from wmeval.world import simulate

    made, windows = [], []
    for i in range(check_cases.CLOSE):
        with promises.on(f"twin {i} (dev, {tag})"):
            asked = twins.question(probe, tag, i, "dev")
            try:
                clips = twins.members(
                    asked, probe, tag, i, view, lambda s, futures: simulate(s, futures=futures), "dev"
                )
            except twins.Refused as wrong:
                raise promises.fault(probe, "twin", str(wrong)) from wrong
            possible, impossible = (
                twins.multiset([m.clip.frames for m in clips if m.possible is lawful])
                for lawful in (True, False)
            )
            if possible != impossible:
                raise promises.fault(
                    probe, "twin", "possible and impossible clips do not hold the same frames as often"
                )
        made.append(asked.twin.kind if asked.twin else "pairs")
        windows += [m.window[1] - m.window[0] for m in clips]
    return True, (
        f"{len(made)} twins ({', '.join(sorted(set(made)))}) are exact: possible and impossible clips hold "
        f"the same frames, and the difference shows in {min(windows)} to {max(windows)} of them"
    )


def _cues(probe: Probe, tag: str, view: View, n: int) -> tuple[bool, str]:
    """Return whether cues without physics are at chance on matched clips; on pairs, what they score."""
    from wmeval.audit import audit

    made = audit(probe, tag, view, n)
    return made.ok, made.sentence


def _seconds(probe: Probe, tag: str, view: View) -> dict[str, float]:
    """Return the median seconds of one core that a case costs, by what they are spent on, and its frames."""
    from wmeval.trial import prepare
    from wmeval.world import frame_split, simulate

    spent: dict[str, list[float]] = {"simulate": [], "draw": [], "perceive and measure": [], "frames": []}
    for i in range(4):
        case = probe.case(scene_rng("dev", probe.key, tag, i), tag)
        begun = time.process_time()
        for scene in case.arms.values():
            simulate(scene, futures=probe.futures)
        simulated = time.process_time()
        trial = prepare(probe, case, view)
        drawn = time.process_time()
        trial.reference("oracle")
        spent["perceive and measure"].append(time.process_time() - drawn)
        spent["simulate"].append(simulated - begun)
        spent["draw"].append(max(0.0, drawn - simulated - spent["simulate"][-1]))
        asked = [len(frame_split(s, view, probe.horizon_s)[1]) for s in case.arms.values()]
        spent["frames"].append(float(sum(asked)))
    return {name: float(np.median(values)) for name, values in spent.items()}


def _spent(seconds: Mapping[str, float]) -> str:
    frames, seeing = seconds["frames"], seconds["perceive and measure"]
    return (
        f"a case takes {seconds['simulate']:.3f} s to simulate, {seconds['draw']:.3f} s to draw, "
        f"{seeing:.3f} s to perceive and measure ({1000 * seeing / frames:.1f} ms for each of {frames:.0f} "
        "predicted frames) on one core"
    )
