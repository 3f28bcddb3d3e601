"""Frames -> what the encoders expect: resized, cropped, normalised as ImageNet's images are."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wmeval.model import Frames

MEAN = (0.485, 0.456, 0.406)
SPREAD = (0.229, 0.224, 0.225)
ROOM = 256 / 224  # of the shorter side to the crop


def normalised(frames: Frames, crop: int, *, whole: bool = False) -> Tensor:
    """Return frames (T, H, W, 3) uint8 as (T, 3, crop, crop).

    The shorter side is resized to crop * 256 / 224 and the middle is cut out; `whole` resizes everything to
    the crop instead.

    >>> normalised(np.zeros((2, 64, 48, 3), np.uint8), 32).shape
    torch.Size([2, 3, 32, 32])
    """
    given = torch.from_numpy(np.array(frames)).movedim(-1, 1).float()
    height, width = given.shape[-2:]
    if whole:
        size = (crop, crop)
    else:
        short = int(crop * ROOM)
        scale = short / min(height, width)
        size = (max(short, round(height * scale)), max(short, round(width * scale)))
    sized = F.interpolate(given, size, mode="bilinear", align_corners=False, antialias=True)
    # Pixels are whole numbers again after a resize, as they are in an image.
    sized = sized.round().clamp(0, 255) / 255
    top, left = (sized.shape[-2] - crop) // 2, (sized.shape[-1] - crop) // 2
    cut = sized[..., top : top + crop, left : left + crop]
    mean, spread = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, SPREAD))
    return (cut - mean) / spread
