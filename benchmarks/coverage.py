"""Print the simulated coverage of every interval in use: `python benchmarks/coverage.py [draws]`.

Case values of skill are bounded: 1 at the ceiling, `LOW` where a case went as wrong as it can. The families
below pile up at either end or lean to one side, as scores of good, lazy and lucky models do. A percentile
bootstrap, Student's t, Wilson and DeLong are printed beside, to show where they fail.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import numpy as np

from wmeval.chance import rank_ranges
from wmeval.measure.frechet import kernel_distance, kernel_interval
from wmeval.run.scoring import median_interval
from wmeval.stats import Interval, Z, auroc, bounded_mean, free_mean, paired_difference, wilson

LOW = -0.5  # value of the worst case: null error 1/3 of the worst one
SIZES = (8, 16, 32, 64)
Draw = Callable[[np.random.Generator, int], np.ndarray]
Pair = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
Ends = tuple[float, float] | None  # None: no interval is made
Cell = Callable[[np.random.Generator, int], tuple[Ends, float]]  # one draw: interval and what it is to hold


def rare(rate: float, usual: float, seldom: float) -> Draw:
    """Return a family that is `usual` but for a share `rate` of `seldom`."""
    return lambda rng, n: np.where(rng.random(n) < rate, seldom, usual)


def cut(centre: float, spread: float) -> Draw:
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
    "cut at the ceiling": cut(1.0, 0.15),
    "far over the ceiling": cut(1.3, 0.25),
    "cut at the floor": cut(-0.6, 0.2),
    "both ends, half and half": rare(0.5, 1.0, LOW),
    "middling": cut(0.4, 0.3),
    "skewed down": beta(6, 0.7),
    "skewed up": beta(0.5, 5),
    "nearly all fail, some partly": beta(0.2, 1.5),
    "concentrated": cut(0.5, 0.02),
}


def scenes(one: float, other: float, shared: float, own: float) -> Pair:
    """Return two models of given means whose cases share a scene's difficulty, cut at 1 and LOW."""

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        hard = rng.normal(0, shared, n)
        a, b = (np.clip(m + hard + rng.normal(0, own, n), LOW, 1.0) for m in (one, other))
        return a, b

    return draw


def lapses(one: float, other: float, gain: float = 0.0) -> Pair:
    """Return two models that fail on shares of scenes; elsewhere the second is `gain` below the ceiling."""

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        a, b = (np.where(rng.random(n) < rate, LOW, top) for rate, top in ((one, 1.0), (other, 1.0 - gain)))
        return a, b

    return draw


PAIRS: dict[str, Pair] = {
    "like models": scenes(0.5, 0.5, 0.3, 0.1),
    "one better by .1": scenes(0.6, 0.5, 0.3, 0.1),
    "both at the ceiling": scenes(1.2, 1.1, 0.1, 0.2),
    "both at the floor": scenes(-0.7, -0.6, 0.1, 0.2),
    "ceiling and floor": scenes(1.2, -0.7, 0.1, 0.2),
    "one fails 3 %, one never": lapses(0.03, 0.0),
    "each fails on 10 % of its own": lapses(0.1, 0.1),
    "one fails 5 %, one is .05 worse": lapses(0.05, 0.0, 0.05),
}
FREE: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(0, 1, n),
    "exponential": lambda rng, n: rng.exponential(1, n),
    "log-normal, sigma .6": lambda rng, n: rng.lognormal(0, 0.6, n),
    "log-normal, sigma 1": lambda rng, n: rng.lognormal(0, 1, n),
    "Student t, 3 df": lambda rng, n: rng.standard_t(3, n),
    "ceiling: cut at 30 dB": lambda rng, n: np.minimum(rng.normal(29, 3, n), 30.0),
    "floor: half are 0": lambda rng, n: np.maximum(rng.normal(0, 1, n), 0.0),
    "70 % zeros": lambda rng, n: rng.normal(0.5, 1, n) * (rng.random(n) < 0.3),
    "10 % far away": lambda rng, n: rng.normal(0, 0.3, n) - 3 * (rng.random(n) < 0.1),
}
MEDIANS: dict[str, Draw] = {
    "normal": FREE["normal"],
    "log-normal, sigma 1": FREE["log-normal, sigma 1"],
    "10 % far away": FREE["10 % far away"],
    "half at the ceiling": lambda rng, n: np.minimum(rng.normal(1.02, 0.3, n), 1.0),
    "steps of .1": lambda rng, n: rng.normal(0, 0.3, n).round(1),
}


