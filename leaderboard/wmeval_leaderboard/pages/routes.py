"""The addresses of the pages. Handlers only find out what is asked; pages are made elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Path, Request, Response
from fastapi import Query as Query_
from sqlalchemy import Engine

from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.board import detail
from wmeval_leaderboard.board.known import NotHere
from wmeval_leaderboard.board.query import Query
from wmeval_leaderboard.board.snapshot import Snapshot
from wmeval_leaderboard.database import reading
from wmeval_leaderboard.pages import front, model, papers, probe, sample, task, utility
from wmeval_leaderboard.pages.assets import by_address
from wmeval_leaderboard.pages.links import Links
from wmeval_leaderboard.pages.look import FOR_EVER, FRESH, Look, Look_, Made, made_of, send

router = APIRouter(include_in_schema=False)
HTML = "text/html; charset=utf-8"
LIVE = Links()
Page = Callable[[Snapshot, Engine, Blobs, Links, str], str]
Name = Annotated[str, Path(max_length=120)]
Word = Annotated[str, Query_(max_length=120)]
Number = Annotated[int, Path(ge=1, le=2**31)]
Beside = Annotated[int | None, Query_(alias="with", ge=1, le=2**31)]


@contextmanager
def told() -> Iterator[None]:
    """Answer 404, with the sentence, for what is not here."""
    try:
        yield
    except NotHere as fault:
        raise HTTPException(404, str(fault)) from fault


def named(request: Request, look: Look, kind: str, page: Page, name: str) -> Response:
    """Answer with the page of one thing by its name, or say that it is not here."""

    def make() -> bytes:
        return page(look.snapshots.now(), look.engine, look.blobs, LIVE, name).encode()

    with told():
        return look.answer(request, f"/{kind}/{name}", make, HTML)


@router.get("/")
def the_board(request: Request, look: Look_) -> Response:
    """Answer with the board under the query of the address."""
    query = Query.parse(dict(request.query_params))

    def make() -> bytes:
        snapshot = look.snapshots.now()
        if not snapshot.seasons and query == Query():
            return front.empty(LIVE).encode()
        return front.page(snapshot, look.engine, LIVE, query).encode()

    with told():
        return look.answer(request, f"/{query.address(page=query.page)}", make, HTML)


@router.get("/static/{name}")
def a_file(request: Request, name: Name) -> Response:
    """Answer with a style or a script, which never changes under its name."""
    found = by_address(name)
    if found is None:
        raise HTTPException(404, f"no file of the pages is called {name!r}; load the page again")
    return send(request, Made(found.content, found.small, found.type, f'"{found.name}"'), FOR_EVER)


@router.get("/models/{slug}")
def a_model(request: Request, look: Look_, slug: Name) -> Response:
    """Answer with a model's page."""
    return named(request, look, "models", model.page, slug)


@router.get("/probes")
def all_probes(request: Request, look: Look_) -> Response:
    """Answer with the list of probes."""
    return look.answer(request, "/probes", lambda: probe.index(look.snapshots.now(), LIVE).encode(), HTML)


@router.get("/probes/{key}")
def a_probe(request: Request, look: Look_, key: Name) -> Response:
    """Answer with a probe's page."""
    return named(request, look, "probes", probe.page, key)


@router.get("/tasks/{key}")
def a_task(request: Request, look: Look_, key: Name) -> Response:
    """Answer with a task's page."""
    return named(request, look, "tasks", task.page, key)


@router.get("/samples/{number}")
def a_sample(request: Request, look: Look_, number: Number, beside: Beside = None) -> Response:
    """Answer with a sample's page, beside another model's where asked."""
    with told():
        return look.answer(
            request,
            f"/samples/{number}?{beside}",
            lambda: sample.page(look.engine, look.blobs, LIVE, number, beside).encode(),
            HTML,
        )


@router.get("/utility")
def fidelity_and_utility(
    request: Request, look: Look_, season: Word = "", task: Word = "", by: Word = ""
) -> Response:
    """Answer with the plot of fidelity against utility."""
    with told():
        return look.answer(
            request,
            f"/utility?{quote(season)}&{quote(task)}&{quote(by)}",
            lambda: utility.page(look.snapshots.now(), LIVE, season, task, by).encode(),
            HTML,
        )


@router.get("/method")
def how(request: Request, look: Look_) -> Response:
    """Answer with the page on method."""
    return look.answer(request, "/method", lambda: papers.method(look.snapshots.now(), LIVE).encode(), HTML)


@router.get("/ledger")
def all_that_happened(
    request: Request, look: Look_, page: Annotated[int, Query_(ge=1, le=100_000)] = 1
) -> Response:
    """Answer with a page of the ledger."""
    with told():
        return look.answer(
            request, f"/ledger?{page}", lambda: papers.ledger(look.engine, LIVE, page).encode(), HTML
        )


@router.get("/submissions/{slug}")
def a_submission(request: Request, look: Look_, slug: Name) -> Response:
    """Answer with a submission and its log, made each time: its state may change without the ledger."""
    with told():
        return send(request, made_of(papers.submission(look.engine, LIVE, slug).encode(), HTML), FRESH)


@router.get("/media/{digest}.{end}")
def a_medium(
    request: Request,
    look: Look_,
    digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$")],
    end: Literal["png", "json"],
) -> Response:
    """Answer with a picture or the data of a sample that may be shown, and with no other file."""
    with told(), reading(look.engine) as session:
        what = detail.shown_media(session, digest)
    if (what == "data") != (end == "json"):
        raise HTTPException(404, f"the file {digest[:12]} is no {end}")
    kind = "application/json" if end == "json" else "image/png"
    headers = {"Cache-Control": FOR_EVER, "ETag": f'"{digest}"'}
    if f'"{digest}"' in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(look.blobs.read(digest), media_type=kind, headers=headers)
