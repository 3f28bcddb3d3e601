"""The table of a run for the terminal: profile, implied physics, fidelity, speed, where the files are."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from wmeval.report import groups, own, planning, sections, words
from wmeval.report.html import lead

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

STRIP = 21  # characters for skill from LOW to 1
SCALE = "    0       ½       1"
LOW = -0.25
WIDE = 140  # columns below which the strip is left out
BRIEF = ("skill", "95 %", "n", "bad", "found", "error", "null", "ceil", "sees")
ROOMY = 112  # columns below which units and versions are
NUMBERS = ("skill", "95 %", "n", "failed", "found", "error", "null", "ceiling", "detects")
PLAIN = 160  # columns where there is no terminal to ask


def show(results: Mapping[str, Any], paths: Mapping[str, Path], stream: TextIO | None = None) -> None:
    """Print a run: each probe with its interval and its instrument's calibration, then all the rest."""
    console = open_console(stream)
    model = results["model"]
    marks = ", ".join(b["text"] for b in sections.badges(results))
    console.print(
        cell_text(f"\n{model['name']}", "bold"), cell_text(f"on {results['suite']} "), cell_text(marks, "dim")
    )
    recorded = bool(results.get("own"))
    console.print(lead(results) + "\n", markup=False)
    for group in groups.grouped(results["scores"]):
        if group.kind == "asked":
            console.print(_profile(group.scores, console.width))
            continue
        console.print(_group(group))
        for probe, note in group.notes:
            console.print(f"  {probe}: {note}", markup=False, style="dim")
    if told := words.energies(results):
        console.print(f"  {told}", markup=False)
    for table in own.tables(results) if recorded else ():
        console.print(_own(table))
    for sentence in own.reasons(results) if recorded else ():
        console.print(f"  {sentence}", markup=False, style="dim")
    for table in planning.tables(results):
        console.print(_planning(table))
        for what, note in table["notes"]:
            console.print(f"  {what}: {note}", markup=False, style="dim")
    for sentence in _reasons(results["scores"]):
        console.print(f"  {sentence}", markup=False, style="dim")
    for what, reason in sections.not_asked(results.get("na") or []):
        console.print(f"  {what}: not applicable, {reason}", markup=False, style="dim")
    for part in (_splits(results["scores"]), _implied(results), _fidelity(results)):
        if part:
            console.print(part)
    for row in results.get("fidelity") or []:
        if row["reason"]:
            console.print(f"  {row['metric']}: {row['reason']}", markup=False, style="dim")
    for sentence in [*([own.paces(results["own"])] if recorded else []), *_speed(results)]:
        console.print(sentence, markup=False)
    console.print()
    for name, path in paths.items():
        console.print(f"{name:7} {path}", markup=False, soft_wrap=True)


def strip(score: Mapping[str, Any]) -> str:
    """Return skill and interval drawn in characters, from a quarter below the null to the truth.

    >>> strip({"skill": 0.5, "lo": 0.25, "hi": 0.75})
    '    ┊   ────●────   ┊'
    """
    cells = [" "] * STRIP
    cells[_cell(0.0)] = cells[_cell(1.0)] = "┊"
    if score.get("lo") is not None and score.get("hi") is not None:
        for i in range(_cell(score["lo"]), _cell(score["hi"]) + 1):
            cells[i] = "─"
    if score.get("skill") is not None:
        cells[_cell(score["skill"])] = "●"
    return "".join(cells)


def _cell(skill: float) -> int:
    return round((STRIP - 1) * (min(1.0, max(LOW, skill)) - LOW) / (1.0 - LOW))


def _profile(scores: Sequence[Mapping[str, Any]], width: int) -> Table:
    several = len({(s["instrument"], s["tag"]) for s in scores}) > 1
    rows = [_row(s, several, width) for s in scores]
    table = grid("", list(rows[0]), right={*NUMBERS, *BRIEF}, close=width < ROOMY)
    for row in rows:
        table.add_row(
            *(cell_text(c, "red" if n in ("failed", "bad") and c != "0" else "") for n, c in row.items())
        )
    return table


def _row(score: Mapping[str, Any], several: bool, width: int) -> dict[str, str]:
    """Return the cells of a score by the names of their columns; the narrower, the fewer words."""
    roomy = width >= ROOMY
    row = {"probe": score["probe"] if roomy else score["probe"].partition("@")[0]}
    if several and roomy:
        row |= {"asked by": score["instrument"], "tag": score["tag"]}
    elif several:
        row["probe"] += f" {score['instrument']} {score['tag']}"
    if width >= WIDE:
        row[SCALE] = strip(score)
    digits = 3 if roomy else 2
    cells = (
        words.number(score["skill"], 2), words.interval(score), words.number(score["n"]),
        words.number(score["failed"]), words.percent(score["found"]), words.number(score["error"], digits),
        words.number(score["null"], digits), words.number(score["ceiling"], digits),
        words.number(score["detectable"], digits),
    )  # fmt: skip
    if roomy:
        return row | dict(zip(NUMBERS, cells, strict=True)) | {"unit": score["unit"]}
    row |= dict(zip(BRIEF, cells, strict=True))
    return row | {"95 %": row["95 %"].replace(" to ", "..")}


