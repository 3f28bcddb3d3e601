"""From values to HTML. Whatever a team wrote is escaped: only this package's own marks are Markup."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from wmeval.report import plots, words
from wmeval_leaderboard.board.columns import Column
from wmeval_leaderboard.board.entry import Cell
from wmeval_leaderboard.pages.links import Links
from wmeval_leaderboard.tables import TIERS

if TYPE_CHECKING:
    from jinja2 import Environment

NAV = (
    ("board", "Board"),
    ("utility", "Fidelity and utility"),
    ("probes", "Questions"),
    ("human", "Human study"),
    ("method", "Method"),
    ("ledger", "Ledger"),
)
TIER_WORDS: Mapping[str, str] = {
    "self-reported": "the sender's own numbers",
    "re-scored": "measured again here from the predictions that were sent, on public seeds",
    "challenged": "measured here on hidden seeds that the sender saw only as questions",
    "verified": "the operator ran the weights",
}


def render(template: str, links: Links, **given: Any) -> str:
    """Return a page."""
    return environment().get_template(template).render(links=links, **given)


@cache
def environment() -> Environment:
    """Return how templates are read; those of the human study lie beside its code."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    homes = [PackageLoader("wmeval_leaderboard.pages")]
    with suppress(ImportError, ValueError):  # it has no templates here
        homes.append(PackageLoader("wmeval_leaderboard.human"))
    made = Environment(
        loader=ChoiceLoader(homes), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        "number": words.number,
        "percent": words.percent,
        "range": words.interval,
        "fact": words.fact,
        "short": lambda key: str(key).partition("@")[0],
        "day": day,
        "moment": moment,
        "count": count,
        "strip": strip,
        "level": lambda tier: TIERS.index(tier),
    }
    made.globals |= {
        "plots": plots,
        "nav": NAV,
        "tiers": TIERS,
        "tier_words": TIER_WORDS,
        "finger": finger,
        "said": said,
        "between": between,
    }
    return made


def day(seconds: float | None) -> str:
    """Return a day, UTC.

    >>> day(0.0), day(None)
    ('1970-01-01', '–')
    """
    return words.NONE if seconds is None else time.strftime("%Y-%m-%d", time.gmtime(seconds))


def moment(seconds: float | None) -> str:
    """Return a time of day too, UTC."""
    return words.NONE if seconds is None else time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def count(number: int | None) -> str:
    """Return a large number as people say it.

    >>> count(283_975).split(), count(1_300_000_000).split(), count(17), count(None)
    (['284', 'k'], ['1.3', 'B'], '17', '–')
    """
    if number is None:
        return words.NONE
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}\u00a0{unit}"
    return str(number)


def strip(cell: Cell) -> Markup:
    """Return the interval of a skill on an axis from 0 to 1, as wide as a number."""
    marks = ""
    if cell.lo is not None and cell.hi is not None:
        marks = f'<path d="M{_x(cell.lo)} 4H{_x(cell.hi)}"/>'
    if cell.value is not None:
        marks += f'<circle cx="{_x(cell.value)}" cy="4" r="3"/>'
    return Markup(f'<svg class="s" aria-hidden="true">{marks}</svg>')  # numbers alone, so nothing to escape


def said(value: float, column: Column) -> str:
    """Return a number as its column writes it: skills and shares with two decimals, so that they line up.

    >>> skill = Column("x", "x", "", lambda entry: None, skill=True)
    >>> said(-0.2149, skill), said(-0.001, skill)
    ('−0.21', '0.00')
    """
    if column.unit or column.key in ("gap", "beyond") or not (column.skill or column.key == "alarms"):
        return words.number(float(value), column.digits)
    return f"{value:.2f}".replace("-", "−" if round(value, 2) else "")


def between(cell: Cell, column: Column) -> str:
    """Return the ends of an interval, with a dash only where it cannot be taken for a minus."""
    lo, hi = (said(float(end or 0.0), column) for end in (cell.lo, cell.hi))
    return f"{lo} to {hi}" if "−" in lo + hi else f"{lo}–{hi}"


def finger(cells: list[tuple[str, Cell | None]]) -> Markup:
    """Return skills side by side as one small picture; a probe that was not asked leaves its place empty."""
    path, said = [], []
    for i, (name, cell) in enumerate(cells):
        if cell is not None and cell.value is not None:
            path.append(f"M{4 * i + 2} 20v-{max(1.0, 19 * min(1.0, max(0.0, cell.value))):.0f}")
            said.append(f"{name.partition('@')[0]} {cell.value:.2f}")
    return Markup(
        '<svg class="f" width="{w}" height="20" viewBox="0 0 {w} 20"><title>{t}</title><path d="{d}"/></svg>'
    ).format(w=4 * len(cells), t=", ".join(said), d="".join(path))


def _x(value: float) -> int:
    return round(3 + 54 * min(1.0, max(0.0, value)))
