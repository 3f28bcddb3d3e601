"""Does what is commanded happen: does a push move the pushed body as far as it must, and no other body?

One push is shown before the cut, so that the context tells how strongly the body answers. After the cut
the arms part: no push, a weak one, one twice as strong, one in another direction.

There are no exactly matched clips: a command is no pixel, and up to the push all arms look the same, so
an impossible clip would differ from a possible one in its actions only, not in its frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.probe import Measurement, Probe
from wmeval.scene import Body, Case, Push, Scene, side_camera, wall
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval_probes.physics.difference import Difference, difference, response
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
Kick = tuple[float, float, Floats]  # from s, to s, change of velocity [m/s] along x and z
SHOWN_AT_S = 0.2
SHOWN = (0.3, 0.6)  # m/s that the shown push gives
STRONG, STRONGER = (0.75, 1.2), (1.5, 2.2)  # m/s that the strong push gives: iid, ood-speed
WEAK = 0.5  # of the strong push
GAP = 0.15  # m that the pushed body keeps from the others
LEAST = 0.2  # m: a true displacement below counts as this much, so that an error stays finite
EFFECT = 0.05  # m, root mean square: every graded push does ten times the error of a track
DEAD = (0.1, 0.2)  # radii: a miss that an eye or a codec makes; one from which on it counts whole
ANSWER = 0.1  # of the true response: less is none, and nothing is proportional to it
ENOUGH = 0.9  # share of the predicted frames in which every body must be found


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return four arms with the same start: "none", "weak", "strong" and "other".

    The pushed body floats, or stands on a floor without friction; nothing is in its way. With tag "control"
    a wall is, and no push moves it.
    """
    while (drawn := _draw(rng, tag)) is None:
        pass
    return drawn


def _draw(rng: np.random.Generator, tag: str) -> Case | None:
    floats = rng.random() < 0.5 or tag == "ood-count"  # more than three do not fit on a floor
    held = rng.random() < 0.5  # a force over 0.2 s, or an impulse
    cut = round(float(rng.integers(6, 9)) / 10, 1)
    begins = round(cut + float(rng.integers(0, 3)) / 10, 1)
    ends = round(begins + float(rng.integers(9, 13)) / 10 - (0.3 if tag == "ood-speed" else 0.0), 1)
    lasts = 0.2 if held else 0.0
    strength = float(rng.uniform(*(STRONGER if tag == "ood-speed" else STRONG)))
    square = tag == "control"  # to the wall
    turn = float(rng.choice([0.0, 0.5, 1.0, 1.5]) if square else rng.uniform(0, 2)) * np.pi
    if not floats:
        turn = np.pi * float(rng.random() < 0.5)
    way = np.array([np.cos(turn), np.sin(turn)]).round(12)
    aside = np.array([-way[1], way[0]]) * rng.choice([-1, 1]) if floats else -way
    shown = float(rng.uniform(*SHOWN)) * (way if rng.random() < 0.5 else -way)
    if square:
        shown, aside = abs(shown @ way) * way, way * 0.8
    pushes = {
        "none": np.zeros(2),
        "weak": WEAK * strength * way,
        "strong": strength * way,
        "other": float(rng.uniform(0.7, 1.0)) * strength * aside,
    }
    count = 1 + (3 if tag == "ood-count" else int(rng.integers(1, 3)))
    names = hues(rng, count)
    sizes = [radius(rng, tag) for _ in range(count)]
    bodies = [_solid(rng, hue, size, floats) for hue, size in zip(names, sizes, strict=True)]
    one, *others = bodies
    first = (SHOWN_AT_S, SHOWN_AT_S + lasts, shown)
    paths = {
        arm: path(one, [first, (begins, begins + lasts, dv)], np.linspace(0, ends, 60))
        for arm, dv in pushes.items()
    }
    statics = stage(rng, friction=0.0)
    if square:
        paths = {"none": path(one, [], np.zeros(1))}
        statics = (_leaning(one, way), *statics)
    if not _clear(one, others, list(paths.values()), floats) or (square and not _wall_fits(one, way)):
        return None
    arms = {}
    for arm, dv in pushes.items():
        given = [_push(one, SHOWN_AT_S, lasts, shown)]
        given += [_push(one, begins, lasts, dv)] if dv.any() else []
        arms[arm] = Scene(
            bodies=(*bodies, *statics),
            camera=side_camera(),
            duration_s=ends,
            cut_s=cut,
            needs_s=cut,
            profile="impact",
            gravity=0.0 if floats else 9.81,
            pushes=tuple(given),
            actuated=one.name,
            caption=caption((*bodies, *statics), given),
            tag=tag,
        )
    return Case(arms)


