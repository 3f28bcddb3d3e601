"""One thing is changed before the cut: is what comes of it, body by body, the true difference?

A ball hits a second one, which shows how much of the motion is passed on, and the second runs towards a
third. In the other arm the third is not there, or farther away, or the first comes later. Only the
difference between the arms is graded, so copying one arm into the other is the worst there is, and bodies
that the change does not reach must not differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.probe import Measurement, Probe, Twin
from wmeval.scene import Body, Case, Scene, ball, box, occluder, side_camera, wall
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval_probes.physics.difference import Difference, difference, response
from wmeval_probes.physics.draw import EDGE, LEFT, RIGHT, hues, stage

Floats = NDArray[np.float64]
SPEEDS, FAST = (1.1, 1.6), (1.8, 2.1)  # m/s of the first body
RADII = (0.22, 0.27)  # m: three bodies of one size and their ways fill the picture
PASSED = (0.75, 1.0)  # restitution of the bodies with one another
SHELF, SHELF_HALF = 1.5, 0.06  # m, where bystanders are
CLEAR_S, PASSES_S = 0.3, 0.2  # s from the cut to the second hit, and from the first to the cut
EFFECT_M = 0.4  # by how much the second body is elsewhere in the end, at least
LEAST = 0.2  # m: a true effect below counts as this much
ENOUGH = 0.9  # share of the predicted frames in which every body must be found in both arms
OPEN = 0.1  # of the effect: what a start that no eye tells apart can do
CHANGES = ("removed", "moved", "retimed")


@dataclass(frozen=True)
class Lane:
    """Bodies of half width w in a row: the first runs at speed v, hits the second, and that the third."""

    w: float  # m
    v: float  # m/s
    e: float
    first: float  # m, centres at the start, to the right
    second: float
    third: float

    @property
    def hit_s(self) -> float:
        """Time [s] at which the first hits the second."""
        return (self.second - self.first - 2 * self.w) / self.v

    @property
    def onward(self) -> float:
        """Speed [m/s] of the second after the hit (equal masses)."""
        return self.v * (1 + self.e) / 2

    @property
    def second_hit_s(self) -> float:
        """Time [s] at which the second hits the third."""
        return self.hit_s + (self.third - self.second - 2 * self.w) / self.onward

    def reaches(self, until_s: float) -> float:
        """Return how far [m] to the right the third is at a time."""
        return self.third + self.onward * (1 + self.e) / 2 * max(0.0, until_s - self.second_hit_s)


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return the arms "factual" and "changed".

    With tag "control" what is changed is a bystander on the shelf, and nothing else may differ.
    """
    changes = CHANGES[:2] if tag == "ood-speed" else CHANGES  # a fast lane leaves no room to come later
    change = "bystander" if tag == "control" else str(rng.choice(changes))
    while (drawn := _draw(rng, tag, change)) is None:
        pass
    return drawn


def _draw(rng: np.random.Generator, tag: str, change: str) -> Case | None:
    w, v = float(rng.uniform(*RADII)), float(rng.uniform(*(FAST if tag == "ood-speed" else SPEEDS)))
    e = float(rng.uniform(*PASSED))
    first = LEFT + EDGE + w + float(rng.uniform(0.0, 0.3))
    late = float(rng.uniform(0.28, 0.4)) if change == "retimed" else 0.0  # s
    second = first + 2 * w + (late + float(rng.uniform(0.12, 0.4))) * v
    lane = Lane(w, v, e, first, second, second + 2 * w + float(rng.uniform(0.5, 1.3)))
    other = lane
    if change == "moved":
        other = replace(lane, third=lane.third + float(rng.uniform(0.35, 0.6)))
    elif change == "retimed":  # the first comes from farther away
        other, lane = lane, replace(lane, first=lane.first + late * v)
    removed = change == "removed"
    earlier, later = sorted((lane.second_hit_s, lane.second_hit_s if removed else other.second_hit_s))
    cut = float(np.floor((earlier - CLEAR_S) * 10)) / 10
    ends = float(np.ceil(later * 10 + rng.integers(4, 8))) / 10
    effect = lane.onward * (ends - lane.second_hit_s) if removed else lane.onward * (later - earlier)
    free = other.second + other.onward * (ends - other.hit_s) if removed else other.reaches(ends)
    if (
        min(lane.hit_s, other.hit_s) < 0.1
        or cut - max(lane.hit_s, other.hit_s) < PASSES_S
        or max(lane.reaches(ends), free) > RIGHT - EDGE - w
        or ends - cut > PROBE.horizon_s
        or (effect < EFFECT_M and change != "bystander")
    ):
        return None
    side = int(rng.choice([-1, 1]))
    colours = hues(rng, 5)
    count = 3 if tag == "ood-count" else 1
    resting = _bystanders(rng, colours[3:] if count > 1 else colours[3:4], side)
    statics = (_shelf(), *stage(rng, friction=0.0))
    boxes = tag == "ood-composition"
    bodies = {
        "factual": (*_row(lane, colours, side, boxes), *resting, *statics),
        "changed": (*_row(other, colours, side, boxes), *resting, *statics),
    }
    if change == "removed":
        bodies["changed"] = tuple(b for b in bodies["changed"] if b.name != bodies["factual"][2].name)
    if change == "bystander":
        gone = resting[0].name
        bodies["changed"] = tuple(b for b in bodies["changed"] if b.name != gone)
    return Case({arm: _scene(given, cut, ends, tag) for arm, given in bodies.items()})


