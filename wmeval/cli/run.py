"""`wmeval run`: ask a model the questions of a suite, print the table, write the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from wmeval.cli.options import CountOr, as_json, device, out, print_json, settings


@click.command(name="run")
@click.option("--model", required=True, metavar="NAME|file.py", help="Or a reference such as oracle.")
@click.option("--suite", default="quick", show_default=True, metavar="NAME", help="The questions.")
@click.option("--probe", "probes", multiple=True, metavar="NAME|file.py",
              help="Ask this in place of the suite's probes; repeat for more.")  # fmt: skip
@click.option("--task", "tasks", multiple=True, metavar="NAME|file.py",
              help="Ask this planning task in place of the suite's; repeat for more.")  # fmt: skip
@click.option("--instrument", "instruments", multiple=True,
              type=click.Choice(["rollout", "imagination", "surprise", "choose", "control"]),
              help="Ask by this in place of the suite's instruments; repeat for more.")  # fmt: skip
@click.option("--budget", "budgets", multiple=True, type=click.IntRange(2), metavar="N",
              help="Candidates a round of a planner, in place of the suite's; repeat for more.")  # fmt: skip
@click.option("--truth", metavar="FOLDER|FILE.h5|gym:ENV",
              help="Recordings of another world in place of our scenes; see docs/own-truth.md.")  # fmt: skip
@click.option("--weights", metavar="PATH|hf:ORG/NAME", help="A checkpoint in place of the shipped one.")
@settings
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N cases; marked partial.")
@click.option("--seed", default=0, show_default=True, help="Of the model's sampling; scenes do not change.")
@click.option("--replicates", type=click.IntRange(1), default=1, show_default=True, metavar="R",
              help="Samples a case.")  # fmt: skip
@device
@click.option("--executor", type=click.Choice(["local", "inline"]), default="local", show_default=True,
              help="Worker processes, or everything in this one.")  # fmt: skip
@click.option("--workers", type=CountOr("auto"), default="auto", show_default=True, help="Processes.")
@click.option("--fail-on-error", type=click.FloatRange(0), default=0.0, show_default=True, metavar="N|SHARE",
              help="Exit with 1 when more samples fail than this count, or below 1 this share.")  # fmt: skip
@out("The run's folder.  [default: runs/MODEL-SUITE-KEY]")
@click.option("--dry-run", is_flag=True, help="Tell what would be done; compute and write nothing.")
@as_json
def command(as_json: bool, out: Path | None, dry_run: bool, **asked: Any) -> int:
    """Ask a model the questions of a suite, print the table and write report.html.

    The same command continues a run that stopped; where all is done it does nothing.
    """
    from wmeval.report.live import live
    from wmeval.run import exit_code, run, summary

    with live() as progress:
        done = run(**asked, out=out, dry_run=dry_run, progress=progress)
    if dry_run:
        planned = summary(done)
        print_json(planned) if as_json else _tell(planned)
        return 0
    from wmeval.report.read import kept
    from wmeval.report.table import show

    report = kept(done)
    if as_json:
        print_json(done.results)
    else:
        show(done.results, {"run": done.path, "report": report})
    return exit_code(done)


def _tell(planned: Mapping[str, Any]) -> None:
    from wmeval.report.live import clock

    left = f"{planned['to_run']} of {planned['units']} units to run, {planned['samples_to_run']} samples"
    click.echo(f"{planned['model']} on {planned['suite']}: {left}, {planned['workers']} workers")
    known = planned["seconds"] is not None
    click.echo(f"time    {clock(planned['seconds']) if known else 'not known before the first samples'}")
    click.echo(f"disk    at most {planned['bytes'] / 1e6:.0f} MB")
    click.echo(f"folder  {planned['folder']}")
    if planned["partial"]:
        click.echo("partial fewer cases than the suite holds: good to try, not to submit")
    for row in planned["na"]:
        click.echo(f"not applicable: {row['probe']} by {row['instrument']}, {row['reason']}")
