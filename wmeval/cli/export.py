"""`wmeval export`: a suite's questions as files, for a model that nobody can call from here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from wmeval.cli.options import as_json, out, print_json


def _canvas(ctx: click.Context, param: click.Parameter, given: str | None) -> tuple[int, int] | None:
    if given is None:
        return None
    if not (told := re.fullmatch(r"(\d{2,5})x(\d{2,5})", given)):
        raise click.BadParameter(f"{given!r} was given; expected WIDTHxHEIGHT, as in 1280x720", ctx, param)
    return int(told[1]), int(told[2])


@click.command(name="export")
@click.option("--suite", default="quick", show_default=True, metavar="NAME", help="The questions.")
@click.option("--probe", "probes", multiple=True, metavar="NAME|file.py",
              help="Write this in place of the suite's probes; repeat for more.")  # fmt: skip
@click.option("--task", "tasks", multiple=True, metavar="NAME|file.py",
              help="Write a task's choices in place of all the suite asks; repeat for more.")  # fmt: skip
@click.option("--instrument", "instruments", multiple=True,
              type=click.Choice(["rollout", "surprise", "choose"]),
              help="Write this in place of the suite's instruments; repeat for more.")  # fmt: skip
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N cases; marked partial.")
@click.option("--seed", default=0, show_default=True, help="Of the model's sampling; scenes do not change.")
@click.option("--replicates", type=click.IntRange(1), default=1, show_default=True, metavar="R",
              help="Answers a question.")  # fmt: skip
@click.option("--fps", type=float, default=10.0, show_default=True,
              help="Of the videos, and at which answers are measured.")  # fmt: skip
@click.option("--size", type=int, default=512, show_default=True, metavar="PX",
              help="Height and width of the pictures.")  # fmt: skip
@click.option("--canvas", callback=_canvas, metavar="WxH",
              help="Put the pictures into the middle of grey bars of this size.")  # fmt: skip
@out("The pack's folder; an export that stopped is continued.", required=True)
@as_json
def command(out: Path, as_json: bool, **asked: Any) -> int:
    """Write a suite's questions as videos, pictures, captions and actions, with a README to follow.

    The same command continues an export that stopped. `wmeval check pack` says what is missing of the
    answers, and `wmeval run --model recorded --set folder=PACK` scores them.
    """
    from wmeval.pack.export import export
    from wmeval.report.live import counting

    with counting("questions") as progress:
        pack = export(**asked, out=out, progress=progress)
    if as_json:
        print_json(pack.to_json())
        return 0
    answers = sum(len(q.seeds) for q in pack.questions.values())
    if pack.questions:
        click.echo(f"{len(pack.questions)} videos to continue, {answers} answers expected in {pack.answers}")
    if pack.clips:
        click.echo(f"{len(pack.clips)} clips to judge in {pack.folder / 'surprise.csv'}")
    for row in pack.left_out:
        tag = f" ({row['tag']})" if row["tag"] else ""
        click.echo(f"left out: {row['probe']}{tag} by {row['instrument']}, {row['reason']}")
    click.echo(f"read    {pack.folder / 'README.md'}")
    click.echo(f"check   wmeval check pack {pack.folder}")
    click.echo(f"score   {pack.command()}")
    return 0
