"""`wmeval doctor`: whether this machine can make trustworthy numbers, and what mends it if not."""

from __future__ import annotations

from dataclasses import asdict

import click

from wmeval.cli.options import as_json, print_json


@click.command(name="doctor")
@as_json
def command(as_json: bool) -> int:
    """Check versions, wheels, weights, disk and determinism; exits with 3 where something must be mended."""
    from wmeval.doctor import examine

    findings = []
    for finding in examine():
        findings.append(finding)
        if as_json:
            continue
        mark = click.style("ok", fg="green") if finding.ok else click.style("problem", fg="red", bold=True)
        click.echo(f"{mark:>{16 if finding.ok else 20}}  {finding.what:16} {finding.problem or finding.says}")
        if finding.mend:
            click.echo(f"{'':8} {'mend' if finding.problem else 'to have it'}: {finding.mend}")
    if as_json:
        print_json([{**asdict(f), "ok": f.ok} for f in findings])
    return 0 if all(f.ok for f in findings) else 3
