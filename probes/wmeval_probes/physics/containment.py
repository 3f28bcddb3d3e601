"""Is a body that fell into a container in it when it is uncovered, and one that fell beside it out of it?

A body drops with some speed to the side, a screen comes up out of the floor, and the rest goes on behind it:
in the arm "in" the body is held by the container's walls, in the arm "beside" the same walls hold it out.
The screen sinks again at constant speed from before the cut, so that the context fixes what it uncovers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import Vec3
from wmeval.caption import caption
from wmeval.probe import Measurement, Probe, Twin
from wmeval.scene import Body, Case, Scene, occluder, side_camera, wall
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

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
SPEEDS, FAST = (0.35, 0.7), (0.8, 1.1)  # m/s to the side
PLAY, FAST_PLAY = (0.2, 0.3), (0.3, 0.4)  # m that the body can move inside, to either side
RIM = 0.08  # m by which it misses the rim: futures are jittered by less
THIN = 0.06  # m, half the thickness of a wall
RISES_S, UP_S = 0.3, 0.45  # when the screen leaves the floor, and when it stands
SCREEN_Y = -1.0  # m, in front of everything
GROWN = 14.0 / (14.0 + SCREEN_Y)  # a screen hides so many times its width of the plane of the body
EYE = 1.9  # m, height of the eye
HIDES = 0.16  # m, two pixels and more, by which the screen is larger than what it hides
SHOWN_S = 0.4  # of the fall, before the body goes behind the screen
AFTER_S = 0.6  # for so long the body is in full view at the end
IN_VIEW = 0.9  # of the most that truth shows of the body once uncovered, from which its frame counts
SEEN = 0.7  # of those frames: the body must be found in so many


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return a fall into a container and the same beside it; "control": the body stands in it, uncovered."""
    while (drawn := _drop(rng, tag)) is None:
        pass
    if tag == "control":
        return Case({"rests": _rests(drawn["in"])})
    return Case(drawn)


def _drop(rng: np.random.Generator, tag: str) -> dict[str, Scene] | None:
    """Return the scenes of both arms, which differ only in where the body starts."""
    fast, side = tag == "ood-speed", int(rng.choice([-1, 1]))
    g, speed = float(rng.uniform(3.0, 6.0)), float(rng.uniform(*(FAST if fast else SPEEDS)))
    play = float(rng.uniform(*(FAST_PLAY if fast else PLAY)))
    body = solid(rng, hues(rng, 1)[0], radius(rng, tag), (0.0, 0.0, 1.0), boxes=0.4, friction=0.0)
    wide, low = half_width(body), half_height(body)
    inner, tall = wide + play, 2 * low + float(rng.uniform(-0.1, 0.15))
    outer = inner + 2 * THIN
    pace, least_top = float(rng.uniform(0.9, 1.4)), 2 * low + HIDES / 2
    # height in the plane of the body: it sinks for 0.3 s and up to a frame before the cut, and hides it still
    hides = max(max(tall, 2 * low) + HIDES, least_top + 0.45 * pace * GROWN) + float(rng.uniform(0.0, 0.15))
    top = EYE + (hides - EYE) / GROWN
    start = hides + float(rng.uniform(0.1, 0.6))  # of the body's lower end
    enters, rim, lands = (float(np.sqrt(2 * max(0.0, start - z) / g)) for z in (hides - low, tall, 0.0))
    if enters < SHOWN_S or start + 2 * low > TOP - EDGE:
        return None
    # places at the landing, seen along the way the body goes, from the middle of the container
    least, most = -play + RIM + speed * (lands - rim), play - RIM
    if least > most:
        return None
    inside = float(rng.uniform(least, most))
    beside = -outer - wide - RIM - float(rng.uniform(0.0, 0.2))
    sinks = lands + float(rng.uniform(0.0, 0.2))
    cut = float(np.ceil((sinks + 0.3) * 10 - 1e-9) / 10)
    shows = sinks + (hides - least_top) / (pace * GROWN)
    bare = sinks + (top + 0.25) / pace
    lasts = float(np.ceil((bare + AFTER_S) * 10) / 10)
    covers = (beside - wide - HIDES, outer + HIDES)
    first = min(beside - speed * lands - wide, covers[0]) - EDGE
    held = inside + speed * (bare - lands) > play  # else it need not be held
    room = RIGHT - LEFT - (covers[1] + EDGE - first)
    if not held or room < 0 or lasts > 3.2 or shows - cut < 0.04 or lasts - cut > PROBE.horizon_s:
        return None
    middle = LEFT - first + room * float(rng.random())
    more: Any = {"half": (THIN, 0.45, tall / 2), "friction": 0.0, "value": float(rng.uniform(0.2, 0.4))}
    walls = (
        wall("left wall", position=(side * middle - inner - THIN, 0.0, tall / 2), **more),
        wall("right wall", position=(side * middle + inner + THIN, 0.0, tall / 2), **more),
    )
    screen = _screen(rng, side * (middle + sum(covers) / 2), (covers[1] - covers[0]) / 2, top, sinks, pace)
    around = stage(rng, friction=0.0)
    arms = {}
    for arm, at in (("in", inside), ("beside", beside)):
        x = middle + at - speed * lands
        placed = replace(body, position=(side * x, 0.0, start + low), velocity=(side * speed, 0.0, 0.0))
        bodies = (placed, *walls, screen, *around)
        arms[arm] = Scene(
            bodies=bodies,
            camera=side_camera(),
            duration_s=lasts,
            cut_s=cut,
            needs_s=cut,
            profile="rest",
            gravity=g,
            caption=caption(bodies),
            tag=tag,
        )
    return arms


