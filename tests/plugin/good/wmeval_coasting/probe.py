"""Does a ball on which nothing acts keep its speed?"""

from dataclasses import replace

import numpy as np

from wmeval import Case, Measurement, Probe, Scene, Tracks, Truth
from wmeval.caption import caption
from wmeval.scene import Push, ball, side_camera
from wmeval.world import resume


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return a ball that drifts without weight, to the left or to the right."""
    side, speed = rng.choice([-1.0, 1.0]), rng.uniform(1.5, 2.5)
    start = (-1.2 * side, 0.0, rng.uniform(1.0, 3.0))
    drifts = ball("ball", radius=0.3, position=start, hue="green", velocity=(side * speed, 0.0, 0.0))
    scene = Scene(
        (drifts,), side_camera(), duration_s=1.0, cut_s=0.4, needs_s=0.4, profile="flight", gravity=0.0,
        caption=caption((drifts,)), tag=tag,
    )  # fmt: skip
    return Case.single(scene)


def event(tracks: Tracks, truth: Truth) -> float:
    """Return the share of the predicted frames in which the ball is seen."""
    return float(tracks.after(truth.scene.cut_s).found.mean())


def measure(tracks: Tracks, truth: Truth) -> Measurement:
    """Return |v' / v - 1| of the horizontal speed after the cut."""
    later = tracks.after(truth.scene.cut_s)["ball"]
    if later.found.sum() < 3:
        return Measurement(PROBE.worst, "the ball is seen in fewer than 3 frames")
    v = np.polyfit(later.times[later.found], later.position[later.found, 0], 1)[0]
    ratio = float(v / truth.scene["ball"].velocity[0])
    return Measurement(abs(ratio - 1), implied={"v / true v": (ratio, 0.01)})


def violate(truth: Truth, strength: float, rng: np.random.Generator) -> Truth:
    """Return the truth in which the ball loses a share of its speed at the cut."""
    if strength == 0:
        return truth
    scene, body = truth.scene, truth.scene["ball"]
    brake = Push("ball", 0.4, 0.4, impulse=(-strength * body.mass * body.velocity[0], 0.0, 0.0))
    return resume(truth, scene.cut_s, laws=replace(scene, pushes=(brake,)))


PROBE = Probe(
    name="coasting", version="0.3", unit="relative error of speed", worst=1.0, null="freeze",
    strengths=(0.01, 0.03, 0.1, 0.3), strength_unit="share of the speed that is lost", must_see=0.1,
    tags=("iid",), horizon_s=0.6, case=case, event=event, measure=measure, violate=violate,
    summary="A ball on which nothing acts is seen to drift; does it keep its speed?",
)  # fmt: skip
