"""Does a ball bounce as high as its first bounce said it would, and never gain what it has not?

Restitution is read from apex heights, which need no clock and no metric scale: e = sqrt(h2 / h1). The first
bounce is shown with its apex; the second is asked about. Never from speeds at single frames, which ten
frames a second do not resolve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.probe import Measurement, Probe, Twin
from wmeval.scene import Body, Case, Scene, backdrop, ball, floor, side_camera
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval_probes.physics.draw import EDGE, LEFT, RIGHT, TOP, hues, radius, stage
from wmeval_probes.physics.veil import SPARE, same_picture, veil

Floats = NDArray[np.float64]
G = (2.5, 9.81)  # m/s2
RESTITUTION = (0.45, 0.85)
STRENGTHS = (0.05, 0.1, 0.2, 0.3, 0.4)
SHOWN_S = 0.3  # of the first fall; the rise and the apex after it come on top
FLIGHT_S = (0.95, 1.6)  # of the first flight
SHORTEST_S = 0.6  # of the second flight, so that its apex lies between frames
TURN_PX = 0.3  # a fall has ended where a track rises by more than this
BEGUN = 0.3  # of the way down: up to here nothing came
TOPMOST = 0.35  # of an apex: frames above it show the flight and not the floor


@dataclass(frozen=True)
class Drop:
    """A ball that is met as it falls: it hits at `hits_s`, flies for `flight_s`, and hits again."""

    g: float  # m/s2
    e: float
    hits_s: float
    flight_s: float
    radius: float  # m

    @property
    def speed(self) -> float:
        """Speed [m/s] after the first hit."""
        return self.g * self.flight_s / 2

    @property
    def again_s(self) -> float:
        """When it hits for the second time."""
        return self.hits_s + self.flight_s

    @property
    def apex(self) -> float:
        """Height [m] of the lowest point at the first apex."""
        return self.speed**2 / (2 * self.g)

    def start(self) -> tuple[float, float]:
        """Return height [m] of the lowest point and upward velocity [m/s] at time 0."""
        arrives = self.speed / self.e
        return arrives * self.hits_s - self.g * self.hits_s**2 / 2, self.g * self.hits_s - arrives

    def fits(self) -> bool:
        """Return whether all of it is in view, even where it bounces as high as it may be made to."""
        room = TOP - EDGE - 2 * self.radius
        highest = self.apex * max(1.0, (self.e + STRENGTHS[-1]) ** 2)
        begins = self.start()[0]
        return (
            max(begins, highest) < room
            and begins > 0.3
            and self.e**2 * self.apex > 0.15
            and self.e * self.flight_s > SHORTEST_S
        )

    def body(self, hue: str, x: float, vx: float, value: float) -> Body:
        """Return the ball at time 0."""
        height, rises = self.start()
        return ball(
            f"{hue} ball",
            radius=self.radius,
            position=(x, 0.0, height + self.radius),
            hue=hue,
            velocity=(vx, 0.0, rises),
            restitution=self.e,
            friction=0.0,
            value=value,
        )


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return one ball (tag "ood-count": two) that bounces once before the cut and once after it.

    Tag "control" draws throws in which nothing is met after the cut.
    """
    while (drawn := (_throw(rng, tag) if tag == "control" else _bounces(rng, tag))) is None:
        pass
    return Case.single(drawn)


def _drop(rng: np.random.Generator, tag: str, g: float) -> Drop:
    return Drop(
        g,
        float(rng.uniform(*RESTITUTION)),
        float(rng.uniform(SHOWN_S, 0.45)),
        float(rng.uniform(*FLIGHT_S)),
        radius(rng, tag),
    )


def _bounces(rng: np.random.Generator, tag: str) -> Scene | None:
    g = float(np.exp(rng.uniform(*np.log(G))))
    drops = [_drop(rng, tag, g) for _ in range(2 if tag == "ood-count" else 1)]
    earliest = max(d.hits_s + d.flight_s / 2 for d in drops) + 0.15
    cut = float(np.ceil(earliest * 10 - 1e-9) / 10)
    if not all(
        d.fits() and cut <= d.again_s - 0.32 and _height(d, cut) > 0.1 * d.speed + 0.25 for d in drops
    ):
        return None
    lasts = float(np.ceil((max(d.again_s + d.e * d.flight_s for d in drops) + 0.1) * 10) / 10)
    if lasts - cut > PROBE.horizon_s:
        return None
    sideways = (0.7, 1.1) if tag == "ood-speed" else (0.0, 0.4)
    bodies: list[Body] = []
    vx = float(rng.uniform(*sideways) * rng.choice([-1, 1]))
    for drop, hue in zip(drops, hues(rng, len(drops)), strict=True):
        x = float(rng.uniform(LEFT, RIGHT))
        body = drop.body(hue, x, vx, float(rng.uniform(0.7, 0.95)))
        ends = sorted((x, x + vx * lasts))
        if ends[0] - drop.radius - EDGE < LEFT or ends[1] + drop.radius + EDGE > RIGHT:
            return None
        bodies.append(body)
    if len(bodies) == 2:
        apart = abs(bodies[0].position[0] - bodies[1].position[0])
        if apart < sum(b.radius for b in bodies) + 0.15:
            return None
    return _scene((*bodies, *stage(rng, friction=0.0, restitution=1.0)), cut, lasts, g, tag)


