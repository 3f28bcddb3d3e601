"""Graded faults put into true clips: does a distance grow with the fault?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from wmeval_probes.encoder.windows import blur

Frames = NDArray[np.uint8]
Bodies = NDArray[np.uint8]
Corruption = Callable[[Frames, Bodies, float, np.random.Generator], Frames]


def blurred(frames: Frames, bodies: Bodies, sigma: float, rng: np.random.Generator) -> Frames:
    """Return the clip (T, H, W, 3) under a Gaussian of `sigma` px."""
    del bodies, rng
    return np.rint(blur(frames.astype(np.float32), sigma)).astype(np.uint8)


def frozen(frames: Frames, bodies: Bodies, share: float, rng: np.random.Generator) -> Frames:
    """Return the clip with its last `share` of frames replaced by the one before them."""
    del bodies, rng
    keep = max(1, round(len(frames) * (1 - share)))
    return np.concatenate([frames[:keep], np.repeat(frames[keep - 1 : keep], len(frames) - keep, axis=0)])


def shuffled(frames: Frames, bodies: Bodies, block: float, rng: np.random.Generator) -> Frames:
    """Return the clip with the frames of each run of `block` frames in random order."""
    del bodies
    order = np.arange(len(frames))
    for start in range(0, len(frames), int(block)):
        rng.shuffle(order[start : start + int(block)])
    return frames[order]


def teleported(frames: Frames, bodies: Bodies, jump: float, rng: np.random.Generator) -> Frames:
    """Return the clip in whose second half every body stands `jump` px off, in one random direction."""
    empty = background(frames, bodies)
    angle = rng.uniform(0, 2 * np.pi)
    du, dv = round(jump * float(np.cos(angle))), round(jump * float(np.sin(angle)))
    out = frames.copy()
    for t in range(len(frames) // 2, len(frames)):
        v, u = np.nonzero(bodies[t])
        out[t][v, u] = empty[v, u]
        there = (v + dv >= 0) & (v + dv < frames.shape[1]) & (u + du >= 0) & (u + du < frames.shape[2])
        out[t][(v + dv)[there], (u + du)[there]] = frames[t][v[there], u[there]]
    return out


def background(frames: Frames, bodies: Bodies) -> Frames:
    """Return the scene (H, W, 3) without bodies: the median over the frames in which a pixel shows none."""
    shown = np.where((bodies > 0)[..., None], np.nan, frames.astype(np.float32))
    never = (bodies > 0).all(0)
    shown[:, never] = frames[:, never]
    return np.nanmedian(shown, axis=0).astype(np.uint8)


LADDERS: Mapping[str, tuple[Corruption, tuple[float, ...]]] = {
    "blur, sigma px": (blurred, (0.5, 1.0, 2.0, 4.0)),
    "freeze, share of frames": (frozen, (0.25, 0.5, 0.75, 0.95)),
    "shuffle, frames in a run": (shuffled, (2, 4, 8, 16)),
    "teleport, px": (teleported, (2, 4, 8, 16)),
}