def _scene(bodies: tuple[Body, ...], cut: float, ends: float, tag: str) -> Scene:
    return Scene(
        bodies=bodies,
        camera=side_camera(),
        duration_s=round(ends, 1),
        cut_s=round(cut, 1),
        needs_s=round(cut, 1),
        profile="impact",
        caption=caption(bodies),
        tag=tag,
    )


def _row(lane: Lane, colours: list[str], side: int, boxes: bool) -> tuple[Body, ...]:
    """Return the three bodies of a lane that runs to the right (side 1) or to the left."""
    more = {"friction": 0.0, "restitution": float(np.sqrt(lane.e))}
    made = []
    for hue, x, v in zip(colours, (lane.first, lane.second, lane.third), (lane.v, 0.0, 0.0), strict=False):
        place, velocity = (side * x, 0.0, lane.w), (side * v, 0.0, 0.0)
        if boxes:
            half = (lane.w, lane.w, lane.w)
            made.append(box(f"{hue} box", half=half, position=place, hue=hue, velocity=velocity, **more))
        else:
            made.append(
                ball(f"{hue} ball", radius=lane.w, position=place, hue=hue, velocity=velocity, **more)
            )
    return tuple(made)


def _shelf() -> Body:
    half = (RIGHT - EDGE, 0.4, SHELF_HALF)
    return wall("shelf", half=half, position=(0.0, 0.0, SHELF - SHELF_HALF), friction=1.0, value=0.3)


def _bystanders(rng: np.random.Generator, colours: list[str], side: int) -> tuple[Body, ...]:
    """Return boxes at rest on the shelf, over the row of the others."""
    places = np.linspace(-1.2, 1.2, len(colours) + 1)[:-1] + rng.uniform(0.1, 0.9) * 2.4 / len(colours)
    made = []
    for hue, x in zip(colours, side * np.clip(places, -1.6, 1.6), strict=True):
        half = (float(rng.uniform(0.22, 0.3)), 0.25, float(rng.uniform(0.22, 0.35)))
        place = (float(x), 0.0, SHELF + half[2])
        made.append(box(f"{hue} box", half=half, position=place, hue=hue, friction=0.5))
    return tuple(made)


Arms = Mapping[str, Tracks]
Truths = Mapping[str, Truth]


def event(tracks: Arms, truths: Truths) -> dict[str, float]:
    """Return the share of the predicted frames that show all bodies of both arms; nine in ten are enough."""
    shares = []
    for arm, truth in truths.items():
        seen = tracks[arm].after(truth.scene.cut_s).found
        shares.append(float(min(1.0, seen.mean(axis=0).min() / ENOUGH)) if len(seen) else 0.0)
    return dict.fromkeys(truths, min(shares))


def measure(tracks: Arms, truths: Truths) -> dict[str, Measurement]:
    """Compare the difference between the arms with the true one, over all bodies that both arms have.

    The error is |D' - D| / |D| over frames, axes and bodies together, counted from `OPEN` upwards: 0 is the
    true difference, 1 is none. D is what has come of the change since the cut. The arm "factual" is what
    the other is compared with and has no error of its own.
    """
    pair, both = (tracks["changed"], tracks["factual"]), (truths["changed"], truths["factual"])
    common = [n for n in truths["factual"].names if n in truths["changed"].names]
    told = {name: difference(name, pair, both) for name in common}
    lost = [name for name, d in told.items() if not d.known]
    if lost:
        status = f"found in too few frames of both arms: {', '.join(lost)}"
        return {"factual": Measurement(0.0), "changed": Measurement(PROBE.worst, status)}
    effect = _total([d.size for d in told.values()])
    miss = _total([d.miss for d in told.values()]) / max(effect, LEAST)
    reached = {name: d for name, d in told.items() if d.size > LEAST / 4}
    evidence = {
        "effect m": {n: d.size for n, d in told.items()},
        "error of effect m": {n: d.miss for n, d in told.items()},
        "cosine, of those that the change reaches": {n: _cosine(d) for n, d in reached.items()},
    }
    implied = {"effect / true effect": response(list(reached.values()))} if reached else {}
    error = max(0.0, miss - OPEN) / (1 - OPEN)
    return {"factual": Measurement(0.0), "changed": Measurement(error, implied=implied, evidence=evidence)}


