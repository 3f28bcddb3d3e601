"""The addresses of the study. A rater is a cookie that no script and no other site can read or send."""

from __future__ import annotations

import logging
import threading
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, HTTPException, Path, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import Engine, func, select

from wmeval.errors import UsageError
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.database import reading, writing
from wmeval_leaderboard.human import asking, clips, counting, page
from wmeval_leaderboard.ledger import head
from wmeval_leaderboard.pages.links import Links
from wmeval_leaderboard.tables import Pair, Vote
from wmeval_leaderboard.web import Blobs_, Engine_

router = APIRouter(prefix="/human", include_in_schema=False)
COOKIE = "wmeval_rater"
YEAR_S = 365 * 86_400
LIVE = Links()
_log = logging.getLogger("wmeval.leaderboard")
PRIVATE = {"Cache-Control": "private, no-store"}
Slug = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]


class Making:
    """Makes the pairs of what was published since, in the background, and keeps the page of the results."""

    def __init__(self, engine: Engine, blobs: Blobs) -> None:
        self.engine, self.blobs = engine, blobs
        self._lock, self._at = threading.Lock(), ""
        self._kept: tuple[Any, str] = (None, "")

    def study(self) -> str:
        """Return the page of what came of it, made again after each vote and each new pair."""
        with reading(self.engine) as session:
            pairs = session.scalar(select(func.count(Pair.id)).where(Pair.check == "")) or 0
            now = (pairs, session.scalar(select(func.max(Vote.id))))
            if self._kept[0] != now:
                self._kept = (now, page.study(counting.votes(session), LIVE, pairs))
        return self._kept[1]

    def begin(self) -> None:
        """Have missing pairs made, unless nothing happened since, or that is under way."""
        with reading(self.engine) as session:
            at = head(session)
        if at != self._at and self._lock.acquire(blocking=False):
            threading.Thread(target=self._make, args=(at,), daemon=True).start()

    def _make(self, at: str) -> None:
        try:
            clips.make(self.engine, self.blobs)
        except Exception:
            _log.exception("pairs of the human study")
        finally:
            self._at = at  # what failed is tried again when something has changed
            self._lock.release()


def _making(request: Request) -> Making:
    state = request.app.state
    if not hasattr(state, "making"):
        state.making = Making(state.engine, state.blobs)
    made: Making = state.making
    return made


def _cookie(request: Request) -> str | None:
    given = request.cookies.get(COOKIE)
    return given if asking.valid(given) else None


async def _form(request: Request) -> dict[str, str]:
    try:
        told = parse_qs((await request.body()).decode("ascii"), max_num_fields=10)
    except ValueError:
        raise HTTPException(400, "the form cannot be read; go on at /human/vote") from None
    return {name: values[0] for name, values in told.items()}


Rater_ = Annotated[str | None, Depends(_cookie)]
Making_ = Annotated[Making, Depends(_making)]


@router.get("")
def study(making: Making_) -> Response:
    """Answer with what the study is and what came of it."""
    making.begin()
    return HTMLResponse(making.study(), headers={"Cache-Control": "no-cache"})


@router.post("/begin")
def begin(request: Request, rater: Rater_) -> Response:
    """Make somebody a rater, and ask the first question."""
    answer = RedirectResponse("/human/vote", 303)
    if rater is None:
        answer.set_cookie(
            COOKIE, asking.new_cookie(), max_age=YEAR_S, path="/human", httponly=True, samesite="strict",
            secure=request.url.scheme == "https",
        )  # fmt: skip
    return answer


@router.get("/vote")
def ask(engine: Engine_, rater: Rater_, making: Making_) -> Response:
    """Answer with the next question of a rater."""
    if rater is None:
        return RedirectResponse("/human", 303)
    making.begin()
    with reading(engine) as session:
        asked = asking.question(session, rater)
    return HTMLResponse(page.ask(asked, LIVE), headers=PRIVATE)


@router.post("/vote")
def vote(engine: Engine_, rater: Rater_, form: Annotated[dict[str, str], Depends(_form)]) -> Response:
    """Keep an answer, and ask the next question."""
    side = form.get("side", "")
    if rater is None:
        raise HTTPException(403, "who votes has a cookie of this site; begin at /human, and allow it one")
    if side not in ("left", "right"):
        raise HTTPException(400, f"the side was given as {side[:20]!r}; expected left or right")
    with writing(engine) as session:
        try:
            asking.vote(
                session,
                rater,
                form.get("pair", ""),
                "left" if side == "left" else "right",
                form.get("mark", ""),
            )
        except UsageError as fault:
            raise HTTPException(403, str(fault)) from fault
    return RedirectResponse("/human/vote", 303)


@router.get("/clips/{slug}/{side}.png")
def a_clip(
    engine: Engine_, blobs: Blobs_, rater: Rater_, slug: Slug, side: Literal["left", "right"]
) -> Response:
    """Answer with what stands on a side of a rater's question."""
    if rater is None:
        raise HTTPException(403, "clips are shown to raters; begin at /human")
    with reading(engine) as session:
        try:
            digest = asking.clip(session, rater, slug, side)
        except UsageError as fault:
            raise HTTPException(404, str(fault)) from fault
    return Response(blobs.read(digest), media_type="image/png", headers=PRIVATE)


@router.get("/votes.csv")
def as_csv(engine: Engine_) -> Response:
    """Answer with all votes as CSV."""
    with reading(engine) as session:
        told = counting.votes(session)
    return Response(page.as_csv(told), media_type="text/csv; charset=utf-8")


@router.get("/votes.json")
def as_json(engine: Engine_) -> Response:
    """Answer with all votes as JSON."""
    with reading(engine) as session:
        told = counting.votes(session)
    return Response(page.as_json(told), media_type="application/json")
