"""Faults: the truth with exactly one law broken from the cut on, by a stated amount.

Everything else stays as it was, and the world goes on lawfully from the fault. What a fault does to the
pictures of a model is not told here; these are worlds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import Camera, View
from wmeval.scene import Body
from wmeval.truth import Truth
from wmeval.world import absent, repaint, resume, visibility

Floats = NDArray[np.float64]
HIDDEN = 0.01  # share of a body in view, up to which it is hidden
STILL_M_S = 0.05  # slower than this is at rest
DRIFT_S = 0.1  # looks that drift are repainted so often
FRAME = View(height=1000, width=1000)  # only its borders matter


def gravity(truth: Truth, factor: float, rng: np.random.Generator) -> Truth:
    """Gravity is `factor` of the true one."""
    return resume(truth, _cut(truth), gravity=truth.scene.gravity * factor)


def no_collisions(truth: Truth, strength: float, rng: np.random.Generator) -> Truth:
    """Moving bodies go through one another."""
    return resume(truth, _cut(truth), passes=list(combinations(truth.names, 2)))


def leaky_walls(truth: Truth, strength: float, rng: np.random.Generator) -> Truth:
    """What a body newly meets it goes through: walls, floor, bodies. What carries it at the cut stays."""
    scene, cut = truth.scene, _cut(truth)
    recent = (truth.contacts.time > cut - 0.1) & (truth.contacts.time <= cut)
    names = [b.name for b in scene.bodies]
    held = {
        frozenset((names[a], names[b]))
        for a, b in zip(truth.contacts.a[recent], truth.contacts.b[recent], strict=True)
    }
    solid = [b for b in scene.bodies if b.collides]
    met = [(a.name, b.name) for a, b in combinations(solid, 2) if max(a.mass, b.mass) > 0]
    return resume(truth, cut, passes=[pair for pair in met if frozenset(pair) not in held])


def forget_hidden(truth: Truth, seconds: float, rng: np.random.Generator) -> Truth:
    """A body that was hidden for more than `seconds` is gone for good."""
    return _forgotten(truth, seconds, visibility(truth, _clock(truth)) <= HIDDEN)


def forget_outside(truth: Truth, seconds: float, rng: np.random.Generator) -> Truth:
    """A body whose centre was outside the picture for more than `seconds` is gone for good."""
    times = _clock(truth)
    position = truth.poses_at(times)[0]
    outside = np.empty(position.shape[:2], np.bool_)
    for t, now in enumerate(times):
        pixel, _ = truth.scene.camera.project(position[t], float(now), FRAME)
        outside[t] = ((pixel < 0) | (pixel > FRAME.width)).any(-1)
    return _forgotten(truth, seconds, outside)


def vanish(truth: Truth, seconds: float, rng: np.random.Generator) -> Truth:
    """Every moving body cannot be seen for `seconds`, beginning a tenth of a second after the cut."""
    start = _cut(truth) + 0.1
    for name in truth.names:
        truth = absent(truth, name, start, start + seconds)
    return truth


def teleport(truth: Truth, radii: float, rng: np.random.Generator) -> Truth:
    """The first body jumps sideways by `radii` of its own, in the first half of what is asked."""
    at = _cut(truth) + float(rng.uniform(0.2, 0.5)) * (truth.scene.duration_s - _cut(truth))
    body = truth.scene.moving[0]
    here = truth.poses_at(np.array([at]))[0][0]
    sides = sorted((-1, 1), key=lambda side: abs(here[0, 0] + side * radii * body.radius))
    spot = here[0]
    for side in sides:
        spot = here[0] + np.array([side * radii * body.radius, 0.0, 0.0])
        if all(np.linalg.norm(spot - other) > 2.2 * body.radius for other in here[1:]):
            break
    return resume(truth, at, position={body.name: spot})


def slow_motion(truth: Truth, rate: float, rng: np.random.Generator) -> Truth:
    """Time goes by at `rate` for everything that moves; screens and the camera keep the true time."""
    cut = round(_cut(truth) * truth.clock_hz)
    since = truth.times[cut + 1 :] - truth.times[cut]
    slow = truth.times[cut] + rate * since
    position, orientation = truth.poses_at(slow)

    def spliced(before: Floats, after: Floats) -> Floats:
        return np.concatenate([before[: cut + 1], after])

    return replace(
        truth,
        position=spliced(truth.position, position),
        orientation=spliced(truth.orientation, orientation),
        velocity=spliced(truth.velocity, truth.velocity_at(slow) * rate),
        spin=spliced(truth.spin, truth.spin[cut + 1 :] * rate),
        futures=(),
    )


def weak_actions(truth: Truth, gain: float, rng: np.random.Generator) -> Truth:
    """Of every action after the cut, of body and camera, only `gain` takes effect."""
    scene, cut = truth.scene, _cut(truth)
    pushes = []
    for push in scene.pushes:
        if push.start_s < cut:  # what began in the context stays whole there
            pushes.append(replace(push, end_s=min(push.end_s, cut)))
        if push.start_s >= cut or push.end_s > cut:
            x, y, z = (v * gain for v in push.impulse)
            fx, fy, fz = (v * gain for v in push.force)
            kept = (x, y, z) if push.start_s >= cut else (0.0, 0.0, 0.0)
            pushes.append(replace(push, start_s=max(push.start_s, cut), impulse=kept, force=(fx, fy, fz)))
    broken = resume(truth, cut, laws=replace(scene, pushes=tuple(pushes)))
    if not scene.camera.path:
        return broken
    return replace(broken, scene=replace(scene, camera=_lame(scene.camera, cut, gain)))


def hue_drift(truth: Truth, degrees_s: float, rng: np.random.Generator) -> Truth:
    """The hue of every body turns by `degrees_s` in a second, all in one direction."""
    sign = float(rng.choice([-1, 1]))

    def turned(body: Body, s: float) -> Body:
        return replace(body, hue=((body.hue or 0.0) + sign * degrees_s * s) % 360)

    return _drifting(truth, turned)


def size_drift(truth: Truth, share_s: float, rng: np.random.Generator) -> Truth:
    """Every body is seen to grow by `share_s` of its extents in a second."""
    return _drifting(truth, lambda b, s: replace(b, size=tuple(x * (1 + share_s * s) for x in b.size)))


def bouncy(truth: Truth, restitution: float, rng: np.random.Generator) -> Truth:
    """Every impact returns `restitution` of the speed with which two things meet."""
    each = float(np.sqrt(restitution))  # the engine multiplies those of the two
    return resume(truth, _cut(truth), restitution={b.name: each for b in truth.scene.bodies})


def slippery(truth: Truth, factor: float, rng: np.random.Generator) -> Truth:
    """Friction, also of rolling, is `factor` of the true one."""
    scene = truth.scene
    each = float(np.sqrt(factor))  # the engine multiplies what two bodies have, rolling with sliding too
    weaker = tuple(replace(b, friction=b.friction * each, rolling=b.rolling * each) for b in scene.bodies)
    return resume(truth, _cut(truth), laws=replace(scene, bodies=weaker))


def restless(truth: Truth, speed: float, rng: np.random.Generator) -> Truth:
    """What is at rest at the cut moves off by itself at `speed` [m/s], a fifth of a second later."""
    side = float(rng.choice([-1, 1]))
    resting = {name: (side * speed, 0.0, 0.0) for name in _resting(truth)}
    return resume(truth, _cut(truth) + 0.2, velocity=resting) if resting else truth


def topple(truth: Truth, speed: float, rng: np.random.Generator) -> Truth:
    """What rests on another body or high above the floor is moved off sideways at `speed` [m/s]."""
    scene, cut = truth.scene, _cut(truth)
    if scene.gravity <= 0:
        return truth  # nothing stands where nothing has weight
    ground = max((b.position[2] + b.size[2] for b in scene.static if b.role == "floor"), default=0.0)
    height = truth.poses_at(np.array([cut]))[0][0, :, 2]
    side = float(rng.choice([-1, 1]))
    high = {
        name: (side * speed, 0.0, 0.0)
        for name in _resting(truth)
        if height[scene.names.index(name)] - scene[name].size[-1] > ground + 0.05
    }
    return resume(truth, cut + 0.1, velocity=high) if high else truth


def late_reaction(truth: Truth, seconds: float, rng: np.random.Generator) -> Truth:
    """A body at rest that another strikes begins to move only `seconds` later, as it would have."""
    position, orientation = truth.position.copy(), truth.orientation.copy()
    delay, cut = round(seconds * truth.clock_hz), round(_cut(truth) * truth.clock_hz)
    speed = np.linalg.norm(truth.velocity, axis=-1)
    for i in range(len(truth.names)):
        moves = np.flatnonzero(speed[cut:, i] > STILL_M_S)
        if not len(moves) or moves[0] == 0:
            continue  # it moves at the cut already, or never
        k = cut + int(moves[0])
        end = min(k + delay, len(position))
        for array, true in ((position, truth.position), (orientation, truth.orientation)):
            array[k:end, i] = true[k - 1, i]
            array[end:, i] = true[k : k + len(array) - end, i]
    return replace(truth, position=position, orientation=orientation, futures=())


def scattered(truth: Truth, speed: float, rng: np.random.Generator) -> Truth:
    """One of many futures: every body's velocity at the cut is off by a normal of `speed` [m/s]."""
    at = _cut(truth)
    now = truth.velocity_at(np.array([at]))[0]
    wild = rng.normal(0.0, speed, (len(now), 2))
    off = {n: now[i] + np.array([wild[i, 0], 0.0, wild[i, 1]]) for i, n in enumerate(truth.names)}
    return resume(truth, at, velocity=off)


