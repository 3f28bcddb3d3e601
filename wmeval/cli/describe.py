"""`wmeval describe NAME`: what one registered name stands for."""

from __future__ import annotations

import click

from wmeval.cli.options import as_json, print_json


@click.command(name="describe")
@click.argument("name", metavar="NAME|file.py")
@as_json
def command(name: str, as_json: bool) -> int:
    """Tell what a model, probe, task, suite, metric, extractor or split is, and which options it has."""
    from wmeval.report.describe import describe
    from wmeval.report.words import fact

    found = describe(name)
    if as_json:
        print_json(found)
        return 0
    for facts in found:
        click.echo(click.style(f"{facts['kind']} {facts['name']}", bold=True))
        for key, value in facts.items():
            if key in ("kind", "name") or value in (None, "", [], {}):
                continue
            if key in ("options", "notes"):
                rows = value.items() if isinstance(value, dict) else [("", v) for v in value]
                click.echo(f"  {key}")
                for option, what in rows:
                    click.echo(f"    {option:16} {what}")
            else:
                click.echo(f"  {key.replace('_', ' '):16} {fact(value)}")
    return 0
