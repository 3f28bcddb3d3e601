"""How deep bodies are in one another: poses are put back into PyBullet and its closest points asked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wmeval.scene import Scene
from wmeval.world.bullet import query_client

Floats = NDArray[np.float64]


def distances(scene: Scene, position: Floats, orientation: Floats, *, within: float = 0.5) -> Floats:
    """Return signed distances (T, N, B) [m] between dynamic body i and each body of `scene.bodies`.

    Takes positions (T, N, 3) and quaternions (T, N, 4); a NaN pose stands for a body that is not there.
    Negative = depth of overlap; inf = farther than `within`, itself, absent, or one that collides with
    nothing. Exact for sphere, box and cylinder faces; tilted polyhedra read up to 1 mm too far.
    """
    client = query_client()
    client.reset("flight", 0.0)
    ids = [client.add(b, "flight") if b.collides else -1 for b in scene.bodies]
    slots = [scene.bodies.index(b) for b in scene.moving]
    out = np.full((len(position), len(slots), len(scene.bodies)), np.inf)
    there: NDArray[np.bool_] = np.all(np.isfinite(position), axis=-1) & np.all(
        np.isfinite(orientation), axis=-1
    )
    far = np.array([0.0, 0.0, -1e3])
    for t in range(len(position)):
        for i, j in enumerate(slots):
            client.put(ids[j], position[t, i] if there[t, i] else far + i * 10, np.array([0.0, 0.0, 0.0, 1.0])
                       if not there[t, i] else orientation[t, i])  # fmt: skip
        for i, j in enumerate(slots):
            if not there[t, i]:
                continue
            for k, uid in enumerate(ids):
                if uid < 0 or k == j:
                    continue
                if k in slots and (not there[t, slots.index(k)] or slots.index(k) < i):
                    continue
                out[t, i, k] = client.closest(ids[j], uid, within)
                if k in slots:
                    out[t, slots.index(k), j] = out[t, i, k]
    return out
