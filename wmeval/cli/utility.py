"""`wmeval utility`: how fidelity and physics of models go with what one can plan with them, task by task."""

from __future__ import annotations

from pathlib import Path

import click

from wmeval.cli.options import as_json, out, print_json


@click.command(name="utility")
@click.argument("runs", metavar="RUN RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--tag", default="iid", show_default=True, help="Of which scenes and tasks.")
@out("Write utility.svg, utility.json and utility.md into this folder.")
@as_json
def command(runs: tuple[Path, ...], tag: str, out: Path | None, as_json: bool) -> int:
    """Set fidelity, physics and state error of models against their planning skill, task by task.

    Runs of one model (name, version, weights, options) are put together; stages and sizes of one family
    count as one family.
    """
    import json

    from wmeval.report.utility import utility
    from wmeval.report.utility_sheet import markdown, picture, show
    from wmeval.run import Run

    told = utility([Run(path) for path in runs], tag)
    if as_json:
        print_json(told.to_json())
    else:
        show(told)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "utility.svg").write_text(picture(told), encoding="utf-8")
        (out / "utility.md").write_text(markdown(told), encoding="utf-8")
        (out / "utility.json").write_text(
            json.dumps(told.to_json(), indent=1, allow_nan=False), encoding="utf-8"
        )
        click.echo(out, err=as_json)
    return 0
