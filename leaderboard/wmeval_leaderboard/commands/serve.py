"""`wmeval leaderboard serve`: the service, with workers beside it, from one folder and nothing else."""

from __future__ import annotations

import signal
import socket

import click
from sqlalchemy import Engine, func, select

from wmeval.errors import EnvironmentFault
from wmeval_leaderboard.beside import Beside
from wmeval_leaderboard.commands.options import kept
from wmeval_leaderboard.database import reading
from wmeval_leaderboard.settings import Settings
from wmeval_leaderboard.tables import Season

MOST_AT_ONCE = 500  # connections; more are answered 503


@click.command(name="serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 serves other machines too.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: any free one."
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(0, 64),
              help="Processes that measure; 0: `wmeval leaderboard worker` does it elsewhere.")  # fmt: skip
@kept
def command(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve a leaderboard until Ctrl-C.

    Behind a proxy that speaks HTTPS, serve on 127.0.0.1: its X-Forwarded headers are trusted from there.
    """
    import uvicorn

    from wmeval_leaderboard.app import create_app

    bound = _bound(host, port)
    app = create_app(settings)
    running = uvicorn.Server(uvicorn.Config(
        app, log_level="warning", server_header=False, timeout_graceful_shutdown=10, proxy_headers=True,
        limit_concurrency=MOST_AT_ONCE,
    ))  # fmt: skip
    _tell(bound, app.state.engine)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: None)  # uvicorn ends by them, and raises them again when it has
    beside = [Beside(settings) for _ in range(workers)]
    try:
        running.run(sockets=[bound])
    finally:
        for worker in beside:
            worker.end()


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as fault:
        raise EnvironmentFault(
            f"the address {host} port {port} cannot be served from ({fault.strerror or fault}); give another "
            "with --port, or 0 for any free one"
        ) from fault


def _tell(bound: socket.socket, engine: Engine) -> None:
    host, port = bound.getsockname()[:2]
    click.echo(f"http://{f'[{host}]' if ':' in host else host}:{port}  (Ctrl-C stops)")
    with reading(engine) as session:
        empty = session.scalar(select(func.count()).select_from(Season)) == 0
    if empty:
        click.echo("No season is open yet: wmeval leaderboard admin open NAME --suite core", err=True)
