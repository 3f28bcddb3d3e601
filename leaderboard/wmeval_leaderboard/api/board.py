"""What the pages show, for programs: the view of the board as files, models, seasons and the ledger."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from fastapi import Query as Query_

from wmeval_leaderboard.board import detail, export
from wmeval_leaderboard.board.entry import Entry
from wmeval_leaderboard.board.query import Query
from wmeval_leaderboard.board.table import board
from wmeval_leaderboard.database import reading
from wmeval_leaderboard.pages.front import loader
from wmeval_leaderboard.pages.look import Look_
from wmeval_leaderboard.pages.routes import told

router = APIRouter(prefix="/api/v1")
MOST = 1000  # entries of the ledger in one answer
JSON = "application/json"


@router.get("/board.{end}")
def the_board(request: Request, look: Look_, end: Literal["csv", "json", "parquet"]) -> Response:
    """Answer with all rows that a view of the board has, whatever its page."""
    query = Query.parse(dict(request.query_params))

    def make() -> bytes:
        return export.MAKE[end](board(look.snapshots.now(), query, loader(look.engine), per_page=None))

    with told():
        answer = look.answer(request, f"/api/v1/board.{end}{query.address()}", make, export.TYPES[end])
    if end != "json":
        answer.headers["Content-Disposition"] = f'attachment; filename="board.{end}"'
    return answer


@router.get("/seasons")
def seasons(request: Request, look: Look_) -> Response:
    """Answer with all seasons: what they freeze, and their secret's hash, or when over the secret."""

    def make() -> bytes:
        return _json([{**asdict(s), "over": s.over} for s in look.snapshots.now().seasons])

    return look.answer(request, "/api/v1/seasons", make, JSON)


@router.get("/models/{slug}")
def a_model(request: Request, look: Look_, slug: Annotated[str, Path(max_length=120)]) -> Response:
    """Answer with all entries of a model, newest first, each with its rows of results."""

    def make() -> bytes:
        entries = look.snapshots.now().of_model(slug)
        with reading(look.engine) as session:
            return _json([{**_facts(e), "results": detail.results(session, e)} for e in entries])

    with told():
        return look.answer(request, f"/api/v1/models/{slug}", make, JSON)


@router.get("/ledger")
def the_ledger(
    request: Request, look: Look_, skip: Annotated[int, Query_(ge=0, le=10_000_000)] = 0
) -> Response:
    """Answer with at most 1,000 entries of the ledger, newest first, after `skip` of them."""

    def make() -> bytes:
        with reading(look.engine) as session:
            rows, total = detail.ledger(session, first=skip, most=MOST)
        return _json({"total": total, "entries": rows})

    return look.answer(request, f"/api/v1/ledger?{skip}", make, JSON)


def _facts(entry: Entry) -> dict[str, Any]:
    names = ("slug", "model", "name", "family", "team", "season", "kind", "suite", "tier", "state", "reason",
             "classes", "reference", "gap", "created", "published")  # fmt: skip
    return {name: getattr(entry, name) for name in names}


def _json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False).encode()
