"""The small dreamer behind the boundary: uint8 frames and scene actions in, frames, latents, surprise out."""

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
from wmeval_adapters.dreamer import rollout
from wmeval_adapters.dreamer.net import Dreamer
from wmeval_adapters.dreamer.slots import Slots
from wmeval_adapters.learn.clips import channels
from wmeval_adapters.shared import Past, Remembered, different, past


@dataclass(frozen=True)
class Stepping:
    """A batch of videos being continued frame by frame; only handed back."""

    state: rollout.State
    generators: tuple[torch.Generator, ...]


class DreamerModel:
    """Generates, Steps, Scores, Encodes, Imagines and Reconstructs with one set of weights."""

    def __init__(self, card: Card, net: Dreamer, *, temperature: float = 0.0) -> None:
        self._card, self.net, self.temperature = card, net.eval(), temperature
        self._seen: Remembered[rollout.State] = Remembered()

    @property
    def card(self) -> Card:
        """What it says of itself."""
        return self._card

    @torch.inference_mode()
    def generate(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return `horizon` frames (horizon, H, W, 3) per observation."""
        begun = time.perf_counter()
        stepping = self.reset(batch, seeds)
        told = _pictures(rollout.pictures(self.net, stepping.state, self._ahead(stepping, batch))[0])
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(frames=f, seconds=seconds) for f in told]

    @torch.inference_mode()
    def imagine(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return latents (horizon, 6, 24) per observation; see `rollout.latents`."""
        begun = time.perf_counter()
        kinds, which = different(batch)
        state = rollout.taken(self._seen.of(kinds, self._watch), torch.from_numpy(which))
        told = rollout.latents(self._ahead(Stepping(state, _generators(seeds)), batch)).numpy()
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(latents=z, seconds=seconds) for z in told]

    @torch.inference_mode()
    def encode(self, batch: list[Clip]) -> list[Prediction]:
        """Return latents (T, 6, 24) per clip, each of what is believed once its frame is seen."""
        begun = time.perf_counter()
        told = rollout.latents(self._watched(batch).slots).numpy()
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(latents=z, seconds=seconds) for z in told]

    @torch.inference_mode()
    def score(self, batch: list[Clip]) -> list[Prediction]:
        """Return KL(posterior || prior) [nats] of each frame (T,), summed over slots; the first has NaN."""
        begun = time.perf_counter()
        told = self._watched(batch).surprise.double().numpy()
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(surprise=s, seconds=seconds) for s in told]

    @torch.inference_mode()
    def reconstruct(self, batch: list[Clip]) -> list[Prediction]:
        """Return each frame drawn from what is believed once it is seen, (T, H, W, 3)."""
        begun = time.perf_counter()
        told = _pictures(rollout.retold(self.net, self._watched(batch)))
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(frames=f, seconds=seconds) for f in told]

    @torch.inference_mode()
    def reset(self, batch: list[Observation], seeds: list[int]) -> Stepping:
        """Return the state after the contexts."""
        pasts = [past(o) for o in batch]
        last = self._frames([p.frames[-1:] for p in pasts])[:, 0]
        return Stepping(rollout.held(self.net, self._watch(pasts), last), _generators(seeds))

    @torch.inference_mode()
    def step(self, state: Stepping, actions: Floats) -> tuple[Stepping, Frames]:
        """Return the next state and frames (B, H, W, 3) under scene actions (B, 12)."""
        after = self._next(state, actions)
        frames, _ = rollout.pictures(self.net, after.state, [after.state.slots])
        return after, _pictures(frames[:, 0])

    def _next(self, state: Stepping, actions: NDArray[np.float64]) -> Stepping:
        after = rollout.imagined(
            self.net, state.state, torch.from_numpy(np.asarray(actions, np.float32)),
            temperature=self.temperature, generators=state.generators,
        )  # fmt: skip
        return replace(state, state=after)

    def _watch(self, pasts: Sequence[Past]) -> rollout.State:
        """Return what is believed after each past."""
        frames = self._frames([p.frames for p in pasts])
        return rollout.watch(self.net, frames, _led(np.stack([p.actions for p in pasts]))).state

    def _ahead(self, stepping: Stepping, batch: list[Observation]) -> list[Slots]:
        """Return the slots at each frame asked for."""
        shown, horizon = len(batch[0].frames), batch[0].horizon
        given = np.stack([o.actions[shown - 1 : shown - 1 + horizon] for o in batch])
        slots = []
        for t in range(horizon):
            stepping = self._next(stepping, given[:, t])
            slots.append(stepping.state.slots)
        return slots

    def _watched(self, batch: list[Clip]) -> rollout.Watched:
        frames = self._frames([c.frames for c in batch])
        return rollout.watch(self.net, frames, _led(np.stack([c.actions for c in batch])))

    def _frames(self, videos: Sequence[Frames]) -> Tensor:
        view = self._card.view
        return channels(stacked("dreamer", videos, view.height, view.width))


def _generators(seeds: Sequence[int]) -> tuple[torch.Generator, ...]:
    return tuple(torch.Generator().manual_seed(s % (1 << 63)) for s in seeds)


def _led(actions: NDArray[np.float64]) -> Tensor:
    """Return actions (B, T, 12), entry t led to frame t, of scene actions (B, T - 1, 12)."""
    led = np.concatenate([np.zeros_like(actions[:, :1]), actions], 1) if actions.shape[1] else (
        np.zeros((len(actions), 1, actions.shape[2]))
    )  # fmt: skip
    return torch.from_numpy(led.astype(np.float32))


def _pictures(frames: Tensor) -> Any:
    return np.ascontiguousarray(frames.movedim(-3, -1).numpy())
