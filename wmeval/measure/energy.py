"""The energy score of several continuations of one case: how near they are, less how near to one another.

A model that is asked R times for what comes next answers with a distribution. Its energy score is the mean
distance of its answers from what happened less half of their mean distance from one another; no distribution
does better in expectation than the true one (Gneiting and Raftery 2007). The half is divided by R (R - 1) and
not by R^2, which makes the mean over cases the same for any R ("fair": Ferro 2014). The best answer of R is
never taken: that would reward being right once by spreading, or by luck.

A continuation is the vector of all places where the bodies are seen, in body sizes. Not being seen is a place
of its own, `UNSEEN_M` in front of the middle of the picture: further from every place in it than these are
from one another, so that losing a body is worse than drawing it anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wmeval.scene import Body, Scene
from wmeval.tracks import Tracks

Floats = NDArray[np.float64]
MIN_REPLICATES = 4
UNSEEN_M = 6.3  # the diagonal of what the side camera sees of its plane is 6.2 m
SEEN_SHARE = 0.25  # of a silhouette: a body with more in view is seen
HIDDEN_SHARE = 0.01  # with less it is not; in between either answer may be right, and neither is asked


def fair_energy(samples: ArrayLike, truth: ArrayLike) -> float:
    """Return the unbiased energy score of samples (R, D) against what happened (D,), in their unit.

    Single cases can be negative; only means over cases mean something. With D = 1 it is the fair CRPS.

    Raises:
        ValueError: fewer than two samples, or shapes that do not fit.

    >>> fair_energy([[0.0, 3.0], [4.0, 3.0]], [0.0, 0.0])  # (3 + 5) / 2 - 4 / 2
    2.0
    """
    x, y = np.asarray(samples, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if x.ndim != 2 or len(x) < 2 or x.shape[1:] != y.shape:
        raise ValueError(
            f"samples are {x.shape} and the truth {y.shape}; expected (R, D) with R >= 2, and (D,)"
        )
    count = len(x)
    far = float(np.linalg.norm(x - y, axis=1).mean())
    apart = sum(float(np.linalg.norm(x[i + 1 :] - x[i], axis=1).sum()) for i in range(count))
    return far - apart / (count * (count - 1))


def body_size(body: Body) -> float:
    """Return the size [m] that distances of a body are measured in: a diameter, or that of a like face."""
    if body.shape == "sphere":
        return 2 * body.size[0]
    return 2 * float(np.sqrt(body.size[0] * body.size[-1]))


def places(tracks: Tracks, scene: Scene, times: Floats) -> Floats:
    """Return where bodies are seen at times (T,) [s], (T, N, 3) in body sizes: x, z and whether at all.

    The depth is left out, since no single picture shows it. At a time that tracks do not reach, nothing is.
    """
    middle = np.array([scene.camera.target[0], scene.camera.target[2]])
    out = np.empty((len(times), len(tracks.names), 3))
    out[..., :2], out[..., 2] = middle, UNSEEN_M
    for t, now in enumerate(times):
        at = np.flatnonzero(np.abs(tracks.times - now) < 1e-6)
        if len(at):
            seen = tracks.found[at[0]]
            out[t, seen, :2] = tracks.position[at[0], seen][:, (0, 2)]
            out[t, seen, 2] = 0.0
    sizes = np.array([body_size(b) for b in scene.moving])
    scaled: Floats = out / sizes[:, None]
    return scaled


def energy_score(
    replicates: Sequence[Mapping[str, Tracks]],
    truths: Mapping[str, Tracks],
    scenes: Mapping[str, Scene],
) -> float:
    """Return the energy score of the replicates of one case, in body sizes a body and time.

    It is taken over all arms at once, whose replicates belong together: of one continuation it is the
    root mean square distance. `replicates` maps arms to what is read from the pictures; in an arm that is
    missing nothing is seen. `truths` are exact, on the same times. NaN where nothing is clearly seen or
    clearly hidden.

    Raises:
        ValueError: fewer than `MIN_REPLICATES`.
    """
    if len(replicates) < MIN_REPLICATES:
        raise ValueError(f"{len(replicates)} replicates were given; expected at least {MIN_REPLICATES}")
    happened: list[Floats] = []
    shown: list[list[Floats]] = [[] for _ in replicates]
    for arm, exact in truths.items():
        later, scene = exact.after(scenes[arm].cut_s), scenes[arm]
        seen = later.visible >= SEEN_SHARE
        asked = seen | (later.visible <= HIDDEN_SHARE)
        nowhere = places(later.part(slice(0)), scene, later.times)
        true = np.where(seen[..., None], places(later, scene, later.times), nowhere)
        happened.append(true[asked].ravel())
        for row, replicate in zip(shown, replicates, strict=True):
            made = places(replicate[arm], scene, later.times) if arm in replicate else nowhere
            row.append(made[asked].ravel())
    y = np.concatenate(happened)
    if not len(y):
        return float("nan")
    return fair_energy([np.concatenate(row) for row in shown], y) / float(np.sqrt(len(y) / 3))
