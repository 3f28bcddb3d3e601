"""Human-normalised scores as text, JSON and a picture: one's own runs beside the published ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TextIO

from markupsafe import Markup

from wmeval.hns.atari import Runs, agents, games
from wmeval.hns.total import NAMES, Standing, Total, standing
from wmeval.report.sheet import dot, group, line, sheet, text

if TYPE_CHECKING:
    from rich.table import Table

TITLES = {"mean": "mean", "median": "median", "iqm": "interquartile mean"}
TICKS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
WIDE, LEFT, ROW = 900, 150, 21  # px


@dataclass(frozen=True)
class Told:
    """One's own standing beside those of published agents on the same games."""

    name: str
    own: Standing
    others: tuple[tuple[str, Standing], ...]
    missing: tuple[str, ...]  # games without runs

    @property
    def notes(self) -> list[str]:
        """Return what to mind."""
        told = []
        if self.missing:
            told.append(
                f"{len(self.missing)} of 26 games have no runs ({', '.join(self.missing)}), so these totals "
                "are not those of Atari 100k; the other agents are shown on the same games"
            )
        if self.own.mean.reason:
            told.append(self.own.mean.reason)
        elif self.own.runs[0] < 5:
            told.append(
                f"{self.own.runs[0]} runs a game; published agents have 5, and intervals of so few are narrow"
            )
        if self.own.runs[0] != self.own.runs[1]:
            told.append(
                f"games have {self.own.runs[0]} to {self.own.runs[1]} runs; those with more weigh more in "
                "the interquartile mean"
            )
        return told

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        known = {a.name: a for a in agents()}
        published = [
            {"name": name, **_totals(s), "source": known[name].source, "paper": known[name].paper,
             "printed": dict(known[name].printed), "note": known[name].note}
            for name, s in self.others
        ]  # fmt: skip
        rows = [
            {"game": game, "hns": float(s.mean()), "runs": s.tolist(), "random": games()[game].random,
             "human": games()[game].human,
             "published": {name: float(o.by_game[game].mean()) for name, o in self.others}}
            for game, s in self.own.by_game.items()
        ]  # fmt: skip
        return {
            "name": self.name, **_totals(self.own), "missing": list(self.missing), "notes": self.notes,
            "games": rows, "agents": published,
        }  # fmt: skip


def told(name: str, runs: Runs) -> Told:
    """Return what runs come to, beside published agents on the same games."""
    others = tuple((a.name, standing({g: a.runs[g] for g in runs})) for a in agents())
    return Told(name, standing(runs), others, tuple(g for g in games() if g not in runs))


def _totals(of: Standing) -> dict[str, Any]:
    return {
        **{n: asdict(getattr(of, n)) for n in NAMES},
        "above": of.above,
        "of": of.games,
        "runs": list(of.runs),
    }


def show(of: Told, stream: TextIO | None = None) -> None:
    """Print totals beside the published ones, then every game."""
    from wmeval.report.table import cell_text, grid, open_console

    console = open_console(stream)
    titles = [c for n in NAMES for c in (TITLES[n], "95 %")]
    table = grid("Human-normalised score (0 random play, 1 a human)", ["", *titles, "above human", "runs"],
                 right={*TITLES.values(), "above human", "runs"})  # fmt: skip
    for name, s in [(of.name, of.own), *of.others]:
        cells = [c for n in NAMES for c in _words(getattr(s, n))]
        runs = f"{s.runs[0]}" if s.runs[0] == s.runs[1] else f"{s.runs[0]}–{s.runs[1]}"
        style = "bold" if s is of.own else ""
        table.add_row(*(cell_text(c, style) for c in (name, *cells, f"{s.above} of {s.games}", runs)))
    console.print(table)
    console.print(_games(of))
    for note in of.notes:
        console.print(f"  {note}", markup=False, style="dim")


def _games(of: Told) -> Table:
    from wmeval.report.table import cell_text, grid

    names = [
        "score",
        "random",
        "human",
        "normalised",
        "lowest run",
        "highest run",
        "DIAMOND",
        "DreamerV3",
        "IRIS",
    ]
    table = grid("By game", ["game", *names], right=set(names))
    beside = dict(of.others)
    for game, s in sorted(of.own.by_game.items(), key=lambda row: -row[1].mean()):
        at = games()[game]
        score = at.random + s.mean() * (at.human - at.random)
        cells = [f"{v:.1f}" for v in (score, at.random, at.human)]
        cells += [f"{v:.2f}" for v in (s.mean(), s.min(), s.max())]
        cells += [f"{beside[n].by_game[game].mean():.2f}" for n in names[-3:]]
        table.add_row(*(cell_text(c) for c in (game, *cells)))
    return table


def _words(total: Total) -> tuple[str, str]:
    band = "–" if total.lo is None or total.hi is None else f"{total.lo:.2f} to {total.hi:.2f}"
    return f"{total.value:.3f}", band


