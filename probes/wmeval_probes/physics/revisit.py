"""The camera leaves and comes back: is the view the same again, and is the world in it the same?

The camera's motion is commanded and its beginning is shown. Coming back to the wrong place (pose) and
coming back to another world (content) are told apart: what all landmarks share is the camera's error, what
is left of each is its own. A video that never leaves has everything in place in the end and yet gets the
worst, since the event asks that what must leave the view does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import Camera, View
from wmeval.caption import caption
from wmeval.probe import Measurement, Probe, Twin
from wmeval.scene import HUES, Body, Case, Scene
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval_probes.physics.draw import EDGE, LEFT, RIGHT, half_height, half_width, hues, radius, solid, stage
from wmeval_probes.physics.excursion import HOME_S, KINDS, Excursion, excursion

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
SHOWN_S = {"pan": 0.2, "slide": 0.2, "orbit": 0.2}  # of the camera's motion before the cut
APART = 0.12  # m between landmarks in the home view
DEPTHS = (-0.9, 0.9)  # m
OUT, IN = 0.005, 0.5  # share of a landmark in view up to which it must not be found, from which it must
MOVED = 0.05  # of the image height: a landmark that is to move by so much must be seen to move
FAR, MOST = 0.8, 0.7  # of a landmark's longest way: from there on it is asked about; of its way then
ENOUGH = 0.9  # of these asked: then the camera has left
# what is wrong with a landmark: up to the first nothing counts (codecs do as much), from the second on all
SHIFT, HUE, GROWTH = (0.1, 1.0), (10.0, 45.0), (0.15, float(np.log(2)))  # radii, degrees, log of area
FEWEST = 3  # home frames from which a landmark's looks are known


def case(rng: np.random.Generator, tag: str) -> Case:
    """Return landmarks at rest that the camera leaves and comes back to.

    With tag "control" the camera stays, or moves so little that all stays in view.
    """
    return Case.single(_scene(rng, tag, _bodies(rng, tag), _trip(rng, tag)))


def _trip(rng: np.random.Generator, tag: str, kinds: tuple[str, ...] = KINDS) -> Excursion:
    if tag == "ood-composition":
        kinds = ("orbit",)
    elif tag != "control":
        kinds = tuple(k for k in kinds if k != "orbit")
    kind = str(rng.choice(kinds))
    share = 1.0 if tag != "control" else 0.08 * float(rng.integers(2))
    return excursion(rng, kind, fast=tag == "ood-speed", share=share)


def _scene(rng: np.random.Generator, tag: str, bodies: tuple[Body, ...], trip: Excursion) -> Scene:
    shown = SHOWN_S[trip.kind] if trip.away_s[0] - HOME_S > 0.35 else 0.1
    still = trip.camera.path[0][1:] == trip.camera.path[len(trip.camera.path) // 2][1:]
    return Scene(
        bodies=bodies,
        camera=replace(trip.camera, path=()) if still else trip.camera,
        duration_s=trip.ends_s,
        cut_s=round(HOME_S + shown, 1),
        needs_s=round(HOME_S + shown, 1),
        profile="rest",
        caption=caption(bodies) + ("" if still else f" {trip.tells}"),
        tag=tag,
    )


def _bodies(rng: np.random.Generator, tag: str) -> tuple[Body, ...]:
    """Return landmarks on a wide floor, no two of them in line with the camera at home."""
    count = {"ood-count": int(rng.integers(5, 7)), "ood-size": 3}.get(tag, int(rng.integers(3, 5)))
    most = {"ood-count": 0.3, "ood-size": 0.5}.get(tag, 0.4)
    colours = hues(rng, count)
    while True:
        made = [solid(rng, hue, min(radius(rng, tag), most), (0.0, 0.0, 1.0), boxes=0.4) for hue in colours]
        depths = rng.uniform(*DEPTHS, count)
        nearness = 14 / (14 + depths)  # how much larger one looks than on the plane y = 0
        wide = np.array([half_width(b) for b in made]) * 14 / (14 + depths - 0.5)
        room = RIGHT - LEFT - 2 * EDGE - 2 * wide.sum() - (count - 1) * APART
        if room > 0:
            break
    gaps = EDGE + np.cumsum(room * rng.dirichlet(np.ones(count + 1)))[:-1] + APART * np.arange(count)
    x = (LEFT + gaps + np.cumsum(2 * wide) - wide) / nearness
    bodies = [
        replace(b, position=(float(at), float(y), half_height(b)))
        for b, at, y in zip(made, x, depths, strict=True)
    ]
    below, *behind = stage(rng)
    statics = (replace(b, size=(24.0, *b.size[1:])) for b in (below, *behind))  # as far as the camera looks
    return (*bodies, *statics)


@dataclass(frozen=True)
class Stay:
    """Which frames of some Tracks show the home view: before the cut, and after having been away."""

    before: Bools  # (T,)
    after: Bools  # (T,)


def stay(times: Floats, scene: Scene) -> Stay:
    """Return when the camera is at home; where it never leaves, all predicted frames are after."""
    home = np.array((*scene.camera.eye, *scene.camera.target))
    at_home = np.all(np.abs(_path(times, scene.camera) - home) < 1e-4, axis=1)
    asked = times > scene.cut_s + 1e-9
    last_away = np.flatnonzero(~at_home)
    again = np.arange(len(times)) > (last_away[-1] if len(last_away) else -1)
    return Stay(at_home & ~asked, at_home & asked & again)


def event(tracks: Tracks, truth: Truth) -> float:
    """Return the share of (landmark, frame) pairs in which a landmark left as it must; 9 in 10 are enough.

    One that must be out of view must not be found; one that must be elsewhere in view must be found most of
    the way there. It is 1 where nothing has to leave.
    """
    scene = truth.scene
    seen = stay(tracks.times, scene)
    on_way = (tracks.times > scene.cut_s + 1e-9) & ~seen.after
    visible, pixel = _on_way(truth, tracks.times, on_way, tracks.view)
    gone = on_way[:, None] & (visible <= OUT)
    home = scene.camera.project(_start(scene), 0.0, tracks.view)[0]
    step = np.where((visible >= IN)[..., None], pixel - home, 0.0)
    way = np.linalg.norm(step, axis=-1)
    in_view = on_way[:, None] & (visible >= IN) & (way >= MOVED * tracks.view.height)
    moved = in_view & (way >= FAR * np.max(way, axis=0, where=in_view, initial=0.0))
    there = ((tracks.pixel - home) * step).sum(-1) >= MOST * way**2
    right = np.where(gone, ~tracks.found, tracks.found & there)
    asked = gone | moved
    return float(min(1.0, right[asked].mean() / ENOUGH)) if asked.any() else 1.0


def _on_way(truth: Truth, times: Floats, asked: Bools, view: View) -> tuple[Floats, Floats]:
    """Return how much of each landmark is in view (T, N) and where its centre is (T, N, 2) [px] when asked.

    Landmarks rest, so that where the camera comes by twice one look is enough; and they stand before and
    above everything grey, which hides none of them.
    """
    from wmeval.world import visibility

    scene = truth.scene
    visible = np.zeros((len(times), len(scene.moving)))
    pixel = np.zeros((*visible.shape, 2))
    rows = np.flatnonzero(asked)
    _, first, which = np.unique(
        _path(times[rows], scene.camera).round(6), axis=0, return_index=True, return_inverse=True
    )
    when = times[rows[first]]
    alone = replace(truth, scene=replace(scene, bodies=scene.moving))
    visible[rows] = visibility(alone, when)[which.ravel()]
    shown = [scene.camera.project(_start(scene), float(t), view)[0] for t in when]
    pixel[rows] = np.array(shown).reshape(-1, *pixel.shape[1:])[which.ravel()]
    return visible, pixel


def _path(times: Floats, camera: Camera) -> Floats:
    """Return eye and target (T, 6) [m] of a camera at times (T,) [s]."""
    keys = ((0.0, camera.eye, camera.target), *camera.path)
    stamps, places = [k[0] for k in keys], np.array([(*k[1], *k[2]) for k in keys])
    return np.stack([np.interp(times, stamps, column) for column in places.T], axis=-1)


def _start(scene: Scene) -> Floats:
    return np.array([b.position for b in scene.moving], dtype=np.float64)


def measure(tracks: Tracks, truth: Truth) -> Measurement:
    """Compare the home view after the return with the home view before the cut.

    Pose error: by how much all landmarks are shifted alike (median over landmarks), a radius is 1. Content
    error: mean over landmarks of what is wrong with each, 0 to 1: missing; or the worst of its own shift (a
    radius is 1), its hue (45 degrees are) and its area (doubled or halved is); each body too many counts as
    one more wrong landmark, unless another is missing. The error is the larger of the two.
    """
    scene, when = truth.scene, stay(tracks.times, truth.scene)
    before, after = tracks.part(when.before), tracks.part(when.after)
    if not after.found.any():
        lost = dict.fromkeys(scene.names, 1.0)
        return Measurement(PROBE.worst, evidence={"pose error": None, "content error": 1.0, "missing": lost})
    was, is_now = _at_home(before, truth), _looks(after)
    size = np.sqrt(was.area / np.pi)  # px
    shift = np.nanmedian(is_now.pixel - was.pixel, axis=0)
    own = np.linalg.norm(is_now.pixel - was.pixel - shift, axis=-1) / size
    turn = (is_now.hue - was.hue + 180) % 360 - 180
    grown = np.log(is_now.area / was.area)
    wrong = np.stack([counted(own, SHIFT), counted(turn, HUE), counted(grown, GROWTH)])
    missing = 1 - after.found.mean(axis=0)
    parts = missing + (1 - missing) * np.nan_to_num(wrong.max(axis=0))
    extra = max(0.0, float(np.median(after.extras)) - float(missing.sum()))
    content = float(min(1.0, (parts.sum() + extra) / len(parts)))
    pose = float(counted(float(np.linalg.norm(shift) / np.mean(size)), SHIFT))
    metre = scene.camera.focal_px(tracks.view) / 14
    evidence: dict[str, Any] = {
        "pose error": pose,
        "content error": content,
        "shift px": shift.tolist(),
        "missing": dict(zip(scene.names, missing.tolist(), strict=True)),
        "hue turned deg": dict(zip(scene.names, turn.tolist(), strict=True)),
        "own shift radii": dict(zip(scene.names, own.tolist(), strict=True)),
        "area ratio": dict(zip(scene.names, np.exp(grown).tolist(), strict=True)),
    }
    kept = int(np.count_nonzero(after.found.any(axis=0)))
    spread = max(float(np.nanstd(is_now.pixel - was.pixel - shift)), 0.05) / float(np.sqrt(kept))
    here = float(after.found.mean())
    implied = {
        "returns to within m": (float(np.linalg.norm(shift)) / metre, float(spread) / metre),
        "landmarks kept": (here, float(np.sqrt(max(here * (1 - here), 0.02) / len(parts)))),
    }
    return Measurement(max(pose, content), implied=implied, evidence=evidence)


def counted(off: Floats | float, limits: tuple[float, float]) -> Floats:
    """Return how wrong it is to be `off` by so much: 0 up to the first limit, 1 from the second on.

    >>> counted(np.array([-20.0, 5.0, 80.0]), (10.0, 30.0)).tolist()
    [0.5, 0.0, 1.0]
    """
    free, whole = limits
    return np.clip((np.abs(np.asarray(off, dtype=np.float64)) - free) / (whole - free), 0.0, 1.0)


@dataclass(frozen=True)
class _Looks:
    pixel: Floats  # (N, 2)
    hue: Floats  # (N,) degrees
    area: Floats  # (N,) px


def _looks(tracks: Tracks) -> _Looks:
    """Return the medians over frames, NaN for a body that is never found."""
    never: Bools = ~np.any(tracks.found, axis=0)
    fill = np.where(never, 0.0, np.nan)
    blank = np.where(never, np.nan, 0.0)

    def middle(values: Floats) -> Floats:
        shown = np.where(tracks.found, values, fill)
        out: Floats = np.nanmedian(shown, axis=0) + blank
        return out

    pixel = np.stack([middle(tracks.pixel[..., 0]), middle(tracks.pixel[..., 1])], -1)
    first = np.array([_first(tracks.colour[:, i]) for i in range(len(never))])
    turned = (tracks.colour - first + 180) % 360 - 180  # a median on the circle, near the first value
    return _Looks(pixel, first + middle(turned), middle(tracks.area))


def _at_home(before: Tracks, truth: Truth) -> _Looks:
    """Return how landmarks look in the home frames: as seen, or as they are where the eye found too few.

    The context is the truth's own; but colours are learnt from the whole clip, and a landmark that changes
    hue for good can be taken for another one in the few frames before.
    """
    from wmeval.world import exact_tracks

    seen, true = _looks(before), _looks(exact_tracks(truth, before.view, before.times))
    rare = before.found.sum(axis=0) < FEWEST
    return _Looks(
        np.where(rare[:, None], true.pixel, seen.pixel),
        np.where(rare, true.hue, seen.hue),
        np.where(rare, true.area, seen.area),
    )


def _first(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known[0]) if len(known) else 0.0


def unseen_s(scene: Scene) -> float:
    """Return a time [s] in the middle of the camera's stay away, at which what changes is not seen to."""
    path = scene.camera.path
    return (path[0][0] + path[-1][0]) / 2 if path else (scene.cut_s + scene.duration_s) / 2


