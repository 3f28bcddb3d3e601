"""Checkpoints of tinyworlds in both published forms, as tensors only, their sizes told by their shapes.

The files on the hub are one dictionary each (`model`, `config`, optimizer and scheduler); newer code writes
a folder each, with model_state_dict.pt and state.pt. Only the number of heads, the size of frames and the
length of clips are not told by shapes: they come from the configuration or from options.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from wmeval.errors import EnvironmentFault, UsageError
from wmeval_adapters.learn.weights import fill
from wmeval_adapters.tinyworlds.nets import Dynamics, LatentActions, VideoTokenizer
from wmeval_adapters.tinyworlds.transformer import Layout

MAX_BYTES = 2 << 30
MAX_CONFIG = 1 << 20
PARTS = ("video_tokenizer", "latent_actions", "dynamics")
SUFFIXES = (".safetensors", ".pth", ".pt")
INSIDE = ("model_state_dict.safetensors", "model_state_dict.pt")
PREFIXES = ("module.", "_orig_mod.")
CLIP = 4  # frames of a clip in training, where no configuration says so

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Published:
    """The three networks, frames of a clip in training, and the first digits of the files' digest."""

    tokenizer: VideoTokenizer
    actions: LatentActions
    dynamics: Dynamics
    clip: int
    digest: str

    @property
    def parameters(self) -> int:
        """How many numbers were learnt."""
        return sum(
            p.numel() for m in (self.tokenizer, self.actions, self.dynamics) for p in m.parameters()
        )  # fmt: skip


def parts_of(folder: Path) -> dict[str, Path]:
    """Return where each of PARTS lies in a folder: a file, or a folder of newer code.

    Raises:
        EnvironmentFault: there is no such folder. UsageError: it has not just one of each.
    """
    if not folder.is_dir():
        raise EnvironmentFault(
            f"no folder {folder}; expected one that holds video_tokenizer, latent_actions and dynamics, such "
            "as `sonic` of AlmondGod/tinyworlds-models on the Hugging Face hub: "
            "`hf download AlmondGod/tinyworlds-models --include 'sonic/*' --local-dir tinyworlds` and "
            "--weights tinyworlds/sonic"
        )
    found: dict[str, list[Path]] = {part: [] for part in PARTS}
    for path in sorted(folder.rglob("*")):
        whole = path.is_file() and path.suffix in SUFFIXES
        if whole or (path.is_dir() and any((path / name).is_file() for name in INSIDE)):
            for part in PARTS:
                if part in path.name:
                    found[part].append(path)
    for part, paths in found.items():
        if len(paths) != 1:
            told = ", ".join(p.name for p in paths) or "none"
            raise UsageError(
                f"{folder} holds {len(paths)} of `*{part}*` ({told}); expected one: put the three that "
                "belong together into one folder"
            )
    return {part: paths[0] for part, paths in found.items()}