def picture(of: Told) -> Markup:
    """Return an SVG: the three totals of all agents, and every game on an axis that is squeezed."""
    rows: list[tuple[str, Standing]] = [(of.name, of.own), *sorted(of.others, key=lambda o: -o[1].iqm.value)]
    top = 96
    foot = top + ROW * len(rows)
    marks = [
        text(24, 36, "Atari 100k, human-normalised", "t"),
        text(
            24,
            56,
            "0 is random play, 1 a human. Bars: 95 % intervals by bootstrap over runs within games.",
            "s",
        ),
    ]
    width = (WIDE - LEFT - 24) / 3
    for i, name in enumerate(reversed(NAMES)):
        marks += _panel(rows, name, LEFT + i * width, width - 28, top, foot)
    for r, (name, _) in enumerate(rows):
        marks.append(text(LEFT - 14, top + ROW * (r + 0.5) + 4, name[:20], "e own" if r == 0 else "e"))
    start = foot + 88
    height = start + ROW * of.own.games + 40
    return sheet(WIDE, height, _said(of), [*marks, *_by_game(of, start)])


def _panel(
    rows: Sequence[tuple[str, Standing]], name: str, left: float, width: float, top: float, foot: float
) -> list[Markup]:
    totals: list[Total] = [getattr(s, name) for _, s in rows]
    most = max(max(t.value, t.hi or 0.0) for t in totals) * 1.04
    low = min(0.0, *(min(t.value, t.lo if t.lo is not None else t.value) for t in totals))

    def x(value: float) -> float:
        return left + width * (value - low) / (most - low)

    step = next(s for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 1e9) if (most - low) / s <= 5)
    marks = [text(left, top - 12, TITLES[name], "h")]
    for k in range(math.ceil(low / step), int(most / step) + 1):
        marks.append(line(x(k * step), top, x(k * step), foot, "g"))
        marks.append(text(x(k * step), foot + 15, f"{k * step:g}", "m c"))
    if most > 1:
        marks.append(line(x(1), top, x(1), foot, "z"))
    for r, total in enumerate(totals):
        y = top + ROW * (r + 0.5)
        drawn = []
        if total.lo is not None and total.hi is not None:
            drawn.append(line(x(total.lo), y, x(total.hi), y, "r"))
        drawn.append(dot(x(total.value), y, 4.5, "p", f"{rows[r][0]}: {total.value:.3f}"))
        marks.append(group(drawn, "own" if r == 0 else "other"))
    return marks


def _by_game(of: Told, top: float) -> list[Markup]:
    every = [float(v) for s in of.own.by_game.values() for v in s]
    every += [float(o.by_game[g].mean()) for _, o in of.others for g in of.own.by_game]
    low, high = _squeezed(min(0.0, min(every))), _squeezed(max(1.0, max(every)))
    left, width = LEFT, WIDE - LEFT - 90

    def x(value: float) -> float:
        return left + width * (_squeezed(value) - low) / (high - low)

    foot = top + ROW * of.own.games
    marks = [
        text(24, top - 44, "By game", "t"),
        text(24, top - 24, "Large: mean of your runs. Small: each run. Ticks: published agents. "
             "The axis is squeezed beyond 1.", "s"),
    ]  # fmt: skip
    for tick in (t for t in TICKS if _squeezed(t) <= high):
        marks.append(line(x(tick), top, x(tick), foot, "z" if tick in (0.0, 1.0) else "g"))
        under = {0.0: "random 0", 1.0: "human 1"}.get(tick, f"{tick:g}")
        marks.append(text(x(tick), foot + 15, under, "m c"))
    for r, (game, s) in enumerate(sorted(of.own.by_game.items(), key=lambda row: -row[1].mean())):
        y = top + ROW * (r + 0.5)
        marks.append(text(left - 14, y + 4, game, "e"))
        for name, other in of.others:
            at = x(float(other.by_game[game].mean()))
            said = f"{name}: {other.by_game[game].mean():.2f}"
            form = '<path class="o" d="M{:.1f} {:.1f}v10"><title>{}</title></path>'
            marks.append(Markup(form).format(at, y - 5, said))
        if len(s) > 1:
            marks += [dot(x(float(v)), y, 2.5, "k") for v in s]
        marks.append(group([dot(x(float(s.mean())), y, 5, "p", f"{game}: {s.mean():.2f}")], "own"))
        marks.append(text(WIDE - 24, y + 4, f"{s.mean():.2f}", "e own" if s.mean() > 1 else "e"))
    return marks


def _squeezed(value: float) -> float:
    """Return the place of a score: even up to 1, logarithmic beyond, smooth at the seam.

    >>> _squeezed(0.5), _squeezed(1.0), round(_squeezed(2.718281828), 6)
    (0.5, 1.0, 2.0)
    """
    return value if value <= 1 else 1 + math.log(value)


def _said(of: Told) -> str:
    own = of.own
    return (
        f"{of.name} on {own.games} games of Atari 100k: mean {own.mean.value:.2f}, median "
        f"{own.median.value:.2f}, interquartile mean {own.iqm.value:.2f}, above a human in {own.above} games"
    )
