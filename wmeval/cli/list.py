"""`wmeval list`: names from package metadata; imports nothing that it lists unless --check asks."""

from __future__ import annotations

import click

from wmeval.cli.options import as_json, print_json


@click.command(name="list")
@click.argument("kind", required=False, metavar="[KIND]")
@click.option("--check", is_flag=True, help="Import each one too, and say which are broken.")
@as_json
def command(kind: str | None, check: bool, as_json: bool) -> int:
    """List what is installed. KIND is models, probes, suites, tasks, metrics, features or splits."""
    from wmeval import registry

    listing = registry.listing(kind, check=check)
    if as_json:
        print_json(listing)
    else:
        for of, rows in listing.items():
            click.echo(click.style(of, bold=True) + ("" if rows else "  (none)"))
            for row in rows:
                click.echo(f"  {row['name']:24} {row['problem'] or row['from']}")
    return 1 if any(row["problem"] for rows in listing.values() for row in rows) else 0