def _solid(rng: np.random.Generator, hue: str, size: float, floats: bool) -> Body:
    x, z = float(rng.uniform(LEFT, RIGHT)), float(rng.uniform(0.0, TOP))
    body = solid(rng, hue, size, (x, 0.0, z), boxes=0.4, friction=0.0, restitution=0.0)
    return body if floats else replace(body, position=(x, 0.0, half_height(body)))


def path(body: Body, kicks: list[Kick], times: Floats) -> Floats:
    """Return x and z (T, 2) [m] of a body that starts at rest and only pushes move, at times (T,) [s]."""
    place = np.tile(np.array([body.position[0], body.position[2]]), (len(times), 1))
    for start, end, change in kicks:
        since = np.maximum(times - start, 0.0)
        grown = np.minimum(since, end - start)
        # half of the change on average while a force lasts, all of it afterwards
        reach = np.where(end > start, grown**2 / 2 / max(end - start, 1e-9), 0.0) + since - grown
        place = place + reach[:, None] * change
    return place


def _push(body: Body, start: float, lasts: float, change: Floats) -> Push:
    """Return the push that changes a body's velocity by `change` [m/s] along x and z."""
    x, z = (body.mass * change).tolist()
    if lasts:
        return Push(body.name, start, start + lasts, force=(x / lasts, 0.0, z / lasts))
    return Push(body.name, start, start, impulse=(x, 0.0, z))


def _clear(one: Body, others: list[Body], paths: list[Floats], floats: bool) -> bool:
    """Return whether all bodies stay in view, and the pushed one away from the others, which rest."""

    def inside(body: Body, places: Floats) -> bool:
        w, h = half_width(body) + EDGE, half_height(body) + EDGE
        x, z = places[:, 0], places[:, 1]
        high = z.max() < TOP - h and (not floats or z.min() > h)
        return bool(x.min() > LEFT + w and x.max() < RIGHT - w and high)

    def apart(a: Body, b: Body, way: Floats) -> bool:
        return bool(
            np.any(
                [
                    np.abs(way[:, 0] - b.position[0]) > half_width(a) + half_width(b) + GAP,
                    np.abs(way[:, 1] - b.position[2]) > half_height(a) + half_height(b) + GAP,
                ],
                axis=0,
            ).all()
        )

    at = {b.name: np.array([[b.position[0], b.position[2]]]) for b in others}
    return (
        all(inside(one, way) for way in paths)
        and all(inside(b, at[b.name]) for b in others)
        and all(apart(one, b, way) for b in others for way in paths)
        and all(apart(a, b, at[a.name]) for i, a in enumerate(others) for b in others[:i])
    )


def _leaning(body: Body, way: Floats) -> Body:
    """Return the wall that a body touches on the side that it is pushed to."""
    reach = np.array([half_width(body), half_height(body)])
    x, z = np.array([body.position[0], body.position[2]]) + way * (reach + 0.12 + 0.001)
    half = (0.12, 0.5, 0.7) if abs(way[0]) > 0.5 else (0.7, 0.5, 0.12)
    return wall("wall", half=half, position=(float(x), 0.0, float(z)), friction=0.0, value=0.35)


def _wall_fits(body: Body, way: Floats) -> bool:
    """Return whether the wall is in view."""
    x, z = np.array([body.position[0], body.position[2]]) + way * (body.radius + 0.3)
    return bool(LEFT < x < RIGHT and 0 < z < TOP)


Arms = Mapping[str, Tracks]
Truths = Mapping[str, Truth]


def event(tracks: Arms, truths: Truths) -> dict[str, float]:
    """Return for each arm the share of the predicted frames that show all bodies; nine in ten are enough."""
    shares = {}
    for arm, truth in truths.items():
        seen = tracks[arm].after(truth.scene.cut_s).found
        shares[arm] = float(min(1.0, seen.mean(axis=0).min() / ENOUGH)) if len(seen) else 0.0
    return {arm: min(share, shares["none"]) for arm, share in shares.items()}


