"""How one number of models goes with another, where families of models are the unit.

Stages and sizes of one family share data, code and faults, so they are no further evidence of a relation
between models. Kendall's tau-b and Spearman's rho are taken over all points; their intervals are percentiles
of a bootstrap that draws whole families, and the p-value is that of the exact permutation of family means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from math import factorial

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DRAWS = 4000
FEWEST = 4  # families for an interval and a p-value
EXACT = 7  # families up to which all orders are counted; beyond, as many are drawn
ORDERS = 5040


@dataclass(frozen=True)
class Relation:
    """Two rank correlations with 95 % intervals; None, for the `reason`, where there is none.

    `within` has Kendall's tau of the points of each family that has at least 3: stages against stages, which
    tell of training and nothing of models.
    """

    n: int
    families: int
    kendall: float | None
    kendall_lo: float | None
    kendall_hi: float | None
    spearman: float | None
    spearman_lo: float | None
    spearman_hi: float | None
    p: float | None
    within: dict[str, float]
    reason: str = ""


def relation(x: Sequence[float], y: Sequence[float], families: Sequence[str]) -> Relation:
    """Return how y goes with x over points, each of a family; both finite.

    >>> relation([1, 2, 3, 4], [2, 4, 6, 8], list("abcd")).kendall
    1.0
    """
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    names = sorted(set(families))
    of = np.array([names.index(f) for f in families], dtype=np.int64)
    k = len(names)
    within = {}
    for i, name in enumerate(names):
        mine = of == i
        if mine.sum() >= 3 and (tau := _or_none(kendall(a[mine], b[mine])[0])) is not None:
            within[name] = tau
    tau, rho = (_or_none(f(a, b)[0]) if len(a) > 1 else None for f in (kendall, spearman))
    nothing = Relation(len(a), k, tau, None, None, rho, None, None, None, within)
    if tau is None:
        few = "1 model has both" if len(a) else "no model has both"
        why = few if len(a) < 2 else "all models are the same in one of the two"
        return replace(nothing, reason=f"no correlation: {why}")
    if k < FEWEST:
        least = 2 / factorial(k) if k > 1 else 1.0
        why = (
            f"{k} famil{'y' if k == 1 else 'ies'}: no interval and no p-value below {FEWEST}; even a "
            f"perfect order of {k} comes by chance with p = {min(1.0, least):.2g}"
        )
        return replace(nothing, reason=why)
    rng = np.random.Generator(np.random.PCG64(0))
    drawn = rng.multinomial(k, np.full(k, 1 / k), size=DRAWS)
    # A draw of one family over and over tells nothing of how families differ.
    weights = drawn[(drawn > 0).sum(1) > 1][:, of].astype(np.float64)
    bands = [_band(f(a, b, weights)) for f in (kendall, spearman)]
    (klo, khi), (slo, shi) = bands
    return Relation(len(a), k, tau, klo, khi, rho, slo, shi, _chance(a, b, of, rng), within)


def kendall(x: Floats, y: Floats, weights: Floats | None = None) -> Floats:
    """Return Kendall's tau-b (draws,), each point counted as often as its weight (draws, n) says."""
    w = np.ones((1, len(x))) if weights is None else weights
    dx, dy = (np.sign(v[:, None] - v[None, :]) for v in (x, y))
    both, one, other = (((w @ m) * w).sum(1) for m in (dx * dy, dx**2, dy**2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(both / np.sqrt(one * other))


def spearman(x: Floats, y: Floats, weights: Floats | None = None) -> Floats:
    """Return Spearman's rho (draws,), tied points having the mean of their ranks."""
    w = np.ones((1, len(x))) if weights is None else weights
    total = w.sum(1, keepdims=True)
    away = []
    for v in (x, y):
        below, same = (v[:, None] > v[None, :]).astype(float), (v[:, None] == v[None, :]).astype(float)
        rank = w @ below.T + (w @ same.T + 1) / 2
        away.append(rank - (w * rank).sum(1, keepdims=True) / total)
    one, other = away
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt((w * one**2).sum(1) * (w * other**2).sum(1))
        return np.asarray((w * one * other).sum(1) / spread)


def _chance(x: Floats, y: Floats, of: NDArray[np.int64], rng: np.random.Generator) -> float | None:
    """Return the two-sided p-value of the tau of family means under all (or 5040 drawn) orders."""
    k = int(of.max()) + 1
    a, b = (np.array([v[of == i].mean() for i in range(k)]) for v in (x, y))
    found = kendall(a, b)[0]
    if not np.isfinite(found):
        return None
    exact = k <= EXACT
    drawn = permutations(range(k)) if exact else (rng.permutation(k) for _ in range(ORDERS))
    orders = np.array([list(order) for order in drawn])
    da, db = (np.sign(v[:, None] - v[None, :]) for v in (a, b))
    # What tau is divided by is the same in every order, so the sums of signs decide.
    sums = np.abs((da * db[orders[:, :, None], orders[:, None, :]]).sum((1, 2)))
    as_far = float((sums >= abs((da * db).sum()) - 1e-9).sum())
    return as_far / len(orders) if exact else (as_far + 1) / (len(orders) + 1)


def _band(values: Floats) -> tuple[float, float]:
    lo, hi = np.percentile(values[np.isfinite(values)], [2.5, 97.5])
    return float(lo), float(hi)


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
