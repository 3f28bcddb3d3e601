"""A published DreamerV3 behind the boundary: frames and its own actions in, frames, latents, rewards out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from wmeval.errors import UsageError
from wmeval.model import Card, Clip, Floats, Frames, Observation, Prediction
from wmeval_adapters.batch import stacked
from wmeval_adapters.dreamer.published import State, WorldModel, chosen


@dataclass(frozen=True)
class Stepping:
    """A batch of videos being continued frame by frame; only handed back."""

    state: State
    native: bool
    generators: tuple[torch.Generator, ...]


class OriginalModel:
    """Generates, Steps, Scores, Encodes, Imagines, Reconstructs and PredictsReward.

    Native actions reach it as they are, the number of a choice as a one-hot code. Scene actions do not reach
    it: a model of another world has no codec for them, and is given zeros.
    """

    def __init__(self, card: Card, net: WorldModel, *, temperature: float = 0.0) -> None:
        self._card, self.net, self.temperature = card, net.eval(), temperature

    @property
    def card(self) -> Card:
        """What it says of itself."""
        return self._card

    @torch.inference_mode()
    def generate(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return `horizon` frames (horizon, H, W, 3) per observation."""
        begun = time.perf_counter()
        told = _pictures(self.net.decoded(self._ahead(batch, seeds)))
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(frames=f, seconds=seconds) for f in told]

    @torch.inference_mode()
    def imagine(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return latents (horizon, 1, F) per observation: stochastic and deterministic state."""
        begun = time.perf_counter()
        told = _latents(self._ahead(batch, seeds))
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(latents=z, seconds=seconds) for z in told]

    @torch.inference_mode()
    def encode(self, batch: list[Clip]) -> list[Prediction]:
        """Return latents (T, 1, F) per clip, each of the state once its frame is seen."""
        begun = time.perf_counter()
        told = _latents(self._watched(batch)[0])
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(latents=z, seconds=seconds) for z in told]

    @torch.inference_mode()
    def score(self, batch: list[Clip]) -> list[Prediction]:
        """Return KL(posterior || prior) [nats] of each frame (T,); the first has NaN."""
        begun = time.perf_counter()
        told = self._watched(batch)[1].double().numpy()
        told[:, 0] = np.nan
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(surprise=s, seconds=seconds) for s in told]

    @torch.inference_mode()
    def reconstruct(self, batch: list[Clip]) -> list[Prediction]:
        """Return each frame decoded from the state once it is seen, (T, H, W, 3)."""
        begun = time.perf_counter()
        told = _pictures(self.net.decoded(self._watched(batch)[0]))
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(frames=f, seconds=seconds) for f in told]

    @torch.inference_mode()
    def rewards(self, batch: list[Clip]) -> list[tuple[Floats, Floats]]:
        """Return reward and chance of the end, (T - 1,) each, that came with frames from the second on."""
        reward, end = self.net.rewarded(self._watched(batch)[0][1:])
        return [(r, e) for r, e in zip(reward.double().numpy(), end.double().numpy(), strict=True)]

    @torch.inference_mode()
    def reset(self, batch: list[Observation], seeds: list[int]) -> Stepping:
        """Return the state after the contexts."""
        images = self._images([o.frames for o in batch])
        led = self._led(np.stack([o.actions[: images.shape[1] - 1] for o in batch]), batch[0].native)
        states, _ = self.net.observe(images, led)
        generators = tuple(torch.Generator().manual_seed(s % (1 << 63)) for s in seeds)
        return Stepping(states[-1], batch[0].native, generators)

    @torch.inference_mode()
    def step(self, state: Stepping, actions: Floats) -> tuple[Stepping, Frames]:
        """Return the next state and frames (B, H, W, 3) under actions (B, ...)."""
        after = self._next(state, np.asarray(actions))
        return after, _pictures(self.net.decoded([after.state]))[:, 0]

    def _next(self, state: Stepping, actions: NDArray[np.floating[Any]]) -> Stepping:
        deter, prior = self.net.dynamics.ahead(state.state, self._own(actions, state.native))
        return replace(
            state, state=State(deter, chosen(prior, self.temperature, state.generators))
        )  # fmt: skip

    def _ahead(self, batch: list[Observation], seeds: list[int]) -> list[State]:
        stepping = self.reset(batch, seeds)
        shown, horizon = len(batch[0].frames), batch[0].horizon
        given = np.stack([o.actions[shown - 1 : shown - 1 + horizon] for o in batch])
        states = []
        for t in range(horizon):
            stepping = self._next(stepping, given[:, t])
            states.append(stepping.state)
        return states

    def _watched(self, batch: list[Clip]) -> tuple[list[State], Tensor]:
        images = self._images([c.frames for c in batch])
        return self.net.observe(images, self._led(np.stack([c.actions for c in batch]), batch[0].native))

    def _own(self, actions: NDArray[np.floating[Any]], native: bool) -> Tensor:
        """Return the actions (..., A) that the network is given."""
        wide, kind = self.net.config.actions, self._card.actions.kind
        if not native:
            return torch.zeros(*actions.shape[:-1], wide)
        told = torch.from_numpy(np.asarray(actions, np.float32))
        if told.shape[-1] != (1 if kind == "discrete" else wide):
            raise UsageError(
                f"dreamer was given native actions of {told.shape[-1]} numbers; this checkpoint takes "
                + (f"the number of one of {wide} choices" if kind == "discrete" else f"{wide}")
            )
        return F.one_hot(told[..., 0].long(), wide).float() if kind == "discrete" else told

    def _led(self, actions: NDArray[np.floating[Any]], native: bool) -> Tensor:
        """Return actions (B, T, A), entry t led to frame t, of given ones (B, T - 1, n)."""
        told = self._own(actions, native)
        return torch.cat([torch.zeros(len(told), 1, told.shape[-1]), told], 1)

    def _images(self, videos: Sequence[Frames]) -> Tensor:
        size = self.net.config.size
        return torch.from_numpy(stacked("dreamer", videos, size, size)).float() / 255


def _pictures(images: Tensor) -> Any:
    return np.ascontiguousarray((images.clamp(0, 1) * 255).round().to(torch.uint8).numpy())


def _latents(states: Sequence[State]) -> NDArray[np.float32]:
    told: NDArray[np.float32] = torch.stack([s.feature for s in states], 1)[:, :, None].numpy()
    return told
