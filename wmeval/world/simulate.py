"""From a Scene to its Truth: the physics is run once, on its own clock, and never for a model's sake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.scene import Body, Scene
from wmeval.truth import Contacts, Look, Truth
from wmeval.world.bullet import CLOCK_HZ, PROFILES, Client, inertia_about_y, physics_client

Floats = NDArray[np.float64]
Vectors = Mapping[str, Sequence[float]]


def simulate(scene: Scene, *, futures: int = 0, poses_only: bool = False) -> Truth:
    """Return what happens in a scene, with poses kept at 240 Hz from 0 to duration_s.

    `futures` re-simulations with a jittered start and `hidden` redrawn are added (see world.futures).
    With `poses_only` velocities are NaN and no contacts are kept, which takes half as long.
    Velocities are those of the step that ends at each time: the integrator is a leapfrog, and starting
    it half a kick early makes positions in flight exact to rounding (Stoermer-Verlet).

    Raises:
        ValueError: a body with a path collides, or the rest profile is asked to bounce something.
    """
    refuse(scene)
    truth = _run(scene, first(scene), first_tick=0, absent=frozenset(), poses_only=poses_only)
    if futures:
        from wmeval.world.futures import make_futures

        truth = replace(truth, futures=make_futures(scene, futures))
    return truth


def resume(
    truth: Truth,
    at_s: float,
    *,
    velocity: Vectors | None = None,
    position: Vectors | None = None,
    spin: Vectors | None = None,
    gravity: float | None = None,
    friction: Mapping[str, float] | None = None,
    restitution: Mapping[str, float] | None = None,
    remove: Sequence[str] = (),
    passes: Sequence[tuple[str, str]] = (),
    laws: Scene | None = None,
) -> Truth:
    """Return the truth edited at a time and simulated on from there; what came before is unchanged.

    Velocities [m/s], positions [m] and spins [rad/s] replace those of the named bodies; gravity [m/s2],
    friction and restitution hold from then on; removed bodies are NaN; pairs of bodies in `passes` go
    through one another. `laws` is a Scene with the same bodies by name whose pushes, masses and profile
    hold from then on. The scene stays the asked one, and futures are dropped, since they belong to the
    lawful world.

    Raises:
        KeyError: a body is named that does not move.
    """
    scene = truth.scene
    rules = laws or scene
    if [b.name for b in rules.bodies] != [b.name for b in scene.bodies]:
        raise ValueError("`laws` must have the bodies of the scene, by name and in its order")
    tick = round(at_s * CLOCK_HZ)
    kick = _half_kick(rules if gravity is None else replace(rules, gravity=gravity))
    state = State(
        truth.position[tick].copy(), truth.orientation[tick].copy(), truth.velocity[tick].copy(),
        truth.spin[tick].copy(),
    )  # fmt: skip
    state.velocity[:] += kick - _half_kick(scene)  # kept velocities are half a kick of the old law behind
    for name, value in (velocity or {}).items():
        state.velocity[_slot(scene, name)] = np.asarray(value) + kick[_slot(scene, name)]
    for name, value in (position or {}).items():
        state.position[_slot(scene, name)] = value
    for name, value in (spin or {}).items():
        state.spin[_slot(scene, name)] = value
    edited = replace(
        rules,
        gravity=rules.gravity if gravity is None else gravity,
        bodies=tuple(
            replace(
                b,
                friction=(friction or {}).get(b.name, b.friction),
                restitution=(restitution or {}).get(b.name, b.restitution),
            )
            for b in rules.bodies
        ),
    )
    gone = frozenset(_slot(scene, name) for name in remove)
    later = _run(edited, state, first_tick=tick, absent=gone, passes=passes)
    kept = truth.contacts.time <= at_s
    return replace(
        truth,
        position=np.concatenate([truth.position[:tick], later.position]),
        orientation=np.concatenate([truth.orientation[:tick], later.orientation]),
        velocity=np.concatenate([truth.velocity[:tick], later.velocity]),
        spin=np.concatenate([truth.spin[:tick], later.spin]),
        contacts=Contacts(
            *(
                np.concatenate([getattr(truth.contacts, f)[kept], getattr(later.contacts, f)])
                for f in ("time", "a", "b", "point", "normal", "impulse")
            )
        ),
        realised=later.realised,
        futures=(),
    )


def absent(truth: Truth, name: str, start_s: float, end_s: float) -> Truth:
    """Return the truth in which a body cannot be seen from start_s to end_s, and moves on meanwhile."""
    i = _slot(truth.scene, name)
    position = truth.position.copy()
    position[round(start_s * CLOCK_HZ) : round(end_s * CLOCK_HZ), i] = np.nan
    return replace(truth, position=position, futures=())


def repaint(truth: Truth, at_s: float, body: Body) -> Truth:
    """Return the truth in which a body looks like `body`, which has its name, from a time on.

    Raises:
        KeyError: no dynamic body goes by that name.
        ValueError: what is to be seen has no hue.
    """
    _slot(truth.scene, body.name)
    if body.hue is None:
        raise ValueError(f"body {body.name!r} was given no hue to look like; dynamic bodies have one")
    looks = sorted((*truth.looks, Look(at_s, body)), key=lambda look: look.start_s)
    return replace(truth, looks=tuple(looks), futures=())


@dataclass(frozen=True)
class State:
    """Where the moving bodies are, in slot order, and how fast: the engine's own velocities."""

    position: Floats  # (N, 3)
    orientation: Floats  # (N, 4)
    velocity: Floats  # (N, 3), half a step behind
    spin: Floats  # (N, 3)


