"""What a model works in, latents or pixels: how its predictions are got, read as States, and compared.

A model that encodes and imagines is planned with in latents, and nothing is decoded; one that only generates
in pixels. A goal is compared in what the model works in: the mean square difference of the last latent, or
of the last picture, to that of the picture of the goal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.model import Clip, Encodes, Generates, Imagines, Observation, Prediction, WorldModel
from wmeval.perceive import track
from wmeval.perceive.readout import Readout
from wmeval.run.generate import check as frames_amiss
from wmeval.run.imagination import check as latents_amiss
from wmeval.run.readouts import encoded, readout_of
from wmeval.scene import Scene

Floats = NDArray[np.float64]
Frames = NDArray[np.uint8]
GOAL_FRAMES = 3  # of a still picture, and of the end of a simulated future: an encoder may need to see motion
MOST_VALUES = 1 << 25  # numbers of latents that are read at once: 128 MiB


class Lost(Exception):
    """An episode cannot go on; the sentence says why."""


class Sight(Protocol):
    """Latents or pixels. What is predicted is an array (horizon, ...), of which the last entry is the end."""

    def predict(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return one checked answer an observation.

        Raises:
            Exception: whatever the model raises.
        """
        ...

    def made(self, answer: Prediction) -> NDArray[Any]:
        """Return what was predicted (horizon, ...)."""
        ...

    def read(self, made: Sequence[NDArray[Any]], scene: Scene, view: View, times: Floats) -> Floats:
        """Return where bodies are (N, T, n, 3) [m] in N predictions for times (T,) [s]; NaN = not found."""
        ...

    def watched(self, seen: Observation, scene: Scene, view: View, times: Floats) -> Floats:
        """Return where bodies are (T, n, 3) [m] in the frames that were seen at times (T,) [s]."""
        ...

    def ends(self, clips: Sequence[Clip]) -> NDArray[Any]:
        """Return the ends (N, ...) of clips."""
        ...


def away(last: NDArray[Any], goal: NDArray[Any]) -> Floats:
    """Return the mean square difference (N,) of ends (N, ...) from that of the goal (...)."""
    off = np.asarray(last, np.float64) - np.asarray(goal, np.float64)
    return np.asarray((off**2).reshape(len(off), -1).mean(axis=1))


def sight_of(model: WorldModel, view: View, *, reads: bool) -> Sight:
    """Return what a model works in; with `reads` its States can be read too.

    Raises:
        UsageError: it neither encodes and imagines nor generates, or no readout can be fitted.
    """
    can = model.card.capabilities
    if {"encodes", "imagines"} <= can:
        if not isinstance(model, Encodes) or not isinstance(model, Imagines):
            raise UsageError(
                f"{type(model).__name__} has no encode(batch) and imagine(batch, seeds), though its card "
                "says so"
            )
        return Latents(cast(Any, model), readout_of(model, view) if reads else None)
    if not isinstance(model, Generates):
        raise UsageError(
            f"{model.card.name!r} neither imagines and encodes nor generates; nothing to plan with"
        )
    return Pixels(model)


@dataclass(frozen=True)
class Latents:
    """A model that imagines; the frozen readout of the imagination instrument says where bodies are."""

    model: Any  # Encodes and Imagines
    readout: Readout | None

    def predict(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return imagined latents (horizon, tokens, D)."""
        told = _counted(self.model.imagine(batch, seeds), batch)
        shape = self.readout.shape if self.readout else None
        return [latents_amiss(answer, seen, shape) for answer, seen in zip(told, batch, strict=True)]

    def made(self, answer: Prediction) -> NDArray[Any]:
        """Return the latents."""
        assert answer.latents is not None
        return answer.latents

    def read(self, made: Sequence[NDArray[Any]], scene: Scene, view: View, times: Floats) -> Floats:
        """Return what the readout says; each latent is read for itself, so many are read as one video."""
        assert self.readout is not None
        size = max(1, MOST_VALUES // max(1, made[0].size))
        parts = []
        for start in range(0, len(made), size):
            some = np.stack(made[start : start + size])
            every = self.readout.read(
                some.reshape(-1, *some.shape[2:]), scene, view, np.tile(times, len(some))
            )
            parts.append(every.position.reshape(*some.shape[:2], -1, 3))
        return np.concatenate(parts)

    def watched(self, seen: Observation, scene: Scene, view: View, times: Floats) -> Floats:
        """Return what the readout says of the encoded frames."""
        assert self.readout is not None
        clip = Clip(seen.frames, seen.fps, seen.actions[: len(seen.frames) - 1])
        (latents,) = _encoded(self.model, [clip])
        return self.readout.read(latents, scene, view, times).position

    def ends(self, clips: Sequence[Clip]) -> NDArray[Any]:
        """Return the latents (N, tokens, D) of the last frames."""
        return np.stack([z[-1] for z in _encoded(self.model, clips)])


@dataclass(frozen=True)
class Pixels:
    """A model that generates; perception says where bodies are."""

    model: Generates

    def predict(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return generated frames (horizon, H, W, 3)."""
        told = _counted(self.model.generate(batch, seeds), batch)
        return [frames_amiss(answer, seen) for answer, seen in zip(told, batch, strict=True)]

    def made(self, answer: Prediction) -> NDArray[Any]:
        """Return the frames."""
        assert answer.frames is not None
        return answer.frames

    def read(self, made: Sequence[NDArray[Any]], scene: Scene, view: View, times: Floats) -> Floats:
        """Return what perception finds in each video."""
        return np.stack([track(frames, scene, view, times).position for frames in made])

    def watched(self, seen: Observation, scene: Scene, view: View, times: Floats) -> Floats:
        """Return what perception finds in the frames that were seen."""
        return track(seen.frames, scene, view, times).position

    def ends(self, clips: Sequence[Clip]) -> NDArray[Any]:
        """Return the last frames (N, H, W, 3)."""
        return np.stack([c.frames[-1] for c in clips])


def _counted(answers: Any, batch: Sequence[Observation]) -> list[Any]:
    if not isinstance(answers, list) or len(answers) != len(batch):
        got = f"{len(answers)}" if isinstance(answers, list) else f"a {type(answers).__name__}"
        raise Lost(
            f"the model answered {len(batch)} observations with {got}; expected a list of as many Predictions"
        )
    return answers


def _encoded(model: Any, clips: Sequence[Clip]) -> list[NDArray[np.float32]]:
    try:
        return encoded(model, clips)
    except UsageError as fault:
        raise Lost(str(fault)) from fault


__all__ = ["GOAL_FRAMES", "Latents", "Lost", "Pixels", "Sight", "away", "sight_of"]
