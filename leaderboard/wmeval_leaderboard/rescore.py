"""A submission's answers go to a process that measures them again, and what comes of it onto the board."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from wmeval.run.store import read_json
from wmeval.submission.limits import Limits
from wmeval_leaderboard import jobs, ledger, limited, rescoring, scores, seasons
from wmeval_leaderboard.blobs import CHUNK, Blobs
from wmeval_leaderboard.database import reading, writing
from wmeval_leaderboard.limited import Bounds
from wmeval_leaderboard.scores import Line
from wmeval_leaderboard.tables import TIERS, Part, Sample, Season, Submission, Tier
from wmeval_leaderboard.worker import Workplace

TOLD_DIFFERENCES = 50  # of the largest, in the ledger


def rescore(place: Workplace) -> None:
    """Measure a submission again and publish it; see `worker.Doing`."""
    with reading(place.engine) as session:
        submission = session.get_one(Submission, place.lease.submission_id)
        parts = list(
            session.scalars(select(Part).where(Part.submission_id == submission.id).order_by(Part.path))
        )
        season = session.get_one(Season, submission.season_id)
    seasons.suite_of(season)  # raises where this machine would measure otherwise
    fetch(place, parts)
    task = {
        "suite": season.versions["given"], "root": submission.root, "limits": asdict(Limits()),
        "parts": [[p.path, p.digest, p.size] for p in parts],
    }  # fmt: skip
    (place.folder / rescoring.TASK).write_text(json.dumps(task))
    bounds = Bounds(place.settings.measuring_s, place.settings.measuring_bytes)
    limited.run("wmeval_leaderboard.rescoring", [str(place.folder)], bounds, place.beat)
    told = read_json(place.folder / rescoring.TOLD)
    kept = [keep_media(place.blobs, sample, place.folder) for sample in told["samples"]]
    measured = [Line(**line) for line in told["measured"]]
    with writing(place.engine) as session:
        jobs.finish(session, place.lease)
        mine = session.get_one(Submission, submission.id)
        scores.keep(session, mine.id, "reported", [Line(**line) for line in told["reported"]])
        scores.keep(session, mine.id, "rescored", measured)
        keep_samples(session, mine.id, kept)
        tier: Tier = "re-scored" if told["units"] else "self-reported"
        publish(session, mine, tier, {"differences": told["differences"][:TOLD_DIFFERENCES]})


def publish(session: Session, submission: Submission, tier: Tier, more: Mapping[str, Any]) -> None:
    """Show a submission that was measured, at the highest tier that it ever had, and tell the ledger."""
    submission.tier = max(submission.tier, tier, key=TIERS.index)
    if submission.state != "withdrawn":  # its sender may have taken it back meanwhile
        submission.state, submission.reason = "published", ""
    submission.published = submission.published or time.time()
    body = {"tier": submission.tier, "state": submission.state, "root": submission.root, **more}
    ledger.record(session, "measured", submission.slug, body)


def keep_media(blobs: Blobs, sample: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the values of a row of `Sample`, whose files are stored."""
    told = dict(sample)
    media = {name: blobs.put((folder / path).read_bytes()) for name, path in told.pop("files").items()}
    return {**told, "media": media}


def keep_samples(session: Session, submission_id: int, told: Sequence[Mapping[str, Any]]) -> None:
    """Store the samples of a submission in the place of those that were there."""
    session.execute(delete(Sample).where(Sample.submission_id == submission_id))
    session.add_all(Sample(submission_id=submission_id, **sample) for sample in told)


def fetch(place: Workplace, parts: Sequence[Part]) -> None:
    """Write the files of a submission into the workplace, by the names that they have in a run's folder."""
    for part in parts:
        path = place.folder / rescoring.UPLOADED / part.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with place.blobs.open(part.digest) as kept, path.open("wb") as file:
            while chunk := kept.read(CHUNK):
                file.write(chunk)
        place.beat()
