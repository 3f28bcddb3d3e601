"""Following a video in latents, going on without it, and how far each frame is from what was foreseen."""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor

from wmeval_adapters.jepa.eye import THERE
from wmeval_adapters.jepa.net import AHEAD, Jepa
from wmeval_adapters.jepa.predictor import Slots, Told, density


def begin(model: Jepa, latents: Tensor) -> Slots:
    """Return the state after the first latents (B, 6, D)."""
    state = model.predictor.begin(*latents.shape[:2])
    return model.predictor.correct(state, model.predictor.nothing(latents), latents)


def watch(model: Jepa, latents: Tensor, actions: Tensor, scenes: Tensor) -> Slots:
    """Return the state after latents (B, T, 6, D) under actions (B, T - 1, 12) or more.

    `scenes` (B, T, C, h, w): entry t is the map of what had been seen to stand still up to frame t.
    """
    state = begin(model, latents[:, 0])
    for t in range(1, latents.shape[1]):
        state, told = model.predictor(state, scenes[:, t - 1], actions[:, t - 1])
        state = model.predictor.correct(state, told, latents[:, t])
    return state


def taken(state: Slots, which: Tensor) -> Slots:
    """Return the states at `which` (N,) of a batch."""
    return Slots(*(getattr(state, f.name)[which] for f in fields(state)))


def imagine(model: Jepa, state: Slots, actions: Tensor, scene: Tensor) -> Tensor:
    """Return the latents (B, n, 6, D) that follow a state under actions (B, n, 12)."""
    out = []
    for t in range(actions.shape[1]):
        state, told = model.predictor(state, scene, actions[:, t])
        state, latent = model.predictor.imagined(state, told)
        out.append(latent)
    return torch.stack(out, 1)


def foreseen(model: Jepa, latents: Tensor, actions: Tensor, scenes: Tensor) -> list[list[Told | None]]:
    """Return for each of AHEAD what was foreseen of each frame from that many frames before it."""
    frames = latents.shape[1]
    out: list[list[Told | None]] = [[None] * frames for _ in AHEAD]
    state = begin(model, latents[:, 0])
    for t in range(1, frames):
        ahead, scene = state, scenes[:, t - 1]
        after, told = model.predictor(state, scene, actions[:, t - 1])
        for k, far in enumerate(AHEAD):
            if t - 1 + far >= frames:
                continue
            ahead, shown = after, told
            for more in range(1, far):
                ahead, _ = model.predictor.imagined(ahead, shown)
                ahead, shown = model.predictor(ahead, scene, actions[:, t - 1 + more])
            out[k][t - 1 + far] = shown
        state = model.predictor.correct(after, told, latents[:, t])
    return out


def surprises(model: Jepa, latents: Tensor, actions: Tensor, scenes: Tensor) -> Tensor:
    """Return the surprise [nats] (B, T) of each frame given those before it; NaN for the first.

    For each slot the negative logarithm of a likelihood: that it is in view or not, and where it is, the
    density [1 / px^2] of its place under a distribution with heavy tails (so that one wild number does not
    outweigh everything) and of the doubt that was foreseen, and how far the rest of its latent is from what
    was foreseen, in units of what held-out clips are off by. A mean over the horizons that reach back far
    enough.
    """
    told = foreseen(model, latents, actions, scenes)
    frames = latents.shape[1]
    out = torch.full(latents.shape[:2], torch.nan)
    for t in range(1, frames):
        terms = [
            _surprise(model, each[t], latents[:, t], noise)
            for each, noise in zip(told, model.noise, strict=True)
            if each[t] is not None
        ]
        out[:, t] = torch.stack(terms).mean(0)
    return out


def _surprise(model: Jepa, told: Told | None, latent: Tensor, noise: Tensor) -> Tensor:
    """Return the surprise (B,) of latents (B, 6, D)."""
    assert told is not None
    there = latent[..., THERE] > 0.5
    view = torch.nn.functional.binary_cross_entropy_with_logits(
        told.logit, there.to(latent), reduction="none"
    )
    where = density(((told.latent - latent)[..., :2] * model.config.size / 2).norm(dim=-1), told.doubt)
    off = torch.log1p(((told.latent - latent) / noise) ** 2)
    known = there & (told.logit > 0)  # of a slot that was not foreseen in view nothing else was foreseen
    what = torch.cat([off[..., 2:THERE], off[..., THERE + 1 :]], -1).mean(-1)
    return (view + torch.where(known, where + what, torch.zeros_like(view))).sum(-1)
