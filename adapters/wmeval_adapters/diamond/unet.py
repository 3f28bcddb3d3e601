"""The U-Net of DIAMOND's published checkpoints, under the names that its tensors have there.

Alonso et al. 2024 (arXiv 2405.12399). Group norms get gain and shift from a condition; decoder blocks stand
in the order in which they are used (deepest first) and have one residual block more than encoder blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUP = 32  # channels a group
HEAD = 8  # channels an attention head
EPS = 1e-5


@dataclass(frozen=True)
class Shape:
    """Sizes of a U-Net; one entry a level, finest first."""

    condition: int
    depths: tuple[int, ...]
    channels: tuple[int, ...]
    attention: tuple[bool, ...]


def _groups(channels: int) -> int:
    return max(1, channels // GROUP)


class Norm(nn.Module):
    """A group norm with gain and shift of its own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_groups(channels), channels, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Return x normalised."""
        out: Tensor = self.norm(x)
        return out


class ConditionedNorm(nn.Module):
    """A group norm whose gain (around 1) and shift are linear in the condition."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.groups = _groups(channels)
        self.linear = nn.Linear(condition, 2 * channels)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return x (B, C, H, W) normalised under a condition (B, condition)."""
        gain, shift = self.linear(condition)[:, :, None, None].chunk(2, 1)
        out: Tensor = F.group_norm(x, self.groups, eps=EPS) * (1 + gain) + shift
        return out


class Attention(nn.Module):
    """Self-attention over the pixels of a picture, added to it.

    Written out: the fused kernel is slower on CPUs at these lengths. Channels of queries, keys and values are
    laid out as `3 heads` groups, all queries first.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = max(1, channels // HEAD)
        self.norm = Norm(channels)
        self.qkv_proj = nn.Conv2d(channels, 3 * channels, 1)
        self.out_proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W)."""
        batch, channels, height, width = x.shape
        qkv = self.qkv_proj(self.norm(x))
        qkv = qkv.reshape(batch, 3 * self.heads, channels // self.heads, height * width).transpose(2, 3)
        q, k, v = qkv.chunk(3, 1)
        weight = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1)
        told = (weight @ v).transpose(2, 3).reshape(batch, channels, height, width)
        out: Tensor = x + self.out_proj(told)
        return out


class Residual(nn.Module):
    """Two convolutions beside a shortcut, then attention where there is some."""

    def __init__(self, into: int, out: int, condition: int, attention: bool) -> None:
        super().__init__()
        self.proj = nn.Conv2d(into, out, 1) if into != out else nn.Identity()
        self.norm1 = ConditionedNorm(into, condition)
        self.conv1 = nn.Conv2d(into, out, 3, padding=1)
        self.norm2 = ConditionedNorm(out, condition)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.attn = Attention(out) if attention else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return (B, out, H, W)."""
        y = self.conv1(F.silu(self.norm1(x, condition)))
        y = self.conv2(F.silu(self.norm2(y, condition)))
        told: Tensor = self.attn(y + self.proj(x))
        return told


class Residuals(nn.Module):
    """Residual blocks in a row, each fed what a skip connection brings."""

    def __init__(self, into: Sequence[int], out: Sequence[int], condition: int, attention: bool) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(
            Residual(a, b, condition, attention) for a, b in zip(into, out, strict=True)
        )

    def forward(
        self, x: Tensor, condition: Tensor, skips: Sequence[Tensor] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the last picture, and that after every block."""
        told = []
        for i, block in enumerate(self.resblocks):
            x = block(x if skips is None else torch.cat([x, skips[i]], 1), condition)
            told.append(x)
        return x, told


class Down(nn.Module):
    """Half the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H / 2, W / 2)."""
        out: Tensor = self.conv(x)
        return out


class Up(nn.Module):
    """Twice the size, each pixel repeated before it is convolved."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, 2 H, 2 W)."""
        out: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return out


class UNet(nn.Module):
    """Pictures (B, channels[0], H, W) in, pictures of that shape out."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        c, levels = shape.channels, range(len(shape.channels))
        downs: list[nn.Module] = []
        ups: list[nn.Module] = []
        for i in levels:
            n, below = shape.depths[i], c[max(i - 1, 0)]
            downs.append(
                Residuals([below, *[c[i]] * (n - 1)], [c[i]] * n, shape.condition, shape.attention[i])
            )
            ups.append(
                Residuals(
                    [*[2 * c[i]] * n, c[i] + below], [*[c[i]] * n, below], shape.condition, shape.attention[i]
                )
            )
        self.d_blocks = nn.ModuleList(downs)
        self.u_blocks = nn.ModuleList(reversed(ups))
        self.mid_blocks = Residuals([c[-1]] * 2, [c[-1]] * 2, shape.condition, True)
        self.downsamples = nn.ModuleList([nn.Identity(), *(Down(c[i - 1]) for i in levels[1:])])
        self.upsamples = nn.ModuleList([nn.Identity(), *(Up(c[i - 1]) for i in reversed(levels[1:]))])

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return (B, channels[0], H, W) under a condition (B, condition)."""
        height, width = x.shape[-2:]
        multiple = 2 ** (len(self.shape.channels) - 1)
        x = F.pad(x, (0, -width % multiple, 0, -height % multiple))
        kept: list[list[Tensor]] = []
        for block, down in zip(self.d_blocks, self.downsamples, strict=True):
            before = down(x)
            x, told = block(before, condition)
            kept.append([before, *told])
        x, _ = self.mid_blocks(x, condition)
        for block, up, skips in zip(self.u_blocks, self.upsamples, reversed(kept), strict=True):
            x, _ = block(up(x), condition, skips[::-1])
        return x[..., :height, :width]
