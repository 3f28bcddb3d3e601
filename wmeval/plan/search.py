"""The search of one plan: draw, evaluate, draw again around what was good; give the best that was evaluated.

A plan is K actions of A numbers in [-1, 1]. Plans are clipped and never redrawn, since the best often lie at
the bounds; the mean is tried in the last iteration; what is returned was evaluated, which a mean of elites
was not. (Pinneri et al. 2020, "Sample-efficient cross-entropy method for real-time planning".)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wmeval.plan.noise import coloured
from wmeval.plan.settings import Settings

Floats = NDArray[np.float64]
Evaluate = Callable[[Floats], Floats]  # plans (N, K, A) in [-1, 1] -> costs (N,); inf = not to be had


@dataclass(frozen=True)
class Found:
    """The best plan that was evaluated, what it was predicted to cost, and what the last iteration tried."""

    plan: Floats  # (K, A)
    cost: float
    plans: Floats  # (M, K, A) of the last iteration, those that were kept included
    costs: Floats  # (M,)
    mean: Floats  # (K, A) where a search goes on from
    kept: Floats  # (E, K, A) elites that go on
    calls: int  # plans that were evaluated

    def later(self, blocks: int) -> Found:
        """Return what is left of it when the first actions have been carried out: to start a search from."""
        plan, mean, kept = self.plan[blocks:], self.mean[blocks:], self.kept[:, blocks:]
        return Found(plan, self.cost, self.plans[:, blocks:], self.costs, mean, kept, self.calls)


def search(
    evaluate: Evaluate, settings: Settings, axes: int, rng: np.random.Generator, start: Found | None = None
) -> Found:
    """Return the best of the plans that were evaluated.

    `start` is what an earlier search found, less what has been done of it (`Found.later`): its mean is where
    this one begins, its elites are tried again. Actions that it lacks at the end are 0 in the mean, and drawn
    anew in the elites.

    Raises:
        ValueError: costs are NaN, of another shape, or all infinite.
    """
    length = settings.look
    mean = np.zeros((length, axes))
    kept, known = np.zeros((0, length, axes)), np.zeros(0)
    if start is not None:
        shared = min(length, len(start.mean))
        mean[:shared] = start.mean[:shared]
        kept = _lengthened(start.kept[:, :length], length, settings, rng)
    spread = np.full((length, axes), settings.spread)
    best_plan, best_cost, calls = mean, np.inf, 0
    plans, costs = kept, known
    for i in range(settings.iterations):
        noise = coloured(rng, settings.drawn(i), length, axes, settings.beta)
        drawn = np.clip(mean + spread * noise, -1.0, 1.0)
        if i == settings.iterations - 1:
            drawn = np.concatenate([drawn, np.clip(mean, -1.0, 1.0)[None]])
        if i == 0:  # what was kept from an earlier search was evaluated from where one was then
            drawn, kept = np.concatenate([kept, drawn]), kept[:0]
        told = _checked(evaluate(drawn), len(drawn))
        calls += len(drawn)
        plans, costs = np.concatenate([kept, drawn]), np.concatenate([known, told])
        order = np.argsort(costs, kind="stable")
        if costs[order[0]] < best_cost:
            best_plan, best_cost = plans[order[0]], float(costs[order[0]])
        mean, spread = _refit(plans, costs, order, mean, spread, settings)
        going = order[: round(settings.keep * settings.best)]
        kept, known = plans[going], costs[going]
    if not np.isfinite(best_cost):
        raise ValueError(
            f"all {calls} plans cost infinitely much; expected a finite cost of one of them at least"
        )
    return Found(best_plan, best_cost, plans, costs, mean, kept, calls)


def _refit(
    plans: Floats, costs: Floats, order: NDArray[np.intp], mean: Floats, spread: Floats, settings: Settings
) -> tuple[Floats, Floats]:
    """Return the mean (K, A) and the standard deviation (K, A) that the next plans are drawn with."""
    if settings.refit == "elites":
        chosen = plans[order[: settings.best]]
        weight = np.full(len(chosen), 1 / len(chosen))
    else:
        chosen, finite = plans, costs[np.isfinite(costs)]
        scale = settings.temperature * max(float(finite.std()), 1e-12) if len(finite) else 1.0
        weight = np.exp(-(costs - costs[order[0]]) / scale) if len(finite) else np.ones(len(plans))
        weight /= weight.sum()
    middle = np.einsum("n,nka->ka", weight, chosen)
    wide = np.sqrt(np.einsum("n,nka->ka", weight, (chosen - middle) ** 2))
    stay = settings.momentum
    return stay * mean + (1 - stay) * middle, np.maximum(stay * spread + (1 - stay) * wide, settings.least)


def _lengthened(plans: Floats, length: int, settings: Settings, rng: np.random.Generator) -> Floats:
    """Return plans (E, length, A) whose missing last actions are drawn."""
    count, have, axes = plans.shape
    more = np.clip(settings.spread * rng.standard_normal((count, length - have, axes)), -1.0, 1.0)
    return np.concatenate([plans, more], axis=1)


def _checked(costs: Floats, count: int) -> Floats:
    told = np.asarray(costs, dtype=np.float64)
    if told.shape != (count,):
        raise ValueError(f"the costs of {count} plans came back as {told.shape}; expected ({count},)")
    if np.isnan(told).any():
        raise ValueError(
            f"{int(np.isnan(told).sum())} of {count} plans cost NaN; a cost is a number, or inf where a plan "
            "cannot be had"
        )
    return told
