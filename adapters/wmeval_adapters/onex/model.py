"""1X's GENIE behind the boundary: frames to tokens, the next frame's tokens in few rounds, tokens to frames.

The published models take no actions: they continue what a robot saw. What they are told of actions is left.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from wmeval.model import Card, Clip, Frames, Observation, Prediction
from wmeval_adapters.batch import stacked
from wmeval_adapters.onex.published import Published
from wmeval_adapters.onex.st_mask_git import factored, joined

FOLD = 8  # pictures in one call of the tokenizer, which is large


class OneXGenieModel:
    """Generates, Scores and Reconstructs."""

    def __init__(
        self, card: Card, parts: Published, *, steps: int, temperature: float, device: str = "cpu"
    ) -> None:
        self._card, self.parts = card, parts
        self.steps, self.temperature, self.device = steps, temperature, torch.device(device)
        parts.model.to(self.device)
        parts.tokenizer.to(self.device)

    @property
    def card(self) -> Card:
        """What it says of itself."""
        return self._card

    @torch.inference_mode()
    def generate(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return `horizon` frames (horizon, H, W, 3) per observation, each from the last T - 1 before it."""
        begun = time.perf_counter()
        window = self.parts.model.config.T
        known = self._tokens([o.frames[-(window - 1) :] for o in batch])
        generators = [torch.Generator().manual_seed(s % (1 << 63)) for s in seeds]
        shown = known.shape[1]
        for _ in range(batch[0].horizon):
            made = self._next(known[:, -(window - 1) :], generators)
            known = torch.cat([known, made[:, None]], 1)
        frames = self._pictures(known[:, shown:])
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(frames=f, seconds=seconds) for f in frames]

    @torch.inference_mode()
    def score(self, batch: list[Clip]) -> list[Prediction]:
        """Return the cross-entropy [nats a token] of each frame given the true ones before it, (T,).

        The protocol of the published evaluation: all of the frame is masked, and the losses of both parts of
        a token are added. The first frame has NaN.
        """
        begun = time.perf_counter()
        config = self.parts.model.config
        tokens = self._tokens([c.frames for c in batch])
        length = tokens.shape[1]
        out = np.full((len(batch), length), np.nan)
        first = tokens[:, : config.T]
        if length > 1:
            out[:, 1 : config.T] = self._losses(self.parts.model.each_hidden(first), first)[:, 1:]
        for t in range(config.T, length):
            shown = tokens[:, t + 1 - config.T : t + 1].clone()
            asked = shown[:, -1:].clone()
            shown[:, -1] = config.image_vocab_size
            out[:, t] = self._losses(self.parts.model(shown)[:, -1:], asked)[:, 0]
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(surprise=s, seconds=seconds) for s in out]

    @torch.inference_mode()
    def reconstruct(self, batch: list[Clip]) -> list[Prediction]:
        """Return the frames (T, H, W, 3) that its tokenizer makes of each clip, picture by picture."""
        begun = time.perf_counter()
        frames = self._pictures(self._tokens([c.frames for c in batch]))
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(frames=f, seconds=seconds) for f in frames]

    def _next(self, past: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Return the tokens (B, S) of the frame after `past` (B, T, S), unmasked in random order.

        The cosine schedule of MaskGIT; the surest first would copy the last frame, say those who trained it.
        """
        config = self.parts.model.config
        mask = config.image_vocab_size
        found = torch.full_like(past[:, 0], mask)
        for done in range(1, self.steps + 1):
            logits = self.parts.model(torch.cat([past, found[:, None]], 1))[:, -1].cpu()
            made = joined(self._drawn(logits, generators), config).to(found.device)
            made = torch.where(found == mask, made, found)
            if done < self.steps:
                left = math.ceil(math.cos(math.pi / 2 * done / self.steps) * config.S)
                order = torch.stack([torch.rand(config.S, generator=g) for g in generators]).to(made.device)
                order = order.masked_fill(found != mask, math.inf)
                made = made.scatter(1, order.argsort(1)[:, :left], mask)
            found = made
        return found

    def _drawn(self, logits: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Return parts (B, S, V) of logits (B, S, V, vocabulary)."""
        if self.temperature == 0:
            return logits.argmax(-1)
        chances = (logits / self.temperature).softmax(-1)
        drawn = [
            torch.multinomial(c.flatten(0, 1), 1, generator=g)
            for c, g in zip(chances, generators, strict=True)
        ]
        return torch.stack(drawn).view(logits.shape[:-1])

    def _losses(self, logits: Tensor, tokens: Tensor) -> Tensor:
        """Return the mean loss (B, T) of tokens (B, T, S) under logits (B, T, S, V, vocabulary)."""
        parts = factored(tokens, self.parts.model.config)
        chosen = logits.log_softmax(-1).gather(-1, parts[..., None])[..., 0]
        return -chosen.sum(-1).mean(-1).double().cpu()

    def _tokens(self, videos: Sequence[Frames]) -> Tensor:
        """Return tokens (B, T, S) of videos."""
        size = self.parts.size
        flat = torch.from_numpy(stacked("1x-genie", videos, size, size)).flatten(0, 1).movedim(-1, 1)
        told = [
            self.parts.tokenizer.tokens(part.to(self.device).float().div(127.5).sub(1))
            for part in torch.split(flat, FOLD)
        ]
        return torch.unflatten(torch.cat(told), 0, (len(videos), -1))

    def _pictures(self, tokens: Tensor) -> Frames:
        """Return frames (B, T, H, W, 3) of tokens (B, T, S)."""
        made = [self.parts.tokenizer.pictures(part) for part in torch.split(tokens.flatten(0, 1), FOLD)]
        bytes_ = ((torch.cat(made) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        videos = torch.unflatten(bytes_.movedim(1, -1), 0, tokens.shape[:2])
        told: Frames = videos.contiguous().cpu().numpy()
        return told
