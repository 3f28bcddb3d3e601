"""How a submission comes onto the board, and what is shown of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from wmeval.errors import UsageError
from wmeval_leaderboard import ledger
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.tables import TIERS, Blob, Sample, Submission, Tier


def publish(session: Session, submission: Submission, tier: Tier, more: Mapping[str, Any]) -> None:
    """Show a submission that was measured, at the highest tier that it ever had, and tell the ledger."""
    submission.tier = max(submission.tier, tier, key=TIERS.index)
    # its sender may have taken it back meanwhile, and what was set aside must be measured again first
    if submission.state not in ("withdrawn", "quarantined"):
        submission.state, submission.reason = "published", ""
    submission.published = submission.published or time.time()
    body = {"tier": submission.tier, "state": submission.state, "root": submission.root, **more}
    ledger.record(session, "measured", submission.slug, body)


def find(session: Session, slug: str) -> Submission:
    """Return a submission by the end of its address.

    Raises:
        UsageError: there is none.
    """
    submission = session.scalars(select(Submission).where(Submission.slug == slug)).first()
    if submission is None:
        raise UsageError(f"no submission is called {slug[:80]!r}; its name is the end of its address")
    return submission


def keep_media(blobs: Blobs, sample: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the values of a row of `Sample`, of `samples.Kept` as JSON, whose files are stored."""
    told = dict(sample)
    media = {name: blobs.put((folder / path).read_bytes()) for name, path in told.pop("files").items()}
    return {**told, "media": media}


def keep_samples(
    session: Session, blobs: Blobs, submission_id: int, told: Sequence[Mapping[str, Any]]
) -> None:
    """Store the samples of a submission in the place of those that were there, and note their files."""
    media = {digest for sample in told for digest in sample["media"].values()}
    known = set(session.scalars(select(Blob.digest).where(Blob.digest.in_(media))))
    now = time.time()
    session.add_all(Blob(digest=d, size=blobs.size(d), created=now) for d in sorted(media - known))
    session.execute(delete(Sample).where(Sample.submission_id == submission_id))
    session.add_all(Sample(submission_id=submission_id, **sample) for sample in told)
