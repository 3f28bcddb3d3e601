"""What lies beside shipped weights: a card as JSON, and the digest that the file must have."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wmeval.errors import EnvironmentFault, UsageError


def card_beside(weights: Path) -> dict[str, Any]:
    """Return what is written in card.json beside shipped weights; {} where there are none yet."""
    path = weights.with_name("card.json")
    made: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return made


def put(source: Path, weights: Path, card: Mapping[str, Any]) -> dict[str, Any]:
    """Copy trained weights into the package, write their card beside them, and return it.

    The card begins with what the file tells of itself: its digest and its size.
    """
    told = {"sha256": digest(source), "bytes": source.stat().st_size, **card}
    weights.parent.mkdir(exist_ok=True)
    shutil.copyfile(source, weights)
    weights.with_name("card.json").write_text(json.dumps(told, indent=1) + "\n")
    return told


def file_of(weights: Path | None) -> Path | None:
    """Return the file of weights that is meant: a folder such as RUN/stages/1000 means the one it holds.

    Raises: UsageError where a folder holds no safetensors file, or several.
    """
    if weights is None or not weights.is_dir():
        return weights
    files = sorted(weights.glob("*.safetensors"))
    if len(files) != 1:
        raise UsageError(
            f"the folder {weights} holds {len(files)} safetensors files; expected one, as in RUN/stages/STEP "
            "of `wmeval train --keep-stages`, or the path of a file as --weights"
        )
    return files[0]


def digest(path: Path) -> str:
    """Return the SHA-256 (hex) of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def verified(path: Path, sha256: str | None) -> None:
    """Raise EnvironmentFault unless a file has the digest that was written down for it."""
    if sha256 is not None and path.is_file() and digest(path) != sha256:
        raise EnvironmentFault(
            f"{path} is not the file that was shipped (SHA-256 {digest(path)[:12]}, expected {sha256[:12]}); "
            "install the package again, or name your own with --weights"
        )
