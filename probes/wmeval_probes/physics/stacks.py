"""Scenes of blocks that stand, or fall, when a prop is taken from under their overhanging end.

What decides is where the centre of mass of all that overhangs lies: inside the edge that carries it, or
outside, by the same margin. A grey prop holds the blocks up to the release; then it sinks into the floor. The
truth holds them by a force that is their weight, which keeps them where the prop would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from wmeval.caption import caption
from wmeval.scene import Body, Push, Scene, box, side_camera, wall
from wmeval_probes.physics.draw import TOP, hues, stage

G = 9.81  # m/s2
CLOCK_HZ = 240  # of the profile rest
RELEASE_S, CUT_S, AHEAD_S = 0.425, 0.5, 1.2
SINKS_M_S = 6.0  # the prop is out of the way of whatever falls
MARGIN, SAFE = (0.09, 0.18), 0.12  # of the width: where the centre of mass lies; every other joint stands by
PROP, REACH = 0.035, 0.2  # m: half the width of the prop; the least overhang that it stands under
DEEP = 0.25  # m, half the depth of blocks
ROUGH = 0.65  # of blocks and of what carries them: friction is the product


@dataclass(frozen=True)
class Slab:
    """A block seen from the side: its centre, and its half extents [m]."""

    x: float
    z: float
    half: float
    tall: float

    @property
    def mass(self) -> float:
        """Mass, with a density and depth of one."""
        return self.half * self.tall


@dataclass(frozen=True)
class Stack:
    """Blocks on what carries them: those from `first` on go over the edge together, or stay."""

    blocks: tuple[Slab, ...]
    first: int
    edge: float  # m, x of the edge on the right side
    carrier: Slab | None  # what stands under the first block; None = the block below


def centre_of_mass(blocks: Sequence[Slab]) -> float:
    """Return the x [m] of the centre of mass of blocks of one material."""
    return float(np.average([b.x for b in blocks], weights=[b.mass for b in blocks]))


def draw(rng: np.random.Generator, tag: str, falls: Sequence[bool]) -> list[Scene]:
    """Return one scene for each wish to fall or stand, alike in all but where the blocks lie.

    Tag "ood-count" has towers of four and five; "control" has stacks that nothing holds and that stand.
    """
    kind = "tower" if tag in ("ood-count", "control") else str(rng.choice(["overhang", "weight", "tower"]))
    make = {"overhang": _overhang, "weight": _weight, "tower": _tower}[kind]
    count = int(rng.integers(4, 6) if tag == "ood-count" else rng.integers(2, 4))
    while True:
        seed = int(rng.integers(2**32))
        # every arm draws the same numbers, so that its blocks differ in nothing but their place
        stacks = [make(np.random.default_rng(seed), count, fall, tag == "control") for fall in falls]
        if all(s is not None for s in stacks):
            break
    names, around = hues(rng, 5), stage(rng, friction=1.0)
    side, shift = int(rng.choice([-1, 1])), float(rng.uniform(-0.6, 0.2))
    values = rng.uniform(0.7, 0.95, 5).tolist()
    grey = float(rng.uniform(0.25, 0.45))
    return [
        _scene(s, side, shift, names, values, grey, around, tag, held=tag != "control")
        for s in stacks
        if s is not None
    ]


def _overhang(rng: np.random.Generator, count: int, falls: bool, plain: bool) -> Stack:
    """One block on a pillar, over its edge by more or by less than half."""
    half, tall = float(rng.uniform(0.38, 0.6)), float(rng.uniform(0.11, 0.2))
    high = float(rng.uniform(0.6, 1.6))
    pillar = Slab(0.0, high / 2, float(rng.uniform(0.3, 0.5)), high / 2)
    over = float(rng.uniform(*MARGIN)) * 2 * half * (1 if falls else -1)
    block = Slab(pillar.half + over, high + tall, half, tall)
    return Stack((block,), 0, pillar.half, pillar)


def _weight(rng: np.random.Generator, count: int, falls: bool, plain: bool) -> Stack | None:
    """A slab on a pillar with a block on one of its ends, so that half of it carried is no measure.

    Where the block lies is drawn for each arm anew: the slab may stand with less than half of it carried, and
    fall with more.
    """
    half, tall = float(rng.uniform(0.55, 0.75)), float(rng.uniform(0.09, 0.12))
    high = float(rng.uniform(0.6, 1.5))
    pillar = Slab(0.0, high / 2, float(rng.uniform(0.3, 0.5)), high / 2)
    wide, up = float(rng.uniform(0.17, 0.25)), float(rng.uniform(0.2, 0.34))
    margin = float(rng.uniform(*MARGIN)) * 2 * half
    ends = rng.random(2) < 0.5
    end = (1 if ends[int(falls)] else -1) * (half - wide)
    slab, block = Slab(0.0, high + tall, half, tall), Slab(end, high + 2 * tall + up, wide, up)
    shift = pillar.half + (margin if falls else -margin) - centre_of_mass((slab, block))
    slab, block = (replace(b, x=b.x + shift) for b in (slab, block))
    # the edge must be under the slab, with the prop outside of it and something carried inside
    if not -half + 0.1 < pillar.half - slab.x < half - REACH:
        return None
    return Stack((slab, block), 0, pillar.half, pillar)


def _tower(rng: np.random.Generator, count: int, falls: bool, plain: bool) -> Stack | None:
    """A tower on the floor whose upper part is over the edge of the block below it by the margin."""
    talls = rng.uniform(0.13, 0.19 if count > 3 else 0.25, count)
    halves = rng.uniform(0.32, 0.45, count)
    offsets = rng.uniform(-0.05, 0.05, count)
    first = int(rng.integers(1, count))
    margin = float(rng.uniform(*MARGIN)) * 2 * float(halves[first])
    blocks: list[Slab] = []
    z = 0.0
    for half, tall, off in zip(halves, talls, offsets, strict=True):
        blocks.append(Slab(float(off), z + float(tall), float(half), float(tall)))
        z += 2 * float(tall)
    edge = blocks[first - 1].x + blocks[first - 1].half
    if not plain:
        shift = edge + (margin if falls else -margin) - centre_of_mass(blocks[first:])
        blocks[first:] = [replace(b, x=b.x + shift) for b in blocks[first:]]
    end = blocks[first].x + blocks[first].half
    lower = max(b.x + b.half for b in blocks[:first])
    if z > TOP - 0.3 or (not plain and end - max(edge, lower) < REACH):
        return None
    # all other joints stand, also when what is above the edge leans on it with all of its weight
    leaning = [replace(b, x=edge) for b in blocks[first:]] if falls else blocks[first:]
    for i in range(count - 1):
        if i == first - 1 and not plain:
            continue
        above = [*blocks[i + 1 : first], *leaning] if i + 1 < first else blocks[i + 1 :]
        if abs(centre_of_mass(above) - blocks[i].x) > blocks[i].half - SAFE * 2 * blocks[i].half:
            return None
    return Stack(tuple(blocks), first, edge, None)


def prop_at(stack: Stack) -> float:
    """Return the x [m] of the prop, near the overhanging end of the first block."""
    block = stack.blocks[stack.first]
    return block.x + block.half - PROP - 0.03


def _scene(
    stack: Stack,
    side: int,
    shift: float,
    names: Sequence[str],
    values: Sequence[float],
    grey: float,
    around: tuple[Body, ...],
    tag: str,
    *,
    held: bool,
) -> Scene:
    bodies = blocks(stack, side, shift, names, values)
    pushes: tuple[Push, ...] = ()
    still: list[Body] = []
    if stack.carrier is not None:
        still.append(standing("pillar", stack.carrier, side, shift, grey))
    if held:
        still.append(prop(stack, side, shift, RELEASE_S, grey))
        pushes = hold(bodies[stack.first :], RELEASE_S)
    everything = (*bodies, *still, *around)
    return Scene(
        bodies=everything,
        camera=side_camera(),
        duration_s=CUT_S + AHEAD_S,
        cut_s=CUT_S,
        needs_s=CUT_S,
        profile="rest",
        gravity=G,
        pushes=pushes,
        caption=caption(everything),
        tag=tag,
    )


def blocks(
    stack: Stack, side: int, shift: float, names: Sequence[str], values: Sequence[float]
) -> list[Body]:
    """Return the blocks of a stack as bodies, mirrored for side -1, moved by `shift` [m] to the side."""
    return [
        box(f"{hue} box", half=(b.half, DEEP, b.tall), position=(side * (b.x + shift), 0.0, b.z), hue=hue,
            value=float(value), friction=ROUGH)
        for b, hue, value in zip(stack.blocks, names, values, strict=False)
    ]  # fmt: skip


def standing(name: str, slab: Slab, side: int, shift: float, grey: float) -> Body:
    """Return a grey block of the scene that does not move."""
    return wall(name, half=(slab.half, DEEP, slab.tall), position=(side * (slab.x + shift), 0.0, slab.z),
                value=grey, friction=ROUGH)  # fmt: skip


def prop(stack: Stack, side: int, shift: float, release: float, grey: float) -> Body:
    """Return the grey prop that stands under the overhanging end and sinks into the floor at the release."""
    first = stack.blocks[stack.first]
    high = first.z - first.tall
    x = side * (prop_at(stack) + shift)
    up, down = (x, 0.0, high / 2), (x, 0.0, -high / 2 - 0.05)
    path = ((release, up), (release + (high + 0.05) / SINKS_M_S, down))
    return wall("prop", half=(PROP, 0.1, high / 2), position=up, path=path, collides=False, value=grey)


def hold(bodies: Sequence[Body], release: float) -> tuple[Push, ...]:
    """Return the forces that bear the weight of bodies up to a time [s], so that they hang where they are.

    The engine starts every body half a step of gravity early; where no gravity follows, an impulse takes that
    back.
    """
    early = G / CLOCK_HZ / 2
    return tuple(
        push
        for b in bodies
        for push in (
            Push(b.name, 0.0, release, force=(0.0, 0.0, b.mass * G)),
            Push(b.name, 0.0, 0.0, impulse=(0.0, 0.0, -b.mass * early)),
        )
    )
