"""Does a resting body start to move when it is hit, then and only then?

The launching event: one body glides up to another. In the arm "contact" nothing is between them, in the arm
"none" a wall is. How fast the second body leaves is open, since restitution is hidden; when it leaves is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.probe import Measurement, Probe
from wmeval.scene import Case
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval_probes.physics.launches import case, twin

Floats = NDArray[np.float64]
STARTED = 0.12  # m from its place: so far off, a body has started to move
BEGUN, ARRIVED = 0.3, 0.7  # of the way to the place of contact: up to here none came, from here on all
LAUNCH, LONGEST = 4, 8  # frames of moving on which its onset is fitted, while they lie on a line
STEADY = 0.05  # m off that line: as far as a flat side between two pixels is seen beside its place


@dataclass(frozen=True)
class Meeting:
    """What truth says of the first body's way: along `side`, from `start` at the cut to `place` [m].

    `time_s` is when it hits the second body; NaN = it never does.
    """

    side: float
    start: float
    place: float
    time_s: float


def meeting(truth: Truth) -> Meeting:
    """Return where the first body of a scene is going, and when it hits the second."""
    scene, contacts = truth.scene, truth.contacts
    side = float(np.sign(scene.moving[0].velocity[0]))
    start = side * float(truth.poses_at(np.array([scene.cut_s]))[0][0, 0, 0])
    floor = [i for i, b in enumerate(scene.bodies) if b.role == "floor"]
    hits = ((contacts.a == 0) | (contacts.b == 0)) & ~np.isin(contacts.a, floor) & ~np.isin(contacts.b, floor)
    end, time = scene.duration_s, float("nan")
    if hits.any():
        row = int(np.argmax(hits))
        end = float(contacts.time[row])
        time = end if 1 in (contacts.a[row], contacts.b[row]) else time
    place = side * float(truth.poses_at(np.array([end]))[0][0, 0, 0])
    return Meeting(side, start, place, time)


def event(tracks: Mapping[str, Tracks], truths: Mapping[str, Truth]) -> Mapping[str, float]:
    """Return how far the first body came on its way to where it touches, in each arm."""
    shares = {}
    for arm, truth in truths.items():
        met, asked = meeting(truth), tracks[arm].after(truth.scene.cut_s)
        came = np.append(met.side * asked.position[asked.found[:, 0], 0, 0], met.start).max()
        progress = (came - met.start) / (met.place - met.start)
        shares[arm] = float(np.clip((progress - BEGUN) / (ARRIVED - BEGUN), 0.0, 1.0))
    return shares


@dataclass(frozen=True)
class Launch:
    """When the second body of a scene starts to move, and how late after contact [s] or early (< 0)."""

    onset_s: float  # NaN = it never starts
    lag_s: float
    sigma_s: float
    speed: float  # m/s, of the first body as it comes near
    lost: float  # share of the predicted frames in which the second body is not found


def launch(tracks: Tracks, truth: Truth) -> Launch:
    """Return what a video shows of a launching; contact is when the first body comes to its place."""
    met, cut = meeting(truth), truth.scene.cut_s
    rest = tracks.position[(tracks.times <= cut + 1e-9) & tracks.found[:, 1], 1, 0]
    later = tracks.after(cut)
    seen = later.found[:, 1]
    lost = float(1 - seen.mean()) if len(seen) else 1.0
    nothing = Launch(float("nan"), float("nan"), float("inf"), float("nan"), lost)
    if not len(rest) or not seen.any():
        return nothing
    t, off = later.times[seen], met.side * (later.position[seen, 1, 0] - np.median(rest))
    moving = np.abs(off) > STARTED
    moving &= np.append(moving[1:], True)  # one frame alone is no motion
    if not moving.any():
        return nothing
    k = int(np.argmax(moving))
    last = _steady(t[k:], off[k:]) + k
    onset, _, blur = _crossing(t[k:last], off[k:last], 0.0)
    came = tracks.found[:, 0] & (tracks.times > cut - 0.35)
    x = met.side * tracks.position[:, 0, 0]
    with np.errstate(invalid="ignore"):
        there = came & (x >= met.place - 0.05)
    came[int(np.argmax(there)) if there.any() else len(came) :] = False
    near = np.flatnonzero(came)[-6:]
    if len(near) < 2:
        return replace(nothing, onset_s=onset)
    arrives, speed, doubt = _crossing(tracks.times[near], x[near], met.place)
    return Launch(onset, onset - arrives, float(np.hypot(blur, doubt)), speed, lost)


def _steady(t: Floats, x: Floats) -> int:
    """Return for how many frames x (t) goes on as its first ones do, `LAUNCH` to `LONGEST` if there are."""
    n = min(LAUNCH, len(t))
    while LAUNCH <= n < min(LONGEST, len(t)):
        slope, offset = np.polyfit(t[:n], x[:n], 1)
        if abs(x[n] - offset - slope * t[n]) > STEADY:
            break
        n += 1
    return n


def _crossing(t: Floats, x: Floats, level: float) -> tuple[float, float, float]:
    """Return when a line through x (t) crosses a level, its slope, and the sigma of the time."""
    if len(t) < 2:
        return float(t[0]), float("nan"), 0.05
    slope, offset = np.polyfit(t - t[0], x, 1)
    if abs(slope) < 0.05:
        return float(t[0]), float(slope), 0.1
    rough = max(float(np.std(x - offset - slope * (t - t[0]))), 0.01)
    at = (level - offset) / slope
    spread = (t - t[0]).std()
    far = 1 + (at - (t - t[0]).mean()) ** 2 / spread**2
    return float(t[0] + at), float(slope), float(rough / abs(slope) * np.sqrt(far / len(t)))


def measure(tracks: Mapping[str, Tracks], truths: Mapping[str, Truth]) -> Mapping[str, Measurement]:
    """Return for each arm by how much the start of the second body is off [s].

    With contact it is the lag from the first body's arrival to the second's start, either sign; without,
    a start at all is the worst. So is a body that never starts, and every frame in which it is lost adds.
    """
    seen = {arm: launch(tracks[arm], truth) for arm, truth in truths.items()}
    moved = {arm: bool(np.isfinite(one.onset_s)) for arm, one in seen.items()}
    told = {}
    for arm, one in seen.items():
        lost = PROBE.worst * one.lost
        evidence = {"moved": moved, "lost": one.lost}
        if not np.isfinite(meeting(truths[arm]).time_s):
            told[arm] = Measurement(PROBE.worst if moved[arm] else lost, evidence=evidence)
        elif not np.isfinite(one.lag_s):
            told[arm] = Measurement(PROBE.worst, "the body that is hit never starts", evidence=evidence)
        else:
            gap = max(0.0, -one.lag_s * one.speed)
            implied = {
                "onset lag s": (one.lag_s, one.sigma_s),
                "gap at onset m": (gap, one.sigma_s * abs(one.speed)),
            }
            told[arm] = Measurement(abs(one.lag_s) + lost, implied=implied, evidence=evidence)
    return told


def reduce(cases: Sequence[Case], measurements: Sequence[Measurement]) -> Mapping[str, Any]:
    """Return the causal contrast P(moves | contact) - P(moves | none) with its 95 % interval.

    Both arms of a case are one scene, so the interval is that of paired differences (`wmeval.stats`).
    """
    from wmeval.stats import paired_difference

    both = [
        m.evidence["moved"] for m in measurements if {"contact", "none"} <= set(m.evidence.get("moved", {}))
    ]
    if not both:
        nothing = {"value": None, "lo": None, "hi": None, "n": 0, "reason": "no case had both arms"}
        return {"causal contrast": nothing}
    moves = {arm: [float(m[arm]) for m in both] for arm in ("contact", "none")}
    told = paired_difference(moves["contact"], moves["none"], bounds=(0.0, 1.0))
    return {
        "causal contrast": {
            "value": told.mean, "lo": told.lo, "hi": told.hi, "reason": told.reason, "n": told.n,
            "moves with contact": float(np.mean(moves["contact"])),
            "moves without": float(np.mean(moves["none"])),
        }
    }  # fmt: skip


def violate(truths: Mapping[str, Truth], strength: float, rng: np.random.Generator) -> Mapping[str, Truth]:
    """Return the truths in which the body that is hit starts `strength` seconds too early or too late.

    In a late start the first body stands still where it touched. The arm without contact stays as it is.
    """
    if strength == 0:
        return truths
    late = bool(rng.integers(2))
    return {
        arm: shifted(truth, strength if late else -strength) if np.isfinite(meeting(truth).time_s) else truth
        for arm, truth in truths.items()
    }


def shifted(truth: Truth, lag_s: float) -> Truth:
    """Return the truth in which the second body gets its speed `lag_s` after contact, or before.

    Where it is early the first body slows at the place of contact all the same, and does not hit it again.
    """
    from wmeval.world import resume

    a, b = truth.names[:2]
    touch = meeting(truth).time_s
    after = int(np.ceil(touch * truth.clock_hz)) + 4
    slows, speed = ({n: (float(truth.velocity[after, i, 0]), 0.0, 0.0)} for i, n in enumerate((a, b)))
    if lag_s < 0:
        return resume(resume(truth, touch + lag_s, velocity=speed), touch, velocity=slows)
    before = int(np.floor(touch * truth.clock_hz)) / truth.clock_hz
    still = {a: (0.0, 0.0, 0.0), b: (0.0, 0.0, 0.0)}
    return resume(resume(truth, before, velocity=still), touch + lag_s, velocity=speed)


PROBE = Probe(
    name="causality",
    version="0.1",
    unit="s by which the start is off",
    worst=0.5,
    null="freeze",
    strengths=(0.05, 0.1, 0.2, 0.3, 0.4),
    strength_unit="seconds by which a body starts too early or too late",
    tags=("iid", "ood-speed", "ood-size", "control"),
    horizon_s=1.8,
    case=case,
    event=event,
    measure=measure,
    violate=violate,
    summary="A body glides up to a resting one; does that start to move when it is hit, and only then?",
    reduce=reduce,
    must_see=0.2,
    twin=twin,
)
