"""Does a body in flight fall as fast as it did before the cut, and as gravity makes everything fall?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.probe import Measurement, Probe, Twin
from wmeval.scene import Body, Case, Scene, backdrop, ball, floor, side_camera
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval_probes.physics.draw import (
    EDGE,
    LEFT,
    RIGHT,
    TOP,
    half_height,
    half_width,
    hues,
    radius,
    solid,
    stage,
)
from wmeval_probes.physics.veil import SPARE, same_picture, veil

Floats = NDArray[np.float64]
G = (1.6, 9.8)  # m/s2: the moon to the earth
SHOWN_S, AHEAD_S = 0.4, 0.8  # of flight at 9.8 m/s2; longer where gravity is weaker, so that it shows as much
FEWEST = 5  # frames from which an acceleration is fitted
JUMP_PX = 0.6  # residual [px] below which one parabola explains a flight
RAGGED = 1.0  # residual [radii] above which there is no flight, but a body that jumps about


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return a throw or a fall at a gravity in `G`, all of it in view and clear of the floor.

    Tag "control" draws a body that glides over the floor, which holds it up.
    """
    if tag == "control":
        return Case.single(_held_up(rng, tag))
    while True:
        g = round(float(np.exp(rng.uniform(*np.log(G)))), 2)
        slow = float(np.sqrt(G[1] / g))
        shown, ahead = np.ceil(np.array([SHOWN_S, AHEAD_S]) * slow * 10 - 1e-9) / 10
        size = radius(rng, tag)
        falls = rng.random() < 0.4
        if falls:  # from rest it goes too far for the picture unless it is shown for less long
            shown, ahead = SHOWN_S + 0.1 * rng.integers(3), AHEAD_S + 0.1 * rng.integers(6)
        lasts = float(shown + ahead)
        sideways = (1.8, 2.6) if tag == "ood-speed" else (0.0, 0.5) if falls else (0.0, 1.1)
        vx = float(rng.uniform(*sideways) * rng.choice([-1, 1]))
        vz = 0.0 if falls else float(rng.uniform(0.1, 0.9) * g * lasts)
        start = (float(rng.uniform(LEFT, RIGHT)), 0.0, float(rng.uniform(0.0, TOP)))
        hue = hues(rng, 1)[0]
        body = solid(rng, hue, size, start, boxes=0.4, velocity=(vx, 0.0, vz))
        clear = np.array([half_width(body), half_height(body)]) + EDGE
        t = np.linspace(0, lasts, 50)
        x, z = start[0] + vx * t, start[2] + vz * t - g * t**2 / 2
        in_view = x.min() > LEFT + clear[0] and x.max() < RIGHT - clear[0] and z.max() < TOP - clear[1]
        fits = g * ahead**2 > 2.5
        if in_view and fits and z.min() > clear[1] + 0.06 * lasts:
            break
    bodies = (body, *stage(rng))
    scene = Scene(
        bodies=bodies,
        camera=side_camera(),
        duration_s=lasts,
        cut_s=float(shown),
        needs_s=SHOWN_S,
        profile="flight",
        gravity=g,
        caption=caption(bodies),
        tag=tag,
    )
    return Case.single(scene)


def _held_up(rng: np.random.Generator, tag: str) -> Scene:
    size, vx = radius(rng, tag), float(rng.uniform(0.2, 1.2) * rng.choice([-1, 1]))
    cut, lasts = SHOWN_S, round(float(rng.uniform(1.2, 1.8)), 1)
    body = solid(rng, hues(rng, 1)[0], size, (-vx * lasts / 2, 0.0, 1.0), boxes=0.4, velocity=(vx, 0.0, 0.0),
                 friction=0.0)  # fmt: skip
    body = replace(body, position=(body.position[0], 0.0, half_height(body)))
    bodies = (body, *stage(rng, friction=0.0))
    return Scene(bodies, side_camera(), lasts, cut, SHOWN_S, "rest", caption=caption(bodies), tag=tag)


def event(tracks: Tracks, truth: Truth) -> float:
    """Return the share of the predicted frames in which the body is seen; nine in ten are enough."""
    seen = tracks.after(truth.scene.cut_s).found[:, 0]
    return float(min(1.0, seen.mean() / 0.9)) if len(seen) else 0.0


@dataclass(frozen=True)
class Flight:
    """A parabola fitted to the frames of one flight."""

    g: float  # m/s2, downwards
    sigma: float  # m/s2
    until_s: float
    residual: float  # m, root mean square


