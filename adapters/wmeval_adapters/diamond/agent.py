"""A published DIAMOND behind the boundary: an Atari agent's world model, or CSGO with its upsampler.

It acts in its own space (`native` actions). Nothing faithful leads from scene actions there: under them it is
told action 0, or no key at all, and the card says `fidelity: none`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wmeval.errors import UsageError
from wmeval.model import Card, Clip, Floats, Frames, Observation, Prediction
from wmeval_adapters.batch import stacked
from wmeval_adapters.diamond.edm import Churn, precondition, sample, schedule
from wmeval_adapters.diamond.inner import SIGMA_DATA, Denoiser
from wmeval_adapters.diamond.published import Published
from wmeval_adapters.diamond.reward_end import expected

BANK = (0.1, 0.3, 1.0, 3.0)  # noise levels at which surprise is measured
BANK_SEED = 0
LARGER = 5  # times that the upsampler makes a side
NOISE_ON_PAST = 0.005  # of models that are told how noisy past frames are
FOLD = 32  # frames in one call when scoring


@dataclass(frozen=True)
class Walk:
    """How frames are sampled."""

    steps: int = 3
    low: float = 2e-3
    high: float = 5.0
    order: int = 1
    churn: Churn | None = None

    @property
    def sigmas(self) -> tuple[float, ...]:
        """The noise levels of the walk."""
        return schedule(self.steps, self.low, self.high)


UPSAMPLING = Walk(10, 1.0, 5.0, 1, Churn(10.0, 1.0, 5.0, 0.9))


@dataclass(frozen=True)
class Playing:
    """A batch of videos being continued; only handed back."""

    past: Tensor  # (B, past, 3, h, w) in [-1, 1], what the denoiser sees
    actions: Tensor  # (B, past - 1, ...) taken at all of these but the newest
    large: Tensor | None  # (B, 3, H, W) the newest frame in full size, where there is an upsampler
    generators: tuple[torch.Generator, ...]


class PublishedModel:
    """Generates, Steps, Scores, and PredictsReward where the checkpoint has a reward model."""

    def __init__(self, card: Card, parts: Published, walk: Walk | None = None) -> None:
        self._card, self.parts, self.walk = card, parts, walk or Walk()
        self.layout = parts.denoiser.layout

    @property
    def card(self) -> Card:
        """What it says of itself."""
        return self._card

    @torch.inference_mode()
    def generate(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return `horizon` frames (horizon, H, W, 3) per observation."""
        begun = time.perf_counter()
        state = self.reset(batch, seeds)
        shown = len(batch[0].frames)
        actions = self._actions([o.actions for o in batch], batch[0].native)
        told = []
        for t in range(batch[0].horizon):
            state, frames = self._next(state, actions[:, shown - 1 + t])
            told.append(frames)
        seconds = (time.perf_counter() - begun) / len(batch)
        video = np.stack(told, 1)
        return [Prediction(frames=f, seconds=seconds) for f in video]

    @torch.inference_mode()
    def reset(self, batch: list[Observation], seeds: list[int]) -> Playing:
        """Return the state after the contexts."""
        past = self.layout.past
        frames = self._frames([o.frames for o in batch])
        shown = frames.shape[1]
        if shown < past:
            raise UsageError(f"diamond was given {shown} frames; this checkpoint looks at {past}")
        actions = self._actions([o.actions for o in batch], batch[0].native)
        generators = tuple(torch.Generator().manual_seed(s % (1 << 63)) for s in seeds)
        large = frames[:, -1] if self.parts.upsampler is not None else None
        seen = self._seen(frames[:, -past:])
        return Playing(seen, actions[:, shown - past : shown - 1], large, generators)

    @torch.inference_mode()
    def step(self, state: Playing, actions: Floats) -> tuple[Playing, Frames]:
        """Return the next state and frames (B, H, W, 3) under actions (B, A), scene actions if A is 12.

        A model with 12 native numbers an action reads 12 numbers as its own.
        """
        native = actions.shape[1] == self._native_width
        told = self._actions([a[None] for a in actions], native)
        return self._next(state, told[:, 0])

    @torch.inference_mode()
    def score(self, batch: list[Clip]) -> list[Prediction]:
        """Return the denoising loss (T,) of each frame given the true ones before it.

        It is the mean over the noise levels of BANK of the loss that EDM trains on, under noise that is the
        same for every frame of every clip. Frames with fewer before them than the model looks at have NaN.
        """
        begun = time.perf_counter()
        past = self.layout.past
        frames = self._seen(self._frames([c.frames for c in batch]))
        actions = self._actions([c.actions for c in batch], batch[0].native)
        count, length = frames.shape[:2]
        out = np.full((count, length), np.nan)
        bank = _bank(tuple(frames.shape[2:]))
        asked = [(b, t) for b in range(count) for t in range(past, length)]
        for first in range(0, len(asked), FOLD):
            some = asked[first : first + FOLD]
            before = torch.stack([frames[b, t - past : t] for b, t in some])
            taken = torch.stack([actions[b, t - past : t] for b, t in some])
            target = torch.stack([frames[b, t] for b, t in some])
            loss = _loss(self.parts.denoiser, target, before, taken, bank)
            for (b, t), value in zip(some, loss.tolist(), strict=True):
                out[b, t] = value
        seconds = (time.perf_counter() - begun) / count
        return [Prediction(surprise=s, seconds=seconds) for s in out]

    @torch.inference_mode()
    def rewards(self, batch: list[Clip]) -> list[tuple[Floats, Floats]]:
        """Return expected signs of rewards (T - 1,) and probabilities of the end (T - 1,) per clip."""
        model = self.parts.reward_end
        if model is None:
            raise UsageError("this checkpoint of diamond has no reward model; only Atari agents have one")
        frames = self._frames([c.frames for c in batch])
        actions = self._actions([c.actions for c in batch], batch[0].native)
        signs, ends, _ = model(frames[:, :-1], actions, frames[:, 1:])
        told, over = expected(signs, ends)
        return list(zip(told.double().numpy(), over.double().numpy(), strict=True))

    def _next(self, state: Playing, action: Tensor) -> tuple[Playing, Frames]:
        actions = torch.cat([state.actions, action[:, None]], 1)
        low = self._sampled(self.parts.denoiser, self.walk, state, state.past, actions)
        past = torch.cat([state.past[:, 1:], low[:, None]], 1)
        large = None
        if self.parts.upsampler is not None:
            assert state.large is not None
            rough = F.interpolate(low, scale_factor=float(LARGER), mode="bicubic")
            given = torch.stack([state.large, rough], 1)
            large = self._sampled(self.parts.upsampler, UPSAMPLING, state, given, None)
        shown = low if large is None else large
        pictures = ((shown + 1) * 127.5).round().to(torch.uint8).movedim(1, -1).contiguous().numpy()
        return replace(state, past=past, actions=actions[:, 1:], large=large), pictures

    def _sampled(
        self, model: Denoiser, walk: Walk, state: Playing, past: Tensor, actions: Tensor | None
    ) -> Tensor:
        shape = (past.shape[0], 3, *past.shape[-2:])
        noisy = model.layout.noisy_past and not model.layout.upsampler

        def normal(like: tuple[int, ...]) -> Tensor:
            return torch.stack([torch.randn(like[1:], generator=g) for g in state.generators])

        def denoise(x: Tensor, sigma: float) -> Tensor:
            nonlocal past
            level = torch.full((len(x),), NOISE_ON_PAST) if noisy else None
            if noisy:
                # At every level anew and on top of the last: so it was trained to be sampled.
                past = past + NOISE_ON_PAST * normal(tuple(past.shape))
            return model.rounded(x, torch.full((len(x),), sigma), past, actions, level)

        return sample(
            denoise, normal(shape), walk.sigmas, order=walk.order, churn=walk.churn,
            noise=lambda: normal(shape),
        )  # fmt: skip

    def _seen(self, frames: Tensor) -> Tensor:
        """Return frames (B, T, 3, H, W) in the size that the denoiser sees."""
        if self.parts.upsampler is None:
            return frames
        flat = F.avg_pool2d(frames.flatten(0, 1), LARGER)
        return flat.view(*frames.shape[:2], *flat.shape[1:])

    def _frames(self, videos: Sequence[Frames]) -> Tensor:
        view = self._card.view
        whole = stacked("diamond", videos, view.height, view.width)
        return torch.from_numpy(whole).movedim(-1, 2).float().div(127.5).sub(1)

    @property
    def _native_width(self) -> int:
        assert self.layout.actions is not None
        return self.layout.actions if self.layout.multi_hot else 1

    def _actions(self, given: Sequence[Floats], native: bool) -> Tensor:
        """Return actions (B, L) as numbers, or (B, L, A) as weights."""
        told = np.stack(given)
        count, many = self._native_width, self.layout.actions or 0
        if not native:
            told = np.zeros((*told.shape[:2], count))
        if told.shape[-1] != count:
            raise UsageError(
                f"diamond was given native actions of {told.shape[-1]} numbers; this checkpoint takes {count}"
            )
        if self.layout.multi_hot:
            return torch.from_numpy(told).float()
        which = told[..., 0]
        if (which != np.rint(which)).any() or which.min(initial=0) < 0 or which.max(initial=0) >= many:
            raise UsageError(
                f"diamond was given native actions from {which.min():g} to {which.max():g}; this checkpoint "
                f"knows 0 to {many - 1}"
            )
        return torch.from_numpy(which.astype(np.int64))


