"""Choose where a block is placed, or which is taken away, so that a beam on a pillar does not tip.

Props bear all the weight until they sink into the floor; then the beam stays only where the centre of mass of
all that lies on it is above the pillar. Tag "place": one block, and where it goes; "take": which one is gone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.scene import Body, Scene, box, side_camera, wall
from wmeval.task import Choice, Instance, States, Task
from wmeval_probes.physics.draw import hues, stage
from wmeval_probes.physics.stacks import (
    CUT_S,
    DEEP,
    RELEASE_S,
    ROUGH,
    SINKS_M_S,
    Slab,
    centre_of_mass,
    hold,
)
from wmeval_probes.planning.places import ending
from wmeval_probes.planning.shown import succeeds

Floats = NDArray[np.float64]
LASTS_S = 1.3  # s after the cut
STANDS_S = 0.9  # s after the cut from which a beam that lies is one that stays
MOVED = 0.15  # m that a block may have moved
FOOT = {"place": (0.2, 0.28), "take": (0.1, 0.16)}  # m, half the width of the pillar
SAFE = 0.04  # m that a centre of mass is inside of the pillar's edge, or outside
PLACES = 5  # where the block can go, besides the floor; or blocks that can be taken away, besides none
PROP = 0.035  # m, half the width of a prop


def instance(rng: np.random.Generator, tag: str) -> Instance:
    """Return a beam that tips: nothing is placed, or taken away."""
    drawn = choice(rng, tag)
    return drawn.candidates[int(np.argmin(drawn.sizes))]


def choice(rng: np.random.Generator, tag: str) -> Choice:
    """Return the same beam with a block at each of five places or none; or with each of five blocks gone.

    One to three of them stay. The size of an intervention is how far from the pillar's middle it is [m].
    """
    outermost = bool(rng.random() < 1 / (PLACES + 1))  # as often as by chance is the farthest one right
    while (drawn := _choice(rng, tag, outermost)) is None:
        pass
    return drawn


def _choice(rng: np.random.Generator, tag: str, outermost: bool) -> Choice | None:
    high, tall = float(rng.uniform(0.7, 1.3)), float(rng.uniform(0.09, 0.12))
    half, foot = float(rng.uniform(1.25, 1.45)), float(rng.uniform(*FOOT[tag]))
    pillar = Slab(0.0, high / 2, foot, high / 2)
    beam = Slab(float(rng.uniform(-0.12, 0.12)), high + tall, half, tall)
    seats = beam.x + np.linspace(-1, 1, PLACES) * (half - 0.26) + rng.uniform(-0.03, 0.03, PLACES)
    wides = rng.uniform(0.12, 0.25, PLACES)
    talls = rng.uniform(0.12, 0.45, PLACES)
    top = high + 2 * tall
    on = [
        Slab(float(x), top + float(t), float(w), float(t))
        for x, w, t in zip(seats, wides, talls, strict=True)
    ]
    if tag == "place":
        loads, put = _loads(rng, on), on[int(rng.integers(PLACES))]
        ways = [[*loads, Slab(s.x, top + 2 * _height(loads, s) + put.tall, put.half, put.tall)] for s in on]
        ways.append(loads)
        sizes = [abs(s.x) for s in on]
    else:
        loads = on
        ways = [[b for b in on if b is not gone] for gone in on] + [on]
        sizes = [abs(b.x) for b in on]
    sizes.append(0.0)
    middles = np.array([centre_of_mass([beam, *way]) for way in ways])
    inside = foot - np.abs(middles)
    good = int((inside > 0).sum())
    if not 1 <= good <= 3 or inside[-1] > 0 or np.abs(inside).min() < SAFE:
        return None
    if (inside[int(np.argmax(sizes))] > 0) != outermost:
        return None
    return _shown(rng, tag, pillar, beam, ways, loads, sizes, inside > 0)


def _loads(rng: np.random.Generator, on: Sequence[Slab]) -> list[Slab]:
    """Return one or two of the blocks: those that lie on the beam whatever is placed."""
    kept = rng.permutation(len(on))[: int(rng.integers(1, 3))]
    return [on[int(i)] for i in sorted(kept)]


def _height(loads: Sequence[Slab], at: Slab) -> float:
    """Return half of the height of what already lies at a seat [m]."""
    return next((b.tall for b in loads if b.x == at.x), 0.0)


def _shown(
    rng: np.random.Generator, tag: str, pillar: Slab, beam: Slab, ways: Sequence[Sequence[Slab]],
    loads: Sequence[Slab], sizes: Sequence[float], good: NDArray[np.bool_],
) -> Choice | None:  # fmt: skip
    names, grey = hues(rng, 6), float(rng.uniform(0.25, 0.45))
    values = rng.uniform(0.7, 0.95, 6)
    around = stage(rng, friction=1.0)
    made = []
    for way in ways:
        bodies = [_block("beam", beam, names[0], float(values[0]))]
        for slab in way:
            slot = loads.index(slab) if slab in loads else len(loads)
            bodies.append(_block(f"block {slot}", slab, names[1 + slot % 5], float(values[1 + slot % 5])))
        made.append(Instance(_scene(tag, bodies, pillar, beam, grey, around), {"moved": MOVED}))
    if [succeeds(one, TASK) for one in made] != list(good):
        return None  # closer to the edge than the engine and the formula agree
    order = rng.permutation(len(made))
    return Choice(tuple(made[i] for i in order), tuple(round(float(sizes[i]), 6) for i in order))


def _scene(
    tag: str, bodies: list[Body], pillar: Slab, beam: Slab, grey: float, around: tuple[Body, ...]
) -> Scene:
    stands = wall("pillar", half=(pillar.half, DEEP, pillar.tall), position=(pillar.x, 0, pillar.z),
                  value=grey, friction=ROUGH)  # fmt: skip
    high = 2 * pillar.tall
    props = []
    for name, s in (("left prop", -1), ("right prop", 1)):
        x = beam.x + s * (beam.half - PROP - 0.03)
        up, down = (x, 0.0, high / 2), (x, 0.0, -high / 2 - 0.05)
        path = ((RELEASE_S, up), (RELEASE_S + (high + 0.05) / SINKS_M_S, down))
        props.append(
            wall(name, half=(PROP, 0.1, high / 2), position=up, path=path, collides=False, value=grey)
        )
    everything = (*bodies, stands, *props, *around)
    return Scene(
        everything, side_camera(), CUT_S + LASTS_S, CUT_S, CUT_S, "rest", pushes=hold(bodies, RELEASE_S),
        caption=caption(everything), tag=tag,
    )  # fmt: skip


def _block(name: str, slab: Slab, hue: str, value: float) -> Body:
    return box(name, half=(slab.half, DEEP, slab.tall), position=(slab.x, 0.0, slab.z), hue=hue, value=value,
               friction=ROUGH)  # fmt: skip


def _moved(states: States, instance: Instance) -> Floats:
    """Return how far (..., T) the blocks are from where they lay, the farthest [m]."""
    at = np.array([instance.scene[name].position for name in states.names])
    off = states.position - at
    return np.asarray(np.hypot(off[..., 0], off[..., 2]).max(axis=-1))


def cost(states: States, instance: Instance) -> Floats:
    """Return how far the block that moves most has moved at the end [m]."""
    return ending(_moved(states, instance))


def success(states: States, instance: Instance) -> NDArray[np.bool_]:
    """Return whether all blocks are where they were, long enough after the props have gone."""
    late = states.times >= instance.scene.cut_s + STANDS_S - 1e-9
    return np.asarray((_moved(states, instance) <= instance.goal["moved"]) & late)


TASK = Task(
    name="keep", version="0.1", unit="m", worst=2.0, tags=("place", "take"), instance=instance, cost=cost,
    success=success, choice=choice,
    summary="choose where to place a block, or which one to take away, so that a beam on a pillar stays",
)  # fmt: skip
