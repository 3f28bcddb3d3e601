"""jepa behind the boundary: frames and scene actions in, latents and surprise out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wmeval.errors import UsageError
from wmeval.model import ACTION_DIM, Card, Clip, Floats, Frames, Observation, Prediction
from wmeval_adapters.batch import stacked
from wmeval_adapters.genie.background import running
from wmeval_adapters.jepa import rollout
from wmeval_adapters.jepa.corpus import grey
from wmeval_adapters.jepa.eye import pictures, sight
from wmeval_adapters.jepa.net import Jepa
from wmeval_adapters.jepa.predictor import Slots
from wmeval_adapters.learn.clips import channels
from wmeval_adapters.shared import Past, Remembered, different


@dataclass(frozen=True)
class Seen:
    """A batch of videos as the model sees them."""

    latents: Tensor  # (B, T, 6, D)
    scenes: Tensor  # (B, T, C, h, w), each of what had been seen up to its frame


class JepaModel:
    """Encodes, Imagines and Scores with one set of weights; deterministic, so seeds change nothing."""

    def __init__(self, card: Card, net: Jepa) -> None:
        self.card, self.net = card, net.eval()
        self._watched: Remembered[tuple[Slots, Tensor]] = Remembered()

    @torch.inference_mode()
    def encode(self, batch: list[Clip]) -> list[Prediction]:
        """Return the latents (T, 6, D) of each clip, each frame by itself."""
        begun = time.perf_counter()
        told = [self._latents(self._checked(c.frames)).numpy() for c in batch]
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(latents=z, seconds=seconds) for z in told]

    @torch.inference_mode()
    def imagine(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return the latents (horizon, 6, D) that follow each observation."""
        begun = time.perf_counter()
        shown, horizon = len(batch[0].frames), batch[0].horizon
        actions = _actions([o.actions[: shown - 1 + horizon] for o in batch])
        kinds, which = different(batch)
        state, scene = self._watched.of(kinds, self._watch)
        taken = torch.from_numpy(which)
        told = rollout.imagine(self.net, rollout.taken(state, taken), actions[:, shown - 1 :], scene[taken])
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(latents=np.ascontiguousarray(z), seconds=seconds) for z in told.numpy()]

    @torch.inference_mode()
    def score(self, batch: list[Clip]) -> list[Prediction]:
        """Return the surprise [nats] (T,) of each frame given those before it; the first has NaN."""
        begun = time.perf_counter()
        seen = self._seen([c.frames for c in batch])
        told = rollout.surprises(self.net, seen.latents, _actions([c.actions for c in batch]), seen.scenes)
        seconds = (time.perf_counter() - begun) / len(batch)
        return [Prediction(surprise=s, seconds=seconds) for s in told.double().numpy()]

    def _watch(self, pasts: Sequence[Past]) -> tuple[Slots, Tensor]:
        """Return the state after each past, and the map of what stands still."""
        seen = self._seen([p.frames for p in pasts])
        state = rollout.watch(self.net, seen.latents, _actions([p.actions for p in pasts]), seen.scenes)
        return state, seen.scenes[:, -1]

    def _latents(self, frames: Frames) -> Tensor:
        seen = sight(frames)
        return self.net.encode(torch.from_numpy(seen.places), pictures(seen.glimpses))

    def _seen(self, videos: Sequence[Frames]) -> Seen:
        view = self.card.view
        whole = stacked("jepa", [self._checked(v) for v in videos], view.height, view.width)
        latents = torch.stack([self._latents(v) for v in videos])
        behind = grey(running(channels(whole)).numpy())
        maps = []
        for each in behind:
            # What stands still mostly does: a map is made for each different background only.
            kinds, which = np.unique(each.reshape(len(each), -1), axis=0, return_inverse=True)
            shown = torch.from_numpy(kinds.reshape(-1, 1, *each.shape[1:])).float() / 255
            maps.append(self.net.predictor.look(shown)[torch.from_numpy(which.reshape(-1))])
        return Seen(latents, torch.stack(maps))

    def _checked(self, frames: Frames) -> Frames:
        wanted = (self.card.view.height, self.card.view.width, 3)
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[1:] != wanted or not len(frames):
            raise UsageError(f"jepa was given {frames.dtype} {frames.shape}; expected uint8 (T, *{wanted})")
        return frames


def _actions(actions: Sequence[Floats]) -> Tensor:
    for each in actions:
        if each.shape[-1] != ACTION_DIM:
            raise UsageError(f"jepa was given actions {each.shape}; expected scene actions (n, {ACTION_DIM})")
    return torch.from_numpy(np.stack(actions).astype(np.float32))
