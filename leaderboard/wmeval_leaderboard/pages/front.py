"""The board's page: filters, views, one table with a section a class, and what its marks mean."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from markupsafe import Markup
from sqlalchemy import Engine

from wmeval_leaderboard.board.cases import cases
from wmeval_leaderboard.board.columns import Column
from wmeval_leaderboard.board.entry import Cell, Entry
from wmeval_leaderboard.board.query import ACTIONS, Query
from wmeval_leaderboard.board.ranks import Cases
from wmeval_leaderboard.board.snapshot import Snapshot
from wmeval_leaderboard.board.table import PER_PAGE, Board, Load, board
from wmeval_leaderboard.database import reading
from wmeval_leaderboard.pages.links import Links
from wmeval_leaderboard.pages.render import finger, render

SIZES = (("small", "below 10 M"), ("medium", "10 M to 1 B"), ("large", "1 B and more"))


def loader(engine: Engine) -> Load:
    """Return what reads the values of cases from a database."""

    def load(entries: Sequence[Entry], column: Column) -> Cases:
        with reading(engine) as session:
            return cases(session, entries, column)

    return load


def empty(links: Links) -> str:
    """Return the page of a server that has opened no season yet."""
    title, sentence = "No season is open yet", "The operator opens one: wmeval leaderboard admin open NAME"
    return render("fault.html.j2", links, here="board", title=title, sentence=sentence)


def page(
    snapshot: Snapshot, engine: Engine, links: Links, query: Query, *, per_page: int | None = PER_PAGE
) -> str:
    """Return the page of the board under a query.

    Raises:
        UsageError: the query asks for what is not there.
    """
    told = board(snapshot, query, loader(engine), per_page=per_page)
    return render(
        "board.html.j2",
        links,
        here="board",
        board=told,
        seasons=snapshot.seasons,
        made=snapshot.submissions(told.season.name),
        contexts=sorted({c[0] for c in told.classes if c}),
        trainings=sorted({c[1] for c in told.classes if len(c) > 1}),
        sizes=SIZES,
        actions=ACTIONS,
        width=2 + len(told.columns) + any(c.key == "physics" and c.parts for c in told.columns),
        around=_around(query.page, told.pages),
        fingers=_fingers,
        permalink=query.address(season=told.season.name, page=query.page),
        data=lambda end: _data(links, query, told, end),
    )


def _data(links: Links, query: Query, told: Board, end: str) -> str:
    asked = query.address(season=told.season.name)
    if links.live:
        return f"/api/v1/board.{end}{asked}"
    name = quote(told.season.name, safe="")  # as the file is called; a link to it quotes that again
    return f"{links.root}data/{quote(name)}-{query.view}-{query.tag}.{end}"


def _fingers(column: Column, entry: Entry) -> Markup:
    cells: list[tuple[str, Cell | None]] = [(key[1], entry.cells.get(key)) for key in column.parts]
    return finger(cells)


def _around(page: int, pages: int) -> list[int]:
    """Return the pages to offer, 0 for those left out between.

    >>> _around(6, 20)
    [1, 0, 5, 6, 7, 0, 20]
    """
    near = sorted({1, pages, *(p for p in (page - 1, page, page + 1) if 1 <= p <= pages)})
    out: list[int] = []
    for p in near:
        if out and p != out[-1] + 1:
            out.append(0)
        out.append(p)
    return out
