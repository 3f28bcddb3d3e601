"""What each model has in each case: read for the few that are ranked together, and never sent to anyone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from wmeval_leaderboard.board.columns import Column
from wmeval_leaderboard.board.entry import SOURCES, Entry
from wmeval_leaderboard.board.ranks import FEW, Cases
from wmeval_leaderboard.tables import TIERS, Score


def cases(session: Session, entries: Sequence[Entry], column: Column) -> Cases:
    """Return by entry the value of every case of a column; nothing where there are too many entries.

    The names of cases hold probe and tag, so that a mean over probes pairs like with like.
    """
    able = [e for e in entries if (c := column.read(e)) is not None and c.whole]
    if not column.parts or not 1 < len(able) <= FEW:
        return {}
    wanted = {
        (c.submission, SOURCES[TIERS.index(c.tier)], *part[:2], part[2].partition(", ")[0], part[3]): e.id
        for e in able
        for part in column.parts
        for c in (e.cells[part],)
    }
    score = Score
    stated = select(
        score.submission_id, score.source, score.section, score.name, score.instrument, score.tag, score.cases
    ).where(
        score.submission_id.in_({key[0] for key in wanted}),
        score.name.in_({part[1] for part in column.parts}),
    )
    out: dict[int, dict[str, float]] = {e.id: {} for e in able}
    for *key, values in session.execute(stated):
        entry = wanted.get(tuple(key))
        if entry is None:
            continue
        sign = -1.0 if key[2] == "fidelity" and not column.higher else 1.0
        out[entry] |= {f"{key[3]}|{key[5]}|{case}": sign * float(v) for case, v in (values or {}).items()}
    return out
