"""A submission on its way in: announced with the list of its files, uploading until all are here, queued.

An answer is stored once, however often and by however many at once it is sent: its address is the hash of its
team and its root, and whoever comes second goes on with what came first.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from sqlalchemy import and_, delete, func, insert, select
from sqlalchemy.orm import Session

from wmeval.errors import UsageError, WmevalError
from wmeval.seeds import digest
from wmeval.submission import parts as listing
from wmeval.submission.check import check_records
from wmeval.submission.documents import Documents, read_documents
from wmeval.submission.fit import unfit
from wmeval.submission.limits import Limits
from wmeval.submission.signing import signed
from wmeval.suite import Suite
from wmeval_leaderboard import accounts, challenged, jobs, ledger
from wmeval_leaderboard.settings import Settings
from wmeval_leaderboard.tables import Blob, Model, Part, Season, Submission, Team
from wmeval_leaderboard.uploads import DAY_S

_AT_ONCE = threading.Semaphore(2)  # documents are read by so many handlers: each takes its memory
_ROWS = ("scores", "fidelity", "planning", "implied", "na")  # of results.json, which are kept one by one


class NotAllowed(WmevalError):
    """The team may not do this."""


class TooMany(WmevalError):
    """The team has handed in as much as it may for now."""


class Missing(WmevalError):
    """Files that were announced are not here yet."""


@dataclass(frozen=True)
class Announced:
    """What a team says that it will send, and that it is the one who says so."""

    parts: Sequence[listing.Part]
    root: str
    key: str  # Ed25519, public, hex
    signature: str
    documents: Mapping[str, bytes]  # manifest.json and results.json, sent at once since all rests on them


def limits_of(settings: Settings) -> Limits:
    """Return how large a submission may be on a server."""
    return Limits(
        parts=settings.most_parts, part=settings.largest_part, whole=settings.largest_submission
    )  # fmt: skip


def read_announced(told: Announced, limits: Limits) -> Documents:
    """Return the documents of an announced submission, whose list, root and signature are in order.

    Raises:
        UsageError: something is wrong with it.
    """
    listing.check_list(told.parts, told.root, limits)
    if not signed(told.key, told.signature, told.root):
        raise UsageError(
            f"the signature is not that of the key {told.key[:12]} on the root {told.root[:12]}; "
            "`wmeval leaderboard login` makes a key, and `wmeval submit` signs with it"
        )
    by_path = {part.path: part for part in told.parts}
    for name, data in told.documents.items():
        if hashlib.sha256(data).hexdigest() != by_path[name].digest or len(data) != by_path[name].size:
            raise UsageError(f"{name} is not the one that the list of files names; send both anew")
    with _AT_ONCE:
        return read_documents(told.documents[listing.MANIFEST], told.documents[listing.RESULTS], limits)


def season_for(session: Session, suite: str) -> Season:
    """Return the season that is open for a suite (name@version), the newest where there are several.

    Raises:
        UsageError: there is none.
    """
    query = select(Season).where(Season.closes.is_(None)).order_by(Season.id.desc())
    there = list(session.scalars(query))
    for season in there:
        if season.suite == suite:
            return season
    known = ", ".join(dict.fromkeys(s.suite for s in there)) or "none"
    raise UsageError(f"the run is of {suite}, and no season of it is open here; open: {known}")


def announce(
    session: Session, team: Team, told: Announced, documents: Documents, season: Season, suite: Suite,
    settings: Settings,
) -> Submission:  # fmt: skip
    """Return the submission of a team with this root, put up now unless it is there already.

    Raises:
        UsageError: it is no run of all that the season asks, or is signed with another team's key.
        NotAllowed: it is a reference, and the team is not the operator's.
        TooMany: the team has handed in as many as it may in a day.
    """
    there = find(session, team, told.root)
    if there is not None:
        return there
    if reasons := unfit(documents, suite):
        raise UsageError("; ".join(reasons))
    made_with, measures = documents.manifest["wmeval"], season.versions["wmeval"]
    if made_with != measures:
        raise UsageError(
            f"the run is of wmeval {made_with}, and the season {season.name!r} is measured by {measures}; "
            f"install {measures} and run it again"
        )
    key = accounts.add_key(session, team, told.key)
    if documents.results["model"]["reference"] and not team.admin:
        raise NotAllowed("references stand on the board already; hand in a run of a model")
    _check_quota(session, team, settings)
    model = model_of(session, team, documents.results["model"], documents.results["card"])
    submission = Submission(
        slug=digest([team.name, told.root])[:12], team_id=team.id, model_id=model.id, season_id=season.id,
        kind="run", suite=season.suite, tier="self-reported", state="uploading", reason="", root=told.root,
        signature=told.signature, key_id=key.id, about=_about(documents),
        classes=list(documents.results["card"]["classes"]), gap=None, created=time.time(), published=None,
        withdrawn=None,
    )  # fmt: skip
    session.add(submission)
    session.flush()
    rows = [
        {"submission_id": submission.id, "path": p.path, "digest": p.digest, "size": p.size}
        for p in told.parts
    ]
    session.execute(insert(Part), rows)
    return submission


def find(session: Session, team: Team, root: str) -> Submission | None:
    """Return a team's submission by its root."""
    query = select(Submission).where(Submission.team_id == team.id, Submission.root == root)
    return session.scalars(query).first()


