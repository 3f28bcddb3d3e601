"""The API of challenges: take one, get its questions, promise the answers, send them, say that it is all.

Files go through the same door as those of runs: PUT /api/v1/blobs/DIGEST. Every step may be given again.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from wmeval.errors import UsageError
from wmeval.submission.parts import Part as Listed
from wmeval_leaderboard import challenges, receiving, seasons
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.challenges import Answers, Declared
from wmeval_leaderboard.database import reading, writing
from wmeval_leaderboard.preparing import Preparing
from wmeval_leaderboard.tables import Challenge, Submission
from wmeval_leaderboard.web import Blobs_, BodyOf, Engine_, Settings_, TeamOf, body_of, parsed

router = APIRouter(prefix="/api/v1/challenges", tags=["challenges"])
PIECE = 8 << 20  # bytes of a pack in one answer
_Hex = Annotated[str, Field(pattern=r"^[0-9a-f]+$", min_length=64, max_length=128)]
_Word = Annotated[str, Field(max_length=100)]


class Wish(BaseModel):
    """Which model is to be challenged: `model` and `card` as in results.json, before any question is seen."""

    model_config = ConfigDict(extra="forbid", strict=True)
    model: dict[str, Any]
    card: dict[str, Any]
    form: str = "arrays"  # or pictures, for a model that people show them to
    season: _Word | None = None
    nonce: str = Field(pattern=r"^[0-9a-f]{32}$")


class Promise(BaseModel):
    """The answers as [path, SHA-256, bytes] of each file, signed; `stated` is what the files do not tell."""

    model_config = ConfigDict(extra="forbid", strict=True)
    parts: list[Annotated[list[Any], Field(min_length=3, max_length=3)]]
    root: _Hex
    key: _Hex
    signature: _Hex
    stated: dict[_Word, _Word] = Field(default_factory=dict, max_length=10)

    def read(self) -> Answers:
        """Return it as it is kept; raises UsageError where a part is malformed."""
        if not all(isinstance(p, str) and isinstance(d, str) and type(n) is int for p, d, n in self.parts):
            raise UsageError("a file is listed as [path, digest, bytes]: two texts and a whole number")
        listed = [Listed(*part) for part in self.parts]
        return Answers(listed, self.root, self.key, self.signature, self.stated)


@router.post("", status_code=201)
def take(
    told: Wish, request: Request, team: TeamOf, engine: Engine_, blobs: Blobs_, settings: Settings_
) -> dict[str, Any]:
    """Put up a challenge; its questions are made while the team asks whether they are ready."""
    declared = Declared(told.model, told.card, told.form, told.nonce)
    with writing(engine) as session:
        season = seasons.current(session, told.season)
        made = challenges.issue(session, team, season, declared, settings)
        answer = _told(session, made, blobs)
    _preparing(request).begin(made.slug)
    return answer


@router.get("/{slug}")
def status(slug: str, request: Request, team: TeamOf, engine: Engine_, blobs: Blobs_) -> dict[str, Any]:
    """Return how far a challenge of the team has come."""
    with reading(engine) as session:
        made = challenges.owned(session, team, slug)
        answer = _told(session, made, blobs)
    if answer["state"] == "preparing":
        _preparing(request).begin(slug)  # a server that died meanwhile left it undone
    return answer


@router.get("/{slug}/pack")
def pack(
    slug: str, team: TeamOf, engine: Engine_, blobs: Blobs_, offset: Annotated[int, Query(ge=0)] = 0,
    most: Annotated[int, Query(ge=1)] = PIECE,
) -> Response:  # fmt: skip
    """Return a piece of the questions, which are a zip: from a byte on, and at most so many."""
    with reading(engine) as session:
        made = challenges.owned(session, team, slug)
        if made.pack is None:
            raise receiving.Missing(f"the questions of {slug} are not made yet; ask for its state again")
    size = blobs.size(made.pack)
    if offset > size:
        raise UsageError(f"the pack has {size} bytes, and it was asked for from {offset} on")
    with blobs.open(made.pack) as file:
        file.seek(offset)
        piece = file.read(min(most, PIECE))
    return Response(piece, media_type="application/zip", headers={"Cache-Control": "no-store"})


def _promised(data: BodyOf) -> Answers:
    return parsed(Promise, data).read()


@router.post("/{slug}/answers", openapi_extra=body_of(Promise))
def promise(
    slug: str,
    given: Annotated[Answers, Depends(_promised)],
    team: TeamOf,
    engine: Engine_,
    blobs: Blobs_,
    settings: Settings_,
) -> dict[str, Any]:
    """Take the list of answers, which is final, and return the digests that are lacking here."""
    with writing(engine) as session:
        submission = challenges.promise(session, team, slug, given, settings)
        made = challenges.owned(session, team, slug)
        left = receiving.lacking(session, submission)
        return _told(session, made, blobs) | {"lacking": [part.digest for part in left]}


@router.post("/{slug}/complete")
def complete(slug: str, team: TeamOf, engine: Engine_, blobs: Blobs_) -> dict[str, Any]:
    """Say that all files are sent; the answers wait to be measured."""
    with writing(engine) as session:
        challenges.complete(session, team, slug)
        return _told(session, challenges.owned(session, team, slug), blobs)


def _told(session: Session, made: Challenge, blobs: Blobs) -> dict[str, Any]:
    submission = session.get_one(Submission, made.submission_id) if made.submission_id else None
    return challenges.told_of(made, blobs.size(made.pack) if made.pack else None, submission)


def _preparing(request: Request) -> Preparing:
    state = request.app.state
    if not hasattr(state, "preparing"):
        state.preparing = Preparing(state.engine, state.blobs, state.settings)
    made: Preparing = state.preparing
    return made
