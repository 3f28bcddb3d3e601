"""Do dominoes fall one after the other, each at its time, and does the chain stop at a gap too wide?

The first one is seen to tip and to hit the second. In the arm "full" all of them fall; in the arm "gap" one
gap is wider than a domino is tall, and those beyond it must stand. Gravity shows in how the first one tips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.probe import Measurement, Probe, Twin
from wmeval.scene import Body, Case, Scene, box, occluder, side_camera
from wmeval.tracks import Tracks
from wmeval.truth import Contacts, Truth
from wmeval_probes.physics.draw import EDGE, LEFT, RIGHT, hues, stage

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
TALL, TALLER = (0.37, 0.45), (0.5, 0.56)  # m, half the height
THICK = (0.18, 0.21)  # of the height
GAP = (0.4, 0.5)  # of the height, from face to face: wide enough for the first to stand tipped
TOO_WIDE = 1.25  # of the height
GRAVITY = (4.0, 9.8)  # m/s2
TIP, TURN = (0.24, 0.28), (0.4, 0.7)  # rad and rad/s of the first domino at the start; it balances at 0.2 rad
FALLS = 0.3  # half heights that the centre of a domino has moved when it counts as falling
STOOD = 0.05  # half heights: what moves less than that in truth stands
STEP_S = 0.37  # from one domino to the next at 4 m/s2 and half a height of 0.42 m, at most
AFTER_S = 0.5  # what is left when the last one falls
ASKED_S = 0.05  # after the cut: what falls later is asked about
ARRIVED = 0.7  # of its way after the cut that the first domino must go


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return a row of four or five dominoes and the same with a gap; "control": nothing tips them."""
    while (drawn := _row(rng, tag)) is None:
        pass
    if tag == "control":
        return Case({"stands": _upright(drawn["full"])})
    return Case(drawn)


def _row(rng: np.random.Generator, tag: str) -> dict[str, Scene] | None:
    """Return the scenes of both arms, which differ in where the dominoes beyond the gap stand."""
    large = tag == "ood-size"
    n = 6 if tag == "ood-count" else 4 if large else int(rng.integers(4, 6))
    h = float(rng.uniform(*(TALLER if large else TALL)))
    t, g = h * float(rng.uniform(*THICK)), float(rng.uniform(*GRAVITY))
    step = 2 * t + 2 * h * float(rng.uniform(*GAP))
    wide = 2 * t + 2 * h * TOO_WIDE
    tip, turn = float(rng.uniform(*TIP)), float(rng.uniform(*TURN))
    side, after = int(rng.choice([-1, 1])), int(rng.integers(1, n - 1))
    hits = tips(h, t, g, tip, turn, float(np.arcsin((step - 2 * t) / (2 * h))))
    cut = float(np.ceil((hits + 0.05) * 10 - 1e-9) / 10)
    lasts = cut + STEP_S * float(np.sqrt(h / 0.42 * 4.0 / g)) * (n - 1) + AFTER_S
    lasts = float(np.ceil(lasts * 10) / 10)
    length = (n - 2) * step + wide + 2 * h + 2 * t + 2 * EDGE
    if length > RIGHT - LEFT or hits < 0.3 or cut > 1.2 or lasts - cut > PROBE.horizon_s:
        return None
    start = LEFT + EDGE + t + (RIGHT - LEFT - length) * float(rng.random())
    names, value = hues(rng, n), float(rng.uniform(0.7, 0.95))
    around = stage(rng, friction=1.0)
    arms = {}
    for arm, gap in (("full", step), ("gap", wide)):
        places = [start + step * i + (gap - step) * (i > after) for i in range(n)]
        row = [
            box(f"{hue} domino", half=(t, 0.22, h), position=(side * x, 0.0, h), hue=hue, value=value,
                density=500.0, friction=0.5)
            for hue, x in zip(names, places, strict=True)
        ]  # fmt: skip
        bodies = (_tipped(row[0], side * tip, side * turn), *row[1:], *around)
        arms[arm] = Scene(
            bodies=bodies,
            camera=side_camera(),
            duration_s=lasts,
            cut_s=cut,
            needs_s=min(cut, 0.4),
            profile="rest",
            gravity=g,
            caption=caption(bodies),
            tag=tag,
        )
    return arms


def _tipped(domino: Body, tip: float, turn: float) -> Body:
    """Return a domino turned by `tip` [rad] about its lower edge, to the right if positive, and turning."""
    t, _, h = domino.size
    way, angle = float(np.sign(tip)), abs(tip)
    edge = domino.position[0] + way * t
    x = edge + way * (h * np.sin(angle) - t * np.cos(angle))
    z = t * np.sin(angle) + h * np.cos(angle)
    return replace(
        domino,
        position=(x, 0.0, z),
        orientation=(0.0, np.sin(tip / 2), 0.0, np.cos(tip / 2)),
        velocity=(turn * z, 0.0, -turn * (x - edge)),
        spin=(0.0, turn, 0.0),
    )