def lacking(session: Session, submission: Submission) -> list[Part]:
    """Return the parts whose content is not here, each content once, in the order of their names.

    A content of another size than was announced is not what was announced: a list of small sizes does not
    make large files that are here already a small submission.
    """
    query = (
        select(Part)
        .outerjoin(Blob, and_(Blob.digest == Part.digest, Blob.size == Part.size))
        .where(Part.submission_id == submission.id, Blob.digest.is_(None))
        .order_by(Part.path)
    )
    return list({part.digest: part for part in session.scalars(query)}.values())


def wanted(session: Session, team: Team, digests: Sequence[str]) -> dict[str, int]:
    """Return the sizes [bytes] of those contents that a submission of the team still waits for."""
    query = (
        select(Part.digest, Part.size)
        .join(Submission, Submission.id == Part.submission_id)
        .where(
            Part.digest.in_(digests), Submission.team_id == team.id, Submission.state == "uploading"
        )
    )  # fmt: skip
    return {name: size for name, size in session.execute(query)}


def arrived(session: Session, sizes: Mapping[str, int]) -> None:
    """Note that contents are here, whole."""
    known = set(session.scalars(select(Blob.digest).where(Blob.digest.in_(sizes))))
    now = time.time()
    session.add_all(
        Blob(digest=name, size=size, created=now) for name, size in sizes.items() if name not in known
    )


def owned(session: Session, team: Team, slug: str) -> Submission:
    """Return a team's submission by its address.

    Raises:
        NotAllowed: it is another team's, or there is none.
    """
    submission = session.scalars(select(Submission).where(Submission.slug == slug)).first()
    if submission is None or submission.team_id != team.id:
        raise NotAllowed(f"{team.name!r} has no submission {slug[:40]!r}")
    return submission


def parts_of(session: Session, submission: Submission) -> list[listing.Part]:
    """Return the files of a submission in the order of their names."""
    query = select(Part).where(Part.submission_id == submission.id).order_by(Part.path)
    return [listing.Part(p.path, p.digest, p.size) for p in session.scalars(query)]


def check_arrived(
    parts: Sequence[listing.Part], opening: Callable[[listing.Part], BinaryIO], limits: Limits
) -> None:
    """Check the records of a submission that is wholly here; its arrays are left to the worker.

    Raises:
        UsageError: one is malformed, or a file is missing or belongs to none.
    """
    with _AT_ONCE:
        read = {}
        for part in parts:
            if part.path in (listing.MANIFEST, listing.RESULTS):
                with opening(part) as file:
                    read[part.path] = file.read(part.size)
        documents = read_documents(read[listing.MANIFEST], read[listing.RESULTS], limits)
        check_records(documents, parts, opening, limits)


