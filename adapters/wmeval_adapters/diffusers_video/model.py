"""Any pipeline of diffusers behind the boundary: uint8 frames and a caption in, uint8 frames out."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wmeval.model import Card, Frames, Observation, Prediction, Status
from wmeval_adapters.diffusers_video.asking import Asked, asked
from wmeval_adapters.diffusers_video.settings import Settings

REFUSED = "Guardrail"  # in what diffusers raises when a guardrail says no


class PipelineModel:
    """Generates: one call of the pipeline a sample, seeded by the sample's own generator."""

    def __init__(self, card: Card, pipe: Any, settings: Settings, call: dict[str, Any], device: str) -> None:
        self.card = card
        self.pipe = pipe
        self.settings = settings
        self.call = call  # typed keywords of the user
        self.device = torch.device(device)

    def generate(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return `horizon` frames (horizon, H, W, 3) per observation, each asked by itself."""
        return [self._continued(o, s) for o, s in zip(batch, seeds, strict=True)]

    def _continued(self, seen: Observation, seed: int) -> Prediction:
        begun = time.perf_counter()
        one = asked(self.settings, seen)
        keywords: dict[str, Any] = {**self.call, **one.keywords, "output_type": "np"}
        if self.settings.profile.text:
            keywords["prompt"] = seen.caption if self.settings.prompt is None else self.settings.prompt
        seed %= 1 << 63
        devices = [self.device] if self.device.type == "cuda" else []
        try:
            # some pipelines draw from the global state: it is the sample's inside, and untouched outside
            with torch.random.fork_rng(devices=devices), torch.no_grad():
                torch.manual_seed(seed)
                told = self.pipe(generator=torch.Generator().manual_seed(seed), **keywords)
        except ValueError as fault:
            if REFUSED in str(fault):
                return Prediction(status=Status("refused", str(fault)))
            raise
        video = _video(told)
        spent = time.perf_counter() - begun
        wrong = _wrong(video, seen, one)
        if wrong:
            return Prediction(status=Status("failed", wrong), seconds=spent)
        frames: Frames = np.rint(video * 255).clip(0, 255).astype(np.uint8)
        ahead = np.ascontiguousarray(frames[one.reproduced : one.reproduced + seen.horizon])
        return Prediction(frames=ahead, status=Status("ok", _left_out(frames, seen, one)), seconds=spent)


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio [dB] of two videos of one shape; 99 where they are equal."""
    error = float(np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2))
    return 99.0 if error == 0 else min(99.0, 10 * float(np.log10(255**2 / error)))


def _video(told: Any) -> NDArray[np.floating[Any]]:
    """Return frames (T, H, W, 3) in [0, 1] of what a pipeline returned."""
    frames = np.asarray(told.frames if hasattr(told, "frames") else told.video)
    return frames[0] if frames.ndim == 5 else frames


def _wrong(video: NDArray[np.floating[Any]], seen: Observation, one: Asked) -> str:
    """Return in words what is wrong with a video, or nothing."""
    size = (*seen.frames.shape[1:],)
    if video.ndim != 4 or video.shape[1:] != size:
        return f"the pipeline returned {video.shape}; expected frames of {size}"
    if len(video) != one.length:
        return (
            f"the pipeline returned {len(video)} frames where {one.length} were expected, so it cannot be "
            "told which of them is when"
        )
    if len(video) < one.reproduced + seen.horizon:
        return (
            f"of the {len(video)} frames that the pipeline returned {one.reproduced} are the context again; "
            f"expected {seen.horizon} new ones"
        )
    if not np.isfinite(video).all():
        return "the pipeline returned NaN or infinite values"
    return ""


def _left_out(frames: Frames, seen: Observation, one: Asked) -> str:
    """Return how well the frames that are left out reproduce the context."""
    last = min(one.reproduced, one.shown)
    if not last:
        return ""
    told = psnr(frames[one.reproduced - last : one.reproduced], seen.frames[-last:])
    first = f"the first {one.reproduced} of {len(frames)} frames"
    return f"{first} are the context again ({told:.1f} dB) and left out"
