"""`wmeval report RUN`: the table in the terminal and report.html, from a finished run's folder."""

from __future__ import annotations

from pathlib import Path

import click

from wmeval.cli.options import as_json, print_json, run_folder


@click.command(name="report")
@run_folder
@as_json
def command(run: Path, as_json: bool) -> int:
    """Print RUN's table and write its report.html again."""
    from wmeval.report.read import write
    from wmeval.report.table import show
    from wmeval.run import Run

    done = Run(run)
    report = write(done)
    if as_json:
        print_json(done.results)
    else:
        show(done.results, {"run": done.path, "report": report})
    return 0
