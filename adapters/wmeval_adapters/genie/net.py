"""The networks of genie in one module, and the file they are kept in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from wmeval.errors import UsageError
from wmeval_adapters.genie.actions import Binding, LatentActions
from wmeval_adapters.genie.codebook import Codebook
from wmeval_adapters.genie.dynamics import Dynamics, DynamicsConfig
from wmeval_adapters.genie.tokenizer import Tokenizer, TokenizerConfig
from wmeval_adapters.learn import weights


@dataclass(frozen=True)
class Config:
    """Sizes of all parts."""

    tokenizer: TokenizerConfig
    dynamics: DynamicsConfig
    latent: int = 48  # width of the latent action model
    book: int = 8192  # tokens in the codebook

    def to_json(self) -> dict[str, Any]:
        """Return the configuration as JSON values; `config_from_json` is its inverse."""
        return asdict(self)


def config_from_json(data: Mapping[str, Any]) -> Config:
    """Return the configuration that `to_json` described."""
    dynamics: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in data["dynamics"].items()
    }
    return Config(
        TokenizerConfig(**data["tokenizer"]),
        DynamicsConfig(**dynamics),
        int(data["latent"]),
        int(data["book"]),
    )


SMALL = Config(TokenizerConfig(), DynamicsConfig())


class Genie(nn.Module):
    """Tokenizer, latent actions and dynamics; `binding` ties scene actions to latent ones."""

    def __init__(self, config: Config, binding: Binding) -> None:
        super().__init__()
        self.config, self.binding = config, binding
        self.tokenizer = Tokenizer(config.tokenizer)
        self.actions = LatentActions(config.latent, config.dynamics.size)
        self.dynamics = Dynamics(config.dynamics)
        sizes = config.tokenizer
        self.book = Codebook(config.book, sizes.digits, sizes.levels, sizes.patch)


def save(path: Path, model: Genie, made: Mapping[str, Any]) -> None:
    """Write a model with its configuration, its binding and `made`, how it came about."""
    header = {**made, "config": model.config.to_json(), "binding": asdict(model.binding)}
    weights.save(path, "genie", model.state_dict(), header)


def load(path: Path) -> tuple[Genie, dict[str, Any]]:
    """Return the model in a file, ready to predict, and how it came about.

    Raises: EnvironmentFault or UsageError, see `weights.read` and `weights.fill`.
    """
    tensors, made = weights.read(path, "genie")
    try:
        config = config_from_json(made["config"])
        bound: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in made["binding"].items()
        }
        model = Genie(config, Binding(**bound))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} has a header that genie does not understand: {error!r}") from error
    weights.fill(model, tensors, path)
    return model.eval(), made
