"""Does friction go on slowing a body after the cut as it did before, until it rests?

A box slides, or a ball rolls with rolling resistance c: the first slows by mu g, the second by
(5/7) c g / R. Nothing about the floor can be seen but how fast it slows the body in the context.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wmeval.caption import caption
from wmeval.probe import Measurement, Probe, Twin
from wmeval.scene import Body, Case, Scene, ball, box, occluder, side_camera
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval_probes.physics.draw import EDGE, LEFT, RIGHT, half_width, hues, radius, stage
from wmeval_probes.physics.line import FEWEST, Run, along, fit_run, travelled

G = 9.81  # m/s2
SLOWS = (0.9, 3.2)  # m/s2: mu from 0.09 to 0.33
SHOWN_S, SLIDES_S, AHEAD_S = (0.6, 0.8), (0.7, 1.6), 1.6  # context; until it rests; the most that is asked
ACROSS = 0.5  # m that friction takes off the way of a frictionless body, so that it shows
RAGGED = 0.6  # residual [radii] above which there is no slide, but a body that jumps about
BEGUN, CAME = 0.15, 0.5  # of the true way: up to here nothing slid, from here on it did
EARLY_S = 0.5
SCREEN_Y = -1.0  # m
GROWN = 14.0 / (14.0 + SCREEN_Y)  # a screen hides so many times its width of the plane of the bodies


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return a box that slides or a ball that rolls over a floor that slows it.

    Tag "control" has bodies that nothing slows.
    """
    while True:
        slows = 0.0 if tag == "control" else float(np.exp(rng.uniform(*np.log(SLOWS))))
        shown = round(float(rng.choice(SHOWN_S)), 1)
        lasts = float(rng.uniform(*SLIDES_S))  # after the cut
        fast = float(rng.uniform(0.5, 1.2)) if tag == "control" else slows * (shown + lasts)
        ahead = float(np.floor(min(AHEAD_S, lasts + 0.5) * 10)) / 10
        size, side = radius(rng, tag), int(rng.choice([-1, 1]))
        body = _slider(rng, size, slows, side * fast)
        way = float(travelled(np.array([shown + ahead]), fast, -slows, stops=True)[0])
        room = RIGHT - LEFT - 2 * (half_width(body) + EDGE) - way
        speeds = (3.0, 4.2) if tag == "ood-speed" else (0.0, 2.8)
        if room < 0 or not speeds[0] <= fast <= speeds[1]:
            continue
        if tag == "control" or slows * min(lasts, ahead) ** 2 / 2 > ACROSS:
            break
    start = LEFT + half_width(body) + EDGE + room * float(rng.random())
    body = replace(body, position=(side * start, *body.position[1:]))
    bodies = (body, *stage(rng, friction=1.0))
    scene = Scene(
        bodies=bodies,
        camera=side_camera(),
        duration_s=shown + ahead,
        cut_s=shown,
        needs_s=shown,
        profile="rest",
        gravity=G,
        caption=caption(bodies),
        tag=tag,
    )
    return Case.single(scene)


def _slider(rng: np.random.Generator, size: float, slows: float, velocity: float) -> Body:
    """Return a low box or a ball on the floor at x = 0 that a floor of friction 1 slows by `slows`."""
    (hue,), value = hues(rng, 1), float(rng.uniform(0.7, 0.95))
    if rng.random() < 0.35:
        return ball(f"{hue} ball", radius=size, position=(0.0, 0.0, size), hue=hue, value=value,
                    velocity=(velocity, 0.0, 0.0), spin=(0.0, velocity / size, 0.0), friction=1.0,
                    rolling=7 / 5 * slows * size / G)  # fmt: skip
    half = (size * float(rng.uniform(0.9, 1.15)), size, size * float(rng.uniform(0.5, 0.75)))
    return box(f"{hue} box", half=half, position=(0.0, 0.0, half[2]), hue=hue, value=value,
               velocity=(velocity, 0.0, 0.0), friction=slows / G)  # fmt: skip


def slowing(scene: Scene) -> float:
    """Return by how much the floor slows the first body [m/s2]: mu g, or (5/7) c g / R of what rolls."""
    body, ground = scene.moving[0], scene["floor"]
    if body.shape == "sphere":
        return 5 / 7 * body.rolling * ground.friction * scene.gravity / body.size[0]
    return body.friction * ground.friction * scene.gravity


def event(tracks: Tracks, truth: Truth) -> float:
    """Return whether the body is in sight and slides on, from 0 to 1.

    It is the share of the predicted frames that show it (nine in ten are enough) times the share of the
    true way that it went in the first half second.
    """
    later = tracks.after(truth.scene.cut_s)
    if not len(later.times):
        return 0.0
    there = min(1.0, float(later.found[:, 0].mean()) / 0.9)
    early = later.found[:, 0] & (later.times <= truth.scene.cut_s + EARLY_S + 1e-9)
    if not early.any():
        return 0.0
    when = later.times[early]
    asked = np.concatenate([[truth.scene.cut_s], when])
    true = truth.poses_at(asked)[0][:, 0, 0]
    share = (later.position[early, 0, 0] - true[0]) / (true[1:] - true[0])
    return there * float(np.clip((np.median(share) - BEGUN) / (CAME - BEGUN), 0.0, 1.0))


