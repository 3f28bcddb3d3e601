"""`wmeval leaderboard admin`: what the operator of a leaderboard decides, straight on its database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click
from sqlalchemy import Engine, select
from sqlalchemy.orm import joinedload

from wmeval_leaderboard import accounts, jobs, ledger, pruning, publishing, receiving, seasons
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.commands.options import kept
from wmeval_leaderboard.database import open_database, reading, upgrade, writing
from wmeval_leaderboard.settings import Settings
from wmeval_leaderboard.tables import Blob, Job, Season, Submission, Token
from wmeval_leaderboard.uploads import DAY_S


@click.group(name="admin")
def command() -> None:
    """Look after a leaderboard: teams, tokens, seasons, jobs, and what was withdrawn."""


@command.command()
@click.argument("name")
@click.option("--admin", is_flag=True, help="May do what only operators may.")
@kept
def team(settings: Settings, name: str, admin: bool) -> None:
    """Add a team, and print a token of it, which is shown this once."""
    with writing(_open(settings)) as session:
        made = accounts.add_team(session, name, admin=admin)
        token = accounts.issue_token(session, made)
    click.echo(token)


@command.command()
@click.argument("name", metavar="TEAM")
@click.option("--label", default="", help="What it is for.")
@click.option("--days", type=click.FloatRange(0, min_open=True), help="Until it expires; never, if left out.")
@kept
def token(settings: Settings, name: str, label: str, days: float | None) -> None:
    """Print another token of a team, which is shown this once."""
    with writing(_open(settings)) as session:
        made = accounts.issue_token(session, accounts.find_team(session, name), label, days)
    click.echo(made)


@command.command()
@kept
def tokens(settings: Settings) -> None:
    """List all tokens by their numbers; no token can be read back."""
    with reading(_open(settings)) as session:
        for row in session.scalars(select(Token).order_by(Token.id).options(joinedload(Token.team))):
            state = "revoked" if row.revoked else f"expires {_day(row.expires)}" if row.expires else ""
            _row(row.id, row.team.name, row.label, f"made {_day(row.created)}", state)


@command.command()
@click.argument("number", type=int)
@kept
def revoke(settings: Settings, number: int) -> None:
    """Make a token worthless from now on."""
    with writing(_open(settings)) as session:
        accounts.revoke_token(session, number)


@command.command(name="open")
@click.argument("name")
@click.option("--suite", default="core", show_default=True, metavar="NAME|file.py", help="What it asks.")
@kept
def open_season(settings: Settings, name: str, suite: str) -> None:
    """Open a season: its versions are fixed, and its hidden seeds promised by the hash that is printed."""
    with writing(_open(settings)) as session:
        click.echo(seasons.open_season(session, name, suite).commitment)


@command.command(name="close")
@click.argument("name")
@kept
def close_season(settings: Settings, name: str) -> None:
    """End a season and tell its secret, which is printed and published."""
    with writing(_open(settings)) as session:
        click.echo(seasons.close_season(session, name).secret)


@command.command(name="seasons")
@kept
def list_seasons(settings: Settings) -> None:
    """List the seasons."""
    with reading(_open(settings)) as session:
        for row in session.scalars(select(Season).order_by(Season.id)):
            until = f"to {_day(row.closes)}" if row.closes else "open"
            _row(row.name, row.suite, f"from {_day(row.opens)}", until, row.commitment)


@command.command(name="jobs")
@kept
def list_jobs(settings: Settings) -> None:
    """List the jobs that are not done, with the reasons of those that were given up."""
    query = (
        select(Job, Submission.slug)
        .join(Submission, Submission.id == Job.submission_id)
        .where(Job.state != "done")
        .order_by(Job.id)
    )
    with reading(_open(settings)) as session:
        for job, slug in session.execute(query):
            _row(job.id, job.kind, slug, job.state, f"attempt {job.attempt}", job.reason)


@command.command()
@click.argument("number", type=int)
@kept
def again(settings: Settings, number: int) -> None:
    """Put up a job again that was given up."""
    with writing(_open(settings)) as session:
        jobs.again(session, number)


@command.command()
@click.argument("slug")
@click.option("--reason", required=True, help="Shown to all.")
@kept
def withdraw(settings: Settings, slug: str, reason: str) -> None:
    """Take a submission from the ranks; it stays in the ledger and at its address."""
    with writing(_open(settings)) as session:
        receiving.withdraw(session, publishing.find(session, slug), reason)


@command.command()
@click.argument("slug")
@kept
def verify(settings: Settings, slug: str) -> None:
    """Put up the job to run a submission's weights here, for `wmeval leaderboard worker --verify`."""
    with writing(_open(settings)) as session:
        jobs.put_up_verify(session, publishing.find(session, slug))


@command.command()
@click.argument("season", required=False)
@click.option("--days", default=1.0, show_default=True, type=click.FloatRange(0), help="Younger files stay.")
@kept
def prune(settings: Settings, season: str | None, days: float) -> None:
    """Free what nothing names any more: files of uploads that were given up, and with SEASON its answers.

    The season must be over and measured. Numbers, records and samples stay; measuring it again needs a copy.
    """
    engine = _open(settings)
    if season is not None:
        with writing(engine) as session:
            pruning.let_go(session, season)
    freed = pruning.sweep(engine, Blobs(settings.files), days * DAY_S)
    click.echo(f"{freed.files} files deleted, {freed.bytes / 1e6:.1f} MB")


@command.command()
@kept
def check(settings: Settings) -> None:
    """Check that the ledger's entries follow from one another, and that all files are here and whole."""
    blobs = Blobs(settings.files)
    with reading(_open(settings)) as session:
        entries, last = ledger.verify(session), ledger.head(session)
        digests = list(session.scalars(select(Blob.digest)))
    for digest in digests:
        blobs.check(digest)
    click.echo(
        f"{entries} entries of the ledger, up to {last}, and {len(digests)} files are as they should be"
    )


def _open(settings: Settings) -> Engine:
    engine = open_database(settings.url)
    upgrade(engine)
    return engine


def _row(*cells: Any) -> None:
    click.echo("\t".join(str(c) for c in cells))


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
