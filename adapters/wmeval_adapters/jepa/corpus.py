"""What training keeps beside the clips: what the eye saw of them, what stands still in them, their latents.

Each is made once, in blocks that outlive a kill, and mapped from disk afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wmeval_adapters.genie.background import running
from wmeval_adapters.jepa.eye import MIRROR, PLACE, THERE, pictures, sight
from wmeval_adapters.jepa.net import Jepa
from wmeval_adapters.learn.clips import MIRRORED, Clips, channels

BLOCK = 64  # clips
EVERY = 4  # frames between two backgrounds that are kept


@dataclass(frozen=True)
class Sights:
    """All that the eye saw of n clips."""

    places: NDArray[np.float32]  # (n, T, 6, 13)
    glimpses: NDArray[np.uint8]  # (k, 3, 16, 16), in the order of clips, frames, slots
    row: NDArray[np.int64]  # (n, T, 6): which glimpse, -1 where the hue is not in view


@dataclass(frozen=True)
class Corpus:
    """What the predictor learns from; index 1 of the first axis holds mirrored copies."""

    latents: NDArray[np.float16]  # (2, n, T, 6, D)
    behind: NDArray[np.uint8]  # (n, ceil(T / 4), H, W) grey, at frames 0, 4, 8 ...
    actions: NDArray[np.float32]  # (n, T - 1, 12)

    def window(
        self, clips: NDArray[np.int64], start: NDArray[np.int64], length: int, seen_at: NDArray[np.int64],
        mirrored: NDArray[np.int64],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]]:  # fmt: skip
        """Return latents (B, length, 6, D), actions (B, length - 1, 12), backgrounds (B, 1, H, W).

        `seen_at` (B,) are frames of the clips; backgrounds are the last ones kept up to then.
        """
        time = start[:, None] + np.arange(length)
        latents = self.latents[mirrored[:, None], clips[:, None], time].astype(np.float32)
        actions = np.array(self.actions[clips[:, None], time[:, :-1]])
        behind = np.array(self.behind[clips, seen_at // EVERY])
        flip = mirrored == 1
        actions[flip] *= MIRRORED
        behind[flip] = behind[flip, :, ::-1]
        return latents, actions, behind[:, None]


def write_sights(clips: Clips, out: Path) -> Sights:
    """Return what the eye saw of all clips, made where it is not kept yet."""

    def make(rows: slice) -> dict[str, NDArray[Any]]:
        seen = [sight(np.asarray(c)) for c in clips.frames[rows]]
        return {
            "places": np.stack([s.places for s in seen]),
            "glimpses": np.concatenate([s.glimpses for s in seen]),
        }

    places, glimpses = _blocks(out / "sights", len(clips.frames), ("places", "glimpses"), make)
    there = places[..., THERE] > 0.5
    row = np.where(there, np.cumsum(there).reshape(there.shape) - 1, -1)
    return Sights(places, glimpses, row)


def write_backgrounds(clips: Clips, out: Path) -> NDArray[np.uint8]:
    """Return the grey backgrounds (n, ceil(T / 4), H, W) of all clips, made where they are not kept yet."""

    def make(rows: slice) -> dict[str, NDArray[Any]]:
        own = running(channels(clips.frames[rows]))[:, ::EVERY]
        return {"behind": grey(own.numpy())}

    return _blocks(out / "behind", len(clips.frames), ("behind",), make)[0]


def grey(behind: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the grey (..., H, W) of frames (..., 3, H, W)."""
    told: NDArray[np.uint8] = np.rint(behind.mean(axis=-3)).astype(np.uint8)
    return told


@torch.no_grad()
def write_latents(seen: Sights, model: Jepa, out: Path) -> NDArray[np.float16]:
    """Return the latents (2, n, T, 6, D) of clips and of their mirror images."""
    model.eval()
    path = out / "latents.npy"
    if not path.is_file():
        both = np.zeros((2, *seen.places.shape[:3], model.config.width), np.float16)
        for first in range(0, len(seen.places), BLOCK):
            rows = slice(first, first + BLOCK)
            index = seen.row[rows][seen.row[rows] >= 0]
            glimpses = seen.glimpses[index[0] : index[-1] + 1] if len(index) else seen.glimpses[:0]
            for mirrored in (0, 1):
                places = seen.places[rows] * (MIRROR if mirrored else 1)
                shown = pictures(glimpses[..., ::-1] if mirrored else glimpses)
                told = model.encode(torch.from_numpy(places.astype(np.float32)), shown)
                both[mirrored, rows] = told.numpy()
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.save(file, both)
        part.replace(path)
    kept: NDArray[np.float16] = np.load(path, allow_pickle=False)
    return kept


def _blocks(
    folder: Path, count: int, names: tuple[str, ...], make: Callable[[slice], dict[str, NDArray[Any]]]
) -> list[NDArray[Any]]:
    """Return arrays over all clips, joined from files of blocks; those that are missing are made."""
    folder.mkdir(parents=True, exist_ok=True)
    made: list[list[NDArray[Any]]] = [[] for _ in names]
    for first in range(0, count, BLOCK):
        path = folder / f"{first}.npz"
        if not path.is_file():
            block = make(slice(first, min(first + BLOCK, count)))
            part = path.with_suffix(".part")
            with part.open("wb") as file:
                np.savez(file, **block)  # type: ignore[arg-type]
            part.replace(path)
        with np.load(path, allow_pickle=False) as kept:
            for into, name in zip(made, names, strict=True):
                into.append(kept[name])
    return [np.concatenate(each) for each in made]


__all__ = ["PLACE", "Corpus", "Sights", "grey", "write_backgrounds", "write_latents", "write_sights"]
