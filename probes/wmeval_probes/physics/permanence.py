"""Does a body that is hidden for a while still exist: does it appear again, as itself, where it must be?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import Vec3
from wmeval.caption import caption
from wmeval.probe import Measurement, Probe
from wmeval.scene import Body, Case, Scene, occluder, side_camera
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
SCREEN_Y = -1.0  # m, in front of all bodies
GROWN = 14.0 / (14.0 + SCREEN_Y)  # a screen hides so many times its width of the plane of the bodies
SPEEDS, FAST = (0.8, 1.5), (2.1, 2.4)  # m/s
WIDEST = 0.95  # m, half the width of a standing screen in the plane of the bodies
HORIZON_S = 3.0  # after the cut all must be over
AFTER_S = 0.6  # every body is seen for so long after it comes out
MUST_SEE, MUST_NOT = 0.5, 0.01  # share of a body in view from which it must be found, or must not
HALF_OUT = 0.5  # share of a body in view from which it has appeared again
AGREE = 0.95  # share of the futures
PLACE = 1.5  # radii from the nearest place that a future gives: that far it counts as there
HUE_DEG = 35.0  # farther from its hue it is another body


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return bodies that pass behind a screen, or rest where a screen comes down, waits and goes.

    Whatever uncovers the bodies moves at constant speed from at least 0.3 s before the cut, and has been
    seen whole, so that the context fixes when they come out. Tag "ood-composition" has screens that grow
    out of the floor and sink again, and panels that slide past.
    """
    kinds, weights = ("passes", "lifts"), (0.65, 0.35)
    if tag == "ood-composition":
        kinds, weights = ("sinks", "slides"), (0.5, 0.5)
    kind = "lifts" if tag == "ood-duration" else str(rng.choice(kinds, p=weights))
    draw = {"passes": _passes, "lifts": _lifts, "sinks": _sinks, "slides": _slides}[kind]
    while (drawn := draw(rng, tag)) is None or drawn.duration_s - drawn.cut_s > HORIZON_S:
        pass
    return Case.single(drawn)


def _scene(
    rng: np.random.Generator,
    bodies: Sequence[Body],
    screen: Body,
    cut: float,
    lasts: float,
    tag: str,
    *,
    needs: float | None = None,
) -> Scene:
    everything = (*bodies, screen, *stage(rng, friction=0.0))
    return Scene(
        bodies=everything,
        camera=side_camera(),
        duration_s=float(np.ceil(lasts * 10 - 1e-9) / 10),
        cut_s=round(cut, 1),
        needs_s=round(needs or cut, 1),
        profile="rest",
        caption=caption(everything),
        tag=tag,
    )


def _screen(
    rng: np.random.Generator, half: float, tall: float, at: Vec3, path: tuple[tuple[float, Vec3], ...] = ()
) -> Body:
    """Return a dark screen that covers 2 * `half` of the plane of the bodies and is `tall` [m]."""
    size = (half / GROWN, 0.05, tall / 2)
    return occluder("screen", half=size, position=at, path=path, value=float(rng.uniform(0.12, 0.35)))


def _standing(rng: np.random.Generator, tag: str, n: int) -> list[Body]:
    """Return n bodies on the floor, side by side from x = 0 to the right, 0.1 to 0.4 m apart."""
    bodies: list[Body] = []
    x = 0.0
    for hue in hues(rng, n):
        body = solid(rng, hue, radius(rng, tag), (0.0, 0.0, 1.0), boxes=0.4, friction=0.0)
        x += half_width(body)
        bodies.append(_moved(body, x))
        x += half_width(body) + float(rng.uniform(0.1, 0.4))
    return bodies


def _moved(body: Body, x: float, velocity: float = 0.0) -> Body:
    return replace(body, position=(x, 0.0, half_height(body)), velocity=(velocity, 0.0, 0.0))


def _span(bodies: Sequence[Body]) -> tuple[float, float]:
    """Return the x of the left and the right end of a row of bodies [m]."""
    return (
        min(b.position[0] - half_width(b) for b in bodies),
        max(b.position[0] + half_width(b) for b in bodies),
    )


