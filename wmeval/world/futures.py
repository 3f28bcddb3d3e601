"""What else could have happened: re-simulations that the context does not tell apart.

The start is jittered by what no eye resolves (0.01 m, 0.03 m/s, in the plane of the motion) and every
`hidden` parameter is redrawn from its prior. Only what these futures agree on may be graded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from wmeval.camera import View
from wmeval.scene import Body, Hidden, Scene
from wmeval.truth import Future
from wmeval.world.simulate import simulate
from wmeval.world.visibility import seen

JITTER_M, JITTER_M_S = 0.01, 0.03
GRID = View(fps=10.0)
_FIELDS: Mapping[str, Callable[[Body, float], Body]] = {
    "restitution": lambda body, value: replace(body, restitution=value),
    "friction": lambda body, value: replace(body, friction=value),
    "mass": lambda body, value: replace(body, mass=value),
}


def make_futures(scene: Scene, count: int = 16) -> tuple[Future, ...]:
    """Return `count` futures of a scene, the same ones every time: their seed is the scene's digest."""
    rng = np.random.Generator(np.random.PCG64(int(scene.digest[:16], 16)))
    times = GRID.frame_times(scene.duration_s)
    poses = [simulate(_redrawn(scene, rng), poses_only=True).poses_at(times) for _ in range(count)]
    position, orientation = (np.concatenate(parts) for parts in zip(*poses, strict=True))
    # they differ in where bodies are, never in what stands around them: one look at all of them serves
    visible = seen(scene, position, orientation, np.tile(times, count))
    return tuple(map(Future, np.split(position, count), np.split(visible, count)))


def _redrawn(scene: Scene, rng: np.random.Generator) -> Scene:
    bodies = {b.name: _jittered(b, scene, rng) if b.mass > 0 else b for b in scene.bodies}
    gravity = scene.gravity
    for hidden in scene.hidden:
        value = rng.uniform(hidden.low, hidden.high)
        if hidden.what == "gravity":
            gravity = value
        else:
            name, field = _parse(hidden, scene)
            bodies[name] = _FIELDS[field](bodies[name], value)
    return replace(scene, bodies=tuple(bodies[b.name] for b in scene.bodies), gravity=gravity)


def _parse(hidden: Hidden, scene: Scene) -> tuple[str, str]:
    name, _, field = hidden.what.rpartition(".")
    if name not in [b.name for b in scene.bodies] or field not in _FIELDS:
        raise ValueError(f"hidden {hidden.what!r}: expected 'gravity' or BODY.restitution|friction|mass")
    return name, field


def _jittered(body: Body, scene: Scene, rng: np.random.Generator) -> Body:
    """Return the body a little elsewhere and faster; one that rests on something stays at its height.

    A body at rest is seen to be at rest, so its speed is not drawn.
    """
    dx, dz = rng.normal(0.0, JITTER_M, 2)
    du, dw = rng.normal(0.0, JITTER_M_S, 2)
    x, y, z = body.position
    u, v, w = body.velocity
    if _stands(body, scene):
        dz, dw = 0.0, 0.0
    if not any(body.velocity):
        du, dw = 0.0, 0.0
    return replace(body, position=(x + dx, y, z + dz), velocity=(u + du, v, w + dw))


def _stands(body: Body, scene: Scene) -> bool:
    """Return whether something is within 2 cm under the body's lowest point."""
    below = body.position[2] - (body.size[0] if body.shape == "sphere" else body.size[-1])
    for other in scene.bodies:
        if other.name == body.name or not other.collides:
            continue
        top = other.position[2] + (other.size[0] if other.shape == "sphere" else other.size[-1])
        reach = other.size[0] + body.size[0]
        if abs(below - top) < 0.02 and abs(other.position[0] - body.position[0]) < reach:
            return True
    return False
