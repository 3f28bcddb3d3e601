"""Intervals that cover: means of case values, shares, paired differences, AUROC. None below n = 8.

Case values of skill pile up at the ceiling or at the floor, where percentile bootstraps and Student's t draw
intervals of no width around values that a rare failure would contradict. For values with known bounds the
interval here is Gaffke's: each limit is the mean of the data and one pseudo-observation at that bound under
random Dirichlet weights (Gaffke 2005; Learned-Miller and Thomas 2020, arXiv:1905.06208). For values that
are only 0 or 1 it is the exact interval of Clopper and Pearson; no distribution is known where it covers
too little.
`benchmarks/coverage.py` prints simulated coverage.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
MIN_N = 8
LEVEL = 0.95
Z = 1.959963984540054  # normal quantile of (1 + LEVEL) / 2


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval; `lo` and `hi` are None, for the `reason`, where none is made."""

    mean: float
    lo: float | None
    hi: float | None
    n: int
    reason: str = ""


def _too_few(n: int) -> str:
    return f"n = {n}: no interval below n = {MIN_N}" if n else "no values"


def checked(values: ArrayLike, low: float, high: float) -> Floats:
    """Return values as a flat array; ValueError where one is NaN or outside its bounds."""
    x = np.asarray(values, dtype=np.float64).ravel()
    if np.isnan(x).any():
        raise ValueError(
            "a NaN among case values: what failed has the worst value, what was not asked is left out"
        )
    slack = 1e-9 * max(1.0, abs(low), abs(high))
    if len(x) and (x.min() < low - slack or x.max() > high + slack):
        raise ValueError(f"values in [{x.min()}, {x.max()}] exceed their bounds [{low}, {high}]")
    return np.clip(x, low, high)


def bounded_mean(values: ArrayLike, low: float, high: float, *, level: float = LEVEL) -> Interval:
    """Return the mean of values in [low, high] with Gaffke's interval, of 95 % unless told otherwise.

    Raises:
        ValueError: a NaN, or a value outside the bounds.

    >>> bounded_mean([1.0] * 16, 0.0, 1.0).lo  # as Clopper and Pearson: 0.025 ** (1 / 16)
    0.794...
    """
    x = checked(values, low, high)
    n = len(x)
    mean = float(x.mean()) if n else float("nan")
    if n < MIN_N:
        return Interval(mean, None, None, n, _too_few(n))
    tail = (1 - level) / 2
    if high <= low:
        return Interval(mean, low, high, n)
    scaled = (x - low) / (high - low)
    below = _dirichlet_quantile(np.append(scaled, 0.0), tail)
    above = 1 - _dirichlet_quantile(np.append(1 - scaled, 0.0), tail)
    return Interval(mean, low + (high - low) * below, low + (high - low) * above, n)


def _dirichlet_quantile(x: Floats, p: float) -> float:
    """Return the p-quantile of sum w_i x_i, w uniform on the simplex, for x in [0, 1] that hold a 0.

    Found by the Illinois form of false position, which never leaves its bracket.
    """
    if x.max() <= 0.0:
        return 0.0
    (lo, f_lo), (hi, f_hi) = (0.0, -p), (float(x.max()), 1 - p)
    kept = 0
    for step in range(100):
        if hi - lo < 1e-10:
            break
        c = (lo + hi) / 2 if step < 4 else lo - f_lo * (hi - lo) / (f_hi - f_lo)
        f = dirichlet_below(x, c) - p
        if abs(f) < 1e-11:
            return c
        if f < 0:
            lo, f_lo = c, f
            f_hi = f_hi / 2 if kept == -1 else f_hi
        else:
            hi, f_hi = c, f
            f_lo = f_lo / 2 if kept == 1 else f_lo
        kept = -1 if f < 0 else 1
    return (lo + hi) / 2


