"""How the denoiser learns: which frames, how much noise, what counts, and its own predictions too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wmeval_adapters.diamond.corpus import Batch, Corpus, batch_of, odds
from wmeval_adapters.diamond.sight import drawn, masks
from wmeval_adapters.diamond.small import Expected, Given, SmallDenoiser
from wmeval_adapters.learn.clips import draws

LOW, MIDDLE, HIGH = 0.02, 2.0, 5.0  # noise levels: half of the draws between the last two
SPOILT = 0.04  # largest standard deviation of the noise on past frames, pixels in [0, 1]
JITTER_PX = 0.1
OWN_FROM = 0.5  # share of the steps after which it goes on from its own predictions
OWN = (0, 0, 1, 2, 4)  # how many of them
INNER = 0.9  # cover from which a pixel is no edge, so that its hue can be trusted
NEAR = 8.0  # what a pixel of a body counts beyond any other
PLACES = 0.1  # weight of a pixel of distance of a body from its place
HIDDEN = 0.3  # weight of telling what hides bodies
ASTRAY_PX = 1.5  # a body drawn so far off teaches little of how frames look
ASTRAY = 0.1  # what the pixels of such a clip count
LOST_PX = 12.0  # a body predicted so far off teaches nothing of how bodies move


def levels(count: int, generator: torch.Generator) -> Tensor:
    """Return noise levels (count,)."""
    draw, high = (torch.rand(count, generator=generator) for _ in range(2))
    low = torch.exp(np.log(LOW) + draw * (np.log(MIDDLE) - np.log(LOW)))
    return torch.where(high < 0.5, torch.exp(np.log(MIDDLE) + draw * (np.log(HIGH / MIDDLE))), low)


def losses(
    told: Expected, denoised: Tensor, batch: Batch, sigma: Tensor, body: float
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss of what is expected and of frames denoised from sigma (B,), and numbers to log."""
    near = F.max_pool2d(batch.bodies, 5, 1, 2)
    painted = F.max_pool2d(
        (told.mean - (2 * batch.given.behind - 1)).detach().abs().amax(1, keepdim=True), 3, 1, 1
    )
    weight = 1 + NEAR * torch.maximum(near, (painted > 0.1).float())
    weight = weight / weight.mean()
    level = sigma[:, None, None, None]
    clean = (denoised - batch.target).square() * ((level**2 + body**2) / level**2).clamp(max=20)
    mean = (told.mean - batch.target).square()
    asked = batch.certain.float()
    # How a body moves is asked from wherever it is believed to be: where it has drifted to, nothing shows.
    acted, aim = batch.given.acted, batch.given.memory.points[..., 0, :] + batch.moves
    off = F.smooth_l1_loss(told.turned, aim, reduction="none").sum(-1) * (batch.turns | acted)
    unsure = F.binary_cross_entropy_with_logits(told.turns, batch.turns.float(), reduction="none") * ~acted
    places = ((off + unsure) * asked).sum() / asked.sum().clamp(min=1)
    away = (told.points - batch.points).detach().norm(dim=-1) > ASTRAY_PX
    astray = (away & batch.certain & (batch.given.memory.age == 0)).any(-1)
    fair = torch.where(astray, ASTRAY, 1.0)[:, None, None, None]
    truly, cover = uncovered(batch)
    hides = F.binary_cross_entropy_with_logits(told.front, truly, reduction="none") * cover * fair
    hidden = hides.sum() / cover.sum().clamp(min=1)
    value = (weight * fair * (clean + mean)).mean() + PLACES * places + HIDDEN * hidden
    high = (level > MIDDLE).float()
    within = (
        (denoised - batch.target).detach().square().mean(1, keepdim=True) / 4 * batch.bodies * high
    ).sum()
    psnr = -10 * torch.log10(within / (batch.bodies * high).sum().clamp(min=1) + 1e-9)
    return value, {
        "loss": float(value.detach()), "places": float(places.detach()), "body psnr": float(psnr),
        "mean": float((weight * mean).mean().detach()),
        "clean": float((weight * clean).mean().detach()), "hidden": float(hidden.detach()),
    }  # fmt: skip


