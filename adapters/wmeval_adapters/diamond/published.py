"""Published DIAMOND checkpoints: read without executing anything in them, sizes told by their own tensors.

An Atari agent holds `denoiser.`, `rew_end_model.` and `actor_critic.` (which is no world model and is left
out); the CSGO model holds `denoiser.` and `upsampler.`.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from wmeval.errors import EnvironmentFault, UsageError
from wmeval_adapters.diamond.inner import Denoiser, Layout
from wmeval_adapters.diamond.reward_end import RewardEnd
from wmeval_adapters.diamond.unet import Shape

MAX_BYTES = 4 << 30
MODULES = ("denoiser", "rew_end_model", "upsampler", "actor_critic")
OFFSETS = {False: 0.3, True: 0.1}  # of the configurations without and with noise on past frames

Tensors = Mapping[str, Tensor]
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Published:
    """What a checkpoint holds, and the first digits of its file's digest."""

    denoiser: Denoiser
    reward_end: RewardEnd | None
    upsampler: Denoiser | None
    size: int | None  # px a side of an Atari frame, as the reward model has it
    digest: str

    @property
    def parameters(self) -> int:
        """How many numbers were learnt."""
        parts = [m for m in (self.denoiser, self.reward_end, self.upsampler) if m is not None]
        return sum(p.numel() for m in parts for p in m.parameters())


def read(path: Path) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of each module in a checkpoint (.pt, or the same keys as .safetensors).

    Raises:
        EnvironmentFault: there is no such file. UsageError: it is no checkpoint of DIAMOND.
    """
    if not path.is_file():
        raise EnvironmentFault(
            f"no file {path}; expected a checkpoint of DIAMOND, such as atari_100k/models/Breakout.pt of the "
            "repository eloialonso/diamond on the Hugging Face hub: download it and name it with --weights"
        )
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(f"{path} is {path.stat().st_size >> 20} MiB; DIAMOND's checkpoints are below 4 GiB")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            flat = load_file(str(path))
        else:
            flat = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise UsageError(
            f"{path} cannot be read as plain tensors ({type(error).__name__}: {str(error)[:120]}); it is cut "
            "off, or holds code, which is never run: expected a flat state dict"
        ) from error
    if not isinstance(flat, dict) or not all(isinstance(v, Tensor) for v in flat.values()):
        raise UsageError(f"{path} holds no flat mapping of names to tensors; expected an agent's state dict")
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in flat.items():
        module, _, rest = name.partition(".")
        if module not in MODULES:
            raise UsageError(f"{path}: tensor {name!r} is of none of {', '.join(MODULES)}")
        parts.setdefault(module, {})[rest] = tensor.float() if tensor.is_floating_point() else tensor
    if "denoiser" not in parts:
        raise UsageError(f"{path} has no tensor `denoiser.*`; expected a checkpoint of DIAMOND")
    return parts


def _blocks(tensors: Tensors, prefix: str) -> tuple[tuple[int, ...], tuple[int, ...], tuple[bool, ...]]:
    """Return depths, channels and attention of the levels under `prefix`."""
    depths, channels, attention = [], [], []
    level = 0
    while f"{prefix}.{level}.resblocks.0.conv2.weight" in tensors:
        depth = 0
        while f"{prefix}.{level}.resblocks.{depth}.conv2.weight" in tensors:
            depth += 1
        depths.append(depth)
        channels.append(int(tensors[f"{prefix}.{level}.resblocks.0.conv2.weight"].shape[0]))
        attention.append(f"{prefix}.{level}.resblocks.0.attn.qkv_proj.weight" in tensors)
        level += 1
    return tuple(depths), tuple(channels), tuple(attention)


def layout_of(tensors: Tensors, *, upsampler: bool = False) -> Layout:
    """Return the layout of a denoiser, told by the shapes of its tensors.

    Raises:
        KeyError, ValueError: they are not those of a denoiser.
    """
    prefix = "inner_model."
    width = int(tensors[f"{prefix}cond_proj.0.weight"].shape[0])
    pictures = int(tensors[f"{prefix}conv_in.weight"].shape[1]) // 3
    table = tensors.get(f"{prefix}act_emb.0.weight")
    past = pictures - 1 - upsampler
    if table is not None and table.shape[1] * past != width:
        raise ValueError(f"actions of {table.shape[1]} numbers for {past} frames, condition of {width}")
    noisy = f"{prefix}noise_cond_emb.weight" in tensors
    depths, channels, attention = _blocks(tensors, f"{prefix}unet.d_blocks")
    if not depths:
        raise ValueError("no block of a U-Net")
    return Layout(
        Shape(width, depths, channels, attention), past, None if table is None else int(table.shape[0]),
        multi_hot=noisy and table is not None, upsampler=upsampler, noisy_past=noisy, offset=OFFSETS[noisy],
    )  # fmt: skip


def reward_end_of(tensors: Tensors) -> tuple[RewardEnd, int]:
    """Return an empty model of reward and end as large as tensors tell, and the size of its frames [px]."""
    depths, channels, attention = _blocks(tensors, "encoder.blocks")
    # The last block stands for the middle of the network and not for a level.
    depths, channels, attention = depths[:-1], channels[:-1], attention[:-1]
    actions, width = tensors["act_emb.weight"].shape
    side = round((int(tensors["lstm.weight_ih_l0"].shape[1]) / channels[-1]) ** 0.5)
    size = side * 2 ** (len(channels) - 1)
    shape = Shape(int(width), depths, channels, attention)
    return RewardEnd(shape, int(actions), size, int(tensors["lstm.weight_hh_l0"].shape[1])), size


def _filled(model: M, tensors: Tensors, path: Path, name: str) -> M:
    told = {k: v for k, v in tensors.items()}
    try:
        model.load_state_dict(told, strict=True, assign=True)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise UsageError(f"{path}: `{name}.*` is not as published: {first}") from error
    for key, value in told.items():
        if not bool(torch.isfinite(value).all()):
            raise UsageError(f"{path}: tensor '{name}.{key}' holds values that are not finite")
    return model.eval().requires_grad_(False)


def load(path: Path) -> Published:
    """Return the models in a checkpoint.

    Raises:
        EnvironmentFault, UsageError: see `read`; and where tensors are missing, left over or do not fit.
    """
    parts = read(path)
    try:
        with torch.device("meta"):
            denoiser = Denoiser(layout_of(parts["denoiser"]))
            rewards = reward_end_of(parts["rew_end_model"]) if "rew_end_model" in parts else None
            large = Denoiser(layout_of(parts["upsampler"], upsampler=True)) if "upsampler" in parts else None
    except (KeyError, ValueError, IndexError) as error:
        raise UsageError(f"{path} has not the layout of a published DIAMOND: {error}") from error
    with path.open("rb") as file:
        told = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    return Published(
        _filled(denoiser, parts["denoiser"], path, "denoiser"),
        _filled(rewards[0], parts["rew_end_model"], path, "rew_end_model") if rewards else None,
        _filled(large, parts["upsampler"], path, "upsampler") if large else None,
        rewards[1] if rewards else None,
        told,
    )
