"""How well predicted costs choose: pure functions of the predicted and the true costs of N candidates.

Candidates are tried in the order of their predicted costs. Where these are equal the order is drawn at
random, and every number here is the exact expectation over that draw: nothing depends on how candidates are
listed, and a prediction that tells nothing apart has exactly the value of a random order.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, log

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Chosen:
    """What one choice among N candidates came to."""

    success: float  # chance that what is tried first reaches the goal
    regret: float  # of what is tried first: 0 the best candidate, 1 a random one
    kendall: float  # of predicted and true costs, -1 to 1
    auccess: float  # 0 to 1
    solved: Floats  # (N,) chance that one of the first k reaches the goal, k = 1 to N


def judge(predicted: ArrayLike, true: ArrayLike, good: ArrayLike) -> Chosen:
    """Return what comes of trying candidates in the order of their predicted costs.

    Args:
        predicted: costs (N,) as predicted; smaller is better.
        true: costs (N,) as they came out.
        good: whether each (N,) reached the goal.

    Raises:
        ValueError: other shapes, fewer than 2 candidates, or a cost that is not finite.

    >>> told = judge([0.1, 0.4, 0.2], [1.0, 3.0, 2.0], [True, False, False])
    >>> told.success, told.regret, told.kendall, told.auccess
    (1.0, 0.0, 1.0, 1.0)
    """
    p, t, g = np.asarray(predicted, np.float64), np.asarray(true, np.float64), np.asarray(good, np.bool_)
    if p.ndim != 1 or len(p) < 2 or p.shape != t.shape or p.shape != g.shape:
        raise ValueError(
            f"costs {p.shape} and {t.shape}, successes {g.shape}; expected (N,) each, N at least 2"
        )
    if not (np.isfinite(p).all() and np.isfinite(t).all()):
        raise ValueError("a cost is not finite; what cannot be told costs the task's worst")
    solved = solved_within(p, g)
    first = p == p.min()
    return Chosen(float(g[first].mean()), regret(p, t), kendall(p, t), auccess(solved), solved)


def at_random(true: ArrayLike, good: ArrayLike) -> Chosen:
    """Return what comes of a random order: the same numbers for predictions that are all alike."""
    return judge(np.zeros(len(np.asarray(true))), true, good)


def regret(predicted: Floats, true: Floats) -> float:
    """Return (cost of what is tried first - best) / (mean of all - best).

    0 is the best candidate, 1 what a random one costs on average; it can reach N. Where all candidates cost
    the same there is nothing to regret, and it is 0.
    """
    best, mean = float(true.min()), float(true.mean())
    if mean - best <= 1e-12 * max(1.0, abs(mean)):
        return 0.0
    return (float(true[predicted == predicted.min()].mean()) - best) / (mean - best)


def solved_within(predicted: Floats, good: Bools) -> Floats:
    """Return the chance (N,) that one of the first k = 1..N candidates tried reaches the goal.

    Within a group of g equal predictions, m of which are good, j random tries miss all good ones with chance
    C(g - m, j) / C(g, j).
    """
    out = np.zeros(len(predicted))
    tried, missed = 0, True
    for cost in np.unique(predicted):
        tied = good[predicted == cost]
        g, m = len(tied), int(tied.sum())
        for j in range(1, g + 1):
            out[tried + j - 1] = 1.0 - comb(g - m, j) / comb(g, j) if missed else 1.0
        tried += g
        missed = missed and not m
    return out


def auccess(solved: ArrayLike) -> float:
    """Return AUCCESS: the mean of the shares solved within k tries under weights ln(k + 1) - ln(k).

    Bakhtin et al. 2019 (PHYRE, arXiv:1908.05656, section 3): there over 100 tries, here over all N.

    >>> round(auccess(solved_within(np.zeros(8), np.arange(8) < 2)), 2)
    0.58
    """
    values = np.asarray(solved, dtype=np.float64)
    weights = np.array([log(k + 1) - log(k) for k in range(1, len(values) + 1)])
    return float((weights * values).sum() / weights.sum())


def kendall(a: ArrayLike, b: ArrayLike) -> float:
    """Return Kendall's tau-b (Kendall 1945) of two lists of N numbers; 0 where either is constant.

    It is (concordant - discordant pairs) / sqrt(pairs untied in a x pairs untied in b). A constant
    prediction orders nothing, which is what 0 says.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    upper = np.triu_indices(len(x), 1)
    dx = np.sign(x[:, None] - x[None, :])[upper]
    dy = np.sign(y[:, None] - y[None, :])[upper]
    untied = float((dx != 0).sum()) * float((dy != 0).sum())
    return float((dx * dy).sum() / np.sqrt(untied)) if untied else 0.0
