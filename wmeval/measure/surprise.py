"""From surprise per frame to what it tells: is the impossible clip the more surprising one, and when?

A clip's score is its mean surprise over the event window: with 64 possible places for one event, the mean
or the maximum over the whole clip loses most of an effect that the window shows. Ties count one half, so
that a constant answer is worth exactly chance; scores are compared at 9 significant digits, so that the
order in which numbers were added up breaks no tie.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
DIGITS = 9  # significant ones, to which scores are equal or not


def share_above(impossible: ArrayLike, possible: ArrayLike) -> float:
    """Return the share of comparisons in which the impossible clip scores higher, ties counted one half.

    Within one scene this is relative accuracy (InfLevel compares each of two with each of two), over all
    clips of all scenes it is the area under the ROC curve (the Mann-Whitney statistic).

    >>> share_above([.2, .9], [.1, .4])
    0.75
    >>> share_above([.5, .5], [.5, .5])
    0.5
    """
    one, other = rounded(impossible)[:, None], rounded(possible)[None]
    return float(np.mean((one > other) + 0.5 * (one == other)))


def in_window(surprise: Floats, window: tuple[int, int]) -> float:
    """Return the mean surprise of frames [first, last) of a clip (T,); NaN where it is undefined on all."""
    return _mean(surprise[window[0] : window[1]])


def over_clip(surprise: Floats) -> tuple[float, float]:
    """Return the mean and the maximum of the defined surprise of a clip (T,)."""
    known = surprise[np.isfinite(surprise)]
    return _mean(surprise), float(known.max()) if len(known) else float("nan")


def localised(
    impossible: Sequence[Floats], possible: Sequence[Floats], window: tuple[int, int]
) -> bool | None:
    """Return whether the impossible clips exceed the possible ones most inside the event window.

    The clips (T,) are aligned in time. None where no frame is defined in all of them; a difference that
    is the same everywhere peaks nowhere.
    """
    gap = np.sum(impossible, axis=0) / len(impossible) - np.sum(possible, axis=0) / len(possible)
    if not np.isfinite(gap).any():
        return None
    known = gap[np.isfinite(gap)]
    if np.ptp(known) <= 10.0**-DIGITS * max(1.0, float(np.abs(known).max())):
        return False
    peak = int(np.argmax(np.where(np.isfinite(gap), gap, -np.inf)))  # the first, where surprise lasts
    return bool(window[0] <= peak < window[1])


def apart_before(impossible: Floats, possible: Floats, frames: int) -> float:
    """Return the largest difference of surprise on the first `frames` frames, which the two clips share.

    It must be 0: what is bit-equal so far cannot differ in surprise, unless the model draws at random or
    looks ahead. Frames where only one of the two is defined count as infinite.
    """
    one, other = impossible[:frames], possible[:frames]
    if (np.isnan(one) != np.isnan(other)).any():
        return float("inf")
    gap = np.abs(one - other)[~np.isnan(one)]
    return float(gap.max()) if len(gap) else 0.0


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def rounded(values: ArrayLike) -> Floats:
    """Return values as a flat array with the digits at which they are equal or not.

    Raises:
        ValueError: one is NaN.
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    if np.isnan(x).any():
        raise ValueError("a NaN among scores of clips: a clip without a score cannot be compared")
    with np.errstate(divide="ignore"):
        size = np.where(x == 0, 0.0, np.floor(np.log10(np.abs(x), where=x != 0, out=np.zeros_like(x))))
    unit = 10.0 ** (size - DIGITS + 1)
    rounded: Floats = np.rint(x / unit) * unit
    return rounded
