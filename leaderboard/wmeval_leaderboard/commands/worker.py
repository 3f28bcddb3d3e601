"""`wmeval leaderboard worker`: measures what was submitted, wherever database and files can be reached."""

from __future__ import annotations

import logging
import signal
import threading

import click

from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.commands.options import kept
from wmeval_leaderboard.database import open_database, upgrade
from wmeval_leaderboard.settings import Settings
from wmeval_leaderboard.worker import work


@click.command(name="worker")
@click.option("--once", is_flag=True, help="Stop when no job is waiting.")
@click.option("--verify", is_flag=True, help="Run the weights of submissions here, and do nothing else.")
@kept
def command(settings: Settings, once: bool, verify: bool) -> None:
    """Do the jobs of a leaderboard, one after another; Ctrl-C hands back the one under way."""
    logging.basicConfig(format="%(levelname)s %(message)s")
    stopping = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopping.set())
    kinds = ("verify",) if verify else ("rescore", "challenge")
    engine = open_database(settings.url)
    upgrade(engine)
    done = work(engine, Blobs(settings.files), settings, kinds=kinds, stopping=stopping.is_set, once=once)
    click.echo(f"{done} job{'s' * (done != 1)} done")
