"""Published checkpoints of 1X's GENIE and of its tokenizer, as tensors only.

A model is config.json and model.safetensors. The tokenizer is magvit2.ckpt, a dictionary with `state_dict`,
of which the plain encoder and decoder are read: averages (`model_ema.`) and the loss (`loss.`) are left.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from wmeval.errors import EnvironmentFault, UsageError
from wmeval_adapters.learn.weights import fill
from wmeval_adapters.onex.magvit2 import Magvit2, Shape
from wmeval_adapters.onex.st_mask_git import Config, STMaskGIT

MAX_BYTES = 8 << 30
MAX_CONFIG = 1 << 20
TOKENIZERS = ("magvit2.safetensors", "magvit2.ckpt")
LEFT = ("loss.", "model_ema.", "quantize.")


@dataclass(frozen=True)
class Published:
    """The two networks, and the first digits of their files' digest."""

    model: STMaskGIT
    tokenizer: Magvit2
    digest: str

    @property
    def size(self) -> int:
        """Pixels along a side of a frame."""
        side: int = round(self.model.config.S**0.5)
        return side * self.tokenizer.shape.scale

    @property
    def parameters(self) -> int:
        """How many numbers were learnt."""
        return sum(p.numel() for m in (self.model, self.tokenizer) for p in m.parameters())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file, by name; of a dictionary with `state_dict`, those in it."""
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(f"{path} is {path.stat().st_size >> 30} GiB; 1X's checkpoints are below 8 GiB")
    told: Any
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            told = load_file(str(path))
        else:
            told = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, SafetensorError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise UsageError(
            f"{path} cannot be read as plain tensors ({type(error).__name__}: {str(error)[:120]}); it is cut "
            "off, or holds code, which is never run: its state_dict saved as .safetensors is read as well"
        ) from error
    told = told.get("state_dict", told) if isinstance(told, dict) else told
    if not isinstance(told, dict) or not all(isinstance(v, Tensor) for v in told.values()):
        raise UsageError(f"{path} holds no mapping of names to tensors; expected a state dict")
    return {k: v.float() if v.is_floating_point() else v for k, v in told.items()}


def config_of(path: Path) -> Config:
    """Return what a config.json says of the network.

    Raises:
        UsageError: it is none, or of a network that this is not.
    """
    try:
        told = json.loads(path.read_text("utf-8")) if path.stat().st_size <= MAX_CONFIG else None
    except (ValueError, OSError) as error:
        raise UsageError(f"{path} cannot be read as JSON ({error})") from error
    if isinstance(told, dict) and isinstance(told.get("config"), dict):
        told = told["config"]
    known = {f.name: f.type for f in fields(Config)}
    if not isinstance(told, dict) or not {"num_layers", "num_heads", "d_model"} <= set(told):
        raise UsageError(
            f"{path} is no config.json of 1X's GENIE; expected num_layers, num_heads and d_model"
        )
    kinds = {"int": int, "bool": bool, "float": (int, float)}
    for name, value in told.items():
        if name in known and not isinstance(value, kinds[str(known[name])]):  # type: ignore[arg-type]
            raise UsageError(f"{path} says {name}={value!r}; expected {known[name]}")
    config = Config(**{k: v for k, v in told.items() if k in known})
    whole = config.vocabulary**config.num_factored_vocabs == config.image_vocab_size
    sizes = (config.num_layers, config.num_heads, config.d_model, config.T, config.S)
    if not whole or min(sizes) < 1 or max(sizes) > 65536 or config.d_model % config.num_heads:
        raise UsageError(f"{path} has sizes that do not fit together: {config}")
    if round(config.S**0.5) ** 2 != config.S:
        raise UsageError(f"{path} says S={config.S}; expected a square, the tokens of a frame")
    return config


def shape_of(tensors: Mapping[str, Tensor]) -> Shape:
    """Return the shape of a tokenizer, told by its tensors.

    Raises:
        KeyError: they are not those of one.
    """
    channels: list[int] = []
    while (name := f"encoder.down.{len(channels)}.block.0.conv1.weight") in tensors:
        channels.append(int(tensors[name].shape[0]))
    blocks = 0
    while f"encoder.mid_block.{blocks}.conv1.weight" in tensors:
        blocks += 1
    bits = int(tensors["encoder.conv_out.weight"].shape[0])
    return Shape(int(tensors["encoder.conv_in.weight"].shape[0]), tuple(channels), blocks, bits)


def tokenizer_of(path: Path) -> Magvit2:
    """Return the tokenizer of a file.

    Raises:
        EnvironmentFault: there is no such file. UsageError: it is no tokenizer of this kind.
    """
    if not path.is_file():
        raise EnvironmentFault(
            f"no tokenizer at {path}; expected magvit2.ckpt of the data set 1x-technologies/worldmodel on "
            "the Hugging Face hub: put it beside model.safetensors, or name it with --set tokenizer=FILE"
        )
    tensors = {k: v for k, v in _tensors(path).items() if not k.startswith(LEFT)}
    try:
        tokenizer = Magvit2(shape_of(tensors))
    except (KeyError, ValueError, IndexError) as error:
        raise UsageError(f"{path} has not the layout of magvit2.ckpt: {error}") from error
    fill(tokenizer, tensors, path)
    return tokenizer.eval().requires_grad_(False)


def load(folder: Path, tokenizer: Path | None) -> Published:
    """Return the networks of a folder with config.json, model.safetensors and, unless named, magvit2.ckpt.

    Raises:
        EnvironmentFault: a file is missing. UsageError: one does not fit.
    """
    weights = folder / "model.safetensors"
    if not weights.is_file() or not (folder / "config.json").is_file():
        raise EnvironmentFault(
            f"{folder} has no config.json and model.safetensors; expected a folder such as the repository "
            "1x-technologies/GENIE_35M on the Hugging Face hub: --weights hf:1x-technologies/GENIE_35M"
        )
    beside = [folder / name for name in TOKENIZERS]
    seen = tokenizer or next((p for p in beside if p.is_file()), beside[-1])
    sees = tokenizer_of(seen)
    config = config_of(folder / "config.json")
    if 2**sees.shape.bits != config.image_vocab_size:
        raise UsageError(
            f"{seen} makes tokens of {sees.shape.bits} bits; {folder} knows {config.image_vocab_size} tokens"
        )
    model = STMaskGIT(config)
    fill(model, _tensors(weights), weights)
    digest = hashlib.sha256((_digest(weights) + _digest(seen)).encode()).hexdigest()[:12]
    return Published(model.eval().requires_grad_(False), sees, digest)
