"""Motion along a line under one constant acceleration: what friction and a ramp do to a body.

A body that is slowed comes to rest and stays there; a body that is driven goes on. Both are one law in three
numbers (place, speed, acceleration), fitted to a track that is known to so many metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wmeval.tracks import Tracks

Floats = NDArray[np.float64]
FEWEST = 5  # frames from which an acceleration is fitted
FLOOR_M = 0.007  # m, a tenth of a pixel at 64 px: no track is trusted to be better


@dataclass(frozen=True)
class Run:
    """The law that a track obeys best."""

    start: float  # m, at the first time
    speed: float  # m/s, at the first time
    acceleration: float  # m/s2, along the speed: negative slows
    sigma: float  # m/s2, of the acceleration
    residual: float  # m, root mean square


def travelled(s: Floats, speed: float, acceleration: float, *, stops: bool) -> Floats:
    """Return the way [m] covered after times s [s]; where it `stops`, a body at rest stays at rest.

    >>> travelled(np.array([0.5, 1.0, 2.0]), 1.0, -1.0, stops=True).tolist()
    [0.375, 0.5, 0.5]
    >>> travelled(np.array([2.0]), 1.0, -1.0, stops=False).tolist()
    [0.0]
    """
    if stops and acceleration * speed < 0:
        s = np.minimum(s, -speed / acceleration)
    way: Floats = speed * s + acceleration * s**2 / 2
    return way


def fit_run(t: Floats, x: Floats, noise: Floats, *, stops: bool) -> Run:
    """Return the run that fits places x [m] at times t [s] best, with noise [m] on each of them.

    With `stops`, a body that is slowed to rest stays there; a track that turns round instead has a large
    residual.

    Raises:
        ValueError: there are fewer than `FEWEST` places.
    """
    from scipy.optimize import least_squares

    if len(t) < FEWEST:
        raise ValueError(f"a run was to be fitted to {len(t)} places; expected {FEWEST} or more")
    s = t - t[0]

    def miss(values: Floats) -> Floats:
        start, speed, acceleration = values
        out: Floats = (x - start - travelled(s, speed, acceleration, stops=stops)) / noise
        return out

    guesses = [np.polyfit(s, x, 2)[::-1] * np.array([1.0, 1.0, 2.0])]
    if stops:
        half = max(FEWEST, len(t) // 2)
        guesses.append(np.polyfit(s[:half], x[:half], 2)[::-1] * np.array([1.0, 1.0, 2.0]))
        guesses.append(np.array([x[0], 2 * (x[-1] - x[0]) / s[-1], -2 * (x[-1] - x[0]) / s[-1] ** 2]))
    fits = [least_squares(miss, g, method="lm", max_nfev=200) for g in guesses]
    best = min(fits, key=lambda f: float(f.cost))
    start, speed, acceleration = (float(v) for v in best.x)
    residual = float(np.sqrt(np.sum((best.fun * noise) ** 2) / max(len(t) - 3, 1)))
    slopes: Floats = np.asarray(best.jac, dtype=np.float64)
    information = slopes.T @ slopes
    spread = float(np.sqrt(np.linalg.pinv(information)[2, 2])) if information[2, 2] > 0 else float("inf")
    # a track that is rougher than its sigmas say is as uncertain as it is rough
    rough = max(1.0, residual / float(np.sqrt(np.mean(noise**2))))
    return Run(start, speed, acceleration, spread * rough, residual)


def along(tracks: Tracks, slot: int, way: tuple[float, float]) -> tuple[Floats, Floats, Floats, Floats]:
    """Return times [s], places along and across the unit vector `way` in x and z [m], and their noise [m].

    Only frames in which the body is found are there.
    """
    seen = tracks.found[:, slot] & np.isfinite(tracks.position[:, slot][:, (0, 2)]).all(axis=1)
    place = tracks.position[seen, slot][:, (0, 2)]
    noise = np.hypot((tracks.sigma[seen, slot][:, (0, 2)] * np.abs(way)).max(axis=1), FLOOR_M)
    across = place @ np.array([-way[1], way[0]])
    return tracks.times[seen], place @ np.array(way), across, noise
