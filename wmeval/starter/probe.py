"""Does a thrown ball keep to its path? A whole probe in one file, to be changed step by step.

Look at it with `wmeval check probe ./starter.py` after every change: it says what the probe sees and what
to mend. Units are metres, seconds, kilograms; x points right, y away from the camera, z up. The camera
sees x from -2.2 to 2.2 and z from -0.3 to 4.1 in the plane y = 0.
"""

from dataclasses import replace

import numpy as np

from wmeval import Case, Measurement, Probe, Scene, Tracks, Truth
from wmeval.caption import caption
from wmeval.scene import Push, ball, floor, side_camera
from wmeval.world import resume


# 1. A situation. Draw from `rng` and nothing else: the same generator must draw the same case anywhere.
def case(rng: np.random.Generator, tag: str) -> Case:
    """Return a throw from one side of the picture to the other."""
    lasts, g, side = 1.4, rng.uniform(4.0, 6.0), rng.choice([-1.0, 1.0])
    start = (-1.6 * side, 0.0, rng.uniform(0.6, 1.2))
    velocity = (side * rng.uniform(1.8, 2.3), 0.0, g * lasts / 2)  # back at its first height at the end
    bodies = (ball("ball", radius=0.3, position=start, hue="red", velocity=velocity), floor())
    # The model is shown what comes before cut_s, and all that the measure rests on must be seen there.
    scene = Scene(
        bodies, side_camera(), duration_s=lasts, cut_s=0.5, needs_s=0.4, profile="flight", gravity=g,
        caption=caption(bodies), tag=tag,
    )  # fmt: skip
    return Case.single(scene)


# 2. Did it happen at all? Where nothing does, nothing can be wrong, so this keeps lazy models from winning.
def event(tracks: Tracks, truth: Truth) -> float:
    """Return the share of the predicted frames in which the ball is seen, 0 to 1."""
    return float(tracks.after(truth.scene.cut_s)["ball"].found.mean())


# 3. How wrong is it? `tracks` is what the eyes made of the video, `truth` what the physics engine did.
def measure(tracks: Tracks, truth: Truth) -> Measurement:
    """Return the mean distance [m] from the true path; it is 0 for the truth and never negative."""
    seen = tracks.after(truth.scene.cut_s)["ball"]
    if not seen.found.any():  # what cannot be found is as wrong as can be, never skipped
        return Measurement(PROBE.worst, "the ball is never seen")
    miss = seen.position - truth.poses_at(seen.times)[0][:, 0]
    away = miss[seen.found][:, [0, 2]]  # the camera does not see depth
    return Measurement(float(np.linalg.norm(away, axis=1).mean()))


# 4. Make it wrong on purpose, by a stated amount, and simulate on from there. 0 returns the truth itself.
def violate(truth: Truth, strength: float, rng: np.random.Generator) -> Truth:
    """Return the truth in which the ball is kicked sideways by `strength` [m/s] at the cut."""
    if strength == 0:
        return truth
    scene, at, way = truth.scene, truth.scene.cut_s, rng.choice([-1.0, 1.0])
    kick = Push("ball", at, at, impulse=(scene["ball"].mass * strength * way, 0.0, 0.0))
    return resume(truth, at, laws=replace(scene, pushes=(kick,)))


PROBE = Probe(
    name="starter", version="0.1",  # another version whenever scores change
    unit="m", worst=2.0, null="freeze",  # no case costs more; a frozen picture is skill 0, the truth 1
    strengths=(0.002, 0.005, 0.01, 0.05, 0.2), strength_unit="m/s of a kick at the cut",
    must_see=0.05,  # this strength has to be told from the truth
    tags=("iid",), horizon_s=0.9,  # how far after the cut the measure looks
    case=case, event=event, measure=measure, violate=violate,
    summary="A ball is thrown across the picture; where does it go?",
)  # fmt: skip
