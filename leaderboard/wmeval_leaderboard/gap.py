"""The gap: how much better a model does on public cases, which can be learnt, than on hidden ones."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from wmeval.run.instruments import CONTROL
from wmeval_leaderboard.tables import Score, Source, Submission

PUBLIC: tuple[Source, ...] = ("reported", "rescored")  # the last one that is there counts
HIDDEN: tuple[Source, ...] = ("challenged", "verified")


def settle(session: Session, submission: Submission) -> None:
    """Set the gap of a submission anew: mean skill on public cases minus on hidden ones.

    Only probes that were asked both ways, by the same instrument and tag, are compared; None where none was.
    """
    session.flush()
    query = select(Score).where(Score.submission_id == submission.id, Score.section == "scores")
    rows = [row for row in session.scalars(query) if row.tag != CONTROL and row.value is not None]
    public, hidden = _by_key(rows, PUBLIC), _by_key(rows, HIDDEN)
    both = [key for key in public if key in hidden]
    submission.gap = sum(public[k] - hidden[k] for k in both) / len(both) if both else None


def _by_key(rows: Sequence[Score], sources: Sequence[Source]) -> dict[tuple[str, ...], float]:
    told: dict[tuple[str, ...], float] = {}
    for source in sources:
        for row in (r for r in rows if r.source == source):
            assert row.value is not None
            told[row.name, row.instrument, row.tag, str(row.row.get("matching") or "")] = row.value
    return told
