"""V-JEPA 2: what follows is foreseen from the context alone, and compared with what it turns out to be.

The encoder of the published model attends over all frames that it is given, so a context that is cut out of
an encoded clip already knows the future. Here the context is encoded by itself, then the predictor is asked
for the places that follow. Windows, contexts and the loss follow Garrido et al. 2025.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wmeval.errors import UsageError
from wmeval.model import Card, Clip, Floats, Observation, Prediction
from wmeval_adapters.vjepa.pixels import normalised
from wmeval_adapters.vjepa.published import from_folder, number_format, where, whole

TUBELET = 2


@dataclass(frozen=True)
class Protocol:
    """How surprise is asked: sizes in frames."""

    window: int = 16
    stride: int = 2
    contexts: tuple[int, ...] = (2, 4, 6, 8, 10)
    reduce: str = "mean"  # or "min"
    over: str = "mean"  # or "max"


class VJepa2:
    """Encodes, Scores and Imagines with a transformers VJEPA2Model."""

    def __init__(self, card: Card, net: Any, device: torch.device, protocol: Protocol) -> None:
        self.card, self.net, self.device, self.protocol = card, net, device, protocol
        self.crop = int(net.config.crop_size)
        self.width = int(net.config.hidden_size)
        self.tokens = (self.crop // int(net.config.patch_size)) ** 2  # of a tubelet

    @torch.inference_mode()
    def encode(self, batch: list[Clip]) -> list[Prediction]:
        """Return normalised latents (T, tokens, D): windows are encoded by themselves, without overlap."""
        out = []
        for clip in batch:
            begun = time.perf_counter()
            told = self._encoded(self._seen(clip.frames)).float().cpu().numpy()
            out.append(Prediction(latents=told, seconds=time.perf_counter() - begun))
        return out

    @torch.inference_mode()
    def imagine(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return latents (horizon, tokens, D) foreseen from the last frames shown; seeds change nothing."""
        out = []
        for seen in batch:
            begun = time.perf_counter()
            shown = self._seen(seen.frames)
            # Tubelets end with the last frame shown, so that the first one foreseen begins after it.
            given = _even(shown[-self.protocol.window :], front=True)
            ahead = -(-seen.horizon // TUBELET)
            told = self.foreseen(given, ahead)
            told = F.layer_norm(told, (self.width,)).repeat_interleave(TUBELET, 0)[: seen.horizon]
            seconds = time.perf_counter() - begun
            out.append(Prediction(latents=told.float().cpu().numpy(), seconds=seconds))
        return out

    @torch.inference_mode()
    def score(self, batch: list[Clip]) -> list[Prediction]:
        """Return surprise (T,): a frame has that of the window that ends with it, NaN where none does."""
        out = []
        for clip in batch:
            begun = time.perf_counter()
            told = self._surprise(self._seen(clip.frames))
            out.append(Prediction(surprise=told, seconds=time.perf_counter() - begun))
        return out

    def foreseen(self, frames: Tensor, ahead: int) -> Tensor:
        """Return what the predictor says (ahead, tokens, D) of the tubelets after frames (C, 3, H, W)."""
        context = self.net.encoder(pixel_values_videos=frames[None]).last_hidden_state
        known = context.shape[1]
        places = torch.arange(known + ahead * self.tokens, device=self.device)[None]
        told: Tensor = self.net.predictor(
            encoder_hidden_states=context, context_mask=[places[:, :known]], target_mask=[places[:, known:]]
        ).last_hidden_state[0]
        return told.view(ahead, self.tokens, self.width)

    def target(self, frames: Tensor) -> Tensor:
        """Return the normalised latents (C / 2, tokens, D) of frames (C, 3, H, W), C even."""
        told = self.net.encoder(pixel_values_videos=frames[None]).last_hidden_state[0]
        told = F.layer_norm(told, (self.width,))
        return told.view(len(frames) // TUBELET, self.tokens, self.width)

    def _encoded(self, frames: Tensor) -> Tensor:
        size = self.protocol.window
        parts = [
            self.target(_even(part)).repeat_interleave(TUBELET, 0)[: len(part)]
            for part in torch.split(frames, size)
        ]
        return torch.cat(parts)

    def _surprise(self, frames: Tensor) -> Floats:
        asked = self.protocol
        out = np.full(len(frames), np.nan)
        least = min(asked.contexts) + TUBELET
        largest = -np.inf
        for end in range(least, len(frames) + 1, asked.stride):
            size = min(asked.window, end - end % TUBELET)
            window = frames[end - size : end]
            target = self.target(window)
            losses = []
            for shown in (c for c in asked.contexts if c < size):
                told = self.foreseen(window[:shown], (size - shown) // TUBELET)
                losses.append(float((told - target[shown // TUBELET :]).abs().mean()))
            loss = min(losses) if asked.reduce == "min" else float(np.mean(losses))
            largest = max(largest, loss)
            out[end - 1] = largest if asked.over == "max" else loss
        return out

    def _seen(self, frames: Any) -> Tensor:
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or not len(frames):
            raise UsageError(f"vjepa2 was given {frames.dtype} {frames.shape}; expected uint8 (T, H, W, 3)")
        return normalised(frames, self.crop).to(self.device, self.net.dtype)


def _even(frames: Tensor, *, front: bool = False) -> Tensor:
    """Return frames (T, ...) with one end doubled where T is odd."""
    if len(frames) % TUBELET == 0:
        return frames
    return torch.cat([frames[:1], frames] if front else [frames, frames[-1:]])


def protocol(options: Mapping[str, str]) -> Protocol:
    """Return the protocol that options ask for.

    Raises: UsageError naming the option that does not fit.
    """
    name = "vjepa2"
    window = whole(name, options, "window", 16, 4)
    stride = whole(name, options, "stride", 2)
    given = options.get("contexts", "2,4,6,8,10").split(",")
    contexts = tuple(int(c) for c in given if c.strip().isdigit())
    if window % 2 or len(contexts) != len(given) or any(c < 2 or c % 2 or c >= window for c in contexts):
        raise UsageError(
            f"{name} was given window={window}, contexts={','.join(given)}; expected even numbers, contexts "
            "from 2 on and below the window, since two frames make one tubelet"
        )
    for option, known in (("reduce", ("mean", "min")), ("over", ("mean", "max"))):
        if options.get(option, "mean") not in known:
            raise UsageError(f"{name} was given {option}={options[option]!r}; expected {' or '.join(known)}")
    return Protocol(window, stride, contexts, options.get("reduce", "mean"), options.get("over", "mean"))


def load(folder: Path, device: str, options: Mapping[str, str], card: Card) -> VJepa2:
    """Return the model in a folder; see `published.from_folder` for what is raised."""
    asked = protocol(options)
    at, dtype = where(card.name, device), number_format(card.name, options)
    net = from_folder(card.name, "VJEPA2Model", folder).to(at, dtype)
    if int(net.config.tubelet_size) != TUBELET:
        raise UsageError(f"{folder} has tubelets of {net.config.tubelet_size} frames; expected {TUBELET}")
    count = sum(p.numel() for p in net.parameters())
    return VJepa2(replace(card, version=folder.name, parameters=count), net, at, asked)
