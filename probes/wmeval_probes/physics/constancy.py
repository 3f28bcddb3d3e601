"""Does a body keep its size, its hue and its shape while it moves, turns and passes behind a screen?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.probe import Measurement, Probe, Twin
from wmeval.scene import Body, Case, Scene, occluder, side_camera
from wmeval.tracks import Track, Tracks
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
from wmeval_probes.physics.looks import HUE_UNIT, changed, reshaped, resized, turned

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
SPEEDS, FAST = (0.8, 1.4), (1.7, 2.3)  # m/s
HIDDEN_S, BRIEFLY_S = (0.42, 0.9), (0.3, 0.5)  # s that the largest body is hidden
SHOWN_S, AFTER_S, SHORT_S = 0.5, 0.6, 0.4  # s in full view before and after; short where room is scarce
SMALL = (0.22, 0.28)  # m, radii of bodies that pass two at a time
SCREEN_Y = -1.0  # m, in front of all bodies
GROWN = 14.0 / (14.0 + SCREEN_Y)  # a screen hides so many times its width of the plane of the bodies
MARGIN = 0.14  # m, two pixels by which the screen of a twin is larger than the body
CLEAR = 0.12  # m beyond the screen from which a body is in full view
MOVED = 0.35  # share of the way after the cut from which a body in plain view has moved
ENOUGH = 0.5  # of the frames in which truth shows a body beyond its line; a late body is not a changed one
FULL = 2  # frames in full view before the cut: with fewer there is nothing to compare with


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return bodies that pass behind a screen, or one that flies and turns in plain view.

    Tag "ood-count" has two bodies where others have one; "control" has a body at rest.
    """
    draw: Callable[[np.random.Generator, str], Scene | None] = _passes
    if tag == "control":
        draw = _rests
    elif tag == "ood-size" or (tag == "iid" and rng.random() < 0.35):  # large ones have no room to pass
        draw = _flies
    while (drawn := draw(rng, tag)) is None:
        pass
    return Case.single(drawn)


def _passes(rng: np.random.Generator, tag: str) -> Scene | None:
    """Bodies glide one after the other behind a standing screen and out again."""
    speed = float(rng.uniform(*(FAST if tag == "ood-speed" else SPEEDS)))
    side = int(rng.choice([-1, 1]))
    bodies: list[Body] = []
    crowd, short = tag == "ood-count", tag in ("ood-count", "ood-speed")
    x = 0.0  # the head of the row; the other follows to the left
    for hue in hues(rng, 2 if crowd else 1):
        size = float(rng.uniform(*SMALL)) if crowd else radius(rng, tag)
        body = solid(rng, hue, size, (0.0, 0.0, 1.0), boxes=0.5, friction=0.0)
        x -= half_width(body)
        bodies.append(replace(body, position=(x, 0.0, half_height(body)), velocity=(side * speed, 0.0, 0.0)))
        x -= half_width(body) + float(rng.uniform(0.1, 0.3))
    tail = min(b.position[0] - half_width(b) for b in bodies)
    hidden = float(rng.uniform(*(BRIEFLY_S if short else HIDDEN_S)))
    wide = 2 * max(half_width(b) for b in bodies) + speed * hidden
    touches = SHORT_S if short else SHOWN_S + float(rng.uniform(0.0, 0.3))
    lasts = touches + (wide - tail + CLEAR) / speed + (SHORT_S if short else AFTER_S)
    lasts = float(np.ceil(lasts * 10) / 10)
    room = RIGHT - LEFT - 2 * EDGE + tail - speed * lasts
    if room < 0 or lasts > 3.6:
        return None
    head = LEFT + EDGE - tail + room * float(rng.random())
    edge = head + speed * touches
    dark = touches + 2 * half_width(bodies[0]) / speed
    out = touches + wide / speed
    cut = float(np.floor(rng.uniform(touches, dark + 0.8 * (out - dark)) * 10) / 10)
    if lasts - cut > PROBE.horizon_s or cut > 1.5:
        return None
    tall = 2 * max(half_height(b) for b in bodies) + float(rng.uniform(0.25, 0.7))
    screen = occluder("screen", half=(wide / 2 / GROWN, 0.05, tall / 2), value=float(rng.uniform(0.12, 0.35)),
                      position=(side * (edge + wide / 2) / GROWN, SCREEN_Y, tall / 2))  # fmt: skip
    placed = [replace(b, position=(side * (b.position[0] + head), 0.0, b.position[2])) for b in bodies]
    return _scene((*placed, screen, *stage(rng, friction=0.0)), cut, lasts, tag, "rest", 9.81)


