"""genie behind the boundary: uint8 frames and scene actions in, uint8 frames and surprise out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wmeval.model import Card, Clip, Floats, Frames, Observation, Prediction
from wmeval_adapters.batch import stacked
from wmeval_adapters.genie import rollout
from wmeval_adapters.genie.actions import action_of
from wmeval_adapters.genie.background import running
from wmeval_adapters.genie.net import Genie
from wmeval_adapters.learn.clips import channels, unit


@dataclass(frozen=True)
class Stepping:
    """A batch of videos being continued frame by frame; only handed back."""

    state: rollout.State
    behind: Tensor
    generators: tuple[torch.Generator, ...]


class GenieModel:
    """Generates, Steps, Scores and Reconstructs with one set of weights."""

    def __init__(self, card: Card, net: Genie, *, steps: int = 1, temperature: float = 0.0) -> None:
        self._card, self.net = card, net.eval()
        self.steps, self.temperature = steps, temperature

    @property
    def card(self) -> Card:
        """What it says of itself."""
        return self._card

    @torch.inference_mode()
    def generate(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return `horizon` frames (horizon, H, W, 3) per observation."""
        begun = time.perf_counter()
        stepping = self.reset(batch, seeds)
        shown, horizon = len(batch[0].frames), batch[0].horizon
        given = np.stack([o.actions[shown - 1 :] for o in batch])
        tokens = []
        state = stepping.state
        for t in range(horizon):
            state, code = self._predict(stepping, state, given[:, t])
            tokens.append(code)
        told = _pictures(rollout.drawn(self.net, stepping.state, torch.stack(tokens, 1)))
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(frames=f, seconds=seconds) for f in told]

    @torch.inference_mode()
    def reset(self, batch: list[Observation], seeds: list[int]) -> Stepping:
        """Return the state after the contexts."""
        frames = self._frames([o.frames for o in batch])
        shown = frames.shape[1]
        actions = self._actions(np.stack([o.actions[: shown - 1] for o in batch]))
        state = rollout.watch(self.net, frames, actions)
        generators = tuple(torch.Generator().manual_seed(s % (1 << 63)) for s in seeds)
        return Stepping(state, self.net.dynamics.behind(unit(state.background)), generators)

    @torch.inference_mode()
    def step(self, state: Stepping, actions: Floats) -> tuple[Stepping, Frames]:
        """Return the next state and frames (B, H, W, 3) under scene actions (B, 12)."""
        after, tokens = self._predict(state, state.state, actions)
        frames = rollout.drawn(self.net, after, tokens[:, None])[:, 0]
        return replace(state, state=after), _pictures(frames)

    @torch.inference_mode()
    def score(self, batch: list[Clip]) -> list[Prediction]:
        """Return the cross-entropy [nats] of each frame's tokens given the true frames before it, (T,).

        The first frame has NaN.
        """
        begun = time.perf_counter()
        frames = self._frames([c.frames for c in batch])
        told = rollout.surprises(self.net, frames, self._actions(np.stack([c.actions for c in batch])))
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(surprise=s, seconds=seconds) for s in told.double().numpy()]

    @torch.inference_mode()
    def reconstruct(self, batch: list[Clip]) -> list[Prediction]:
        """Return each frame encoded and decoded over its own background, (T, H, W, 3)."""
        begun = time.perf_counter()
        frames = self._frames([c.frames for c in batch])
        own = running(frames)
        tokens = rollout.encoded(self.net, frames, own)
        told = _pictures(self.net.tokenizer.decode(tokens.flatten(0, 1), own.flatten(0, 1)))
        told = told.reshape(len(batch), -1, *told.shape[1:])
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(frames=f, seconds=seconds) for f in told]

    def _predict(
        self, stepping: Stepping, state: rollout.State, actions: Floats
    ) -> tuple[rollout.State, Tensor]:
        latent = action_of(torch.from_numpy(self.net.binding.code(actions)))
        return rollout.predict(
            self.net, state, latent, stepping.behind, steps=self.steps, temperature=self.temperature,
            generators=stepping.generators,
        )  # fmt: skip

    def _frames(self, videos: Sequence[Frames]) -> Tensor:
        view = self._card.view
        return channels(stacked("genie", videos, view.height, view.width))

    def _actions(self, actions: NDArray[np.float64]) -> Tensor:
        """Return latent actions (B, T, 2), entry t led to frame t, of scene actions (B, T - 1, 12)."""
        codes = self.net.binding.code(actions)
        first = np.full((len(codes), 1), self.net.binding.codes[0])
        return action_of(torch.from_numpy(np.concatenate([first, codes], 1)))


def _pictures(frames: Tensor) -> Any:
    return np.ascontiguousarray(frames.movedim(-3, -1).numpy())
