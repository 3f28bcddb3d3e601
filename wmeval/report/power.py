"""What differences a run can show: for each of its rows, from how its own cases spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from wmeval.errors import UsageError
from wmeval.power import bounded_needs, bounded_sees, detectable_share, needed_cases, unrelated
from wmeval.report.compare import answers, check_pairs
from wmeval.run import Run
from wmeval.stats import LEVEL, MIN_N

SOME = 4000  # differences that stand for all ordered pairs of cases


@dataclass(frozen=True)
class Power:
    """What one probe or task, asked in one way, can tell with n cases, and how many it needs for `delta`.

    `spread` is the standard deviation of paired differences; `sees` the least mean difference of skill (of
    a task: of success) that `compare` tells from 0 four times in five; `needs` the cases for `delta`,
    `needs_normal` those that the normal formula says. `share` (surprise only) is the least relative accuracy
    that n tells from chance.
    """

    probe: str
    instrument: str
    tag: str
    n: int
    spread: float | None
    sees: float | None
    needs: int | None
    needs_normal: int | None
    share: float | None
    reason: str


def powers(run: Run, delta: float, *, against: Run | None = None, tests: int = 1) -> list[Power]:
    """Return the power of each row of a run that has skill.

    Without `against` the other model is taken to vary as this one does, on scenes of its own: paired
    differences then spread more than those of like models do. With it they are those of the two runs. `tests`
    is the number of comparisons that Holm's correction is to hold for.

    Raises:
        UsageError: a delta or a number of tests that makes no sense, runs that cannot be paired, or a run
            without skill.
    """
    if not 0 < delta <= 1:
        raise UsageError(f"--delta was given as {delta:g}; expected a difference of skill above 0, at most 1")
    if tests < 1:
        raise UsageError(f"--tests was given as {tests}; expected the number of comparisons, at least 1")
    if against is not None:
        check_pairs([run, against])
    mine, theirs = answers(run), answers(against) if against is not None else None
    if not mine.values and not mine.plans:
        raise UsageError(f"{run.path} has no row with skill or plans, so no case says how much cases vary")
    rows = []
    for key, values in (*mine.values.items(), *mine.plans.items()):
        low = mine.lowest(key) if key in mine.values else 0.0
        if theirs is not None:
            other = theirs.values.get(key) or theirs.plans.get(key, {})
            spread = np.array([values[c] - other[c] for c in sorted(values.keys() & other.keys())])
            low = min(low, theirs.lowest(key)) if key in theirs.values and len(spread) else low
        else:
            spread = unrelated(list(values.values()))
        n = len(spread) if theirs is not None else len(values)
        rows.append(_row(key, spread, n, (low, 1.0), delta, 1 - (1 - LEVEL) / tests))
    return rows


def _row(
    key: tuple[str, str, str], spread: Any, n: int, bounds: tuple[float, float], delta: float, level: float
) -> Power:
    if n < MIN_N:
        return Power(
            *key, n, None, None, None, None, None, f"fewer than {MIN_N} cases say nothing of the rest"
        )
    if len(spread) > SOME:
        spread = np.sort(spread)[np.linspace(0, len(spread) - 1, SOME).round().astype(int)]
    sd = float(spread.std())
    share = detectable_share(n, level=level) if key[1].startswith("surprise") else None
    needs = bounded_needs(spread, delta, bounds, level=level)
    return Power(
        *key, n, sd, bounded_sees(spread, n, bounds, level=level), needs,
        needed_cases(sd, delta, level=level), share,
        "" if needs is not None else "a million cases would not be enough",
    )  # fmt: skip


def as_rows(rows: Sequence[Power]) -> list[dict[str, Any]]:
    """Return the rows as JSON values."""
    return [asdict(row) for row in rows]
