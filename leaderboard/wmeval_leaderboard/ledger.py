"""Everything that happened, in order: each entry's hash covers the one before it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from wmeval.errors import EnvironmentFault
from wmeval.seeds import digest
from wmeval_leaderboard.tables import Ledger

FIRST = "0" * 64  # what stands before the first entry


def record(session: Session, kind: str, subject: str, body: Mapping[str, Any]) -> Ledger:
    """Append an entry, within a transaction that writes, and return it.

    Raises:
        ValueError: the body is not plain JSON; NaN is not.
    """
    last = session.scalars(select(Ledger).order_by(Ledger.seq.desc()).limit(1)).first()
    entry = Ledger(
        seq=last.seq + 1 if last else 1, at=time.time(), kind=kind, subject=subject, body=dict(body),
        before=last.hash if last else FIRST,
    )  # fmt: skip
    entry.hash = hash_of(entry)
    session.add(entry)
    session.flush()
    return entry


def head(session: Session) -> str:
    """Return the hash of the last entry: while it is the same, nothing that is shown has changed."""
    return session.scalar(select(Ledger.hash).order_by(Ledger.seq.desc()).limit(1)) or FIRST


def hash_of(entry: Ledger) -> str:
    """Return the SHA-256 over an entry and the hash before it, which anyone can compute."""
    return digest([entry.seq, entry.at, entry.kind, entry.subject, entry.body, entry.before])


def verify(session: Session) -> int:
    """Return how many entries there are, each of which follows from the one before.

    Raises:
        EnvironmentFault: one was changed, left out or put in.
    """
    before, count = FIRST, 0
    for entry in session.scalars(select(Ledger).order_by(Ledger.seq)).yield_per(1000):
        count += 1
        if entry.seq != count or entry.before != before or entry.hash != hash_of(entry):
            raise EnvironmentFault(
                f"entry {entry.seq} of the ledger does not follow from the one before it: it was "
                "changed after it was written; restore the database from a copy, and compare its last hash "
                "with a published one"
            )
        before = entry.hash
    return count
