"""Does a ball bounce as high as its first bounce said it would, and never gain what it has not?

Restitution is read from apex heights, which need no clock and no metric scale: e = sqrt(h2 / h1). The first
bounce is shown with its apex; the second is asked about. Never from speeds at single frames, which ten
frames a second do not resolve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wmeval.probe import Measurement, Probe
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval_probes.physics.drops import HORIZON_S, LIVELIER, case, twin

Floats = NDArray[np.float64]
TURN_PX = 0.3  # a fall has ended where a track rises by more than this
BEGUN = 0.3  # of the way down: up to here nothing came
TOPMOST = 0.35  # of an apex: frames above it show the flight and not the floor


def hits(truth: Truth, slot: int) -> Floats:
    """Return the times [s] at which a body met the floor, each meeting once."""
    scene, contacts = truth.scene, truth.contacts
    body = scene.bodies.index(scene.moving[slot])
    ground = next(i for i, b in enumerate(scene.bodies) if b.role == "floor")
    met = ((contacts.a == body) & (contacts.b == ground)) | ((contacts.b == body) & (contacts.a == ground))
    times = np.unique(contacts.time[met])
    first: Floats = times[np.diff(times, prepend=-1.0) > 0.05]
    return first


def heights(tracks: Tracks, truth: Truth, slot: int) -> Floats:
    """Return the heights (T,) [m] of a ball's lowest point above the floor; NaN where it is not found."""
    low: Floats = tracks.position[:, slot, 2] - truth.scene.moving[slot].radius
    return low


def event(tracks: Tracks, truth: Truth) -> float:
    """Return how much of the fall to the floor took place, for the ball of which the least did.

    The lowest frame may be half a frame of its speed above the floor. In a throw it is the share of frames
    in which the ball is found.
    """
    scene = truth.scene
    later = tracks.after(scene.cut_s)
    shares = []
    for slot in range(len(scene.moving)):
        seen = float(min(1.0, later.found[:, slot].mean() / 0.9)) if len(later.times) else 0.0
        if len(hits(truth, slot)):
            low = float(np.nanmin(np.append(heights(later, truth, slot), np.inf)))
            speed = float(np.sqrt(2 * scene.gravity * _shown_apex(truth, slot)))
            at_cut = float(truth.poses_at(np.array([scene.cut_s]))[0][0, slot, 2]) - scene.moving[slot].radius
            came = (at_cut - low) / (at_cut - 0.05 * speed - 0.05) if np.isfinite(low) else 0.0
            seen *= float(np.clip((came - BEGUN) / (1 - BEGUN), 0.0, 1.0))
        shares.append(seen)
    return min(shares)


def _shown_apex(truth: Truth, slot: int) -> float:
    """Return the height [m] of the apex between the first and the second hit."""
    first, second = hits(truth, slot)[:2]
    between = (truth.times > first) & (truth.times < second)
    return float(truth.position[between, slot, 2].max()) - truth.scene.moving[slot].radius


@dataclass(frozen=True)
class Apex:
    """The highest point of a flight."""

    height: float  # m
    sigma: float  # m


def next_apex(times: Floats, height: Floats, turn: float, noise: float) -> Apex | None:
    """Return the apex after the first time that a track (T,) comes down; None where it never comes up again.

    `turn` [m] is how much it must rise to have turned, `noise` [m] one frame's sigma.
    """
    low, here = 0, 0
    while here < len(height) and height[here] <= height[low] + turn:
        low = here if height[here] < height[low] else low
        here += 1
    if here == len(height):
        return None
    top, end = here, here
    while end < len(height) and not (height[end] < height[top] - turn and height[end] > height[end - 1]):
        top = end if height[end] > height[top] else top
        end += 1
    flight = slice(low + 1, end - 1 if end < len(height) else end)  # the frame before it rises is a hit
    t, h = times[flight], height[flight]
    keep = h > TOPMOST * height[top]
    t, h = t[keep], h[keep]
    if len(t) < 3:
        return Apex(float(height[top]), noise)
    s = t - t.mean()
    design = np.stack([np.ones_like(s), s, s**2], axis=1)
    inverse = np.linalg.inv(design.T @ design)
    c0, c1, c2 = inverse @ design.T @ h
    at = -c1 / (2 * c2) if c2 < 0 else np.inf
    if not s[0] - 0.1 <= at <= s[-1] + 0.1:
        return Apex(float(height[top]), noise)
    row = np.array([1.0, at, at**2])
    rough = float(np.sqrt(np.mean((h - design @ np.array([c0, c1, c2])) ** 2)))
    return Apex(float(row @ np.array([c0, c1, c2])), max(noise, rough) * float(np.sqrt(row @ inverse @ row)))


