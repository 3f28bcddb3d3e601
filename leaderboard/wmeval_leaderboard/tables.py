"""What the leaderboard keeps. Times are seconds since 1970 (UTC); digests are SHA-256 in hex.

A submission is a signed list of files (`Part`), whose contents are `Blob`s. What it is worth is in `Score`,
once as its sender reported it and once for each time that a server measured it; `tier` is the highest of
these.
Nothing that was published is ever deleted: a withdrawn submission keeps its row, and the `Ledger` tells all.
"""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

Tier = Literal["self-reported", "re-scored", "challenged", "verified"]
TIERS: tuple[Tier, ...] = ("self-reported", "re-scored", "challenged", "verified")  # least trusted first
State = Literal["uploading", "queued", "scoring", "published", "quarantined", "withdrawn"]
Source = Literal["reported", "rescored", "challenged", "verified"]


class Base(DeclarativeBase):
    """All tables; JSON values are plain, NaN is null."""

    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON}  # noqa: RUF012


class Team(Base):
    """Who submits. All of a team's submissions are counted and shown."""

    __tablename__ = "team"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created: Mapped[float]
    admin: Mapped[bool] = mapped_column(default=False)


class Token(Base):
    """A key to the API. Only its SHA-256 is kept; the token itself is shown once, when it is made."""

    __tablename__ = "token"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"))
    sha256: Mapped[str] = mapped_column(unique=True)
    label: Mapped[str] = mapped_column(default="")
    created: Mapped[float]
    expires: Mapped[float | None]
    revoked: Mapped[float | None]
    team: Mapped[Team] = relationship()


class PublicKey(Base):
    """An Ed25519 key (32 bytes, hex) that a team signs with."""

    __tablename__ = "public_key"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"))
    key: Mapped[str] = mapped_column(unique=True)
    created: Mapped[float]


class Season(Base):
    """A suite with fixed versions and hidden seeds, of which `commitment` is the hash until `secret` is told.

    `sealed` is the secret while the season runs: it is read by the server alone and no response holds it.
    """

    __tablename__ = "season"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    suite: Mapped[str]  # name@version
    versions: Mapped[dict[str, Any]]  # {"wmeval": ..., "probes": {name: version}, "anchors": digest, ...}
    commitment: Mapped[str]  # SHA-256 of the secret
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    secret: Mapped[str | None]  # hex, revealed when the season is over
    opens: Mapped[float]
    closes: Mapped[float | None]


class Model(Base):
    """A model of a team: name, weights and options. Families of them are the unit of correlations."""

    __tablename__ = "model"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"))
    slug: Mapped[str] = mapped_column(unique=True)  # in addresses
    name: Mapped[str]
    family: Mapped[str]
    identity: Mapped[str]  # digest of name, version, weights, options
    card: Mapped[dict[str, Any]]  # wmeval.model.Card.to_json()
    reference: Mapped[bool] = mapped_column(default=False)
    team: Mapped[Team] = relationship()
    __table_args__ = (UniqueConstraint("team_id", "identity"),)


class Submission(Base):
    """One signed answer to a season's suite. `slug` is its permanent address."""

    __tablename__ = "submission"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"), index=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"), index=True)
    season_id: Mapped[int] = mapped_column(ForeignKey("season.id"), index=True)
    kind: Mapped[str]  # run | challenge
    suite: Mapped[str]
    tier: Mapped[str]  # see Tier
    state: Mapped[str] = mapped_column(index=True)  # see State
    reason: Mapped[str] = mapped_column(default="")  # why it is quarantined or withdrawn
    root: Mapped[str]  # Merkle root of its parts
    signature: Mapped[str]  # Ed25519 over the root, hex
    key_id: Mapped[int] = mapped_column(ForeignKey("public_key.id"))
    about: Mapped[dict[str, Any]]  # results.json without its rows: model, card, suite, speed, machine, ...
    classes: Mapped[list[Any]]  # context and training class; never ranked across
    gap: Mapped[float | None]  # mean skill on public seeds minus on hidden ones
    created: Mapped[float]
    published: Mapped[float | None]
    withdrawn: Mapped[float | None]
    team: Mapped[Team] = relationship()
    model: Mapped[Model] = relationship()
    season: Mapped[Season] = relationship()
    # one answer is stored once, however often it is sent
    __table_args__ = (UniqueConstraint("team_id", "root"),)


class Part(Base):
    """A file of a submission by the name it has in the run's folder."""

    __tablename__ = "part"
    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"), primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(index=True)
    size: Mapped[int] = mapped_column(BigInteger)


class Blob(Base):
    """A file's content that is wholly here and has the digest that it was announced with."""

    __tablename__ = "blob"
    digest: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    created: Mapped[float]


