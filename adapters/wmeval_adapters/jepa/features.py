"""What a slot shows: features of a glimpse, learnt by masked latent prediction.

The encoder sees glimpses of a body at a few times, with blocks painted over and one glimpse hidden whole; a
predictor says what an average of the encoder over the steps (the target, through which no gradient flows)
makes of the whole glimpses (Assran et al. 2023, Bardes et al. 2024). Variance and covariance of the features
are held to those of white noise, so that they cannot collapse (Bardes et al. 2022).
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wmeval_adapters.jepa.eye import LAYERS, SIDE

TIMES = 4  # glimpses of one body in a lesson
# Standard deviation of a feature in a latent: small, so that a readout with a penalty takes places from the
# moments first (on 240 clips .13 px from the centre instead of .18 with .5).
LIKE = 0.05


class Features(nn.Module):
    """Glimpses (n, 3, 16, 16) in [0, 1] -> features (n, width), about unit variance each."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(LAYERS, channels, 4, 2, 1)
        self.second = nn.Conv2d(channels, 2 * channels, 3, 2, 1)
        self.third = nn.Linear(2 * channels * (SIDE // 4) ** 2, 96)
        self.last = nn.Linear(96, width)

    def forward(self, glimpses: Tensor) -> Tensor:
        """Return the features of glimpses."""
        seen = F.silu(self.second(F.silu(self.first(glimpses - 0.5))))
        return cast(Tensor, self.last(F.silu(self.third(seen.flatten(1)))))


class Masked(nn.Module):
    """The encoder that learns, its average, and the predictor between them."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.online = Features(width, channels)
        self.target = Features(width, channels).requires_grad_(False)
        self.target.load_state_dict(self.online.state_dict())
        self.predictor = nn.Sequential(
            nn.Linear(TIMES * (width + 3), 256), nn.SiLU(), nn.Linear(256, TIMES * width)
        )

    def forward(self, glimpses: Tensor, masks: Tensor, places: Tensor, hidden: Tensor) -> Tensor:
        """Return predicted features (n, TIMES, width) of glimpses (n, TIMES, 3, 16, 16).

        `masks` (n, TIMES, 1, 16, 16) is 0 where painted over, `places` (n, TIMES, 2) where the glimpses
        are, `hidden` (n, TIMES) which are not shown at all.
        """
        painted = torch.where(masks > 0, glimpses, torch.full_like(glimpses, 0.5))
        seen = self.online(painted.flatten(0, 1)).view(*hidden.shape, -1)
        seen = seen * (~hidden)[..., None]
        given = torch.cat([seen, places, hidden[..., None].float()], -1)
        told: Tensor = self.predictor(given.flatten(1))
        return told.view(*hidden.shape, -1)

    @torch.no_grad()
    def follow(self, share: float) -> None:
        """Move the target towards the encoder: it keeps `share` of itself."""
        for own, new in zip(self.target.parameters(), self.online.parameters(), strict=True):
            own.lerp_(new, 1 - share)

    @torch.no_grad()
    def whole(self, glimpses: Tensor) -> Tensor:
        """Return what the target makes of whole glimpses (n, TIMES, 3, 16, 16): (n, TIMES, width)."""
        told: Tensor = self.target(glimpses.flatten(0, 1))
        return told.view(*glimpses.shape[:2], -1)


def spread_loss(features: Tensor) -> Tensor:
    """Return how far features (n, width) are from unit variance and no covariance: 0 for white noise."""
    centred = features - features.mean(0)
    cov = centred.T @ centred / (len(features) - 1)
    variance = torch.diagonal(cov)
    off = cov - torch.diag_embed(variance)
    # The square root makes a vanishing variance pull with full strength.
    short = F.relu(1 - torch.sqrt(variance + 1e-4)).mean()
    return short + (off**2).sum() / features.shape[1]


def blocks(count: int, generator: torch.Generator) -> Tensor:
    """Return masks (count, 1, 16, 16), 0 in a random rectangle of a quarter to three quarters of a side."""
    size = torch.randint(SIDE // 4, 3 * SIDE // 4 + 1, (count, 2), generator=generator)
    corner = (torch.rand(count, 2, generator=generator) * (SIDE - size + 1)).long()
    line = torch.arange(SIDE)
    inside = (line >= corner[..., None]) & (line < (corner + size)[..., None])
    return 1 - (inside[:, 0, :, None] & inside[:, 1, None, :])[:, None].float()