def _flies(rng: np.random.Generator, tag: str) -> Scene | None:
    """A body is thrown in plain view; a box turns as it flies."""
    g, lasts = float(rng.uniform(1.6, 4.0)), float(rng.integers(13, 18)) / 10
    cut = float(rng.integers(5, 8)) / 10
    side, speed = int(rng.choice([-1, 1])), float(rng.uniform(0.7, 1.3))
    body = solid(rng, hues(rng, 1)[0], radius(rng, tag), (0.0, 0.0, 1.0), boxes=0.7)
    reach = float(np.linalg.norm(body.size[::2])) if body.shape == "box" else body.size[0]
    t = np.linspace(0, lasts, 40)
    up = float(rng.uniform(0.3, 0.7)) * g * lasts
    rise = up * t - g * t**2 / 2
    room = TOP - 2 * (reach + EDGE) - float(np.ptp(rise))
    far = RIGHT - LEFT - 2 * (reach + EDGE) - speed * lasts
    if room < 0 or far < 0:
        return None
    x = LEFT + EDGE + reach + far * float(rng.random())
    z = reach + EDGE + room * float(rng.random()) - float(rise.min())
    spin = float(rng.uniform(-2.0, 2.0)) if body.shape == "box" else 0.0
    body = replace(body, position=(side * x, 0.0, z), velocity=(side * speed, 0.0, up), spin=(0.0, spin, 0.0))
    return _scene((body, *stage(rng)), cut, lasts, tag, "flight", g)


def _rests(rng: np.random.Generator, tag: str) -> Scene | None:
    """A body stands on the floor, and nothing happens."""
    body = solid(rng, hues(rng, 1)[0], radius(rng, tag), (0.0, 0.0, 1.0), boxes=0.5)
    body = replace(body, position=(float(rng.uniform(-1.5, 1.5)), 0.0, half_height(body)))
    return _scene((body, *stage(rng)), 0.5, 1.5, tag, "rest", 9.81)


def _scene(bodies: tuple[Body, ...], cut: float, lasts: float, tag: str, profile: str, g: float) -> Scene:
    return Scene(
        bodies=bodies,
        camera=side_camera(),
        duration_s=lasts,
        cut_s=cut,
        needs_s=min(cut, SHOWN_S),
        profile="flight" if profile == "flight" else "rest",
        gravity=g,
        caption=caption(bodies),
        tag=tag,
    )


def beyond(track: Track, truth: Truth, slot: int) -> Bools:
    """Return in which frames (T,) a body is found where it must have been hidden, or moved, to come to.

    The line is the far end of the screen, or a share `MOVED` of the true way after the cut; where truth
    does not move, any place will do.
    """
    scene = truth.scene
    body = scene.moving[slot]
    screens = [b for b in scene.static if b.role == "occluder"]
    side = float(np.sign(body.velocity[0]))
    if screens:
        line = side * screens[0].position[0] * GROWN + screens[0].size[0] * GROWN + half_width(body) + CLEAR
    else:
        ends = truth.poses_at(np.array([scene.cut_s, scene.duration_s]))[0][:, slot, 0]
        line = side * ends[0] + MOVED * abs(ends[1] - ends[0])
    with np.errstate(invalid="ignore"):
        past: Bools = track.found & ((side * track.position[:, 0] >= line) | (side == 0))
    return past


def event(tracks: Tracks, truth: Truth) -> float:
    """Return how far every body came to be seen beyond its line; half of its true frames are enough."""
    from wmeval.world import exact_tracks

    asked = tracks.after(truth.scene.cut_s)
    exact = exact_tracks(truth, tracks.view, asked.times)
    shares = []
    for i, name in enumerate(truth.names):
        due = ENOUGH * beyond(exact[name], truth, i).sum()
        shares.append(beyond(asked[name], truth, i).sum() / due if due else 0.0)
    return float(min([1.0, *shares]))


def measure(tracks: Tracks, truth: Truth) -> Measurement:
    """Return the mean change of the bodies since the cut, over frames from when each is beyond its line.

    The change of a frame is the largest of: the area's, as a share of what it was before the cut; the hue's
    in units of `HUE_UNIT`; and the share of the outline that lies elsewhere, from how much worse the
    scene's outline agrees with the picture. A frame in which the body is lost is the worst.
    """
    shown, asked = tracks.part(tracks.times <= truth.scene.cut_s + 1e-9), tracks.after(truth.scene.cut_s)
    errors: list[float] = []
    evidence: dict[str, dict[str, float]] = {}
    implied: dict[str, tuple[float, float]] = {}
    for i, name in enumerate(truth.names):
        before, after = shown[name], asked[name]
        whole = before.found & (before.visible > 0.9)
        past = beyond(after, truth, i)
        if whole.sum() < FULL or not past.any():
            errors.append(PROBE.worst)
            continue
        since = int(np.argmax(past))
        here = after.found[since:]
        area = after.area[since:] / np.median(before.area[whole]) - 1
        first = _mean_hue(before.colour[whole])
        turn = (after.colour[since:] - first + 180) % 360 - 180
        fit = np.clip(after.confidence[since:] / np.median(before.confidence[whole]), 0.0, 1.0)
        moved = (1 - fit) / (1 + fit)
        changes = np.max([np.abs(area), np.abs(turn) / HUE_UNIT, moved], axis=0)
        errors.append(float(np.where(here, np.minimum(changes, PROBE.worst), PROBE.worst).mean()))
        told = {"area": area[here], "hue": turn[here], "outline": moved[here]}
        evidence[name] = {k: float(np.median(v)) for k, v in told.items()}
        implied[f"{name}: area"] = _estimate(1 + area[here])
        implied[f"{name}: hue turn"] = _estimate(turn[here])
    return Measurement(float(np.mean(errors)), implied=implied, evidence=evidence)


