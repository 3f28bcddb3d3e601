"""Terminal tables of several runs: how they differ, which ranks they may have, what more cases would show."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TextIO

from wmeval.report import words
from wmeval.report.compare import Difference, Rank
from wmeval.report.power import Power
from wmeval.report.table import cell_text, grid, open_console


def differences(
    rows: Sequence[Difference], stream: TextIO | None = None, *, what: tuple[str, str] = ("probe", "skill")
) -> None:
    """Print how later runs differ from the first in skill (or `what` else), and what is beyond chance."""
    if not rows:
        return
    numbers = [f"its {what[1]}", "first's", "difference", "95 %", "n", "p", "p, Holm"]
    several = len({d.instrument for d in rows}) > 1
    asked = ["asked by"] if several else []
    table = grid("", [what[0], *asked, "tag", "run", *numbers, "says"], right=set(numbers))
    for d in rows:
        says = "worse" if d.worse else "better" if d.better else d.reason or "not told apart"
        cells = [
            d.probe, *([d.instrument] if several else []), d.tag, d.other, words.number(d.other_skill, 2),
            words.number(d.base_skill, 2), words.number(d.difference, 2),
            words.interval({"lo": d.lo, "hi": d.hi}), words.number(d.n), chance(d.p), chance(d.p_holm),
        ]  # fmt: skip
        style = "red" if d.worse else "green" if d.better else ""
        table.add_row(*(cell_text(c) for c in cells), cell_text(says, style))
    open_console(stream).print(table)


def ranks(rows: Sequence[Rank], stream: TextIO | None = None) -> None:
    """Print the ranks that each run may have in each row; runs whose ranges overlap are tied."""
    if not rows:
        return
    table = grid("", ["probe", "asked by", "tag", "n", "ranks, best first"], right={"n"})
    for (probe, instrument, tag), of in groupby(rows, key=lambda r: (r.probe, r.instrument, r.tag)):
        runs = sorted(of, key=lambda r: (r.best, r.worst, -r.mean))
        told = ", ".join(f"{span(r)} {r.run}" for r in runs)
        cells = [probe, instrument, tag, words.number(runs[0].n), told]
        table.add_row(*(cell_text(c) for c in cells))
    open_console(stream).print(table)


def powers(rows: Sequence[Power], delta: float, stream: TextIO | None = None) -> None:
    """Print what difference each probe can see with the cases it has, and how many `delta` would take."""
    numbers = ["n", "spread", "sees now", f"cases to see {delta:g}", "by the normal formula"]
    surprise = any(row.share is not None for row in rows)
    more = ["accuracy above chance"] if surprise else []
    table = grid("", ["probe", "asked by", "tag", *numbers, *more, ""], right={*numbers, *more})
    for row in rows:
        cells = [
            row.probe, row.instrument, row.tag, words.number(row.n), words.number(row.spread, 2),
            words.number(row.sees, 2), words.number(row.needs), words.number(row.needs_normal),
            *([words.number(row.share, 2)] if surprise else []), row.reason,
        ]  # fmt: skip
        table.add_row(*(cell_text(c) for c in cells))
    open_console(stream).print(table)


def span(rank: Rank) -> str:
    """Return a range of ranks.

    >>> span(Rank("p", "rollout", "iid", "a", .5, 1, 2, 16))
    '1–2'
    """
    return f"{rank.best}" if rank.best == rank.worst else f"{rank.best}–{rank.worst}"


def chance(p: float | None) -> str:
    """Return a p-value; below .001 only that it is.

    >>> chance(0.0312), chance(1e-9), chance(None)
    ('0.031', '< 0.001', '–')
    """
    if p is None:
        return words.NONE
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.0995 else f"{p:.2f}"
