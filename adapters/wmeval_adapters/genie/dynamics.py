"""What comes next: tokens and the points of the memory, from the frames before and a latent action.

MaskGIT (Chang et al. 2022) over the tokens of one frame at a time, with the clean tokens of the two frames
before as inputs; the points are one more thing that may be masked, and are decoded first. Convolutions look
around within a frame; causal attention looks back along time at every cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wmeval_adapters.genie.memory import MAP, PLACE, SIGHT, Belief
from wmeval_adapters.genie.reader import WORDS, Reader
from wmeval_adapters.learn.clips import HUES

ACTION = 2  # digits of a latent action
PERSISTS = 3.0  # logit of a body's being where it was


@dataclass(frozen=True)
class DynamicsConfig:
    """Sizes of the dynamics; `window` is how many frames attention looks back over, its own included."""

    digits: int = 6
    levels: int = 7
    width: int = 96
    heads: int = 4
    blocks: tuple[str, ...] = ("conv", "conv", "time", "conv", "conv", "time", "conv")
    window: int = 28
    size: int = 64
    patch: int = 8


@dataclass(frozen=True)
class Frame:
    """What is known when T frames are predicted in parallel (or one, T = 1); grids are h x w tokens."""

    tokens: Tensor  # (B, T, h, w, digits) uint8, of the frames themselves
    hidden: Tensor  # (B, T, h, w) bool: where those are masked
    before: tuple[Tensor, Tensor]  # (B, T, h, w, digits) of one and two frames before
    maps: Tensor  # (B, T, 60, h, w) the memory before
    place: Tensor  # (B, T, 18, h, w) the memory of the frames themselves, 0 where it is masked
    placed: Tensor  # (B, T) bool: whether it is given
    sight: Tensor  # (B, T, 30, h, w) what is seen in the frames themselves, 0 where tokens are masked
    action: Tensor  # (B, T, 2) latent action that led to the frames


class _Conv(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.a = nn.Conv2d(width, width, 3, padding=1)
        self.b = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.b.weight)

    def forward(self, x: Tensor) -> Tensor:
        flat = self.norm(x).flatten(0, 1).permute(0, 3, 1, 2)
        added = self.b(F.gelu(self.a(flat))).permute(0, 2, 3, 1)
        out: Tensor = x + added.unflatten(0, x.shape[:2])
        return out


class _Time(nn.Module):
    """Causal attention along time at each cell, with a bias by distance, then an MLP."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.norm, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.distance = nn.Parameter(torch.zeros(heads, window))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.down.weight)

    def forward(self, x: Tensor, past: Tensor | None) -> tuple[Tensor, Tensor]:
        b, t, h, w, d = x.shape
        qkv = self.qkv(self.norm(x)).view(b, t, h * w, 3, self.heads, d // self.heads)
        qkv = qkv.permute(3, 0, 2, 4, 1, 5)  # (3, B, cells, heads, T, d)
        q, kv = qkv[0], qkv[1:]
        if past is not None:
            kv = torch.cat([past, kv], 4)[..., -self.window :, :]
        span = kv.shape[4]
        # Written out: the fused kernel is slower on CPUs for sequences this short.
        score = q @ kv[0].transpose(-1, -2) * (d // self.heads) ** -0.5
        back = torch.arange(span - t, span)[:, None] - torch.arange(span)
        bias = self.distance[:, back.clamp(0, self.window - 1)]
        bias = bias.masked_fill((back < 0) | (back >= self.window), -1e4)
        mixed = torch.softmax(score + bias.to(score.dtype), -1) @ kv[1]
        x = x + self.out(mixed.permute(0, 3, 1, 2, 4).reshape(b, t, h, w, d))
        return x + self.down(F.gelu(self.up(self.norm_mlp(x)))), kv


class Dynamics(nn.Module):
    """The network; `forward` runs T frames in parallel, or the next one on from a cache."""

    def __init__(self, config: DynamicsConfig) -> None:
        super().__init__()
        self.config = config
        width, grid = config.width, config.size // config.patch
        one_hot = config.digits * config.levels
        self.reader = Reader(config.digits, config.levels)
        self.inward = nn.Linear(3 * (one_hot + WORDS) + 1 + MAP + PLACE + SIGHT + 1, width)
        self.acted = nn.Sequential(nn.Linear(ACTION, width), nn.GELU(), nn.Linear(width, width))
        self.scene = nn.Sequential(
            nn.Conv2d(3 * config.patch**2, width, 3, padding=1), nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1),
        )  # fmt: skip
        self.where = nn.Parameter(torch.randn(grid, grid, width) * 0.02)
        self.blocks = nn.ModuleList(
            _Conv(width) if kind == "conv" else _Time(width, config.heads, config.window)
            for kind in config.blocks
        )
        self.norm = nn.LayerNorm(width)
        self.code = nn.Linear(width, one_hot)
        self.departure = nn.Linear(width, 2 * HUES)
        self.presence = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, HUES))
        nn.init.zeros_(self.departure.weight)

    def behind(self, background: Tensor) -> Tensor:
        """Return features (B, 1, h, w, width) of backgrounds (B, 3, H, W) in [0, 1]."""
        features: Tensor = self.scene(F.pixel_unshuffle(background - 0.5, self.config.patch))
        return features.permute(0, 2, 3, 1)[:, None]

    def forward(
        self, frame: Frame, behind: Tensor, past: list[Tensor] | None = None
    ) -> tuple[Tensor, Belief, list[Tensor]]:
        """Return logits (B, T, h, w, digits, levels), the belief in the points, and the cache.

        `behind` is what `behind()` gave; `past` is the cache after the frames before (None: there are none).
        """
        codes = torch.stack([self.reader.one_hot(t) for t in (frame.tokens, *frame.before)], -2)
        with torch.no_grad():
            codes = torch.cat([codes, self.reader(codes).to(codes.dtype)], -1)
        codes[..., 0, :] *= ~frame.hidden[..., None]
        parts = [codes.flatten(-2), frame.hidden[..., None]]
        grid = frame.hidden.shape[2:]
        maps = torch.cat([frame.maps, frame.place, frame.sight], 2).permute(0, 1, 3, 4, 2)
        placed = frame.placed[:, :, None, None, None].expand(-1, -1, *grid, 1)
        x = self.inward(torch.cat([*(p.to(maps.dtype) for p in parts), maps, placed.to(maps.dtype)], -1))
        x = x + self.acted(frame.action)[:, :, None, None] + behind + self.where.to(x.dtype)
        cache, old = [], iter(past) if past is not None else None
        for block in self.blocks:
            if isinstance(block, _Time):
                x, kept = block(x, next(old) if old is not None else None)
                cache.append(kept)
            else:
                x = block(x)
        x = self.norm(x)
        pooled = torch.cat([x.mean((2, 3)), x.amax((2, 3))], -1)
        departure = self.departure(x).permute(0, 1, 4, 2, 3).float()
        logits = self.code(x).unflatten(-1, (self.config.digits, self.config.levels)).float()
        # A body that was there is there unless something speaks against it.
        was = frame.maps[:, :, 0 : 3 * HUES : 3].sum((-1, -2)) > 0.5
        presence = self.presence(pooled).float() + torch.where(was, PERSISTS, -PERSISTS)
        return logits, Belief(presence, departure.reshape(*presence.shape, 2, *grid)), cache
