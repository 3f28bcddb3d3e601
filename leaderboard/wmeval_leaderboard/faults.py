"""Mistakes as answers: the same sentence as JSON for programs, and as a page for people."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoneFree
from starlette.exceptions import HTTPException

from wmeval.errors import EnvironmentFault, UsageError
from wmeval_leaderboard import challenges, receiving
from wmeval_leaderboard.guard import HEADERS
from wmeval_leaderboard.pages.links import Links
from wmeval_leaderboard.pages.render import render

_log = logging.getLogger("wmeval.leaderboard")


def tell_faults(app: FastAPI) -> None:
    """Have every exception of `app` answered by a sentence, none by a traceback."""
    app.add_exception_handler(HTTPException, _raised)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(UsageError, _mistaken)
    app.add_exception_handler(EnvironmentFault, _lacking)
    app.add_exception_handler(receiving.NotAllowed, _refused(403))
    app.add_exception_handler(receiving.TooMany, _refused(429, Retry_After="3600"))
    app.add_exception_handler(receiving.Missing, _refused(409))
    app.add_exception_handler(challenges.Answered, _refused(409))
    app.add_exception_handler(challenges.Late, _refused(410))
    app.add_exception_handler(OperationalError, _busy)
    app.add_exception_handler(NoneFree, _busy)  # no connection became free in time
    app.add_exception_handler(Exception, _bug)


def _refused(status: int, **headers: str) -> Callable[[Request, Exception], Response]:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request, fault: answer(request, status, str(fault), told)


def answer(request: Request, status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    """Return the answer that holds a sentence: a page where a browser asked for one, JSON elsewhere."""
    page = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")
    if not page:
        return JSONResponse({"error": sentence}, status, headers)
    title = HTTPStatus(status).phrase
    text = render("fault.html.j2", Links(), here="", title=title, sentence=sentence)
    return HTMLResponse(text, status, headers)


def _raised(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, HTTPException)
    detail = str(fault.detail)
    if detail == HTTPStatus(fault.status_code).phrase:  # Starlette's own, which says nothing more
        detail = f"{request.method} {request.url.path[:200]}: {detail.lower()}; the board is at /"
    return answer(request, fault.status_code, detail, dict(fault.headers or {}))


def _malformed(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, RequestValidationError)
    told = [f"{'.'.join(map(str, e['loc']))[:120]}: {e['msg'][:200]}" for e in fault.errors()[:3]]
    return answer(
        request, 422, f"the request is not as expected: {'; '.join(told)}; see /api/v1/openapi.json"
    )


def _mistaken(request: Request, fault: Exception) -> Response:
    return answer(request, 400, str(fault))


def _lacking(request: Request, fault: Exception) -> Response:
    _log.error("%s %s: %s", request.method, request.url.path, fault)
    return answer(request, 503, str(fault), {"Retry-After": "60"})


def _busy(request: Request, fault: Exception) -> Response:
    _log.error("%s %s: %s", request.method, request.url.path, fault)
    sentence = "the database is busy and nothing was changed; send the same request again"
    return answer(request, 503, sentence, {"Retry-After": "5"})


def _bug(request: Request, fault: Exception) -> Response:
    _log.error("%s %s", request.method, request.url.path, exc_info=fault)
    # nothing stands between this answer and the client, so it takes the headers with it
    sentence = "the server failed at this; its operator finds the reason in its log"
    return answer(request, 500, sentence, HEADERS)