def _total(values: list[float]) -> float:
    return float(np.sqrt(np.sum(np.square(values))))


def _cosine(d: Difference) -> float | None:
    """Return the cosine between seen and true difference, None where none is seen."""
    length = float(np.sqrt((d.seen**2).sum() * (d.true**2).sum()))
    return float((d.seen * d.true).sum()) / length if length > 1e-9 else None


def violate(truths: Truths, strength: float, rng: np.random.Generator) -> dict[str, Truth]:
    """Return truths in which the share `strength` of what the change brings about is missing.

    What the second hit does to velocities happens in the changed arm too: where there is nothing to hit, by
    that share; where the hit only comes later, by that share of the delay too early. From there on
    everything goes its lawful way. At 1 the changed arm goes on as the factual one.
    """
    from wmeval.world import resume

    if strength == 0:
        return dict(truths)
    factual, changed = truths["factual"], truths["changed"]
    at = second_hit(factual)
    before, after = factual.velocity_at(np.array([at - 2 / 240, at + 2 / 240]))
    share = strength
    if factual.names[2] in changed.names:
        at, share = at + (1 - strength) * (second_hit(changed) - at), 1.0
    own = changed.velocity_at(np.array([at]))[0]
    velocity = {}
    for name in (n for n in factual.names[1:3] if n in changed.names):
        kick = (after - before)[factual.names.index(name)]
        vx = float((own[changed.names.index(name)] + share * kick)[0])
        velocity[name] = (vx, 0.0, 0.0)
    return {"factual": factual, "changed": resume(changed, at, velocity=velocity)}


def second_hit(truth: Truth) -> float:
    """Return when [s] the second body of a truth meets the third.

    Raises:
        ValueError: they never meet.
    """
    bodies = [b.name for b in truth.scene.bodies]
    pair = {bodies.index(name) for name in truth.names[1:3]}
    met = [t for t, a, b in zip(truth.contacts.time, truth.contacts.a, truth.contacts.b, strict=True)
           if {int(a), int(b)} == pair]  # fmt: skip
    if not met:
        raise ValueError("the second and third body of this scene never meet; draw it with `case`")
    return float(met[0])


def twin(rng: np.random.Generator, tag: str) -> Twin:
    """Return a ball that runs towards a screen behind which, as was shown, another one waits, or none does.

    With one waiting that one comes out; without, the ball itself does.
    """
    w, v, e = float(rng.uniform(*RADII)), float(rng.uniform(1.1, 1.4)), float(rng.uniform(0.85, 1.0))
    side = int(rng.choice([-1, 1]))
    at, cover = float(rng.uniform(0.3, 0.5)), w + float(rng.uniform(0.2, 0.3))
    start = LEFT + EDGE + w
    splice = 0.8
    meets = (at - 2 * w - start) / v
    colours = hues(rng, 2)
    tall = w + float(rng.uniform(0.15, 0.3))
    up, down = (side * at, -0.7, 2.6 + tall), (side * at, -0.7, tall)
    path = ((0.3, up), (0.6, down))
    screen = occluder("screen", half=(cover, 0.05, tall), position=up, path=path, value=0.25)
    lane = Lane(w, v, e, start, at, at + 9.0)
    running, waiting, _ = _row(lane, [*colours, "red"], side, False)
    statics = (screen, *stage(rng, friction=0.0))
    ends = round(float(np.floor(10 * (meets + (RIGHT - EDGE - w - at) / v))) / 10, 1)
    one = _scene((running, waiting, *statics), splice, ends, tag)
    two = _scene((running, *statics), splice, ends, tag)
    return Twin("factorial", one, two, splice, (splice, ends))


PROBE = Probe(
    name="counterfactual",
    version="0.1",
    unit="relative error of what a change brings about",
    worst=1.0,
    null="freeze",
    strengths=(0.15, 0.25, 0.5, 0.75, 1.0),
    strength_unit="share of what the change brings about that is missing",
    tags=("iid", "ood-speed", "ood-count", "ood-composition", "control"),
    horizon_s=2.0,
    case=case,
    event=event,
    measure=measure,
    violate=violate,
    twin=twin,
    must_see=0.25,
    summary="One body is taken away, moved or sent later; does the right difference come of it?",
)
