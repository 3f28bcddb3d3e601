"""DIAMOND's model of reward and end of an episode: an encoder of two frames and an action, and an LSTM."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wmeval_adapters.diamond.unet import Down, Residuals, Shape

REWARDS = (-1.0, 0.0, 1.0)  # signs of rewards, in the order of their logits

Carried = tuple[Tensor, Tensor]  # what the LSTM carries: h, c, each (1, B, width)


class Encoder(nn.Module):
    """Pictures halved once a level."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        c = shape.channels
        self.conv_in = nn.Conv2d(6, c[0], 3, padding=1)
        levels = [
            Residuals([c[max(i - 1, 0)], *[c[i]] * (n - 1)], [c[i]] * n, shape.condition, shape.attention[i])
            for i, n in enumerate(shape.depths)
        ]
        self.blocks = nn.ModuleList([*levels, Residuals([c[-1]] * 2, [c[-1]] * 2, shape.condition, True)])
        downs = [Down(c[i - 1]) for i in range(1, len(c))]
        self.downsamples = nn.ModuleList([nn.Identity(), *downs, nn.Identity()])

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return (B, C, H', W')."""
        x = self.conv_in(x)
        for block, down in zip(self.blocks, self.downsamples, strict=True):
            x, _ = block(down(x), condition)
        return x


class RewardEnd(nn.Module):
    """Tells along a video how likely each reward and the end are."""

    def __init__(self, shape: Shape, actions: int, size: int, width: int) -> None:
        super().__init__()
        self.encoder = Encoder(shape)
        self.act_emb = nn.Embedding(actions, shape.condition)
        side = size // 2 ** (len(shape.channels) - 1)
        self.lstm = nn.LSTM(shape.channels[-1] * side**2, width, batch_first=True)
        self.head = nn.Sequential(
            nn.Linear(width, width), nn.SiLU(), nn.Linear(width, len(REWARDS) + 2, bias=False)
        )

    def forward(
        self, frames: Tensor, actions: Tensor, after: Tensor, carried: Carried | None = None
    ) -> tuple[Tensor, Tensor, Carried]:
        """Return logits of rewards (B, T, 3) and of the end (B, T, 2), and what the LSTM carries on.

        `frames` and `after` (B, T, 3, H, W) are in [-1, 1]; `actions` (B, T) lead from one to the other.
        """
        batch, length = actions.shape
        both = torch.cat([frames, after], 2).flatten(0, 1)
        x = self.encoder(both, self.act_emb(actions.flatten()))
        told, carried = self.lstm(x.reshape(batch, length, -1), carried)
        logits = self.head(told)
        return logits[..., : len(REWARDS)], logits[..., len(REWARDS) :], carried


def expected(rewards: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """Return expected signs of rewards and probabilities of the end, of logits (..., 3) and (..., 2)."""
    signs = torch.tensor(REWARDS)
    return rewards.softmax(-1) @ signs, ends.softmax(-1)[..., 1]
