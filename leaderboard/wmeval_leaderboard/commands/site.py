"""`wmeval leaderboard site`: all pages as files."""

from __future__ import annotations

from pathlib import Path

import click

from wmeval_leaderboard.commands.options import kept
from wmeval_leaderboard.settings import Settings


@click.command("site")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False),
              help="A new folder for the pages.")  # fmt: skip
@kept
def command(settings: Settings, out: Path) -> None:
    """Write all pages of a leaderboard as static files, which need no server."""
    from wmeval_leaderboard.blobs import Blobs
    from wmeval_leaderboard.database import open_database, upgrade
    from wmeval_leaderboard.site import build

    engine = open_database(settings.url)
    upgrade(engine)
    count = build(engine, Blobs(settings.files), out)
    click.echo(f"{count} pages in {out}; open {out / 'index.html'}")