def _upright(scene: Scene) -> Scene:
    """Return the scene in which the first domino stands like the others."""
    first = scene.moving[0]
    way = float(np.sign(first.velocity[0]))
    t, _, h = first.size
    second = scene.moving[1].position[0]
    stands = Body(first.name, "box", first.size, (second - way * (2 * t + h), 0.0, h), mass=first.mass,
                  hue=first.hue, value=first.value, friction=first.friction)  # fmt: skip
    return replace(scene, bodies=(stands, *scene.bodies[1:]))


def tips(h: float, t: float, g: float, angle: float, turn: float, until: float) -> float:
    """Return how long [s] a block of half height h and half thickness t [m] takes to tip to an angle [rad].

    It turns about its lower edge: (4/3)(h^2 + t^2) angle'' = g (h sin angle - t cos angle).
    """
    swing = np.linspace(angle, until, 2001)
    gained = h * (np.cos(angle) - np.cos(swing)) + t * (np.sin(angle) - np.sin(swing))
    rate2 = turn**2 + 1.5 * g * gained / (h**2 + t**2)
    return float(np.sum(np.diff(swing) * 2 / (np.sqrt(rate2[1:]) + np.sqrt(rate2[:-1]))))


@dataclass(frozen=True)
class Fall:
    """When each of N dominoes starts to fall [s], NaN = never, and how far it moves at most [half heights].

    `lost` is the share of the predicted frames in which it is not found. The first one is not asked about.
    """

    onset_s: Floats
    moved: Floats
    lost: Floats


@dataclass(frozen=True)
class Row:
    """Where the dominoes of a truth are at T times, in view or not; fields as in Tracks."""

    times: Floats  # (T,) s
    position: Floats  # (T, N, 3) m
    found: Bools  # (T, N)


def true_row(truth: Truth, times: Floats) -> Row:
    """Return where the dominoes of a truth are at times (T,) [s]."""
    position = truth.poses_at(times)[0]
    found: Bools = np.all(np.isfinite(position), axis=-1)
    return Row(times, position, found)


def falls(tracks: Tracks | Row, scene: Scene) -> Fall:
    """Return when dominoes start to fall: when the centre has moved by `FALLS` along the chain."""
    way = float(np.sign(scene.moving[1].position[0] - scene.moving[0].position[0]))
    n, later = len(scene.moving), tracks.times > scene.cut_s + 1e-9
    onset, moved, lost = np.full(n, np.nan), np.full(n, np.inf), np.ones(n)
    for i, body in enumerate(scene.moving[1:], 1):
        seen = tracks.found[:, i]
        lost[i] = float(1 - seen[later].mean()) if later.any() else 1.0
        if seen.sum() < 3:
            continue
        t, x = tracks.times[seen], way * tracks.position[seen, i, 0]
        off = (x - np.median(x[:3])) / body.size[2]
        moved[i] = float(np.abs(off).max())
        far = np.flatnonzero((off[1:] > FALLS) & (off[:-1] <= FALLS))
        if len(far):
            k = int(far[0])
            onset[i] = t[k] + (FALLS - off[k]) / (off[k + 1] - off[k]) * (t[k + 1] - t[k])
    return Fall(onset, moved, lost)


def event(tracks: Mapping[str, Tracks], truths: Mapping[str, Truth]) -> Mapping[str, float]:
    """Return in each arm how far the first domino goes on after the cut; one that stands must be seen."""
    shares = {}
    for arm, truth in truths.items():
        scene, asked = truth.scene, tracks[arm].after(truth.scene.cut_s)
        ends = truth.poses_at(np.array([scene.cut_s, scene.duration_s]))[0][:, 0, 0]
        found, x = asked.found[:, 0], asked.position[asked.found[:, 0], 0, 0]
        if abs(ends[1] - ends[0]) < STOOD * scene.moving[0].size[2]:
            shares[arm] = float(min(1.0, found.mean() / ARRIVED)) if len(found) else 0.0
            continue
        came = np.append((x - ends[0]) / (ends[1] - ends[0]), 0.0).max()
        shares[arm] = float(np.clip(came / ARRIVED, 0.0, 1.0))
    return shares


def measure(tracks: Mapping[str, Tracks], truths: Mapping[str, Truth]) -> Mapping[str, Measurement]:
    """Return for each arm by how much the falls after the cut are off [s], the mean over dominoes.

    One that must fall and does not, or must stand and does not, is off by the worst; so is every frame in
    which one that must stand is lost. Those that fall and those that stand are averaged apart.
    """
    told = {}
    for arm, truth in truths.items():
        scene = truth.scene
        true = falls(true_row(truth, tracks[arm].times), scene)
        seen = falls(tracks[arm], scene)
        asked = true.onset_s > scene.cut_s + ASKED_S
        stand = true.moved < STOOD
        lag = seen.onset_s - true.onset_s
        off = np.where(np.isfinite(lag), np.minimum(np.abs(lag), PROBE.worst), PROBE.worst)[asked]
        fell = np.where(seen.moved[stand] > FALLS, PROBE.worst, PROBE.worst * seen.lost[stand])
        errors = [float(part.mean()) for part in (off, fell) if len(part)]
        known = asked & np.isfinite(lag)
        evidence = {
            "fall s": {n: float(s) for n, s in zip(scene.names, seen.onset_s, strict=True) if np.isfinite(s)},
            "order kept": order(seen.onset_s[known]),
            "stood": float(np.mean(seen.moved[stand] <= FALLS)) if stand.any() else None,
        }
        told[arm] = Measurement(max(errors), implied=_implied(lag[known]), evidence=evidence)
    return told