@torch.no_grad()
def uncovered(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return which pixels of bodies the target shows, and how many bodies are there: both (B, 1, H, W).

    A body is laid where it truly is; what shows of it is what has its hue in the target.
    """
    clip, hue = batch.given.who.unbind(1)
    size = (batch.target.shape[-2], batch.target.shape[-1])
    _, cover = drawn(batch.given.looks, batch.points[clip, hue], size)
    whole = (cover > INNER) * batch.certain[clip, hue].float()[:, None, None, None]
    hues = masks(((batch.target + 1) * 127.5).round().to(torch.uint8))
    both = torch.cat([whole, whole * hues[clip, hue][:, None]], 1)
    total = both.new_zeros(len(batch.target), 2, *size).index_add(0, clip, both)
    return total[:, 1:] / total[:, :1].clamp(min=1), total[:, :1].clamp(max=1)


def onward(given: Given, told: Expected, action: Tensor) -> Given:
    """Return what the frame after a predicted one is told from."""
    frame = ((told.mean.clamp(-1, 1) + 1) * 127.5).round() / 255
    size = (frame.shape[-2], frame.shape[-1])
    memory = given.memory.then(told.points, told.shown > 0.5, size)
    return replace(
        given, past=torch.cat([given.past[:, 1:], frame[:, None]], 1), memory=memory, action=action
    )


def spoilt(given: Given, generator: torch.Generator) -> Given:
    """Return what is given with some noise on past frames and places, as predicted ones have."""
    strength = torch.rand(len(given.past), 1, 1, 1, 1, generator=generator) * SPOILT
    noise = torch.randn(given.past.shape, generator=generator) * strength
    memory = given.memory
    # all places of a body alike: a place is a little off, a speed is not
    shift = torch.randn(*memory.span.shape, 1, 2, generator=generator) * JITTER_PX
    shift = shift * (torch.rand(len(shift), 1, 1, 1, generator=generator) < 0.5)
    return replace(given, past=given.past + noise, memory=replace(memory, points=memory.points + shift))


def denoising_loss(
    corpus: Corpus, model: SmallDenoiser, seed: int, steps: int, *, batch: int = 16
) -> Callable[[int], tuple[Tensor, dict[str, float]]]:  # fmt: skip
    """Return the loss of a training step."""
    clips = corpus.clips
    chance = odds(corpus, clips.trained)
    length = clips.frames.shape[1]
    total = np.cumsum(chance.ravel())

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = draws(seed, "denoiser", step)
        generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
        ahead = int(rng.choice(OWN)) if step >= OWN_FROM * steps else 0
        which = np.searchsorted(total, rng.random(batch) * total[-1])
        rows, times = np.divmod(which, length - 1)
        times = np.maximum(np.minimum(times, length - 2) - ahead, 0)
        mirrored = bool(rng.random() < 0.5)
        given = batch_of(corpus, rows, times, mirrored=mirrored, past=model.config.past, ahead=ahead)
        now = spoilt(given.given, generator)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with torch.no_grad():
                for k in range(ahead):
                    now = onward(now, model.expected(now), given.actions[:, k + 1])
            sigma = levels(batch, generator)
            noise = torch.randn(given.target.shape, generator=generator)
            x = given.target + noise * sigma[:, None, None, None]
            told = model.expected(now)
            denoised = model(told, x, sigma)
        # What was forgotten or lost on the way is not asked.
        near = (now.memory.inertia - given.points).norm(dim=-1) < LOST_PX
        asked = replace(given, given=now, certain=given.certain & now.memory.known & near)
        return losses(told, denoised, asked, sigma, model.config.body)

    return loss
