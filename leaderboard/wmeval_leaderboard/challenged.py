"""The answers to a challenge are measured: decoded without the secret, judged with it, and published."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from wmeval.pack import archive
from wmeval.run.store import read_json
from wmeval_leaderboard import decoding, hidden, jobs, ledger, limited, scores, seasons
from wmeval_leaderboard.blobs import CHUNK
from wmeval_leaderboard.database import reading, writing
from wmeval_leaderboard.gap import settle
from wmeval_leaderboard.limited import Bounds
from wmeval_leaderboard.publishing import publish
from wmeval_leaderboard.scores import Line
from wmeval_leaderboard.tables import TIERS, Challenge, Part, Score, Season, Source, Submission
from wmeval_leaderboard.worker import Workplace


def measure(place: Workplace) -> None:
    """Measure the answers to a challenge and publish what they are worth; see `worker.Doing`."""
    with reading(place.engine) as session:
        submission = session.get_one(Submission, place.lease.submission_id)
        season = session.get_one(Season, submission.season_id)
        challenge = session.scalars(
            select(Challenge).where(Challenge.submission_id == submission.id)
        ).one()  # fmt: skip
        parts = list(session.scalars(select(Part).where(Part.submission_id == submission.id)))
    seasons.suite_of(season)
    _lay(place, challenge, parts)
    (place.folder / decoding.STATED).write_text(json.dumps(submission.about["stated"]))
    bounds = Bounds(place.settings.measuring_s, place.settings.measuring_bytes)
    limited.run(decoding.MODULE, [str(place.folder)], bounds, place.beat)
    found = read_json(place.folder / decoding.TOLD)
    task = {
        **challenge.model, "do": "answers", "suite": season.versions["given"], "salt": challenge.salt.hex(),
    }  # fmt: skip
    told = hidden.do(place.folder, seasons.secret_of(season), task, bounds, place.beat)
    with writing(place.engine) as session:
        jobs.finish(session, place.lease)
        mine = session.get_one(Submission, submission.id)
        keep(session, mine, "challenged", [Line(**line) for line in told["lines"]], found)


def keep(
    session: Session, mine: Submission, source: Source, lines: Sequence[Line], found: dict[str, Any]
) -> None:
    """Publish what a challenge came to, beside the run of the same model where it has one in this season.

    The first challenge of a model, class and season stands: what a later one came to counts for nothing,
    since all of them ask the same scenes.
    """
    before, run = first(session, mine), run_of(session, mine)
    if before is not None:
        publish(session, mine, "self-reported", {**found, "counts": "no, an earlier challenge stands"})
        if run is not None:
            adopt(session, run)
            settle(session, run)
        return
    scores.keep(session, (run or mine).id, source, lines)
    if run is None:
        publish(session, mine, "challenged", found)
        return
    # one model has one line on the board: its run, which the challenge raises
    publish(session, mine, "self-reported", {**found, "counts_for": run.slug})
    if run.state == "published":
        publish(session, run, "challenged", {"challenge": mine.slug})
    else:
        run.tier = "challenged"
        ledger.record(session, "challenged", run.slug, {"challenge": mine.slug})
    settle(session, run)


def run_of(session: Session, mine: Submission) -> Submission | None:
    """Return the newest whole run of the same model, class and season that was not taken back."""
    query = select(Submission).where(
        Submission.model_id == mine.model_id, Submission.season_id == mine.season_id,
        Submission.kind == "run", Submission.state.in_(("queued", "scoring", "published")),
    )  # fmt: skip
    found = session.scalars(query.order_by(Submission.id.desc()))
    return next((run for run in found if run.classes == mine.classes), None)


def first(session: Session, like: Submission) -> Submission | None:
    """Return where the first numbers of a challenge of a model, class and season are; None where none are.

    They are also those of a submission that was taken back: withdrawing it makes no answer unsaid.
    """
    query = (
        select(Submission)
        .join(Score, Score.submission_id == Submission.id)
        .where(
            Submission.model_id == like.model_id, Submission.season_id == like.season_id,
            Score.source == "challenged",
        )
        .order_by(Score.id)
    )  # fmt: skip
    return next((one for one in session.scalars(query) if one.classes == like.classes), None)


def adopt(session: Session, run: Submission) -> None:
    """Let a run stand for what its model was worth in its first challenge, wherever these numbers are."""
    before = first(session, run)
    if before is None or run.kind != "run":
        return
    if before.id != run.id:
        of = select(Score).where(Score.submission_id == before.id, Score.source == "challenged")
        names = [f.name for f in fields(Line)]
        lines = [Line(**{name: getattr(row, name) for name in names}) for row in session.scalars(of)]
        scores.keep(session, run.id, "challenged", lines)
    run.tier = max(run.tier, "challenged", key=TIERS.index)


def hand_on(session: Session, gone: Submission) -> None:
    """Let the run that stands for a model now take over what the one that was withdrawn was worth."""
    session.flush()
    run = run_of(session, gone)
    if run is not None:
        adopt(session, run)
        settle(session, run)


def _lay(place: Workplace, challenge: Challenge, parts: Sequence[Part]) -> None:
    """Unpack the questions and put the answers beside them."""
    assert challenge.pack is not None
    path = place.folder / hidden.ZIP
    with place.blobs.open(challenge.pack) as kept, path.open("wb") as file:
        shutil.copyfileobj(kept, file, CHUNK)
    pack = archive.unpacked(path, place.folder / hidden.PACK)
    path.unlink()
    for part in parts:
        answer = pack.folder / part.path
        answer.parent.mkdir(parents=True, exist_ok=True)
        with place.blobs.open(part.digest) as kept, answer.open("wb") as file:
            shutil.copyfileobj(kept, file, CHUNK)
        place.beat()
