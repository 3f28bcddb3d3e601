"""`wmeval serve-model`: let a model that runs here be asked by `wmeval run --model remote`."""

from __future__ import annotations

from collections.abc import Mapping

import click

from wmeval.cli.options import device, settings


@click.command(name="serve-model")
@click.option("--model", required=True, metavar="NAME|file.py", help="What `wmeval list models` lists.")
@click.option("--weights", metavar="PATH", help="A checkpoint in place of the shipped one.")
@settings
@device
@click.option("--host", default="127.0.0.1", show_default=True,
              help="Any but this machine's own needs WMEVAL_TOKEN in the environment.")  # fmt: skip
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0: a free one.")
@click.option("--max-mb", default=256, show_default=True, type=click.IntRange(1), metavar="N",
              help="Megabytes that one message may have.")  # fmt: skip
def command(
    model: str,
    weights: str | None,
    options: Mapping[str, str],
    device: str,
    host: str,
    port: int,
    max_mb: int,
) -> int:
    """Answer questions about a model over HTTP until Ctrl-C; docs/remote.md has the protocol.

    With WMEVAL_TOKEN in the environment every question must carry it.
    """
    from wmeval.remote.serve import server_of

    server = server_of(model, weights, options, device, host, port, max_mb << 20)
    card = server.served.model.card
    click.echo(
        f"{card.name} {card.version} is served at {server.url} (identity {server.served.identity[:16]})"
    )
    click.echo(f"`wmeval run --model remote --set url={server.url}` asks it; Ctrl-C ends")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        click.echo("ended")
    finally:
        server.server_close()
    return 0
