"""Scenes in which a ball bounces once before the cut and once after it, and their exactly matched twins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wmeval.caption import caption
from wmeval.probe import Twin
from wmeval.scene import Body, Case, Scene, backdrop, ball, floor, side_camera
from wmeval_probes.physics.draw import EDGE, LEFT, RIGHT, TOP, hues, radius, stage
from wmeval_probes.physics.veil import SPARE, same_picture, veil

G = (2.5, 9.81)  # m/s2
RESTITUTION = (0.45, 0.85)
LIVELIER = 0.4  # restitution that a violation may add, and the ball still stays in view
HORIZON_S = 2.5  # after the cut all must be over
SHOWN_S = 0.3  # of the first fall; the rise and the apex after it come on top
FLIGHT_S = (0.95, 1.6)  # of the first flight
SHORTEST_S = 0.6  # of the second flight, so that its apex lies between frames


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
        highest = self.apex * max(1.0, (self.e + LIVELIER) ** 2)
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
    if lasts - cut > HORIZON_S:
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
