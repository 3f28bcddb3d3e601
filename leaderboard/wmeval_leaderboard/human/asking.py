"""Who is asked what: a rater is a random cookie, a question is one that he has not had and few others have.

Which clip stands left is drawn by the question and the rater. A form holds a mark that only the browser with
the cookie can have been given, so no other site can vote in its name.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from wmeval.errors import UsageError
from wmeval.seeds import digest
from wmeval_leaderboard.tables import Pair, Rater, Submission, Vote

Side = Literal["left", "right"]
FIRST = (1, 2, 4)  # questions of every rater: plain checks, so that few answers tell who looks
EVERY = 5  # questions: one of so many after these is a check
MOST = 300  # votes of one rater
LONGEST_S = 3600.0  # that a form is good for
_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Question:
    """A pair as one rater sees it. `mark` goes with the answer."""

    slug: str
    number: int  # of the rater's questions, from 1
    length_s: float
    mark: str


def new_cookie() -> str:
    """Return what makes somebody a rater: 256 random bits."""
    return secrets.token_urlsafe(32)


def valid(cookie: str | None) -> bool:
    """Return whether this may be the cookie of a rater."""
    return bool(cookie and _COOKIE.fullmatch(cookie))


def question(session: Session, cookie: str) -> Question | None:
    """Return what a rater is asked next; None where nothing is left."""
    rater = _rater(session, cookie)
    had = select(Vote.pair_id).where(Vote.rater_id == (rater.id if rater else 0))
    done = set(session.scalars(had))
    if len(done) >= MOST:
        return None
    kind = ""
    if len(done) + 1 in FIRST:
        kind = "plain"
    elif len(done) > EVERY and len(done) % EVERY == EVERY // 2:
        kind = "plain" if len(done) // EVERY % 2 == 0 else "impossible"
    pair = _least_asked(session, cookie, done, kind) or _least_asked(session, cookie, done, "")
    if pair is None:
        return None
    return Question(pair.slug, len(done) + 1, pair.length_s, mark(cookie, pair.slug, time.time()))


def clip(session: Session, cookie: str, slug: str, side: Side) -> str:
    """Return the digest of what stands on a side of a question; nothing in its address tells which it is.

    Raises:
        UsageError: there is no such question.
    """
    pair = _pair(session, slug)
    return pair.real if (real_is_left(cookie, slug) == (side == "left")) else pair.generated


def vote(session: Session, cookie: str, slug: str, side: Side, told: str) -> Vote | None:
    """Keep a rater's answer and return it; None where he gave one before, which counts.

    Raises:
        UsageError: there is no such question, or the form was not given to this rater, or is too old.
    """
    issued = _issued(cookie, slug, told)
    pair, rater = _pair(session, slug), _rater(session, cookie)
    if rater is None:
        rater = Rater(sha256=_hash(cookie), created=time.time())
        session.add(rater)
        session.flush()
    there = select(Vote.id).where(Vote.rater_id == rater.id, Vote.pair_id == pair.id)
    if session.scalars(there).first() is not None:
        return None
    left_is_real = real_is_left(cookie, slug)
    made = Vote(
        rater_id=rater.id, pair_id=pair.id, left="real" if left_is_real else "generated",
        chosen="real" if left_is_real == (side == "left") else "generated",
        seconds=round(time.time() - issued, 2), at=time.time(),
    )  # fmt: skip
    session.add(made)
    return made


def real_is_left(cookie: str, slug: str) -> bool:
    """Return whether the real clip stands left for a rater."""
    return hmac.digest(cookie.encode(), slug.encode(), "sha256")[0] % 2 == 0


def mark(cookie: str, slug: str, at: float) -> str:
    """Return what a form must hold: when it was given, and that it was given to this rater."""
    issued = f"{at:.2f}"
    return f"{issued}.{hmac.digest(cookie.encode(), f'form|{slug}|{issued}'.encode(), 'sha256').hex()}"


def _issued(cookie: str, slug: str, told: str) -> float:
    number, _, _ = told.rpartition(".")
    again = "this form was not given to you, or more than an hour ago; go on at /human/vote"
    if not re.fullmatch(r"[0-9]{1,12}\.[0-9]{2}", number):
        raise UsageError(again)
    issued = float(number)
    if not hmac.compare_digest(mark(cookie, slug, issued).encode(), told.encode()):
        raise UsageError(again)
    if not -1.0 <= time.time() - issued <= LONGEST_S:
        raise UsageError(again)
    return issued


def _least_asked(session: Session, cookie: str, done: set[int], kind: str) -> Pair | None:
    """Return the pair of a kind that fewest were asked; whose turn it is among equals differs by rater."""
    asked = (
        select(Pair, func.count(Vote.id))
        .outerjoin(Vote, Vote.pair_id == Pair.id)
        .outerjoin(Submission, Submission.id == Pair.submission_id)
        .where(Pair.check == kind, (Submission.state == "published") | Pair.submission_id.is_(None))
        .group_by(Pair.id)
    )
    left = [(count, pair) for pair, count in session.execute(asked) if pair.id not in done]
    return min(left, key=lambda one: (one[0], digest([_hash(cookie), one[1].slug])))[1] if left else None


def _pair(session: Session, slug: str) -> Pair:
    pair = session.scalars(select(Pair).where(Pair.slug == slug)).first()
    if pair is None:
        raise UsageError(f"there is no pair {slug[:40]!r}; go on at /human/vote")
    return pair


def _rater(session: Session, cookie: str) -> Rater | None:
    return session.scalars(select(Rater).where(Rater.sha256 == _hash(cookie))).first()


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
