"""Does a pendulum keep its period, its amplitude and its rod after the cut?

A bob hangs on a rod that is seen, at a gravity that is not: the context shows more than half a period, and
with it how fast the bob must go on. The law is that of a physical pendulum at any amplitude.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.probe import Measurement, Probe, Twin
from wmeval.scene import Body, Case, Scene, occluder, side_camera
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval_probes.physics.draw import EDGE, LEFT, RIGHT, TOP, hues, radius, solid, stage

Floats = NDArray[np.float64]
G = (5.0, 12.0)  # m/s2
RODS = (0.75, 1.5)  # m
SWINGS_DEG, WIDE_DEG = (20.0, 50.0), (60.0, 80.0)  # amplitudes
PERIODS = (1.2, 1.9)  # s
SHOWN, ASKED = 0.6, 1.05  # periods of context, and after the cut
AHEAD_S = 2.0
FEWEST = 6  # predicted frames from which a swing is fitted
RAGGED = 0.3  # residual [rad] above which there is no swing, but a body that jumps about
STILL_DEG = 2.0  # a bob that swings less hangs still
BEGUN, CAME = 0.15, 0.5  # of the true way: up to here nothing swung, from here on it did
SCREEN_Y = -1.0  # m
GROWN = 14.0 / (14.0 + SCREEN_Y)  # a screen hides so many times its size of the plane of the bob


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return a bob that swings on a rod; tag "control" has bobs that hang still."""
    while True:
        g, rod = round(float(rng.uniform(*G)), 2), float(rng.uniform(*RODS))
        widest = np.deg2rad(rng.uniform(*(WIDE_DEG if tag == "ood-speed" else SWINGS_DEG)))
        bob = _bob(rng, tag, rod)
        lasts = period(g, bob, float(widest))
        shown = float(np.ceil(SHOWN * lasts * 10)) / 10
        ahead = float(np.ceil(ASKED * lasts * 10)) / 10
        reach = rod * float(np.sin(widest)) + float(np.linalg.norm(bob.size[::2])) + EDGE
        low = rod + float(np.linalg.norm(bob.size[::2])) + EDGE
        if PERIODS[0] <= lasts <= PERIODS[1] and low < TOP - 0.3 and ahead <= AHEAD_S and reach < RIGHT:
            break
    x, z = float(rng.uniform(LEFT + reach, RIGHT - reach)), float(rng.uniform(low, TOP - 0.2))
    if tag == "control":
        widest = 0.0
    turn, rate = _phase(rng, g, bob, float(widest))
    bodies = (_hung(bob, (x, 0.0, z), turn, rate), *stage(rng))
    scene = Scene(
        bodies=bodies,
        camera=side_camera(),
        duration_s=shown + ahead,
        cut_s=shown,
        needs_s=shown,
        profile="joint",
        gravity=g,
        caption=caption(bodies),
        tag=tag,
    )
    return Case.single(scene)


def _bob(rng: np.random.Generator, tag: str, rod: float) -> Body:
    """Return a bob that hangs straight down from the origin."""
    size = min(radius(rng, tag), 0.5 * rod)
    return solid(rng, hues(rng, 1)[0], size, (0.0, 0.0, -rod), boxes=0.3)


def _hung(bob: Body, pivot: tuple[float, float, float], turn: float, rate: float) -> Body:
    """Return the bob on its rod from a pivot [m], at an angle to the right [rad] and a rate [rad/s]."""
    rod = -bob.position[2]
    way = np.array([np.sin(turn), 0.0, -np.cos(turn)])
    across = np.array([np.cos(turn), 0.0, np.sin(turn)])
    x, y, z = (float(v) for v in np.array(pivot) + rod * way)
    u, v, w = (float(v) for v in rod * rate * across)
    turned = (0.0, float(np.sin(-turn / 2)), 0.0, float(np.cos(turn / 2)))
    return replace(bob, position=(x, y, z), velocity=(u, v, w), orientation=turned, pivot=pivot)