def shifted(by: float, scene: float) -> Pair:
    """Return normal scores of possible and impossible clips with a share `scene` of variance of the scene."""

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        hard, own = rng.normal(0, scene**0.5, n), (1 - scene) ** 0.5
        return hard + own * rng.normal(0, 1, n), hard + own * rng.normal(0, 1, n) + by

    return draw


def confused(rate: float, possible: float, impossible: float) -> Pair:
    """Return scores 6 apart, but in a share of cases moved by so much: missed, alarming, or swapped."""

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        bad = rng.random(n) < rate
        p, q = rng.normal(0, 1, n), rng.normal(6, 1, n)
        return p + bad * possible, q + bad * impossible

    return draw


SURPRISE: dict[str, Pair] = {
    "no effect": shifted(0, 0.0),
    "no effect, scenes differ": shifted(0, 0.9),
    "d = 1": shifted(1, 0.0),
    "d = 1, scenes differ": shifted(1, 0.9),
    "d = 3": shifted(3, 0.0),
    "d = 3, scenes differ": shifted(3, 0.9),
    "3 % missed": confused(0.03, 0.0, -12.0),
    "10 % missed": confused(0.10, 0.0, -12.0),
    "10 % alarms": confused(0.10, 20.0, 0.0),
    "3 % the wrong way round": confused(0.03, 20.0, -20.0),
    "10 % the wrong way round": confused(0.10, 20.0, -20.0),
    "d = 1, skewed": lambda rng, n: tuple(np.exp(x) for x in shifted(1, 0.5)(rng, n)),  # type: ignore[return-value]
    "counts with ties": lambda rng, n: (rng.poisson(0.3, n), rng.poisson(1.5, n)),
}
RANKS: dict[str, tuple[float, ...]] = {  # shares of success of models at the ceiling, the floor, between
    "five the same": (0.9,) * 5,
    "spread out": (0.95, 0.8, 0.5, 0.2, 0.05),
    "two ties": (1.0, 1.0, 0.6, 0.6, 0.1),
    "at the ceiling": (1.0, 0.99, 0.97, 0.95, 0.9),
}


def percentile(x: np.ndarray) -> Ends:
    """Return the percentile bootstrap, for comparison."""
    means = x[np.random.default_rng(0).integers(len(x), size=(1000, len(x)))].mean(1)
    lo, hi = np.quantile(means, (0.025, 0.975))
    return float(lo), float(hi)


def student(x: np.ndarray) -> Ends:
    """Return Student's interval, for comparison."""
    from scipy.stats import t

    half = float(t.ppf(0.975, len(x) - 1)) * float(x.std(ddof=1)) / len(x) ** 0.5
    return float(x.mean()) - half, float(x.mean()) + half


def delong(p: np.ndarray, q: np.ndarray) -> Ends:
    """Return the interval of AUROC from DeLong's variance over cases, for comparison."""
    over = (q[:, None] > p[None]) + 0.5 * (q[:, None] == p[None])
    half = Z * float((over.mean(0) + over.mean(1)).std(ddof=1)) / len(p) ** 0.5
    return float(over.mean()) - half, float(over.mean()) + half


def ends(told: object) -> Ends:
    """Return the limits of a wmeval interval, None where none was made."""
    lo, hi = told.lo, told.hi  # type: ignore[attr-defined]
    return None if lo is None or hi is None else (lo, hi)


