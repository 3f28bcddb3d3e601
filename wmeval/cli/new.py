"""`wmeval new probe|adapter NAME`: one commented file that already runs."""

from __future__ import annotations

from pathlib import Path

import click


@click.group(name="new")
def command() -> None:
    """Write a probe or an adapter of your own to start from: one file that already runs."""


@command.command(name="probe")
@click.argument("name")
def probe(name: str) -> int:
    """Write ./NAME.py, a probe of one situation, its measure and its violation."""
    return _write("probe", name, ("wmeval run --model genie --probe ./{} --limit 8",))


@command.command(name="adapter")
@click.argument("name")
def adapter(name: str) -> int:
    """Write ./NAME.py, an adapter with its card and a model that continues videos."""
    return _write("adapter", name, ("wmeval run --model ./{} --limit 2",))


def _write(kind: str, name: str, then: tuple[str, ...]) -> int:
    from wmeval import starter

    path = starter.write(kind, name, Path.cwd())
    click.echo(f"wrote {path.name}; next:")
    for line in (f"wmeval check {kind} ./{{}}", *then):
        click.echo(f"  {line.format(path.name)}")
    return 0
