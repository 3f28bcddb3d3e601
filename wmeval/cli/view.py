"""`wmeval view RUN`: the report in the browser of this machine."""

from __future__ import annotations

from pathlib import Path

import click

from wmeval.cli.options import run_folder


@click.command(name="view")
@run_folder
def command(run: Path) -> int:
    """Open RUN's report.html in the browser; where there is none, print its path."""
    import webbrowser

    from wmeval.report.read import kept
    from wmeval.run import Run

    page = kept(Run(run)).resolve()
    if not webbrowser.open(page.as_uri()):
        click.echo("no browser can be opened here; open this file in one:", err=True)
    click.echo(page)
    return 0
