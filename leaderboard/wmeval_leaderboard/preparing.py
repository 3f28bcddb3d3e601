"""Packs in the making: one at a time, each in a process of its own, while the team asks whether it is ready.

Nothing of it is kept but the finished pack: a server that died half-way makes it anew when it is asked for.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from sqlalchemy import Engine, select

from wmeval.errors import EnvironmentFault, UsageError
from wmeval.run.code import file_digest
from wmeval_leaderboard import hidden, ledger, seasons
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.database import reading, writing
from wmeval_leaderboard.limited import Bounds
from wmeval_leaderboard.receiving import arrived
from wmeval_leaderboard.settings import Settings
from wmeval_leaderboard.tables import Challenge, Season

GIVEN_UP = "its questions could not be made; the operator finds the reason in the log"
_log = logging.getLogger("wmeval.leaderboard")


class Preparing:
    """Makes packs in the background."""

    def __init__(self, engine: Engine, blobs: Blobs, settings: Settings) -> None:
        self.engine, self.blobs, self.settings = engine, blobs, settings
        self._under_way: set[str] = set()
        self._died: Counter[str] = Counter()
        self._lock, self._one = threading.Lock(), threading.Lock()

    def begin(self, slug: str) -> None:
        """Have the pack of a challenge made, unless that is under way."""
        with self._lock:
            if slug in self._under_way:
                return
            self._under_way.add(slug)
        threading.Thread(target=self._make, args=(slug,), daemon=True).start()

    def _make(self, slug: str) -> None:
        try:
            with self._one:
                prepare(self.engine, self.blobs, self.settings, slug)
        except UsageError as refused:
            self._refuse(slug, str(refused))
        except EnvironmentFault as lacking:  # of this machine: it is tried again when it is asked for
            _log.error("challenge %s: %s", slug, lacking)
        except Exception:
            _log.exception("challenge %s", slug)
            self._died[slug] += 1
            if self._died[slug] >= self.settings.attempts:
                self._refuse(slug, GIVEN_UP)
        finally:
            with self._lock:
                self._under_way.discard(slug)

    def _refuse(self, slug: str, why: str) -> None:
        with writing(self.engine) as session:
            made = session.scalars(select(Challenge).where(Challenge.slug == slug)).one()
            made.model = {**made.model, "problem": why}
            ledger.record(session, "challenge refused", slug, {"reason": why})


def prepare(engine: Engine, blobs: Blobs, settings: Settings, slug: str) -> None:
    """Make the pack of a challenge and store it; the time to answer runs from then on.

    Raises:
        UsageError: the season's suite cannot be asked of the model as it was declared.
        EnvironmentFault, Died: it could not be made; the next attempt may go better.
    """
    with reading(engine) as session:
        made = session.scalars(select(Challenge).where(Challenge.slug == slug)).one()
        season = session.get_one(Season, made.season_id)
    if made.pack is not None:
        return
    seasons.suite_of(season)  # raises where this machine would draw otherwise
    if settings.scratch:
        Path(settings.scratch).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"pack-{slug}-", dir=settings.scratch or None))
    try:
        bounds = Bounds(settings.measuring_s, settings.measuring_bytes)
        task = {**made.model, "do": "pack", "suite": season.versions["given"]}
        told = hidden.do(folder, seasons.secret_of(season), task, bounds, lambda: None)
        path = folder / hidden.ZIP
        kept = file_digest(path)
        with path.open("rb") as file:
            size = path.stat().st_size
            blobs.keep(kept, file, size)
    except UsageError as refused:  # which is shown to the team
        raise UsageError(str(refused).replace(str(folder), "the workplace")) from refused
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    with writing(engine) as session:
        mine = session.get_one(Challenge, made.id)
        if mine.pack is None:  # another server may have been first
            arrived(session, {kept: size})
            mine.pack, mine.salt = kept, bytes.fromhex(told["salt"])
            mine.deadline = time.time() + settings.answer_within_s