def measure(tracks: Tracks, truth: Truth) -> Measurement:
    """Compare the restitution of the bounce after the cut with that of the bounce that was shown.

    e' = sqrt(h' / h) with h the shown apex and h' the one after the cut; the error is |e' - e|, the mean over
    balls. Where nothing is met, it is |sqrt(H' / H) - 1| with H the highest point of the flight.
    """
    scene = truth.scene
    later = tracks.after(scene.cut_s)
    pixel = abs(scene.camera.eye[1]) / scene.camera.focal_px(tracks.view)
    errors, implied, evidence = [], [], {}
    for slot, body in enumerate(scene.moving):
        keep = np.isfinite(heights(later, truth, slot))
        t, h = later.times[keep], heights(later, truth, slot)[keep]
        if len(t) < 4:
            return Measurement(PROBE.worst, f"{body.name} was found in fewer than 4 predicted frames")
        if not len(hits(truth, slot)):
            true = float(truth.position[truth.times > scene.cut_s, slot, 2].max()) - body.radius
            errors.append(abs(float(np.sqrt(max(0.0, h.max()) / true)) - 1))
            continue
        shown, e = _shown_apex(truth, slot), body.restitution
        apex = next_apex(t, h, TURN_PX * pixel, 0.1 * pixel)
        height = max(0.0, apex.height) if apex else 0.0
        told = float(np.sqrt(height / shown))
        sigma = apex.sigma / (2 * max(told, 0.1) * shown) if apex else float("inf")
        errors.append(abs(told - e))
        implied.append((told, sigma, e))
        evidence[body.name] = {"apex m": height, "true apex m": e**2 * shown, "restitution": told, "true": e}
    if not implied:
        return Measurement(float(np.mean(errors)))
    values, sigmas, trues = np.array(implied).T
    spread = float(np.sqrt(np.mean(sigmas**2) / len(sigmas)))
    return Measurement(
        float(np.mean(errors)),
        implied={
            "restitution": (float(values.mean()), spread),
            "restitution / true": (float(np.mean(values / trues)), spread / float(trues.mean())),
        },
        evidence=evidence,
    )


def violate(truth: Truth, strength: float, rng: np.random.Generator) -> Truth:
    """Return the truth in which every ball's restitution is higher by `strength` from the cut on.

    Beyond 1 a ball gains energy each time it bounces.
    """
    from wmeval.world import resume

    if strength == 0:
        return truth
    scene = truth.scene
    livelier = {b.name: b.restitution + strength for b in scene.moving}
    return resume(truth, scene.cut_s, restitution=livelier)


PROBE = Probe(
    name="bounce",
    version="0.1",
    unit="restitution",
    worst=0.3,
    null="freeze",
    strengths=(0.05, 0.1, 0.2, 0.3, LIVELIER),
    strength_unit="restitution added from the cut on",
    tags=("iid", "ood-speed", "ood-size", "ood-count", "control"),
    horizon_s=HORIZON_S,
    case=case,
    event=event,
    measure=measure,
    violate=violate,
    summary="A ball bounces once in view; does it bounce the second time as its first bounce said?",
    must_see=0.2,
    twin=twin,
)
