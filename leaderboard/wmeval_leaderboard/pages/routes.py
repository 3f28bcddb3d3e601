"""The addresses of the pages. Handlers only find out what is asked; pages are made elsewhere."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request, Response

from wmeval_leaderboard.board.query import Query
from wmeval_leaderboard.pages import front
from wmeval_leaderboard.pages.assets import by_address
from wmeval_leaderboard.pages.links import Links
from wmeval_leaderboard.pages.look import FOR_EVER, Look_, Made, send

router = APIRouter(include_in_schema=False)
HTML = "text/html; charset=utf-8"
LIVE = Links()
Name = Annotated[str, Path(max_length=120)]


@router.get("/")
def the_board(request: Request, look: Look_) -> Response:
    """Answer with the board under the query of the address."""
    query = Query.parse(dict(request.query_params))
    made = lambda: front.page(look.snapshots.now(), look.engine, LIVE, query).encode()  # noqa: E731
    return look.answer(request, f"/{query.address(page=query.page)}", made, HTML)


@router.get("/static/{name}")
def a_file(request: Request, name: Name) -> Response:
    """Answer with a style or a script, which never changes under its name."""
    found = by_address(name)
    if found is None:
        raise HTTPException(404, f"no file of the pages is called {name!r}; load the page again")
    return send(request, Made(found.content, found.small, found.type, f'"{found.name}"'), FOR_EVER)
