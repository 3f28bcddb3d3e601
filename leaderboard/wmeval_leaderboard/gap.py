"""The gap: how much better a model does on public cases, which can be learnt, than on hidden ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from wmeval.run.instruments import CONTROL
from wmeval_leaderboard.tables import Score, Source, Submission

PUBLIC: tuple[Source, ...] = ("reported", "rescored")  # the last one that is there counts
HIDDEN: tuple[Source, ...] = ("challenged", "verified")


class Number(NamedTuple):
    """A skill with its 95 % interval, where it has one."""

    value: float
    lo: float | None
    hi: float | None


@dataclass(frozen=True)
class Gap:
    """Mean skill on public cases minus on hidden ones, over the numbers that were asked both ways."""

    value: float
    over: int
    half: float | None  # of its 95 % interval, where all skills have one


def between(public: Mapping[tuple[str, ...], Number], hidden: Mapping[tuple[str, ...], Number]) -> Gap | None:
    """Return the gap over what was asked both ways; None where nothing was. Cases are taken as independent.

    >>> asked = ("gravity@0.1",)
    >>> between({asked: Number(0.8, 0.7, 0.9)}, {asked: Number(0.5, 0.4, 0.6)}).half.__round__(4)
    0.1414
    """
    both = [key for key in public if key in hidden]
    if not both:
        return None
    value = sum(public[k].value - hidden[k].value for k in both) / len(both)
    halves = [
        (one.hi - one.lo) / 2
        for of in (public, hidden)
        for one in (of[k] for k in both)
        if one.lo is not None and one.hi is not None
    ]
    whole = len(halves) == 2 * len(both)
    return Gap(value, len(both), sqrt(sum(h**2 for h in halves)) / len(both) if whole else None)


def settle(session: Session, submission: Submission) -> None:
    """Set the gap of a submission anew: mean skill on public cases minus on hidden ones.

    Only probes that were asked both ways, by the same instrument and tag, are compared; None where none was.
    """
    session.flush()
    query = select(Score).where(Score.submission_id == submission.id, Score.section == "scores")
    rows = [row for row in session.scalars(query) if row.tag != CONTROL and row.value is not None]
    found = between(_by_key(rows, PUBLIC), _by_key(rows, HIDDEN))
    submission.gap = found.value if found else None


def _by_key(rows: Sequence[Score], sources: Sequence[Source]) -> dict[tuple[str, ...], Number]:
    told: dict[tuple[str, ...], Number] = {}
    for source in sources:
        for row in (r for r in rows if r.source == source):
            assert row.value is not None
            key = (row.name, row.instrument, row.tag, str(row.row.get("matching") or ""))
            told[key] = Number(row.value, row.lo, row.hi)
    return told
