"""The API that a run is handed in by: say what will be sent, send what is lacking, say that it is all.

Every step may be given again: what is here already is kept, and the answer tells how to go on.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable, Mapping
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Depends, Header, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Engine
from starlette.requests import ClientDisconnect

from wmeval.errors import UsageError
from wmeval.submission.parts import MANIFEST, RESULTS
from wmeval.submission.parts import Part as Listed
from wmeval_leaderboard import receiving, seasons, uploads
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.database import reading, writing
from wmeval_leaderboard.tables import Blob, Submission, Team
from wmeval_leaderboard.web import Blobs_, BodyOf, Engine_, Settings_, TeamOf, body_of, parsed

router = APIRouter(prefix="/api/v1", tags=["submitting"])
MOST = 200_000  # files that are read of at all; `Settings.most_parts` says how many are taken
MOST_AT_ONCE = 4096  # contents in one request
WRITTEN = 64 << 10  # bytes that are held before they are written: what a server that dies forgets
HEAD = struct.Struct(">32sI")  # of each content in a request of many: digest, size [bytes]
_Hex = Field(pattern=r"^[0-9a-f]+$", min_length=64, max_length=128)
_Text = Annotated[str, Field(max_length=1 << 24)]
OFFSET = "Upload-Offset"


class Announcement(BaseModel):
    """What will be sent: [path, SHA-256, bytes] of each file, their root, and two of them at once."""

    model_config = ConfigDict(extra="forbid", strict=True)
    parts: Annotated[list[Annotated[list[Any], Field(min_length=3, max_length=3)]], Field(max_length=MOST)]
    root: str = _Hex
    key: str = _Hex
    signature: str = _Hex
    manifest: _Text
    results: _Text

    def read(self) -> receiving.Announced:
        """Return it as it is received; raises UsageError where a part is malformed."""
        if not all(isinstance(p, str) and isinstance(d, str) and type(n) is int for p, d, n in self.parts):
            raise UsageError("a file is announced as [path, digest, bytes]: two texts and a whole number")
        documents = {MANIFEST: self.manifest.encode(), RESULTS: self.results.encode()}
        listed = [Listed(*part) for part in self.parts]
        return receiving.Announced(listed, self.root, self.key, self.signature, documents)


class Withdrawal(BaseModel):
    """Why a submission is taken back, for everyone to read."""

    reason: str = Field(min_length=1, max_length=500)


def _announced(data: BodyOf) -> receiving.Announced:
    return parsed(Announcement, data).read()


@router.get("/me")
def me(team: TeamOf) -> dict[str, Any]:
    """Return whose token this is."""
    return {"team": team.name, "admin": team.admin}


@router.post("/submissions", openapi_extra=body_of(Announcement))
def announce(
    given: Annotated[receiving.Announced, Depends(_announced)],
    team: TeamOf,
    engine: Engine_,
    blobs: Blobs_,
    settings: Settings_,
) -> dict[str, Any]:
    """Put up a submission and return its address and the digests that are lacking here."""
    documents = receiving.read_announced(given, receiving.limits_of(settings))
    with reading(engine) as session:
        there = receiving.find(session, team, given.root)
        season = None if there else receiving.season_for(session, documents.results["suite"])
    if season is not None:
        suite = seasons.suite_of(season)
        uploads.sweep(settings)
        with writing(engine) as session:
            receiving.forget(session)
            receiving.announce(session, team, given, documents, season, suite, settings)
        kept = {blobs.put(data): len(data) for data in given.documents.values()}
        with writing(engine) as session:
            receiving.arrived(session, kept)
    with reading(engine) as session:
        submission = receiving.find(session, team, given.root)
        assert submission is not None
        return _told(submission) | {"lacking": [p.digest for p in receiving.lacking(session, submission)]}


@router.head("/blobs/{digest}")
def come_so_far(digest: str, team: TeamOf, engine: Engine_, settings: Settings_) -> Response:
    """Return in the header Upload-Offset how many bytes of a content are here."""
    with reading(engine) as session:
        here = session.get(Blob, digest)
        size = _wanted(receiving.wanted(session, team, [digest]), digest, team)
    come = size if here else uploads.come_so_far(settings, team.id, digest)
    return Response(headers={OFFSET: str(come)})


@router.put("/blobs/{digest}")
async def put_blob(
    digest: str, request: Request, team: TeamOf, engine: Engine_, blobs: Blobs_, settings: Settings_,
    offset: Annotated[int, Header(alias=OFFSET, ge=0)] = 0,
) -> Response:  # fmt: skip
    """Take a content, or a piece of it from an offset on; 201 when it is whole, 202 while more is to come."""
    size, here = await run_in_threadpool(_asked_for, engine, team, digest)
    if here:
        return Response(status_code=200, headers={OFFSET: str(size)})
    try:
        with uploads.upload(settings, team.id, digest, size) as piece:
            piece.begin_at(offset)
            held = bytearray()
            async for data in request.stream():
                held += data
                if len(held) >= WRITTEN:
                    await run_in_threadpool(piece.write, bytes(held))
                    held.clear()
            await run_in_threadpool(piece.write, bytes(held))
            come = piece.offset
            if come < size:
                return Response(status_code=202, headers={OFFSET: str(come)})
            await run_in_threadpool(_keep, piece, blobs, engine)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it; what came is kept
    except (uploads.Busy, uploads.OutOfStep) as fault:
        come = uploads.come_so_far(settings, team.id, digest)
        raise HTTPException(409, str(fault), {OFFSET: str(come)}) from fault
    return Response(status_code=201, headers={OFFSET: str(size)})


@router.post("/blobs")
def put_blobs(data: BodyOf, team: TeamOf, engine: Engine_, blobs: Blobs_) -> dict[str, Any]:
    """Take many small contents, each as its digest (32 bytes), its size (4 bytes, big-endian) and itself."""
    contents = _split(data)
    with reading(engine) as session:
        sizes = receiving.wanted(session, team, list(contents))
    for digest, content in contents.items():
        if len(content) != _wanted(sizes, digest, team):
            raise UsageError(f"the content {digest[:12]} has {len(content)} bytes; expected {sizes[digest]}")
    for digest, content in contents.items():
        blobs.keep(digest, io.BytesIO(content), len(content))
    with writing(engine) as session:
        receiving.arrived(session, {d: sizes[d] for d in contents})
    return {"stored": len(contents)}


@router.post("/submissions/{slug}/complete")
def complete(slug: str, team: TeamOf, engine: Engine_, blobs: Blobs_, settings: Settings_) -> dict[str, Any]:
    """Say that all is sent: the records are looked at, and the submission waits to be scored."""
    with reading(engine) as session:
        submission = receiving.owned(session, team, slug)
        parts = receiving.parts_of(session, submission)
        left = receiving.lacking(session, submission)
    if (submission.kind, submission.state) == ("run", "uploading") and not left:
        try:
            receiving.check_arrived(parts, _opening(blobs), receiving.limits_of(settings))
        except UsageError as fault:
            with writing(engine) as session:
                receiving.set_aside(session, receiving.owned(session, team, slug), str(fault))
            raise
    with writing(engine) as session:
        submission = receiving.owned(session, team, slug)
        receiving.queue(session, submission, team)
        return _told(submission)


@router.get("/submissions/{slug}/status")
def status(slug: str, team: TeamOf, engine: Engine_) -> dict[str, Any]:
    """Return how far a submission of the team has come."""
    with reading(engine) as session:
        submission = receiving.owned(session, team, slug)
        return _told(submission) | {"lacking": len(receiving.lacking(session, submission))}


@router.post("/submissions/{slug}/withdraw")
def withdraw(slug: str, told: Withdrawal, team: TeamOf, engine: Engine_) -> dict[str, Any]:
    """Take a submission back; it stays as a tombstone."""
    with writing(engine) as session:
        submission = receiving.owned(session, team, slug)
        receiving.withdraw(session, submission, told.reason)
        return _told(submission)


def _told(submission: Submission) -> dict[str, Any]:
    return {
        "slug": submission.slug, "address": f"/submissions/{submission.slug}", "state": submission.state,
        "tier": submission.tier, "reason": submission.reason, "suite": submission.suite,
        "root": submission.root,
    }  # fmt: skip


def _wanted(sizes: Mapping[str, int], digest: str, team: Team) -> int:
    if digest not in sizes:
        raise HTTPException(
            404, f"no submission that {team.name!r} is sending waits for {digest[:12]!r}; announce it first"
        )
    return sizes[digest]


def _asked_for(engine: Engine, team: Team, digest: str) -> tuple[int, bool]:
    with reading(engine) as session:
        size = _wanted(receiving.wanted(session, team, [digest]), digest, team)
        return size, session.get(Blob, digest) is not None


def _keep(piece: uploads.Upload, blobs: Blobs, engine: Engine) -> None:
    piece.keep(blobs)
    with writing(engine) as session:
        receiving.arrived(session, {piece.digest: piece.size})


def _split(data: bytes) -> dict[str, bytes]:
    """Return contents by their digests, which are those that were told."""
    made: dict[str, bytes] = {}
    at = 0
    while at < len(data):
        if at + HEAD.size > len(data) or len(made) >= MOST_AT_ONCE:
            raise UsageError(f"the body is no list of at most {MOST_AT_ONCE} contents with their digests")
        raw, size = HEAD.unpack_from(data, at)
        content = data[at + HEAD.size : at + HEAD.size + size]
        if len(content) != size or hashlib.sha256(content).digest() != raw:
            raise UsageError(f"the content {raw.hex()[:12]} was damaged on its way; send it again")
        made[raw.hex()] = content
        at += HEAD.size + size
    return made


def _opening(blobs: Blobs) -> Callable[[Listed], BinaryIO]:
    return lambda part: blobs.open(part.digest)
