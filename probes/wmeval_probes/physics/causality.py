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

from wmeval.caption import caption
from wmeval.probe import Measurement, Probe, Twin
from wmeval.scene import Body, Case, Hidden, Scene, occluder, side_camera, wall
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval_probes.physics.draw import EDGE, LEFT, RIGHT, half_height, half_width, hues, radius, solid, stage

Floats = NDArray[np.float64]
SPEEDS, FAST = (0.8, 1.5), (1.7, 2.4)  # m/s
RESTITUTION = (0.6, 1.0)  # of each body; a pair's is the product
MASS = 5.0  # kg, of every body: what cannot be seen is the same for all
MEETS_S = (0.55, 0.85)  # after the cut
AFTER_S = 0.85  # from contact to the end
STARTED = 0.12  # m from its place: so far off, a body has started to move
BEGUN, ARRIVED = 0.3, 0.7  # of the way to the place of contact: up to here none came, from here on all
LAUNCH = 4  # frames of moving on which its onset is fitted
THIN = 0.06  # m, half the thickness of the wall between


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return a launching with contact and the same with a wall between; "control": the body moves away."""
    while (drawn := _launch(rng, tag)) is None:
        pass
    scene, barrier = drawn
    if tag == "control":
        return Case({"away": _away(scene)})
    blocked = replace(scene, bodies=(*scene.bodies, barrier))
    return Case({"contact": scene, "none": replace(blocked, caption=caption(blocked.bodies))})


def _launch(rng: np.random.Generator, tag: str) -> tuple[Scene, Body] | None:
    """Return a scene in which the first body hits the second, and a wall that would prevent it."""
    cut = round(float(rng.integers(4, 8)) / 10, 1)
    meets = cut + float(rng.uniform(*MEETS_S))
    speed = float(rng.uniform(*(FAST if tag == "ood-speed" else SPEEDS)))
    side, size, (one, two) = int(rng.choice([-1, 1])), radius(rng, tag), hues(rng, 2)
    more = {"friction": 0.0, "mass": MASS}
    a, b = (
        solid(rng, h, size, (0.0, 0.0, 1.0), boxes=0.4, restitution=float(rng.uniform(*RESTITUTION)), **more)
        for h in (one, two)
    )
    run = speed * meets
    left = half_width(a) + EDGE  # of the start
    touch = half_width(a) + half_width(b)
    beyond = speed * AFTER_S + half_width(b) + EDGE
    room = RIGHT - LEFT - left - run - touch - beyond
    gap = float(rng.uniform(0.08, 0.3))
    if room < 0 or (gap + 2 * THIN) / speed > meets - cut - 0.25:
        return None
    start = LEFT + left + room * float(rng.random())
    at = start + run + touch  # of the second body
    a = replace(a, position=(side * start, 0.0, half_height(a)), velocity=(side * speed, 0.0, 0.0))
    b = replace(b, position=(side * at, 0.0, half_height(b)))
    tall = float(rng.uniform(0.9, 1.5)) * half_height(a)
    stands = (side * (at - half_width(b) - gap - THIN), 0.0, tall)
    barrier = wall("wall", half=(THIN, 0.45, tall), position=stands, friction=0.0, restitution=1.0,
                   value=float(rng.uniform(0.2, 0.45)))  # fmt: skip
    bodies = (a, b, *stage(rng, friction=0.0, restitution=1.0))
    scene = Scene(
        bodies=bodies,
        camera=side_camera(),
        duration_s=float(np.ceil((meets + AFTER_S) * 10 - 1e-9) / 10),
        cut_s=cut,
        needs_s=0.4,
        profile="impact",
        caption=caption(bodies),
        hidden=tuple(Hidden(f"{x.name}.restitution", *RESTITUTION) for x in (a, b)),
        tag=tag,
    )
    return scene, barrier


def _away(scene: Scene) -> Scene:
    """Return the scene in which the first body leaves from beside the second."""
    a, b = scene.moving
    side = float(np.sign(a.velocity[0]))
    near = b.position[0] - side * (half_width(a) + half_width(b) + 0.2)
    gone = min(float(np.linalg.norm(a.velocity)), (abs(near - side * LEFT) - 0.5) / scene.duration_s)
    a = replace(a, position=(near, 0.0, a.position[2]), velocity=(-side * gone, 0.0, 0.0))
    return replace(scene, bodies=(a, *scene.bodies[1:]))


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
    onset, _, blur = _crossing(t[k : k + LAUNCH], off[k : k + LAUNCH], 0.0)
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

    The interval is Newcombe's (1998, method 10) for a difference of two shares, from Wilson's intervals.
    """
    both = [
        m.evidence["moved"] for m in measurements if {"contact", "none"} <= set(m.evidence.get("moved", {}))
    ]
    if not both:
        nothing = {"value": None, "lo": None, "hi": None, "n": 0, "reason": "no case had both arms"}
        return {"causal contrast": nothing}
    (p, p_lo, p_hi), (q, q_lo, q_hi) = (_wilson([m[arm] for m in both]) for arm in ("contact", "none"))
    low = p - q - float(np.hypot(p - p_lo, q_hi - q))
    high = p - q + float(np.hypot(p_hi - p, q - q_lo))
    return {
        "causal contrast": {
            "value": p - q, "lo": low, "hi": high, "reason": "", "n": len(both),
            "moves with contact": p, "moves without": q,
        }
    }  # fmt: skip


