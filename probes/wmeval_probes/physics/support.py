"""Does what is carried stand, and what is not carried fall: which way, and when?

Every case has two arms that look alike. In one the centre of mass of what overhangs lies inside the edge that
carries it, in the other as far outside. When their prop is taken away the one stands and the other falls, so
that a world in which all stands is as wrong as one in which all falls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.probe import Measurement, Probe, Twin
from wmeval.scene import Case, Scene, occluder, side_camera
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval_probes.physics.draw import hues, stage
from wmeval_probes.physics.stacks import (
    AHEAD_S,
    MARGIN,
    Slab,
    Stack,
    blocks,
    draw,
    hold,
    prop,
    standing,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
MOVED_M, TILTED = 0.2, 0.35  # m, rad: from there a block falls
OFF_S = 0.5  # s that a fall may be off before it is as bad as none
DEAD, GONE = 0.4, 1.5  # of where a fall begins: what a block between others seems to move; it has fallen
SETTLED_S = 0.2  # after a fall has begun its blocks need no longer be found
ENOUGH = 0.9  # of its frames in which a block must be found
SCREEN_Y = -1.0  # m
GROWN = 14.0 / (14.0 + SCREEN_Y)  # a screen hides so many times its size of the plane of the blocks


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return two arms: a stack that stands when its prop goes, and one that falls.

    Tag "control" has one arm, a tower that stands all the time.
    """
    if tag == "control":
        return Case({"stands": draw(rng, tag, [False])[0]})
    stands, falls = draw(rng, tag, [False, True])
    return Case({"stands": stands, "falls": falls})


@dataclass(frozen=True)
class TruePlaces:
    """Where the bodies of a truth are, in view or not: nothing hides a block before it has fallen.

    Fields and shapes are those of Tracks.
    """

    times: Floats
    position: Floats
    angle: Floats
    found: Bools


def true_places(truth: Truth, times: Floats) -> TruePlaces:
    """Return where the bodies of a truth are at times (T,) [s]."""
    position, orientation = truth.poses_at(times)
    x, y, z, w = np.moveaxis(orientation, -1, 0)
    angle = np.arctan2(2 * (x * z - y * w), 1 - 2 * (y * y + z * z))
    return TruePlaces(times, position, angle, np.isfinite(angle))


def moved(tracks: Tracks | TruePlaces, scene: Scene) -> Floats:
    """Return how far each body (T, N) is from where it was seen before the cut; NaN = lost.

    1 is where a fall begins. A block between blocks of other colours is seen a little beside its place, so it
    is compared with where it was seen itself and not with where the scene puts it.
    """
    before = tracks.times < scene.cut_s - 1e-9
    off = tracks.position - _middle(tracks.position[before])
    far = np.hypot(off[..., 0], off[..., 2]) / MOVED_M
    tilt = np.abs(tracks.angle - _middle(tracks.angle[before])) / TILTED
    out: Floats = np.where(tracks.found, np.fmax(far, tilt), np.nan)
    return out


def _middle(values: Floats) -> Floats:
    """Return the median over frames (T, ...) of what is known of each; NaN = nothing is."""
    known = np.isfinite(values).any(axis=0)
    out: Floats = np.full(values.shape[1:], np.nan)
    out[known] = np.nanmedian(values[:, known], axis=0)
    return out


def begins(times: Floats, far: Floats) -> float | None:
    """Return when a body (T,) begins to fall for good [s], between frames; None = never."""
    seen = np.isfinite(far)
    t, far = times[seen], far[seen]
    over = far >= 1.0
    if not over.any():
        return None
    lasting = over & np.append(over[1:], True)  # one frame is no fall
    if not lasting.any():
        return None
    k = int(np.argmax(lasting))
    if k == 0:
        return float(t[0])
    return float(np.interp(1.0, far[k - 1 : k + 1], t[k - 1 : k + 1]))


def lean(tracks: Tracks | TruePlaces, scene: Scene, slot: int, at: float) -> float:
    """Return which way a body goes at a time, > 0 to the right, in units of where a fall begins."""
    before = tracks.times < scene.cut_s - 1e-9
    seen = np.flatnonzero(tracks.found[:, slot])
    k = seen[min(int(np.searchsorted(tracks.times[seen], at)), len(seen) - 1)]
    along = (tracks.position[k, slot, 0] - _middle(tracks.position[before, slot])[0]) / MOVED_M
    turned = -np.nan_to_num(tracks.angle[k, slot] - _middle(tracks.angle[before, slot][:, None])[0]) / TILTED
    return float(max(along, turned, key=abs))


def event(tracks: Mapping[str, Tracks], truths: Mapping[str, Truth]) -> dict[str, float]:
    """Return for each arm whether its blocks are in sight until they fall; nine frames in ten are enough."""
    shares = {}
    for arm, truth in truths.items():
        later = tracks[arm].after(truth.scene.cut_s)
        asked = later.times[:, None] <= np.array(
            [
                np.inf if t is None else t + SETTLED_S
                for t in _begin(true_places(truth, tracks[arm].times), truth.scene)
            ]
        )
        seen = [
            later.found[asked[:, i], i].mean() if asked[:, i].any() else 0.0 for i in range(asked.shape[1])
        ]
        shares[arm] = float(np.clip(min(seen) / ENOUGH, 0.0, 1.0))
    return shares


def _begin(tracks: Tracks | TruePlaces, scene: Scene) -> list[float | None]:
    asked = tracks.times >= scene.cut_s - 1e-9
    return [begins(tracks.times[asked], far) for far in moved(tracks, scene)[asked].T]


