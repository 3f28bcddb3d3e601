"""`wmeval hns`: human-normalised scores of one's own runs beside the published ones."""

from __future__ import annotations

from pathlib import Path

import click

from wmeval.cli.options import as_json, out, print_json


@click.command(name="hns")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--name", default="yours", show_default=True, help="What the runs are called beside the others."
)
@out("Write hns.svg and hns.json into this folder.")
@as_json
def command(file: Path, name: str, out: Path | None, as_json: bool) -> int:
    """Compare runs on Atari 100k with published agents.

    FILE is JSON {game: [score of each run]}, or CSV with a game and the scores of its runs a line.
    """
    import json

    from wmeval.hns.given import read
    from wmeval.report.hns import picture, show, told

    of = told(name, read(file))
    if as_json:
        print_json(of.to_json())
    else:
        show(of)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "hns.svg").write_text(picture(of), encoding="utf-8")
        (out / "hns.json").write_text(json.dumps(of.to_json(), indent=1, allow_nan=False), encoding="utf-8")
        click.echo(out, err=as_json)
    return 0