def _mean_hue(hue: Floats) -> float:
    return float(np.rad2deg(np.angle(np.exp(1j * np.deg2rad(hue)).mean())))


def _estimate(values: Floats) -> tuple[float, float]:
    """Return the median of frames and its sigma; errors of one track hold on for about three frames."""
    if len(values) < 2:
        return float(np.median(values)), float("inf")
    return float(np.median(values)), float(1.25 * values.std(ddof=1) / np.sqrt(len(values) / 3))


def violate(truth: Truth, strength: float, rng: np.random.Generator) -> Truth:
    """Return the truth in which one body's size, hue or shape changes once, unseen where it can be.

    The area changes by the share `strength`, or the hue by `strength` * 125 degrees, or that share of the
    outline moves elsewhere while the area stays (at most one half).
    """
    if strength == 0:
        return truth
    scene = truth.scene
    slot = int(rng.integers(len(scene.moving)))
    body = scene.moving[slot]
    kind = str(rng.choice(["size", "hue", "shape"]))
    sign = int(rng.choice([-1, 1]))
    new = {"size": resized, "hue": turned, "shape": reshaped}[kind](body, strength, sign)
    return changed(truth, slot, new, _when(truth, slot))


def _when(truth: Truth, slot: int) -> float:
    """Return when a change is made: in the middle of the time behind the screen, or right after the cut."""
    from wmeval.world import visibility

    scene = truth.scene
    times = truth.times[::8]
    dark = times[(visibility(truth, times)[:, slot] <= 0) & (times >= scene.cut_s)]
    return float(dark[len(dark) // 2]) if len(dark) else scene.cut_s + 1 / truth.clock_hz


def twin(rng: np.random.Generator, tag: str) -> Twin:
    """Return two bodies on the same way behind the same screen, of another size, hue or shape."""
    while (drawn := _twin(rng, tag)) is None:
        pass
    return drawn


def _twin(rng: np.random.Generator, tag: str) -> Twin | None:
    one = _passes(rng, tag)
    if one is None or len(one.moving) > 1:
        return None
    body = one.moving[0]
    kind = str(rng.choice(["size", "hue", "shape"]))
    strength = {"size": 0.6, "hue": 60 / HUE_UNIT * int(rng.integers(1, 4)), "shape": 0.3}[kind]
    new = {"size": resized, "hue": turned, "shape": reshaped}[kind](body, strength, -1)
    new = replace(new, position=(body.position[0], 0.0, half_height(new)))
    bodies = tuple(new if b is body else b for b in one.bodies)
    two = replace(one, bodies=bodies, caption=caption(bodies))
    screen, widest = one["screen"], max(half_width(body), half_width(new))
    centre, half = screen.position[0] * GROWN, screen.size[0] * GROWN
    frames = np.arange(round(one.duration_s * 10) + 1) / 10
    off = np.abs(body.position[0] + body.velocity[0] * frames - centre)
    dark = frames[off + widest + MARGIN <= half]
    tall = 1.9 + (2 * screen.size[2] - 1.9) * GROWN  # up to where the screen hides the plane of the bodies
    if len(dark) < 3 or 2 * max(half_height(body), half_height(new)) + MARGIN > tall:
        return None
    comes = (half - widest + np.sign(body.velocity[0]) * (centre - body.position[0])) / abs(body.velocity[0])
    gone = comes + 2 * widest / abs(body.velocity[0])
    window = (round(float(comes), 3), round(float(gone) + 0.2, 3))
    return Twin("swap", one, two, float(dark[len(dark) // 2]), window)


PROBE = Probe(
    name="constancy",
    version="0.1",
    unit="share by which a body changed",
    worst=1.0,
    null="freeze",
    strengths=(0.1, 0.2, 0.3, 0.4, 0.5),
    strength_unit="share of the area, or times 125 degrees of hue, or share of the outline that moves",
    tags=("iid", "ood-speed", "ood-size", "ood-count", "control"),
    horizon_s=2.5,
    case=case,
    event=event,
    measure=measure,
    violate=violate,
    summary="Bodies move, turn and pass behind a screen; do they keep their size, hue and shape?",
    must_see=0.2,
    twin=twin,
)
