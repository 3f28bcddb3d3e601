"""The page of fidelity against utility: does better prediction go with better plans?"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from wmeval.errors import UsageError
from wmeval.report import words
from wmeval.report.contest import chance
from wmeval.report.utility import Row
from wmeval.report.utility_sheet import says
from wmeval_leaderboard.board.relations import Relations, relations
from wmeval_leaderboard.board.snapshot import Snapshot
from wmeval_leaderboard.pages.links import Links
from wmeval_leaderboard.pages.render import render
from wmeval_leaderboard.pages.spec import drawn, spec

TAG = "iid"


def page(snapshot: Snapshot, links: Links, season: str = "", task: str = "", column: str = "") -> str:
    """Return the page for a task ("name protocol") and a column, the first ones where none are given.

    Raises:
        UsageError: no such season, task or column.
    """
    shown = snapshot.season(season)
    told = relations(snapshot, shown.name, TAG)
    given: dict[str, Any] = {"season": shown, "told": told, "here": "utility"}
    if told is None:
        return render("utility.html.j2", links, **given)
    asked = {" ".join(q): q for q in told.questions}
    chosen = task or next(iter(asked))
    if chosen not in asked:
        raise UsageError(f"task was given as {task!r}; expected {' or '.join(asked)}")
    here = asked[chosen]
    columns = [c for c in told.columns if told.points[(*here, c)]]
    by = column or next((c for c in ("lpips", "psnr") if c in columns), columns[0] if columns else "")
    if by not in columns:
        raise UsageError(f"by was given as {column!r}; expected {' or '.join(columns)}")
    points = told.points[(*here, by)]
    unit = points[0].x.unit
    better = "more is better" if points[0].x.higher else "less is better, to the right"
    # a mean of skills says itself in its unit
    across = f"{by}{f' [{unit}]' if unit else ''}, {better}"
    plot = spec(points, links, across, f"planning skill, {here[0].partition('@')[0]} by {here[1]}")
    return render(
        "utility.html.j2",
        links,
        **given,
        questions=list(asked),
        columns=columns,
        chosen=chosen,
        by=by,
        points=points,
        row=told.row(*here, by),
        plot=drawn(plot),
        spec=Markup(json.dumps(plot).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")),
        at=lambda t, c: address(links, shown.name, t, c),
        rows=[(r, *_words(r)) for r in told.rows if r.relation.n],
    )


def address(links: Links, season: str, task: str, column: str) -> str:
    """Return where the page for a task and a column stands."""
    return links.to("utility", query="?" + urlencode({"season": season, "task": task, "by": column}))


def variants(snapshot: Snapshot, season: str) -> list[tuple[str, str]]:
    """Return every task and column that the page can be asked for."""
    told: Relations | None = relations(snapshot, season, TAG)
    return [(f"{t} {p}", c) for (t, p, c), points in told.points.items() if points] if told else []


def _words(row: Row) -> tuple[str, str, str, str]:
    r = row.relation
    kendall = words.number(r.kendall, 2)
    return kendall, words.interval({"lo": r.kendall_lo, "hi": r.kendall_hi}), chance(row.p_holm), says(row)