def _passes(rng: np.random.Generator, tag: str) -> Scene | None:
    """One to three bodies glide over the floor and behind a standing screen."""
    fast = tag == "ood-speed"  # then there is room in the picture for one short pass only
    n = 1 if fast else int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))
    speed = float(rng.uniform(*(FAST if fast else SPEEDS)))
    side = int(rng.choice([-1, 1]))
    bodies = _standing(rng, tag, n)
    widest = max(half_width(b) for b in bodies)
    longest = min(0.5 if fast else 1.5, 2 * (WIDEST - widest) / speed)
    if longest < 0.3:
        return None
    hidden = float(rng.uniform(0.3, longest))  # s, of the largest body
    half = (2 * widest + speed * hidden) / 2  # of the screen, in the plane of the bodies
    centre = float(rng.uniform(-0.8, 0.8))
    touches = float(rng.uniform(0.4, 0.5 if fast else 0.8))  # when the first body meets the screen's edge
    left, right = _span(bodies)
    shift = centre - half - speed * touches - right
    lead = bodies[-1]
    in_s = touches + 2 * half_width(lead) / speed
    out_s = in_s + (2 * half - 2 * half_width(lead)) / speed
    if rng.random() < 0.6:
        cut = in_s + float(rng.uniform(0.1, 0.9)) * (out_s - in_s)
    else:
        cut = float(rng.uniform(0.4, touches))
    cut = max(0.4, float(np.floor(cut * 10) / 10))
    last_out = (centre + half + half_width(bodies[0]) - (bodies[0].position[0] + shift)) / speed
    lasts = last_out + AFTER_S
    if (
        half > WIDEST
        or cut > out_s - 0.05
        or left + shift < LEFT + EDGE
        or right + shift + speed * lasts > RIGHT - EDGE
    ):
        return None
    tall = float(rng.uniform(max(0.9, 2 * max(half_height(b) for b in bodies) + 0.25), 1.8))
    screen = _screen(rng, half, tall, (side * centre / GROWN, SCREEN_Y, tall / 2))
    placed = [_moved(b, side * (b.position[0] + shift), side * speed) for b in bodies]
    needs = min(cut, max(0.4, cut - touches + 0.4))  # from where the first body is seen for 0.4 s
    return _scene(rng, placed, screen, cut, lasts, tag, needs=needs)


def _row(rng: np.random.Generator, tag: str, n: int) -> list[Body] | None:
    """Return n bodies at rest side by side somewhere on the floor; None where they do not fit."""
    bodies = _standing(rng, tag, n)
    width = _span(bodies)[1]
    room = RIGHT - LEFT - 0.6 - width
    if room < 0:
        return None
    shift = LEFT + 0.3 + room * float(rng.random())
    return [_moved(b, b.position[0] + shift) for b in bodies]


def _lifts(rng: np.random.Generator, tag: str) -> Scene | None:
    """A floating screen comes down in front of one or two bodies, into the floor, waits, and goes up."""
    bodies = _row(rng, tag, int(rng.integers(1, 3)))
    if bodies is None:
        return None
    left, right = _span(bodies)
    tallest = max(half_height(b) for b in bodies)
    speed = float(rng.uniform(2.2, 3.0) if tag == "ood-speed" else rng.uniform(0.9, 1.8))  # m/s, upwards
    sunk = speed * float(rng.uniform(0.6, 1.0))  # into the floor, so that it rises a while before it frees
    tall = sunk + 2 * tallest + 0.25
    above = 2 * tallest + float(rng.uniform(0.1, 0.4))  # under its lower edge, at first
    down, lag = 0.3, float(rng.uniform(0.2, 0.4))
    waits = float(rng.uniform(1.5, 4.0) if tag == "ood-duration" else rng.uniform(0.7, 1.1))
    up = round(down + lag + waits, 2)
    frees = up + sunk / speed
    cut = float(np.ceil((up + 0.3) * 10 - 1e-9) / 10)
    if above + tall > TOP - 0.05 or not 0.2 < frees - cut < 1.0:
        return None
    centre = (left + right) / 2 / GROWN

    def at(bottom: float) -> Vec3:
        return (centre, SCREEN_Y, bottom + tall / 2)

    path = (
        (down, at(above)),
        (down + lag, at(-sunk)),
        (up, at(-sunk)),
        (up + (sunk + above) / speed, at(above)),
    )
    screen = _screen(rng, (right - left) / 2 + 0.15, tall, at(above), path)
    lasts = frees + 2 * tallest / speed + AFTER_S
    return _scene(rng, bodies, screen, cut, lasts, tag)


