"""The clips as the stages read them: sightings, greys of backgrounds, the simulator's positions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wmeval_adapters.dreamer.picture import Picture
from wmeval_adapters.dreamer.sight import LOOK, Sight, mirrored, spotted
from wmeval_adapters.genie.background import running
from wmeval_adapters.learn.clips import HUES, MIRRORED, Clips, channels, mirrored_state

AT_ONCE = 16  # clips
MARGIN_PX = 8.0  # beyond the border within which a body's position still counts


def _into(path: Path, shape: tuple[int, ...], kind: Any, fill: Callable[[slice], NDArray[Any]]) -> None:
    """Write an array of clips piece by piece; the file is there when all of it is."""
    if path.is_file():
        return
    part = path.with_suffix(".part")
    array = np.lib.format.open_memmap(part, mode="w+", dtype=kind, shape=shape)
    for first in range(0, shape[0], AT_ONCE):
        rows = slice(first, min(first + AT_ONCE, shape[0]))
        array[rows] = fill(rows)
    array.flush()
    part.replace(path)


def grey(frames: Tensor) -> Tensor:
    """Return the greys (..., H, W) uint8 of frames (..., 3, H, W) uint8."""
    return frames.float().mean(-3).round().to(torch.uint8)


def write_sights(clips: Clips, out: Path) -> None:
    """Write what every frame shows: greys of its background (n, T, H, W), and a row of 42 numbers a hue."""

    def greys(rows: slice) -> NDArray[Any]:
        told: NDArray[Any] = grey(running(channels(clips.frames[rows]))).numpy()
        return told

    def sights(rows: slice) -> NDArray[Any]:
        s = spotted(channels(clips.frames[rows]).flatten(0, 1))
        told = torch.cat([s.centre, s.look, s.colour, s.seen[..., None]], -1)
        rowed: NDArray[Any] = told.view(-1, clips.frames.shape[1], HUES, LOOK + 6).numpy()
        return rowed

    _into(out / "grey.npy", clips.frames.shape[:4], np.uint8, greys)
    _into(out / "sights.npy", (*clips.frames.shape[:2], HUES, LOOK + 6), np.float32, sights)


def sight_of(rows: NDArray[np.floating[Any]]) -> Sight:
    """Return the sight that rows (..., 43) of the file hold."""
    told = torch.from_numpy(np.array(rows, np.float32))
    return Sight(told[..., -1] > 0.5, told[..., :2], told[..., 2 : 2 + LOOK], told[..., 2 + LOOK : 5 + LOOK])


@torch.no_grad()
def write_screens(clips: Clips, model: Picture, out: Path) -> None:
    """Write the chance (n, T, H, W), of 255, that each pixel of a background is in front of bodies."""
    greys = np.load(out / "grey.npy", mmap_mode="r")
    model.eval()

    def fill(rows: slice) -> NDArray[Any]:
        some = torch.from_numpy(np.array(greys[rows])).flatten(0, 1)[:, None].float() / 255
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model.screens(some.contiguous(memory_format=torch.channels_last))
        told: NDArray[Any] = (torch.sigmoid(logits) * 255).round().to(torch.uint8).numpy()
        return told.reshape(-1, *greys.shape[1:])

    _into(out / "screens.npy", greys.shape, np.uint8, fill)


@dataclass(frozen=True)
class Corpus:
    """Arrays over n clips of T frames, plain or mirrored; files are of the clips as they are."""

    greys: NDArray[np.uint8]  # (n, T, H, W), memory-mapped
    screens: NDArray[np.uint8] | None  # (n, T, H, W) chance of 255 of being in front; None = not yet
    turned: bool
    seen: Tensor  # (n, T, 6) bool
    spot: Tensor  # (n, T, 6, 2) px, where the encoder takes bodies to be
    share: Tensor  # (n, T, 6) in [0, 1], how much of them it takes to be in view
    kind: Tensor  # (n, T, 6, 8)
    area: Tensor  # (n, T, 6) size of what is seen, sqrt(px) / 10
    points: Tensor  # (n, T, 6, 2) px, of the simulator
    shown: Tensor  # (n, T, 6) share in view, of the simulator
    known: Tensor  # (n, T, 6) bool: the simulator has the body, at most a little outside of the image
    actions: NDArray[np.float32]  # (n, T, 12): entry t led to frame t, the first is 0


@torch.no_grad()
def read(clips: Clips, model: Picture, out: Path, *, turned: bool) -> Corpus:
    """Return the corpus that the files in `out` and a trained encoder make."""
    model.eval()
    rows = np.load(out / "sights.npy", mmap_mode="r")
    told: list[tuple[Tensor, ...]] = []
    for first in range(0, len(rows), 64):
        sight = sight_of(rows[first : first + 64])
        sight = mirrored(sight, clips.size) if turned else sight
        offset, share, kind = model.encoder(sight.look)
        there = sight.seen[..., None].float()
        told.append((
            sight.seen, (sight.centre + offset) * there, torch.sigmoid(share) * sight.seen,
            kind * there, sight.look[..., -5],
        ))  # fmt: skip
    seen, spot, share, kind, area = (torch.cat(x) for x in zip(*told, strict=True))
    state = np.array(clips.state)
    actions = np.concatenate([np.zeros_like(clips.actions[:, :1]), clips.actions], 1)
    if turned:
        state, actions = mirrored_state(state, clips.size), actions * MIRRORED
    points = torch.from_numpy(state[..., :2])
    inside = ((points > -MARGIN_PX) & (points < clips.size + MARGIN_PX)).all(-1)
    screens = out / "screens.npy"
    return Corpus(
        np.load(out / "grey.npy", mmap_mode="r"),
        np.load(screens, mmap_mode="r") if screens.is_file() else None, turned,
        seen, spot, share, kind, area, points.nan_to_num(0.0),
        torch.from_numpy(state[..., 4]).nan_to_num(0.0), inside, actions,
    )  # fmt: skip


def spawning(corpus: Corpus, trained: int) -> float:
    """Return the log odds that a hue which was never seen is seen in the next frame."""
    never = ~corpus.seen[:trained].cummax(1).values[:, :-1]
    first = never & corpus.seen[:trained, 1:]
    share = (float(first.sum()) + 1) / (float(never.sum()) + 2)
    return float(np.log(share / (1 - share)))
