"""The clips as the denoiser learns from them: backgrounds, what is remembered, what to aim at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wmeval_adapters.diamond.memory import Memory, followed, nothing
from wmeval_adapters.diamond.sight import Sight, cut_out, spotted
from wmeval_adapters.diamond.small import Given
from wmeval_adapters.genie.background import running
from wmeval_adapters.learn.clips import MIRRORED, Clips, channels, mirrored_state, unit

LOST_PX = 12.0
TURNED_PX = 0.4  # from where inertia leads, beyond which a body did not go on as before


@dataclass(frozen=True)
class Corpus:
    """Clips with what is prepared of them; `memory` is after every frame, (n, T, 6, ...)."""

    clips: Clips
    behind: NDArray[np.uint8]  # (n, T, H, W, 3)
    memory: Memory
    scale: NDArray[np.float32]  # (12,) the usual size of actions


@dataclass(frozen=True)
class Batch:
    """B frames to predict, one after frame `t` of each clip."""

    given: Given
    actions: Tensor  # (B, ahead + 1, 12) in units of their usual size, the first is in `given`
    target: Tensor  # (B, 3, H, W) in [-1, 1], the frame `ahead` frames after the next one
    bodies: Tensor  # (B, 1, H, W) 1 where a body is in the target
    moves: Tensor  # (B, 6, 2) px that bodies move from the frame before the target to it
    turns: Tensor  # (B, 6) bool: in that step they truly leave the way of inertia
    points: Tensor  # (B, 6, 2) px where bodies are in the target
    certain: Tensor  # (B, 6) bool: whether that is asked


def prepare(clips: Clips, out: Path) -> Corpus:
    """Return the corpus of clips, keeping in `out` what takes long to make."""
    n, length, height, width = clips.bodies.shape

    def behind(rows: slice) -> NDArray[np.uint8]:
        return running(channels(clips.frames[rows])).movedim(2, -1).numpy()

    def seen(rows: slice) -> NDArray[np.float32]:
        told = spotted(channels(clips.frames[rows]))
        return torch.cat([told.points, told.area[..., None], told.edges.flatten(-2)], -1).numpy()

    _into(out / "behind.npy", (n, length, height, width, 3), np.uint8, behind)
    _into(out / "seen.npy", (n, length, 6, 7), np.float32, seen)
    kept = torch.from_numpy(np.load(out / "seen.npy"))
    memories = []
    memory = nothing(n)
    for t in range(length):
        memory = followed(memory, sight_at(kept, t), t, (height, width))
        memories.append(memory)
    given = np.abs(np.array(clips.actions[: clips.trained], np.float64)).reshape(-1, clips.actions.shape[-1])
    count = np.maximum((given > 0).sum(0), 1)
    scale = np.maximum(given.sum(0) / count, 1e-3).astype(np.float32)
    return Corpus(clips, np.load(out / "behind.npy", mmap_mode="r"), stacked(memories), scale)


def sight_at(kept: Tensor, t: int) -> Sight:
    """Return what is seen in frame t of what was kept of clips (n, T, 6, 7)."""
    now = kept[:, t]
    return Sight(now[..., :2], now[..., 2], now[..., 3:].reshape(*now.shape[:-1], 2, 2))


def odds(corpus: Corpus, trained: int) -> NDArray[np.float64]:
    """Return how often frame t + 1 of a clip is asked for, (trained, T - 1), sums to 1.

    More often where a body leaves the way of inertia, comes back into view or is acted on: that teaches most.
    """
    state = torch.from_numpy(np.array(corpus.clips.state[:trained]))
    places, share = state[..., :2], state[..., 4].nan_to_num()
    memory = corpus.memory
    guess = memory.inertia[:trained, :-1]
    moved = memory.points[:trained, :-1, :, 0] - places[:, :-1]
    off = (guess - moved - places[:, 1:]).norm(dim=-1).nan_to_num(0.0).clamp(max=1.5)
    off = off * (memory.known & (memory.age == 0))[:trained, :-1]
    back = ((memory.age[:trained, :-1] > 1) & (share[:, 1:] > 0.2)).float()
    acted = torch.from_numpy(np.any(corpus.clips.actions[:trained] != 0, -1)).float()
    told: NDArray[np.float64] = (0.5 + off.amax(-1) + back.amax(-1) + acted).double().numpy()
    told /= told.sum()
    return told


def stacked(memories: list[Memory]) -> Memory:
    """Return memories (n, 6, ...) of T frames as one of (n, T, 6, ...)."""
    names = ("points", "span", "age", "known", "area", "looked", "reach", "bend", "weighed", "calm")
    return Memory(*(torch.stack([getattr(m, name) for m in memories], 1) for name in names))


def _into(path: Path, shape: tuple[int, ...], kind: Any, fill: Callable[[slice], NDArray[Any]]) -> None:
    """Write an array of clips piece by piece; the file is there when all of it is."""
    if path.is_file():
        return
    part = path.with_suffix(".part")
    array = np.lib.format.open_memmap(part, mode="w+", dtype=kind, shape=shape)
    for first in range(0, shape[0], 16):
        rows = slice(first, min(first + 16, shape[0]))
        array[rows] = fill(rows)
    array.flush()
    part.replace(path)


def looks_of(frames: Tensor, behind: Tensor, memory: Memory) -> tuple[Any, Tensor]:
    """Return the looks of all bodies that are known, and (N, 2) whose they are.

    `frames` (B, 6, 3, H, W) uint8 is for each hue the frame that shows it whole; `behind` (B, 3, H, W) uint8.
    The centre is that of the hue in that frame.
    """
    who = memory.known.nonzero()
    clip, hue = who.unbind(1)
    chosen = frames[clip, hue]
    centre = spotted(chosen).points[torch.arange(len(hue)), hue]
    return cut_out(chosen, behind[clip], hue, centre), who


def batch_of(
    corpus: Corpus, rows: NDArray[np.int64], times: NDArray[np.int64], *, mirrored: bool, past: int,
    ahead: int = 0,
) -> Batch:  # fmt: skip
    """Return frames times + 1 + ahead of clips `rows` (B,), and what frames times + 1 are told from."""
    clips = corpus.clips
    before = np.maximum(times[:, None] + np.arange(1 - past, 1), 0)
    frames = channels(clips.frames[rows[:, None], before])
    target = channels(clips.frames[rows, times + 1 + ahead])
    bodies = torch.from_numpy(clips.bodies[rows, times + 1 + ahead] > 0)[:, None].float()
    behind = channels(corpus.behind[rows, times])
    r, t = torch.from_numpy(rows), torch.from_numpy(times)
    memory = corpus.memory.at(r, t)
    looked = channels(clips.frames[rows[:, None], memory.looked.numpy()])
    state = np.array(clips.state[rows[:, None], np.stack([times, times + ahead, times + 1 + ahead], 1)])
    action = clips.actions[rows[:, None], times[:, None] + np.arange(ahead + 1)] / corpus.scale
    looks, who = looks_of(looked, behind, memory)
    if mirrored:
        width = clips.frames.shape[3]
        frames, target, behind, bodies = (x.flip(-1) for x in (frames, target, behind, bodies))
        points = memory.points.clone()
        points[..., 0] = width - points[..., 0]
        memory = replace(memory, points=points, bend=memory.bend * torch.tensor([-1.0, 1.0]))
        looks = type(looks)(
            looks.light.flip(-1), looks.cover.flip(-1),
            torch.stack([looks.light.shape[-1] - looks.anchor[:, 0], looks.anchor[:, 1]], 1),
        )  # fmt: skip
        state, action = mirrored_state(state, width), action * MIRRORED
    places = torch.from_numpy(state[..., :2])
    aim, moves = places[:, 2].clone(), places[:, 2] - places[:, 1]
    # What is seen of a body is not quite where its projected centre is; its motion is the same.
    seen = (memory.age == 0)[..., None]
    aim = torch.where(seen, memory.points[..., 0, :] + places[:, 2] - places[:, 0], aim)
    edge = torch.tensor([clips.frames.shape[3], clips.frames.shape[2]]) + 2
    # A body that was lost track of teaches nothing of how bodies move.
    at_hand = (memory.inertia - aim).norm(dim=-1) < LOST_PX * (1 + ahead)
    certain = memory.known & ((aim > -2) & (aim < edge)).all(-1) & torch.isfinite(aim).all(-1) & at_hand
    before_it = corpus.memory.at(r, t + ahead)  # what there is to know of the true step, mirrored or not
    way = before_it.inertia - before_it.points[..., 0, :]
    if mirrored:
        way = way * torch.tensor([-1.0, 1.0])
    turns = (way - moves).norm(dim=-1) > TURNED_PX
    actions = torch.from_numpy(np.array(action)).float()
    given = Given(unit(frames), unit(behind), memory, looks, who, actions[:, 0])
    return Batch(
        given, actions, 2 * unit(target) - 1, bodies, moves.nan_to_num(), turns, aim.nan_to_num(), certain
    )
