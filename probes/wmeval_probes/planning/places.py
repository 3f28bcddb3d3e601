"""What the costs of tasks read from States: places at the end and on the way, where bodies were found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LOST = 3  # times at 10 Hz for which a body may go unseen at the end before it counts as lost


def ending(values: Floats) -> Floats:
    """Return the last known of the last 0.3 s of values (..., T); NaN = not found in any of them."""
    tail = values[..., -LOST:]
    out: Floats = tail[..., -1].copy()
    for k in range(2, tail.shape[-1] + 1):
        out = np.where(np.isnan(out), tail[..., -k], out)
    return out


def average(values: Floats) -> Floats:
    """Return the mean of what is known of values (..., T); NaN = nothing is."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=-1)
    count = known.sum(axis=-1)
    out: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return out


def least(values: Floats) -> Floats:
    """Return the least of what is known of values (..., T); NaN = nothing is."""
    low = np.where(np.isfinite(values), values, np.inf).min(axis=-1)
    out: Floats = np.where(np.isfinite(low), low, np.nan)
    return out


def still_going(values: Floats) -> Floats:
    """Return how far values (..., T) go at the end in a tenth of a second [m]; 0 where that is unknown."""
    if values.shape[-1] < 2:
        return np.zeros(values.shape[:-1])
    out: Floats = np.nan_to_num(np.abs(values[..., -1] - values[..., -2]))
    return out


def away(position: Floats, place: tuple[float, float]) -> Floats:
    """Return how far positions (..., 3) are from a place (x, z) in the plane that the camera sees [m]."""
    out: Floats = np.hypot(position[..., 0] - place[0], position[..., 2] - place[1])
    return out
