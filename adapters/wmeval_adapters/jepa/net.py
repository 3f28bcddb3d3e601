"""The networks of jepa in one module, and the file they are kept in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wmeval.errors import UsageError
from wmeval_adapters.jepa.eye import HUES, PLACE
from wmeval_adapters.jepa.features import LIKE, Features
from wmeval_adapters.jepa.predictor import Predictor
from wmeval_adapters.learn import weights

AHEAD = (1, 4)  # frames for which surprise foresees


@dataclass(frozen=True)
class Config:
    """Sizes of all parts."""

    features: int = 12  # learnt numbers of a slot
    channels: int = 24  # of the encoder's first convolution
    hidden: int = 128  # of a slot's memory
    scene: int = 24  # channels of the map of what stands still
    size: int = 64  # px

    @property
    def width(self) -> int:
        """Numbers in the latent of a slot: 13 of its place, then its features."""
        return PLACE + self.features


class Jepa(nn.Module):
    """Encoder and predictor. `noise` (2, D) is what a foreseen latent is off by, 1 and 4 frames ahead."""

    mean: Tensor
    spread: Tensor
    noise: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.features = Features(config.features, config.channels)
        self.predictor = Predictor(config.width, config.hidden, config.scene, config.size)
        self.register_buffer("mean", torch.zeros(config.features))
        self.register_buffer("spread", torch.ones(config.features))
        self.register_buffer("noise", torch.ones(len(AHEAD), config.width))

    def encode(self, places: Tensor, glimpses: Tensor) -> Tensor:
        """Return latents (..., 6, D) of places (..., 6, 13) and glimpses (n, 3, 16, 16) of those in view."""
        there = places[..., -1] > 0.5
        out = places.new_zeros(*places.shape[:-1], self.config.width)
        out[..., :PLACE] = places
        if len(glimpses):
            shown = (self.features(glimpses) - self.mean) / self.spread
            out[..., PLACE:][there] = LIKE * shown.clamp(-8, 8)
        return out


SMALL = Config()
SLOTS = HUES


def save(path: Path, model: Jepa, made: Mapping[str, Any]) -> None:
    """Write a model with its configuration and `made`, how it came about."""
    weights.save(path, "jepa", model.state_dict(), {**made, "config": asdict(model.config)})


def load(path: Path) -> tuple[Jepa, dict[str, Any]]:
    """Return the model in a file, ready to be asked, and how it came about.

    Raises: EnvironmentFault or UsageError, see `weights.read` and `weights.fill`.
    """
    tensors, made = weights.read(path, "jepa")
    try:
        model = Jepa(Config(**made["config"]))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"{path} describes no jepa: {error!r}; expected a file of `wmeval train`") from error
    weights.fill(model, tensors, path)
    return model.eval(), made
