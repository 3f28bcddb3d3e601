"""`wmeval check probe|adapter|pack`: the checks that our own pass, for whoever writes one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wmeval.cli.options import CountOr, as_json, device, out, print_json, processes, settings

if TYPE_CHECKING:
    from wmeval.check_adapter import Finding


@click.group(name="check")
def command() -> None:
    """Check a probe, an adapter or the answers to a pack; exits with 1 where something is wrong."""


@command.command(name="probe")
@click.argument("name", metavar="NAME|file.py")
@click.option("--n", default=40, show_default=True, type=click.IntRange(20), help="Development scenes.")
@click.option("--tag", metavar="TAG", help="Which scenes.  [default: the probe's first]")
@click.option("--workers", type=CountOr("auto"), default="auto", show_default=True, help="Processes.")
@out("Write the page there too, as Markdown.")
@as_json
def probe(name: str, n: int, tag: str | None, workers: int | str, out: Path | None, as_json: bool) -> int:
    """Check that a probe sees what it is for: the truth passes, nulls do not, violations are detected."""
    from wmeval import registry
    from wmeval.check import check_probe
    from wmeval.report import checked
    from wmeval.run.store import plain

    found = check_probe(registry.load_probe(name), n, tag=tag, workers=processes(workers))
    if out is not None:
        out.write_text(checked.markdown(found))
    if as_json:
        print_json(plain(found.to_json()))
    else:
        for ok, line in checked.text(found):
            click.echo(line if ok is None else f"{_mark(ok)}  {line}")
    return 0 if found.ok else 1


@command.command(name="adapter")
@click.argument("name", metavar="NAME|file.py")
@click.option("--weights", metavar="PATH", help="A checkpoint in place of the shipped one.")
@settings
@device
@as_json
def adapter(name: str, weights: str | None, options: Mapping[str, str], device: str, as_json: bool) -> int:
    """Check that a model keeps the contract: shapes, seeds, batches, causality, fresh processes."""
    from wmeval.check_adapter import check_adapter

    findings = check_adapter(name, weights, device, options)
    _print(findings, as_json)
    return 0 if all(f.ok for f in findings) else 1


@command.command(name="pack")
@click.argument("folder", metavar="PACK", type=click.Path(path_type=Path))
@settings
@as_json
def pack(folder: Path, options: Mapping[str, str], as_json: bool) -> int:
    """Check the answers to a pack: what is missing, short, damaged or doubled, and how the rest is read."""
    from wmeval.errors import UsageError
    from wmeval.pack import layout
    from wmeval.pack.checked import SAID, check
    from wmeval.pack.settings import OPTIONS, Settings
    from wmeval.report.live import counting

    known = {*OPTIONS, "folder", "name", "context", "training"}  # as of `wmeval run`; these change nothing
    if wrong := [k for k in options if k not in known]:
        raise UsageError(f"the answers to a pack have no option {wrong[0]!r}; they have {', '.join(OPTIONS)}")
    opened = layout.read(folder)
    with counting("answers") as progress:
        found = check(opened, Settings.of(options), progress)
    if as_json:
        print_json(found.to_json())
        return 0 if found.ok else 1
    for name, why in found.problems:
        click.echo(f"{_mark(False)}  {name}: {why}")
    if found.counts:
        click.echo(", ".join(f"{n} {SAID[s]}" for s, n in sorted(found.counts.items())) + " of the answers")
    if found.judged is not None:
        click.echo(f"{found.judged['told']} clips judged, {found.judged['bad']} cannot be used")
    for note in found.notes:
        click.echo(f"note   {note}")
    click.echo(
        f"{_mark(found.ok)}  score with: {opened.command()}" if found.ok else f"then   {opened.command()}"
    )
    return 0 if found.ok else 1


def _print(findings: Iterable[Finding], as_json: bool) -> None:
    from dataclasses import asdict

    from wmeval.report.checked import sentence

    if as_json:
        print_json([asdict(f) for f in findings])
        return
    for finding in findings:
        click.echo(f"{_mark(finding.ok)}  {sentence(finding)}")


def _mark(ok: bool) -> str:
    return click.style("ok   ", fg="green") if ok else click.style("wrong", fg="red", bold=True)