def _sinks(rng: np.random.Generator, tag: str) -> Scene | None:
    """A screen comes out of the floor in front of one to three bodies, and goes down again."""
    bodies = _row(rng, tag, int(rng.integers(1, 4)))
    if bodies is None:
        return None
    left, right = _span(bodies)
    top = float(rng.uniform(1.3, 2.4))
    shown, rise = 0.3, 0.2
    held = float(rng.uniform(0.7, 1.2))
    sinks = shown + rise + held
    speed = float(rng.uniform(0.8, 1.8))  # m/s
    cut = round(float(np.ceil((sinks + 0.3) * 10) / 10), 1)
    lowest = min(half_height(b) for b in bodies)
    tallest = max(half_height(b) for b in bodies)
    first_out, last_out = sinks + (top - 2 * tallest) / speed, sinks + (top - lowest) / speed
    if not 0.25 < first_out - cut < 1.2:
        return None
    up, down = top / 2, -top / 2 - 0.05
    centre = (left + right) / 2 / GROWN

    def at(z: float) -> Vec3:
        return (centre, SCREEN_Y, z)

    gone = sinks + (up - down) / speed
    path = ((shown, at(down)), (shown + rise, at(up)), (sinks, at(up)), (gone, at(down)))
    screen = _screen(rng, (right - left) / 2 + 0.15, top, at(down), path)
    return _scene(rng, bodies, screen, cut, last_out + AFTER_S, tag)


def _slides(rng: np.random.Generator, tag: str) -> Scene | None:
    """A panel slides past one or two bodies at constant speed."""
    bodies = _standing(rng, tag, int(rng.integers(1, 3)))
    side = int(rng.choice([-1, 1]))
    speed = float(rng.uniform(0.7, 1.3))  # m/s, over the plane of the bodies
    left, right = _span(bodies)
    narrow = min(half_width(b) for b in bodies)
    before, after = float(rng.uniform(0.8, 1.3)), float(rng.uniform(0.3, 0.9))  # s, all of them hidden
    half = ((right - left) + speed * (before + after)) / 2
    shift = float(rng.uniform(0.0, RIGHT - EDGE - (right - left))) - left
    bodies = [_moved(b, b.position[0] + shift) for b in bodies]
    left, right = left + shift, right + shift
    starts = float(rng.uniform(0.3, 0.5))  # when its leading edge comes to the first body
    leads = left - speed * starts  # leading edge at time 0, in the plane of the bodies
    in_s = (right - leads) / speed
    cut = float(np.floor((in_s + before) * 10) / 10)
    lasts = (right + 2 * half - leads) / speed - narrow / speed + AFTER_S
    if leads - 2 * half + speed * (cut - 0.3) < LEFT + 0.05 or cut - in_s < starts + (right - left) / speed:
        return None
    tall = 2 * max(half_height(b) for b in bodies) + float(rng.uniform(0.2, 0.6))
    bodies = [_moved(b, side * b.position[0]) for b in bodies]

    def at(t: float) -> Vec3:
        return (side * (leads - half + speed * t) / GROWN, SCREEN_Y, tall / 2 + 0.02)

    screen = _screen(rng, half, tall, at(0.0), ((10.0, at(10.0)),))
    return _scene(rng, bodies, screen, cut, lasts, tag)


@dataclass(frozen=True)
class Labels:
    """What the futures agree on, at the frames of a prediction."""

    seen: Bools  # (T, N) the body must be found here: it was hidden, and is out again
    hidden: Bools  # (T, N) the body must not be found here
    out_s: Floats  # (N,) from when it must be seen again, NaN = is not asked about
    comes_s: Floats  # (N,) when it is half out in the median future
    dark_s: Floats  # (N,) for how long it was hidden
    places: Floats  # (T, F, N, 2) where futures put it, x and z [m]


