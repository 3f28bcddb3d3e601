"""Fidelity against utility as tables and as one picture: a row of scatter plots for each task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

import numpy as np
from markupsafe import Markup

from wmeval.report import words
from wmeval.report.contest import chance
from wmeval.report.sheet import line, sheet, text
from wmeval.report.utility import Model, Number, Row, Utility
from wmeval.stats import LEVEL

WIDTH, HEIGHT, LEFT, GAP = 178, 132, 150, 30  # px of one plot, of the names of tasks, between plots
COLOURS = 6
RELATIONS = [
    "task", "asked by", "of", "Kendall", "95 %", "Spearman", "95 %", "p", "p, Holm", "models", "families",
]  # fmt: skip


def show(told: Utility, stream: TextIO | None = None) -> None:
    """Print every model's numbers by task, then how each column goes with planning skill."""
    from wmeval.report.table import cell_text, grid, open_console

    console = open_console(stream)
    for task, protocol in told.questions:
        head, rows = points(told, task, protocol)
        table = grid(f"{task}, {protocol}", head, right=set(head[2:]))
        for cells in rows:
            table.add_row(*(cell_text(c) for c in cells))
        console.print(table)
    head = [*RELATIONS, "says"]
    table = grid(
        "Better with better: how columns go with planning skill", head, right={"Kendall", "Spearman", "p"}
    )
    for row in told.rows:
        table.add_row(*(cell_text(c) for c in (*_cells(row), says(row))))
    console.print(table)
    for note in told.notes:
        console.print(f"  {note}", markup=False, style="dim")


def markdown(told: Utility) -> str:
    """Return the tables that `show` prints, as Markdown."""
    out = []
    for task, protocol in told.questions:
        head, rows = points(told, task, protocol)
        out += [f"## {task}, {protocol}", "", *_table(head, rows), ""]
    relations = [[*_cells(row), says(row)] for row in told.rows]
    out += ["## How columns go with planning skill", "", *_table([*RELATIONS, "says"], relations), ""]
    return "\n".join(out + [f"- {note}" for note in told.notes]) + "\n"


def points(told: Utility, task: str, protocol: str) -> tuple[list[str], list[list[str]]]:
    """Return the names of columns and a row of cells for each model that has planning skill in a task."""
    having = [m for m in told.models if (task, protocol) in m.skills]
    columns = [c for c in told.columns if any(m.number(task, c) for m in having)]
    head = ["model", "family", "planning skill", *columns]
    rows = [
        [m.label, m.family, _told(m.skills[task, protocol]), *(_told(m.number(task, c)) for c in columns)]
        for m in sorted(having, key=lambda m: -m.skills[task, protocol].value)
    ]
    return head, rows


def says(row: Row) -> str:
    """Return what a relation supports: a direction only where interval and corrected p-value both allow it.

    A bootstrap of a handful of families draws too narrow, and the exact permutation knows nothing of spread.
    """
    told = row.relation
    within = ", ".join(f"within {name} {tau:+.2f}" for name, tau in told.within.items())
    if told.reason:
        said = told.reason
    elif row.p_holm is None or row.p_holm > 1 - LEVEL:
        said = "no relation can be told"
    elif told.kendall_lo is not None and told.kendall_lo > 0:
        said = "better goes with better"
    elif told.kendall_hi is not None and told.kendall_hi < 0:
        said = "better goes with worse"
    else:
        said = "no relation can be told"
    return "; ".join(filter(None, (said, within)))


def _cells(row: Row) -> list[str]:
    r = row.relation
    return [
        row.task, row.protocol, row.column, words.number(r.kendall, 2),
        words.interval({"lo": r.kendall_lo, "hi": r.kendall_hi}), words.number(r.spearman, 2),
        words.interval({"lo": r.spearman_lo, "hi": r.spearman_hi}), chance(r.p), chance(row.p_holm),
        words.number(r.n), words.number(r.families),
    ]  # fmt: skip


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |" for cells in lines]


def _told(number: Number | None) -> str:
    if number is None:
        return words.NONE
    band = "" if number.lo is None or number.hi is None else f" ({number.lo:.2f} to {number.hi:.2f})"
    return f"{number.value:.3g}{band}"


def picture(told: Utility) -> Markup:
    """Return an SVG: planning skill against each column, a row for each task, a colour for each family.

    Points of one family are joined in the order in which their runs were given. Axes of columns where less
    is better run backwards, so that better is always to the right and up.
    """
    columns = [c for c in told.columns if any(r.column == c and r.relation.n > 1 for r in told.rows)]
    families = list(dict.fromkeys(m.family for m in told.models if not m.reference))
    wide = max(560, LEFT + len(columns) * (WIDTH + GAP) + 10)
    top, step = 138, HEIGHT + 74
    marks = [
        text(24, 36, "Does better prediction go with better plans?", "t"),
        text(24, 56, f"Planning skill of models ({told.tag}); right is better. Lines: 95 % intervals.", "s"),
        *_legend(families, any(m.reference for m in told.models)),
    ]  # fmt: skip
    for i, column in enumerate(columns):
        marks.append(text(LEFT + i * (WIDTH + GAP), top - 18, column, "h"))
    for r, (task, protocol) in enumerate(told.questions):
        y = top + r * step
        marks += [text(24, y + 14, task.partition("@")[0], "h"), text(24, y + 32, protocol, "s")]
        for i, column in enumerate(columns):
            row = next(
                (x for x in told.rows if (x.task, x.protocol, x.column) == (task, protocol, column)), None
            )
            marks += _plot(told, families, row, (LEFT + i * (WIDTH + GAP), y), first=i == 0)
    words_of = f"planning skill against {', '.join(columns)} in {len(told.questions)} tasks"
    return sheet(wide, top + len(told.questions) * step, words_of, marks)