def _cut(truth: Truth) -> float:
    return truth.scene.cut_s


def _clock(truth: Truth) -> Floats:
    return np.arange(int(truth.scene.duration_s * 60) + 1) / 60


def _resting(truth: Truth) -> list[str]:
    """Return the bodies at rest at the cut; one that hangs from a pivot rests only by chance."""
    speed = np.linalg.norm(truth.velocity_at(np.array([_cut(truth)]))[0], axis=-1)
    return [b.name for b, v in zip(truth.scene.moving, speed, strict=True) if v < STILL_M_S and not b.pivot]


def _forgotten(truth: Truth, seconds: float, away: NDArray[np.bool_]) -> Truth:
    """Return the truth without bodies from when they were away (T, N at 60 Hz) for more than `seconds`."""
    times = _clock(truth)
    for i, name in enumerate(truth.names):
        since: float | None = None
        for t, now in enumerate(times):
            since = (now if since is None else since) if away[t, i] else None
            if since is not None and now >= truth.scene.cut_s and now - since > seconds:
                truth = absent(truth, name, float(now), truth.scene.duration_s + 1.0)
                break
    return truth


def _drifting(truth: Truth, at: Callable[[Body, float], Body]) -> Truth:
    scene = truth.scene
    for k in range(1, int((scene.duration_s - scene.cut_s) / DRIFT_S) + 2):
        for body in scene.moving:
            look = at(body, k * DRIFT_S)
            truth = repaint(truth, scene.cut_s + k * DRIFT_S, look)
    return truth


def _lame(camera: Camera, cut: float, gain: float) -> Camera:
    """Return the camera that does only `gain` of its motion after the cut."""

    def place(at: float) -> tuple[Floats, Floats]:
        stamps = [0.0, *(k[0] for k in camera.path)]
        eyes, targets = (
            [camera.eye, *(k[1] for k in camera.path)],
            [camera.target, *(k[2] for k in camera.path)],
        )
        both = [
            np.array([np.interp(at, stamps, [p[i] for p in points]) for i in range(3)])
            for points in (eyes, targets)
        ]
        return both[0], both[1]

    def vec(value: Floats) -> tuple[float, float, float]:
        return (float(value[0]), float(value[1]), float(value[2]))

    eye, target = place(cut)
    keys = [k for k in camera.path if k[0] < cut] + [(cut, vec(eye), vec(target))]
    for stamp, to_eye, to_target in camera.path:
        if stamp > cut:
            keys.append((
                stamp,
                vec(eye + gain * (np.array(to_eye) - eye)),
                vec(target + gain * (np.array(to_target) - target)),
            ))  # fmt: skip
    return replace(camera, path=tuple(keys))
