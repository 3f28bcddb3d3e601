"""How many cases it takes to see a difference: formulas for shares and means, and for our own intervals.

The interval that decides (`wmeval.stats.bounded_mean`) is wider than the normal one, since it also allows for
failures that were not seen; so are the numbers of cases that it needs. The normal formula beside it says how
many the spread of scenes alone would take.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wmeval.stats import LEVEL, MIN_N, dirichlet_below

Floats = NDArray[np.float64]
POWER = 0.8
MOST = 1_000_000  # cases; more than that is no answer
STEPS = 64  # quantiles that stand for a distribution


def detectable_share(
    n: int, *, chance: float = 0.5, level: float = LEVEL, power: float = POWER
) -> float | None:
    """Return the least share above `chance` that the exact two-sided binomial test of n cases sees.

    None where no share can be told from chance.

    >>> round(detectable_share(200), 3)
    0.602
    """
    from scipy.stats import binom

    least = int(binom.isf((1 - level) / 2, n, chance)) + 1  # successes from which the test says "above"
    if least > n:
        return None
    return _bisect(lambda p: float(binom.sf(least - 1, n, p)) >= power, chance, 1.0)


def detectable_difference(sd: float, n: int, *, level: float = LEVEL, power: float = POWER) -> float:
    """Return the mean difference that n pairs show where differences of scenes spread by `sd`.

    2.80 sd / sqrt(n) for 95 % and 80 % (for two models that only succeed or fail, sd^2 is
    the share of pairs in which one does and the other does not).

    >>> round(detectable_difference(0.3**0.5, 100), 3)
    0.153
    """
    return _reach(level, power) * sd / sqrt(n)


def needed_cases(sd: float, delta: float, *, level: float = LEVEL, power: float = POWER) -> int:
    """Return how many pairs show a mean difference `delta`, by the same formula.

    >>> needed_cases(0.3**0.5, 0.1083)
    201
    """
    return max(MIN_N, ceil((_reach(level, power) * sd / delta) ** 2))


def bounded_sees(
    spread: ArrayLike, n: int, bounds: tuple[float, float], *, level: float = LEVEL, power: float = POWER
) -> float | None:
    """Return the least mean difference that `paired_difference` of n cases tells from 0.

    `spread` are differences of scenes as they may come, whose mean does not matter; `bounds` are those of the
    values of either model. None where not even the largest possible one is seen, or below n = 8.
    """
    width = bounds[1] - bounds[0]
    if n < MIN_N:
        return None
    d, short = _unlucky(spread, n, power)

    def seen(delta: float) -> bool:
        scaled = (np.clip(d + delta - short, -width, width) + width) / (2 * width)
        # the lower limit of `bounded_mean` lies above 0
        return dirichlet_below(np.append(scaled, 0.0), 0.5) < (1 - level) / 2

    return _bisect(seen, 0.0, width) if seen(width) else None


def bounded_needs(
    spread: ArrayLike, delta: float, bounds: tuple[float, float], *, level: float = LEVEL,
    power: float = POWER,
) -> int | None:  # fmt: skip
    """Return how many cases `paired_difference` needs to tell a mean difference `delta` from 0.

    None where a million are not enough.

    Raises:
        ValueError: a delta that no two models can differ by.
    """
    width = bounds[1] - bounds[0]
    if not 0 < delta <= width:
        raise ValueError(f"delta is {delta}; expected more than 0 and at most {width:g}, the widest gap")

    def enough(n: int) -> bool:
        sees = bounded_sees(spread, n, bounds, level=level, power=power)
        return sees is not None and sees <= delta

    top = MIN_N
    while not enough(top):
        top *= 2
        if top > MOST:
            return None
    few = top // 2
    while top - few > 1 and top > MIN_N:
        middle = (few + top) // 2
        few, top = (few, middle) if enough(middle) else (middle, top)
    return top


def unrelated(values: ArrayLike) -> Floats:
    """Return the differences of all ordered pairs of values: a model as variable, on other scenes than it."""
    x = np.asarray(values, dtype=np.float64).ravel()
    gaps: Floats = (x[:, None] - x[None])[~np.eye(len(x), dtype=bool)]
    return gaps


def _unlucky(spread: ArrayLike, n: int, power: float) -> tuple[Floats, float]:
    """Return n values without mean that lie as a sample does which just fails, and how short its mean falls.

    One sample in five (for a power of .8) falls short by .84 standard errors. Of skewed values, the samples
    with such a mean are wider too: mean and variance have a covariance of the third moment over n.
    """
    x = np.asarray(spread, dtype=np.float64).ravel()
    sd, z = float(x.std()), NormalDist().inv_cdf(power)
    skew = abs(float(((x - x.mean()) ** 3).mean())) / sd**3 if sd > 0 else 0.0
    at = (np.arange(n) + 0.5) / n
    steps = min(n, STEPS)
    d = np.quantile(x, (np.floor(at * steps) + 0.5) / steps)
    d = d - d.mean()
    wide = sd * sqrt(1 + skew * z / sqrt(n))
    scaled: Floats = d * (wide / float(d.std())) if d.std() > 0 else d
    return scaled, z * sd / sqrt(n)


def _reach(level: float, power: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2) + NormalDist().inv_cdf(power)


def _bisect(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Return the least value in [low, high] from which on something holds, to 1e-4."""
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
