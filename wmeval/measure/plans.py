"""How well a planner was served: pure functions of predicted and true costs, of successes, and of the 2 x 2.

Errors are of the plans that the planner looked at. A model may be right on average and wrong exactly where a
planner goes, since a planner goes where the prediction is too good (the regret of a plan is at most twice the
largest error over the candidates, and no average over other data bounds it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wmeval.chance import p_bounded
from wmeval.measure.choosing import kendall
from wmeval.stats import LEVEL, MIN_N, Interval, paired_difference, wilson

Floats = NDArray[np.float64]
MARGIN = 0.25  # of success: less than that is no difference that matters
ABLE = 0.9  # success that a planner with the simulator and the true cost is to reach
FAR = 4.0  # beyond this skill no limit is looked for


def elite_regret(true: ArrayLike) -> float:
    """Return what the committed plan truly costs beyond the cheapest of the plans compared, 0 at best.

    `true` (1 + C,) holds the committed plan's cost first; NaN = not compared.
    """
    costs = np.asarray(true, np.float64)
    return float(costs[0] - np.nanmin(costs))


def optimism(predicted: ArrayLike, true: ArrayLike) -> float:
    """Return the true minus the predicted cost of the committed plan: above 0 it was thought too good."""
    return float(np.asarray(true, np.float64)[0] - np.asarray(predicted, np.float64)[0])


def rank_correlation(predicted: ArrayLike, true: ArrayLike) -> float:
    """Return Spearman's correlation of predicted and true costs; NaN where either is constant.

    Equal values share their mean rank (Spearman 1904); of fewer than 3 plans nothing is said.
    """
    x, y = np.asarray(predicted, np.float64), np.asarray(true, np.float64)
    known = np.isfinite(x) & np.isfinite(y)
    a, b = _ranks(x[known]), _ranks(y[known])
    if len(a) < 3 or not a.std() or not b.std():
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def _ranks(values: Floats) -> Floats:
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    ranks: Floats = (last - (count - 1) / 2)[group]
    return ranks


def skill(model: ArrayLike, random: ArrayLike, oracle: ArrayLike) -> Interval:
    """Return (model - random) / (oracle - random) of successes (n,) in the same episodes, paired.

    0 is what random actions reach, 1 what the simulator in the model's place does. The interval holds every
    skill s for which the mean of model - random - s (oracle - random) may be 0 (Fieller 1954), by Gaffke's
    interval of a bounded mean: a percentile bootstrap would have no width where all succeed or all fail.
    Limits beyond 4 are not looked for. No interval below n = 8, and no skill where the simulator is no
    better than chance.

    >>> told = skill([1] * 16, [0] * 16, [1] * 16)
    >>> told.mean, round(told.lo, 1), round(told.hi, 1)
    (1.0, 0.7, 1.4)
    """
    m, r, o = (np.asarray(v, np.float64).ravel() for v in (model, random, oracle))
    n = len(m)
    if not len(m) == len(r) == len(o):
        raise ValueError(f"{len(m)}, {len(r)} and {len(o)} episodes cannot be paired; give the same ones")
    if not n:
        return Interval(float("nan"), None, None, 0, "no episodes")
    room = float(o.mean() - r.mean())
    if room <= 0:
        return Interval(
            float("nan"), None, None, n, "the simulator in the model's place does no better than random"
        )
    mean = float((m.mean() - r.mean()) / room)
    if n < MIN_N:
        return Interval(mean, None, None, n, f"n = {n}: no interval below n = {MIN_N}")

    def holds(s: float) -> bool:
        bound = max(1.0, abs(s), abs(1 - s))
        return (p_bounded(m - r - s * (o - r), -bound, bound) or 0.0) >= 1 - LEVEL

    return Interval(mean, _limit(holds, mean, -FAR), _limit(holds, mean, FAR), n)


def _limit(holds: object, inside: float, outside: float) -> float | None:
    """Return where a claim that holds inside ends on the way outside, or None where it never does."""
    assert callable(holds)
    if holds(outside):
        return None
    for _ in range(24):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return inside


@dataclass(frozen=True)
class Cells:
    """Successes (n,) of the same episodes in the four cells of {model, simulator} x {state, goal}.

    None where a cell does not apply.
    """

    simulator_state: Floats | None
    simulator_goal: Floats | None
    model_state: Floats | None
    model_goal: Floats | None


def verdict(cells: Cells) -> str:
    """Return what the 2 x 2 says of a model and a task, in words; only what its intervals hold.

    The planner is weak where it fails with the simulator and the true cost, the model is bad where it loses
    to the simulator under the true cost, the model's cost is bad where it loses to the true one under the
    simulator; a model is as good as the simulator where at most a quarter of successes can be lost.
    """
    best = cells.simulator_state
    if best is None:
        return "inconclusive: the simulator did not plan"
    if len(best) < MIN_N:
        return f"inconclusive: {len(best)} episodes, and fewer than {MIN_N} tell nothing"
    told = []
    reached = wilson(float(best.sum()), len(best))
    if reached.hi is not None and reached.hi < ABLE:
        told.append(
            f"weak planner: with the simulator and the true cost it succeeds in {best.mean():.0%} of episodes"
        )
    by_model, by_cost = _lost(best, cells.model_state), _lost(best, cells.simulator_goal)
    if by_model is not None and by_model.lo is not None and by_model.lo > 0:
        told.append(f"bad model: {_change(by_model)} in the simulator's place")
    if by_cost is not None and by_cost.lo is not None and by_cost.lo > 0:
        told.append(f"bad cost: {_change(by_cost)} with the distance to the goal in place of the true cost")
    if told:
        return "; ".join(told)
    if by_model is None:
        whole = _lost(best, cells.model_goal)
        if whole is not None and whole.lo is not None and whole.lo > 0:
            return f"bad model or bad cost: {_change(whole)} with both"
        return "inconclusive: the model was not asked under the true cost"
    if by_model.hi is not None and by_model.hi < MARGIN:
        return f"as good as the simulator: {_change(by_model)} in its place"
    return f"inconclusive: {_change(by_model)} in the simulator's place"


def _lost(better: Floats, worse: Floats | None) -> Interval | None:
    if worse is None:
        return None
    return paired_difference(better, worse, bounds=(0.0, 1.0))


def _change(lost: Interval) -> str:
    """Return a difference of success in words.

    >>> _change(Interval(0.25, 0.1, 0.4, 20))
    'success changes by -25 % (-40 to -10)'
    """
    between = (
        "" if lost.lo is None or lost.hi is None else f" ({-100 * lost.hi:+.0f} to {-100 * lost.lo:+.0f})"
    )
    return f"success changes by {-100 * lost.mean:+.0f} %{between}"


def summed(predicted: Floats, true: Floats, *, same_unit: bool) -> Mapping[str, float]:
    """Return the means over an episode's R decisions of elite regret, optimism, and two rank correlations.

    Predicted and true costs are (R, 1 + C); where they are not in one unit there is no optimism, only NaN. A
    mean of nothing is NaN. Kendall's tau says of how many pairs of plans more are ordered rightly than
    wrongly, which is what a planner needs of a model and all that it needs.
    """
    regrets = [elite_regret(t) for t in true]
    gaps = [optimism(p, t) for p, t in zip(predicted, true, strict=True)] if same_unit else []
    ranks = [rank_correlation(p[1:], t[1:]) for p, t in zip(predicted, true, strict=True)]
    pairs = [_kendall(p[1:], t[1:]) for p, t in zip(predicted, true, strict=True)]
    told = {"elite_regret": regrets, "optimism": gaps, "rank": ranks, "kendall": pairs}
    return {name: _mean(values) for name, values in told.items()}


def _kendall(predicted: Floats, true: Floats) -> float:
    known = np.isfinite(predicted) & np.isfinite(true)
    return kendall(predicted[known], true[known]) if known.sum() > 2 else float("nan")


def _mean(values: list[float]) -> float:
    known = [v for v in values if np.isfinite(v)]
    return float(np.mean(known)) if known else float("nan")