def first(scene: Scene) -> State:
    """Return the state in which a scene starts."""
    n = len(scene.moving)
    return State(
        np.array([b.position for b in scene.moving]).reshape(n, 3),
        np.array([b.orientation for b in scene.moving]).reshape(n, 4),
        np.array([b.velocity for b in scene.moving]).reshape(n, 3) + _half_kick(scene),
        np.array([b.spin for b in scene.moving]).reshape(n, 3),
    )


def place(
    client: Client, scene: Scene, start: State, absent: frozenset[int] = frozenset()
) -> tuple[list[int], list[int]]:
    """Put a scene into a physics server; return the ids of its bodies (-1: only seen) and of those that move.

    Creation order pins pair order, so an absent body is created first and then taken away.
    """
    client.reset(scene.profile, scene.gravity)
    ids = [client.add(b, scene.profile) if b.collides else -1 for b in scene.bodies]
    moving = [ids[scene.bodies.index(b)] for b in scene.moving]
    for i, uid in enumerate(moving):
        if i in absent:
            client.remove(uid)
            continue
        client.put(uid, start.position[i], start.orientation[i])
        client.launch(uid, start.velocity[i], start.spin[i])
    return ids, moving


def _slot(scene: Scene, name: str) -> int:
    if name not in scene.names:
        raise KeyError(f"no moving body {name!r}; they are {list(scene.names)}")
    return scene.names.index(name)


def refuse(scene: Scene) -> None:
    """Refuse what the engine cannot do.

    Raises:
        ValueError: a body with a path collides, or the rest profile is asked to bounce something.
    """
    for body in scene.static:
        if body.path and body.collides:
            raise ValueError(f"body {body.name!r} has a path, so it must not collide (collides=False)")
    for body in scene.moving:
        if body.pivot is not None and scene.profile != "joint":
            raise ValueError(
                f"body {body.name!r} hangs from a pivot in profile {scene.profile!r}; use profile='joint'"
            )
    if scene.profile == "rest" and any(b.restitution > 0 for b in scene.moving):
        raise ValueError("the rest profile cannot bounce: use profile='impact' or restitution 0")


def _half_kick(scene: Scene) -> Floats:
    """Return what half a step of gravity adds to each moving body's velocity (N, 3) [m/s], turned round.

    On a hinge gravity turns the body about its pivot, where its inertia is greater than on a point of its
    mass; the part of the velocity along the rod is dropped there.
    """
    kick = np.zeros((len(scene.moving), 3))
    kick[:, 2] = scene.gravity / PROFILES[scene.profile].hz / 2
    for i, body in enumerate(scene.moving):
        if body.pivot is not None:
            x, _, z = np.subtract(body.position, body.pivot)
            swings = body.mass * (x**2 + z**2)
            kick[i] *= swings / (swings + inertia_about_y(body))
    return kick