def _opened(path: Path) -> Any:
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(
            f"{path} is {path.stat().st_size >> 20} MiB; checkpoints of tinyworlds are below 2 GiB"
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(str(path))
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, SafetensorError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise UsageError(
            f"{path} cannot be read as plain tensors ({type(error).__name__}: {str(error)[:120]}); it is cut "
            "off, or holds code, which is never run"
        ) from error


def _config(path: Path) -> dict[str, Any]:
    """Return what is configured beside tensors: in state.pt, or in a .json of the same name."""
    told: Any = {}
    if path.is_dir():
        if (path / "state.pt").is_file():
            told = _opened(path / "state.pt")
            told = told.get("config") if isinstance(told, dict) else told
    elif path.suffix == ".safetensors" and path.with_suffix(".json").is_file():
        beside = path.with_suffix(".json")
        try:
            told = json.loads(beside.read_text("utf-8")) if beside.stat().st_size <= MAX_CONFIG else {}
        except (ValueError, OSError) as error:
            raise UsageError(f"{beside} cannot be read as JSON ({error})") from error
    return told if isinstance(told, dict) else {}


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """Return tensors, configuration and digest of one network, in either form.

    Raises:
        UsageError: it is no checkpoint of tinyworlds.
    """
    file = path
    if path.is_dir():
        file = next(path / name for name in INSIDE if (path / name).is_file())
    told = _opened(file)
    config: Any = _config(path)
    if isinstance(told, dict) and isinstance(told.get("model"), dict):
        config = told.get("config") or config
        told = told["model"]
    if not isinstance(told, dict) or not told or not all(isinstance(v, Tensor) for v in told.values()):
        raise UsageError(f"{file} holds no mapping of names to tensors; expected a checkpoint of tinyworlds")
    tensors = {}
    for name, value in told.items():
        for prefix in PREFIXES:
            name = name.removeprefix(prefix)
        tensors[name] = value.float() if value.is_floating_point() else value
    if any(".router." in name or ".experts." in name for name in tensors):
        raise UsageError(
            f"{file} is a mixture of experts (use_moe), which is not read; expected use_moe: false"
        )
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return tensors, config if isinstance(config, dict) else {}, digest


def layout_of(tensors: Tensors, transformer: str, config: Mapping[str, Any], patch: int) -> Layout:
    """Return the sizes of a transformer: shapes tell most, the configuration the rest.

    Raises:
        KeyError: a tensor or an entry is missing. ValueError: they do not fit together.
    """
    first = f"{transformer}.blocks.0."
    blocks = 0
    while f"{transformer}.blocks.{blocks}.spatial_attn.q_proj.weight" in tensors:
        blocks += 1
    hidden, width = tensors[first + "ffn.w_v.weight"].shape
    layout = Layout(
        int(config["frame_size"]), patch, int(width), int(config["num_heads"]), int(hidden), blocks
    )  # fmt: skip
    if not 0 < layout.frame <= 1024 or layout.frame % patch or layout.heads < 1 or width % layout.heads:
        raise ValueError(
            f"frames of {layout.frame} px, patches of {patch} px, {layout.heads} heads of {width}"
        )
    return layout


def _patch(tensors: Tensors, name: str) -> int:
    pixels = int(tensors[name].shape[1])
    side: int = round((pixels / 3) ** 0.5)
    if pixels != 3 * side**2:
        raise ValueError(f"a patch of {pixels} numbers")
    return side


def _sizes(basis: Tensor, otherwise: Any) -> tuple[int, int]:
    """Return how many numbers a code has, and how many values each may take."""
    return len(basis), int(basis[1]) if len(basis) > 1 else int(otherwise)


def load(folder: Path, given: Mapping[str, int]) -> Published:
    """Return the networks of a folder; `given` (frame_size, num_heads) comes before their configurations.

    Raises:
        EnvironmentFault, UsageError: see `parts_of` and `read`; and where tensors do not fit.
    """
    paths = parts_of(folder)
    tensors, configs, digests = {}, {}, hashlib.sha256()
    for part, path in paths.items():
        tensors[part], config, digest = read(path)
        configs[part] = {**config, **given}
        digests.update(digest.encode())
    try:
        seen = tensors["video_tokenizer"]
        size, bins = _sizes(seen["quantizer.basis"], configs["video_tokenizer"].get("num_bins", 4))
        patch = _patch(seen, "encoder.patch_embed.proj.weight")
        layout = layout_of(seen, "encoder.transformer", configs["video_tokenizer"], patch)
        tokenizer = VideoTokenizer(layout, size, bins)
        acted = tensors["latent_actions"]
        steered = len(acted["quantizer.basis"])
        actions = LatentActions(
            layout_of(
                acted, "encoder.transformer", configs["latent_actions"],
                _patch(acted, "encoder.patch_embed.proj.weight"),
            ), steered,
        )  # fmt: skip
        dynamics = Dynamics(
            layout_of(tensors["dynamics"], "transformer", configs["dynamics"], patch), size, bins, steered
        )
        clip = int(configs["dynamics"].get("context_length", CLIP))
    except KeyError as error:
        mend = "; name them with --set heads=8 --set frame=64" if error.args[0] in OF_CONFIG else ""
        raise UsageError(f"{folder} has not the layout of tinyworlds: {error} is missing{mend}") from error
    except (ValueError, IndexError, TypeError, RuntimeError) as error:
        raise UsageError(f"{folder} has not the layout of tinyworlds: {error}") from error
    frames = {m.layout.frame for m in (tokenizer, actions, dynamics)}
    if len(frames) > 1 or not 2 <= clip <= 64:
        raise UsageError(
            f"{folder}: networks for frames of {sorted(frames)} px and clips of {clip} frames; expected one "
            "size, and clips of 2 to 64 frames"
        )
    for part, model in zip(PARTS, (tokenizer, actions, dynamics), strict=True):
        fill(model, tensors[part], paths[part])
        model.eval().requires_grad_(False)
    return Published(tokenizer, actions, dynamics, clip, digests.hexdigest()[:12])


OF_CONFIG = ("frame_size", "num_heads")
