"""Seasons: a suite with all versions fixed, and hidden seeds that are promised by hash."""

from __future__ import annotations

import secrets
import time
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from wmeval import registry
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.run.code import source_digest
from wmeval.run.machine import machine
from wmeval.run.plan import metric_code
from wmeval.run.scoring import anchors_digest
from wmeval.seeds import commitment
from wmeval.suite import Suite
from wmeval_leaderboard import accounts, ledger
from wmeval_leaderboard.tables import Season

SECRET_BYTES = 32
# what determines scenes, their truths and what is seen of them
WORLD = ("wmeval.world", "wmeval.scene", "wmeval.truth", "wmeval.camera", "wmeval.perceive")


def open_season(session: Session, name: str, suite: str) -> Season:
    """Return a new season of a suite, named as for `wmeval run --suite`.

    Its secret is drawn now and kept sealed; the hash of it, and the versions of all that measures, are
    published in the ledger.

    Raises:
        UsageError: no such suite, or the name is taken, too long, or holds other than letters, digits,
            spaces and . _ -
    """
    if not accounts.NAME.fullmatch(name):
        raise UsageError(
            f"a season was named {name[:80]!r}; expected 1 to 48 letters, digits, spaces and . _ -, "
            "beginning and ending with a letter or digit"
        )
    loaded = registry.load_suite(suite)
    if find(session, name) is not None:
        raise UsageError(f"a season is called {name!r} already; choose another name")
    secret = secrets.token_bytes(SECRET_BYTES)
    season = Season(
        name=name, suite=loaded.key, versions=versions(loaded, suite), commitment=commitment(secret),
        sealed=secret, secret=None, opens=time.time(), closes=None,
    )  # fmt: skip
    session.add(season)
    session.flush()
    told = {"suite": season.suite, "versions": season.versions, "commitment": season.commitment}
    ledger.record(session, "season opened", name, told)
    return season


def close_season(session: Session, name: str) -> Season:
    """End a season and tell its secret, so that anyone can draw its hidden scenes and check the promise.

    Raises:
        UsageError: there is no such season, or it is over.
    """
    season = find(session, name)
    if season is None or season.sealed is None:
        raise UsageError(f"no season {name!r} is open; `wmeval leaderboard admin seasons` lists them")
    season.secret, season.sealed, season.closes = season.sealed.hex(), None, time.time()
    told = {"secret": season.secret, "commitment": season.commitment}
    ledger.record(session, "season closed", name, told)
    return season


def find(session: Session, name: str) -> Season | None:
    """Return a season by its name."""
    return session.scalars(select(Season).where(Season.name == name)).first()


def current(session: Session, name: str | None = None) -> Season:
    """Return the season of this name, or else the one that was opened last, if it is open.

    Raises:
        UsageError: there is none, or it is over.
    """
    query = select(Season).where(Season.closes.is_(None)).order_by(Season.id.desc()).limit(1)
    season = find(session, name) if name else session.scalars(query).first()
    if season is None:
        which = f"is called {name!r}" if name else "is open"
        raise UsageError(f"no season {which}; the operator opens one: `wmeval leaderboard admin open NAME`")
    if season.closes is not None:
        raise UsageError(f"the season {season.name!r} is over; submit to one that is open")
    return season


def secret_of(season: Season) -> bytes:
    """Return what draws the hidden scenes of a season. It must never be part of a response."""
    return season.sealed if season.sealed is not None else bytes.fromhex(season.secret or "")


def suite_of(season: Season) -> Suite:
    """Return the suite of a season, as it was when the season was opened.

    Raises:
        EnvironmentFault: what is installed here would measure otherwise.
    """
    suite = registry.load_suite(str(season.versions["given"]))
    now = versions(suite, str(season.versions["given"]))
    for what, then in season.versions.items():
        if now.get(what) != then:
            raise EnvironmentFault(
                f"the season {season.name!r} was opened with other {what} than are installed here, so "
                "numbers would not be comparable; install what it was opened with, or open another season"
            )
    return suite


def versions(suite: Suite, given: str) -> dict[str, Any]:
    """Return what is fixed in a season: versions for people, digests of sources for the server."""
    probes = [registry.load_probe(name).key for name in suite.probes]
    tasks = [registry.load_task(name).key for name in suite.tasks]
    return {
        "given": given,
        "wmeval": machine()["wmeval"],
        "probes": probes,
        "tasks": tasks,
        "metrics": {name: metric_code(name)[:16] for name in suite.metrics},
        "anchors": anchors_digest(suite),
        "world": source_digest(*WORLD),
    }