def of_mean(families: Mapping[str, Draw], interval: Callable[[np.ndarray], Ends]) -> dict[str, Cell]:
    """Return cells that hold the mean of a family, known from two million values."""

    def cell(draw: Draw) -> Cell:
        mean = float(draw(np.random.default_rng(12345), 2_000_000).mean())
        return lambda rng, n: (interval(draw(rng, n)), mean)

    return {name: cell(draw) for name, draw in families.items()}


def of_pairs(
    families: Mapping[str, Pair],
    true: Callable[[np.ndarray, np.ndarray], float],
    interval: Callable[[np.ndarray, np.ndarray], Ends],
) -> dict[str, Cell]:
    """Return cells that hold what `true` says of half a million pairs."""

    def cell(draw: Pair) -> Cell:
        known = true(*draw(np.random.default_rng(12345), 500_000))
        return lambda rng, n: (interval(*draw(rng, n)), known)

    return {name: cell(draw) for name, draw in families.items()}


def of_medians() -> dict[str, Cell]:
    """Return cells that hold the median of a family."""

    def cell(draw: Draw) -> Cell:
        median = float(np.median(draw(np.random.default_rng(12345), 2_000_001)))

        def one(rng: np.random.Generator, n: int) -> tuple[Ends, float]:
            lo, hi = median_interval(draw(rng, n).tolist())
            return (None if lo is None or hi is None else (lo, hi)), median

        return one

    return {name: cell(draw) for name, draw in MEDIANS.items()}


