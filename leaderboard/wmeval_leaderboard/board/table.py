"""The board as it is drawn: one section a class, since classes never share a ranking, one row a model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from wmeval.errors import UsageError
from wmeval_leaderboard.board.columns import Column, columns, mean, tags, views
from wmeval_leaderboard.board.entry import Cell, Entry, Key, Season
from wmeval_leaderboard.board.query import Query
from wmeval_leaderboard.board.ranks import Cases, Order, Ranked, order
from wmeval_leaderboard.board.snapshot import Row, Snapshot

PER_PAGE = 40  # rows; a page stays below 200 kB
REFERENCES = ("oracle", "linear", "freeze", "vanish", "blur", "noise")
Load = Callable[[Sequence[Entry], Column], Cases]


@dataclass(frozen=True)
class Line:
    """One model's row: its place by the sorted column and its number in each."""

    ranked: Ranked
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Section:
    """The models of one class on this page, of `total` in all; `method` is how their ranks were found."""

    classes: tuple[str, ...]
    lines: tuple[Line, ...]
    total: int
    method: str


@dataclass(frozen=True)
class Reference:
    """A row of what is no model: the truth itself, and what knows nothing."""

    name: str
    cells: tuple[Cell | None, ...]
    model: str = ""  # slug, where it was submitted too


@dataclass(frozen=True)
class Board:
    """All that a page of the board shows."""

    season: Season
    query: Query
    views: Mapping[str, str]
    tags: tuple[str, ...]
    classes: tuple[tuple[str, ...], ...]  # all of the season
    columns: tuple[Column, ...]
    sorted_by: Column | None
    sections: tuple[Section, ...]
    references: tuple[Reference, ...]
    count: int  # models that pass the filters
    pages: int


def board(snapshot: Snapshot, query: Query, load: Load, *, per_page: int | None = PER_PAGE) -> Board:
    """Return what an address of the board shows; `load` gives the values of cases for the ranks.

    Raises:
        UsageError: the season, tag or column is none of those there are.
    """
    season = snapshot.season(query.season)
    everyone = snapshot.standing(season.name)
    models = [e for e in everyone if not e.reference]
    all_tags = snapshot.once(("tags", season.name), lambda: tags(everyone))
    if all_tags and query.tag == Query().tag not in all_tags:
        query = replace(query, tag=all_tags[0])  # a suite of tasks has tags of its own
    # on an empty board, too: what is made for a tag is kept
    if query.tag not in (known := all_tags or [Query().tag]):
        raise UsageError(f"tag was given as {query.tag!r}; expected {' or '.join(known)}")
    made = snapshot.once(
        ("columns", season.name, query.view, query.tag), lambda: columns(query.view, query.tag, everyone)
    )
    shown = snapshot.once(("views", season.name, query.tag), lambda: views(everyone, query.tag))
    by = _sorted_by(made, query.sort)
    admitted = [e for e in models if query.admits(e)]
    classed: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
    for entry in models:
        classed[entry.classes].append(entry)
    # ranks are among all of a class, whatever a reader filters out
    key = ("order", season.name, query.view, query.tag, by.key if by else "")
    orders = {
        c: snapshot.once((*key, *c), partial(_order, classed[c], by, load))
        for c in sorted(classed, key=lambda c: (-len(classed[c]), c))
    }
    chosen = {e.id for e in admitted}
    pages = 1 if per_page is None else max(1, -(-len(admitted) // per_page))
    first = 0 if per_page is None else (min(query.page, pages) - 1) * per_page
    last = len(admitted) if per_page is None else first + per_page
    sections, at = [], 0
    for classes, told in orders.items():
        rows = [r for r in told.rows if r.entry.id in chosen]
        here = rows[max(0, first - at) : max(0, last - at)]
        at += len(rows)
        if here:
            lines = tuple(Line(r, tuple(c.read(r.entry) for c in made)) for r in here)
            sections.append(Section(classes, lines, len(rows), told.method))
    return Board(
        season, query, shown, tuple(all_tags), tuple(orders), tuple(made), by,
        tuple(sections), tuple(_references(snapshot, everyone, made)), len(admitted), pages,
    )  # fmt: skip


def _sorted_by(made: Sequence[Column], name: str) -> Column | None:
    if name:
        for column in made:
            if column.key == name:
                return column
        raise UsageError(f"sort was given as {name!r}; expected {' or '.join(c.key for c in made)}")
    skills = [c for c in made if c.skill and c.ranked]
    return (skills or list(made) or [None])[0]  # type: ignore[list-item]


def _order(entries: Sequence[Entry], by: Column | None, load: Load) -> Order:
    if by is None:
        return Order(tuple(Ranked(e, None, None, -1) for e in entries), "none")
    return order(entries, by, load(entries, by))


def _references(
    snapshot: Snapshot, entries: Sequence[Entry], made: Sequence[Column]
) -> list[Reference]:  # fmt: skip
    """Return the rows of references: as submitted where they were, else as stored with the anchors."""
    submitted = {e.name: e for e in entries if e.reference}
    rows = []
    for name in dict.fromkeys((*REFERENCES, *submitted)):
        entry = submitted.get(name)
        cells = tuple(_of_reference(snapshot, name, entry, c) for c in made)
        if any(c is not None for c in cells):
            rows.append(Reference(name, cells, entry.model if entry else ""))
    return rows


def _of_reference(snapshot: Snapshot, name: str, entry: Entry | None, column: Column) -> Cell | None:
    own = (
        column.read(entry) if entry is not None and column.key != "speed" else None
    )  # a null computes nothing
    return own if own is not None and own.whole else _stored(snapshot, name, column) or own


def _stored(snapshot: Snapshot, name: str, column: Column) -> Cell | None:
    def one(key: Key) -> Cell | None:
        row: Row | None = snapshot.references.get(key, {}).get(name)
        if row is None or row.get("skill") is None or key[3] == "control":
            return None
        return Cell(row["skill"], row.get("lo"), row.get("hi"), int(row.get("n") or 0))

    cells = [c for c in map(one, column.parts) if c is not None]
    told = mean(cells, len(column.parts))
    return replace(told, out_of=told.of) if told else None
