"""The small diamond behind the boundary: uint8 frames and scene actions in, frames and surprise out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from wmeval.errors import UsageError
from wmeval.model import Card, Clip, Floats, Frames, Observation, Prediction
from wmeval_adapters.batch import stacked
from wmeval_adapters.diamond.edm import schedule
from wmeval_adapters.diamond.net import Small
from wmeval_adapters.diamond.rollout import follow, given_after, judged, predicted
from wmeval_adapters.diamond.small import Given
from wmeval_adapters.learn.clips import channels, unit

STEPS, LOW, HIGH = 3, 0.005, 5.0
KEEP = 0.03  # of 1: smaller changes of a pixel are none
BANK = (0.1, 0.3, 1.0, 3.0)
BANK_SEED = 0


@dataclass(frozen=True)
class Stepping:
    """A batch of videos being continued frame by frame; only handed back."""

    given: Given
    generators: tuple[torch.Generator, ...]


class DiamondModel:
    """Generates, Steps and Scores with one set of weights; its capabilities are on its card."""

    def __init__(
        self, card: Card, small: Small, *, steps: int = STEPS, keep: float = KEEP, half: bool = True
    ) -> None:
        self._card, self.small = card, small
        self.sigmas, self.keep, self.half = schedule(steps, LOW, HIGH), keep, half

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
        told = []
        for t in range(batch[0].horizon):
            state, frames = self.step(state, np.stack([o.actions[shown - 1 + t] for o in batch]))
            told.append(frames)
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(frames=f, seconds=seconds) for f in np.stack(told, 1)]

    @torch.inference_mode()
    def reset(self, batch: list[Observation], seeds: list[int]) -> Stepping:
        """Return the state after the contexts."""
        frames = self._frames([o.frames for o in batch])
        nothing = torch.zeros(len(batch), len(self.small.scale))
        given = given_after(follow(frames), frames.shape[1] - 1, self.small.model.config.past, nothing)
        return Stepping(given, tuple(torch.Generator().manual_seed(s % (1 << 63)) for s in seeds))

    @torch.inference_mode()
    def step(self, state: Stepping, actions: Floats) -> tuple[Stepping, Frames]:
        """Return the next state and frames (B, H, W, 3) under scene actions (B, 12)."""
        given = replace(state.given, action=self._actions(actions))
        noise = torch.stack([torch.randn(given.behind.shape[1:], generator=g) for g in state.generators])
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.half):
            after, frames = predicted(self.small.model, given, noise, self.sigmas, self.keep)
        return replace(state, given=after), frames.movedim(1, -1).contiguous().numpy()

    @torch.inference_mode()
    def score(self, batch: list[Clip]) -> list[Prediction]:
        """Return the denoising loss (T,) of each frame given the true ones before it; NaN for the first.

        It is the mean over the noise levels of BANK, under noise that is the same for every frame of every
        clip, so that two clips are told apart by their frames alone.
        """
        begun = time.perf_counter()
        frames = self._frames([c.frames for c in batch])
        actions = torch.stack([self._actions(c.actions) for c in batch])
        seen, model = follow(frames), self.small.model
        generator = torch.Generator().manual_seed(BANK_SEED)
        bank = tuple((s, torch.randn(frames.shape[2:], generator=generator)) for s in BANK)
        told = [torch.full((len(batch),), torch.nan)]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.half):
            for t in range(frames.shape[1] - 1):
                given = given_after(seen, t, model.config.past, actions[:, t])
                told.append(judged(model, given, unit(frames[:, t + 1]), bank))
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(surprise=s, seconds=seconds) for s in torch.stack(told, 1).double().numpy()]

    def _actions(self, actions: Floats) -> Tensor:
        if actions.shape[-1] != len(self.small.scale):
            raise UsageError(
                f"diamond was given actions of {actions.shape[-1]} numbers; the small one takes scene "
                f"actions of {len(self.small.scale)}"
            )
        return torch.from_numpy(np.asarray(actions, np.float64)).float() / self.small.scale

    def _frames(self, videos: Sequence[Frames]) -> Tensor:
        view = self._card.view
        return channels(stacked("diamond", videos, view.height, view.width))
