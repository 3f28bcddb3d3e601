"""Print the simulated coverage of the intervals in wmeval.stats: `python benchmarks/coverage.py [draws]`.

Case values of skill are bounded: 1 at the ceiling, `low` where a case went as wrong as it can. The families
below pile up at either end or lean to one side, as scores of good, lazy and lucky models do. A percentile
bootstrap and Student's t are printed beside, to show where they fail.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from wmeval.stats import Z, bounded_mean, free_mean, wilson

LOW = -0.5  # value of the worst case: null error 1/3 of the worst one
Draw = Callable[[np.random.Generator, int], np.ndarray]


def rare(rate: float, usual: float, seldom: float) -> Draw:
    """Return a family that is `usual` but for a share `rate` of `seldom`."""
    return lambda rng, n: np.where(rng.random(n) < rate, seldom, usual)


def ceiling(centre: float, spread: float) -> Draw:
    """Return normal values cut at 1 and at LOW, as the skill of a case is."""
    return lambda rng, n: np.clip(rng.normal(centre, spread, n), LOW, 1.0)


def beta(a: float, b: float) -> Draw:
    """Return Beta values stretched over [LOW, 1]."""
    return lambda rng, n: LOW + (1 - LOW) * rng.beta(a, b, n)


BOUNDED: dict[str, Draw] = {
    "ceiling, 10 % fail": rare(0.10, 1.0, LOW),
    "ceiling, 3 % fail": rare(0.03, 1.0, LOW),
    "floor, 10 % succeed": rare(0.10, LOW, 1.0),
    "floor, 3 % succeed": rare(0.03, LOW, 1.0),
    "cut at the ceiling": ceiling(1.0, 0.15),
    "far over the ceiling": ceiling(1.3, 0.25),
    "cut at the floor": ceiling(-0.6, 0.2),
    "both ends, half and half": rare(0.5, 1.0, LOW),
    "middling": ceiling(0.4, 0.3),
    "skewed down": beta(6, 0.7),
    "skewed up": beta(0.5, 5),
    "nearly all fail, some partly": beta(0.2, 1.5),
    "concentrated": ceiling(0.5, 0.02),
}
FREE: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(0, 1, n),
    "exponential": lambda rng, n: rng.exponential(1, n),
    "log-normal, sigma .6": lambda rng, n: rng.lognormal(0, 0.6, n),
    "log-normal, sigma 1": lambda rng, n: rng.lognormal(0, 1, n),
    "Student t, 3 df": lambda rng, n: rng.standard_t(3, n),
    "70 % zeros": lambda rng, n: rng.normal(0.5, 1, n) * (rng.random(n) < 0.3),
}
SIZES = (8, 16, 32, 64)


def truth(draw: Draw) -> float:
    """Return the mean of a family, from two million values."""
    return float(draw(np.random.default_rng(12345), 2_000_000).mean())


def bounded(x: np.ndarray) -> tuple[float, float]:
    """Return the interval of `bounded_mean`."""
    told = bounded_mean(x, LOW, 1.0)
    assert told.lo is not None
    assert told.hi is not None
    return told.lo, told.hi


def free(x: np.ndarray) -> tuple[float, float]:
    """Return the interval of `free_mean`; none is made of equal values, which then count as missed."""
    told = free_mean(x)
    return (told.mean, told.mean) if told.lo is None or told.hi is None else (told.lo, told.hi)


def percentile(x: np.ndarray) -> tuple[float, float]:
    """Return the percentile bootstrap, for comparison."""
    means = x[np.random.default_rng(0).integers(len(x), size=(1000, len(x)))].mean(1)
    lo, hi = np.quantile(means, (0.025, 0.975))
    return float(lo), float(hi)


def student(x: np.ndarray) -> tuple[float, float]:
    """Return Student's interval, for comparison."""
    from scipy.stats import t

    half = float(t.ppf(0.975, len(x) - 1)) * float(x.std(ddof=1)) / len(x) ** 0.5
    return float(x.mean()) - half, float(x.mean()) + half


def coverage(
    draw: Draw, n: int, interval: Callable[..., tuple[float, float]], draws: int
) -> tuple[float, float]:
    """Return the share of intervals that hold the true mean, and their mean width."""
    mean, rng = truth(draw), np.random.default_rng(n)
    ends = np.array([interval(draw(rng, n)) for _ in range(draws)])
    hit = (ends[:, 0] <= mean + 1e-9) & (mean <= ends[:, 1] + 1e-9)
    return float(hit.mean()), float((ends[:, 1] - ends[:, 0]).mean())


def table(
    families: dict[str, Draw], methods: dict[str, Callable[..., tuple[float, float]]], draws: int
) -> None:
    """Print coverage % (mean width) per family and n."""
    names = [f"{m} n={n}" for m in methods for n in SIZES]
    print("| family | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 1) + "|")
    for family, draw in families.items():
        cells = [coverage(draw, n, m, draws) for m in methods.values() for n in SIZES]
        print(f"| {family} | " + " | ".join(f"{100 * c:.1f} ({w:.2f})" for c, w in cells) + " |", flush=True)


def main() -> None:
    """Print the tables."""
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    error = 100 * Z * (0.05 * 0.95 / draws) ** 0.5
    print(f"Coverage in % (mean width) of nominal 95 % intervals, {draws} draws a cell, +-{error:.1f}\n")
    print(f"Case values in [{LOW}, 1]:\n")
    table(BOUNDED, {"Gaffke": bounded, "Student": student, "percentile": percentile}, draws)
    print("\nValues without bounds (differences in dB):\n")
    table(FREE, {"free_mean": free, "Student": student, "percentile": percentile}, draws)
    print("\nShares (Wilson):\n\n| p | " + " | ".join(f"n={n}" for n in SIZES) + " |\n" + "|---" * 5 + "|")
    for p in (0.02, 0.1, 0.3, 0.5, 0.9):
        cells = []
        for n in SIZES:
            k = np.random.default_rng(n).binomial(n, p, 20 * draws)
            ends = {int(i): wilson(int(i), n) for i in np.unique(k)}
            cells.append(np.mean([(ends[i].lo or 0) <= p <= (ends[i].hi or 0) for i in k.tolist()]))
        print(f"| {p} | " + " | ".join(f"{100 * c:.1f}" for c in cells) + " |")


if __name__ == "__main__":
    main()
