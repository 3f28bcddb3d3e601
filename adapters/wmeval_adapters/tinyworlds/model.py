"""tinyworlds behind the boundary: frames to codes, the next codes under a latent action, codes to frames.

Its actions are latent: numbers of codes that it learnt by itself, so nothing leads from scene actions to
them. Where it is told scene actions, its own latent action model says what happened in the context, and the
last of these codes goes on; surprise is then of the frame under an unknown action, each code as likely as the
others.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wmeval.errors import UsageError
from wmeval.model import Card, Clip, Floats, Frames, Observation, Prediction
from wmeval_adapters.batch import stacked
from wmeval_adapters.tinyworlds.published import Published
from wmeval_adapters.tinyworlds.sampling import next_tokens


@dataclass(frozen=True)
class Playing:
    """A batch of videos being continued; only handed back."""

    frames: Tensor  # (B, T, 3, H, W), the last ones, T at most the window
    codes: Tensor  # (B, T - 1) latent actions between them
    habit: Tensor  # (B,) the code that goes on where none is given
    generators: tuple[torch.Generator, ...]


class TinyworldsModel:
    """Generates, Steps, Scores, Reconstructs and InfersActions."""

    def __init__(self, card: Card, parts: Published, *, window: int, steps: int, temperature: float) -> None:
        self._card, self.parts = card, parts
        self.window, self.steps, self.temperature = window, steps, temperature

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
        given = self._codes([o.actions[shown - 1 :] for o in batch]) if batch[0].native else None
        told = []
        for t in range(batch[0].horizon):
            state, frames = self._next(state, state.habit if given is None else given[:, t])
            told.append(frames)
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(frames=f, seconds=seconds) for f in np.stack(told, 1)]

    @torch.inference_mode()
    def reset(self, batch: list[Observation], seeds: list[int]) -> Playing:
        """Return the state after the contexts."""
        frames = self._frames([o.frames for o in batch])
        shown = frames.shape[1]
        if batch[0].native:
            codes = self._codes([o.actions[: shown - 1] for o in batch])
        else:
            # Only what the window holds, and what its first transition is told by.
            frames = frames[:, -(self.window + self.parts.clip) :]
            codes = self._inferred(frames)
        habit = codes[:, -1] if codes.shape[1] else torch.zeros(len(batch), dtype=torch.long)
        frames = frames[:, -self.window :]
        codes = codes[:, codes.shape[1] - (frames.shape[1] - 1) :]
        generators = tuple(torch.Generator().manual_seed(s % (1 << 63)) for s in seeds)
        return Playing(frames, codes, habit, generators)

    @torch.inference_mode()
    def step(self, state: Playing, actions: Floats) -> tuple[Playing, Frames]:
        """Return the next state and frames (B, H, W, 3) under codes (B, 1), or scene actions (B, 12)."""
        native = actions.shape[1] == 1
        return self._next(state, self._codes([a[None] for a in actions])[:, 0] if native else state.habit)

    @torch.inference_mode()
    def score(self, batch: list[Clip]) -> list[Prediction]:
        """Return the cross-entropy [nats a token] of each frame given the true ones before it, (T,).

        It is that of the first round of sampling, when all of the frame is masked. The first frame has NaN.
        """
        begun = time.perf_counter()
        frames = self._frames([c.frames for c in batch])
        length = frames.shape[1]
        native = batch[0].native
        codes = self._codes([c.actions for c in batch]) if native else self._inferred(frames)
        out = np.full((len(batch), length), np.nan)
        for t in range(1, length):
            first = max(0, t - self.window)
            tokens = self.parts.tokenizer.tokens(frames[:, first : t + 1])
            before = codes[:, first : t - 1]
            if native:
                likely = self._likelihood(tokens, codes[:, first:t])
            else:
                many = self.parts.actions.quantizer.codes
                each = [
                    self._likelihood(tokens, torch.cat([before, torch.full_like(codes[:, :1], a)], 1))
                    for a in range(many)
                ]
                likely = torch.stack(each).logsumexp(0) - math.log(many)
            out[:, t] = (-likely / tokens.shape[2]).double().numpy()
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(surprise=s, seconds=seconds) for s in out]

    @torch.inference_mode()
    def reconstruct(self, batch: list[Clip]) -> list[Prediction]:
        """Return the frames (T, H, W, 3) that its tokenizer makes of each clip, window by window."""
        begun = time.perf_counter()
        frames = self._frames([c.frames for c in batch])
        tokenizer = self.parts.tokenizer
        told = [tokenizer.frames(tokenizer.tokens(part)) for part in torch.split(frames, self.window + 1, 1)]
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(frames=f, seconds=seconds) for f in _pictures(torch.cat(told, 1))]

    @torch.inference_mode()
    def infer_actions(self, batch: list[Clip]) -> list[NDArray[np.float64]]:
        """Return the numbers of latent actions (T - 1, 1) per clip; each knows no frame after its own."""
        codes = self._inferred(self._frames([c.frames for c in batch]))
        return list(codes[..., None].double().numpy())

    def _next(self, state: Playing, code: Tensor) -> tuple[Playing, Frames]:
        codes = torch.cat([state.codes, code[:, None]], 1)
        tokenizer = self.parts.tokenizer
        past = tokenizer.tokens(state.frames)
        found = next_tokens(
            self.parts.dynamics, tokenizer.quantizer, past, self.parts.actions.quantizer.values(codes),
            steps=self.steps, temperature=self.temperature, generators=state.generators,
        )  # fmt: skip
        made = tokenizer.frames(torch.cat([past, found[:, None]], 1))[:, -1]
        frames = torch.cat([state.frames, made[:, None]], 1)[:, -self.window :]
        kept = codes[:, codes.shape[1] - (frames.shape[1] - 1) :]
        return replace(state, frames=frames, codes=kept), _pictures(made)

    def _likelihood(self, tokens: Tensor, codes: Tensor) -> Tensor:
        """Return the logarithm of the chance of the last frame's tokens (B, T, P), (B,)."""
        masked = torch.zeros(tokens.shape, dtype=torch.bool)
        masked[:, -1] = True
        values = self.parts.tokenizer.quantizer.values(tokens)
        logits = self.parts.dynamics(values, masked, self.parts.actions.quantizer.values(codes))[:, -1]
        chosen: Tensor = logits.log_softmax(-1).gather(-1, tokens[:, -1, :, None])
        return chosen.sum((1, 2))

    def _inferred(self, frames: Tensor) -> Tensor:
        """Return the codes (B, T - 1) that its latent action model sees, in windows as in training."""
        clip, length = self.parts.clip, frames.shape[1]
        told = [
            self.parts.actions.codes(frames[:, max(0, t + 1 - clip) : t + 1])[:, -1] for t in range(1, length)
        ]
        return torch.stack(told, 1) if told else torch.zeros(len(frames), 0, dtype=torch.long)

    def _frames(self, videos: Sequence[Frames]) -> Tensor:
        view = self._card.view
        whole = stacked("tinyworlds", videos, view.height, view.width)
        return torch.from_numpy(whole).movedim(-1, 2).float().div(127.5).sub(1)

    def _codes(self, given: Sequence[Floats]) -> Tensor:
        told, many = np.stack(given), self.parts.actions.quantizer.codes
        if told.shape[-1] != 1:
            raise UsageError(
                f"tinyworlds was given native actions of {told.shape[-1]} numbers; expected 1, the number of "
                "a latent action"
            )
        which = told[..., 0]
        if (which != np.rint(which)).any() or which.min(initial=0) < 0 or which.max(initial=0) >= many:
            raise UsageError(
                f"tinyworlds was given native actions from {which.min():g} to {which.max():g}; this "
                f"checkpoint has latent actions 0 to {many - 1}"
            )
        return torch.from_numpy(which.astype(np.int64))


def _pictures(frames: Tensor) -> Frames:
    """Return frames (..., 3, H, W) in [-1, 1], and what lies beyond, as uint8 (..., H, W, 3)."""
    bytes_ = ((frames + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    told: Frames = bytes_.movedim(-3, -1).contiguous().numpy()
    return told