def of_kernels() -> dict[str, Cell]:
    """Return cells that hold the kernel distance of true and predicted features of the same scenes."""

    def cell(shift: float, own: float) -> Cell:
        def features(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
            scene = rng.normal(0, 1, (n, 16))
            return scene, scene + shift + own * rng.normal(0, 1, (n, 16))

        many = [kernel_distance(*features(np.random.default_rng(s), 2000)) for s in range(20)]
        mean = float(np.mean(many))
        return lambda rng, n: (kernel_interval(*features(rng, n)), mean)

    return {"shifted": cell(0.5, 0.3), "shifted a little": cell(0.2, 0.3), "wider": cell(0.0, 1.0)}


def coverage(cell: Cell, n: int, draws: int) -> str:
    """Return coverage in % of the intervals that are made, (mean width), and [the share made] below 100 %."""
    rng, hits, width, made = np.random.default_rng(n), 0, 0.0, 0
    for _ in range(draws):
        limits, true = cell(rng, n)
        if limits is not None:
            made += 1
            hits += limits[0] - 1e-9 <= true <= limits[1] + 1e-9
            width += limits[1] - limits[0]
    if not made:
        return "none"
    some = "" if made == draws else f" [{100 * made / draws:.0f} %]"
    return f"{100 * hits / made:.1f} ({width / made:.2f}){some}"


def table(title: str, methods: Mapping[str, Mapping[str, Cell]], draws: int, sizes: tuple[int, ...]) -> None:
    """Print a table: families down, methods and n across."""
    heads = [f"{m} n={n}" for m in methods for n in sizes]
    print(f"\n{title}\n\n| family | {' | '.join(heads)} |\n" + "|---" * (len(heads) + 1) + "|")
    for family in next(iter(methods.values())):
        cells = [coverage(of[family], n, draws) for of in methods.values() for n in sizes]
        print(f"| {family} | " + " | ".join(cells) + " |", flush=True)


def shares() -> None:
    """Print the coverage of shares, summed over all outcomes and not drawn."""
    from scipy.stats import binom

    def exact(k: int, n: int) -> Interval:
        return bounded_mean(np.repeat([1.0, 0.0], [k, n - k]), 0.0, 1.0)

    methods = {"bounded_mean": exact, "Wilson": wilson}
    heads = [f"{m} n={n}" for m in methods for n in SIZES]
    print(f"\nShares, exactly:\n\n| p | {' | '.join(heads)} |\n" + "|---" * (len(heads) + 1) + "|")
    for p in (0.01, 0.02, 0.1, 0.3, 0.5, 0.9):
        cells = []
        for of in methods.values():
            for n in SIZES:
                told = [of(k, n) for k in range(n + 1)]
                held = [t.lo is not None and t.hi is not None and t.lo <= p <= t.hi for t in told]
                cells.append(f"{100 * float(binom.pmf(np.arange(n + 1), n, p)[held].sum()):.1f}")
        print(f"| {p} | " + " | ".join(cells) + " |")


def ranks(draws: int) -> None:
    """Print how often the ranges of five models hold all their true ranks, and how wide they are."""
    print("\nRanges of ranks of five models that succeed or fail (all five held; mean ranks a range):\n")
    print(f"| models | {' | '.join(f'n={n}' for n in SIZES)} |\n" + "|---" * (len(SIZES) + 1) + "|")
    for name, rates in RANKS.items():
        cells = []
        for n in SIZES:
            rng, held, wide = np.random.default_rng(n), 0, 0.0
            for _ in range(draws):
                told = rank_ranges([np.where(rng.random(n) < r, 1.0, LOW) for r in rates], bounds=(LOW, 1.0))
                spans = [(1 + sum(o > r for o in rates), 5 - sum(o < r for o in rates)) for r in rates]
                held += all(a <= lo and hi <= b for (a, b), (lo, hi) in zip(told, spans, strict=True))
                wide += sum(b - a + 1 for a, b in told) / len(rates)
            cells.append(f"{100 * held / draws:.1f} ({wide / draws:.1f})")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def bounded(x: np.ndarray) -> Ends:
    """Return the interval of skill before it is clipped."""
    return ends(bounded_mean(x, LOW, 1.0))


def main() -> None:
    """Print the tables."""
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    error = 100 * Z * (0.05 * 0.95 / draws) ** 0.5
    print(f"Coverage in % (mean width) of nominal 95 % intervals, {draws} draws a cell, +-{error:.1f}")
    beside: dict[str, Callable[[np.ndarray], Ends]] = {"Student": student, "percentile": percentile}
    of = {"Gaffke": bounded, **beside}
    table(f"Skill: case values in [{LOW}, 1]", {k: of_mean(BOUNDED, f) for k, f in of.items()}, draws, SIZES)
    pairs = {
        "paired_difference": of_pairs(
            PAIRS, lambda a, b: float((a - b).mean()),
            lambda a, b: ends(paired_difference(a, b, bounds=(LOW, 1.0))),
        ),
        "Student": of_pairs(PAIRS, lambda a, b: float((a - b).mean()), lambda a, b: student(a - b)),
    }  # fmt: skip
    table("Differences of two models on the same scenes", pairs, draws, SIZES)
    of = {"free_mean": lambda x: ends(free_mean(x)), **beside}
    title = "Values without bounds (dB, energy scores), [share of samples for which an interval is made]"
    table(title, {k: of_mean(FREE, f) for k, f in of.items()}, draws, SIZES)
    table("Medians (implied physics)", {"median_interval": of_medians()}, draws, SIZES)
    told = {
        "auroc": of_pairs(SURPRISE, rank_sum, lambda p, q: ends(auroc(p, q))),
        "DeLong": of_pairs(SURPRISE, rank_sum, delong),
    }
    table("AUROC of twins, over cases", told, max(100, draws // 2), SIZES)
    table("Kernel distance of 16 features", {"kernel_interval": of_kernels()}, draws, (16, 32, 64))
    ranks(max(100, draws // 4))
    shares()


def rank_sum(p: np.ndarray, q: np.ndarray) -> float:
    """Return the AUROC of many scores."""
    from scipy.stats import rankdata

    n = len(p)
    return float((rankdata(np.concatenate([p, q]))[n:].sum() - n * (n + 1) / 2) / n**2)


if __name__ == "__main__":
    main()
