"""Pages of words and logs: the method, the ledger, and a submission with all that happened to it."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Engine

from wmeval.errors import EnvironmentFault
from wmeval_leaderboard.board import detail
from wmeval_leaderboard.board.known import NotHere
from wmeval_leaderboard.board.snapshot import Snapshot
from wmeval_leaderboard.database import reading
from wmeval_leaderboard.ledger import verify
from wmeval_leaderboard.pages.links import Links
from wmeval_leaderboard.pages.render import render

PER_PAGE = 100


def method(snapshot: Snapshot, links: Links) -> str:
    """Return the page that says how it is measured, and what can still be cheated."""
    return render("method.html.j2", links, here="method", seasons=snapshot.seasons)


def ledger(engine: Engine, links: Links, page: int = 1) -> str:
    """Return a page of everything that happened, newest first, and whether its chain holds.

    Raises:
        NotHere: there are fewer pages.
    """
    with reading(engine) as session:
        rows, total = detail.ledger(session, first=(page - 1) * PER_PAGE, most=PER_PAGE)
        if not rows and page > 1:  # to check the chain costs more than to ask for it
            raise NotHere(
                f"the ledger has {total} entries, {PER_PAGE} a page; page {page} is behind the last"
            )
        slugs = detail.known_slugs(session, {r["subject"] for r in rows})
        try:
            broken, count = "", verify(session)
        except EnvironmentFault as fault:
            broken, count = str(fault), 0
    pages = max(1, -(-total // PER_PAGE))
    return render(
        "ledger.html.j2", links, here="ledger", rows=rows, page=page, pages=pages, total=total, broken=broken,
        count=count, body=_body,
        slugs=slugs,
    )  # fmt: skip


def submission(engine: Engine, links: Links, slug: str) -> str:
    """Return the page of a submission with its log, whatever became of it.

    Raises:
        NotHere: there is none.
    """
    with reading(engine) as session:
        told = detail.submission(session, slug)
    about = told.about.get("model") or {}
    facts = [
        ("weights, SHA-256", about.get("weights") or "none"),
        ("options", ", ".join(f"{k} = {v}" for k, v in (about.get("options") or {}).items()) or "none"),
        ("files", f"{told.parts}, {told.size / 1e6:.1f} MB"),
    ]
    return render("submission.html.j2", links, here="board", told=told, facts=facts, body=_body)


def _body(value: Any) -> str:
    """Return the content of an entry of the ledger as text that people can read."""
    text = json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 4000 else text[:4000] + "\n… (the API has all of it)"
