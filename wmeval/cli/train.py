"""`wmeval train`: the command that made what is shipped, for whoever wants to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from wmeval.cli.options import out, settings


@click.command(name="train")
@click.option("--model", metavar="NAME", help="Train this model.")
@click.option("--features", metavar="NAME", help="Train this feature extractor.")
@out("Where checkpoints and the log go; training continues what is there.", required=True)
@settings
def command(model: str | None, features: str | None, out: Path, options: Mapping[str, str]) -> int:
    """Train a model or a feature extractor into --out, continuing what is there."""
    from wmeval import registry
    from wmeval.errors import UsageError

    if (model is None) == (features is None):
        raise UsageError("train takes one of --model NAME and --features NAME")
    trainee = registry.load_adapter(model) if model else registry.load_features(str(features))
    name = model or features
    if trainee.train is None:
        raise UsageError(f"{name!r} cannot be trained here; `wmeval describe {name}` tells where it is from")
    trainee.train(out, options)
    click.echo(out)
    return 0
