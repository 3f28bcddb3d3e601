"""What one page alone shows: whole rows of an entry, its samples, the log of a submission."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from wmeval_leaderboard import tables
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.board.entry import SOURCES, Entry, figures
from wmeval_leaderboard.board.known import NotHere, not_here

Row = Mapping[str, Any]
SECTIONS = ("scores", "fidelity", "planning", "implied", "na")


@dataclass(frozen=True)
class Shot:
    """A sample that may be looked at, with what the player needs of it."""

    id: int
    submission: str  # slug
    model: str  # slug
    model_name: str
    name: str
    instrument: str
    tag: str
    case_id: str
    position: str
    error: float | None
    media: Mapping[str, str]
    about: Mapping[str, Any]

    @property
    def of(self) -> tuple[str, str, str]:
        """Probe or task, instrument and tag."""
        return self.name, self.instrument, self.tag


def results(session: Session, entry: Entry) -> dict[str, Any]:
    """Return an entry in the form of results.json; of each row the most trusted source that has it."""
    score = tables.Score
    stated = select(score.section, score.source, score.row).where(score.submission_id == entry.id)
    told: dict[str, dict[Any, tuple[int, Row]]] = {name: {} for name in SECTIONS}
    for section, source, row in session.execute(stated.order_by(score.id)):
        trust, key = SOURCES.index(source), _identity(section, row)
        if section in told and (key not in told[section] or told[section][key][0] <= trust):
            told[section][key] = (trust, row)
    rows = {name: [row for _, row in of.values()] for name, of in told.items()}
    model = {"name": entry.name, "version": "", **(entry.about.get("model") or {})}
    return {
        **rows, "model": model, "card": dict(entry.card), "suite": entry.suite, "failed": 0,
        "speed": figures(entry.about.get("speed")),
    }  # fmt: skip


def _identity(section: str, row: Row) -> tuple[Any, ...]:
    named = ("probe", "task", "metric", "instrument", "protocol", "tag", "matching", "name", "dynamics",
             "cost", "budget", "read")  # fmt: skip
    return (section, *(str(row.get(k)) for k in named))


def shots(session: Session, *, submission: str = "", probe: str = "", case: str = "") -> list[Shot]:
    """Return the samples of published submissions, those of one submission, probe or case where asked."""
    s = tables.Sample
    stated = _stated()
    if submission:
        stated = stated.where(tables.Submission.slug == submission)
    if probe:
        stated = stated.where(s.name == probe)
    if case:
        stated = stated.where(s.case_id == case)
    return [Shot(*row) for row in session.execute(stated.order_by(s.id))]


def shot(session: Session, number: int) -> Shot:
    """Return one sample.

    Raises:
        NotHere: there is none, or it may not be shown yet.
    """
    row = session.execute(_stated().where(tables.Sample.id == number)).first()
    if row is None:
        raise NotHere(f"sample {number} is not here; the page of its model lists all there are")
    return Shot(*row)


def shown_media(session: Session, digest: str) -> str:
    """Return what a blob is to a sample that may be shown: "truth", "prediction" or "data".

    Raises:
        NotHere: no sample that may be shown has it. Nothing else of a submission is ever sent.
    """
    s = tables.Sample
    for name in ("truth", "prediction", "data"):
        stated = select(s.id).join(tables.Submission).join(tables.Season).where(_open())
        if session.execute(stated.where(s.media[name].as_string() == digest).limit(1)).first():
            return name
    raise NotHere(f"no sample shows the file {digest[:12]}")


def facts(blobs: Blobs, one: Shot) -> dict[str, Any] | None:
    """Return the data of a sample for the player, or None where it has no video."""
    if "data" not in one.media:
        return None
    told: dict[str, Any] = json.loads(blobs.read(one.media["data"]))
    return told


def _open() -> Any:
    """Which samples may be shown: published ones; of hidden scenes only when the secret was told."""
    return (tables.Submission.state == "published") & (
        (tables.Submission.kind != "challenge") | tables.Season.secret.is_not(None)
    )


def _stated() -> Any:
    s, m = tables.Sample, tables.Model
    return (
        select(
            s.id, tables.Submission.slug, m.slug, m.name, s.name, s.instrument, s.tag, s.case_id, s.position,
            s.error, s.media, s.about,
        )
        .join(tables.Submission, s.submission_id == tables.Submission.id)
        .join(m, tables.Submission.model_id == m.id)
        .join(tables.Season, tables.Submission.season_id == tables.Season.id)
        .where(_open())
    )  # fmt: skip


@dataclass(frozen=True)
class Told:
    """A submission with its log, whatever its state; no token, and no secret of its season."""

    slug: str
    state: str
    reason: str
    kind: str
    suite: str
    tier: str
    model: str
    model_name: str
    team: str
    season: str
    root: str
    signature: str
    key: str
    created: float
    published: float | None
    withdrawn: float | None
    about: Mapping[str, Any]
    parts: int
    size: int  # bytes
    log: Sequence[Row]
    jobs: Sequence[Row]


def submission(session: Session, slug: str) -> Told:
    """Return a submission by its slug.

    Raises:
        NotHere: there is none.
    """
    s, m, k = tables.Submission, tables.Model, tables.PublicKey
    stated = (
        select(
            s.id, s.slug, s.state, s.reason, s.kind, s.suite, s.tier, m.slug, m.name, tables.Team.name,
            tables.Season.name, s.root, s.signature, k.key, s.created, s.published, s.withdrawn, s.about,
        )
        .join(m, s.model_id == m.id)
        .join(tables.Team, s.team_id == tables.Team.id)
        .join(tables.Season, s.season_id == tables.Season.id)
        .join(k, s.key_id == k.id)
        .where(s.slug == slug)
    )  # fmt: skip
    row = session.execute(stated).first()
    if row is None:
        raise not_here("submission", slug, ())
    part, job = tables.Part, tables.Job
    number, size = session.execute(
        select(func.count(), func.coalesce(func.sum(part.size), 0)).where(part.submission_id == row[0])
    ).one()
    jobs = session.execute(
        select(job.kind, job.state, job.attempt, job.created, job.finished, job.reason)
        .where(job.submission_id == row[0])
        .order_by(job.id)
    )
    given = dict(zip(_TOLD, list(row)[1:], strict=True))
    log = ledger(session, subject=slug)[0]
    return Told(**given, parts=number, size=int(size), log=log, jobs=[r._asdict() for r in jobs])


_TOLD = ("slug", "state", "reason", "kind", "suite", "tier", "model", "model_name", "team", "season", "root",
         "signature", "key", "created", "published", "withdrawn", "about")  # fmt: skip


def ledger(
    session: Session, *, subject: str = "", first: int = 0, most: int = 1000
) -> tuple[list[dict[str, Any]], int]:
    """Return entries of the ledger, newest first, and how many there are."""
    t = tables.Ledger
    where = [t.subject == subject] if subject else []
    total = session.scalar(select(func.count()).select_from(t).where(*where)) or 0
    stated = select(t.seq, t.at, t.kind, t.subject, t.body, t.before, t.hash).where(*where)
    rows = session.execute(stated.order_by(t.seq.desc()).offset(first).limit(most))
    return [row._asdict() for row in rows], total


def known_slugs(session: Session, names: Iterable[str]) -> set[str]:
    """Return which of some names are those of published submissions."""
    s = tables.Submission
    shown = s.state.in_(("published", "withdrawn"))
    return set(session.scalars(select(s.slug).where(s.slug.in_(list(names)), shown)))


def same_case(found: Iterable[Shot], one: Shot) -> list[Shot]:
    """Return what other models made of the case that a sample is of, one a model."""
    out: dict[str, Shot] = {}
    for other in found:
        if other.of == one.of and other.case_id == one.case_id and other.submission != one.submission:
            out.setdefault(other.model, other)
    return list(out.values())