def queue(session: Session, submission: Submission, team: Team) -> None:
    """Put a submission whose files are all here up for scoring; does nothing where it was before.

    Raises:
        UsageError: it answers a challenge. Missing: files are not here yet.
    """
    if submission.kind != "run":
        raise UsageError(f"{submission.slug} answers a challenge; complete that")
    if submission.state != "uploading":
        return
    if left := lacking(session, submission):
        raise Missing(
            f"{len(left)} files of {submission.slug} are not here yet, the first is {left[0].path}; "
            "`wmeval submit` sends what is missing"
        )
    submission.state = "queued"
    jobs.add(session, "rescore", submission.id)
    model = session.get_one(Model, submission.model_id)
    body = {"team": team.name, "model": model.slug, "suite": submission.suite, "root": submission.root}
    ledger.record(session, "submitted", submission.slug, body)


def forget(session: Session, older_s: float = DAY_S) -> None:
    """Delete runs that were announced and never came whole. Their files stay: announced anew, they go on."""
    old = (
        Submission.state == "uploading", Submission.kind == "run",
        Submission.created < time.time() - older_s,
    )  # fmt: skip
    session.execute(delete(Part).where(Part.submission_id.in_(select(Submission.id).where(*old))))
    session.execute(delete(Submission).where(*old))


def set_aside(session: Session, submission: Submission, reason: str) -> None:
    """Quarantine a submission that is not what it must be; the same files are not looked at again."""
    if submission.state == "uploading":
        submission.state, submission.reason = "quarantined", reason
        ledger.record(session, "quarantined", submission.slug, {"reason": reason})


def withdraw(session: Session, submission: Submission, reason: str) -> None:
    """Take a submission back. Its row, numbers and history stay; it is shown as withdrawn from now on.

    Raises:
        UsageError: it was never whole.
    """
    if submission.state == "uploading":
        raise UsageError(f"{submission.slug} is not wholly here, so there is nothing to withdraw")
    if submission.state != "withdrawn":
        submission.state, submission.reason, submission.withdrawn = "withdrawn", reason, time.time()
        ledger.record(session, "withdrawn", submission.slug, {"reason": reason})
        challenged.hand_on(session, submission)


def _check_quota(session: Session, team: Team, settings: Settings) -> None:
    since = time.time() - DAY_S
    query = select(func.count()).where(
        Submission.team_id == team.id, Submission.created > since, Submission.kind == "run"
    )
    there = session.scalar(query) or 0
    if not team.admin and there >= settings.submissions_a_day:
        raise TooMany(
            f"{team.name!r} has handed in {there} runs in the last 24 hours, and "
            f"{settings.submissions_a_day} is the most; hand this one in later"
        )


def model_of(session: Session, team: Team, told: Mapping[str, Any], card: Mapping[str, Any]) -> Model:
    """Return the model of a team that results.json says this of under `model` and `card`, new or known."""
    identity = digest([told[k] for k in ("name", "version", "weights", "options")])
    query = select(Model).where(Model.team_id == team.id, Model.identity == identity)
    model = session.scalars(query).first()
    if model is None:
        word = re.sub(r"[^a-z0-9]+", "-", told["name"].lower()).strip("-") or "model"
        model = Model(
            team_id=team.id, slug=f"{word[:60]}-{digest([team.name, identity])[:6]}", name=told["name"],
            family=card["family"], identity=identity, card=dict(card), reference=bool(told["reference"]),
        )  # fmt: skip
        session.add(model)
        session.flush()
    return model


def _about(documents: Documents) -> dict[str, Any]:
    """Return what a submission says of itself, without rows and without where files lay on its machine."""
    manifest, results = documents.manifest, documents.results
    request = {k: manifest["request"][k] for k in ("seed", "replicates")}
    told = {k: v for k, v in results.items() if k not in _ROWS}
    more = {k: manifest[k] for k in ("wmeval", "machine", "created", "view", "metrics")}
    return {**told, **more, "request": request}
