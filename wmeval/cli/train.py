"""`wmeval train`: the command that made what is shipped, for whoever wants to make it again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import click

from wmeval.cli.options import out, settings

STAGES = 5


@click.command(name="train")
@click.option("--model", metavar="NAME", help="Train this model.")
@click.option("--features", metavar="NAME", help="Train this feature extractor.")
@out("Where checkpoints and the log go; training continues what is there.", required=True)
@click.option(
    "--keep-stages",
    "stages",
    type=click.IntRange(1),
    is_flag=False,
    flag_value=str(STAGES),
    metavar="[N]",
    help=f"Leave weights at N points of training ({STAGES}), each half of the next, in OUT/stages/STEP.",
)
@settings
def command(
    model: str | None, features: str | None, out: Path, stages: int | None, options: Mapping[str, str]
) -> int:
    """Train a model or a feature extractor into --out, continuing what is there."""
    from wmeval import registry
    from wmeval.errors import UsageError

    if (model is None) == (features is None):
        raise UsageError("train takes one of --model NAME and --features NAME")
    trainee = registry.load_adapter(model) if model else registry.load_features(str(features))
    name = model or features
    if trainee.train is None:
        raise UsageError(f"{name!r} cannot be trained here; `wmeval describe {name}` tells where it is from")
    if stages is not None:
        if features:
            raise UsageError("--keep-stages is for models; leave it out with --features")
        options = {**options, "keep-stages": str(stages)}
    with _followed(out / "log.jsonl"):
        trainee.train(out, options)
    click.echo(out)
    return 0


@contextmanager
def _followed(log: Path, every_s: float = 5.0) -> Iterator[None]:
    """Tell on stderr, now and then, the last line that a training adds to its log of JSON lines."""
    over = Event()

    def tell() -> None:
        told = log.read_text().splitlines()[-1:] if log.exists() else []
        while not over.wait(every_s):
            last = log.read_text().splitlines()[-1:] if log.exists() else []
            if last != told:
                told = last
                with suppress(ValueError):  # a line that is still being written
                    said = json.loads(last[0]).items()
                    click.echo(", ".join(f"{k} {v}" for k, v in said if not isinstance(v, list)), err=True)

    follower = Thread(target=tell, daemon=True)
    follower.start()
    try:
        yield
    finally:
        over.set()
        follower.join()