def _run(
    scene: Scene, start: State, *, first_tick: int, absent: frozenset[int],
    passes: Sequence[tuple[str, str]] = (), poses_only: bool = False,
) -> Truth:  # fmt: skip
    client = physics_client()
    ids, moving = place(client, scene, start, absent)
    here = [(i, uid) for i, uid in enumerate(moving) if i not in absent]
    number = {b.name: uid for b, uid in zip(scene.bodies, ids, strict=True)}
    gone = {moving[i] for i in absent}
    for a, b in passes:
        if gone.isdisjoint((number[a], number[b])) and min(number[a], number[b]) >= 0:
            client.let_pass(number[a], number[b])
    k = round(scene.duration_s * CLOCK_HZ) - first_tick + 1
    # what the engine says is kept as it comes and becomes arrays at the end, which takes half as long
    poses: list[tuple[Any, Any]] = []
    velocities: list[tuple[Any, Any]] = []
    contacts: list[tuple[Any, ...]] = []
    counts: list[int] = []  # of contacts, by step
    substeps = PROFILES[scene.profile].hz // CLOCK_HZ
    pushes = _pushes(scene, substeps * CLOCK_HZ)
    for tick in range(k):
        for _, uid in here:
            poses.append(client.pose(uid))
            if not poses_only:
                velocities.append(client.velocity(uid))
        if tick == k - 1:
            break
        for sub in range(substeps):
            for uid_of_push, force in pushes.get((first_tick + tick) * substeps + sub, ()):
                if uid_of_push not in absent:
                    client.push(moving[uid_of_push], force)
            client.step()
            if not poses_only:
                pressed = [c for c in client.contacts() if c[9] > 0]
                contacts += pressed
                counts.append(len(pressed))

    def kept(said: list[tuple[Any, Any]], part: int, width: int) -> Floats:
        """Return one part of what was said of the bodies that are here, (k, N, width); NaN of the others."""
        out = np.full((k, len(moving), width), np.nan)
        if said:
            out[:, [i for i, _ in here]] = _table([s[part] for s in said], width).reshape(k, -1, width)
        return out

    steps_hz = substeps * CLOCK_HZ
    when = first_tick / CLOCK_HZ + np.arange(1, len(counts) + 1) / steps_hz
    return Truth(
        scene, CLOCK_HZ, kept(poses, 0, 3), kept(poses, 1, 4), kept(velocities, 0, 3), kept(velocities, 1, 3),
        _contacts(contacts, np.repeat(when, counts), ids, steps_hz), _realised(scene),
    )  # fmt: skip


def _pushes(scene: Scene, hz: int) -> dict[int, list[tuple[int, Floats]]]:
    """Return step -> forces; an impulse is a force over the one step that begins at its time."""
    at: dict[int, list[tuple[int, Floats]]] = {}
    for push in scene.pushes:
        slot = _slot(scene, push.body)
        first, last = round(push.start_s * hz), round(push.end_s * hz)
        if any(push.impulse):
            at.setdefault(first, []).append((slot, np.array(push.impulse) * hz))
        if any(push.force):
            for step in range(first, last):
                at.setdefault(step, []).append((slot, np.array(push.force)))
    return at


def _contacts(said: Sequence[tuple[Any, ...]], when: Floats, ids: Sequence[int], hz: int) -> Contacts:
    """Return the engine's contact points, each of one step of 1/hz s that ends at a time `when` [s]."""
    body_of = np.zeros(max(ids, default=0) + 1, np.int64)
    for i, uid in enumerate(ids):
        if uid >= 0:
            body_of[uid] = i

    def field(index: int, kind: type) -> NDArray[Any]:
        return np.fromiter(map(itemgetter(index), said), kind, len(said))

    return Contacts(
        when, body_of[field(1, np.int64)], body_of[field(2, np.int64)],
        _table([c[6] for c in said], 3), _table([c[7] for c in said], 3), field(9, np.float64) / hz,
    )  # fmt: skip


def _table(rows: Sequence[Sequence[float]], width: int) -> Floats:
    """Return rows of so many numbers as an array (K, width)."""
    return np.fromiter(chain.from_iterable(rows), np.float64, width * len(rows)).reshape(-1, width)


def _realised(scene: Scene) -> dict[str, float]:
    """Return the parameters of each pair that can touch: the engine multiplies both bodies' values."""
    realised = {}
    solid = [b for b in scene.bodies if b.collides]
    for i, a in enumerate(solid):
        for b in solid[i + 1 :]:
            if a.mass > 0 or b.mass > 0:
                realised[f"{a.name}|{b.name}.restitution"] = a.restitution * b.restitution
                realised[f"{a.name}|{b.name}.friction"] = a.friction * b.friction
    return realised
