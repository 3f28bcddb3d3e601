"""`wmeval compare RUN RUN...`: paired differences from the first run, ranks of all, and a gate for CI."""

from __future__ import annotations

from pathlib import Path

import click

from wmeval.cli.options import as_json, print_json


@click.command(name="compare")
@click.argument("runs", metavar="RUN RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--gate", is_flag=True, help="Exit with 1 where a run is worse than the first beyond chance.")
@as_json
def command(runs: tuple[Path, ...], gate: bool, as_json: bool) -> int:
    """Compare runs with the first one, paired on the scenes that they share.

    Better and worse are said beyond chance over the whole table (Holm). Runs whose ranks overlap are tied.
    """
    from wmeval.report.compare import compare
    from wmeval.run import Run

    told = compare([Run(path) for path in runs])
    if as_json:
        print_json(told.to_json())
    else:
        from wmeval.report.contest import differences, ranks

        differences(told.differences)
        differences(told.planning, what=("task", "success"))
        differences(told.metrics, what=("metric", "mean"))
        ranks(told.ranks)
        for note in told.notes:
            click.echo(f"note: {note}")
    return 1 if gate and any(row.worse for row in (*told.differences, *told.planning)) else 0