def _bank(shape: tuple[int, ...]) -> list[tuple[float, Tensor]]:
    generator = torch.Generator().manual_seed(BANK_SEED)
    return [(sigma, torch.randn(shape, generator=generator)) for sigma in BANK]


def _loss(
    model: Denoiser, target: Tensor, past: Tensor, actions: Tensor, bank: list[tuple[float, Tensor]]
) -> Tensor:
    """Return the mean over the bank of EDM's loss, |D - y|^2 / c_out^2, (B,)."""
    level_past = torch.full((len(target),), NOISE_ON_PAST) if model.layout.noisy_past else None
    total = torch.zeros(len(target))
    for sigma, noise in bank:
        level = torch.full((len(target),), sigma)
        clean = model(target + sigma * noise, level, past, actions, level_past)
        edm = precondition(level, SIGMA_DATA, model.layout.offset)
        total += (clean - target).square().mean((1, 2, 3)) / edm.c_out**2
    return total / len(bank)


def card_of(card: Card, parts: Published, name: str) -> Card:
    """Return the card of a checkpoint in a file of that name."""
    from wmeval.camera import View
    from wmeval.model import ActionSpace

    layout = parts.denoiser.layout
    assert layout.actions is not None
    capabilities: set[Any] = {"generates", "steps", "scores"}
    if parts.reward_end is not None:
        capabilities.add("predicts-reward")
    kind: Any = "multi-binary" if layout.multi_hot else "discrete"
    side = parts.size or 64
    view = View(15.0, 150, 280) if parts.upsampler is not None else View(15.0, side, side)
    return replace(
        card, version=f"{name}-{parts.digest}", licence="MIT (code); see the hub for weights",
        source="eloialonso/diamond, loaded from a checkpoint in its published layout",
        capabilities=frozenset(capabilities), view=view, context=(layout.past, 64),
        actions=ActionSpace(kind, layout.actions, "none"), classes=("clip + actions", "never"),
        parameters=parts.parameters, max_batch=8,
        notes=(
            "scene actions do not reach it: it is told action 0; it acts under native actions",
            "context frames of CSGO are averaged to its low resolution" if parts.upsampler is not None
            else "reward is the expected sign of the game's reward",
        ),
    )  # fmt: skip