def _group(group: groups.Group) -> Table:
    table = grid(group.title, group.columns, right={*group.columns} - {"probe", "tag", "unit"})
    for row in group.rows:
        cells = zip(group.columns, row, strict=True)
        table.add_row(*(cell_text(c, "red" if name == "failed" and c != "0" else "") for name, c in cells))
    return table


def _splits(scores: Sequence[Mapping[str, Any]]) -> Table | None:
    rows = groups.splits(scores)
    names = ["probe", "tag", "error", *groups.SIDES, "n", "unit"]
    table = grid("Where the error comes from", names, right={"error", *groups.SIDES, "n"})
    for row in rows:
        table.add_row(*(cell_text(row[name]) for name in names))
    if reasons := groups.split_reasons(rows):
        table.caption, table.caption_justify = cell_text("  " + "; ".join(reasons), "dim"), "left"
    return table if rows else None


def _own(told: Mapping[str, Any]) -> Table:
    words_of = {"metric", "of", "asked", "unit", "read"}
    table = grid(told["title"], told["columns"], right=set(told["columns"]) - words_of)
    for row in told["rows"]:
        table.add_row(*(cell_text(c, "dim" if not row[0] else "") for c in row))
    return table


def _planning(told: Mapping[str, Any]) -> Table:
    keep = [i for i, name in enumerate(told["columns"]) if name not in planning.BESIDE]
    names = [told["columns"][i] for i in keep]
    table = grid(told["title"], names, right=set(names) - planning.TEXT, close=True)
    for column in table.columns:
        column.no_wrap = True
    for row in told["rows"]:
        cells = [(told["columns"][i], row[i]) for i in keep]
        table.add_row(*(cell_text(c, "red" if n == "failed" and c != "0" else "") for n, c in cells))
    return table


def _reasons(scores: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return why numbers or intervals are missing, each reason once with the probes that it holds for."""
    told: dict[str, list[str]] = {}
    for score in scores:
        if score.get("reason"):
            told.setdefault(score["reason"], []).append(score["probe"])
    return [f"{', '.join(dict.fromkeys(probes))}: {reason}" for reason, probes in told.items()]


def _implied(results: Mapping[str, Any]) -> Table | None:
    rows = sections.implied(results.get("implied") or [])
    known = any("truth" in q for q in results.get("implied") or [])
    columns = {"name": "quantity", "probe": "probe", "value": "in this model", "truth": "in truth", "n": "n"}
    shown = [k for k in columns if k != "truth" or known]
    table = grid("Implied physics", [columns[k] for k in shown])
    for q in rows:
        table.add_row(*(cell_text(q[k]) for k in shown))
    return table if rows else None


def _fidelity(results: Mapping[str, Any]) -> Table | None:
    facts = sections.fidelity(results.get("fidelity") or [])
    names = ["metric", "tag", "value", "95 %", "n", *facts["references"], "unit"]
    table = grid("Fidelity", names, right=set(names) - {"metric", "tag", "unit"})
    for m in facts["rows"]:
        arrow = {"higher": " ↑", "lower": " ↓"}.get(m["better"], "")
        cells = [m["name"] + arrow, m["tag"], m["value"], m["interval"], m["n"], *m["references"], m["unit"]]
        table.add_row(*(cell_text(c) for c in cells))
    return table if facts["rows"] else None


def _speed(results: Mapping[str, Any]) -> list[str]:
    facts = sections.speed(results.get("speed") or {})
    if not facts:
        return []
    told = dict(facts["facts"])
    rest = [f"{told[k]} {k}" for k in ("a frame", "frames a second in the model", "workers") if k in told]
    split = [f"{facts['inside']} inside the model, {facts['outside']} outside"]
    return [f"Speed: {', '.join((split if facts['share'] is not None else []) + rest)}"]


def open_console(stream: TextIO | None) -> Console:
    """Return where to print: the terminal at its width, anything else at a fixed one."""
    from rich.console import Console

    out = stream or sys.stdout
    return Console(file=out, width=None if out.isatty() else PLAIN, highlight=False)


def grid(title: str, columns: Sequence[str], right: set[str] | None = None, *, close: bool = False) -> Table:
    """Return an empty table in the manner of all tables here; the columns in `right` are numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title=title or None, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False,
        padding=(0, 1, 0, 0) if close else (0, 1),
    )  # fmt: skip
    for name in columns:
        side: Literal["left", "right"] = "right" if right and name in right else "left"
        table.add_column(name, justify=side, header_style="dim", no_wrap=name in (SCALE, "probe"))
    return table


def cell_text(cell: Any, style: str = "") -> Text:
    """Return a cell in which no character means anything to rich."""
    from rich.text import Text

    return Text(str(cell), style=style)
