"""From runs to three totals: mean and median over games, and the interquartile mean over runs and games.

The mean is ruled by a few games (three make half of DIAMOND's), the median by the two in the middle; the
interquartile mean leaves out the lowest and the highest quarter of all runs of all games (Agarwal et al.
2021, arXiv:2108.13264). Intervals are percentiles of a bootstrap over the runs within each game.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wmeval.hns.atari import Runs, games

Floats = NDArray[np.float64]
DRAWS = 5000
TRIM = 0.25
NAMES = ("mean", "median", "iqm")


@dataclass(frozen=True)
class Total:
    """A number over games with its 95 % interval; None, for the `reason`, where none can be made."""

    value: float
    lo: float | None
    hi: float | None
    reason: str = ""


@dataclass(frozen=True)
class Standing:
    """What runs come to."""

    mean: Total
    median: Total
    iqm: Total
    above: int  # games whose mean over runs is above the human score
    games: int
    runs: tuple[int, int]  # fewest and most of a game
    by_game: dict[str, Floats]  # human-normalised score of each run


def trimmed(values: Floats) -> Floats:
    """Return the mean over the last axis without a quarter of the values at each end.

    >>> float(trimmed(np.array([9.0, 1.0, 2.0, 3.0])))
    2.5
    """
    cut = int(TRIM * values.shape[-1])
    kept: Floats = np.sort(values, axis=-1)[..., cut : values.shape[-1] - cut]
    return np.asarray(kept.mean(-1))


def standing(runs: Runs, *, draws: int = DRAWS) -> Standing:
    """Return the totals of runs, with the same random draws whenever they are asked for."""
    table = games()
    scores = {game: table[game].normalised(np.array(given)) for game, given in runs.items()}
    values = _totals([s[None] for s in scores.values()])
    fewest, most = min(map(len, runs.values())), max(map(len, runs.values()))
    bands: list[tuple[float | None, float | None]] = [(None, None)] * len(NAMES)
    reason = ""
    if fewest < 2:
        single = [game for game, given in runs.items() if len(given) < 2]
        reason = f"one run of {', '.join(single) if len(single) < 4 else f'{len(single)} games'}: no interval"
    else:
        rng = np.random.Generator(np.random.PCG64(0))
        again = [s[rng.integers(len(s), size=(draws, len(s)))] for s in scores.values()]
        limits = np.percentile(np.stack(_totals(again)), [2.5, 97.5], axis=1)
        bands = [(float(lo), float(hi)) for lo, hi in limits.T]
    mean, median, iqm = (Total(float(v[0]), *band, reason) for v, band in zip(values, bands, strict=True))
    above = sum(float(s.mean()) > 1 for s in scores.values())
    return Standing(mean, median, iqm, above, len(runs), (fewest, most), scores)


def _totals(scores: Sequence[Floats]) -> tuple[Floats, Floats, Floats]:
    """Return mean, median and interquartile mean (draws,) of scores (draws, runs), one array a game."""
    means = np.stack([s.mean(-1) for s in scores], axis=-1)
    return means.mean(-1), np.median(means, axis=-1), trimmed(np.concatenate(scores, axis=-1))
