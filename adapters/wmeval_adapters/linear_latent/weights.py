"""The map on disk: one safetensors file whose header says how it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wmeval.errors import EnvironmentFault, UsageError
from wmeval_adapters.linear_latent.dynamics import INPUTS, Dynamics
from wmeval_adapters.linear_latent.eye import WIDTH

FORMAT = "wmeval-linear-latent-1"
MAX_BYTES = 1 << 20
SHAPES = {"step": (INPUTS, WIDTH), "noise": (WIDTH,)}


def save(path: Path, dynamics: Dynamics, made: Mapping[str, Any]) -> None:
    """Write a map in float32, whole or not at all, with `made` as JSON in the header."""
    from safetensors.numpy import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    header = json.dumps({"format": FORMAT, "made": made}, sort_keys=True)
    arrays = {name: np.ascontiguousarray(getattr(dynamics, name), np.float32) for name in SHAPES}
    save_file(arrays, str(part), metadata={"linear-latent": header})
    part.replace(path)


def read(path: Path) -> tuple[Dynamics, dict[str, Any]]:
    """Return the map of a file and what its header says of how it was made.

    Raises: EnvironmentFault when the file is missing, UsageError when it is no such file.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise EnvironmentFault(
            f"no weights at {path}; expected a linear-latent safetensors file "
            "(`wmeval train --model linear-latent --set data=FOLDER` makes one)"
        )
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(f"{path} is {path.stat().st_size >> 10} KiB; linear-latent weights are below 1 MiB")
    try:
        with safe_open(str(path), framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get("linear-latent", "{}"))
            arrays = {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be read as safetensors ({error}); it may be cut off: copy or train it again"
        ) from error
    if header.get("format") != FORMAT:
        raise UsageError(f"{path} holds format {header.get('format')!r}; linear-latent expects {FORMAT!r}")
    for name, shape in SHAPES.items():
        if name not in arrays or arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            got = arrays[name].shape if name in arrays else "nothing"
            raise UsageError(f"{path}: {name!r} is {got}; expected finite numbers {shape}")
    made: dict[str, Any] = header["made"]
    return Dynamics(arrays["step"], arrays["noise"]), made
