"""Balls that float without weight and hit one another twice, so that the first hit tells the second.

The first hit, before the cut, shows how much the material gives back; all balls are of one material, so
that their sizes are their masses. Everything is drawn from closed forms and redrawn until it fits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.probe import Twin
from wmeval.scene import Body, Case, Scene, backdrop, ball, side_camera
from wmeval_probes.physics.draw import EDGE, IID_RADII, LEFT, RIGHT, TOP, hues, radius, stage
from wmeval_probes.physics.veil import SPARE, same_picture, veil

Floats = NDArray[np.float64]
SPEEDS, FAST = (0.8, 1.3), (1.5, 1.9)  # m/s of the second ball after the first hit
RESTITUTION = (0.5, 1.0)
OBLIQUE = 0.6  # largest offset of a hit, as a share of the sum of radii: beyond it hits graze
SHOWN_S = 0.35  # before the first hit, and between the first hit and the cut
AHEAD_S = (0.4, 0.6)  # from the cut to the second hit: three predicted frames at least
AFTER_S = 0.6  # from the second hit to the end
GAP = 0.4  # m still to go at the cut
APART = 0.12  # m between balls that do not meet
LOW = 0.05  # m above the floor
HORIZON_S = 1.4


@dataclass(frozen=True)
class Puck:
    """A ball in the plane of the picture."""

    mass: float  # kg
    radius: float  # m
    velocity: Floats  # (2,) m/s, along x and z


def turned(direction: Floats, angle: float) -> Floats:
    """Return a vector (2,) turned anticlockwise by an angle [rad]."""
    c, s = np.cos(angle), np.sin(angle)
    out: Floats = np.array([c * direction[0] - s * direction[1], s * direction[0] + c * direction[1]])
    return out


def hit(a: Puck, b: Puck, normal: Floats, e: float) -> tuple[Floats, Floats]:
    """Return the velocities after a frictionless hit; `normal` (2,) is the unit vector from a to b."""
    closing = float((a.velocity - b.velocity) @ normal)
    impulse = (1 + e) * closing * a.mass * b.mass / (a.mass + b.mass)
    return a.velocity - impulse / a.mass * normal, b.velocity + impulse / b.mass * normal


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return three balls: the first hits the second in view, and the second hits the third after the cut.

    Sizes are equal or not, hits central or oblique, and the third ball rests or comes along. Tag "ood-size"
    makes one of them large; tag "control" draws balls that pass one another.
    """
    while (drawn := (_pass(rng, tag) if tag == "control" else _twice(rng, tag))) is None:
        pass
    return Case.single(drawn)


def _offset(rng: np.random.Generator) -> float:
    """Return the angle [rad] between velocity and line of centres: a third of the hits are central."""
    return 0.0 if rng.random() < 1 / 3 else float(np.arcsin(rng.uniform(-OBLIQUE, OBLIQUE)))


def _radii(rng: np.random.Generator, tag: str) -> list[float]:
    radii = [float(rng.uniform(*IID_RADII))] * 3
    if rng.random() < 0.6:
        radii = [float(rng.uniform(*IID_RADII)) for _ in range(3)]
    if tag == "ood-size":
        radii[int(rng.integers(3))] = radius(rng, tag)
    return radii


