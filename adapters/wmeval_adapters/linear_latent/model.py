"""What linear-latent can be asked: to encode a clip, to imagine on, and how surprising frames are."""

from __future__ import annotations

import time

import numpy as np

from wmeval.model import Card, Clip, Observation, Prediction
from wmeval_adapters.linear_latent.dynamics import Dynamics, imagined, surprise
from wmeval_adapters.linear_latent.eye import tokens


class LinearLatent:
    """Encodes, Imagines and Scores; deterministic, and each clip by itself, so batches change nothing."""

    def __init__(self, card: Card, dynamics: Dynamics) -> None:
        self.card = card
        self.dynamics = dynamics

    def encode(self, batch: list[Clip]) -> list[Prediction]:
        """Return the tokens (T, 6, 13) of each clip."""
        out = []
        for clip in batch:
            begun = time.perf_counter()
            latents = tokens(clip.frames)
            out.append(Prediction(latents=latents, seconds=time.perf_counter() - begun))
        return out

    def imagine(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return the tokens (horizon, 6, 13) that follow each observation; seeds change nothing."""
        out = []
        for seen in batch:
            begun = time.perf_counter()
            context = tokens(seen.frames).astype(np.float64)
            first = len(seen.frames) - 1
            ahead = seen.actions[first : first + seen.horizon]
            latents = imagined(self.dynamics, context, ahead).astype(np.float32)
            out.append(Prediction(latents=latents, seconds=time.perf_counter() - begun))
        return out

    def score(self, batch: list[Clip]) -> list[Prediction]:
        """Return the prediction error in latents (T,) of each clip, in standard deviations."""
        out = []
        for clip in batch:
            begun = time.perf_counter()
            told = surprise(self.dynamics, tokens(clip.frames).astype(np.float64), clip.actions)
            out.append(Prediction(surprise=told, seconds=time.perf_counter() - begun))
        return out
