"""`wmeval list`: names from package metadata; of models, when asked for alone, what their cards say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from wmeval.cli.options import as_json, print_json

INDENT = 18


@click.command(name="list")
@click.argument("kind", required=False, metavar="[KIND]")
@click.option("--check", is_flag=True, help="Import each one too, open the models, and say which are broken.")
@as_json
def command(kind: str | None, check: bool, as_json: bool) -> int:
    """List what is installed. KIND is models, probes, suites, tasks, metrics, features or splits.

    `wmeval list models` tells of each model what it can do, its classes, its licence and what it needs;
    `wmeval list tasks` tells of each planning task what is to be reached and how it is asked.
    """
    from wmeval import registry

    listing: dict[str, list[dict[str, Any]]] = {**registry.listing(kind, check=check)}
    if kind == "models":
        from wmeval.roster import roster

        told = [row for row in listing["models"] if registry.is_reference(row["name"])]
        listing["models"] = told + roster(check=check)
    if kind == "tasks":
        from wmeval.report.describe import task_facts

        for row in listing["tasks"]:
            row |= {} if row["problem"] else _facts(task_facts, row)
    if as_json:
        print_json(listing)
    elif kind == "models":
        _models(listing["models"])
    elif kind == "tasks":
        for row in listing["tasks"]:
            _tell(row["name"], row["problem"] or row["summary"] or row["from"])
            if not row["problem"]:
                _tell("", f"asked by {' and '.join(row['asked'])}; tags {', '.join(row['tags'])}")
    else:
        for of, rows in listing.items():
            click.echo(click.style(of, bold=True) + ("" if rows else "  (none)"))
            for row in rows:
                click.echo(f"  {row['name']:24} {row['problem'] or row['from']}")
    return 1 if any(row["problem"] for rows in listing.values() for row in rows) else 0


def _facts(told: Callable[[str], dict[str, Any]], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what there is to say of a task, or the sentence that says why it cannot be loaded."""
    from wmeval.errors import WmevalError

    try:
        return {**told(row["name"]), "name": row["name"]}
    except WmevalError as fault:
        return {"problem": str(fault)}


def _models(rows: Sequence[Mapping[str, Any]]) -> None:
    bare = [row["name"] for row in rows if "capabilities" not in row and not row["problem"]]
    click.echo(click.style("references", bold=True) + "  " + ", ".join(n for n in bare if ":" not in n))
    organisms = [n.partition(":")[2] for n in bare if ":" in n]
    click.echo(
        click.style("organisms", bold=True) + "  the truth with one fault, as organism:NAME[=STRENGTH]"
    )
    click.echo(click.wrap_text(", ".join(organisms), 100, "  ", "  "))
    click.echo(click.style("models", bold=True))
    for row in rows:
        if row["problem"]:
            _tell(row["name"], row["problem"])
        elif "capabilities" in row:
            _tell(row["name"], ", ".join(row["capabilities"]))
            _tell("", f"sees {row['context']}; trained {row['training']}; actions {row['actions']}")
            _tell("", row["licence"])
            if row["here"] or row["needs"]:
                _tell("", row["here"] or f"needs {row['needs']}")


def _tell(name: str, text: str) -> None:
    lines = click.wrap_text(text, 110 - INDENT).splitlines() or [""]
    click.echo(f"  {click.style(f'{name:{INDENT - 2}}', bold=True)}{lines[0]}")
    for line in lines[1:]:
        click.echo(" " * INDENT + line)
