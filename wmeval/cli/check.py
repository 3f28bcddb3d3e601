"""`wmeval check probe|adapter`: the checks that our own pass, for whoever writes one."""

from __future__ import annotations

from collections.abc import Mapping

import click

from wmeval.cli.options import as_json, device, print_json, settings


@click.group(name="check")
def command() -> None:
    """Check a probe or an adapter the way its own tests do; exits with 1 where something is wrong."""


@command.command(name="adapter")
@click.argument("name", metavar="NAME|file.py")
@click.option("--weights", metavar="PATH", help="A checkpoint in place of the shipped one.")
@settings
@device
@as_json
def adapter(name: str, weights: str | None, options: Mapping[str, str], device: str, as_json: bool) -> int:
    """Check that a model keeps the contract: shapes, seeds, batches, causality, fresh processes."""
    from dataclasses import asdict

    from wmeval.check_adapter import check_adapter

    findings = check_adapter(name, weights, "cpu" if device == "auto" else device, options)
    if as_json:
        print_json([asdict(f) for f in findings])
    else:
        for finding in findings:
            mark = click.style("ok", fg="green") if finding.ok else click.style("wrong", fg="red", bold=True)
            click.echo(f"{mark}  {finding.name}" + ("" if finding.ok else f": {finding.sentence}"))
    return 0 if all(f.ok for f in findings) else 1
