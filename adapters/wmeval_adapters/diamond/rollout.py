"""Running the small denoiser: follow given frames, predict the next one, judge the next one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from wmeval_adapters.diamond.corpus import looks_of
from wmeval_adapters.diamond.edm import sample
from wmeval_adapters.diamond.memory import Memory, followed, nothing
from wmeval_adapters.diamond.sight import Sight, spotted
from wmeval_adapters.diamond.small import Given, SmallDenoiser
from wmeval_adapters.genie.background import running
from wmeval_adapters.learn.clips import unit


@dataclass(frozen=True)
class Followed:
    """Given frames, with what is known after each of them."""

    frames: Tensor  # (B, T, 3, H, W) uint8
    behind: Tensor  # (B, T, 3, H, W) uint8
    memories: tuple[Memory, ...]


def follow(frames: Tensor) -> Followed:
    """Return what is known after each of the given frames (B, T, 3, H, W) uint8, of it and those before."""
    size = (frames.shape[-2], frames.shape[-1])
    memory, memories = nothing(len(frames)), []
    sight = spotted(frames)
    for t in range(frames.shape[1]):
        memory = followed(memory, Sight(sight.points[:, t], sight.area[:, t], sight.edges[:, t]), t, size)
        memories.append(memory)
    return Followed(frames, running(frames), tuple(memories))


def given_after(seen: Followed, t: int, past: int, action: Tensor) -> Given:
    """Return what frame t + 1 is told from; `action` (B, 12) in units of its usual size."""
    memory = seen.memories[t]
    before = torch.arange(t + 1 - past, t + 1).clamp(min=0)
    each = torch.arange(len(seen.frames))[:, None]
    looks, who = looks_of(seen.frames[each, memory.looked], seen.behind[:, t], memory)
    return Given(unit(seen.frames[:, before]), unit(seen.behind[:, t]), memory, looks, who, action)


def predicted(
    model: SmallDenoiser, given: Given, noise: Tensor, sigmas: tuple[float, ...], keep: float
) -> tuple[Given, Tensor]:
    """Return what the frame after the next is told from (its action still to come), and the next, uint8.

    `noise` (B, 3, H, W) is standard normal. A pixel that differs from the last frame, or else from the
    background, by less than `keep` (of 1) stays as it is there: grain must not add up, and what rests rests.
    """
    told = model.expected(given)

    def denoise(x: Tensor, sigma: float) -> Tensor:
        clean: Tensor = model(told, x, torch.full((len(x),), sigma))
        return clean

    clean = sample(denoise, told.mean + noise * sigmas[0], sigmas)
    frame = ((clean.clamp(-1, 1) + 1) * 127.5).round() / 255
    for old in (given.behind, given.past[:, -1]):
        changed = (frame - old).abs().amax(1, keepdim=True) >= keep
        frame = torch.where(changed, frame, old)
    size = (frame.shape[-2], frame.shape[-1])
    memory = given.memory.then(told.points, told.shown > 0.5, size)
    after = replace(given, past=torch.cat([given.past[:, 1:], frame[:, None]], 1), memory=memory)
    return after, (frame * 255).round().to(torch.uint8)


def judged(
    model: SmallDenoiser, given: Given, frame: Tensor, bank: tuple[tuple[float, Tensor], ...]
) -> Tensor:
    """Return the denoising loss (B,) of the true next frame (B, 3, H, W) in [0, 1], given those before.

    `bank` holds levels and standard normal noise (3, H, W), the same for every clip and frame; the loss at a
    level is the squared error, pixels in [-1, 1], times (sigma^2 + s^2) / (sigma s)^2 of EDM.
    """
    told = model.expected(given)
    target = 2 * frame - 1
    total = torch.zeros(len(frame))
    for sigma, noise in bank:
        clean = model(told, target + sigma * noise, torch.full((len(frame),), sigma))
        body = model.config.body
        error = (clean - target).square().mean((1, 2, 3))
        total += error * (sigma**2 + body**2) / (sigma * body) ** 2
    return total / len(bank)