def dirichlet_below(x: Floats, c: float) -> float:
    """Return P(sum w_i x_i <= c) for w uniform on the simplex.

    With exponential E_i it is P(sum E_i (x_i - c) <= 0), by inversion of the characteristic function
    prod 1 / (1 - i t (x_i - c)) (Gil-Pelaez 1951). In log t the integrand is analytic in a strip and decays
    on both sides, so that the trapezoid rule is exact to rounding.
    """
    y, times = np.unique(x - c, return_counts=True)  # cases at a bound are many and equal
    y, times = y[np.abs(y) > 1e-12], times[np.abs(y) > 1e-12]
    if not len(y) or y.max() <= 0:
        return 1.0
    if y.min() >= 0:
        return 0.0
    drift = float((times * y).sum() / np.sqrt((times * y * y).sum()))
    if abs(drift) > 40:  # standard deviations: a sum of exponentials gets there with exp(-40)
        return float(drift < 0)
    order = np.argsort(-np.abs(y))
    # below `first` the integrand is less than 1e-11, beyond `last` the largest factors alone exp(-30)
    first = log(1e-11 / (times * np.abs(y)).sum())
    last = float((30 / np.cumsum(times[order]) - np.log(np.abs(y[order]))).min())
    # several points a turn of the integrand, wherever it is not yet negligible
    coarse = np.exp(np.arange(first, last, 0.5))[:, None] * y
    alive = np.log1p(coarse**2) @ times < 60
    turn = float(np.abs((coarse / (1 + coarse**2)) @ times)[alive].max())
    step = min(0.1, 1.5 / (turn + 1e-9))
    t = np.exp(np.arange(floor(first / step), ceil(last / step) + 1) * step)
    inside = 0.0
    for part in np.array_split(t, len(t) * len(y) // 2_000_000 + 1):
        ty = part[:, None] * y
        inside += float((np.sin(np.arctan(ty) @ times) * np.exp(-0.5 * np.log1p(ty * ty) @ times)).sum())
    return min(1.0, max(0.0, 0.5 - inside * step / np.pi))


def auroc(possible: ArrayLike, impossible: ArrayLike) -> Interval:
    """Return P(impossible > possible) + P(equal) / 2 over all clips, with a 95 % interval over cases.

    Rows are cases, (n,) or (n, k) scores each; what belongs to one case varies together, so cases are what is
    drawn. The share of opposite clips that a clip stands on the right side of is its placement value; the
    mean of a case's placements, in both classes, less the AUROC, is what the case adds (DeLong 1988,
    Obuchowski 1997). Their interval is that of `bounded_mean`, since at an AUROC near 1 their spread says
    nothing.

    Raises:
        ValueError: unequal numbers of cases, or a score that is not a number.

    >>> told = auroc(range(16), range(16, 32))
    >>> told.mean, round(told.lo, 2), told.hi
    (1.0, 0.59, 1.0)
    """
    p, q = (np.asarray(v, dtype=np.float64) for v in (possible, impossible))
    if len(p) != len(q):
        raise ValueError(f"{len(p)} and {len(q)} cases; give the scores of both classes of each case")
    n = len(p)
    p, q = p.reshape(n, -1), q.reshape(n, -1)
    if np.isnan(p).any() or np.isnan(q).any():
        raise ValueError("a NaN among scores: a clip without a score is counted as missed, not left out")
    right = 1 - _below(q, p), _below(p, q)  # of each possible clip, of each impossible one
    mean = float(right[1].mean()) if n else float("nan")
    if n < MIN_N:
        return Interval(mean, None, None, n, _too_few(n))
    adds = right[0].mean(axis=1) + right[1].mean(axis=1) - mean
    told = bounded_mean(adds, -mean, 2 - mean)
    assert told.lo is not None
    assert told.hi is not None
    return Interval(mean, max(0.0, told.lo), min(1.0, told.hi), n)


def _below(values: Floats, at: Floats) -> Floats:
    """Return the share of values that each of `at` exceeds; those that equal it count half."""
    ordered = np.sort(values, axis=None)
    counts = np.searchsorted(ordered, at, "left") + np.searchsorted(ordered, at, "right")
    shares: Floats = counts / (2 * max(1, len(ordered)))
    return shares


@dataclass(frozen=True)
class Score:
    """Skill over cases: the mean clipped to [0, 1], its 95 % interval (None below n = 8), and n."""

    skill: float
    lo: float | None
    hi: float | None
    n: int
    reason: str = ""


def skill_score(values: ArrayLike, low_bound: float, high_bound: float = 1.0) -> Score:
    """Return the skill of unclipped case values that lie in [low_bound, high_bound].

    The interval is made on the values as they are and clipped with the mean, so that lazy and lucky cases
    cancel first. `low_bound` is the value of a case at the probe's worst error.

    >>> skill_score([-1.0, 1.0] * 8, -1.0)
    Score(skill=0.0, lo=0.0, hi=0.5..., n=16, reason='')
    """
    told = bounded_mean(values, low_bound, high_bound)

    def clip(value: float | None) -> float | None:
        return None if value is None else min(1.0, max(0.0, value))

    skill = told.mean if np.isnan(told.mean) else min(1.0, max(0.0, told.mean))
    return Score(skill, clip(told.lo), clip(told.hi), told.n, told.reason)


def wilson(successes: float, n: int) -> Interval:
    """Return a share with Wilson's 95 % score interval, as many publish it.

    `successes` may be a sum of chances, where an outcome is known in expectation: the interval is then wider
    than it need be.

    It covers too little where hardly any or nearly all succeed; `bounded_mean` of zeros and ones does not.

    >>> found = wilson(44, 50)
    >>> round(found.lo, 3), round(found.hi, 3)
    (0.762, 0.944)
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}; expected between 0 and n")
    if n < MIN_N:
        return Interval(successes / n if n else float("nan"), None, None, n, _too_few(n))
    p = successes / n
    centre = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return Interval(p, max(0.0, centre - half), min(1.0, centre + half), n)


def free_mean(values: ArrayLike) -> Interval:
    """Return the mean of values without useful bounds (dB, distances), with a 95 % interval that minds skew.

    It spans Student's interval and Hall's skewness-corrected one (Hall 1992, "On the removal of skewness by
    transformation"), below n = 32 at their 97.5 %. Simulated, it covers 93 % or more for tails up to that of
    a log-normal of sigma 1. None is made where values pile up on one: at least 8 must differ from the
    commonest, or half of them below n = 16. Where a rare value may lie far from all that were seen, only
    `bounded_mean` is safe.

    Raises:
        ValueError: a value is not finite.
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    if not np.isfinite(x).all():
        raise ValueError("a NaN or infinity among values: what is undefined is left out and counted")
    n = len(x)
    mean = float(x.mean()) if n else float("nan")
    if n < MIN_N:
        return Interval(mean, None, None, n, _too_few(n))
    sd = float(x.std(ddof=1))
    same = n if sd <= 1e-12 * max(1.0, abs(mean)) else int(np.unique(x, return_counts=True)[1].max())
    if n - same < min(MIN_N, n / 2):
        which = f"all {n}" if same == n else f"{same} of {n}"
        return Interval(
            mean, None, None, n, f"{which} values are equal: nothing tells how far others may lie"
        )
    from scipy.stats import t

    q = float(t.ppf(1 - (1 - LEVEL) / stretch(n) / 2, n - 1)) / sqrt(n)
    skew = float((((x - mean) / x.std()) ** 3).mean())
    reach = [_hall(q, skew, n), _hall(-q, skew, n)] if abs(skew) > 1e-6 else [q, -q]
    return Interval(mean, mean - sd * max(q, *reach), mean - sd * min(-q, *reach), n)


def stretch(n: int) -> float:
    """Return by what the error that `free_mean` allows itself is divided: few values show little skew."""
    return 2.0 if n < 32 else 1.0


def _hall(q: float, skew: float, n: int) -> float:
    return 3 / skew * (float(np.cbrt(1 + skew * (q - skew / (6 * n)))) - 1)


def paired_difference(a: ArrayLike, b: ArrayLike, *, bounds: tuple[float, float] | None = None) -> Interval:
    """Return the mean of a - b over the same scenes, with its 95 % interval.

    With `bounds` (of the values of either) the interval is Gaffke's, safe also where nearly all differences
    are 0; without, it is the one of `free_mean`.

    Raises:
        ValueError: the two differ in length, or hold what is not finite or out of bounds.
    """
    x, y = (np.asarray(v, dtype=np.float64).ravel() for v in (a, b))
    if x.shape != y.shape:
        raise ValueError(f"{len(x)} and {len(y)} values cannot be paired; give both on the same scenes")
    if bounds is None:
        return free_mean(x - y)
    low, high = bounds
    return bounded_mean(checked(x, low, high) - checked(y, low, high), low - high, high - low)
