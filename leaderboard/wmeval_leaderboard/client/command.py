"""`wmeval submit`: hands a run in to a leaderboard, or answers a challenge of hidden questions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wmeval.cli.options import as_json, print_json
from wmeval.errors import UsageError

if TYPE_CHECKING:
    from wmeval_leaderboard.client.sending import Packed


@click.command(name="submit")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--server", metavar="URL", envvar="WMEVAL_SERVER", help="The leaderboard.")
@click.option("--dry-run", is_flag=True, help="Check the run and tell what would be sent; send nothing.")
@as_json
def submit(run: Path, server: str | None, dry_run: bool, as_json: bool) -> int:
    """Hand in the finished run in the folder RUN, signed, and print where it is shown.

    Only what the server lacks is sent, so the same command goes on where one was cut off.
    """
    from wmeval.report.live import counting
    from wmeval.run import Run
    from wmeval_leaderboard.client.credentials import logged_in
    from wmeval_leaderboard.client.sending import packed, send

    if server is None and not dry_run:
        raise UsageError("no leaderboard was given; add --server URL, or --dry-run to send nothing")
    with counting("files checked") as tell:
        made = packed(Run(run), tell)
    if dry_run or server is None:
        told = {**_summary(made), "parts": [[p.path, p.digest, p.size] for p in made.parts]}
        print_json(told) if as_json else click.echo(f"{_line(made)}; nothing was sent")
        return 0
    opened, key = logged_in(server)
    with counting("files sent") as tell:
        sent = send(made, opened, key, tell)
    told = {
        **_summary(made), "slug": sent.slug, "url": sent.url, "state": sent.state, "reason": sent.reason,
        "sent_files": sent.files, "sent_bytes": sent.bytes,
    }  # fmt: skip
    if as_json:
        print_json(told)
    else:
        click.echo(_line(made))
        click.echo(f"sent {sent.files} of the files, {sent.bytes / 1e6:.1f} MB; the server had the others")
        click.echo(f"{sent.state}{sent.reason and f' ({sent.reason})'}: {sent.url}")
    return 1 if sent.state == "quarantined" else 0


def _summary(made: Packed) -> dict[str, object]:
    results = made.documents.results
    return {
        "model": results["model"]["name"], "suite": results["suite"], "root": made.root,
        "files": len(made.parts), "bytes": made.size,
    }  # fmt: skip


def _line(made: Packed) -> str:
    results, size = made.documents.results, f"{made.size / 1e6:.1f} MB"
    name = results["model"]["name"]
    return f"{name} on {results['suite']}: {len(made.parts)} files, {size}, root {made.root[:12]}"
