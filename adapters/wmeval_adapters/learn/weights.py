"""Weights on disk: one safetensors file in fp16 whose header says what it is and how it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wmeval.errors import EnvironmentFault, UsageError

MAX_BYTES = 64 * 2**20


def save(path: Path, family: str, tensors: Mapping[str, Tensor], made: Mapping[str, Any]) -> None:
    """Write tensors of a family in fp16, whole or not at all, and `made` as JSON into the header."""
    from safetensors.torch import save_file

    halves = {k: v.detach().to(torch.float16).contiguous() for k, v in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    # One entry: safetensors writes several in an order that changes from process to process.
    header = json.dumps({"format": f"wmeval-{family}-1", "made": made}, sort_keys=True)
    save_file(halves, str(part), metadata={family: header})
    part.replace(path)


def read(path: Path, family: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors (float32) of a family's file and what its header says of how it was made.

    Raises: EnvironmentFault when the file is missing, UsageError when it is no such file.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise EnvironmentFault(
            f"no weights at {path}; expected a {family} safetensors file "
            f"(`wmeval train --model {family} --set data=FOLDER` makes one)"
        )
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(f"{path} is {path.stat().st_size >> 20} MiB; {family} weights are at most 64 MiB")
    try:
        with safe_open(str(path), framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(family, "{}"))
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be read as safetensors ({error}); it may be cut off: copy or train it again"
        ) from error
    if header.get("format") != f"wmeval-{family}-1":
        raise UsageError(
            f"{path} holds format {header.get('format')!r}; {family} expects 'wmeval-{family}-1'"
        )
    made: dict[str, Any] = header["made"]
    return tensors, made


def fill(model: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Put tensors into a model.

    Raises: UsageError naming the first tensor that is missing, left over, of another shape or not finite.
    """
    own = model.state_dict()
    for name in sorted(own.keys() | tensors.keys()):
        if name not in tensors or name not in own:
            raise UsageError(
                f"{path}: tensor {name!r} is {'missing' if name in own else 'not of this model'}; "
                "the file was made for another configuration"
            )
        if own[name].shape != tensors[name].shape:
            raise UsageError(
                f"{path}: tensor {name!r} has shape {tuple(tensors[name].shape)}; "
                f"expected {tuple(own[name].shape)}"
            )
        if not bool(torch.isfinite(tensors[name]).all()):
            raise UsageError(f"{path}: tensor {name!r} holds values that are not finite")
    model.load_state_dict(dict(tensors))