def _phase(rng: np.random.Generator, g: float, bob: Body, widest: float) -> tuple[float, float]:
    """Return an angle [rad] and a rate [rad/s] somewhere in a swing of an amplitude [rad]."""
    turn = widest * float(np.sin(rng.uniform(-np.pi / 2, np.pi / 2)))
    rate = float(np.sqrt(2 * pull(g, bob) * (np.cos(turn) - np.cos(widest)))) * int(rng.choice([-1, 1]))
    return turn, rate


def pull(g: float, bob: Body) -> float:
    """Return m g l / I [1/s2], the square of the rate of small swings, of a bob on a rod from its pivot."""
    rod = float(np.linalg.norm(np.subtract(bob.position, bob.pivot or (0.0, 0.0, 0.0))))
    own = 0.4 * bob.size[0] ** 2 if bob.shape == "sphere" else (bob.size[0] ** 2 + bob.size[2] ** 2) / 3
    return g * rod / (rod**2 + own)


def period(g: float, bob: Body, widest: float) -> float:
    """Return the period [s] at an amplitude [rad]: 4 sqrt(I / m g l) K(sin^2(amplitude / 2))."""
    from scipy.special import ellipk

    return float(4 / np.sqrt(pull(g, bob)) * ellipk(np.sin(widest / 2) ** 2))


def amplitude(scene: Scene) -> float:
    """Return the amplitude [rad] of a scene's bob, from the energy that it starts with."""
    turn, rod = _turned(np.array([scene.moving[0].position]), scene)
    speed = float(np.linalg.norm(scene.moving[0].velocity)) / float(rod[0])
    level = np.cos(turn[0]) - speed**2 / (2 * pull(scene.gravity, scene.moving[0]))
    return float(np.arccos(np.clip(level, -1.0, 1.0)))


def _turned(position: Floats, scene: Scene) -> tuple[Floats, Floats]:
    """Return the angles from the plumb [rad] and the distances from the pivot [m] of positions (T, 3)."""
    off = position - np.array(scene.moving[0].pivot)
    return np.arctan2(off[:, 0], -off[:, 2]), np.hypot(off[:, 0], off[:, 2])


def event(tracks: Tracks, truth: Truth) -> float:
    """Return whether the bob is in sight and swings to and fro, from 0 to 1.

    It is the share of the predicted frames that show it (nine in ten are enough) times the share of the
    true way from side to side.
    """
    later = tracks.after(truth.scene.cut_s)
    seen = later.found[:, 0]
    if not seen.any():
        return 0.0
    there = min(1.0, float(seen.mean()) / 0.9)
    if np.rad2deg(amplitude(truth.scene)) < STILL_DEG:
        return there
    turn, _ = _turned(later.position[seen, 0], truth.scene)
    true, _ = _turned(truth.poses_at(later.times[seen])[0][:, 0], truth.scene)
    share = float(np.ptp(turn) / max(float(np.ptp(true)), 1e-6))
    return there * float(np.clip((share - BEGUN) / (CAME - BEGUN), 0.0, 1.0))


