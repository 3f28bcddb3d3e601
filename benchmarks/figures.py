"""Figures of the page on instruments, as SVG that reads in light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

STYLE = """<style>
text{font:12px system-ui,sans-serif;fill:#24292f}
.dim{fill:#6e7781}
.line{fill:none;stroke:#0969da;stroke-width:2}
.dot{fill:#0969da}
.axis{stroke:#d0d7de}
.must{stroke:#bc4c00;stroke-dasharray:3 3}
.own{fill:none;stroke:#24292f;stroke-width:2}
@media (prefers-color-scheme:dark){
text,.own{fill:#e6edf3}.dim{fill:#8d96a0}.own{fill:none;stroke:#e6edf3}
.line{stroke:#58a6ff}.dot{fill:#58a6ff}.axis{stroke:#3d444d}}
</style>"""
CELL, LEFT, TOP = 34, 150, 110


def curves(calibrations: Sequence[Mapping[str, Any]]) -> str:
    """Return small multiples of detection over strength, one a probe; the dashed strength must be seen."""
    across, wide, high = 4, 230, 150
    rows = -(-len(calibrations) // across)
    out = []
    for k, made in enumerate(calibrations):
        x0, y0 = 20 + (k % across) * wide, 20 + (k // across) * high
        w, h = wide - 50, high - 60
        grades = sorted(made["curve"], key=lambda g: g["strength"])
        top = grades[-1]["strength"]
        points = [(x0 + w * g["strength"] / top, y0 + 20 + h * (1 - g["detected"])) for g in grades]
        zero = (x0, y0 + 20 + h * (1 - made["anchor"]["false_alarms"]))
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in [zero, *points])
        out.append(f'<text x="{x0}" y="{y0 + 8}">{escape(made["anchor"]["probe"])}</text>')
        out += [
            f'<line class="axis" x1="{x0}" x2="{x0 + w}" y1="{y}" y2="{y}"/>' for y in (y0 + 20, y0 + 20 + h)
        ]
        if made["stress"]:
            x = x0 + w * made["stress"]["strength"] / top
            out.append(f'<line class="must" x1="{x:.1f}" x2="{x:.1f}" y1="{y0 + 20}" y2="{y0 + 20 + h}"/>')
        out.append(f'<polyline class="line" points="{path}"/>')
        out += [f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points]
        out.append(f'<text class="dim" x="{x0}" y="{y0 + h + 36}">0</text>')
        out.append(f'<text class="dim" text-anchor="end" x="{x0 + w}" y="{y0 + h + 36}">{top:g}</text>')
    return _svg(across * wide + 20, rows * high + 20, out, "Share of violations seen, over their strength")


def matrix(
    cells: Mapping[str, Mapping[str, float | None]], own: Mapping[str, Sequence[str]], *, words: str
) -> str:
    """Return a table of shares in colours: rows by name, columns by probe; framed cells are a row's own."""
    columns = list(next(iter(cells.values())))
    out = [
        f'<text transform="translate({LEFT + CELL * j + CELL * 0.65:.0f},{TOP - 8}) rotate(-55)">'
        f"{escape(name)}</text>"
        for j, name in enumerate(columns)
    ]
    for i, (name, row) in enumerate(cells.items()):
        y = TOP + CELL * i
        out.append(f'<text text-anchor="end" x="{LEFT - 8}" y="{y + CELL * 0.62:.0f}">{escape(name)}</text>')
        for j, column in enumerate(columns):
            x, value = LEFT + CELL * j, row[column]
            if value is None:
                out.append(f'<text class="dim" text-anchor="middle" x="{x + CELL / 2}" y="{y + 21}">-</text>')
                continue
            out.append(
                f'<rect x="{x + 1}" y="{y + 1}" width="{CELL - 2}" height="{CELL - 2}" rx="4" '
                f'fill="{_colour(value)}"/><text text-anchor="middle" x="{x + CELL / 2}" y="{y + 21}" '
                f'style="fill:{"#fff" if value < 0.66 else "#1f2328"};font-size:10px">{value:.2f}</text>'
            )
            if column in own.get(name, ()):
                side = CELL - 2
                out.append(
                    f'<rect class="own" x="{x + 1}" y="{y + 1}" width="{side}" height="{side}" rx="4"/>'
                )
    width = LEFT + CELL * len(columns) + 60
    return _svg(width, TOP + CELL * len(cells) + 10, out, words)


def _colour(value: float) -> str:
    """Return a colour from dark violet (0) over teal to pale yellow (1)."""
    stops = [
        (0.0, (68, 1, 84)),
        (0.35, (59, 82, 139)),
        (0.6, (33, 145, 140)),
        (0.85, (144, 214, 100)),
        (1.0, (253, 240, 160)),
    ]
    v = min(1.0, max(0.0, value))
    for (a, one), (b, two) in pairwise(stops):
        if v <= b:
            t = (v - a) / (b - a)
            return "#" + "".join(f"{round(p + (q - p) * t):02x}" for p, q in zip(one, two, strict=True))
    raise AssertionError(value)


def _svg(width: float, height: float, marks: Sequence[str], words: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="{escape(words)}">{STYLE}{"".join(marks)}</svg>\n'
    )
