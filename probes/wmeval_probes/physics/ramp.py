"""Does a body go down a ramp at the acceleration of its kind, after the cut as before?

A ball rolls at 5/7 g sin, a lying cylinder at 2/3 g sin, a block slides at g (sin - mu cos). The context
shows how fast, and it holds until the ramp ends.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wmeval.caption import caption
from wmeval.probe import Measurement, Probe, Twin
from wmeval.scene import Body, Case, Scene, ball, box, cylinder, ramp, side_camera
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval_probes.physics.draw import LEFT, RIGHT, hues, radius, stage
from wmeval_probes.physics.line import FEWEST, Run, along, fit_run

Floats = NDArray[np.float64]
G = 9.81  # m/s2
SLOPES_DEG, STEEP_DEG = (8.0, 20.0), (23.0, 30.0)
LEAST, USUAL = 0.7, 1.8  # m/s2, the weakest acceleration that is asked about, and a middling one
SHOWN_S, AHEAD_S = 0.7, (0.7, 1.3)
ACROSS = 0.5  # m that the acceleration adds to the way, so that it shows
LONG = 1.85  # m, half of the ramp
THICK = 0.1  # m, half
RAGGED = 0.6  # residual [radii] above which nothing goes down a ramp, but a body jumps about
BEGUN, CAME = 0.15, 0.5  # of the true way: up to here nothing went, from here on it did
KINDS = {  # share of balls, cylinders and blocks
    "iid": (0.4, 0.25, 0.35),
    "ood-composition": (0.5, 0.5, 0.0),  # friction turns round with a block, so it has two laws
    "control": (1.0, 0.0, 0.0),  # on the level the engine rolls a cylinder by itself
}
LYING = (float(np.sqrt(0.5)), 0.0, 0.0, float(np.sqrt(0.5)))  # a cylinder whose axis points away


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return a ball, a cylinder or a block on its way down a ramp.

    Tag "ood-composition" has balls and cylinders that are on their way up and turn; "control" has balls on a
    level plank, where nothing drives them.
    """
    while True:
        slope = float(np.deg2rad(rng.uniform(*(STEEP_DEG if tag == "ood-speed" else SLOPES_DEG))))
        slope = 0.0 if tag == "control" else slope
        size, side = radius(rng, tag), int(rng.choice([-1, 1]))
        kind = str(rng.choice(["ball", "cylinder", "block"], p=KINDS.get(tag, KINDS["iid"])))
        mu = float(rng.uniform(0.1, 0.6)) * float(np.tan(slope)) if kind == "block" else 0.9
        body = _body(rng, kind, size, mu)
        drive = pace(body, slope)
        least = 1.2 if tag == "control" else AHEAD_S[0]
        ahead = float(rng.integers(round(least * 10), round(AHEAD_S[1] * 10) + 1)) / 10
        lasts = round(SHOWN_S + ahead, 1)
        if tag == "ood-composition":
            starts = -drive * float(rng.uniform(0.7, 1.1))  # it turns about at the cut
        else:
            starts = float(rng.uniform(0.8, 1.2) if tag == "control" else rng.uniform(0.0, 0.5))
        t = np.linspace(0, lasts, 40)
        way = starts * t + drive * t**2 / 2
        room = 2 * (LONG - 0.12) - float(np.ptp(way)) - 2 * body.size[0]
        if room < 0 or (tag != "control" and (drive < LEAST or drive * ahead**2 / 2 < ACROSS)):
            continue
        break
    first = -LONG + 0.12 + body.size[0] + room * float(rng.random()) - float(way.min())
    bodies = (*_placed(rng, body, slope, side, first, starts), *stage(rng, friction=1.0))
    scene = Scene(
        bodies=bodies,
        camera=side_camera(),
        duration_s=lasts,
        cut_s=SHOWN_S,
        needs_s=SHOWN_S,
        profile="rest",
        gravity=G,
        caption=caption(bodies),
        tag=tag,
    )
    return Case.single(scene)