def _legend(families: Sequence[str], aside: bool) -> list[Markup]:
    marks, x = [], 24.0
    for i, name in enumerate([*families, *(["references, organisms"] if aside else [])]):
        marks.append(_disc(x + 5, 80, None if i >= len(families) else i, name))
        marks.append(text(x + 16, 84, name))
        x += 36 + 6.8 * len(name)
    return marks


def _plot(
    told: Utility, families: Sequence[str], row: Row | None, corner: tuple[float, float], *, first: bool
) -> list[Markup]:  # fmt: skip
    left, top = corner
    having: list[tuple[Model, Number, Number]] = []
    if row is not None and row.relation.n > 1:
        pairs = (
            (m, m.number(row.task, row.column), m.skills.get((row.task, row.protocol))) for m in told.models
        )
        having = [(m, x, y) for m, x, y in pairs if x is not None and y is not None]
    marks = [
        line(left, top + HEIGHT, left + WIDTH, top + HEIGHT, "g"), line(left, top, left, top + HEIGHT, "g"),
    ]  # fmt: skip
    if row is None or not having:
        reason = row.relation.reason if row is not None and row.relation.reason else "no model has both"
        return [*marks, text(left + 8, top + HEIGHT / 2, reason if len(reason) < 28 else "not compared", "m")]
    low, high = _span([y for _, _, y in having], (0.0, 1.0))
    start, end = _span([x for _, x, _ in having], None)
    higher = having[0][1].higher

    def across(value: float) -> float:
        share = (min(end, max(start, value)) - start) / (end - start)
        return left + WIDTH * (share if higher else 1 - share)

    def up(value: float) -> float:
        return top + HEIGHT * (1 - (min(high, max(low, value)) - low) / (high - low))

    for value in (0.0, 1.0):
        marks.append(line(left, up(value), left + WIDTH, up(value), "z"))
        if first:
            marks.append(text(left - 8, up(value) + 4, f"{value:g}", "m e"))
    for family in families:
        joined = [
            (across(x.value), up(y.value)) for m, x, y in having if m.family == family and not m.reference
        ]
        if len(joined) > 1:
            path = "L".join(f"{x:.1f} {y:.1f}" for x, y in joined)
            form = '<path d="M{}" fill="none" stroke="var(--c{})" stroke-width="1.2" opacity=".35"/>'
            marks.append(Markup(form).format(path, families.index(family) % COLOURS))
    for m, x, y in having:
        which = None if m.reference else families.index(m.family)
        marks += _cross((across, up), x, y, which)
        marks.append(
            _disc(across(x.value), up(y.value), which, f"{m.label}: {x.value:.3g}, skill {y.value:.2f}")
        )
    values = sorted((x.value for _, x, _ in having), key=across)
    marks.append(text(across(values[0]), top + HEIGHT + 16, _short(values[0]), "m c"))
    marks.append(text(across(values[-1]), top + HEIGHT + 16, _short(values[-1]), "m c"))
    return [*marks, text(left + WIDTH / 2, top + HEIGHT + 33, _brief(row), "m c")]


def _cross(scale: tuple, x: Number, y: Number, which: int | None) -> list[Markup]:  # type: ignore[type-arg]
    across, up = scale
    colour = "mark" if which is None else f"c{which % COLOURS}"
    ends = []
    if y.lo is not None and y.hi is not None:
        ends.append((across(x.value), up(y.lo), across(x.value), up(y.hi)))
    if x.lo is not None and x.hi is not None:
        ends.append((across(x.lo), up(y.value), across(x.hi), up(y.value)))
    form = '<path d="M{:.1f} {:.1f}L{:.1f} {:.1f}" stroke="var(--{})" stroke-width="1.6" opacity=".35"/>'
    return [Markup(form).format(*end, colour) for end in ends]


def _disc(x: float, y: float, which: int | None, title: str) -> Markup:
    if which is None:
        form = '<circle cx="{:.1f}" cy="{:.1f}" r="3.6" fill="var(--paper)" stroke="var(--mark)">'
        return Markup(form + "<title>{}</title></circle>").format(x, y, title)
    form = (
        '<circle cx="{:.1f}" cy="{:.1f}" r="4.4" fill="var(--c{})" stroke="var(--paper)" stroke-width="1.2">'
    )
    return Markup(form + "<title>{}</title></circle>").format(x, y, which % COLOURS, title)


def _brief(row: Row) -> str:
    r = row.relation
    if r.kendall is None:
        return "no correlation"
    band = (
        f"{r.kendall_lo:+.2f} to {r.kendall_hi:+.2f}"
        if r.kendall_lo is not None
        else f"{r.families} families"
    )
    return f"τ {r.kendall:+.2f} ({band})"


def _span(numbers: Sequence[Number], least: tuple[float, float] | None) -> tuple[float, float]:
    """Return the ends of an axis: all values and intervals, but intervals add at most a third."""
    values = np.array([n.value for n in numbers])
    low, high = float(values.min()), float(values.max())
    if least:
        low, high = min(low, least[0]), max(high, least[1])
    reach = (high - low) or abs(high) or 1.0
    ends = [e for n in numbers for e in (n.lo, n.hi) if e is not None]
    low, high = max(low - reach / 6, min([low, *ends])), min(high + reach / 6, max([high, *ends]))
    return low - 0.06 * (high - low or reach), high + 0.06 * (high - low or reach)


def _short(value: float) -> str:
    """Return three digits of a number, and 0 for what is none but for rounding.

    >>> _short(1e-17), _short(0.3651)
    ('0', '0.365')
    """
    return f"{0.0 if abs(value) < 1e-9 else value:.3g}"
