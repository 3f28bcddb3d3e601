"""Does a body that nothing touches keep its heading and speed, and stay where it is when it is at rest?

Two arms: in one the body floats or glides along a straight line, in the other the same body rests. A world in
which everything stops loses the first, one in which everything stirs loses the second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.probe import Measurement, Probe, Twin
from wmeval.scene import Body, Case, Profile, Scene, ball, side_camera, wall
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
SPEEDS, FAST = (0.6, 1.3), (1.8, 2.3)  # m/s
SHOWN_S, AHEAD_S = (0.5, 0.7), (1.1, 1.3)
FEWEST = 4  # frames of half a prediction from which a velocity is taken
APART = 0.15  # m between bodies, that never meet
KICKED = (0.1, 0.4)  # share of the time after the cut within which a violation kicks


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return arm "moves", a body (tag "ood-count": two) in straight motion, and arm "rests", where it stands.

    Two in five glide over a floor without friction, the others float without weight. Tag "control" lets the
    body turn round at a wall that it meets.
    """
    while (drawn := (_wall(rng, tag) if tag == "control" else _free(rng, tag))) is None:
        pass
    rests = tuple(
        replace(b, position=tuple(np.add(b.position, np.multiply(b.velocity, drawn.duration_s / 2))),
                velocity=(0.0, 0.0, 0.0)) if b.mass > 0 else b
        for b in drawn.bodies
    )  # fmt: skip
    if tag == "control":  # it stands where it started, so that it stands clear of the wall
        rests = tuple(replace(b, velocity=(0.0, 0.0, 0.0)) for b in drawn.bodies)
    return Case({"moves": drawn, "rests": replace(drawn, bodies=rests)})


def _free(rng: np.random.Generator, tag: str) -> Scene | None:
    glides = tag != "ood-count" and rng.random() < 0.4
    cut, lasts = _times(rng, tag)
    bodies: list[Body] = []
    for hue in hues(rng, 2 if tag == "ood-count" else 1):
        speed = float(rng.uniform(*(FAST if tag == "ood-speed" else SPEEDS)))
        heading = float(rng.choice([0.0, np.pi]) if glides else rng.uniform(0, 2 * np.pi))
        start = (float(rng.uniform(LEFT, RIGHT)), 0.0, float(rng.uniform(0.0, TOP)))
        way = (speed * float(np.cos(heading)), 0.0, speed * float(np.sin(heading)))
        body = solid(rng, hue, radius(rng, tag), start, boxes=0.4, velocity=way, friction=0.0)
        if glides:
            body = replace(body, position=(start[0], 0.0, half_height(body)), velocity=(way[0], 0.0, 0.0))
        bodies.append(body)
    if not all(_in_view(b, lasts, glides) for b in bodies):
        return None
    if len(bodies) == 2 and not _clear(bodies[0], bodies[1], lasts):
        return None
    everything = (*bodies, *stage(rng, friction=0.0))
    return _scene(everything, cut, lasts, tag, "rest" if glides else "flight", 9.81 if glides else 0.0)


def _times(rng: np.random.Generator, tag: str) -> tuple[float, float]:
    cut = round(float(rng.uniform(*SHOWN_S)), 1) if tag != "ood-speed" else SHOWN_S[0]
    ahead = round(float(rng.uniform(*AHEAD_S)), 1) if tag != "ood-speed" else AHEAD_S[0]
    return cut, round(cut + ahead, 1)


def _in_view(body: Body, lasts: float, glides: bool) -> bool:
    ends = np.array([body.position, np.add(body.position, np.multiply(body.velocity, lasts))])
    wide, tall = half_width(body) + EDGE, half_height(body) + EDGE
    if ends[:, 0].min() < LEFT + wide or ends[:, 0].max() > RIGHT - wide:
        return False
    return glides or bool(ends[:, 2].min() > tall and ends[:, 2].max() < TOP - tall)


def _clear(a: Body, b: Body, lasts: float) -> bool:
    """Return whether two bodies keep apart, moving and also at rest half way."""
    t = np.linspace(0, lasts, 40)[:, None]
    apart = np.subtract(a.position, b.position) + np.subtract(a.velocity, b.velocity) * t
    reach = float(
        np.linalg.norm([half_width(a), half_height(a)]) + np.linalg.norm([half_width(b), half_height(b)])
    )
    return bool(np.linalg.norm(apart, axis=1).min() > reach + APART)


def _scene(
    bodies: tuple[Body, ...], cut: float, lasts: float, tag: str, profile: Profile, gravity: float
) -> Scene:
    return Scene(
        bodies=bodies,
        camera=side_camera(),
        duration_s=lasts,
        cut_s=cut,
        needs_s=cut,
        profile=profile,
        gravity=gravity,
        caption=caption(bodies),
        tag=tag,
    )


