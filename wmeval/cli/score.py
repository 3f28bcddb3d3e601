"""`wmeval score RUN`: measures and scores again from the stored predictions; never generates."""

from __future__ import annotations

from pathlib import Path

import click

from wmeval.cli.options import as_json, print_json, run_folder


@click.command(name="score")
@run_folder
@as_json
def command(run: Path, as_json: bool) -> int:
    """Score RUN again from what it stored, for instance after a probe was edited."""
    from wmeval.report.live import live
    from wmeval.report.read import write
    from wmeval.report.table import show
    from wmeval.run import exit_code, score

    with live() as progress:
        done = score(run, progress=progress)
    report = write(done)
    if as_json:
        print_json(done.results)
    else:
        show(done.results, {"run": done.path, "report": report})
    return exit_code(done)