def measure(tracks: Tracks, truth: Truth) -> Measurement:
    """Fit a swing to the predicted frames and compare its period, amplitude and rod with the true ones.

    The error is the greatest of the three relative errors. A bob that must hang still has the amplitude that
    it swings with instead, in units of the smallest that is asked about.
    """
    scene = truth.scene
    later = tracks.after(scene.cut_s)
    seen = later.found[:, 0] & np.isfinite(later.position[:, 0, (0, 2)]).all(axis=1)
    if seen.sum() < FEWEST:
        return Measurement(PROBE.worst, f"found in fewer than {FEWEST} predicted frames")
    turn, rod = _turned(later.position[seen, 0], scene)
    _, (length,) = _turned(np.array([scene.moving[0].position]), scene)
    stretched = float(np.sqrt(np.mean((rod / length - 1) ** 2)))
    lengths = (float(rod.mean() / length), float(rod.std() / length / np.sqrt(len(rod))) + 1e-3)
    widest = amplitude(scene)
    if np.rad2deg(widest) < STILL_DEG:
        swings = float(np.std(turn)) * float(np.sqrt(2))  # a sine of that amplitude is as rough
        return Measurement(
            max(swings / np.deg2rad(SWINGS_DEG[0]), stretched),
            evidence={"swings deg": float(np.rad2deg(swings))},
        )
    noise = np.hypot(later.sigma[seen, 0][:, (0, 2)].max(axis=1), 0.004) / length
    swing = fit_swing(later.times[seen], turn, noise)
    if swing.residual > RAGGED:
        return Measurement(PROBE.worst, "jumps about instead of swinging")
    true = period(scene.gravity, scene.moving[0], widest)
    ratio, wide = swing.period / true, swing.amplitude / widest
    return Measurement(
        max(abs(ratio - 1), abs(wide - 1), stretched),
        implied={
            "period / true period": (ratio, swing.period_sigma / true),
            "amplitude / true amplitude": (wide, swing.amplitude_sigma / widest),
            "rod / true rod": lengths,
        },
        evidence={"period s": swing.period, "true period s": true, "residual rad": swing.residual},
    )


@dataclass(frozen=True)
class Swing:
    """The pendulum that a track obeys best."""

    period: float  # s
    period_sigma: float  # s
    amplitude: float  # rad
    amplitude_sigma: float  # rad
    residual: float  # rad, root mean square


def swung(t: Floats, lasts: float, widest: float, since: float) -> Floats:
    """Return the angles [rad] of a swing that goes through the plumb at `since` [s].

    With k = sin(amplitude / 2), sin(angle / 2) = k sn(4 K(k) (t - since) / period, k): the exact solution of
    the pendulum, by Jacobi's elliptic functions.
    """
    from scipy.special import ellipj, ellipk

    k = float(np.sin(widest / 2))
    m = min(k * k, 1 - 1e-9)
    sine = ellipj(4 * ellipk(m) * (t - since) / lasts, m)[0]
    angle: Floats = 2 * np.arcsin(np.clip(k * sine, -1.0, 1.0))
    return angle


def fit_swing(t: Floats, turn: Floats, noise: Floats) -> Swing:
    """Return the swing that fits angles [rad] at times t [s] best, with noise [rad] on each.

    Sines of many periods, which are linear in all else, give the starts of the exact law.
    """
    from scipy.optimize import least_squares

    def miss(values: Floats) -> Floats:
        out: Floats = (turn - swung(t, float(np.exp(values[0])), values[1], values[2])) / noise
        return out

    guesses = np.geomspace(0.3, 6 * (t[-1] - t[0]), 60)
    sines = []
    for lasts in guesses:
        waves = np.stack([np.sin(2 * np.pi * t / lasts), np.cos(2 * np.pi * t / lasts)], axis=1)
        (a, b), *_ = np.linalg.lstsq(waves, turn, rcond=None)
        sines.append((float(np.sum((waves @ [a, b] - turn) ** 2)), a, b))
    costs = np.array([s[0] for s in sines])
    inner = np.flatnonzero((costs <= np.append(costs[1:], np.inf)) & (costs <= np.append(np.inf, costs[:-1])))
    best = None
    for i in inner[np.argsort(costs[inner])][:2]:
        _, a, b = sines[i]
        since = -np.arctan2(b, a) / (2 * np.pi) * guesses[i]
        start = [np.log(guesses[i]), min(float(np.hypot(a, b)), 2.8), since]
        fit = least_squares(miss, start, method="lm", max_nfev=200)
        best = fit if best is None or fit.cost < best.cost else best
    assert best is not None
    slopes: Floats = np.asarray(best.jac, dtype=np.float64)
    spread = np.sqrt(np.clip(np.diag(np.linalg.pinv(slopes.T @ slopes)), 0, None))
    residual = float(np.sqrt(np.sum((best.fun * noise) ** 2) / max(len(t) - 3, 1)))
    # a track that is rougher than its sigmas say is as uncertain as it is rough
    rough = max(1.0, residual / float(np.sqrt(np.mean(noise**2))))
    lasts, widest = float(np.exp(best.x[0])), float(abs(best.x[1]))
    return Swing(lasts, lasts * float(spread[0]) * rough, widest, float(spread[1]) * rough, residual)