def _wilson(yes: Sequence[bool]) -> tuple[float, float, float]:
    """Return a share with its 95 % Wilson interval."""
    n, p, z = len(yes), float(np.mean(yes)), 1.96
    middle, reach = p + z**2 / (2 * n), z * float(np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)))
    return p, (middle - reach) / (1 + z**2 / n), (middle + reach) / (1 + z**2 / n)


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
    """Return the truth in which the second body gets its speed `lag_s` after contact, or before."""
    from wmeval.world import resume

    a, b = truth.names[:2]
    touch = meeting(truth).time_s
    after = int(np.ceil(touch * truth.clock_hz)) + 4
    speed = {b: (float(truth.velocity[after, 1, 0]), 0.0, 0.0)}
    if lag_s < 0:
        return resume(truth, touch + lag_s, velocity=speed)
    before = int(np.floor(touch * truth.clock_hz)) / truth.clock_hz
    still = {a: (0.0, 0.0, 0.0), b: (0.0, 0.0, 0.0)}
    return resume(resume(truth, before, velocity=still), touch + lag_s, velocity=speed)


def twin(rng: np.random.Generator, tag: str) -> Twin:
    """Return a launching behind a screen with and without a wall, which is shown before the screen falls."""
    while (drawn := _twin(rng, tag)) is None:
        pass
    return drawn


def _twin(rng: np.random.Generator, tag: str) -> Twin | None:
    launched = _launch(rng, tag)
    if launched is None:
        return None
    scene, barrier = launched
    a, b = scene.moving
    side, speed = float(np.sign(a.velocity[0])), abs(a.velocity[0])
    grown = 14.0 / 13.0  # the screen stands a metre nearer to the eye than what it hides
    left = side * barrier.position[0] - THIN - 0.2
    right = side * b.position[0] + half_width(b) + 0.2
    high = 2 * max(half_height(b), half_height(barrier)) + 0.6
    falls, down = 0.4, 0.7
    arrives = (left - side * a.position[0] - half_width(a)) / speed  # behind the screen
    meets = (side * (b.position[0] - a.position[0]) - half_width(a) - half_width(b)) / speed
    slowest = speed * (1 + RESTITUTION[0] ** 2) / 2
    out = meets + 0.2 / speed
    if arrives < down + 0.2 or scene.duration_s < meets + 0.2 / slowest + 0.4:
        return None
    low = (side * (left + right) / 2 / grown, -1.0, high / 2)
    above = (low[0], low[1], low[2] + 2.0)
    screen = occluder("screen", half=((right - left) / 2 / grown, 0.05, high / 2), position=above,
                      path=((falls, above), (down, low)), value=float(rng.uniform(0.12, 0.35)))  # fmt: skip
    # a wall that gives nothing back keeps the first body behind the screen
    dull = replace(barrier, restitution=0.0)
    cut = float(np.floor(arrives * 10) / 10)
    made = [
        replace(scene, bodies=bodies, caption=caption(bodies), cut_s=cut)
        for bodies in ((*scene.bodies, screen), (*scene.bodies, screen, dull))
    ]
    return Twin("factorial", made[0], made[1], round(down + 0.1, 1), (round(out, 3), scene.duration_s))


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
