"""The small diamond's network, the usual size of its actions, and the file both are kept in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wmeval.errors import UsageError
from wmeval.model import ACTION_DIM
from wmeval_adapters.diamond.small import Config, SmallDenoiser
from wmeval_adapters.learn import weights

FAMILY = "diamond"


@dataclass(frozen=True)
class Small:
    """A network and what its actions are divided by."""

    model: SmallDenoiser
    scale: Tensor  # (12,)


def save(path: Path, small: Small, made: Mapping[str, Any]) -> None:
    """Write a model with its configuration and `made`, how it came about."""
    header = {**made, "config": asdict(small.model.config), "scale": small.scale.tolist()}
    weights.save(path, FAMILY, small.model.state_dict(), header)


def load(path: Path) -> tuple[Small, dict[str, Any]]:
    """Return the model in a file, ready to predict, and how it came about.

    Raises: EnvironmentFault or UsageError, see `weights.read` and `weights.fill`.
    """
    tensors, made = weights.read(path, FAMILY)
    try:
        model = SmallDenoiser(Config(**made["config"]))
        scale = torch.tensor([float(x) for x in made["scale"]])
        if scale.shape != (ACTION_DIM,) or not bool((scale > 0).all()):
            raise ValueError(f"scale of actions {scale.tolist()}")
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} has a header that diamond does not understand: {error!r}") from error
    weights.fill(model, tensors, path)
    return Small(model.eval().to(memory_format=torch.channels_last), scale), made  # type: ignore[call-overload]
