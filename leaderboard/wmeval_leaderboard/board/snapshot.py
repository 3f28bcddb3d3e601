"""Everything that is shown, read at once and kept until the ledger says that something happened.

Columns are named one by one, so that no secret, salt or token is ever in the memory of what makes pages.
"""

from __future__ import annotations

import gc
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from wmeval.run.instruments import CONTROL
from wmeval_leaderboard import tables
from wmeval_leaderboard.board.entry import (
    SOURCES,
    TIER_OF,
    Cell,
    Entry,
    Key,
    Season,
    best_first,
    most_trusted,
)
from wmeval_leaderboard.board.known import NotHere, not_here, probe
from wmeval_leaderboard.database import reading
from wmeval_leaderboard.gap import HIDDEN, PUBLIC, Number, between
from wmeval_leaderboard.ledger import head

SHOWN = ("published", "withdrawn")
_WAY = ("task", "protocol", "tag", "dynamics", "cost", "budget", "read")  # what a row of planning is of
Row = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Snapshot:
    """Seasons, newest first, and entries, oldest first, as they were at a hash of the ledger."""

    head: str
    seasons: tuple[Season, ...]
    entries: tuple[Entry, ...]
    references: Mapping[Key, Mapping[str, Row]] = field(default_factory=dict)  # stored rows of references
    memo: dict[tuple[str, ...], Any] = field(default_factory=dict, repr=False)  # what was worked out from it

    def once(self, key: tuple[str, ...], make: Callable[[], T]) -> T:
        """Return what `make` makes of this snapshot, made once for a key."""
        if key not in self.memo:
            self.memo[key] = make()
        made: T = self.memo[key]
        return made

    def season(self, name: str = "") -> Season:
        """Return a season by its name; without one the newest that has an entry.

        Raises:
            NotHere: there is no such season, or none at all.
        """
        if not self.seasons:
            raise NotHere("no season has been opened yet; `wmeval leaderboard admin` opens one")
        if not name:
            used = {e.season for e in self.entries if e.standing}
            return next((s for s in self.seasons if s.name in used), self.seasons[0])
        for season in self.seasons:
            if season.name == name:
                return season
        raise not_here("season", name, [s.name for s in self.seasons])

    def standing(self, season: str) -> list[Entry]:
        """Return one entry a model and class: its most trusted one, and of these the last published.

        What it lacks (speed and planning of one that was challenged) is that of the last of a lesser tier,
        and each number keeps its own tier.
        """
        return self.once(("standing", season), lambda: _standing(self.entries, season))

    def of_model(self, slug: str) -> list[Entry]:
        """Return all entries of a model, newest first; withdrawn ones too.

        Raises:
            NotHere: no model has this name.
        """
        found = [e for e in reversed(self.entries) if e.model == slug]
        if not found:
            raise not_here("model", slug, {e.model for e in self.entries})
        return found

    def submissions(self, season: str) -> Mapping[str, int]:
        """Return how many entries each team has in a season, withdrawn ones too."""
        counted: dict[str, int] = defaultdict(int)
        for entry in self.entries:
            if entry.season == season:
                counted[entry.team] += 1
        return counted