class Score(Base):
    """One row of results.json of a submission, from one source. `row` is that row as it is."""

    __tablename__ = "score"
    id: Mapped[int] = mapped_column(primary_key=True)
    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"))
    source: Mapped[str]  # see Source
    section: Mapped[str]  # scores | fidelity | planning | implied | na
    name: Mapped[str]  # probe, metric or task, with its version
    instrument: Mapped[str]
    tag: Mapped[str]
    value: Mapped[float | None]  # skill, or the metric's value
    lo: Mapped[float | None]
    hi: Mapped[float | None]
    n: Mapped[int]
    row: Mapped[dict[str, Any]]
    # skill of every case by its id, unclipped: what paired comparisons and rank ranges rest on
    cases: Mapped[dict[str, Any]]
    __table_args__ = (Index("score_of", "submission_id", "source", "section"),)


class Sample(Base):
    """A case to look at: which blobs hold its frames, tracks and plots.

    Which ones are kept is drawn by a fixed key, the same for all models, beside each model's best, median
    and worst.
    """

    __tablename__ = "sample"
    id: Mapped[int] = mapped_column(primary_key=True)
    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"), index=True)
    name: Mapped[str]  # probe or task
    instrument: Mapped[str]
    tag: Mapped[str]
    case_id: Mapped[str]
    position: Mapped[str]  # best | median | worst | drawn
    error: Mapped[float | None]
    media: Mapped[dict[str, Any]]  # {"truth": digest, "prediction": digest, "data": digest}
    about: Mapped[dict[str, Any]]  # status, event, evidence, the line that reproduces it


class Job(Base):
    """Work for `wmeval leaderboard worker`. Whoever holds an unexpired lease does it.

    A lease that runs out is free again, and a finished job is never done twice.
    """

    __tablename__ = "job"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]  # rescore | challenge | verify
    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"), index=True)
    state: Mapped[str] = mapped_column(index=True)  # waiting | leased | done | failed
    worker: Mapped[str | None]
    lease_until: Mapped[float | None]
    attempt: Mapped[int] = mapped_column(default=0)
    created: Mapped[float]
    finished: Mapped[float | None]
    reason: Mapped[str] = mapped_column(default="")
    __table_args__ = (UniqueConstraint("kind", "submission_id"),)


class Challenge(Base):
    """Hidden questions that a team may answer once, before a deadline. The salt never leaves the server."""

    __tablename__ = "challenge"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"), index=True)
    season_id: Mapped[int] = mapped_column(ForeignKey("season.id"))
    model: Mapped[dict[str, Any]]  # name, card, weights digest, as declared before the questions were seen
    view: Mapped[dict[str, Any]]
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    pack: Mapped[str | None]  # digest of the handed-out archive
    issued: Mapped[float]
    deadline: Mapped[float]
    answered: Mapped[float | None]
    submission_id: Mapped[int | None] = mapped_column(ForeignKey("submission.id"))


class Ledger(Base):
    """Everything that happened, in order; each entry's hash covers the one before it."""

    __tablename__ = "ledger"
    seq: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float]
    kind: Mapped[str]
    subject: Mapped[str]  # slug of a submission, name of a season, ...
    body: Mapped[dict[str, Any]]
    before: Mapped[str]
    hash: Mapped[str] = mapped_column(unique=True)


class Rater(Base):
    """A person (a random cookie, no name) who says which clip is real."""

    __tablename__ = "rater"
    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(unique=True)
    created: Mapped[float]


class Pair(Base):
    """A question to raters: a real clip and a generated one of the same scene, of a length, after a while.

    `check` pairs are told apart by whoever looks (real against noise), or by nobody (real against real).
    """

    __tablename__ = "pair"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    submission_id: Mapped[int | None] = mapped_column(ForeignKey("submission.id"), index=True)
    case_id: Mapped[str]
    check: Mapped[str] = mapped_column(default="")  # "" | plain | impossible
    length_s: Mapped[float]
    age_s: Mapped[float]  # time of the rollout before the clip begins
    real: Mapped[str]  # digest of the clip's media
    generated: Mapped[str]


class Vote(Base):
    """One answer of one rater. `left` is which clip stood left, `chosen` which was called real."""

    __tablename__ = "vote"
    id: Mapped[int] = mapped_column(primary_key=True)
    rater_id: Mapped[int] = mapped_column(ForeignKey("rater.id"), index=True)
    pair_id: Mapped[int] = mapped_column(ForeignKey("pair.id"), index=True)
    left: Mapped[str]  # real | generated
    chosen: Mapped[str]  # real | generated
    seconds: Mapped[float]
    at: Mapped[float]
    __table_args__ = (UniqueConstraint("rater_id", "pair_id"),)