def measure(tracks: Tracks, truth: Truth) -> Measurement:
    """Fit the acceleration of the first free flight after the cut and compare it with true gravity.

    The error is |g' / g - 1|. Only predicted frames enter the fit: context frames are the truth's own. A body
    that stands on something does not fall, so its error is |g' / g|.
    """
    scene = truth.scene
    later = tracks.after(scene.cut_s)
    metre = scene.camera.focal_px(tracks.view) / abs(scene.camera.eye[1] - scene.bodies[0].position[1])
    flight = fit_flight(later, least=0.1 / metre, jump=JUMP_PX / metre)
    if flight is None:
        return Measurement(PROBE.worst, f"found in fewer than {FEWEST} predicted frames")
    if flight.residual > RAGGED * scene.moving[0].radius:
        return Measurement(PROBE.worst, "jumps about instead of flying")
    if len(truth.contacts.time):
        return Measurement(abs(flight.g / scene.gravity), evidence={"g": flight.g, "held up": True})
    rate, rate_sigma = time_rate(later, truth)
    return Measurement(
        abs(flight.g / scene.gravity - 1),
        implied={
            "g / true g": (flight.g / scene.gravity, flight.sigma / scene.gravity),
            "time rate": (rate, rate_sigma),
        },
        evidence={
            "g": flight.g,
            "true g": scene.gravity,
            "fitted until s": flight.until_s,
            "residual px": flight.residual * metre,
        },
    )


def fit_flight(tracks: Tracks, *, least: float, jump: float) -> Flight | None:
    """Return the parabola of the first body's first flight, or None where too little of it is found.

    One parabola is fitted to all frames; where its residual is above `jump` [m], the flight ends at the
    change point that two parabolas explain best (a landing, a jump), and only what comes before counts.
    `least` [m] is the smallest noise that a track is trusted to have.
    """
    track = tracks[tracks.names[0]]
    keep = track.found & np.isfinite(track.position[:, (0, 2)]).all(axis=1)
    keep &= np.isfinite(tracks.sigma[:, 0, 2])
    if keep.sum() < FEWEST:
        return None
    t, x, z = track.times[keep], track.position[keep, 0], track.position[keep, 2]
    noise = np.hypot(tracks.sigma[keep, 0, 2], least)
    end = len(t)
    if _residual(t, x, z, noise) > jump and end >= 2 * FEWEST - 2:
        splits = range(FEWEST, end - FEWEST + 3)
        cost = [
            _residual(t[:k], x[:k], z[:k], noise[:k]) ** 2 * k
            + _residual(t[k:], x[k:], z[k:], noise[k:]) ** 2 * (end - k)
            for k in splits
        ]
        end = splits[int(np.argmin(cost))]
    t, x, z, noise = t[:end], x[:end], z[:end], noise[:end]
    (_, _, a), spread = _parabola(t, z, noise)
    residual = _residual(t, x, z, noise)
    # a track that is rougher than its sigmas say is as uncertain as it is rough
    rough = max(1.0, residual / float(np.sqrt(np.mean(noise**2))))
    return Flight(-2 * float(a), 2 * spread * rough, float(t[-1]), residual)


def _parabola(t: Floats, z: Floats, noise: Floats) -> tuple[Floats, float]:
    s = t - t.mean()
    design = np.stack([np.ones_like(s), s, s**2], axis=1) / noise[:, None]
    inverse = np.linalg.inv(design.T @ design)
    return inverse @ design.T @ (z / noise), float(np.sqrt(inverse[2, 2]))


def _residual(t: Floats, x: Floats, z: Floats, noise: Floats) -> float:
    if len(t) <= 3:
        return 0.0
    s = t - t.mean()
    total = 0.0
    for values in (x, z):
        (c0, c1, c2), _ = _parabola(t, values, noise)
        total += float(np.sum((values - c0 - c1 * s - c2 * s**2) ** 2))
    return float(np.sqrt(total / (2 * (len(t) - 3))))


def time_rate(tracks: Tracks, truth: Truth) -> tuple[float, float]:
    """Return how fast time runs in the prediction, 1 = true, and its sigma.

    It is the rate a for which the true flight, played as p(cut + a (t - cut)), lies nearest to the track.
    """
    scene = truth.scene
    track = tracks[tracks.names[0]]
    keep = track.found & np.isfinite(track.position[:, (0, 2)]).all(axis=1)
    s = track.times[keep] - scene.cut_s
    seen = track.position[keep][:, (0, 2)]
    start = truth.poses_at(np.array([scene.cut_s]))[0][0, 0, [0, 2]]
    v = truth.velocity_at(np.array([scene.cut_s]))[0, 0, [0, 2]]
    fall = np.array([0.0, -scene.gravity])

    def miss(rate: float) -> Floats:
        u = (rate * s)[:, None]
        out: Floats = seen - (start + v * u + fall * u**2 / 2)
        return out

    rates = np.linspace(0.0, 3.0, 601)
    best = float(rates[int(np.argmin([np.sum(miss(r) ** 2) for r in rates]))])
    u = (best * s)[:, None]
    slope = ((v + fall * u) * s[:, None]).ravel()
    information = float(slope @ slope)
    if information == 0:
        return best, float("inf")
    best = float(np.clip(best + slope @ miss(best).ravel() / information, 0.0, 3.0))
    noise = float(np.sqrt(np.mean(miss(best) ** 2)))
    return best, noise / float(np.sqrt(information))