def measure(tracks: Mapping[str, Tracks], truths: Mapping[str, Truth]) -> dict[str, Measurement]:
    """Return for each arm how wrong it is.

    Blocks that must fall cost the median of what they are early or late by, in units of `OFF_S`; the share of
    them that never falls, or falls to the other side, costs 1. A block that must stand costs what it moves:
    1 is `GONE` times where a fall begins. The worse of the two counts.
    """
    return {arm: _arm(tracks[arm], truth) for arm, truth in truths.items()}


def _arm(tracks: Tracks, truth: Truth) -> Measurement:
    scene = truth.scene
    exact = true_places(truth, tracks.times)
    far = moved(tracks, scene)[tracks.times > scene.cut_s + 1e-9]
    if lost := [n for i, n in enumerate(scene.names) if not np.isfinite(far[:, i]).any()]:
        return Measurement(PROBE.worst, f"{', '.join(lost)} found in no predicted frame")
    came, due = _begin(tracks, scene), _begin(exact, scene)
    stirred, late, never = 0.0, [], 0
    for i, (is_at, must_at) in enumerate(zip(came, due, strict=True)):
        if must_at is None:
            second = np.sort(far[np.isfinite(far[:, i]), i])[-2:].min()  # one frame is no fall
            stirred = max(stirred, (float(second) - DEAD) / (GONE - DEAD))
        elif is_at is None or lean(tracks, scene, i, is_at) * np.sign(lean(exact, scene, i, must_at)) < 0.5:
            never += 1
        else:
            late.append(is_at - must_at)
    missed = never / max(never + len(late), 1)
    off = min(abs(float(np.median(late))) / OFF_S, 1.0) if late else 0.0
    return Measurement(
        max(stirred, missed + (1 - missed) * off),
        implied={"falls late by s": (float(np.median(late)), 0.03)} if late else {},
        evidence={
            n: {"falls at s": a, "must fall at s": b} for n, a, b in zip(scene.names, came, due, strict=True)
        },
    )


def violate(truths: Mapping[str, Truth], strength: float, rng: np.random.Generator) -> Mapping[str, Truth]:
    """Return the arms of which the one that falls stays as it is at the cut for `strength` seconds first."""
    if strength == 0:
        return truths
    return {arm: _held(t, t.scene.cut_s, strength) if arm == "falls" else t for arm, t in truths.items()}


def _held(truth: Truth, at_s: float, seconds: float) -> Truth:
    """Return the truth in which nothing moves for a while, and then all that would have."""
    tick, wait = round(at_s * truth.clock_hz), round(seconds * truth.clock_hz)
    index = np.arange(len(truth.position))
    late = np.where(index <= tick, index, np.maximum(index - wait, tick))
    waits = ((index > tick) & (index <= tick + wait))[:, None, None]
    return replace(
        truth,
        position=truth.position[late],
        orientation=truth.orientation[late],
        velocity=np.where(waits, 0.0, truth.velocity[late]),
        spin=np.where(waits, 0.0, truth.spin[late]),
        futures=(),
    )


def twin(rng: np.random.Generator, tag: str) -> Twin:
    """Return a slab over the edge of a pillar with, and without, a post under its overhanging part.

    The post is shown, then a screen comes up before it, and the prop at the far end goes: the slab stands, or
    falls. Crossing over while the screen hides the post makes it fall on a post, or stand on nothing.
    """
    half, tall, high = (
        float(rng.uniform(0.7, 0.8)),
        float(rng.uniform(0.1, 0.14)),
        float(rng.uniform(0.8, 1.5)),
    )
    pillar = Slab(0.0, high / 2, float(rng.uniform(0.3, 0.45)), high / 2)
    over = float(rng.uniform(*MARGIN)) * half
    stack = Stack((Slab(pillar.half + over, high + tall, half, tall),), 0, pillar.half, pillar)
    post = Slab(pillar.half + over + 0.24, high / 2, 0.05, high / 2)
    side, shift, grey = (
        int(rng.choice([-1, 1])),
        float(rng.uniform(-0.9, -0.2)),
        float(rng.uniform(0.25, 0.45)),
    )
    release, splice, ends = 1.0, 0.8, 2.0
    bodies = blocks(stack, side, shift, hues(rng, 1), [float(rng.uniform(0.7, 0.95))])
    top = 1.9 + (high + tall - 1.9) / GROWN  # of the screen, from a camera at 1.9 m
    x = side * (post.x + shift) / GROWN
    down, up = (x, SCREEN_Y, -top / 2 - 0.05), (x, SCREEN_Y, top / 2)
    screen = occluder("screen", half=(0.2, 0.05, top / 2), position=down, path=((0.5, down), (0.65, up)),
                      value=float(rng.uniform(0.12, 0.22)))  # fmt: skip
    around = (
        standing("pillar", pillar, side, shift, grey),
        prop(stack, side, shift, release, grey),
        screen,
        *stage(rng, friction=1.0),
    )
    scenes = [
        Scene((*bodies, *more, *around), side_camera(), ends, splice, splice, "rest",
              pushes=hold(bodies, release), caption=caption((*bodies, *around)), tag=tag)
        for more in ((standing("post", post, side, shift, grey),), ())
    ]  # fmt: skip
    return Twin("factorial", scenes[0], scenes[1], splice, (release, ends))


PROBE = Probe(
    name="support",
    version="0.1",
    unit="half seconds of a fall, or 0.3 m of what stands",
    worst=1.0,
    null="freeze",
    strengths=(0.1, 0.15, 0.2, 0.3, 0.6),
    strength_unit="seconds for which what must fall stays",
    tags=("iid", "ood-count", "control"),
    horizon_s=AHEAD_S,
    case=case,
    event=event,
    measure=measure,
    violate=violate,
    summary="A prop is taken away; do the blocks that are carried stand, and the others fall, in time?",
    must_see=0.3,
    twin=twin,
)
