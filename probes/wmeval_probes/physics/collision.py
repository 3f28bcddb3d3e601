"""Do balls that hit one another keep their momentum, and part as fast as a first hit showed?

Velocities before and after the hit come from straight lines through the predicted frames, joined where the
hit is: never from the trajectory that the truth happened to take, which small offsets change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wmeval.probe import Measurement, Probe
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval_probes.physics.pucks import HORIZON_S, case, twin

Floats = NDArray[np.float64]
BEGUN = 0.3  # of the approach: up to here nothing came
FEWEST = 2  # frames on each side of a hit
STEPS_S = (0.02, 0.002)  # in which the instant of a hit is looked for, coarse and fine
SLOW = 0.15  # m/s: what does not close faster than this along the line of centres has not hit


@dataclass(frozen=True)
class Hit:
    """Two bodies before and after an instant; velocities (2, 2) are body by x and z [m/s]."""

    at_s: float
    before: Floats
    after: Floats
    normal: Floats  # (2,) from the first to the second at that instant
    sigma: float  # m/s, of one component of one velocity


def fit_hit(times: Floats, place: Floats, reach: float) -> Hit | None:
    """Return the hit that two straight lines a body explain best, or None where too little is seen.

    `place` (T, 2, 2) holds the positions x, z [m] of two bodies, `reach` [m] the sum of their radii. The
    instant is looked for within a frame of the least distance.
    """
    seen = np.isfinite(place).all(axis=(1, 2))
    t, p = times[seen], place[seen]
    if len(t) < 2 * FEWEST + 1:
        return None
    k = int(np.argmin(np.linalg.norm(p[:, 1] - p[:, 0], axis=-1)))
    first, last = t[FEWEST - 1], t[-FEWEST]
    low, high = max(first, t[k] - 0.1), min(last, t[k] + 0.1)
    if low >= high:
        return None
    flat = p.reshape(len(t), 4)

    def joined(at: float) -> tuple[float, Floats, Floats]:
        design = np.stack([np.ones_like(t), np.minimum(t - at, 0), np.maximum(t - at, 0)], axis=1)
        inverse = np.linalg.pinv(design.T @ design)
        lines = inverse @ design.T @ flat
        return float(((flat - design @ lines) ** 2).sum()), lines, inverse

    at = low
    for step in STEPS_S:
        tries = np.arange(low, high + 1e-9, step)
        at = float(tries[int(np.argmin([joined(float(x))[0] for x in tries]))])
        low, high = max(low, at - step), min(high, at + step)
    cost, found, inverse = joined(at)
    place_at = found[0].reshape(2, 2)
    apart = place_at[1] - place_at[0]
    noise = max(0.007, float(np.sqrt(cost / (4 * max(1, len(t) - 3)))))
    return Hit(
        at,
        found[1].reshape(2, 2),
        found[2].reshape(2, 2),
        apart / max(float(np.linalg.norm(apart)), 0.1 * reach),
        noise * float(np.sqrt(max(inverse[1, 1], inverse[2, 2]))),
    )


def meeting(truth: Truth) -> tuple[int, int, float] | None:
    """Return the slots of the first two bodies that meet after the cut and when [s]; None = nothing meets."""
    contacts, scene = truth.contacts, truth.scene
    slot = {scene.bodies.index(b): i for i, b in enumerate(scene.moving)}
    for k in np.flatnonzero(contacts.time > scene.cut_s):
        pair = sorted((int(contacts.a[k]), int(contacts.b[k])))
        if all(j in slot for j in pair):
            return slot[pair[0]], slot[pair[1]], float(contacts.time[k])
    return None


def _gap(place: Floats, truth: Truth, pair: tuple[int, int]) -> Floats:
    """Return the gaps (T,) [m] between two bodies from positions (T, N, 3)."""
    a, b = pair
    reach = truth.scene.moving[a].radius + truth.scene.moving[b].radius
    apart: Floats = np.linalg.norm((place[:, b] - place[:, a])[:, (0, 2)], axis=-1) - reach
    return apart


def event(tracks: Tracks, truth: Truth) -> float:
    """Return how much of the approach of the pair took place, times the share of frames that show both.

    At the frame of least distance they may be half a frame apart. Where nothing meets it is that share.
    """
    scene = truth.scene
    later = tracks.after(scene.cut_s)
    met = meeting(truth)
    asked = range(len(scene.moving)) if met is None else met[:2]
    if not len(later.times):
        return 0.0
    seen = float(min(1.0, later.found[:, list(asked)].all(axis=1).mean() / 0.9))
    if met is None:
        return seen
    pair, start = met[:2], np.array([scene.cut_s])
    at_cut = float(_gap(truth.poses_at(start)[0], truth, pair)[0])
    closing = at_cut / (met[2] - scene.cut_s)
    least = float(np.nanmin(np.append(_gap(later.position, truth, pair), np.inf)))
    came = (at_cut - least) / (at_cut - 0.05 * closing - 0.05) if np.isfinite(least) else 0.0
    return seen * float(np.clip((came - BEGUN) / (1 - BEGUN), 0.0, 1.0))


def measure(tracks: Tracks, truth: Truth) -> Measurement:
    """Return the largest of three errors of the hit: momentum, restitution, and sideways push.

    With m the masses, v and v' the velocities before and after, w = v1 - v2 and n the line of centres:
    momentum |sum m v' - sum m v| / sum |m v|, restitution |-(w' n) / (w n) - e|, and the change of w across n
    over |w|, which has to be 0 without friction. Where nothing meets it is the change of velocity over
    speed between the first and the second half, of the body that changes most.
    """
    scene = truth.scene
    later = tracks.after(scene.cut_s)
    place = later.position[..., (0, 2)]
    met = meeting(truth)
    if met is None:
        return _undisturbed(later.times, place, truth)
    a, b, _ = met
    one, two = scene.moving[a], scene.moving[b]
    found = fit_hit(later.times, place[:, [a, b]], one.radius + two.radius)
    if found is None:
        return Measurement(PROBE.worst, "the pair was found in too few frames before or after it meets")
    mass = np.array([[one.mass], [two.mass]])
    momenta = mass * found.before, mass * found.after
    scale = float(np.linalg.norm(momenta[0], axis=1).sum())
    closing, parting = (v[0] - v[1] for v in (found.before, found.after))
    if float(closing @ found.normal) < SLOW:
        return Measurement(PROBE.worst, "the pair does not close before it is nearest")
    total = momenta[0].sum(axis=0)
    gained = momenta[1].sum(axis=0) - total
    e = one.restitution * two.restitution
    told = -float(parting @ found.normal) / float(closing @ found.normal)
    across = np.array([-found.normal[1], found.normal[0]])
    errors = {
        "momentum": float(np.linalg.norm(gained)) / scale,
        "restitution": abs(told - e),
        "sideways": abs(float((parting - closing) @ across)) / float(np.linalg.norm(closing)),
    }
    kept = 1 + float(gained @ total) / (float(np.linalg.norm(total)) * scale)
    sigma = found.sigma * float(np.sqrt(2 * (mass**2).sum())) / scale
    spread = found.sigma * 2 / float(closing @ found.normal)
    return Measurement(
        max(errors.values()),
        implied={"momentum kept": (kept, sigma), "restitution / true": (told / e, spread / e)},
        evidence={**errors, "hit s": found.at_s, "told restitution": told, "true restitution": e},
    )


def _undisturbed(times: Floats, place: Floats, truth: Truth) -> Measurement:
    changes = []
    for slot, body in enumerate(truth.scene.moving):
        keep = np.isfinite(place[:, slot]).all(axis=1)
        t, p = times[keep], place[keep, slot]
        if len(t) < 6:
            return Measurement(PROBE.worst, f"{body.name} was found in fewer than 6 predicted frames")
        middle = float(t.mean())
        design = np.stack([np.ones_like(t), np.minimum(t - middle, 0), np.maximum(t - middle, 0)], axis=1)
        _, before, after = np.linalg.lstsq(design, p, rcond=None)[0]
        changes.append(float(np.linalg.norm(after - before) / np.linalg.norm(body.velocity)))
    return Measurement(max(changes))


def violate(truth: Truth, strength: float, rng: np.random.Generator) -> Truth:
    """Return the truth in which the pair comes out of its hit with more or less momentum.

    `strength` is the share of sum |m v| that is added along the total momentum or taken away. Both bodies
    get the same change of velocity, so that they part as fast as they should.

    Raises:
        ValueError: nothing meets after the cut.
    """
    from wmeval.world import resume

    if strength == 0:
        return truth
    met = meeting(truth)
    if met is None:
        raise ValueError("no two bodies of this scene meet after the cut; draw it with `case`")
    pair, tick = list(met[:2]), int(np.ceil(met[2] * truth.clock_hz)) + 1
    mass = np.array([[truth.scene.moving[i].mass] for i in pair])
    before = mass * truth.velocity[int(met[2] * truth.clock_hz) - 1, pair]
    total = before.sum(axis=0)
    amount = strength * float(np.linalg.norm(before, axis=1).sum()) / float(mass.sum())
    change = int(rng.choice([-1, 1])) * amount * total / float(np.linalg.norm(total))
    after = truth.velocity[tick, pair] + change
    return resume(
        truth,
        tick / truth.clock_hz,
        velocity={truth.scene.names[i]: tuple(v) for i, v in zip(pair, after, strict=True)},
    )


PROBE = Probe(
    name="collision",
    version="0.1",
    unit="relative momentum, or restitution",
    worst=1.0,
    null="freeze",
    strengths=(0.1, 0.25, 0.5, 0.75, 1.0),
    strength_unit="share of the momentum gained or lost in the hit",
    tags=("iid", "ood-speed", "ood-size", "control"),
    horizon_s=HORIZON_S,
    case=case,
    event=event,
    measure=measure,
    violate=violate,
    summary="One ball hits another in view, that one a third; are momentum and restitution kept?",
    must_see=0.25,
    twin=twin,
)
