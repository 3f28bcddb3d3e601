"""`wmeval calibrate`: what skill 0 and skill 1 mean, measured on development scenes."""

from __future__ import annotations

from pathlib import Path

import click

from wmeval.cli.options import CountOr, out, processes


@click.command(name="calibrate")
@click.option("--suite", default="quick", show_default=True, metavar="NAME", help="Whose probes.")
@click.option("--probe", "probes", multiple=True, metavar="NAME", help="Only this one; repeat for more.")
@click.option("--n", default=1000, show_default=True, type=click.IntRange(8), help="Development scenes.")
@click.option("--stress", "stressed", default=12, show_default=True, type=click.IntRange(0),
              help="Scenes under disturbances and slight faults.")  # fmt: skip
@out("Folder for the anchors; they are used once they lie in the suite's own.", required=True)
@click.option("--workers", type=CountOr("auto"), default="auto", show_default=True, help="Processes.")
def command(suite: str, probes: tuple[str, ...], n: int, stressed: int, out: Path, workers: int | str) -> int:
    """Measure null, ceiling, reference rows and the smallest violation seen of a suite's probes."""
    from wmeval import registry
    from wmeval.calibrate import calibrate
    from wmeval.report.live import sentences

    with sentences() as progress:
        written = calibrate(
            registry.load_suite(suite), out, n, processes(workers), progress, probes=probes, stressed=stressed
        )
    click.echo(written)
    return 0