def _screen(rng: np.random.Generator, x: float, half: float, top: float, sinks: float, pace: float) -> Body:
    """Return a screen that comes out of the floor up to `top` [m], stands, and sinks at `pace` [m/s]."""
    under = -0.1  # m, where its upper end waits

    def at(end: float) -> Vec3:
        return (x / GROWN, SCREEN_Y, end - top / 2 - 0.05)

    gone = sinks + (top - under) / pace
    path = ((RISES_S, at(under)), (UP_S, at(top)), (sinks, at(top)), (gone, at(under)))
    size = (half / GROWN, 0.05, top / 2 + 0.05)
    return occluder("screen", half=size, position=at(under), path=path, value=float(rng.uniform(0.1, 0.3)))


def _rests(scene: Scene) -> Scene:
    """Return the scene without its screen, in which the body stands in the container."""
    body, (left, right) = scene.moving[0], _walls(scene)
    middle = ((left.position[0] + right.position[0]) / 2, 0.0, half_height(body))
    still = replace(body, position=middle, velocity=(0.0, 0.0, 0.0))
    bodies = (still, *(b for b in scene.static if b.role != "occluder"))
    return replace(scene, bodies=bodies, caption=caption(bodies))


def _walls(scene: Scene) -> tuple[Body, Body]:
    return scene["left wall"], scene["right wall"]


@dataclass(frozen=True)
class Held:
    """Where walls hold a body: centres within `inner` of `middle` are in, beyond `outer` are out [m].

    A centre above `rim` is not in.
    """

    middle: float
    inner: float
    outer: float
    rim: float
    inside: bool  # whether truth ends inside

    def off(self, x: Floats, z: Floats) -> Floats:
        """Return how far [m] centres (T,) are beyond where the walls hold the body."""
        away = np.abs(x - self.middle)
        if not self.inside:
            return np.asarray(np.clip(self.outer - away, 0.0, None) * (z < self.rim), dtype=np.float64)
        return np.asarray(np.hypot(np.clip(away - self.inner, 0, None), np.clip(z - self.rim, 0, None)))


def held(truth: Truth) -> Held:
    """Return where the walls of a scene hold its body."""
    left, right = _walls(truth.scene)
    wide = half_width(truth.scene.moving[0])
    middle = (left.position[0] + right.position[0]) / 2
    gap = (right.position[0] - left.position[0]) / 2
    inside = abs(float(truth.position[-1, 0, 0]) - middle) < gap
    return Held(middle, gap - THIN - wide, gap + THIN + wide, 2 * left.size[2], inside)


def uncovered(truth: Truth, times: Floats) -> Bools:
    """Return at which times (T,) truth shows the body after it was hidden; all, where nothing hides it.

    A wall stands nearer to the camera than the body beside it and may hide its edge for good.
    """
    from wmeval.world import visibility

    share = visibility(truth, times)[:, 0]
    hidden = np.flatnonzero(share < 0.05)
    after = np.arange(len(times)) > (int(hidden[-1]) if len(hidden) else -1)
    return np.asarray(after & (share >= IN_VIEW * share.max(where=after, initial=0.05)))


