"""A submission's answers go to a process that measures them again, and what comes of it onto the board."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import select

from wmeval.run.store import read_json
from wmeval_leaderboard import jobs, limited, rescoring, scores, seasons
from wmeval_leaderboard.blobs import CHUNK
from wmeval_leaderboard.challenged import adopt
from wmeval_leaderboard.database import reading, writing
from wmeval_leaderboard.gap import settle
from wmeval_leaderboard.limited import Bounds
from wmeval_leaderboard.publishing import keep_media, keep_samples, publish
from wmeval_leaderboard.receiving import limits_of
from wmeval_leaderboard.scores import Line
from wmeval_leaderboard.tables import Part, Season, Submission, Tier
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
        "suite": season.versions["given"], "root": submission.root,
        "limits": asdict(limits_of(place.settings)),
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
        keep_samples(session, place.blobs, mine.id, kept)
        adopt(session, mine)
        settle(session, mine)
        tier: Tier = "re-scored" if told["units"] else "self-reported"
        publish(session, mine, tier, {"differences": told["differences"][:TOLD_DIFFERENCES]})


def fetch(place: Workplace, parts: Sequence[Part]) -> None:
    """Write the files of a submission into the workplace, by the names that they have in a run's folder."""
    for part in parts:
        path = place.folder / rescoring.UPLOADED / part.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with place.blobs.open(part.digest) as kept, path.open("wb") as file:
            while chunk := kept.read(CHUNK):
                file.write(chunk)
        place.beat()
