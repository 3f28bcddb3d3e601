"""Fidelity against utility: points with both, what none of them beats, and how the one goes with the other.

The statistics are those of `wmeval utility` (`wmeval.report.utility`): families of models are the unit, tasks
are never pooled, references take part in no correlation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wmeval.errors import UsageError
from wmeval.report.utility import Number, Row, utility
from wmeval_leaderboard.board.entry import Entry
from wmeval_leaderboard.board.snapshot import Snapshot


@dataclass(frozen=True)
class Point:
    """A model that has both numbers; `front` where no other of its class is at least as good in both."""

    entry: Entry
    x: Number
    y: Number
    front: bool


@dataclass(frozen=True)
class Relations:
    """All points by (task, protocol, column), and how each column goes with planning skill there."""

    tag: str
    questions: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]
    points: Mapping[tuple[str, str, str], tuple[Point, ...]]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    def row(self, task: str, protocol: str, column: str) -> Row | None:
        """Return how a column goes with planning skill in a task."""
        return next(
            (r for r in self.rows if (r.task, r.protocol, r.column) == (task, protocol, column)), None
        )


@dataclass(frozen=True)
class _Run:
    """An entry in the place of a run's folder."""

    path: str
    results: Mapping[str, Any]

    def records(self) -> Iterator[Mapping[str, Any]]:
        """Yield nothing: what was answered in each case is not kept in this form."""
        return iter(())


def relations(snapshot: Snapshot, season: str, tag: str) -> Relations | None:
    """Return what a season's models show; planning that its suite does not ask is taken from other seasons.

    None where no model has planning skill on this tag.
    """
    return snapshot.once(("relations", season, tag), lambda: _relations(snapshot, season, tag))


def _relations(snapshot: Snapshot, season: str, tag: str) -> Relations | None:
    entries = snapshot.standing(season)
    runs, elsewhere = [], []
    for entry in entries:
        of = entry if entry.plans else _elsewhere(snapshot, entry)
        plans = list(of.planned(tag).values())
        if plans and of.season != season:
            elsewhere.append(f"planning of {entry.name} is from season {of.season}")
        runs.append(_Run(entry.slug, _results(entry, plans)))
    try:
        told = utility(runs, tag)  # type: ignore[arg-type]
    except UsageError:
        return None
    by_slug = {e.slug: e for e in entries}
    models = [(by_slug[m.label.split()[0]], m) for m in told.models]
    points = {
        (task, protocol, column): _front([
            (e, x, m.skills[task, protocol])
            for e, m in models
            if (task, protocol) in m.skills and (x := m.number(task, column)) is not None
        ])
        for task, protocol in told.questions
        for column in told.columns
    }  # fmt: skip
    notes = (*elsewhere, *(n for n in told.notes if not n.startswith("no cost error")))
    return Relations(tag, tuple(told.questions), tuple(told.columns), points, tuple(told.rows), notes)


def _front(told: Sequence[tuple[Entry, Number, Number]]) -> tuple[Point, ...]:
    able = [t for t in told if not t[0].reference]
    return tuple(
        Point(
            e,
            x,
            y,
            not e.reference and not any(_beats(o, (e, x, y)) for o in able if o[0].classes == e.classes),
        )
        for e, x, y in told
    )


def _beats(one: tuple[Entry, Number, Number], other: tuple[Entry, Number, Number]) -> bool:
    """Return whether one is at least as good in both numbers, and better in one of them."""
    (_, a, b), (_, c, d) = one, other
    side = 1 if a.higher else -1
    first, second = side * (a.value - c.value), b.value - d.value
    return first >= 0 and second >= 0 and (first > 0 or second > 0)


def _elsewhere(snapshot: Snapshot, entry: Entry) -> Entry:
    """Return the same model and class in the newest season in which it plans; the entry itself in none."""
    found = (
        e
        for s in snapshot.seasons
        for e in snapshot.standing(s.name)
        if (e.model, e.classes) == (entry.model, entry.classes) and e.plans
    )
    return next(found, entry)


def _results(entry: Entry, plans: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return as much of results.json as the statistics read; the slug is the name, so none are mixed up."""
    scores = [
        {"probe": key[1], "instrument": key[2], "tag": key[3], "skill": c.value, "lo": c.lo, "hi": c.hi}
        for key, c in entry.cells.items()
        if key[0] == "scores" and key[3] != "control"
    ]
    model = {
        "name": entry.slug,
        "version": "",
        "weights": entry.slug,
        "options": {},
        "reference": entry.reference,
    }
    return {
        "suite": entry.suite, "model": model, "card": {**entry.card, "version": "", "family": entry.family},
        "scores": scores, "fidelity": list(entry.metrics), "planning": list(plans), "partial": False,
        "complete": True,
    }  # fmt: skip
