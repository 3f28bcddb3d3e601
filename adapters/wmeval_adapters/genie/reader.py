"""What a token says, in plain words: which hue covers how much of its patch, and where in the patch.

FSQ digits are a hash of a patch; learning to read them beside learning to move bodies is slow. The reader
is fitted to the masks of the training clips first, is frozen, and is an input of the dynamics.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from wmeval_adapters.learn.clips import HUES

FINE = 4  # sub-blocks along each side of a patch
WORDS = HUES + FINE**2


class Reader(nn.Module):
    """Digits of tokens -> share of each hue in the patch (6) and of bodies in its sub-blocks (16)."""

    def __init__(self, digits: int, levels: int, width: int = 128) -> None:
        super().__init__()
        self.levels = levels
        self.net = nn.Sequential(
            nn.Linear(digits * levels, width), nn.GELU(), nn.Linear(width, width), nn.GELU(),
            nn.Linear(width, WORDS),
        )  # fmt: skip

    def forward(self, one_hot: Tensor) -> Tensor:
        """Return shares (..., 22) of one-hot digits (..., digits * levels); 0 for the empty patch."""
        centre = one_hot[..., self.levels // 2 :: self.levels]
        told: Tensor = self.net(one_hot) * ~(centre > 0).all(-1, keepdim=True)
        return told

    def one_hot(self, tokens: Tensor) -> Tensor:
        """Return one-hot digits (..., digits * levels), float, of tokens (..., digits)."""
        levels = torch.arange(self.levels, dtype=torch.uint8)
        return (tokens[..., None] == levels).flatten(-2).float()


def shown(bodies: NDArray[np.uint8], patch: int) -> Tensor:
    """Return what a reader should say (n, h, w, 22) of masks (n, H, W): 0 none, h + 1 = hue slot h."""
    mask = torch.from_numpy(np.array(bodies))
    hues = torch.stack([mask == h + 1 for h in range(HUES)], 1).float()
    share = F.avg_pool2d(hues, patch)
    fine = F.avg_pool2d((mask > 0).float()[:, None], patch // FINE)
    return torch.cat([share, F.pixel_unshuffle(fine, FINE)], 1).permute(0, 2, 3, 1)
