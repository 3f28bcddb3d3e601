"""Frames -> places and glimpses: where each hue is seen, and a small picture of what is there.

Where a slot is, is written (moments of six opponent colours, as linear-latent has them: a spatial softmax
gives such keypoints where channels are learnt, Finn et al. 2016). What is there is learnt from the glimpse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wmeval.model import Frames
from wmeval_adapters.linear_latent import eye as written

HUES = written.HUES
PLACE = written.WIDTH
THERE = written.THERE
U, V, BRIGHT_U, BRIGHT_V = (written.NAMES.index(n) for n in ("u", "v", "bright u", "bright v"))
CLOSER = 8.0  # times, for what is told relative to the centre
SIDE = 16  # px, of a glimpse
LAYERS = 3  # of a glimpse: this hue, every other hue, brightness
# What a mirror turns around.
MIRROR = np.array([-1.0 if n in ("u", "skew u", "lean u", "bright u") else 1.0 for n in written.NAMES])


@dataclass(frozen=True)
class Sight:
    """What the eye makes of T frames; glimpses are of the slots that are in view, in order of time."""

    places: NDArray[np.float32]  # (T, 6, 13), zeros where a hue is not in view; brightness from the centre
    glimpses: NDArray[np.uint8]  # (n, 3, 16, 16)


def sight(frames: Frames) -> Sight:
    """Return what the eye makes of frames (T, H, W, 3), each frame by itself."""
    places = written.tokens(frames)
    mask = np.minimum(written.channels(frames) / written.FULL, 1.0)
    bright = frames.mean(axis=-1) / 255
    at = np.argwhere(places[..., THERE] > 0)
    height, width = frames.shape[1:3]
    half = SIDE // 2
    room = ((0, 0), (half, half), (half, half))
    every, total = np.pad(mask, ((0, 0), *room)), np.pad(mask.max(axis=1), room)
    grey = np.pad(bright, room)
    out = np.zeros((len(at), LAYERS, SIDE, SIDE), np.uint8)
    for i, (t, k) in enumerate(at):
        u = int(np.clip(np.rint((places[t, k, 0] + 1) * width / 2), 0, width))
        v = int(np.clip(np.rint((places[t, k, 1] + 1) * height / 2), 0, height))
        box = (slice(v, v + SIDE), slice(u, u + SIDE))
        own = every[t, k][box]
        layers = np.stack([own, np.where(own > 0, 0, total[t][box]), grey[t][box]])
        out[i] = np.rint(255 * np.clip(layers, 0, 1))
    # So everything but u and v stays as it is when a body moves, and a readout loses nothing.
    for centre, bright in ((U, BRIGHT_U), (V, BRIGHT_V)):
        places[..., bright] = CLOSER * (places[..., bright] - places[..., centre])
    return Sight(places, out)


def pictures(glimpses: NDArray[np.uint8]) -> Tensor:
    """Return glimpses (n, 3, 16, 16) as float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(glimpses)).float() / 255