def labels(truth: Truth, times: Floats) -> Labels:
    """Return what at least 95 % of the futures agree on at predicted times (T,).

    Raises:
        ValueError: the truth carries no futures.
    """
    if not truth.futures:
        raise ValueError("permanence grades what futures agree on; use simulate(scene, futures=16)")
    visible = np.stack([f.visible for f in truth.futures])  # (F, K, N) at 10 Hz
    must = (visible >= MUST_SEE).mean(0) >= AGREE
    must_not = (visible <= MUST_NOT).mean(0) >= AGREE
    grid = np.arange(len(must)) / 10
    later = grid > truth.scene.cut_s + 1e-9
    was_dark = np.cumsum(must_not, axis=0) > 0
    again = must & was_dark & later[:, None]
    asked = again.any(0)
    first = np.where(asked, again.argmax(0), 0)
    dark = np.array([_run_before(must_not[:, i], int(k)) for i, k in enumerate(first)])
    index = np.clip(np.rint(times * 10).astype(np.int64), 0, len(grid) - 1)
    since = np.arange(len(grid))[:, None] >= np.where(asked, first, len(grid))
    places = np.stack([f.position[:, :, (0, 2)] for f in truth.futures], axis=1)
    return Labels(
        seen=(must & since)[index],
        hidden=(must_not & later[:, None] & asked)[index],
        out_s=np.where(asked, grid[first], np.nan),
        comes_s=np.array(
            [_comes(visible[:, :, i], must_not[:, i], int(k)) / 10 for i, k in enumerate(first)]
        ),
        dark_s=np.where(asked, dark / 10, np.nan),
        places=places[index],
    )


def _comes(visible: Floats, dark: Bools, end: int) -> float:
    """Return the median frame at which futures (F, K) are half out, after the last dark one before `end`."""
    lit = np.flatnonzero(dark[:end])
    since = int(lit[-1]) + 1 if len(lit) else 0
    return float(np.median(since + (visible[:, since : end + 1] >= HALF_OUT).argmax(axis=1)))


def _run_before(dark: Bools, end: int) -> int:
    """Return the length of the last run of True before frame `end`."""
    lit = np.flatnonzero(dark[:end])
    if not len(lit):
        return 0
    last = int(lit[-1])
    start = np.flatnonzero(~dark[:last])
    return last - (int(start[-1]) if len(start) else -1)


def event(tracks: Tracks, truth: Truth) -> float:
    """Return the share of the (body, frame) pairs that must be hidden in which the body is not in sight.

    It is 1 where nothing is left to be hidden after the cut.
    """
    asked = tracks.after(truth.scene.cut_s)
    hidden = labels(truth, asked.times).hidden
    return float((~asked.found[hidden]).mean()) if hidden.any() else 1.0


def measure(tracks: Tracks, truth: Truth) -> Measurement:
    """Return the share of wrong (body, frame) pairs, counted from where each body must be out again.

    A pair is wrong where the body is missing, is more than `PLACE` radii from wherever the futures put it,
    or has another hue. Each unexplained extra body counts as one more wrong pair of its frame.
    """
    scene = truth.scene
    asked = tracks.after(scene.cut_s)
    label = labels(truth, asked.times)
    if not label.seen.any():
        return Measurement(PROBE.worst, "no predicted frame in which a hidden body must be seen again")
    size = np.array([b.radius for b in scene.moving])
    here = asked.position[:, None][..., (0, 2)]
    off = np.linalg.norm(here - label.places, axis=-1).min(axis=1) / size
    turn = np.abs((asked.colour - np.array([b.hue for b in scene.moving]) + 180) % 360 - 180)
    right = asked.found & (off <= PLACE) & (turn <= HUE_DEG)
    pairs = label.seen.sum(axis=1)
    wrong = np.minimum((label.seen & ~right).sum(axis=1) + asked.extras, pairs)
    delays, kept = {}, {}
    for i, name in enumerate(scene.names):
        if not np.isfinite(label.out_s[i]):
            continue
        kept[name] = bool(right[label.seen[:, i], i].mean() >= 0.5)
        dark = np.flatnonzero(label.hidden[:, i] & (asked.times < label.out_s[i]))
        out = right[:, i] & (asked.visible[:, i] >= HALF_OUT)
        out[: int(dark[-1]) + 1 if len(dark) else 0] = False
        came = asked.times[out]
        delays[name] = float(came[0] - label.comes_s[i]) if len(came) else None
    known = [d for d in delays.values() if d is not None]
    implied = (
        {"reappears late by s": (float(np.mean(known)), float(0.1 / np.sqrt(12 * len(known))))}
        if known
        else {}
    )
    return Measurement(
        float(wrong.sum() / pairs.sum()),
        implied=implied,
        evidence={
            "hidden s": {n: float(label.dark_s[i]) for i, n in enumerate(scene.names) if n in kept},
            "remembered": kept,
            "late s": delays,
            "extra": int(asked.extras[pairs > 0].sum()),
        },
    )