def measure(tracks: Arms, truths: Truths) -> dict[str, Measurement]:
    """Compare commanded with predicted displacement, both against the arm without a push.

    The error of an arm is |d' - d| / |d| (root mean squares over frames and axes), with what other bodies
    are displaced by added in quadrature. So 1 is a model that ignores actions, or answers in the wrong
    direction, and only what a push changes counts: the arm "none" is what the others are compared with and
    has no error of its own. A miss below `DEAD` is none. The implied "response" is <d', d> / |d|^2.
    """
    scene = truths["none"].scene
    told: dict[str, Measurement] = {"none": Measurement(0.0)}
    own: dict[str, Difference] = {}
    leaks: dict[str, float] = {}
    for arm in (a for a in truths if a != "none"):
        pair, both = (tracks[arm], tracks["none"]), (truths[arm], truths["none"])
        moved = {name: difference(name, pair, both) for name in scene.names}
        lost = [name for name, d in moved.items() if not d.known]
        if lost:
            told[arm] = Measurement(PROBE.worst, f"found in too few frames of both arms: {', '.join(lost)}")
            continue
        own[arm] = moved.pop(str(scene.actuated))
        scale = max(own[arm].size, LEAST)
        missed = noticed(own[arm].miss, scene[str(scene.actuated)].radius)
        leaks[arm] = max((noticed(d.miss, scene[n].radius) for n, d in moved.items()), default=0.0) / scale
        told[arm] = Measurement(float(np.hypot(missed / scale, leaks[arm])))
    answered = {arm: d for arm, d in own.items() if d.size > EFFECT}
    if not answered:
        return told
    single = {arm: response([d])[0] for arm, d in answered.items()}
    weak = single.get("weak", 0.0)
    dose = single["strong"] / weak if abs(weak) > ANSWER and "strong" in single else None
    evidence = {
        "response by arm": single,
        "strong to weak, of the true ratio": dose,
        "moves others by, of its own displacement": leaks,
        "displacement m": {arm: d.size for arm, d in answered.items()},
    }
    implied = {"response": response(list(answered.values()))}
    return {
        arm: replace(m, implied=implied, evidence=evidence) if m.status == "ok" else m
        for arm, m in told.items()
    }


def noticed(miss: float, radius: float) -> float:
    """Return what of a miss [m] of a body of some radius [m] counts: nothing, a part, or all of it.

    >>> [round(noticed(m, 0.3), 4) for m in (0.03, 0.045, 0.06, 0.3)]
    [0.0, 0.0225, 0.06, 0.3]
    """
    free, whole = DEAD
    return miss * float(np.clip((miss / radius - free) / (whole - free), 0.0, 1.0))


def violate(truths: Truths, strength: float, rng: np.random.Generator) -> dict[str, Truth]:
    """Return truths in which the body answers every push after the cut too little or too much.

    Its response is 1 - `strength` or 1 + `strength`, at random, but the latter only where all stays in view
    and clear.
    """
    if strength == 0:
        return dict(truths)
    factor = 1 + int(rng.choice([-1, 1])) * strength
    if factor > 1 and not _has_room(truths, factor):
        factor = 1 - strength
    return answering(truths, factor)


def answering(truths: Truths, factor: float) -> dict[str, Truth]:
    """Return truths in which pushes after the cut do `factor` times what they should."""
    from wmeval.world import resume

    made = {}
    for arm, truth in truths.items():
        scene = truth.scene
        pushes = tuple(_scaled(p, factor) if p.start_s >= scene.cut_s - 1e-9 else p for p in scene.pushes)
        laws = replace(scene, pushes=pushes)
        made[arm] = truth if pushes == scene.pushes else resume(truth, scene.cut_s, laws=laws)
    return made


def _scaled(push: Push, factor: float) -> Push:
    (a, b, c), (d, e, f) = push.impulse, push.force
    return replace(
        push, impulse=(a * factor, b * factor, c * factor), force=(d * factor, e * factor, f * factor)
    )


def _has_room(truths: Truths, factor: float) -> bool:
    """Return whether the body stays in view and clear where its pushes do `factor` times what they should."""
    scene = truths["none"].scene
    one = scene[str(scene.actuated)]
    others = [b for b in scene.moving if b.name != one.name]
    base = _way(truths["none"], one.name)
    paths = [base + factor * (_way(t, one.name) - base) for t in truths.values()]
    return _clear(one, others, paths, scene.gravity == 0) and scene.tag != "control"


def _way(truth: Truth, name: str) -> Floats:
    places: Floats = truth.position[:, truth.names.index(name)][:, (0, 2)]
    return places


PROBE = Probe(
    name="control",
    version="0.1",
    unit="relative error of the displacement that a push makes",
    worst=1.0,
    null="freeze",
    strengths=(0.1, 0.25, 0.5, 0.75, 1.0),
    strength_unit="relative change of the response to pushes after the cut",
    tags=("iid", "ood-speed", "ood-size", "ood-count", "control"),
    horizon_s=1.4,
    case=case,
    event=event,
    measure=measure,
    violate=violate,
    must_see=0.25,
    summary="One push is shown; do others, weak and strong, then move the body as far as they must?",
)
