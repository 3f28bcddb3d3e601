"""Do solid bodies stay out of one another, of walls and of the floor when they meet?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.probe import Measurement, Probe
from wmeval.scene import Body, Case, Hidden, Scene, side_camera, wall
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
from wmeval_probes.physics.hidden_wall import twin

Floats = NDArray[np.float64]
SPEEDS, FAST = (0.8, 2.0), (2.4, 3.4)  # m/s at contact; below 0.03 radii in a physics step
RESTITUTION = (0.2, 0.9)
DEAD_PX = 0.2  # depth [px] that the oracle's own tracks exceed on fewer than one contact frame in twenty
NEAR = 0.25  # radii: closer than this is a contact frame
BEGUN, ARRIVED = 0.3, 0.85  # of the true approach: up to here nothing came, from here on all of it
GAP = 0.5  # m still to go at the cut, so that no drift of a blurred edge is an approach
FASTEST = 8.0  # m/s: what moves faster from frame to frame has jumped, and what jumps is not the same body
LOST_S = 0.5  # after contact a body must still be there


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return one body on its way to a wall, to the floor or to another body.

    The first body of the scene is the one that moves and the second is what it meets. How far it bounces
    is hidden, so only the meeting is asked about. Tag "control" ends before they meet.
    """
    draw = {"wall": _wall, "floor": _floor, "pair": _pair}[str(rng.choice(["wall", "floor", "pair"]))]
    while (drawn := draw(rng, tag)) is None:
        pass
    return Case.single(drawn)


def _scene(bodies: tuple[Body, ...], cut: float, meets: float, gravity: float, tag: str) -> Scene:
    """Return the scene of bodies that meet at `meets` [s]."""
    ends = np.floor((meets - 0.1) * 10) if tag == "control" else np.ceil((meets + 0.6) * 10)
    return Scene(
        bodies=bodies,
        camera=side_camera(),
        duration_s=float(ends / 10),
        cut_s=cut,
        needs_s=0.4,
        profile="impact",
        gravity=gravity,
        caption=caption(bodies),
        hidden=tuple(Hidden(f"{b.name}.restitution", *RESTITUTION) for b in bodies if b.mass > 0),
        tag=tag,
    )


def _timing(rng: np.random.Generator, tag: str) -> tuple[float, float]:
    """Return the cut and the time of contact [s], no nearer than three frames to the cut."""
    cut = round(float(rng.integers(4, 7)) / 10, 1)
    return cut, cut + float(rng.uniform(*((0.7, 0.9) if tag == "control" else (0.32, 0.7))))


def _speed(rng: np.random.Generator, tag: str) -> float:
    return float(rng.uniform(*(FAST if tag == "ood-speed" else SPEEDS)))


def _bounce(rng: np.random.Generator) -> float:
    return float(rng.uniform(*RESTITUTION))


def _stage(rng: np.random.Generator) -> tuple[Body, ...]:
    return stage(rng, friction=0.0, restitution=1.0)


def _floor(rng: np.random.Generator, tag: str) -> Scene | None:
    cut, meets = _timing(rng, tag)
    speed, g = _speed(rng, tag) + 0.6, float(rng.uniform(2.0, 9.81))
    size, (hue,) = radius(rng, tag), hues(rng, 1)
    vx, x = float(rng.uniform(-0.7, 0.7)), float(rng.uniform(LEFT, RIGHT))
    more = {"restitution": _bounce(rng), "friction": 0.0}
    body = solid(rng, hue, size, (x, 0.0, 1.0), boxes=0.4, velocity=(vx, 0.0, g * meets - speed), **more)
    t = np.linspace(0, meets, 40)
    height = speed * (meets - t) - g * (meets - t) ** 2 / 2  # above the floor; the fall is played backwards
    low = half_height(body)
    reach = np.abs(x + vx * np.array([0.0, meets + 0.7])).max() + half_width(body) + EDGE
    gap_at_cut = float(np.interp(cut, t, height))
    if height[:-1].min() <= 0.02 or height.max() + 2 * low + EDGE > TOP or reach > RIGHT or gap_at_cut < GAP:
        return None
    body = replace(body, position=(x, 0.0, low + float(height[0])))
    return _scene((body, *_stage(rng)), cut, meets, g, tag)


def _wall(rng: np.random.Generator, tag: str) -> Scene | None:
    cut, meets = _timing(rng, tag)
    speed, size, (hue,) = _speed(rng, tag), radius(rng, tag), hues(rng, 1)
    side = int(rng.choice([-1, 1]))  # the wall's side, seen from the body
    more = {"restitution": _bounce(rng), "friction": 0.0, "velocity": (side * speed, 0.0, 0.0)}
    body = solid(rng, hue, size, (0.0, 0.0, 1.0), boxes=0.4, **more)
    thick, tall = 0.15, float(rng.uniform(0.5, 1.4))
    at = float(rng.uniform(0.4, 1.5))
    start = at - thick - half_width(body) - speed * meets
    if (
        start - half_width(body) - EDGE < LEFT
        or at + thick + size > RIGHT
        or tall < size * 1.2
        or speed * (meets - cut) < GAP
    ):
        return None
    body = replace(body, position=(side * start, 0.0, half_height(body)))
    barrier = wall("wall", half=(thick, 0.45, tall), position=(side * at, 0.0, tall), friction=0.0,
                   restitution=1.0, value=float(rng.uniform(0.2, 0.45)))  # fmt: skip
    return _scene((body, barrier, *_stage(rng)), cut, meets, 9.81, tag)


