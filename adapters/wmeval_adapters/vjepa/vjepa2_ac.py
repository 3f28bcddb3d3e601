"""V-JEPA 2-AC behind the boundary: frames encoded one by one, foreseen one by one under actions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wmeval.errors import EnvironmentFault, UsageError
from wmeval.model import Card, Clip, Observation, Prediction
from wmeval_adapters.vjepa import raw
from wmeval_adapters.vjepa.ac import ActionPredictor
from wmeval_adapters.vjepa.gripper import SIZE, motions, poses
from wmeval_adapters.vjepa.pixels import normalised
from wmeval_adapters.vjepa.published import dictionary, fill, number_format, stripped, where, whole

IMAGES = 8  # encoded at once


class VJepa2AC:
    """Encodes, Scores and Imagines with an encoder and an ActionPredictor."""

    def __init__(
        self, card: Card, encoder: Any, predictor: ActionPredictor, device: torch.device, crop: int, *,
        frames: int = 8, metres: float = 0.001,
    ) -> None:  # fmt: skip
        self.card, self.encoder, self.predictor, self.device = card, encoder, predictor, device
        self.crop, self.frames, self.metres = crop, frames, metres

    @torch.inference_mode()
    def encode(self, batch: list[Clip]) -> list[Prediction]:
        """Return normalised latents (T, tokens, D), each frame doubled and encoded by itself."""
        out = []
        for clip in batch:
            begun = time.perf_counter()
            told = self._encoded(clip.frames).float().cpu().numpy()
            out.append(Prediction(latents=told, seconds=time.perf_counter() - begun))
        return out

    @torch.inference_mode()
    def imagine(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return latents (horizon, tokens, D), each step fed with the last one; seeds change nothing."""
        out = []
        for seen in batch:
            begun = time.perf_counter()
            shown = len(seen.frames)
            steps, states = self._steered(seen)
            latents = list(self._encoded(seen.frames[-self.frames :]))
            first = shown - len(latents)
            for t in range(shown, shown + seen.horizon):
                told = self._next(latents[max(0, t - self.frames - first) :], steps, states, t)
                latents.append(told)
            ahead = torch.stack(latents[shown - first :]).float().cpu().numpy()
            out.append(Prediction(latents=ahead, seconds=time.perf_counter() - begun))
        return out

    @torch.inference_mode()
    def score(self, batch: list[Clip]) -> list[Prediction]:
        """Return the mean absolute error (T,) of each frame's latents given those before; NaN at first."""
        out = []
        for clip in batch:
            begun = time.perf_counter()
            latents = self._encoded(clip.frames)
            steps, states = self._steered(clip)
            told = np.full(len(latents), np.nan)
            for t in range(1, len(latents)):
                foreseen = self._next(list(latents[max(0, t - self.frames) : t]), steps, states, t)
                told[t] = float((foreseen - latents[t]).abs().mean())
            out.append(Prediction(surprise=told, seconds=time.perf_counter() - begun))
        return out

    def _next(self, latents: list[Tensor], steps: Tensor, states: Tensor, t: int) -> Tensor:
        """Return the normalised latents (tokens, D) of frame t from those (tokens, D) right before it."""
        span = slice(t - len(latents), t)
        told = self.predictor(torch.stack(latents)[None], steps[None, span], states[None, span])[0, -1]
        return F.layer_norm(told, (told.shape[-1],))

    def _steered(self, asked: Clip | Observation) -> tuple[Tensor, Tensor]:
        """Return native actions (n, 7) and the states (n + 1, 7) around them."""
        if asked.native and asked.actions.shape[-1] != SIZE:
            raise UsageError(
                f"vjepa2-ac was given actions {asked.actions.shape} of its own world; expected (n, {SIZE}): "
                "xyz [m], euler angles [rad], gripper"
            )
        steps = asked.actions if asked.native else motions(asked.actions, asked.fps, self.metres)
        dtype = self.predictor.predictor_proj.weight.dtype
        told = (torch.from_numpy(x).to(self.device, dtype) for x in (steps, poses(steps)))
        return next(told), next(told)

    def _encoded(self, frames: Any) -> Tensor:
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or not len(frames):
            raise UsageError(
                f"vjepa2-ac was given {frames.dtype} {frames.shape}; expected uint8 (T, H, W, 3)"
            )
        dtype = self.predictor.predictor_proj.weight.dtype
        seen = normalised(frames, self.crop, whole=True).to(self.device, dtype)
        parts = [
            self.encoder(pixel_values_videos=s[:, None].repeat(1, 2, 1, 1, 1)).last_hidden_state
            for s in torch.split(seen, IMAGES)
        ]
        told = torch.cat(parts)
        return F.layer_norm(told, (told.shape[-1],))


def load(path: Path, device: str, options: Mapping[str, str], card: Card) -> VJepa2AC:
    """Return the model of a published .pt file.

    Raises: EnvironmentFault without transformers, UsageError when file or options do not fit.
    """
    at, dtype = where(card.name, device), number_format(card.name, options)
    crop, frames = whole(card.name, options, "crop", 256, 16), whole(card.name, options, "frames", 8)
    try:
        metres = float(options.get("metres", "0.001"))
    except ValueError as fault:
        raise UsageError(f"{card.name} was given metres={options['metres']!r}; expected a number") from fault
    eye_heads, own_heads = _heads(card.name, options)
    held = dictionary(path)
    if "encoder" not in held or "predictor" not in held:
        raise UsageError(
            f"{path} holds {', '.join(list(map(str, held))[:6])}; expected 'encoder' and 'predictor'"
        )
    seeing, foreseeing = stripped(held["encoder"]), stripped(held["predictor"])
    config = raw.encoder_config(seeing, crop, eye_heads)
    try:
        encoder = raw.encoder_on_meta(config)
    except ImportError as fault:
        raise EnvironmentFault("vjepa2-ac needs transformers: pip install 'wmeval[foundation]'") from fault
    fill(encoder, raw.renamed(seeing), path)
    with torch.device("meta"):
        predictor = ActionPredictor(raw.sizes(foreseeing, crop // config["patch_size"], own_heads))
    fill(predictor, foreseeing, path)
    encoder, predictor = encoder.to(at, dtype).eval(), predictor.to(at, dtype).eval()
    count = sum(p.numel() for m in (encoder, predictor) for p in m.parameters())
    known = replace(card, version=path.stem, parameters=count)
    return VJepa2AC(known, encoder, predictor, at, crop, frames=frames, metres=metres)


def _heads(name: str, options: Mapping[str, str]) -> tuple[int | None, int | None]:
    if "heads" not in options:
        return None, None
    told = options["heads"].split(",")
    if len(told) != 2 or not all(t.isdigit() and int(t) for t in told):
        raise UsageError(f"{name} was given heads={options['heads']!r}; expected two numbers, as in 22,16")
    return int(told[0]), int(told[1])
