"""`wmeval leaderboard`: serve a board, work for it, look after it. A command is imported when it is used."""

from __future__ import annotations

import importlib

import click

from wmeval.errors import EnvironmentFault

# name -> (module with a click command `command`, the line of `wmeval leaderboard --help`)
COMMANDS = {
    "serve": ("wmeval_leaderboard.commands.serve", "Serve a leaderboard from a folder."),
    "worker": (
        "wmeval_leaderboard.commands.worker",
        "Measure what was submitted, beside a server or elsewhere.",
    ),
    "admin": (
        "wmeval_leaderboard.commands.admin",
        "Teams, tokens, seasons, jobs: what the operator decides.",
    ),
    "site": ("wmeval_leaderboard.commands.site", "Write all pages of a leaderboard as static files."),
    "login": ("wmeval_leaderboard.client.login", "Keep a server's token here, and make a key to sign with."),
}
EXTRA = {
    "alembic", "cryptography", "django_htmx", "fastapi", "fsspec", "httpx2", "limits", "psycopg", "pyarrow",
    "sqlalchemy", "starlette", "uvicorn", "vl_convert",
}  # fmt: skip


class LazyGroup(click.Group):
    """A group that knows its commands' names and help lines without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, importing its module now; None for an unknown name.

        Raises:
            EnvironmentFault: what the leaderboard needs is not installed.
        """
        if cmd_name not in COMMANDS:
            return None
        try:
            command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        except ModuleNotFoundError as fault:
            if fault.name is None or fault.name.partition(".")[0] not in EXTRA:
                raise
            raise EnvironmentFault(
                f"the leaderboard needs {fault.name}, which is not installed: "
                'pip install "wmeval[leaderboard]"'
            ) from fault
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help lines from the table, so that `--help` imports no command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup)
def leaderboard() -> None:
    """Serve a board of models, and look after it.

    `serve` needs no setup; `admin open NAME --suite core` opens a season, `admin team NAME` lets someone in.
    """