def _wall(rng: np.random.Generator, tag: str) -> Scene | None:
    cut, lasts = _times(rng, tag)
    size, speed, (hue,) = radius(rng, "iid"), float(rng.uniform(*SPEEDS)), hues(rng, 1)
    side, at, meets = (
        int(rng.choice([-1, 1])),
        float(rng.uniform(0.2, 1.4)),
        cut + float(rng.uniform(0.3, 0.6)),
    )
    start, height = at - 0.15 - size - speed * meets, float(rng.uniform(size + 0.1, 2.0))
    if start - size - EDGE < LEFT:
        return None
    body = ball(f"{hue} ball", radius=size, position=(side * start, 0.0, height), hue=hue, friction=0.0,
                velocity=(side * speed, 0.0, 0.0), restitution=1.0)  # fmt: skip
    tall = (height + size) / 2 + 0.2
    barrier = wall("wall", half=(0.15, 0.45, tall), position=(side * at, 0.0, tall), restitution=1.0,
                   friction=0.0)  # fmt: skip
    return _scene((body, barrier, *stage(rng, friction=0.0)), cut, lasts, tag, "impact", 0.0)


def event(tracks: Mapping[str, Tracks], truths: Mapping[str, Truth]) -> dict[str, float]:
    """Return, for each arm, the share of predicted frames that show all bodies; nine in ten are enough."""
    shares = {}
    for arm, truth in truths.items():
        found = tracks[arm].after(truth.scene.cut_s).found
        shares[arm] = float(min(1.0, found.all(axis=1).mean() / 0.9)) if len(found) else 0.0
    return shares


@dataclass(frozen=True)
class Motion:
    """How a body moves in half of a prediction, and how it should: (2,) m/s along x and z."""

    velocity: Floats
    true: Floats
    sigma: float  # m/s


def halves(tracks: Tracks, truth: Truth, slot: int) -> list[Motion] | None:
    """Return a body's motion in the first and second half after the cut; None where one shows too little.

    Both velocities are slopes of straight lines through the same frames.
    """
    later = tracks.after(truth.scene.cut_s)
    keep = np.isfinite(later.position[:, slot][:, (0, 2)]).all(axis=1)
    t, p = later.times[keep], later.position[keep, slot][:, (0, 2)]
    middle = (truth.scene.cut_s + truth.scene.duration_s) / 2
    out = []
    for part in (t <= middle + 1e-9, t > middle + 1e-9):
        if part.sum() < FEWEST:
            return None
        s = t[part] - t[part].mean()
        true = truth.poses_at(t[part])[0][:, slot][:, (0, 2)]
        slope, wanted = s @ p[part] / (s @ s), s @ true / (s @ s)
        rough = float(np.sqrt(np.mean((p[part] - p[part].mean(0) - s[:, None] * slope) ** 2)))
        out.append(Motion(slope, wanted, max(0.007, rough) / float(np.sqrt(s @ s))))
    return out


def measure(tracks: Mapping[str, Tracks], truths: Mapping[str, Truth]) -> dict[str, Measurement]:
    """Return, for each arm, the largest difference of a velocity from the true one [m/s].

    It is taken over bodies and over both halves of the prediction, since one line through all of it would
    spread a late kick thin. Heading and speed are told apart in the evidence.
    """
    told: dict[str, Measurement] = {}
    implied: dict[str, tuple[float, float]] = {}
    for arm, truth in truths.items():
        worst, evidence, status = 0.0, {}, "ok"
        for slot, body in enumerate(truth.scene.moving):
            motions = halves(tracks[arm], truth, slot)
            if motions is None:
                worst, status = PROBE.worst, f"{body.name} was found in fewer than {FEWEST} frames of a half"
                break
            worst = max([worst, *(float(np.linalg.norm(m.velocity - m.true)) for m in motions)])
            evidence[body.name] = _told_apart(motions)
            if arm == "moves":
                speed = [float(np.linalg.norm(m.true)) for m in motions]
                ratio = [
                    float(m.velocity @ m.true) / v**2 for m, v in zip(motions, speed, strict=True) if v > 0.1
                ]
                if len(ratio) == 2:
                    spread = float(np.hypot(motions[0].sigma, motions[1].sigma)) / 2 / speed[0]
                    implied["speed / true speed"] = (float(np.mean(ratio)), spread)
        told[arm] = Measurement(worst, status, evidence=evidence)
    return {arm: replace(m, implied=implied) for arm, m in told.items()}


def _told_apart(motions: list[Motion]) -> dict[str, list[float]]:
    turns, gains = [], []
    for m in motions:
        across = float(m.true[0] * m.velocity[1] - m.true[1] * m.velocity[0])
        turns.append(float(np.rad2deg(np.arctan2(across, m.true @ m.velocity))))
        gains.append(float(np.linalg.norm(m.velocity) - np.linalg.norm(m.true)))
    return {"turned by deg": turns, "faster by m/s": gains}


