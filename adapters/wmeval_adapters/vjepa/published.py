"""Opening published weights: devices, number formats, folders of transformers, dictionaries of tensors."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wmeval.errors import EnvironmentFault, UsageError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
PREFIXES = ("module.", "backbone.", "_orig_mod.")
MOST_BYTES = 40 << 30


def where(name: str, device: str) -> torch.device:
    """Return the device of that name, cuda first where it is auto.

    Raises: EnvironmentFault when this machine does not have it.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise EnvironmentFault(f"{name} was asked to run on {device!r}, but torch finds no GPU here")
    return torch.device(device)


def number_format(name: str, options: Mapping[str, str]) -> torch.dtype:
    """Return the dtype that options ask for, float32 where they do not."""
    given = options.get("dtype", "float32")
    if given not in DTYPES:
        raise UsageError(f"{name} was given dtype={given!r}; expected {', '.join(DTYPES)}")
    return DTYPES[given]


def whole(name: str, options: Mapping[str, str], option: str, otherwise: int, least: int = 1) -> int:
    """Return a whole number of the options.

    Raises: UsageError when it is none, or below `least`.
    """
    given = options.get(option, str(otherwise))
    if not given.isdigit() or int(given) < least:
        raise UsageError(f"{name} was given {option}={given!r}; expected a whole number from {least} on")
    return int(given)


def from_folder(name: str, kind: str, folder: Path) -> Any:
    """Return the transformers model of class `kind` in a folder, every tensor of it filled by the file.

    Raises: EnvironmentFault without transformers, UsageError when the folder holds something else.
    """
    try:
        import transformers
    except ImportError as fault:
        raise EnvironmentFault(f"{name} needs transformers: pip install 'wmeval[foundation]'") from fault
    for needed in ("config.json", "model.safetensors"):
        if not (folder / needed).is_file() and not (folder / f"{needed}.index.json").is_file():
            raise UsageError(
                f"no {needed} in {folder}; {name} expects a folder as `hf download` makes it, with "
                "weights in safetensors"
            )
    cls = getattr(transformers, kind)
    try:
        model, told = cls.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True,
            attn_implementation="eager",
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError, KeyError) as fault:
        raise UsageError(f"{folder} cannot be opened as {kind}: {fault}") from fault
    # What is in the file beside the model (a head of a classifier) does no harm; what lacks does.
    lacks = sorted(told["missing_keys"]) + sorted(str(k) for k in told["mismatched_keys"])
    if lacks:
        raise UsageError(f"{folder} lacks {len(lacks)} tensors of {kind}, such as {lacks[0]}")
    return model.eval()


def dictionary(path: Path) -> dict[str, Any]:
    """Return the dictionary in a .pt file, which may hold tensors and plain values and no code.

    Raises: UsageError when it is something else.
    """
    if path.is_dir() or path.stat().st_size > MOST_BYTES:
        raise UsageError(f"{path} is a folder or larger than 40 GiB; expected one .pt file")
    try:
        held = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as fault:  # torch.load raises whatever the bytes make it raise
        raise UsageError(
            f"{path} cannot be read as tensors alone ({str(fault).splitlines()[0][:200]}); "
            "files that hold code are refused"
        ) from fault
    if not isinstance(held, dict):
        raise UsageError(f"{path} holds a {type(held).__name__}; expected a dictionary")
    return held


def stripped(tensors: Any) -> dict[str, Tensor]:
    """Return tensors with the prefixes of wrappers taken off their names."""
    if not isinstance(tensors, Mapping):
        raise UsageError(f"expected a dictionary of tensors, got a {type(tensors).__name__}")
    out = {}
    for name, value in tensors.items():
        while (prefix := next((p for p in PREFIXES if name.startswith(p)), None)) is not None:
            name = name[len(prefix) :]
        if isinstance(value, Tensor):
            out[name] = value
    return out


def fill(model: nn.Module, tensors: Mapping[str, Tensor], path: Path, ignored: tuple[str, ...] = ()) -> None:
    """Put tensors into a model that may lie on the meta device.

    Raises: UsageError naming the first tensor that lacks, is left over or has another shape.
    """
    own = model.state_dict()
    given = {k: v for k, v in tensors.items() if k not in ignored}
    for name in sorted(own.keys() | given.keys()):
        if name not in given or name not in own:
            lacks = "lacks" if name in own else "holds, beside what is expected,"
            raise UsageError(f"{path} {lacks} tensor {name!r}")
        if own[name].shape != given[name].shape:
            raise UsageError(
                f"{path}: {name!r} is {tuple(given[name].shape)}; expected {tuple(own[name].shape)}"
            )
    model.load_state_dict(given, assign=True)