def violate(truth: Truth, strength: float, rng: np.random.Generator) -> Truth:
    """Return the truth in which one landmark is of a hue `strength` degrees off when it is seen again."""
    from wmeval.world import repaint

    if strength == 0:
        return truth
    body = truth.scene.moving[int(rng.integers(len(truth.scene.moving)))]
    hue = (float(body.hue or 0.0) + strength * float(rng.choice([-1, 1]))) % 360
    return repaint(truth, unseen_s(truth.scene), replace(body, hue=hue))


def twin(rng: np.random.Generator, tag: str) -> Twin:
    """Return a scene and the same without one landmark or with it in another colour, swapped while unseen."""
    trip = _trip(rng, "ood-speed" if tag == "ood-speed" else "iid")
    bodies = _bodies(rng, tag)
    landmarks = [b for b in bodies if b.mass > 0]
    one = landmarks[int(rng.integers(len(landmarks)))]
    how = str(rng.choice(["gone", "colour"]))
    if how == "gone":
        others = tuple(b for b in bodies if b is not one)
    else:
        free = [h for h in HUES.values() if h not in [b.hue for b in landmarks]]
        hue = float(rng.choice(free)) if free else (float(one.hue or 0) + 30.0) % 360
        others = tuple(replace(b, hue=hue) if b is one else b for b in bodies)
    made = _scene(rng, tag, bodies, trip)
    changed = replace(made, bodies=others)
    return Twin("swap", made, changed, trip.away_s[1], (trip.away_s[1], trip.ends_s))


PROBE = Probe(
    name="revisit",
    version="0.1",
    unit="share of the view that is not what it was (pose or content, the larger)",
    worst=1.0,
    null="freeze",
    strengths=(5.0, 15.0, 25.0, 45.0, 90.0),
    strength_unit="degrees by which the hue of one landmark has turned when it is seen again",
    tags=("iid", "ood-speed", "ood-size", "ood-count", "ood-composition", "control"),
    horizon_s=2.1,
    case=case,
    event=event,
    measure=measure,
    violate=violate,
    twin=twin,
    must_see=25.0,
    summary="The camera turns or moves away and comes back; is what it left still there, as it was?",
)
