"""`wmeval submit`: hands a run in to a leaderboard, or answers a challenge of hidden questions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wmeval.cli.options import as_json, device, print_json, settings
from wmeval.errors import UsageError

if TYPE_CHECKING:
    from wmeval_leaderboard.client.sending import Packed, Sent
    from wmeval_leaderboard.client.server import Server


@click.command(name="submit")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--server", metavar="URL", envvar="WMEVAL_SERVER", help="The leaderboard.")
@click.option("--dry-run", is_flag=True, help="Check the run and tell what would be sent; send nothing.")
@click.option("--challenge", is_flag=True, help="Answer hidden questions; RUN is a folder to do it in.")
@click.option("--model", metavar="NAME|file.py", help="Which model is challenged; without it, you put the "
              "questions to a model that is not here.")  # fmt: skip
@click.option("--weights", metavar="PATH|hf:ORG/NAME", help="Its checkpoint, in place of the shipped one.")
@settings
@device
@click.option("--season", metavar="NAME", help="Of which season to be challenged.  [default: the newest]")
@as_json
def submit(
    run: Path, server: str | None, dry_run: bool, challenge: bool, season: str | None, as_json: bool,
    model: str | None, weights: str | None, options: Mapping[str, str], device: str,
) -> int:  # fmt: skip
    """Hand in the finished run in the folder RUN, signed, and print where it is shown.

    Only what the server lacks is sent, so the same command goes on where one was cut off.
    """
    if not challenge and (model or weights or options or season):
        raise UsageError(
            "a run says itself of which model and season it is; --model, --weights, --set and --season go "
            "with --challenge"
        )
    if server is None and not dry_run:
        raise UsageError("no leaderboard was given; add --server URL, or --dry-run to send nothing")
    if challenge:
        if server is None or dry_run:
            raise UsageError("a challenge is taken from a server, and at once; leave --dry-run out")
        asked = {"model": model or "recorded", "weights": weights, "options": options, "device": device}
        return _answer(run, server, season, asked, as_json)
    return _hand_in(run, server, dry_run, as_json)


def _hand_in(run: Path, server: str | None, dry_run: bool, as_json: bool) -> int:
    from wmeval.report.live import counting
    from wmeval.run import Run
    from wmeval_leaderboard.client.sending import packed, send

    with counting("files checked") as tell:
        made = packed(Run(run), tell)
    if dry_run or server is None:
        told = {**_summary(made), "parts": [[p.path, p.digest, p.size] for p in made.parts]}
        print_json(told) if as_json else click.echo(f"{_line(made)}; nothing was sent")
        return 0
    opened, key = _logged_in(server)
    with counting("files sent") as tell:
        sent = send(made, opened, key, tell)
    if not as_json:
        click.echo(_line(made))
    return _tell(sent, _summary(made), as_json)


def _answer(folder: Path, server: str, season: str | None, asked: Mapping[str, Any], as_json: bool) -> int:
    from wmeval.pack.layout import MANIFEST
    from wmeval.report.live import sentences
    from wmeval.run.request import Request
    from wmeval_leaderboard.client.challenge import STATE, Waiting, answer

    folder = folder.absolute()
    if (folder / MANIFEST).exists() and (folder.parent / STATE).exists():
        folder = folder.parent  # who fills a pack in stands in it
    opened, key = _logged_in(server)
    with sentences() as say:
        told = answer(
            opened, key, Request(**asked), folder, season=season,
            tell=lambda what, done, total: say(f"{what}: {done} of {total}"),
        )  # fmt: skip
    if not isinstance(told, Waiting):
        return _tell(told, {"model": asked["model"]}, as_json)
    until = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(told.deadline))
    if as_json:
        waits = {"folder": str(told.folder), "deadline": told.deadline}
        print_json({**waits, "questions": told.questions, "clips": told.clips, "state": "waiting"})
    else:
        click.echo(f"{told.questions} questions and {told.clips} clips lie in {told.folder}")
        click.echo(f"answer them by {until} as README.md there says, then give the same command again")
    return 0


def _logged_in(address: str) -> tuple[Server, str]:
    from wmeval_leaderboard.client.credentials import logged_in

    server, key = logged_in(address)
    if server.open_to_all:
        click.echo(
            f"wmeval: {server.address} is not encrypted; others on its way can read the token", err=True
        )
    return server, key


def _tell(sent: Sent, more: Mapping[str, Any], as_json: bool) -> int:
    if as_json:
        print_json({
            **more, "slug": sent.slug, "url": sent.url, "state": sent.state, "reason": sent.reason,
            "sent_files": sent.files, "sent_bytes": sent.bytes,
        })  # fmt: skip
    else:
        click.echo(f"sent {sent.files} files, {sent.bytes / 1e6:.1f} MB; the server had all others")
        click.echo(f"{sent.state}{sent.reason and f' ({sent.reason})'}: {sent.url}")
    return 1 if sent.state == "quarantined" else 0


def _summary(made: Packed) -> dict[str, Any]:
    results = made.documents.results
    return {
        "model": results["model"]["name"], "suite": results["suite"], "root": made.root,
        "files": len(made.parts), "bytes": made.size,
    }  # fmt: skip


def _line(made: Packed) -> str:
    results, size = made.documents.results, f"{made.size / 1e6:.1f} MB"
    name = results["model"]["name"]
    return f"{name} on {results['suite']}: {len(made.parts)} files, {size}, root {made.root[:12]}"