def _height(drop: Drop, at_s: float) -> float:
    t = at_s - drop.hits_s
    return drop.speed * t - drop.g * t**2 / 2


def _scene(bodies: tuple[Body, ...], cut: float, lasts: float, g: float, tag: str) -> Scene:
    return Scene(
        bodies=bodies,
        camera=side_camera(),
        duration_s=lasts,
        cut_s=cut,
        needs_s=cut,
        profile="impact",
        gravity=g,
        caption=caption(bodies),
        tag=tag,
    )


def _throw(rng: np.random.Generator, tag: str) -> Scene | None:
    g, size, (hue,) = float(np.exp(rng.uniform(*np.log(G)))), radius(rng, tag), hues(rng, 1)
    cut, lasts = 0.5, round(float(rng.uniform(1.1, 1.8)), 1)
    vz, x = float(rng.uniform(0.45, 0.9)) * g * lasts, float(rng.uniform(LEFT, RIGHT))
    vx, low = float(rng.uniform(-0.4, 0.4)), float(rng.uniform(0.3, 1.5))
    top = low + vz**2 / (2 * g)
    ends = low + vz * lasts - g * lasts**2 / 2
    reach = max(abs(x), abs(x + vx * lasts)) + size + EDGE
    if top + 2 * size + EDGE > TOP or ends < 0.3 or reach > RIGHT or vz / g < cut + 0.2:
        return None
    body = ball(f"{hue} ball", radius=size, position=(x, 0.0, low + size), hue=hue, velocity=(vx, 0.0, vz),
                restitution=float(rng.uniform(*RESTITUTION)), friction=0.0)  # fmt: skip
    return _scene((body, *stage(rng, friction=0.0, restitution=1.0)), cut, lasts, g, tag)


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


def twin(rng: np.random.Generator, tag: str) -> Twin:
    """Return two balls of different restitution that meet behind a screen at the apex between two bounces.

    They come from different heights, leave the floor alike, and rise to different heights the second time:
    the first bounce tells the second (cue x outcome).
    """
    while (drawn := _twin(rng, tag)) is None:
        pass
    return drawn


def _twin(rng: np.random.Generator, tag: str) -> Twin | None:
    g = float(np.exp(rng.uniform(np.log(4.0), np.log(G[1]))))
    flight, splice = float(rng.uniform(1.0, 1.5)), round(float(rng.integers(9, 12)) / 10, 1)
    size = radius(rng, "iid")
    low, high = float(rng.uniform(0.45, 0.6)), float(rng.uniform(0.75, 0.9))
    pair = [Drop(g, e, splice - flight / 2, flight, size) for e in (low, high)]
    hidden = 0.15  # s on each side of the apex
    fall = g * hidden**2 / 2
    if splice - flight / 2 < SHOWN_S or not all(d.fits() for d in pair) or pair[0].apex < 1.0:
        return None
    vx = float(rng.uniform(0.7, 1.0) * rng.choice([-1, 1]))  # so that it hits the floor beside the screen
    lasts = float(np.ceil((splice + flight / 2 + high * flight) * 10) / 10)
    x = float(rng.uniform(-0.6, 0.6)) - vx * splice
    if max(abs(x), abs(x + vx * lasts)) + size + EDGE > RIGHT:
        return None
    camera, (hue,), values = side_camera(), hues(rng, 1), rng.uniform([0.7, 0.12, 0.35], [0.95, 0.35, 0.65])
    middle, wide = x + vx * splice, size + abs(vx) * hidden + SPARE
    centre = pair[0].apex + size
    screen = veil(
        "screen",
        camera,
        x=(middle - wide, middle + wide),
        z=(centre - fall - size - SPARE, centre + size + SPARE),
        value=float(values[1]),
    )
    behind = (screen, floor(value=float(values[2]), friction=0.0, restitution=1.0), backdrop())
    scenes = [_scene((d.body(hue, x, vx, float(values[0])), *behind), splice, lasts, g, tag) for d in pair]
    if rng.random() < 0.5:
        scenes.reverse()
    if not same_picture(scenes[0], scenes[1], splice):
        return None
    again = splice + flight / 2
    return Twin("factorial", scenes[0], scenes[1], splice, (round(again, 3), lasts))


PROBE = Probe(
    name="bounce",
    version="0.1",
    unit="restitution",
    worst=0.3,
    null="freeze",
    strengths=STRENGTHS,
    strength_unit="restitution added from the cut on",
    tags=("iid", "ood-speed", "ood-size", "ood-count", "control"),
    horizon_s=2.5,
    case=case,
    event=event,
    measure=measure,
    violate=violate,
    summary="A ball bounces once in view; does it bounce the second time as its first bounce said?",
    must_see=0.2,
    twin=twin,
)
