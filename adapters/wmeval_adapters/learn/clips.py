"""The training split on disk: memory-mapped arrays, held-out clips at the end, mirrored copies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wmeval.errors import UsageError
from wmeval.model import ACTION_DIM

HUES = 6
MIRRORED = np.ones(ACTION_DIM, np.float32)
# A mirror turns x of vectors around, and of turning rates (pseudo-vectors) y and z.
MIRRORED[[0, 3, 6, 10, 11]] = -1


@dataclass(frozen=True)
class Clips:
    """Arrays over n clips of T frames; see `wmeval data make`."""

    frames: NDArray[np.uint8]  # (n, T, H, W, 3)
    bodies: NDArray[np.uint8]  # (n, T, H, W), 0 none, h + 1 = hue slot h
    actions: NDArray[np.float32]  # (n, T - 1, 12)
    state: NDArray[np.float32]  # (n, T, 6, 5): u, v, du, dv [px], visible share; NaN = hue absent

    @property
    def size(self) -> int:
        """Height of the frames [px]."""
        return int(self.frames.shape[2])

    @property
    def held_out(self) -> int:
        """How many clips at the end are never trained on."""
        return min(200, len(self.frames) // 10)

    @property
    def trained(self) -> int:
        """How many clips at the beginning are trained on."""
        return len(self.frames) - self.held_out

    def part(self, first: int, last: int) -> Clips:
        """Return the clips [first, last)."""
        return Clips(
            self.frames[first:last], self.bodies[first:last], self.actions[first:last],
            self.state[first:last],
        )  # fmt: skip


def open_clips(folder: Path) -> Clips:
    """Return the clips in a folder made by `wmeval data make`.

    Raises: UsageError when a file is missing or arrays do not fit together.
    """
    names = ("frames", "bodies", "actions", "state")
    for name in names:
        if not (folder / f"{name}.npy").is_file():
            raise UsageError(
                f"no {name}.npy in {folder}; expected a training folder "
                f"(`wmeval data make --out {folder}` makes one)"
            )
    arrays = [np.load(folder / f"{n}.npy", mmap_mode="r", allow_pickle=False) for n in names]
    n, t = arrays[0].shape[:2]
    expected = (
        (n, t, *arrays[0].shape[2:4], 3),
        arrays[0].shape[:4],
        (n, t - 1, ACTION_DIM),
        (n, t, HUES, 5),
    )
    for name, array, shape in zip(names, arrays, expected, strict=True):
        if array.shape != shape:
            raise UsageError(f"{folder / name}.npy has shape {array.shape}; expected {shape}")
    return Clips(*arrays)


def channels(frames: NDArray[np.uint8]) -> Tensor:
    """Return frames (..., H, W, 3) as a tensor (..., 3, H, W) uint8."""
    return torch.from_numpy(np.array(frames)).movedim(-1, -3).contiguous()


def unit(frames: Tensor) -> Tensor:
    """Return frames uint8 as float32 in [0, 1]."""
    return frames.float() / 255


def mirrored_state(state: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Return the state (..., 6, 5) of clips that are mirrored left to right."""
    out = np.array(state)
    out[..., 0] = width - out[..., 0]
    out[..., 2] = -out[..., 2]
    return out


def draws(seed: int, stage: str, step: int) -> np.random.Generator:
    """Return the generator of one training step: the same whether or not training was interrupted."""
    key = [seed, *stage.encode(), 1 << 20, step]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))