class Snapshots:
    """The newest Snapshot of a database; while one is being read, others are served the one before."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._last: Snapshot | None = None
        self._reading = threading.Lock()

    def now(self) -> Snapshot:
        """Return what there is to show."""
        with reading(self.engine) as session:
            last, at = self._last, head(session)
            if last is not None and last.head == at:
                return last
            if not self._reading.acquire(blocking=last is None):
                assert last is not None
                return last
            try:
                if self._last is None or self._last.head != at:
                    self._last = read(session)
                    # the collector would look through all of it again and again, for a tenth of a second
                    gc.collect()
                    gc.freeze()
                return self._last
            finally:
                self._reading.release()


def _standing(entries: Iterable[Entry], season: str) -> list[Entry]:
    last: dict[tuple[str, tuple[str, ...]], dict[int, Entry]] = defaultdict(dict)
    for entry in entries:
        # answers that count for the run of their model have no number of their own
        if entry.season == season and entry.standing and (entry.cells or entry.plans):
            last[entry.model, entry.classes][_trust(entry)] = entry
    out = []
    for of in last.values():
        ladder = [of[trust] for trust in sorted(of)]
        best = ladder[-1]
        cells: dict[Key, Cell] = {}
        for entry in ladder:
            cells |= entry.cells
        given: dict[str, Any] = {
            name: next((v for e in reversed(ladder) if (v := getattr(e, name))), ())
            for name in ("plans", "metrics")
        }
        speed: Any = next((e.about["speed"] for e in reversed(ladder) if e.about.get("speed")), {})
        out.append(replace(best, cells=cells, about={**best.about, "speed": speed}, **given))
    return out


def read(session: Session) -> Snapshot:
    """Return what there is to show."""
    at = head(session)
    entries = {e.id: e for e in _entries(session)}
    references: dict[Key, Mapping[str, Row]] = {}
    scores = tables.Score
    rows = session.execute(
        select(scores.submission_id, scores.source, scores.section, scores.row)
        .where(scores.submission_id.in_(select(tables.Submission.id).where(_shown())))
        .order_by(scores.id)
    )
    told: dict[int, dict[tuple[str, str], list[Row]]] = defaultdict(lambda: defaultdict(list))
    for submission, source, section, row in rows:
        told[submission][section, source].append(row)
        # what a sender says of references and anchors is nobody's measurement
        if section == "scores" and source != "reported" and row.get("rows"):
            references.setdefault(key_of(section, row), row["rows"])
    seasons = {season.name: season for season in _seasons(session)}
    full = tuple(_filled(e, seasons[e.season], told.get(e.id, {})) for e in entries.values())
    return Snapshot(at, tuple(seasons.values()), full, references)


def key_of(section: str, row: Row) -> Key:
    """Return what a row of results.json is of."""
    if section == "scores":
        matching = row.get("matching")
        return section, row["probe"], row["instrument"] + (f", {matching}" if matching else ""), row["tag"]
    if section == "fidelity":
        return section, row["metric"], "rollout", row["tag"]
    return section, row["task"], row["protocol"], row["tag"]


def _shown() -> Any:
    # what was quarantined before anyone saw it is told of on its own page, and nowhere else
    return tables.Submission.state.in_(SHOWN)


def _seasons(session: Session) -> Iterable[Season]:
    s = tables.Season
    stated = select(s.name, s.suite, s.versions, s.commitment, s.secret, s.opens, s.closes)
    for row in session.execute(stated.order_by(s.opens.desc(), s.id.desc())):
        yield Season(*row)


def _entries(session: Session) -> Iterable[Entry]:
    s, m = tables.Submission, tables.Model
    stated = (
        select(
            s.id, s.slug, m.slug, m.name, m.family, tables.Team.name, tables.Season.name, s.kind, s.suite,
            s.tier, s.state, s.reason, s.classes, m.reference, m.card, s.about, s.gap, s.created, s.published,
        )
        .join(m, s.model_id == m.id)
        .join(tables.Team, s.team_id == tables.Team.id)
        .join(tables.Season, s.season_id == tables.Season.id)
        .where(_shown())
        .order_by(s.published, s.id)
    )  # fmt: skip
    for row in session.execute(stated):
        told = dict(zip(_FIELDS, row, strict=True))
        told["classes"] = tuple(told["classes"])
        told["published"] = told["published"] or told["created"]
        yield Entry(**told)


_FIELDS = (
    "id", "slug", "model", "name", "family", "team", "season", "kind", "suite", "tier",
    "state", "reason", "classes", "reference", "card", "about", "gap", "created", "published",
)  # fmt: skip


def _filled(entry: Entry, season: Season, told: Mapping[tuple[str, str], Sequence[Row]]) -> Entry:
    """Return an entry with its numbers, each of the most trusted source that has it."""
    by_key: dict[Key, tuple[str, Row]] = {}
    for (section, source), rows in told.items():
        for row in rows if section in ("scores", "fidelity") else ():
            key = key_of(section, row)
            if source == "reported" and not season.asks(section, key[1]):
                continue  # what one sender alone lists would be a column that all others lack
            if key not in by_key or most_trusted(by_key[key][0], source) == source:
                by_key[key] = (source, row)
    cells = {
        key: replace(cell_of(key, row, source), submission=entry.id) for key, (source, row) in by_key.items()
    }
    metrics = [
        {k: v for k, v in row.items() if not k.startswith("curve")}
        for (section, *_), (_, row) in by_key.items()
        if section == "fidelity"
    ]
    plans: dict[tuple[str, ...], Row] = {}
    for source in SOURCES:  # the most trusted last
        for row in told.get(("planning", source), ()):
            if season.asks("planning", row["task"]):
                plans[tuple(str(row.get(k)) for k in _WAY)] = {**row, "tier": TIER_OF[source]}
    lost = between(_skills(told, PUBLIC), _skills(told, HIDDEN))
    return replace(
        entry, cells=cells, metrics=tuple(metrics), plans=tuple(best_first(plans.values())),
        gap_over=lost.over if lost else 0, gap_half=lost.half if lost else None,
    )  # fmt: skip


def _skills(
    told: Mapping[tuple[str, str], Sequence[Row]], sources: Sequence[str]
) -> dict[tuple[str, ...], Number]:
    return {
        key_of("scores", row): Number(row["skill"], row["lo"], row["hi"])
        for source in sources
        for row in told.get(("scores", source), ())
        if row["tag"] != CONTROL and row["skill"] is not None
    }


def cell_of(key: Key, row: Row, source: str) -> Cell:
    """Return the number of a row of results.json."""
    tier, n, failed = TIER_OF[source], int(row.get("n") or 0), int(row.get("failed") or 0)
    reason = row.get("reason") or ""
    if key[0] == "fidelity":
        return Cell(row["value"], row["lo"], row["hi"], n, failed, tier, reason=reason)
    if key[0] == "planning":
        return Cell(row["skill"], row["skill_lo"], row["skill_hi"], n, failed, tier, reason=reason)
    value = row["alarms"] if row["tag"] == "control" else row["skill"]
    lowest = _lowest(key, row) if source != "reported" else None
    return Cell(value, row["lo"], row["hi"], n, failed, tier, lowest=lowest, reason=reason)


def _lowest(key: Key, row: Row) -> float | None:
    """Return the skill of a case at the worst error; None where the probe is not installed here."""
    from wmeval.run.instruments import worst

    null, ceiling = row.get("null"), row.get("ceiling")
    told = probe(key[1])
    if told is None or null is None or ceiling is None or null == ceiling:
        return None
    return float((null - worst(row["instrument"], told)) / (null - ceiling))


def _trust(entry: Entry) -> int:
    return tables.TIERS.index(entry.tier)
