"""`wmeval data make|export`: scenes of a training split as arrays, or as videos that any tool reads."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from wmeval.cli.options import CountOr, out, processes


@click.group(name="data")
def command() -> None:
    """Make and export data to train on; its scenes are disjoint from all that models are scored on."""


@command.command(name="make")
@click.option("--split", default="train", show_default=True, metavar="NAME", help="Which scenes.")
@click.option("--count", type=click.IntRange(1), required=True, metavar="N", help="How many clips.")
@out("The folder; what is already there is kept.", required=True)
@click.option("--workers", type=CountOr("auto"), default="auto", show_default=True, help="Processes.")
def make(split: str, count: int, out: Path, workers: int | str) -> int:
    """Write N clips of a split into a folder of arrays; the same command continues one that stopped."""
    from wmeval import registry
    from wmeval.report.live import counting
    from wmeval.world import dataset

    with counting("clips") as progress:
        dataset.make(registry.load_split(split), count, out, workers=processes(workers), progress=progress)
    click.echo(out)
    return 0


@command.command(name="export")
@click.option("--split", default="train", show_default=True, metavar="NAME", help="Which scenes.")
@click.option("--count", type=click.IntRange(1), required=True, metavar="N", help="How many clips.")
@click.option("--kind", type=click.Choice(["mp4", "png"]), default="mp4", show_default=True,
              help="Videos, or folders of pictures.")  # fmt: skip
@out("The folder; clips that are already there are kept.", required=True)
def export(split: str, count: int, kind: Literal["mp4", "png"], out: Path) -> int:
    """Write N clips of a split as videos or pictures, with actions and tracks in clips.jsonl."""
    from wmeval import registry
    from wmeval.report.live import counting
    from wmeval.world.export import export as write

    with counting("clips") as progress:
        click.echo(write(registry.load_split(split), count, out, kind=kind, progress=progress))
    return 0