def violate(truth: Truth, strength: float, rng: np.random.Generator) -> Truth:
    """Return the truth with gravity changed by the share `strength` from the cut on.

    It grows or weakens at random, but never so that the body lands or leaves the picture where the other
    sign keeps it flying.
    """
    from wmeval.world import resume

    if strength == 0:
        return truth
    scene = truth.scene
    sign = int(rng.choice([-1, 1]))
    if not _flies(truth, 1 + sign * strength) and _flies(truth, 1 - sign * strength):
        sign = -sign
    return resume(truth, scene.cut_s, gravity=scene.gravity * (1 + sign * strength))


def _flies(truth: Truth, factor: float) -> bool:
    scene = truth.scene
    at = np.array([scene.cut_s])
    z0 = truth.poses_at(at)[0][0, 0, 2]
    vz = truth.velocity_at(at)[0, 0, 2]
    t = np.linspace(0, scene.duration_s - scene.cut_s, 50)
    z = z0 + vz * t - factor * scene.gravity * t**2 / 2
    clear = half_height(scene.moving[0])
    return bool(z.min() > clear and z.max() < TOP - clear)


def twin(rng: np.random.Generator, tag: str) -> Twin:
    """Return two throws, at a weak and at a strong gravity, that are alike behind a screen at their apex.

    The rise that is shown tells the fall (cue x outcome).
    """
    while (drawn := _twin(rng, tag)) is None:
        pass
    return drawn


def _twin(rng: np.random.Generator, tag: str) -> Twin | None:
    weak = float(rng.uniform(1.7, 2.3))
    pulls = (weak, weak * float(rng.uniform(1.8, 2.2)))
    vx, size = float(rng.uniform(1.1, 1.4) * rng.choice([-1, 1])), float(rng.uniform(0.22, 0.28))
    splice, falls = round(float(rng.integers(10, 13)) / 10, 1), round(float(rng.integers(10, 13)) / 10, 1)
    hidden, spare = (
        0.06,
        0.6 * SPARE,
    )  # s on each side of the apex, and m; wider, it would hide the flight too
    x, apex = float(rng.uniform(-0.3, 0.3)), TOP - size - SPARE - EDGE
    low = apex - pulls[1] * max(splice, falls) ** 2 / 2
    if low < size + 0.1 or max(abs(x - vx * splice), abs(x + vx * falls)) + size + EDGE > RIGHT:
        return None
    camera, (hue,), values = side_camera(), hues(rng, 1), rng.uniform([0.7, 0.12, 0.35], [0.95, 0.35, 0.65])
    wide, tall = size + spare + abs(vx) * hidden, size + spare
    screen = veil("screen", camera, x=(x - wide, x + wide), value=float(values[1]),
                  z=(apex - tall - pulls[1] * hidden**2 / 2, apex + tall))  # fmt: skip
    around = (screen, floor(value=float(values[2])), backdrop())

    def at(g: float) -> Scene:
        start = (x - vx * splice, 0.0, apex - g * splice**2 / 2)
        body: Body = ball(f"{hue} ball", radius=size, position=start, velocity=(vx, 0.0, g * splice), hue=hue,
                          value=float(values[0]))  # fmt: skip
        everything = (body, *around)
        return Scene(everything, camera, round(splice + falls, 1), splice, splice, "flight", gravity=g,
                     caption=caption(everything), tag=tag)  # fmt: skip

    scenes = [at(g) for g in pulls]
    if rng.random() < 0.5:
        scenes.reverse()
    if not same_picture(scenes[0], scenes[1], splice):
        return None
    return Twin("factorial", scenes[0], scenes[1], splice, (splice + 0.3, scenes[0].duration_s))


PROBE = Probe(
    name="gravity",
    version="0.1",
    unit="relative error of g",
    worst=1.0,
    null="freeze",
    strengths=(0.05, 0.1, 0.25, 0.5, 1.0),
    strength_unit="relative change of gravity from the cut on",
    tags=("iid", "ood-speed", "ood-size", "control"),
    horizon_s=2.0,
    case=case,
    event=event,
    measure=measure,
    violate=violate,
    summary="A body thrown or dropped is seen in flight; does it go on falling at the same gravity?",
    must_see=0.25,
    twin=twin,
)