def violate(truth: Truth, strength: float, rng: np.random.Generator) -> Truth:
    """Return the truth whose period is longer or shorter by the share `strength` from the cut on.

    Gravity changes, and the speed at the cut with it, so that the bob swings as far as before.
    """
    from wmeval.world import resume

    if strength == 0:
        return truth
    scene, slower = truth.scene, 1 + strength * int(rng.choice([-1, 1]))
    tick = round(scene.cut_s * truth.clock_hz)
    v = (truth.position[tick + 1, 0] - truth.position[tick - 1, 0]) * truth.clock_hz / 2
    return resume(
        truth,
        scene.cut_s,
        velocity={scene.names[0]: tuple(v / slower)},
        gravity=scene.gravity / slower**2,
    )


def twin(rng: np.random.Generator, tag: str) -> Twin:
    """Return two pendulums that look alike and swing at two gravities, hidden for a while by a screen.

    How fast each swings is seen before; crossing over makes it come out with the period of the other. The
    screen comes out of the floor and covers pivot, rod and bob at the splice.
    """
    while True:
        rod, widest = float(rng.uniform(0.8, 1.1)), float(np.deg2rad(rng.uniform(25, 45)))
        bob, g = _bob(rng, "iid", rod), round(float(rng.uniform(9.0, 13.0)), 2)
        weak = round(g / float(rng.uniform(2.0, 2.6)), 2)
        side = rod * float(np.sin(widest)) + float(np.linalg.norm(bob.size[::2])) + 0.15
        if period(weak, bob, widest) < 2.5 and side < RIGHT:
            break
    x, turn = float(rng.uniform(LEFT + side, RIGHT - side)), widest * int(rng.choice([-1, 1]))
    z = rod + float(np.linalg.norm(bob.size[::2])) + float(rng.uniform(0.2, 0.8))
    top = 1.9 + (z + 0.2 - 1.9) / GROWN  # of the screen, from a camera at 1.9 m
    shown, hides, held = 1.0, 0.2, 0.3
    down, up = (x / GROWN, SCREEN_Y, -top / 2 - 0.05), (x / GROWN, SCREEN_Y, top / 2)
    path = ((shown, down), (shown + hides, up), (shown + hides + held, up), (shown + 2 * hides + held, down))
    screen = occluder("screen", half=(side / GROWN, 0.05, top / 2), position=down, path=path,
                      value=float(rng.uniform(0.12, 0.35)))  # fmt: skip
    bodies = (_hung(bob, (x, 0.0, z), turn, 0.0), screen, *stage(rng))
    scenes = [
        Scene(bodies, side_camera(), 2.8, 1.3, 1.0, "joint", at, caption=caption(bodies), tag=tag)
        for at in (g, weak)
    ]
    return Twin("factorial", scenes[0], scenes[1], 1.3, (1.5, 2.8))


PROBE = Probe(
    name="pendulum",
    version="0.1",
    unit="relative error of period, amplitude or rod",
    worst=1.0,
    null="freeze",
    strengths=(0.05, 0.1, 0.15, 0.3, 0.6),
    strength_unit="relative change of the period from the cut on",
    tags=("iid", "ood-speed", "ood-size", "control"),
    horizon_s=AHEAD_S,
    case=case,
    event=event,
    measure=measure,
    violate=violate,
    summary="A bob swings on a rod; does it keep its period, its amplitude and its rod?",
    must_see=0.15,
    twin=twin,
)
