"""Does a body go from place to place through all the places between, and show wherever nothing hides it?

A body that enters one screen and leaves the next must be seen in the gap; where it comes out it must come
out when its own motion brings it there. The motion is the prediction's own, so that a world in slow motion
is as continuous as any.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wmeval.probe import Measurement, Probe
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval_probes.physics.draw import EDGE, RIGHT, half_width
from wmeval_probes.physics.passages import HORIZON_S, case, twin

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
IN_VIEW = 0.95  # share of a body from which nothing hides it
SURE = 0.5  # share of a body in view from which its place is taken
WAY = (0.1, 0.4)  # of the true way: up to the first it stands still, from the second on it goes along
FEWEST = 3  # steps between neighbouring frames from which a velocity is taken


@dataclass(frozen=True)
class Path:
    """Where a body is in the predicted frames, and where it is not though it should be seen."""

    jump: float  # m, the largest step that its velocity does not explain
    jump_s: float  # when
    unseen: float  # m of its way for which it is missing in the open
    velocity: Floats  # (2,) m/s along x and z


def follow(tracks: Tracks, truth: Truth, slot: int) -> Path | None:
    """Return the path of a body through predicted tracks, from where it truly is at the cut.

    Its velocity is the median of its steps between neighbouring frames; too few of them = the true one. None
    where it is not found in two frames.
    """
    from wmeval.world.visibility import seen

    scene = truth.scene
    times, place = tracks.times, tracks.position[:, slot][:, (0, 2)]
    sure = np.isfinite(place).all(axis=1) & (tracks.visible[:, slot] >= SURE)
    if sure.sum() < 2:
        return None
    cut = np.array([scene.cut_s])
    start = truth.poses_at(cut)[0][0, slot, [0, 2]]
    velocity = _velocity(times, place, sure, truth.velocity_at(cut)[0, slot, [0, 2]])
    t = np.concatenate([cut, times[sure]])
    p = np.concatenate([start[None], place[sure]])
    jumps = np.linalg.norm(np.diff(p, axis=0) - velocity * np.diff(t)[:, None], axis=1)
    worst = int(np.argmax(jumps))
    # where it is missing it is taken to be on the line between where it was found before and after
    implied = np.stack([np.interp(times, t, p[:, axis]) for axis in range(2)], axis=1)
    implied += velocity * (times - t[-1]).clip(0)[:, None]
    poses = np.zeros((len(times), len(scene.moving), 3))
    poses[:] = np.nan
    poses[:, slot] = np.stack(
        [implied[:, 0], np.full(len(times), scene.moving[slot].position[1]), implied[:, 1]], 1
    )
    turns = np.broadcast_to(np.array([0.0, 0.0, 0.0, 1.0]), (*poses.shape[:2], 4))
    due = seen(scene, poses, turns, times)[:, slot] >= IN_VIEW
    missing = int((due & ~tracks.found[:, slot]).sum())
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    return Path(
        float(jumps[worst]), float(t[worst + 1]), missing * step * float(np.linalg.norm(velocity)), velocity
    )


def _velocity(times: Floats, place: Floats, sure: Bools, true: Floats) -> Floats:
    both = sure[1:] & sure[:-1]
    if both.sum() < FEWEST:
        return true
    steps = np.diff(place, axis=0) / np.diff(times)[:, None]
    middle: Floats = np.median(steps[both], axis=0)
    near = np.linalg.norm(steps - middle, axis=1) < 0.5
    use = both & near
    kept: Floats = steps[use].mean(axis=0) if use.sum() >= FEWEST else middle
    return kept


def event(tracks: Tracks, truth: Truth) -> float:
    """Return whether each body went along: 1 where it made nearly half of its true way, 0 where it stood."""
    scene = truth.scene
    later = tracks.after(scene.cut_s)
    ends = truth.poses_at(np.array([scene.cut_s, scene.duration_s]))[0][..., (0, 2)]
    shares = []
    for slot in range(len(scene.moving)):
        place = later.position[later.found[:, slot], slot][:, (0, 2)]
        way = ends[1, slot] - ends[0, slot]
        made = float(((place - ends[0, slot]) @ way).max(initial=0.0) / (way @ way))
        shares.append(float(np.clip((made - WAY[0]) / (WAY[1] - WAY[0]), 0.0, 1.0)))
    return min(shares)


def measure(tracks: Tracks, truth: Truth) -> Measurement:
    """Return the largest jump, or the way for which a body is missing in the open, in radii.

    A jump is what is left of a step between two frames in which a body is found, over hidden frames too,
    when its velocity times the time between is taken off. A frame counts as missing where the body is not
    found at a place, on the line between its neighbours in time, where nothing would hide it.
    """
    scene = truth.scene
    later = tracks.after(scene.cut_s)
    worst, evidence = 0.0, {}
    rates = []
    for slot, body in enumerate(scene.moving):
        path = follow(later, truth, slot)
        if path is None:
            return Measurement(PROBE.worst, f"{body.name} was found in fewer than 2 predicted frames")
        size = body.radius
        worst = max(worst, path.jump / size, path.unseen / size)
        evidence[body.name] = {
            "jump radii": path.jump / size,
            "at s": path.jump_s,
            "unseen radii": path.unseen / size,
        }
        true = np.array(body.velocity)[[0, 2]]
        rates.append(float(path.velocity @ true / (true @ true)))
    return Measurement(worst, evidence={**evidence, "speed / true speed": rates})


def violate(truth: Truth, strength: float, rng: np.random.Generator) -> Truth:
    """Return the truth in which one body is at once `strength` radii farther on, or farther back.

    It happens at any time after the cut that leaves two frames to see it, hidden or in the open.
    """
    from wmeval.world import resume

    if strength == 0:
        return truth
    scene = truth.scene
    slot = int(rng.integers(len(scene.moving)))
    body = scene.moving[slot]
    at = float(rng.uniform(scene.cut_s + 0.05, scene.duration_s - 0.25))
    way = float(np.sign(body.velocity[0]))
    far = strength * body.radius
    end = way * truth.position[-1, slot, 0] + far + half_width(body)
    sign = -1 if end > RIGHT - EDGE / 2 else int(rng.choice([-1, 1]))
    tick = round(at * truth.clock_hz)
    place = truth.position[tick, slot] + np.array([sign * way * far, 0.0, 0.0])
    return resume(truth, tick / truth.clock_hz, position={body.name: tuple(place)})


PROBE = Probe(
    name="continuity",
    version="0.1",
    unit="radii",
    worst=2.0,
    null="freeze",
    strengths=(0.25, 0.5, 1.0, 1.5, 2.0),
    strength_unit="radii that a body jumps at once",
    tags=("iid", "ood-speed", "ood-size", "ood-count", "control"),
    horizon_s=HORIZON_S,
    case=case,
    event=event,
    measure=measure,
    violate=violate,
    summary="A body goes behind screens and through the gap between them; is it ever somewhere else at once?",
    must_see=1.0,
    twin=twin,
)
