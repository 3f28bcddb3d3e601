"""The options that say where a leaderboard keeps what it has, the same for all commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import click

from wmeval.cli.options import pairs
from wmeval_leaderboard.settings import Settings

FOLDER = "leaderboard-data"


def kept(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --dir, --database, --files and --set to a command, which is given one `Settings` for them."""

    @click.option("--dir", "folder", type=click.Path(path_type=Path, file_okay=False), default=FOLDER,
                  show_default=True, help="Keeps the database and all files.")  # fmt: skip
    @click.option("--database", metavar="URL", envvar="WMEVAL_DATABASE", show_envvar=True,
                  help="postgresql://USER:PASSWORD@HOST/NAME in place of SQLite in --dir.")  # fmt: skip
    @click.option("--files", metavar="ADDRESS", envvar="WMEVAL_FILES", show_envvar=True,
                  help="Where files lie, as fsspec names it, in place of --dir.")  # fmt: skip
    @click.option("--set", "options", multiple=True, metavar="KEY=VALUE", callback=pairs,
                  help="A setting of `wmeval_leaderboard.settings`; repeat for more.")  # fmt: skip
    @wraps(command)
    def asked(
        folder: Path, database: str | None, files: str | None, options: Mapping[str, str], **more: Any
    ) -> Any:
        given = {k: v for k, v in (("url", database), ("files", files)) if v is not None}
        return command(settings=Settings.in_folder(folder).changed({**options, **given}), **more)

    return asked
