"""I-JEPA: features of single images."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wmeval.model import Card, Clip, Prediction
from wmeval_adapters.vjepa.pixels import normalised
from wmeval_adapters.vjepa.published import from_folder, number_format, where

IMAGES = 32  # at once


class IJepa:
    """Encodes with a transformers IJepaModel, each frame by itself."""

    def __init__(self, card: Card, net: Any, device: torch.device) -> None:
        self.card, self.net, self.device = card, net, device

    @torch.inference_mode()
    def encode(self, batch: list[Clip]) -> list[Prediction]:
        """Return the latents (T, tokens, D) of each clip."""
        out = []
        for clip in batch:
            begun = time.perf_counter()
            seen = normalised(clip.frames, int(self.net.config.image_size), whole=True)
            seen = seen.to(self.device, self.net.dtype)
            told: list[Tensor] = [
                self.net(pixel_values=s).last_hidden_state for s in torch.split(seen, IMAGES)
            ]
            latents = torch.cat(told).float().cpu().numpy()
            out.append(Prediction(latents=latents, seconds=time.perf_counter() - begun))
        return out


def load(folder: Path, device: str, options: Mapping[str, str], card: Card) -> IJepa:
    """Return the model in a folder; see `published.from_folder` for what is raised."""
    at = where(card.name, device)
    net = from_folder(card.name, "IJepaModel", folder).to(at, number_format(card.name, options))
    count = sum(p.numel() for p in net.parameters())
    return IJepa(replace(card, version=folder.name, parameters=count), net, at)