def violate(truth: Truth, strength: float, rng: np.random.Generator) -> Truth:
    """Return the truth in which one hidden body ceases to exist.

    It is missing for the last `strength` of the time for which it must be seen again; at 1 it never comes
    back.
    """
    from wmeval.world import resume

    if strength == 0:
        return truth
    scene = truth.scene
    times = np.arange(len(truth.futures[0].visible)) / 10
    label = labels(truth, times[times > scene.cut_s + 1e-9])
    bodies = np.flatnonzero(np.isfinite(label.out_s))
    if not len(bodies):
        raise ValueError("no body of this scene is hidden and seen again; draw it with `case`")
    i = int(rng.choice(bodies))
    begins = label.out_s[i] - 0.1 if strength >= 1 else label.out_s[i]
    at = scene.duration_s - strength * (scene.duration_s - begins)
    return resume(truth, at, remove=(scene.names[i],))


def reduce(cases: Sequence[Case], measurements: Sequence[Measurement]) -> Mapping[str, Any]:
    """Return the memory half-life [s] over cases, by maximum likelihood, with its 95 % interval.

    A body hidden for t seconds is remembered with probability 2^(-t / h). The interval holds all h whose
    log-likelihood is within 1.92 of the best; its end is null where no h on that side can be refused.
    """
    dark, kept = [], []
    for m in measurements:
        for name, seconds in m.evidence.get("hidden s", {}).items():
            dark.append(max(0.05, float(seconds)))
            kept.append(bool(m.evidence["remembered"][name]))
    if not dark:
        return {
            "memory half-life s": {
                "value": None,
                "lo": None,
                "hi": None,
                "n": 0,
                "reason": "no body was asked about",
            }
        }
    lives = np.geomspace(0.01, 1000.0, 2001)
    chance = np.clip(2.0 ** (-np.array(dark)[None] / lives[:, None]), 1e-300, 1 - 1e-12)
    likelihood = np.where(np.array(kept)[None], np.log(chance), np.log1p(-chance)).sum(1)
    inside = np.flatnonzero(likelihood >= likelihood.max() - 1.92)
    best = int(likelihood.argmax())
    ends = [None if k in (0, len(lives) - 1) else float(lives[k]) for k in (inside[0], best, inside[-1])]
    unbounded = {0: "nothing hidden was remembered", len(lives) - 1: "everything hidden was remembered"}
    return {
        "memory half-life s": {
            "value": ends[1],
            "lo": ends[0],
            "hi": ends[2],
            "reason": unbounded.get(best, ""),
            "n": len(dark),
            "remembered": int(np.sum(kept)),
            "hidden s": [float(min(dark)), float(max(dark))],
        }
    }


PROBE = Probe(
    name="permanence",
    version="0.1",
    unit="share of wrong body-frames",
    worst=1.0,
    null="freeze",
    strengths=(0.1, 0.25, 0.5, 0.75, 1.0),
    strength_unit="share of its frames from which one body is absent",
    tags=("iid", "ood-speed", "ood-size", "ood-duration", "ood-composition"),
    horizon_s=HORIZON_S,
    case=case,
    event=event,
    measure=measure,
    violate=violate,
    futures=16,
    summary="Bodies are hidden for a while; do they appear again, as themselves, where they must be?",
    reduce=reduce,
)
