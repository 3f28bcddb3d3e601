"""The space-time transformer of tinyworlds: attention in a frame, causal attention over time, a gated MLP.

Names are those of the published checkpoints. Every sublayer is normalised after its residual: by a root mean
square, or, where there is a condition, by a layer norm that the condition scales and shifts (FiLM). Positions
are sines: two thirds of the width for the place in the frame, the last third for the time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-5


@dataclass(frozen=True)
class Layout:
    """Sizes of one transformer and of the frames that it sees."""

    frame: int  # px a side
    patch: int  # px a side
    width: int
    heads: int
    hidden: int  # of the gated MLP: two thirds of what its configuration says
    blocks: int

    @property
    def side(self) -> int:
        """Patches along a side of a frame."""
        return self.frame // self.patch


def sines(count: int, width: int) -> Tensor:
    """Return sines and cosines of 0 .. count - 1, interleaved, (count, width); Vaswani et al. 2017, 3.5."""
    rates = 10000.0 ** (torch.arange(0, width, 2, dtype=torch.float32) / max(width, 1))
    angles = torch.arange(count, dtype=torch.float32)[:, None] / rates
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


def shares(width: int) -> tuple[int, int, int]:
    """Return how much of the width tells x, y and time.

    >>> shares(32)
    (10, 12, 10)
    """
    time = width // 3 // 2 * 2
    x = (width - time) // 2 // 2 * 2
    return x, width - time - x, time


def places(layout: Layout) -> Tensor:
    """Return where each patch is, (P, width), rows first; zeros where the time will be."""
    x, y, time = shares(layout.width)
    side = layout.side
    across = sines(side, x)[None].expand(side, side, x)
    down = sines(side, y)[:, None].expand(side, side, y)
    return torch.cat([across, down, torch.zeros(side, side, time)], -1).flatten(0, 1)


class RootMeanSquare(nn.Module):
    """Scales to a root mean square that is learnt."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Return x (..., width) scaled."""
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPS) * self.weight


class Norm(nn.Module):
    """A root mean square without a condition; with one, a layer norm under FiLM."""

    def __init__(self, width: int, condition: int | None) -> None:
        super().__init__()
        self.width = width
        if condition is None:
            self.rms = RootMeanSquare(width)
        else:
            self.to_gamma_beta = nn.Sequential(nn.SiLU(), nn.Linear(condition, 2 * width))

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        """Return x (B, T, P, width); a condition (B, T - 1, C) acts on all frames but the first.

        A condition (B, T, C) acts on all.
        """
        if condition is None:
            if hasattr(self, "rms"):
                return self.rms(x)  # type: ignore[no-any-return]
            return F.layer_norm(x, (self.width,), eps=EPS)
        told = self.to_gamma_beta(condition)
        if told.shape[1] == x.shape[1] - 1:
            # After the map and not before it, so that its bias spares the first frame as well.
            told = F.pad(told, (0, 0, 1, 0))
        gamma, beta = told[:, :, None].chunk(2, -1)
        shaped: Tensor = F.layer_norm(x, (self.width,), eps=EPS) * (1 + gamma) + beta
        return shaped


class Attention(nn.Module):
    """Attention within frames, or over time at each place and then causal."""

    def __init__(self, layout: Layout, condition: int | None, *, over_time: bool) -> None:
        super().__init__()
        width = layout.width
        self.heads, self.over_time = layout.heads, over_time
        self.q_proj, self.k_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.v_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.norm = Norm(width, condition)

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        """Return x (B, T, P, width) after attention, residual and norm."""
        asked = x.transpose(1, 2) if self.over_time else x
        q, k, v = (
            p(asked).unflatten(-1, (self.heads, -1)).transpose(-3, -2)
            for p in (self.q_proj, self.k_proj, self.v_proj)
        )
        told = F.scaled_dot_product_attention(q, k, v, is_causal=self.over_time)
        told = self.out_proj(told.transpose(-3, -2).flatten(-2))
        shaped: Tensor = self.norm(x + (told.transpose(1, 2) if self.over_time else told), condition)
        return shaped


class GatedMLP(nn.Module):
    """SwiGLU (Shazeer 2020) after which comes the norm."""

    def __init__(self, layout: Layout, condition: int | None) -> None:
        super().__init__()
        self.w_v = nn.Linear(layout.width, layout.hidden)
        self.w_g = nn.Linear(layout.width, layout.hidden)
        self.w_o = nn.Linear(layout.hidden, layout.width)
        self.norm = Norm(layout.width, condition)

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        """Return x (B, T, P, width) after the MLP, residual and norm."""
        shaped: Tensor = self.norm(x + self.w_o(F.silu(self.w_v(x)) * self.w_g(x)), condition)
        return shaped


class Block(nn.Module):
    """Space, then time, then the MLP."""

    def __init__(self, layout: Layout, condition: int | None) -> None:
        super().__init__()
        self.spatial_attn = Attention(layout, condition, over_time=False)
        self.temporal_attn = Attention(layout, condition, over_time=True)
        self.ffn = GatedMLP(layout, condition)

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        """Return x (B, T, P, width)."""
        for part in (self.spatial_attn, self.temporal_attn, self.ffn):
            x = part(x, condition)
        return x


class Transformer(nn.Module):
    """Blocks after the time was added; nothing later in time reaches a frame."""

    def __init__(self, layout: Layout, condition: int | None = None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(layout, condition) for _ in range(layout.blocks))
        self.time = shares(layout.width)[2]

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return x (B, T, P, width) under a condition (B, T - 1 or T, C)."""
        times = F.pad(sines(x.shape[1], self.time), (x.shape[-1] - self.time, 0))
        x = x + times.to(x)[:, None]
        for block in self.blocks:
            x = block(x, condition)
        return x
