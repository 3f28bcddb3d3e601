"""`wmeval status RUN`: how far a run has come, from its folder alone."""

from __future__ import annotations

from pathlib import Path

import click

from wmeval.cli.options import as_json, print_json, run_folder


@click.command(name="status")
@run_folder
@as_json
def command(run: Path, as_json: bool) -> int:
    """Tell how far RUN has come, also while another process works on it."""
    from wmeval.report.words import fact
    from wmeval.run import Run

    status = Run(run).status()
    if as_json:
        print_json(status)
        return 0
    for key, value in status.items():
        if value not in ("", 0, False):
            click.echo(f"{key:16} {fact(value)}")
    return 0