def _pair(rng: np.random.Generator, tag: str) -> Scene | None:
    cut, meets = _timing(rng, tag)
    speed, (one, two) = _speed(rng, tag), hues(rng, 2)
    side = int(rng.choice([-1, 1]))
    size = radius(rng, tag)
    both = rng.random() < 0.4  # do both move?
    share = float(rng.uniform(0.4, 0.6)) if both else 1.0
    more = {"restitution": _bounce(rng), "friction": 0.0}
    a = solid(rng, one, size, (0.0, 0.0, 1.0), boxes=0.4, velocity=(side * speed * share, 0.0, 0.0), **more)
    size_b = float(np.clip(size * rng.uniform(0.9, 1.1), 0.22, 0.6))
    velocity_b = (-side * speed * (1 - share), 0.0, 0.0)
    b = solid(rng, two, size_b, (0.0, 0.0, 1.0), boxes=0.4, velocity=velocity_b, **more)
    touch = half_width(a) + half_width(b)
    at = float(rng.uniform(-0.6, 0.9))  # where b is at contact
    start_a = at - touch - speed * share * meets
    start_b = at + speed * (1 - share) * meets
    gone = at + speed * (1 + RESTITUTION[1]) / 2 * 0.7 + half_width(b)  # b after the hit, equal masses
    if (
        start_a - half_width(a) - EDGE < LEFT
        or max(start_b + half_width(b), gone) + EDGE > RIGHT
        or speed * (meets - cut) < GAP
    ):
        return None
    a = replace(a, position=(side * start_a, 0.0, half_height(a)))
    b = replace(b, position=(side * start_b, 0.0, half_height(b)))
    return _scene((a, b, *_stage(rng)), cut, meets, 9.81, tag)


def gaps(tracks: Tracks, scene: Scene) -> Floats:
    """Return signed distances (T, N, B) [m] of tracked bodies to all bodies; inf where not found.

    Bodies are put back into the engine in the plane in which the scene placed them, with the tracked
    position in the image plane and the tracked angle.
    """
    from wmeval.world import distances

    position = tracks.position.copy()
    position[..., 1] = np.where(np.isfinite(position[..., 0]), [b.position[1] for b in scene.moving], np.nan)
    half = -np.where(tracks.found & np.isfinite(tracks.angle), tracks.angle, 0.0) / 2
    turn = np.stack([np.zeros_like(half), np.sin(half), np.zeros_like(half), np.cos(half)], axis=-1)
    turn[~tracks.found] = np.nan
    return distances(scene, position, turn, within=8.0)


def event(tracks: Tracks, truth: Truth) -> float:
    """Return how much of the true approach took place, from 0 (as at the cut) to 1 (as near as in truth).

    Only what comes before the moving body's first jump is an approach.
    """
    from wmeval.world import exact_tracks

    scene = truth.scene
    asked = tracks.after(scene.cut_s)
    if not len(asked.times):
        return 0.0
    true = gaps(exact_tracks(truth, tracks.view, np.concatenate([[scene.cut_s], asked.times])), scene)[
        :, 0, 1
    ]
    came = gaps(asked, scene)[: _before_a_jump(asked, truth), 0, 1].min(initial=np.inf)
    if not np.isfinite(came):
        return 0.0
    progress = (true[0] - came) / (true[0] - true[1:].min())
    return float(np.clip((progress - BEGUN) / (ARRIVED - BEGUN), 0.0, 1.0))


def _before_a_jump(asked: Tracks, truth: Truth) -> int:
    """Return how many predicted frames come before the first body is somewhere else at once."""
    seen = np.flatnonzero(asked.found[:, 0])
    start = np.array([truth.scene.cut_s])
    times = np.concatenate([start, asked.times[seen]])
    path = np.concatenate([truth.poses_at(start)[0][:, 0], asked.position[seen, 0]])[:, (0, 2)]
    speed = np.linalg.norm(np.diff(path, axis=0), axis=1) / np.diff(times)
    jumps = np.flatnonzero(speed > FASTEST)
    return int(seen[jumps[0]]) if len(jumps) else len(asked.times)