def _body(rng: np.random.Generator, kind: str, size: float, mu: float) -> Body:
    (hue,), value = hues(rng, 1), float(rng.uniform(0.7, 0.95))
    more = {"position": (0.0, 0.0, 0.0), "hue": hue, "value": value, "friction": mu}
    if kind == "ball":
        return ball(f"{hue} ball", radius=size, **more)  # type: ignore[arg-type]
    if kind == "cylinder":
        return cylinder(f"{hue} cylinder", radius=size, half_height=size, orientation=LYING, **more)  # type: ignore[arg-type]
    return box(f"{hue} box", half=(size, size, 0.6 * size), **more)  # type: ignore[arg-type]


def _placed(
    rng: np.random.Generator, body: Body, slope: float, side: int, first: float, speed: float
) -> tuple[Body, Body]:
    """Return the body on a ramp that goes down to `side`, `first` [m] from its middle, at a speed [m/s]."""
    high = LONG * float(np.sin(slope)) + float(rng.uniform(0.0, 0.7)) + 0.1
    middle = np.array([float(rng.uniform(LEFT + 2.05, RIGHT - 2.05)), 0.0, high])
    down = side * np.array([np.cos(slope), 0.0, -side * np.sin(slope)])
    normal = np.array([side * np.sin(slope), 0.0, np.cos(slope)])
    rest = body.size[2] if body.shape == "box" else body.size[0]
    x, y, z = (float(v) for v in middle + first * down + (THICK + rest) * normal)
    u, v, w = (float(n) for n in speed * down)
    turned = side * slope
    quaternion = (0.0, float(np.sin(turned / 2)), 0.0, float(np.cos(turned / 2)))
    body = replace(
        body,
        position=(x, y, z),
        velocity=(u, v, w),
        spin=(0.0, 0.0, 0.0) if body.shape == "box" else (0.0, side * speed / body.size[0], 0.0),
        orientation=quaternion if body.shape == "box" else body.orientation,
    )
    grey = float(rng.uniform(0.25, 0.45))
    plank = ramp("ramp", half=(LONG, 0.6, THICK), position=(float(middle[0]), 0.0, high), friction=1.0,
                 slope_deg=-side * float(np.rad2deg(slope)), value=grey)  # fmt: skip
    return body, plank


def pace(body: Body, slope: float) -> float:
    """Return the acceleration [m/s2] of a kind of body down a slope [rad] of friction 1."""
    if body.shape == "box":
        return G * float(np.sin(slope) - body.friction * np.cos(slope))
    return G * float(np.sin(slope)) * (5 / 7 if body.shape == "sphere" else 2 / 3)


def downhill(scene: Scene) -> tuple[float, tuple[float, float]]:
    """Return the slope [rad] of a scene's ramp and the unit vector down it in x and z.

    On a level plank, where nothing is down, it is the way of the body.
    """
    _, y, _, w = scene["ramp"].orientation
    turn = 2 * float(np.arctan2(y, w))
    side = float(np.sign(turn if abs(turn) > 1e-6 else scene.moving[0].velocity[0]))
    return abs(turn), (side * float(np.cos(turn)), -side * float(np.sin(turn)))


def event(tracks: Tracks, truth: Truth) -> float:
    """Return whether the body is in sight and goes its way along the ramp, from 0 to 1.

    It is the share of the predicted frames that show it (nine in ten are enough) times the share of the
    true way that it went, where that is long.
    """
    scene = truth.scene
    later = tracks.after(scene.cut_s)
    _, down = downhill(scene)
    seen = later.found[:, 0]
    if not seen.any():
        return 0.0
    place = truth.poses_at(np.concatenate([[scene.cut_s], later.times]))[0][:, 0][:, (0, 2)] @ np.array(down)
    true = (place - place[0])[1:]
    far = seen & (np.abs(true) >= np.abs(true).max() / 2)
    if not far.any():
        return 0.0
    share = (later.position[far, 0][:, (0, 2)] @ np.array(down) - place[0]) / true[far]
    there = min(1.0, float(seen.mean()) / 0.9)
    return there * float(np.clip((np.median(share) - BEGUN) / (CAME - BEGUN), 0.0, 1.0))


