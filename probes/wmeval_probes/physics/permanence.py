"""Does a body that is hidden for a while still exist: does it appear again, as itself, where it must be?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.probe import Measurement, Probe
from wmeval.scene import Case, Scene
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval_probes.physics.screens import HORIZON_S, case
from wmeval_probes.physics.swaps import twin

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
MUST_SEE, MUST_NOT = 0.5, 0.01  # share of a body in view from which it must be found, or must not
HALF_OUT = 0.5  # share of a body in view from which it has appeared again
AGREE = 0.95  # share of the futures
PLACE = 1.5  # radii from the nearest place that a future gives: that far it counts as there
HUE_DEG = 35.0  # farther from its hue it is another body
LIVES, WIDTHS = (
    np.geomspace(0.01, 1000.0, 2001),
    np.geomspace(0.02, 2.0, 25),
)  # half-lives [s] and widths tried


@dataclass(frozen=True)
class Labels:
    """What the futures agree on, at the frames of a prediction."""

    seen: Bools  # (T, N) the body must be found here: it was hidden, and is out again
    hidden: Bools  # (T, N) the body must not be found here
    out_s: Floats  # (N,) from when it must be seen again, NaN = is not asked about
    comes_s: Floats  # (N,) when it is half out in the median future
    dark_s: Floats  # (N,) for how long it was hidden in the median future
    places: Floats  # (T, F, N, 2) where futures put it, x and z [m]


def hides(scene: Scene) -> bool:
    """Return whether a scene has a screen."""
    return any(b.role == "occluder" for b in scene.bodies)


def labels(truth: Truth, times: Floats) -> Labels:
    """Return what at least 95 % of the futures agree on at predicted times (T,).

    Where nothing hides anything every body must be seen all the time.

    Raises:
        ValueError: the truth carries no futures.
    """
    if not truth.futures:
        raise ValueError("permanence grades what futures agree on; use simulate(scene, futures=16)")
    visible = np.stack([f.visible for f in truth.futures])  # (F, K, N) at 10 Hz
    must = (visible >= MUST_SEE).mean(0) >= AGREE
    must_not = (visible <= MUST_NOT).mean(0) >= AGREE
    grid = np.arange(len(must)) / 10
    later = grid > truth.scene.cut_s + 1e-9
    was_dark = np.cumsum(must_not, axis=0) > 0
    if not hides(truth.scene):
        was_dark[:] = True
    again = must & was_dark & later[:, None]
    asked = again.any(0)
    first = np.where(asked, again.argmax(0), 0)
    # of each future, since what most of them agree on is shorter than what any of them is
    dark = [
        np.median([_run_before(v[:, i] <= MUST_NOT, int(k)) for v in visible]) for i, k in enumerate(first)
    ]
    index = np.clip(np.rint(times * 10).astype(np.int64), 0, len(grid) - 1)
    since = np.arange(len(grid))[:, None] >= np.where(asked, first, len(grid))
    places = np.stack([f.position[:, :, (0, 2)] for f in truth.futures], axis=1)
    return Labels(
        seen=(must & since)[index],
        hidden=(must_not & later[:, None] & asked)[index],
        out_s=np.where(asked, grid[first], np.nan),
        comes_s=np.array(
            [_comes(visible[:, :, i], must_not[:, i], int(k)) / 10 for i, k in enumerate(first)]
        ),
        dark_s=np.where(asked, np.array(dark) / 10, np.nan),
        places=places[index],
    )


def _comes(visible: Floats, dark: Bools, end: int) -> float:
    """Return the median frame at which futures (F, K) are half out, after the last dark one before `end`."""
    lit = np.flatnonzero(dark[:end])
    since = int(lit[-1]) + 1 if len(lit) else 0
    return float(np.median(since + (visible[:, since : end + 1] >= HALF_OUT).argmax(axis=1)))


def _run_before(dark: Bools, end: int) -> int:
    """Return the length of the last run of True before frame `end`."""
    lit = np.flatnonzero(dark[:end])
    if not len(lit):
        return 0
    last = int(lit[-1])
    start = np.flatnonzero(~dark[:last])
    return last - (int(start[-1]) if len(start) else -1)


def event(tracks: Tracks, truth: Truth) -> float:
    """Return the share of the (body, frame) pairs that must be hidden in which the body is not in sight.

    It is 1 where nothing is left to be hidden after the cut.
    """
    asked = tracks.after(truth.scene.cut_s)
    hidden = labels(truth, asked.times).hidden
    return float((~asked.found[hidden]).mean()) if hidden.any() else 1.0


def measure(tracks: Tracks, truth: Truth) -> Measurement:
    """Return the share of wrong (body, frame) pairs, counted from where each body must be out again.

    A pair is wrong where the body is missing, is more than `PLACE` radii from wherever the futures put it,
    or has another hue. Each unexplained extra body counts as one more wrong pair of its frame.
    """
    scene = truth.scene
    asked = tracks.after(scene.cut_s)
    label = labels(truth, asked.times)
    if not label.seen.any():
        return Measurement(PROBE.worst, "no predicted frame in which a hidden body must be seen again")
    size = np.array([b.radius for b in scene.moving])
    here = asked.position[:, None][..., (0, 2)]
    off = np.linalg.norm(here - label.places, axis=-1).min(axis=1) / size
    turn = np.abs((asked.colour - np.array([b.hue for b in scene.moving]) + 180) % 360 - 180)
    right = asked.found & (off <= PLACE) & (turn <= HUE_DEG)
    pairs = label.seen.sum(axis=1)
    wrong = np.minimum((label.seen & ~right).sum(axis=1) + asked.extras, pairs)
    delays, kept = {}, {}
    for i, name in enumerate(scene.names):
        if not np.isfinite(label.out_s[i]) or not hides(scene):
            continue
        kept[name] = bool(right[label.seen[:, i], i].mean() >= 0.5)
        dark = np.flatnonzero(label.hidden[:, i] & (asked.times < label.out_s[i]))
        out = right[:, i] & (asked.visible[:, i] >= HALF_OUT)
        out[: int(dark[-1]) + 1 if len(dark) else 0] = False
        came = asked.times[out]
        delays[name] = float(came[0] - label.comes_s[i]) if len(came) else None
    known = [d for d in delays.values() if d is not None]
    implied = (
        {"reappears late by s": (float(np.mean(known)), float(0.1 / np.sqrt(12 * len(known))))}
        if known
        else {}
    )
    return Measurement(
        float(wrong.sum() / pairs.sum()),
        implied=implied,
        evidence={
            "hidden s": {n: float(label.dark_s[i]) for i, n in enumerate(scene.names) if n in kept},
            "remembered": kept,
            "late s": delays,
            "extra": int(asked.extras[pairs > 0].sum()),
        },
    )


def violate(truth: Truth, strength: float, rng: np.random.Generator) -> Truth:
    """Return the truth in which one hidden body ceases to exist.

    It is missing for the last `strength` of the time for which it must be seen again; at 1 it never comes
    back.
    """
    from wmeval.world import resume

    if strength == 0:
        return truth
    scene = truth.scene
    times = np.arange(len(truth.futures[0].visible)) / 10
    label = labels(truth, times[times > scene.cut_s + 1e-9])
    bodies = np.flatnonzero(np.isfinite(label.out_s))
    if not len(bodies):
        raise ValueError("no body of this scene is hidden and seen again; draw it with `case`")
    i = int(rng.choice(bodies))
    begins = label.out_s[i] - 0.1 if strength >= 1 else label.out_s[i]
    at = scene.duration_s - strength * (scene.duration_s - begins)
    return resume(truth, at, remove=(scene.names[i],))


def reduce(cases: Sequence[Case], measurements: Sequence[Measurement]) -> Mapping[str, Any]:
    """Return the memory half-life [s] over cases, by maximum likelihood, with its 95 % interval.

    A body hidden for t seconds is remembered with probability 1 / (1 + (t / h)^(1 / w)), which holds a model
    that forgets at a fixed time (w near 0) as well as one that forgets a share of what is left (w near 1).
    The interval holds all h whose log-likelihood, at their best w, is within 1.92 of the best; its end is
    null where no h on that side can be refused.
    """
    dark, kept = [], []
    for m in measurements:
        for name, seconds in m.evidence.get("hidden s", {}).items():
            dark.append(max(0.05, float(seconds)))
            kept.append(bool(m.evidence["remembered"][name]))
    if not dark:
        told = {"value": None, "lo": None, "hi": None, "n": 0, "reason": "no body was asked about"}
        return {"memory half-life s": told}
    likelihood = _likelihood(np.array(dark), np.array(kept))
    inside = np.flatnonzero(likelihood >= likelihood.max() - 1.92)
    top = np.flatnonzero(likelihood >= likelihood.max() - 1e-3)
    best = int(np.median(top))  # where several explain it all, as with a fixed time, the middle one
    edges = {0: "nothing hidden was remembered", len(LIVES) - 1: "everything hidden was remembered"}
    reason = next((why for edge, why in edges.items() if edge in top), "")
    ends = [None if k in edges else float(LIVES[k]) for k in (inside[0], inside[-1])]
    return {
        "memory half-life s": {
            "value": None if reason else float(LIVES[best]),
            "lo": ends[0],
            "hi": ends[1],
            "reason": reason,
            "n": len(dark),
            "remembered": int(np.sum(kept)),
            "hidden s": [float(min(dark)), float(max(dark))],
        }
    }


def _likelihood(dark: Floats, kept: Bools) -> Floats:
    """Return the log-likelihood of each of `LIVES` at its best width."""
    best = np.full(len(LIVES), -np.inf)
    sign = np.where(kept, 1.0, -1.0)
    for width in WIDTHS:
        odds = sign * (np.log(LIVES)[:, None] - np.log(dark)) / width
        best = np.maximum(best, -np.logaddexp(0.0, -odds).sum(axis=1))
    return best


PROBE = Probe(
    name="permanence",
    version="0.2",
    unit="share of wrong body-frames",
    worst=1.0,
    null="freeze",
    strengths=(0.1, 0.25, 0.4, 0.5, 0.75, 1.0),
    strength_unit="share of its frames from which one body is absent",
    tags=("iid", "ood-speed", "ood-size", "ood-duration", "ood-composition", "control"),
    horizon_s=HORIZON_S,
    case=case,
    event=event,
    measure=measure,
    violate=violate,
    futures=16,
    summary="Bodies are hidden for a while; do they appear again, as themselves, where they must be?",
    reduce=reduce,
    must_see=0.4,  # of the 0.7 to 0.9 s for which a body is asked about: 0.3 s
    twin=twin,
)
