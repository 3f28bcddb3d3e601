"""Ranks that chance allows. A rank is a range; models whose ranges overlap are tied, and shaded as one.

Up to FEW models are compared pairwise on the scenes that they share (`wmeval.chance.rank_ranges`). Beyond
that, and where models share no scenes, a model is behind those whose whole interval is above its own, each
widened so that all pairs hold at once: these ranges are wider for shared scenes, and the board says which of
the two it shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

from wmeval.chance import rank_ranges
from wmeval_leaderboard.board.columns import Column
from wmeval_leaderboard.board.entry import Cell, Entry

FEW = 24  # models of a class that are compared pairwise: 276 pairs take about a second, once
Cases = Mapping[int, Mapping[str, float]]  # id of an entry -> what case -> its value, more is better


@dataclass(frozen=True)
class Ranked:
    """An entry in its place; `rank` None where it has no number that can be ranked."""

    entry: Entry
    cell: Cell | None
    rank: tuple[int, int] | None
    group: int  # entries of one group are tied


@dataclass(frozen=True)
class Order:
    """Entries of one class, best first, and how their ranks were found: "paired", "intervals" or "none"."""

    rows: tuple[Ranked, ...]
    method: str


def order(entries: Sequence[Entry], column: Column, cases: Cases) -> Order:
    """Return entries of one class in the order of a column, with the ranks that they may have."""
    told = [(e, column.read(e)) for e in entries]
    side = 1.0 if column.higher else -1.0
    told.sort(key=lambda t: (not _ranked(t[1]), _none_last(t[1], side), t[0].name, t[0].slug))
    able = [(e, c) for e, c in told if c is not None and _ranked(c)] if column.ranked else []
    spans, method = _ranges(able, side, cases)
    groups = ties(spans)
    rows = [
        Ranked(e, c, spans[i] if i < len(spans) else None, groups[i] if i < len(groups) else -1)
        for i, (e, c) in enumerate(told)
    ]
    return Order(tuple(rows), method)


def ties(spans: Sequence[tuple[int, int]]) -> list[int]:
    """Return the number of the group that each range belongs to, in the order of their best ranks.

    >>> ties([(1, 2), (1, 3), (2, 3), (4, 4), (5, 6), (5, 6)])
    [0, 0, 0, 1, 2, 2]
    """
    out, group, reach = [], -1, 0
    for best, worst in spans:
        if best > reach:
            group += 1
        out.append(group)
        reach = max(reach, worst)
    return out


def by_intervals(bounds: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
    """Return rank ranges from intervals, more being better.

    >>> by_intervals([(0.8, 0.9), (0.1, 0.5), (0.4, 0.6)])
    [(1, 1), (2, 3), (2, 3)]
    """
    low, high = np.array(bounds, dtype=np.float64).reshape(-1, 2).T
    above = len(low) - np.searchsorted(np.sort(low), high, "right")
    below = np.searchsorted(np.sort(high), low, "left")
    return [(int(a) + 1, int(len(low) - b)) for a, b in zip(above, below, strict=True)]


def _ranges(
    able: Sequence[tuple[Entry, Cell]], side: float, cases: Cases
) -> tuple[list[tuple[int, int]], str]:
    if not able:
        return [], "none"
    shared = set.intersection(*(set(cases.get(e.id, {})) for e, _ in able))
    if 1 < len(able) <= FEW and len(shared) >= 8:
        names = sorted(shared)
        values = [[cases[e.id][name] for name in names] for e, _ in able]
        lows = [c.lowest for _, c in able]
        return rank_ranges(values, bounds=_bounds(lows, values)), "paired"
    by = widening(len(able))
    ends = [sorted(side * end for end in _widened(c, by)) for _, c in able]
    return by_intervals([(a, b) for a, b in ends]), "intervals"


def widening(count: int) -> float:
    """Return by what intervals of 95 % are widened to compare each of so many models with every other.

    Bonferroni over all pairs, where two intervals of one width that just do not overlap are apart by sqrt(2)
    times what a difference of two independent numbers must be.

    >>> widening(2), round(widening(25), 2)
    (1.0, 1.36)
    """
    pairs, normal = max(1, count * (count - 1) // 2), NormalDist()
    return max(1.0, normal.inv_cdf(0.025 / pairs) / (normal.inv_cdf(0.025) * sqrt(2)))


def _widened(cell: Cell, by: float) -> tuple[float, float]:
    assert cell.value is not None
    assert cell.lo is not None
    assert cell.hi is not None
    return cell.value - by * (cell.value - cell.lo), cell.value + by * (cell.hi - cell.value)


def _bounds(lows: Sequence[float | None], values: Sequence[Sequence[float]]) -> tuple[float, float] | None:
    """Return what bounds the values of cases; None where that is not known, or not so of metrics."""
    if None in lows:
        return None
    low = min(v for v in lows if v is not None)
    # anchors of another version than the probe installed here may bound them otherwise
    inside = all(low - 1e-9 <= v <= 1 + 1e-9 for row in values for v in row)
    return (low, 1.0) if inside else None


def _ranked(cell: Cell | None) -> bool:
    return cell is not None and cell.whole and cell.lo is not None and cell.hi is not None


def _none_last(cell: Cell | None, side: float) -> tuple[bool, float]:
    if cell is None or cell.value is None:
        return True, 0.0
    return False, -side * cell.value