def measure(tracks: Tracks, truth: Truth) -> Measurement:
    """Return the mean depth in contact frames [radii] of the pair that overlaps most.

    Depth counts beyond the dead zone of `DEAD_PX` that the tracks of a true video need. Frames within
    `LOST_S` of first contact in which a body of the asked pair cannot be found count as one radius. Going
    through to the other side adds one radius, once.
    """
    scene = truth.scene
    asked = tracks.after(scene.cut_s)
    if not len(asked.times):
        return Measurement(PROBE.worst, "no predicted frames")
    metre = scene.camera.focal_px(tracks.view) / abs(scene.camera.eye[1])
    distance = gaps(asked, scene)
    worst, where, deepest = 0.0, "", 0.0
    for i, j in _pairs(scene):
        body, other = scene.moving[i], scene.bodies[j]
        r = min(body.radius, other.radius) if other.mass > 0 else body.radius
        gap = distance[:, i, j]
        asked_pair = (i, j) == (0, 1)
        near = gap <= NEAR * r
        if asked_pair and np.isfinite(gap).any() and not near.any():
            near[int(np.argmin(gap))] = True  # bounced between two frames
        if not near.any():
            continue
        depth = np.clip(-gap[near] / r - DEAD_PX / metre / r, 0.0, None)
        if asked_pair:
            first = asked.times[int(np.argmax(near))]
            lost = ~np.isfinite(gap) & (asked.times > first) & (asked.times <= first + LOST_S)
            depth = np.concatenate([depth, np.ones(int(lost.sum()))])
        error = float(depth.mean()) + float(_passed(asked, scene, i, j))
        if error > worst:
            worst, where, deepest = error, f"{body.name} | {other.name}", float(-gap[near].min())
    return Measurement(worst, evidence={"pair": where, "deepest m": deepest})


def _pairs(scene: Scene) -> Iterator[tuple[int, int]]:
    """Yield (slot, index in scene.bodies) of all pairs that can touch, each once."""
    for i, body in enumerate(scene.moving):
        for j, other in enumerate(scene.bodies):
            if other.collides and (other.mass <= 0 or j > scene.bodies.index(body)):
                yield i, j


def _passed(tracks: Tracks, scene: Scene, slot: int, index: int) -> bool:
    """Return whether a body came out on the other side of what it met, whatever was seen in between."""
    other = scene.bodies[index]
    path = tracks.position[:, slot][:, (0, 2)]
    if other.role == "floor":
        return bool(np.nanmin(np.append(path[:, 1], np.inf)) < other.position[2] + other.size[2])
    if other.mass > 0:
        that = tracks.position[:, scene.moving.index(other)][:, (0, 2)]
        height = scene.moving[slot].radius + other.radius
    else:
        that = np.broadcast_to(np.array([other.position[0], other.position[2]]), path.shape)
        height = other.size[2]
    both = np.isfinite(path).all(1) & np.isfinite(that).all(1)
    offset = (path - that)[both]
    if not len(offset):
        return False
    start = np.array(scene.moving[slot].position)[[0, 2]] - np.array(other.position)[[0, 2]]
    offset = np.concatenate([start[None], offset])
    flips = np.flatnonzero(np.diff(np.sign(offset[:, 0])) != 0)
    # over the top is no passage: only a crossing that is level with the other body counts
    return bool(any(abs(offset[k : k + 2, 1].mean()) < height for k in flips))


def violate(truth: Truth, strength: float, rng: np.random.Generator) -> Truth:
    """Return the truth in which the first body ends `strength` radii deep in what it meets, and stays."""
    from wmeval.world import resume

    if strength == 0:
        return truth
    scene, contacts = truth.scene, truth.contacts
    meets = ((contacts.a == 0) & (contacts.b == 1)) | ((contacts.a == 1) & (contacts.b == 0))
    meets &= contacts.time > scene.cut_s
    if not meets.any():
        raise ValueError("the first two bodies of this scene never meet after the cut; draw it with `case`")
    row = int(np.argmax(meets))
    inward = contacts.normal[row] * (-1 if contacts.a[row] == 0 else 1)
    body = scene.moving[0]
    tick = int(np.floor(contacts.time[row] * truth.clock_hz))
    deep = truth.position[tick, 0] + inward * strength * body.radius
    still = (0.0, 0.0, 0.0)
    stop = {b.name: still for b in scene.bodies[:2] if b.mass > 0}
    return resume(truth, tick / truth.clock_hz, position={body.name: tuple(deep)}, velocity=stop, spin=stop)


PROBE = Probe(
    name="interpenetration",
    version="0.1",
    unit="depth / radius",
    worst=1.0,
    null="freeze",
    strengths=(0.1, 0.3, 0.5, 0.75, 1.0),
    strength_unit="radii that the body ends inside what it meets",
    tags=("iid", "ood-speed", "ood-size", "control"),
    horizon_s=1.3,
    case=case,
    event=event,
    measure=measure,
    violate=violate,
    summary="Bodies meet walls, the floor and each other; do they stay out of one another?",
    must_see=0.3,
    twin=twin,
)