def _twice(rng: np.random.Generator, tag: str) -> Scene | None:
    e = float(rng.uniform(*RESTITUTION))
    radii = _radii(rng, tag)
    masses = [1000 * 4 / 3 * np.pi * r**3 for r in radii]
    along = turned(np.array([1.0, 0.0]), float(rng.uniform(0, 2 * np.pi)))  # of the second ball, once hit
    speed = float(rng.uniform(*(FAST if tag == "ood-speed" else SPEEDS)))
    swing = _offset(rng)
    # what the first ball must bring along the line of centres to send the second off at `speed`
    brings = speed * (masses[0] + masses[1]) / ((1 + e) * masses[0])
    one = Puck(masses[0], radii[0], turned(along, swing) * brings / np.cos(swing))
    two = Puck(masses[1], radii[1], np.zeros(2))
    one_after, two_after = hit(one, two, along, e)
    first = SHOWN_S + float(rng.uniform(0, 0.1))
    cut = float(np.ceil((first + SHOWN_S) * 10 - 1e-9) / 10)
    second = cut + float(rng.uniform(*AHEAD_S))
    drifts = turned(along, float(rng.uniform(-2.5, 2.5))) * float(rng.uniform(0.2, 0.6)) * speed
    three = Puck(masses[2], radii[2], drifts if rng.random() < 0.4 else np.zeros(2))
    closing = two_after - three.velocity
    faces = turned(closing / np.linalg.norm(closing), _offset(rng))
    struck = replace(two, velocity=two_after)
    two_last, three_last = hit(struck, three, faces, e)
    at_first, at_second = np.zeros(2), second - first
    lasts = float(np.ceil((second + AFTER_S) * 10 - 1e-9) / 10)
    t = np.linspace(0, lasts, 60)[:, None]
    meets = at_first + two_after * at_second + (radii[1] + radii[2]) * faces
    paths = np.stack(
        [
            _bent(t, at_first - (radii[0] + radii[1]) * along, first, one.velocity, one_after),
            at_first + two_after * (t - first).clip(0, at_second) + two_last * (t - second).clip(0),
            _bent(t, meets, second, three.velocity, three_last),
        ]
    )
    fast = max(np.linalg.norm(one.velocity), np.linalg.norm(closing)) < 4.5
    if not fast or float(closing @ faces) * (second - cut) < GAP:
        return None
    shift = _shift(rng, paths, radii)
    if shift is None:
        return None
    if not all(_clear(paths, radii, a, b, met) for a, b, met in ((0, 1, first), (1, 2, second), (0, 2, -1))):
        return None
    velocities = [one.velocity, two.velocity, three.velocity]
    bodies = _balls(rng, paths[:, 0] + shift, velocities, radii, e)
    return _scene((*bodies, *stage(rng, friction=0.0)), cut, lasts, tag)


def _bent(t: Floats, at: Floats, when: float, before: Floats, after: Floats) -> Floats:
    """Return a path (T, 2) [m] that is at `at` at time `when` and changes its velocity there."""
    path: Floats = at + before * (t - when).clip(None, 0) + after * (t - when).clip(0)
    return path


def _shift(rng: np.random.Generator, paths: Floats, radii: list[float]) -> Floats | None:
    """Return by how much (2,) [m] paths (N, T, 2) are moved so that all is in view; None where it is not."""
    size = np.array(radii)[:, None]
    ends = []
    for axis, (low, high) in enumerate(((LEFT + EDGE, RIGHT - EDGE), (LOW, TOP - EDGE))):
        ends.append((low - (paths[..., axis] - size).min(), high - (paths[..., axis] + size).max()))
    if any(a > b for a, b in ends):
        return None
    return np.array([rng.uniform(a, b) for a, b in ends])


def _clear(paths: Floats, radii: list[float], a: int, b: int, met: float) -> bool:
    """Return whether two balls keep apart but for one meeting (at `met` [s]; below 0 = they never meet)."""
    gap = np.linalg.norm(paths[a] - paths[b], axis=-1) - radii[a] - radii[b]
    if met < 0:
        return bool(gap.min() > APART)
    falls = np.diff(np.sign(np.diff(gap)))  # a gap that shrinks, then grows, and never again shrinks
    return bool((falls > 0).sum() <= 1 and not (falls < 0).any() and gap[-1] > APART)


def _balls(
    rng: np.random.Generator, at: Floats, velocities: list[Floats], radii: list[float], e: float
) -> list[Body]:
    return [
        ball(
            f"{hue} ball",
            radius=r,
            position=(float(p[0]), 0.0, float(p[1])),
            velocity=(float(v[0]), 0.0, float(v[1])),
            hue=hue,
            value=float(rng.uniform(0.7, 0.95)),
            restitution=float(np.sqrt(e)),  # the engine multiplies the two
            friction=0.0,
        )
        for hue, p, v, r in zip(hues(rng, len(radii)), at, velocities, radii, strict=True)
    ]


def _scene(bodies: tuple[Body, ...], cut: float, lasts: float, tag: str) -> Scene:
    return Scene(
        bodies=bodies,
        camera=side_camera(),
        duration_s=round(lasts, 1),
        cut_s=round(cut, 1),
        needs_s=round(cut, 1),
        profile="impact",
        gravity=0.0,
        caption=caption(bodies),
        tag=tag,
    )


