"""`wmeval compare RUN RUN...`: paired differences from the first run, and a gate for CI."""

from __future__ import annotations

from pathlib import Path

import click

from wmeval.cli.options import as_json, print_json


@click.command(name="compare")
@click.argument("runs", metavar="RUN RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--gate", is_flag=True, help="Exit with 1 where a run is worse than the first beyond chance.")
@as_json
def command(runs: tuple[Path, ...], gate: bool, as_json: bool) -> int:
    """Compare runs with the first one, paired on the scenes that both answered."""
    from wmeval.report.compare import as_rows, compare, compare_metrics, notes
    from wmeval.run import Run

    given = [Run(path) for path in runs]
    rows, metrics = compare(given), compare_metrics(given)
    if as_json:
        print_json({"differences": as_rows(rows), "metrics": as_rows(metrics), "notes": notes(given)})
    else:
        from wmeval.report.table import differences

        differences(rows)
        differences(metrics, what=("metric", "mean"))
        for note in notes(given):
            click.echo(f"note: {note}")
    return 1 if gate and any(row.worse for row in rows) else 0
