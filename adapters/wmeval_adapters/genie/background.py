"""What stands still: for every frame, the last colourless thing seen at each pixel up to then.

Statics are grey and bodies have a hue, so a pixel that shows no hue shows the background. Using the last
value (and not a mean) keeps a screen that moves where it was last seen, and makes every frame's background
depend on its past alone.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CHROMA = 25  # spread of RGB (of 255) above which a pixel shows a body


def hued(frames: Tensor) -> Tensor:
    """Return where frames (..., 3, H, W) uint8 show a hue: bool (..., H, W)."""
    return (frames.amax(-3) - frames.amin(-3)) > CHROMA


def grown(mask: Tensor) -> Tensor:
    """Return a mask (..., H, W) with one pixel more on every side."""
    wide = mask.clone()
    wide[..., 1:, :] |= mask[..., :-1, :]
    wide[..., :-1, :] |= mask[..., 1:, :]
    out = wide.clone()
    out[..., 1:] |= wide[..., :-1]
    out[..., :-1] |= wide[..., 1:]
    return out


def _filled(values: Tensor, known: Tensor) -> Tensor:
    """Return values (N, 3, H, W) with unknown pixels taken from the nearest known surroundings."""
    if min(values.shape[-2:]) < 2:
        return values
    share = F.avg_pool2d(known, 2)
    coarse = F.avg_pool2d(values * known, 2) / share.clamp(min=1e-6)
    coarse = _filled(coarse, (share > 0).to(values.dtype))
    return torch.where(known > 0, values, F.interpolate(coarse, scale_factor=2.0, mode="nearest"))


def running(frames: Tensor) -> Tensor:
    """Return the background of each frame: (B, T, 3, H, W) uint8, from frames of the same shape.

    Entry t depends on frames up to t only. Pixels that have shown nothing but bodies are filled from
    around them. H and W must be powers of two.
    """
    # Edges of bodies are mixed with what is behind them and look nearly grey: one pixel of margin.
    known = ~grown(hued(frames))[:, :, None]
    value, seen = frames[:, 0].clone(), torch.zeros_like(known[:, 0])
    out = []
    for t in range(frames.shape[1]):
        value = torch.where(known[:, t], frames[:, t], value)
        now = seen | known[:, t]
        fresh = (now != seen).flatten(1).any(1) & ~now.flatten(1).all(1)
        seen = now
        if bool(fresh.any()):
            guess = _filled(value[fresh].float(), seen[fresh].float()).round().to(torch.uint8)
            value[fresh] = torch.where(seen[fresh], value[fresh], guess)
        out.append(value)
    return torch.stack(out, 1)
