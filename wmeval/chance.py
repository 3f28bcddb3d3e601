"""What chance does not explain: p-values that agree with the intervals, Holm's correction, ranges of ranks.

A p-value here is the largest error at which the interval of `wmeval.stats` still leaves out 0, so that a
verdict and the interval printed beside it never disagree. A test that only shuffles the two models of a scene
would be sharper, and wrong where one of them fails rarely and badly.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from wmeval.stats import LEVEL, MIN_N, checked, dirichlet_below, free_mean, stretch


def p_bounded(values: ArrayLike, low: float, high: float) -> float | None:
    """Return the two-sided p-value of a mean of 0 for values in [low, high]; None below n = 8.

    It is at most 1 - L exactly where the interval of `bounded_mean` at level L leaves out 0.

    >>> round(p_bounded([1.0] * 8, -1.0, 1.0), 5)  # eight of eight: 2 (1 / 2) ** 8
    0.00781
    """
    x = checked(values, low, high)
    if len(x) < MIN_N:
        return None
    if high <= low:
        return float(low == 0)
    scaled, zero = (x - low) / (high - low), -low / (high - low)
    above = dirichlet_below(np.append(scaled, 0.0), zero)
    below = dirichlet_below(np.append(1 - scaled, 0.0), 1 - zero)
    return min(1.0, 2 * above, 2 * below)


def p_free(values: ArrayLike) -> float | None:
    """Return the two-sided p-value of a mean of 0 without bounds; None where `free_mean` has no interval."""
    x = np.asarray(values, dtype=np.float64).ravel()
    if free_mean(x).lo is None:
        return None
    from scipy.stats import t

    n, mean = len(x), float(x.mean())
    reach = mean / float(x.std(ddof=1))
    skew = float((((x - mean) / x.std()) ** 3).mean())
    hall = ((1 + skew * reach / 3) ** 3 - 1) / skew + skew / (6 * n) if abs(skew) > 1e-6 else reach
    q = min(reach, hall) if reach > 0 else -max(reach, hall)
    return min(1.0, 2 * stretch(n) * float(t.sf(q * sqrt(n), n - 1)))


def paired_p(a: ArrayLike, b: ArrayLike, *, bounds: tuple[float, float] | None = None) -> float | None:
    """Return the p-value of a mean of 0 of a - b over the same scenes, as `paired_difference` bounds it."""
    x, y = (np.asarray(v, dtype=np.float64).ravel() for v in (a, b))
    if bounds is None:
        return p_free(x - y)
    low, high = bounds
    return p_bounded(checked(x, low, high) - checked(y, low, high), low - high, high - low)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Return p-values corrected for all of them having been asked (Holm 1979); None stays and is not counted.

    At most one time in twenty is any of those at or below .05 where there is no difference.

    >>> holm([0.01, 0.04, None, 0.03])
    [0.03, 0.06, None, 0.06]
    """
    known = sorted((p, i) for i, p in enumerate(values) if p is not None)
    out: list[float | None] = [None] * len(values)
    least = 0.0
    for rank, (p, i) in enumerate(known):
        least = min(1.0, max(least, (len(known) - rank) * p))
        out[i] = least
    return out


def rank_ranges(
    scores: Sequence[ArrayLike], *, bounds: tuple[float, float] | None = None
) -> list[tuple[int, int]]:
    """Return the best and the worst rank that each of K models may have, from values (n,) on the same scenes.

    Rank 1 has the highest mean. All pairs are compared, corrected by Holm; a model is behind those that do
    better beyond chance and before those that do worse. All ranges hold the true ranks at once with 95 %
    (Mohamad, Goeman and van Zwet 2018); models whose ranges overlap are tied.

    >>> rank_ranges([[0.9] * 64, [0.1] * 64, [0.11] * 64], bounds=(0.0, 1.0))
    [(1, 1), (2, 3), (2, 3)]
    """
    pairs = list(combinations(range(len(scores)), 2))
    corrected = holm([paired_p(scores[i], scores[j], bounds=bounds) for i, j in pairs])
    means = [float(np.asarray(s, dtype=np.float64).mean()) for s in scores]
    best, worst = [1] * len(scores), [len(scores)] * len(scores)
    for (i, j), p in zip(pairs, corrected, strict=True):
        if p is not None and p <= 1 - LEVEL:
            ahead, behind = (i, j) if means[i] > means[j] else (j, i)
            worst[ahead] -= 1
            best[behind] += 1
    return list(zip(best, worst, strict=True))