def _pass(rng: np.random.Generator, tag: str) -> Scene | None:
    n = int(rng.integers(2, 4))
    radii = [radius(rng, tag) for _ in range(n)]
    at = rng.uniform(-1.5, 1.5, (n, 2))
    velocities = [turned(np.array([rng.uniform(*SPEEDS), 0.0]), rng.uniform(0, 2 * np.pi)) for _ in range(n)]
    cut, lasts = 0.6, 1.7
    t = np.linspace(0, lasts, 40)[:, None]
    paths = np.stack([p + v * t for p, v in zip(at, velocities, strict=True)])
    apart = all(_clear(paths, radii, a, b, -1) for a in range(n) for b in range(a))
    shift = _shift(rng, paths, radii)
    if not apart or shift is None:
        return None
    bodies = _balls(rng, at + shift, velocities, radii, float(rng.uniform(*RESTITUTION)))
    return _scene((*bodies, *stage(rng, friction=0.0)), cut, lasts, tag)


def twin(rng: np.random.Generator, tag: str) -> Twin:
    """Return two scenes in which a ball of one size is light or heavy, which its first hit shows.

    It comes out of that hit at the same velocity in both, goes behind a screen, and hits a third ball that
    its mass sends away slowly or fast (cue x outcome). What it hit first has left the picture by then.
    """
    while (drawn := _twin(rng, tag)) is None:
        pass
    return drawn


def _twin(rng: np.random.Generator, tag: str) -> Twin | None:
    e, size = float(rng.uniform(0.4, 0.6)), float(rng.uniform(0.22, 0.27))
    ratios = (1.0, float(rng.uniform(3.0, 4.0)))
    speed = float(rng.uniform(1.1, 1.4))  # after the first hit, to the right
    down = np.deg2rad(rng.uniform(-65, -50))  # where it sends the ball that it hits first
    along = np.array([np.cos(down), np.sin(down)])
    after = np.array([speed, 0.0])
    first = round(float(rng.uniform(SHOWN_S, 0.45)), 2)
    at = np.array([float(rng.uniform(-1.5, -1.3)), float(rng.uniform(0.7, 1.0))])
    half = size + SPARE + 0.15 * speed  # of the screen, so that the ball is hidden for three frames
    screen_x = float(rng.uniform(0.15, 0.35))
    splice = float(np.floor((first + (screen_x - at[0]) / speed) * 10) / 10)
    target = np.array([RIGHT - size - EDGE - float(rng.uniform(0.35, 0.45)), at[1]])
    meets = first + (target[0] - 2 * size - at[0]) / speed
    lasts = float(np.ceil((meets + 0.5) * 10) / 10)
    scenes = []
    values = rng.uniform([0.7, 0.7, 0.7, 0.12], [0.95, 0.95, 0.95, 0.35])
    names = hues(rng, 3)
    camera, side = side_camera(), int(rng.choice([-1, 1]))
    screen = veil("screen", camera, x=(side * screen_x - half, side * screen_x + half),
                  z=(at[1] - size - SPARE, at[1] + size + SPARE), value=float(values[3]))  # fmt: skip
    density = 1000.0
    for ratio in ratios:
        # the hit played backwards: along the line of centres it kept (ratio - e) / (ratio + 1)
        came = after + along * (after @ along) * ((ratio + 1) / (ratio - e) - 1)
        starts = at - came * first
        struck = at + 2 * size * along
        leaves = (1 + e) * ratio / (ratio + 1) * float(came @ along) * along
        gone = struck + leaves * (splice - first)
        if starts[0] - size < LEFT or starts[1] + size > TOP or gone[1] > -0.35 - size or gone[0] > RIGHT:
            return None
        placed = ((starts, came, ratio), (struck, np.zeros(2), 1.0), (target, np.zeros(2), 1.0))
        bodies = [
            ball(
                f"{hue} ball", radius=size, position=(side * float(p[0]), 0.0, float(p[1])), hue=hue,
                velocity=(side * float(v[0]), 0.0, float(v[1])), density=density * m, value=float(value),
                restitution=float(np.sqrt(e)), friction=0.0,
            )
            for hue, value, (p, v, m) in zip(names, values[:3], placed, strict=True)
        ]  # fmt: skip
        scenes.append(_scene((*bodies, screen, backdrop()), splice, lasts, tag))
    if rng.random() < 0.5:
        scenes.reverse()
    if meets < splice + 0.35 or not same_picture(scenes[0], scenes[1], splice):
        return None
    return Twin("factorial", scenes[0], scenes[1], splice, (round(float(meets), 3), lasts))
