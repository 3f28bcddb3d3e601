"""Making room: answers of a season that is over and measured are deleted, their numbers and samples stay.

What anyone can look at is never touched: records of a submission, samples, clips that raters are shown, and
the list of its files, so that whoever has them can still prove by its root that these were handed in. A file
is deleted after the row that says it is here, so that what the server says is here always is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Engine, Select, delete, or_, select
from sqlalchemy.orm import Session

from wmeval.errors import UsageError
from wmeval.submission.parts import MANIFEST, RESULTS
from wmeval_leaderboard import ledger, seasons
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.database import reading, writing
from wmeval_leaderboard.tables import Blob, Challenge, Ledger, Pair, Part, Sample, Submission
from wmeval_leaderboard.uploads import DAY_S

RECORDS = (MANIFEST, RESULTS)
GIVEN_UP = "answers deleted"  # in the ledger, of a submission
_MANY = 500  # names in one statement


@dataclass(frozen=True)
class Room:
    """How many files were deleted, and how many bytes they held."""

    files: int
    bytes: int


def let_go(session: Session, name: str) -> int:
    """Give up the answers of a season that is over, telling the ledger; return of how many submissions.

    The contents are deleted by the next `sweep`, but for manifest and results, and what others name too.

    Raises:
        UsageError: there is no such season, it is open, or one of its submissions is yet to be measured.
    """
    season = seasons.find(session, name)
    if season is None or season.closes is None:
        raise UsageError(
            f"no season {name!r} is over; `wmeval leaderboard admin seasons` lists them, and `admin close` "
            "ends one"
        )
    of = select(Submission).where(Submission.season_id == season.id)
    waiting = session.scalars(of.where(Submission.state.in_(("queued", "scoring")))).first()
    if waiting is not None:
        raise UsageError(f"{waiting.slug} of season {name!r} is yet to be measured; wait until it is")
    whole = session.scalars(of.where(Submission.state != "uploading", Submission.slug.not_in(_given_up())))
    slugs = [submission.slug for submission in whole]
    for slug in slugs:
        ledger.record(session, GIVEN_UP, slug, {"season": name})
    return len(slugs)


def sweep(engine: Engine, blobs: Blobs, older_s: float = DAY_S) -> Room:
    """Delete contents that nothing names and that came more than `older_s` ago, and return what that freed.

    Files of uploads that were given up are among them, and those that no row knows.
    """
    before = time.time() - older_s
    with writing(engine) as session:
        named = _named(session)
        old = session.scalars(select(Blob.digest).where(Blob.created <= before))
        idle = [digest for digest in old if digest not in named]
        for i in range(0, len(idle), _MANY):
            session.execute(delete(Blob).where(Blob.digest.in_(idle[i : i + _MANY])))
    freed = []
    for digest in sorted(set(blobs.stored()) - _known(engine)):
        # One transaction a file: whoever announces it meanwhile comes before, and keeps it, or after.
        with writing(engine) as session:
            if not _wanted(session, digest) and (size := blobs.drop(digest, older_s)):
                freed.append(size)
    return Room(len(freed), sum(freed))


def _given_up() -> Select[str]:
    return select(Ledger.subject).where(Ledger.kind == GIVEN_UP)


def _needed() -> Select[str]:
    """Return the query of all contents that parts of submissions name, but for answers that were given up."""
    kept = or_(Submission.slug.not_in(_given_up()), Part.path.in_(RECORDS))
    return select(Part.digest).join(Submission, Submission.id == Part.submission_id).where(kept)


def _known(engine: Engine) -> set[str]:
    with reading(engine) as session:
        return set(session.scalars(select(Blob.digest)))


def _wanted(session: Session, digest: str) -> bool:
    """Return whether a content is on its way, or has arrived since it was looked for."""
    on_its_way = _needed().where(Part.digest == digest).limit(1)
    here = select(Blob.digest).where(Blob.digest == digest)
    return any(session.scalar(query) is not None for query in (on_its_way, here))


def _named(session: Session) -> set[str]:
    """Return the digests of all contents that a row names."""
    named = {*session.scalars(_needed())}
    named |= {d for media in session.scalars(select(Sample.media)) for d in media.values()}
    for column in (Pair.real, Pair.generated, Challenge.pack):
        named |= {d for d in session.scalars(select(column)) if d is not None}
    return named