def violate(truths: Mapping[str, Truth], strength: float, rng: np.random.Generator) -> dict[str, Truth]:
    """Return the truths in which nothing kicks one body of each arm, by `strength` [m/s] in any direction.

    On a floor the kick is along it. It comes early enough for half of the prediction to show it.
    """
    from wmeval.world import resume

    if strength == 0:
        return dict(truths)
    share, angle, pick = float(rng.uniform(*KICKED)), float(rng.uniform(0, 2 * np.pi)), float(rng.random())
    made = {}
    for arm, truth in truths.items():
        scene = truth.scene
        slot = int(pick * len(scene.moving))
        at = round((scene.cut_s + share * (scene.duration_s - scene.cut_s)) * truth.clock_hz)
        if scene.gravity > 0:
            kick = np.array([strength * float(np.sign(np.cos(angle))), 0.0, 0.0])
        else:
            kick = strength * np.array([float(np.cos(angle)), 0.0, float(np.sin(angle))])
        ends = truth.position[-1, slot] + kick * (scene.duration_s - at / truth.clock_hz)
        if abs(ends[0]) + scene.moving[slot].radius > RIGHT:
            kick[0] = -kick[0]  # inwards, where it stays to be seen
        if not scene.moving[slot].radius < ends[2] < TOP - scene.moving[slot].radius:
            kick[2] = -kick[2]
        made[arm] = resume(
            truth, at / truth.clock_hz, velocity={scene.names[slot]: tuple(truth.velocity[at, slot] + kick)}
        )
    return made


def twin(rng: np.random.Generator, tag: str) -> Twin:
    """Return a body that goes behind a screen, with and without a wall there that was shown before.

    With the wall it comes back, without it goes on. Crossed over, it turns round for nothing, or goes on
    where the wall was seen (cue x outcome).
    """
    while (drawn := _twin(rng, tag)) is None:
        pass
    return drawn


def _twin(rng: np.random.Generator, tag: str) -> Twin | None:
    size, speed = float(rng.uniform(0.22, 0.28)), float(rng.uniform(0.9, 1.2))
    side, camera, (hue,) = int(rng.choice([-1, 1])), side_camera(), hues(rng, 1)
    thick, at = 0.12, float(rng.uniform(0.25, 0.5))
    height = float(rng.uniform(size + 0.1, 1.5))
    meets_x = at - thick - size
    left, right = meets_x - 0.4 * speed - size, at + thick + SPARE
    start = LEFT + EDGE + size
    hides, meets = (left + size - start) / speed, (meets_x - start) / speed
    splice = float(np.floor((hides + meets) / 2 * 10 + 0.5) / 10)
    returns, passes = meets + (meets_x - left + size) / speed, (right + size - start) / speed
    lasts = float(np.ceil((max(returns, passes) + 0.2) * 10) / 10)
    tall = (height + size) / 2 + 0.05
    if splice <= hides or splice >= meets or start + speed * lasts + size > RIGHT:
        return None
    body = ball(f"{hue} ball", radius=size, position=(side * start, 0.0, height), hue=hue, friction=0.0,
                velocity=(side * speed, 0.0, 0.0), restitution=0.95)  # fmt: skip
    barrier = wall("wall", half=(thick, 0.3, tall), position=(side * at, 0.0, tall), restitution=1.0,
                   friction=0.0)  # fmt: skip
    edges = sorted((side * left, side * right))
    screen = veil("screen", camera, x=(edges[0], edges[1]), z=(-0.1, 2 * tall + SPARE),
                  value=float(rng.uniform(0.12, 0.3)), path=((0.35, 4.5), (0.65, 0.0)))  # fmt: skip
    around = (screen, *stage(rng, friction=0.0))
    scenes = [
        replace(
            _scene((body, *more, *around), splice, lasts, tag, "impact", 0.0),
            caption=caption((body, *around)),
        )
        for more in ((barrier,), ())
    ]
    if rng.random() < 0.5:
        scenes.reverse()
    if (left - size - start) / speed < 0.65 or not same_picture(scenes[0], scenes[1], splice):
        return None
    shows = min(returns, passes) - 2 * size / speed
    return Twin("factorial", scenes[0], scenes[1], splice, (round(shows, 3), lasts))


PROBE = Probe(
    name="inertia",
    version="0.1",
    unit="m/s",
    worst=0.5,
    null="freeze",
    strengths=(0.1, 0.2, 0.3, 0.45, 0.6),
    strength_unit="m/s of a kick that nothing gives",
    tags=("iid", "ood-speed", "ood-size", "ood-count", "control"),
    horizon_s=1.3,
    case=case,
    event=event,
    measure=measure,
    violate=violate,
    summary="A body moves in a straight line, or rests; does it go on, or stay, where nothing touches it?",
    must_see=0.3,
    twin=twin,
)