def measure(tracks: Tracks, truth: Truth) -> Measurement:
    """Fit the acceleration along the ramp after the cut and compare it with that of the body's kind.

    The error is |a' / a - 1|; on a level plank it is told in units of a middling acceleration. Only predicted
    frames enter the fit.
    """
    scene = truth.scene
    slope, down = downhill(scene)
    run, strays = _run(tracks.after(scene.cut_s), down)
    if run is None:
        return Measurement(PROBE.worst, f"found in fewer than {FEWEST} predicted frames")
    if max(run.residual, strays) > RAGGED * scene.moving[0].radius:
        return Measurement(PROBE.worst, "jumps about or leaves the ramp")
    law = pace(scene.moving[0], slope)
    return Measurement(
        abs(run.acceleration - law) / (law if law > 0 else USUAL),
        implied={"a / law": (run.acceleration / law, run.sigma / law)} if law > 0 else {},
        evidence={
            "a m/s2": run.acceleration,
            "law m/s2": law,
            "a / g sin": run.acceleration / (G * np.sin(slope)) if law > 0 else None,
            "residual m": run.residual,
        },
    )


def _run(tracks: Tracks, down: tuple[float, float]) -> tuple[Run | None, float]:
    """Return the run along the ramp and how far the track strays from a line beside it [m]."""
    t, x, across, noise = along(tracks, 0, down)
    if len(t) < FEWEST:
        return None, 0.0
    return fit_run(t, x, noise, stops=False), float(np.std(across))


def violate(truth: Truth, strength: float, rng: np.random.Generator) -> Truth:
    """Return the truth whose acceleration changes by the share `strength` from the cut on.

    Gravity grows or weakens, which is what drives every kind of body; it grows only where the body then
    stays on the ramp.
    """
    from wmeval.world import resume

    if strength == 0:
        return truth
    scene, at = truth.scene, np.array([truth.scene.cut_s])
    slope, down = downhill(scene)
    sign = int(rng.choice([-1, 1]))
    left = scene.duration_s - scene.cut_s
    start = float((truth.poses_at(at)[0][0, 0] - np.array(scene["ramp"].position))[[0, 2]] @ np.array(down))
    speed = float(truth.velocity_at(at)[0, 0][[0, 2]] @ np.array(down))
    if start + speed * left + (1 + strength) * pace(scene.moving[0], slope) * left**2 / 2 > LONG:
        sign = -1
    return resume(truth, scene.cut_s, gravity=scene.gravity * (1 + sign * strength))


def twin(rng: np.random.Generator, tag: str) -> Twin:
    """Return a block that slides down a rough ramp, slows and rests on it.

    Played backwards it leaves its rest by itself and climbs faster and faster. (What rolls or slides without
    friction is as lawful backwards, so nothing but such a block can be turned round.)
    """
    while True:
        slope = float(np.deg2rad(rng.uniform(8.0, 16.0)))
        side, size = int(rng.choice([-1, 1])), radius(rng, "iid")
        body = _body(rng, "block", size, float(np.tan(slope) * rng.uniform(1.5, 2.2)))
        slows, speed = -pace(body, slope), float(rng.uniform(1.3, 2.2))
        rests, way = speed / slows, speed**2 / (2 * slows)
        room = 2 * (LONG - 0.12 - body.size[0]) - way
        if way > 0.7 and 0.7 < rests < 1.6 and room > 0:
            break
    first = -LONG + 0.12 + body.size[0] + room * float(rng.random())
    bodies = (*_placed(rng, body, slope, side, first, speed), *stage(rng, friction=1.0))
    ends = float(np.ceil((rests + 0.4) * 10)) / 10
    scene = Scene(bodies, side_camera(), ends, 0.5, 0.5, "rest", G, caption=caption(bodies), tag=tag)
    return Twin("reversal", scene, scene, 0.5, (0.0, round(rests, 1)))


PROBE = Probe(
    name="ramp",
    version="0.1",
    unit="relative error of the acceleration",
    worst=1.0,
    null="freeze",
    strengths=(0.1, 0.25, 0.4, 0.6, 0.9),
    strength_unit="relative change of the acceleration from the cut on",
    tags=("iid", "ood-speed", "ood-size", "ood-composition", "control"),
    horizon_s=AHEAD_S[1],
    case=case,
    event=event,
    measure=measure,
    violate=violate,
    summary="Balls, cylinders and blocks go down a ramp; does each go on as fast as its kind must?",
    must_see=0.25,
    twin=twin,
)
