"""`wmeval power RUN --delta .05`: what differences a run can show, and how many cases smaller ones need."""

from __future__ import annotations

from pathlib import Path

import click

from wmeval.cli.options import as_json, print_json, run_folder


@click.command(name="power")
@run_folder
@click.option(
    "--delta", type=float, default=0.05, show_default=True, help="The difference of skill that is to be seen."
)
@click.option(
    "--against", type=click.Path(path_type=Path), metavar="RUN",
    help="Take paired differences from this run; else the other model is taken to fail on scenes of its own.",
)  # fmt: skip
@click.option(
    "--tests", type=int, default=1, show_default=True, metavar="N",
    help="For a table of N comparisons, of which none may be wrong (Holm).",
)  # fmt: skip
@as_json
def command(run: Path, delta: float, against: Path | None, tests: int, as_json: bool) -> int:
    """Tell what paired difference each probe of RUN sees with its cases, and how many --delta would take.

    A difference is seen where `wmeval compare` tells it from 0 in four of five repetitions.
    """
    from wmeval.report.power import as_rows, powers
    from wmeval.run import Run

    rows = powers(Run(run), delta, against=Run(against) if against else None, tests=tests)
    if as_json:
        print_json({"delta": delta, "tests": tests, "rows": as_rows(rows)})
    else:
        from wmeval.report.contest import powers as show

        show(rows, delta)
    return 0
