"""Small plots as inline SVG: positions are percentages, so that they grow with the page and text does not.

Every value that reaches the markup is a number or is escaped. Each plot says in words what it shows, for
readers who do not see it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LOW, HIGH = -0.25, 1.05  # of the axis of skill; what lies beyond is drawn at the edge
BINS = 40  # of a distribution
TALL = 130  # px of a distribution and of the curve beside it


def interval(score: Mapping[str, Any]) -> Markup:
    """Return the strip of one score: its skill and interval, and the reference rows as small marks."""
    marks = [_line(x, x, 0, 100, "grid") for x in (0.0, 0.5, 1.0)]
    for name, row in sorted((score.get("rows") or {}).items()):
        if (skill := _finite(row)) is not None:
            marks.append(_mark(name, skill))
    skill, lo, hi = (_finite(score.get(k)) for k in ("skill", "lo", "hi"))
    if lo is not None and hi is not None:
        marks.append(_line(lo, hi, 50, 50, "range"))
    words = "no skill: " + str(score.get("reason") or "nothing was measured")
    if skill is not None:
        marks.append(Markup('<circle class="skill" cx="{}%" cy="50%" r="6"/>').format(at(skill)))
        words = f"skill {skill:.2f}"
        if lo is not None and hi is not None:
            words += f", 95 % interval {lo:.2f} to {hi:.2f}"
    return _figure("strip", words, marks)


def distribution(
    errors: Sequence[tuple[float, bool, str]], *, worst: float, null: float | None, ceiling: float | None
) -> Markup:
    """Return dots of the errors of cases on an axis from 0 to `worst`; (error, failed, key) each.

    Dots that would overlap are stacked, as in a histogram of 40 bins whose counts can be read.
    """
    anchors = [
        Markup('<line class="ref {}" x1="{x}%" x2="{x}%" y2="100%"/>').format(name, x=share(value, worst))
        for value, name in ((ceiling, "ceiling"), (null, "null"))
        if value is not None
    ]
    columns = [min(BINS - 1, int(BINS * min(error, worst) / worst)) for error, _, _ in errors]
    step = min(11.0, (TALL - 12) / max(map(columns.count, columns), default=1))
    stacked: dict[int, int] = {}
    dots = []
    for column, (_, failed, key) in sorted(zip(columns, errors, strict=True), key=lambda c: c[1]):
        level = stacked[column] = stacked.get(column, 0) + 1
        x, y = round(1.25 + 97.5 * (column + 0.5) / BINS, 2), round(3 - step * level, 1)
        dots.append(
            Markup('<circle class="case{}" data-case="{}" cx="{}%" cy="{}" r="{}"/>').format(
                " failed" if failed else "", key, x, y, max(1.5, step / 2 - 0.5)
            )
        )
    # the inner origin is the foot of the plot, so that dots stack upwards whatever the height
    standing = Markup('<svg y="100%" overflow="visible">{}</svg>').format(Markup("").join(dots))
    median = float(np.median([e for e, _, _ in errors])) if errors else math.nan
    words = f"{len(errors)} cases, median error {median:.3g} of at most {worst:g}"
    return _figure("dots", words, [*anchors, standing], height=TALL)


Band = tuple[Floats, Floats, Floats]  # low, middle, high, (T,) each


def curve(
    times: Floats, bands: Mapping[str, Band], *, top: float, words: str,
    shade: tuple[float, float] | None = None, level: float | None = None, at: float | None = None,
) -> Markup:  # fmt: skip
    """Return lines over time with a band around each: name -> (low, middle, high), each (T,).

    The axes run from the first to the last time and from 0 to `top`; NaN leaves a gap. `shade` [% of the
    width] marks a span of time, `at` [%] a moment, `level` a value.
    """
    marks = []
    if shade is not None:
        left, right = shade
        marks.append(
            Markup('<rect class="shade" x="{:.2f}" width="{:.2f}" y="0" height="100"/>').format(
                left, right - left
            )
        )
    if level is not None:
        y = f"{100 - 100 * level / top:.2f}"
        marks.append(Markup('<path class="rule" d="M0 {y}H100"/>').format(y=y))
    if at is not None:
        marks.append(Markup('<path class="rule" d="M{:.2f} 0V100"/>').format(at))
    for name, (low, middle, high) in bands.items():
        ok = np.isfinite(low) & np.isfinite(high)
        edge = [*zip(times[ok], high[ok], strict=True), *reversed([*zip(times[ok], low[ok], strict=True)])]
        if edge:
            marks.append(Markup('<path class="band {}" d="{}Z"/>').format(name, _path(edge, times, top)))
        for part in _runs(np.isfinite(middle)):
            points = [*zip(times[part], middle[part], strict=True)]
            marks.append(Markup('<path class="line {}" d="{}"/>').format(name, _path(points, times, top)))
    return Markup(
        '<svg class="curve" viewBox="0 0 100 100" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}</svg>'
    ).format(words, Markup("").join(marks))


def spark(values: Sequence[float | None]) -> Markup:
    """Return a line of the size of a word through values of successive frames; nothing for fewer than 2."""
    known = [v for v in values if v is not None and math.isfinite(v)]
    if len(known) < 2:
        return Markup("")
    low, span = min(known), (max(known) - min(known)) or 1.0
    line = np.array([math.nan if v is None else (v - low) / span for v in values], dtype=np.float64)
    times = np.arange(len(values), dtype=np.float64)
    paths = [
        Markup('<path class="line" d="{}"/>').format(
            _path([*zip(times[r], line[r], strict=True)], times, 1.0)
        )
        for r in _runs(np.isfinite(line))
    ]
    words = f"from {known[0]:.3g} on the first predicted frame to {known[-1]:.3g} on the last"
    return Markup(
        '<svg class="spark" viewBox="0 0 100 100" preserveAspectRatio="none" role="img" '
        'aria-label="{}"><title>{}</title>{}</svg>'
    ).format(words, words, Markup("").join(paths))


def _figure(kind: str, words: str, marks: Iterable[Markup], height: int | None = None) -> Markup:
    size = Markup(' height="{}"').format(height) if height else ""
    return Markup('<svg class="{}" width="100%"{} role="img" aria-label="{}">{}</svg>').format(
        kind, size, words, Markup("").join(marks)
    )


def _mark(name: str, skill: float) -> Markup:
    title = f"{name} {skill:.2f}"
    if name == "oracle":
        return Markup(
            '<svg x="{}%" y="50%" overflow="visible"><title>{}</title>'
            '<path class="mark oracle" d="M0-5L5 0L0 5L-5 0Z"/></svg>'
        ).format(at(skill), title)
    shape = "linear" if name == "linear" else "null"
    return Markup(
        '<svg x="{}%" y="50%" overflow="visible"><title>{}</title><path class="mark {}" d="{}"/></svg>'
    ).format(at(skill), title, shape, "M-5 4L0-5L5 4Z" if shape == "linear" else "M0-7V7")


def _line(x1: float, x2: float, y1: int, y2: int, kind: str) -> Markup:
    line = Markup('<line class="{}" x1="{}%" x2="{}%" y1="{}%" y2="{}%"/>')
    return line.format(kind, at(x1), at(x2), y1, y2)


def at(skill: float) -> float:
    """Return where a skill lies on its axis, in per cent of the width."""
    return round(100 * (min(HIGH, max(LOW, skill)) - LOW) / (HIGH - LOW), 2)


def share(value: float, worst: float) -> float:
    """Return where an error lies on the axis from 0 to the worst, in per cent of the width."""
    return round(1.25 + 97.5 * min(1.0, max(0.0, value / worst)), 2)


def _path(points: Sequence[tuple[float, float]], times: Floats, top: float) -> Markup:
    span = float(times[-1] - times[0]) or 1.0
    return escape(
        "".join(
            f"{'L' if i else 'M'}{100 * (t - times[0]) / span:.2f} {100 - 100 * min(1.0, v / top):.2f}"
            for i, (t, v) in enumerate(points)
        )
    )


def _runs(ok: NDArray[np.bool_]) -> list[slice]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ok, [False]]).astype(np.int8)))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _finite(value: Any) -> float | None:
    value = value.get("skill") if isinstance(value, Mapping) else value
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
