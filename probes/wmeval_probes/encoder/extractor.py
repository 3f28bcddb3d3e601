"""The trained encoder as features of clips, and as layers of frames.

A clip is read in windows of 8 frames every 4 (the last one ends with the clip); their vectors are averaged
and each number divided by its standard deviation over the training split. Frames are taken to be 0.1 s apart
and are shrunk or stretched to 64 x 64 px first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from wmeval.errors import EnvironmentFault, UsageError
from wmeval_probes.encoder.network import CLIP, SIZE, WINDOW, Encoder, Told

SHIPPED = Path(__file__).parent / "weights" / "wmeval-enc.safetensors"
STRIDE = 4  # frames between windows
AT_ONCE = 128  # frames through the convolutions at a time
LIMIT = 20_000_000  # bytes: no weights of this network are larger


def starts(frames: int) -> list[int]:
    """Return where the windows of a clip begin.

    >>> starts(8), starts(17)
    ([0], [0, 4, 8, 9])
    """
    last = frames - WINDOW
    return sorted({*range(0, last + 1, STRIDE), last})


class VideoEncoder:
    """Features of clips by the trained network; a `wmeval.metric.LayeredFeatures`."""

    min_frames = WINDOW

    def __init__(
        self, network: Encoder, mean: Tensor, sd: Tensor, scales: Sequence[float], digest: str
    ) -> None:
        self.network, self.mean, self.sd = network.eval(), mean.double(), sd.double()
        self.scales, self.digest = tuple(scales), digest

    @property
    def name(self) -> str:
        """Extractor and first 8 hex digits of its weights."""
        return f"wmeval-enc:{self.digest[:8]}"

    def __call__(self, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return features (128,) of a clip (T, H, W, 3), T >= 8.

        Raises:
            ValueError: the clip is shorter than a window.
        """
        told = self.windows(frames)
        return np.asarray(((told.clip.double().mean(0) - self.mean) / self.sd).numpy())

    def windows(self, frames: NDArray[np.uint8]) -> Told:
        """Return what is told of each window of a clip (T, H, W, 3); without `maps` and `occupancy`."""
        if len(frames) < WINDOW:
            raise ValueError(f"a clip of {len(frames)} frames was given; wmeval-enc needs {WINDOW}")
        network = self.network
        with torch.inference_mode():
            parts = [
                network.tokens(network.maps(x), len(x)) for x in torch.split(_shrunk(frames), AT_ONCE)
            ]  # of frames one by one, shared by the windows that hold them
            token, place, whole = (torch.cat([p[i][0] for p in parts]) for i in range(3))
            at = torch.tensor(starts(len(frames)))[:, None] + torch.arange(WINDOW)
            state, clip = network.tell(token[at], place[at], whole[at])
            recalled, worn = network.remember(clip)
        return Told((), torch.empty(0), state, clip, recalled, worn)

    def layers(self, frames: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Return the layers (T, C, h, w) at 32, 16 and 8 px of frames (T, H, W, 3), one by one."""
        with torch.inference_mode():
            maps = [self.network.maps(x) for x in torch.split(_shrunk(frames), AT_ONCE)]
        return [torch.cat([m[i] for m in maps]).contiguous().numpy() for i in range(3)]


def _shrunk(frames: NDArray[np.uint8]) -> Tensor:
    x = torch.from_numpy(np.ascontiguousarray(np.moveaxis(frames, -1, 1))).float() / 255
    if x.shape[-2:] != (SIZE, SIZE):
        x = F.interpolate(x, (SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)
    return x


def open_encoder(weights: Path | None = None) -> VideoEncoder:
    """Return the encoder of a safetensors file, or the shipped one.

    Raises:
        EnvironmentFault: the file is absent.
        UsageError: the file is not one of this network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = weights or SHIPPED
    if not path.is_file():
        raise EnvironmentFault(
            f"the weights of wmeval-enc are not at {path}; a complete installation has them, and "
            "`wmeval train --features wmeval-enc --out FOLDER` makes them"
        )
    if path.stat().st_size > LIMIT:
        raise UsageError(
            f"{path} has {path.stat().st_size} bytes; weights of wmeval-enc have at most {LIMIT}"
        )
    raw = path.read_bytes()
    network = Encoder()
    try:
        state: dict[str, Any] = {k: v.float() for k, v in load(raw).items()}
        mean, sd, scales = (state.pop(k) for k in ("feature_mean", "feature_sd", "layer_scales"))
        network.load_state_dict(state, strict=False)
        lacking = {k for k in network.state_dict() if "num_batches" not in k} ^ set(state)
        if lacking or mean.shape != (CLIP,) or sd.shape != (CLIP,):
            raise KeyError(", ".join(sorted(lacking)) or "feature_mean")
    except (SafetensorError, KeyError, RuntimeError) as err:
        raise UsageError(f"{path} does not hold weights of wmeval-enc ({err})") from err
    return VideoEncoder(network, mean, sd, scales.tolist(), hashlib.sha256(raw).hexdigest())