def _implied(lag: Floats) -> dict[str, tuple[float, float]]:
    if not len(lag):
        return {}
    spread = float(np.std(lag, ddof=1)) if len(lag) > 1 else 0.03
    return {"late by s": (float(np.mean(lag)), max(spread, 0.01) / float(np.sqrt(len(lag))))}


def order(onset_s: Sequence[float] | Floats) -> float | None:
    """Return Kendall's tau of the times of falls with their places in the row; None for fewer than two."""
    s = np.asarray(onset_s)
    if len(s) < 2:
        return None
    i, j = np.triu_indices(len(s), 1)
    return float(np.sign(s[j] - s[i]).mean())


def violate(truths: Mapping[str, Truth], strength: float, rng: np.random.Generator) -> Mapping[str, Truth]:
    """Return the truths in which the chain waits for `strength` seconds after the cut, and then goes on."""
    return truths if strength == 0 else {arm: waits(t, t.scene.cut_s, strength) for arm, t in truths.items()}


def waits(truth: Truth, at_s: float, for_s: float) -> Truth:
    """Return the truth that stands still for a while from a time on, and goes on as if it had not."""
    hold, now = round(for_s * truth.clock_hz), round(at_s * truth.clock_hz) + 1
    rows = np.clip(np.arange(len(truth.position)) - hold, now, None)
    rows[:now] = np.arange(now)
    touched = truth.contacts
    when = np.where(touched.time > at_s, touched.time + for_s, touched.time)
    keep = when <= truth.scene.duration_s
    still = ((rows == now) & (np.arange(len(rows)) > now))[:, None, None]
    return replace(
        truth,
        position=truth.position[rows],
        orientation=truth.orientation[rows],
        velocity=np.where(still, 0.0, truth.velocity[rows]),
        spin=np.where(still, 0.0, truth.spin[rows]),
        contacts=Contacts(
            when[keep], touched.a[keep], touched.b[keep], touched.point[keep], touched.normal[keep],
            touched.impulse[keep],
        ),
        futures=(),
    )  # fmt: skip


def twin(rng: np.random.Generator, tag: str) -> Twin:
    """Return a row of six and the same without its middle two, which are shown before a screen hides them."""
    while (drawn := _twin(rng)) is None:
        pass
    return drawn


def _twin(rng: np.random.Generator) -> Twin | None:
    arms = _row(rng, "ood-count")
    if arms is None:
        return None
    whole = replace(arms["full"], tag="iid")
    row = whole.moving
    t, _, h = row[0].size
    first, last = row[2].position[0], row[3].position[0]
    grown = 14.0 / 13.0  # the screen stands a metre nearer to the eye than what it hides
    half, middle = (abs(last - first) / 2 + t + 0.16) / grown, (first + last) / 2 / grown
    tall = 2 * h + 0.4
    falls_s, down_s = 0.2, 0.3
    above, low = (middle, -1.0, 3.2), (middle, -1.0, tall / 2)
    screen = occluder("screen", half=(half, 0.05, tall / 2), position=above,
                      path=((falls_s, above), (down_s, low)), value=float(rng.uniform(0.1, 0.3)))  # fmt: skip
    splice = 0.3
    if whole.cut_s < splice + 0.1 or 3 * abs(last - first) - 2 * t < 2.2 * h:
        return None
    kept = tuple(b for b in whole.bodies if b not in row[2:4])
    bodies = (*whole.bodies, screen), (*kept, screen)
    one, two = (replace(whole, bodies=b, caption=caption(b)) for b in bodies)
    return Twin("factorial", one, two, splice, (round(whole.cut_s + 0.3, 1), whole.duration_s))


PROBE = Probe(
    name="chain",
    version="0.1",
    unit="s by which falls are off",
    worst=0.5,
    null="freeze",
    strengths=(0.05, 0.1, 0.2, 0.3, 0.4),
    strength_unit="seconds for which the chain waits after the cut",
    tags=("iid", "ood-count", "ood-size", "control"),
    horizon_s=2.5,
    case=case,
    event=event,
    measure=measure,
    violate=violate,
    summary="A domino tips; do the others fall in turn and on time, and do those beyond a gap stand?",
    must_see=0.2,
    twin=twin,
)
