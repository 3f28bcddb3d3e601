"""The networks of the small dreamer in one module, and the file they are kept in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from wmeval.errors import UsageError
from wmeval_adapters.dreamer.picture import Picture
from wmeval_adapters.dreamer.slots import Rssm, RssmConfig
from wmeval_adapters.learn import weights


class Dreamer(nn.Module):
    """Encoder and decoder (`picture`) and the recurrent model."""

    def __init__(self, config: RssmConfig) -> None:
        super().__init__()
        self.picture, self.rssm = Picture(), Rssm(config)


SMALL = RssmConfig()


def save(path: Path, model: Dreamer, made: Mapping[str, Any]) -> None:
    """Write a model with its configuration and `made`, how it came about."""
    weights.save(path, "dreamer", model.state_dict(), {**made, "config": asdict(model.rssm.config)})


def load(path: Path) -> tuple[Dreamer, dict[str, Any]]:
    """Return the model in a file, ready to predict, and how it came about.

    Raises: EnvironmentFault or UsageError, see `weights.read` and `weights.fill`.
    """
    tensors, made = weights.read(path, "dreamer")
    try:
        model = Dreamer(RssmConfig(**made["config"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} has a header that dreamer does not understand: {error!r}") from error
    weights.fill(model, tensors, path)
    return model.eval(), made