def event(tracks: Mapping[str, Tracks], truths: Mapping[str, Truth]) -> Mapping[str, float]:
    """Return in each arm how far the body is uncovered and found again; `SEEN` of its frames are enough."""
    shares = {}
    for arm, truth in truths.items():
        asked = tracks[arm].after(truth.scene.cut_s)
        found = asked.found[uncovered(truth, asked.times), 0]
        shares[arm] = float(min(1.0, found.mean() / SEEN)) if len(found) else 0.0
    return shares


def measure(tracks: Mapping[str, Tracks], truths: Mapping[str, Truth]) -> Mapping[str, Measurement]:
    """Return for each arm how far the body is beyond where the walls hold it [radii], mean over frames.

    Frames count from when truth uncovers the body; one in which it is not found is the worst.
    """
    told = {}
    for arm, truth in truths.items():
        asked = tracks[arm].after(truth.scene.cut_s)
        asked = asked.part(uncovered(truth, asked.times))
        found = asked.found[:, 0]
        if not found.any():
            told[arm] = Measurement(PROBE.worst, "the body is not found after it is uncovered")
            continue
        x, z = asked.position[found, 0, 0], asked.position[found, 0, 2]
        where, size = held(truth), half_width(truth.scene.moving[0])
        off = where.off(x, z) / size
        errors = np.full(len(found), PROBE.worst)
        errors[found] = np.minimum(off, PROBE.worst)
        sigma = float(np.median(asked.sigma[found, 0, 0])) / size
        told[arm] = Measurement(
            float(errors.mean()),
            implied={"beyond the wall / radius": (float(np.median(off)), sigma)},
            evidence={"fell": arm, "x m": float(np.median(x)), "found": float(found.mean())},
        )
    return told


def violate(truths: Mapping[str, Truth], strength: float, rng: np.random.Generator) -> Mapping[str, Truth]:
    """Return the truths in which one body, while it is hidden, gets `strength` radii beyond its wall.

    Into the wall, or through it; there it stays.
    """
    if strength == 0:
        return truths
    arm = str(rng.choice(sorted(truths)))
    return {**truths, arm: beyond(truths[arm], strength)}


def beyond(truth: Truth, strength: float) -> Truth:
    """Return the truth in which the body stands `strength` radii beyond where its nearer wall holds it."""
    from wmeval.world import resume

    scene, where = truth.scene, held(truth)
    body, x = scene.moving[0], float(truth.position[-1, 0, 0])
    way = 1.0 if x > where.middle else -1.0
    by = strength * half_width(body)
    reach = where.inner + by if where.inside else where.outer - by
    there = (where.middle + way * reach, 0.0, half_height(body))
    still = {body.name: (0.0, 0.0, 0.0)}
    through = [(body.name, w.name) for w in _walls(scene)]
    return resume(truth, scene.cut_s, position={body.name: there}, velocity=still, spin=still, passes=through)


def twin(rng: np.random.Generator, tag: str) -> Twin:
    """Return a fall into the container and one beside it, spliced while both bodies are hidden."""
    while (drawn := _twin(rng, tag)) is None:
        pass
    return drawn


def _twin(rng: np.random.Generator, tag: str) -> Twin | None:
    arms = _drop(rng, tag)
    if arms is None:
        return None
    one, two = arms["in"], arms["beside"]
    body, screen = one.moving[0], one["screen"]
    frames = np.arange(round(one.duration_s * 10) + 1) / 10
    fall = body.position[2] - one.gravity * frames**2 / 2
    highest = np.maximum(fall, half_height(body)) + half_height(body)
    ends = np.array([screen.placed(float(t))[2] for t in frames]) + screen.size[2]
    dark = frames[(highest + HIDES / 2 <= EYE + (ends - EYE) * GROWN) & (frames > UP_S)]
    if len(dark) < 3:
        return None
    shows = float(dark[-1])
    return Twin(
        "swap", one, two, float(dark[len(dark) // 2]), (shows, round(min(shows + 0.8, one.duration_s), 3))
    )


PROBE = Probe(
    name="containment",
    version="0.2",
    unit="radii beyond the wall",
    worst=1.0,
    null="freeze",
    strengths=(0.25, 0.5, 0.75, 1.0, 2.0),
    strength_unit="radii by which one body is beyond where a wall holds it",
    tags=("iid", "ood-speed", "ood-size", "control"),
    horizon_s=2.2,
    case=case,
    event=event,
    measure=measure,
    violate=violate,
    summary="A body falls into a container or beside it, behind a screen; where is it when uncovered?",
    must_see=1.0,
    twin=twin,
)