def measure(tracks: Tracks, truth: Truth) -> Measurement:
    """Fit how fast the body slows after the cut and compare it with how fast the floor slows it.

    The error is |a' / a - 1|, which is that of mu. Only predicted frames enter the fit; what the context
    frames alone say stands in the evidence.
    """
    scene = truth.scene
    later = tracks.after(scene.cut_s)
    run = _run(later, scene)
    if run is None:
        return Measurement(PROBE.worst, f"found in fewer than {FEWEST} predicted frames")
    if run.residual > RAGGED * scene.moving[0].radius:
        return Measurement(PROBE.worst, "jumps about instead of sliding")
    true = slowing(scene)
    # where nothing slows the body the error is told in units of the weakest friction that is asked about
    error = abs(run.acceleration + true) / max(true, SLOWS[0])
    shown = _run(tracks.part(tracks.times <= scene.cut_s + 1e-9), scene)
    return Measurement(
        error,
        implied={"mu / true mu": (-run.acceleration / true, run.sigma / true)} if true > 0 else {},
        evidence={
            "slows m/s2": -run.acceleration,
            "true m/s2": true,
            "in the context m/s2": None if shown is None else -shown.acceleration,
            "residual m": run.residual,
        },
    )


def _run(tracks: Tracks, scene: Scene) -> Run | None:
    side = float(np.sign(scene.moving[0].velocity[0]))
    t, x, _, noise = along(tracks, 0, (side, 0.0))
    return fit_run(t, x, noise, stops=True) if len(t) >= FEWEST else None


def violate(truth: Truth, strength: float, rng: np.random.Generator) -> Truth:
    """Return the truth with friction changed by the share `strength` from the cut on.

    It grows or weakens at random, but weakens only where the body stays in the picture.
    """
    from wmeval.world import resume

    if strength == 0:
        return truth
    scene, at = truth.scene, truth.scene.cut_s
    sign = int(rng.choice([-1, 1]))
    when = np.array([at])
    x = float(truth.poses_at(when)[0][0, 0, 0])
    v = float(truth.velocity_at(when)[0, 0, 0])
    left = np.array([scene.duration_s - at])
    way = float(travelled(left, abs(v), -slowing(scene) * (1 - strength), stops=True)[0])
    if x * np.sign(v) + way + half_width(scene.moving[0]) > RIGHT:
        sign = 1
    return resume(truth, at, friction={"floor": scene["floor"].friction * (1 + sign * strength)})


def twin(rng: np.random.Generator, tag: str) -> Twin:
    """Return two slides of equal speed under a screen, one on a slippery and one on a rough floor.

    How the body slows on its way in tells the friction; crossing over makes it come out as if on the
    other floor. All of the body is under the screen at the splice, so that the pictures are the same.
    """
    while True:
        weak = float(rng.uniform(0.5, 0.9))
        strong = weak * float(rng.uniform(2.6, 3.4))
        size, side = float(rng.uniform(0.22, 0.27)), int(rng.choice([-1, 1]))
        fast, at = float(rng.uniform(1.9, 2.3)), 0.1 * int(rng.integers(6, 9))  # at the splice
        made = _slider(rng, size, 0.0, side * fast)
        half = half_width(made) + 0.16  # of the screen, in the plane of the bodies
        starts = half_width(made) + EDGE + LEFT
        centre = float(rng.uniform(starts + fast * at + strong * at**2 / 2, 0.9))
        rests = fast**2 / (2 * strong)
        if starts + fast * at + strong * at**2 / 2 < 0.7 and rests > half + half_width(made) + 0.1:
            break
    screen = occluder("screen", half=(half / GROWN, 0.05, 0.6), value=float(rng.uniform(0.12, 0.35)),
                      position=(side * centre / GROWN, SCREEN_Y, 0.6))  # fmt: skip
    around = (screen, *stage(rng, friction=1.0))
    ends = round(at + min(1.0, float(np.floor((RIGHT - centre) / fast * 10) / 10)), 1)
    scenes = []
    for slows in (weak, strong):
        begins = fast + slows * at
        x = side * (centre - fast * at - slows * at**2 / 2)
        body = replace(made, position=(x, *made.position[1:]), velocity=(side * begins, 0.0, 0.0))
        if body.shape == "sphere":
            body = replace(body, spin=(0.0, side * begins / size, 0.0), rolling=7 / 5 * slows * size / G)
        else:
            body = replace(body, friction=slows / G)
        bodies = (body, *around)
        scenes.append(
            Scene(bodies, side_camera(), ends, round(at, 1), 0.4, "rest", G, caption=caption(bodies), tag=tag)
        )
    return Twin("factorial", scenes[0], scenes[1], round(at, 1), (round(at, 1), ends))


PROBE = Probe(
    name="friction",
    version="0.1",
    unit="relative error of mu",
    worst=1.0,
    null="freeze",
    strengths=(0.1, 0.2, 0.4, 0.6, 0.9),
    strength_unit="relative change of friction from the cut on",
    tags=("iid", "ood-speed", "ood-size", "control"),
    horizon_s=AHEAD_S,
    case=case,
    event=event,
    measure=measure,
    violate=violate,
    summary="A box slides or a ball rolls to rest; does friction go on slowing it as it did before the cut?",
    must_see=0.4,
    twin=twin,
)
