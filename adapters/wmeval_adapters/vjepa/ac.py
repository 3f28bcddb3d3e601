"""The action-conditioned predictor of V-JEPA 2-AC (Assran et al. 2025), with the published names and shapes.

Tokens of a frame are [action, state, patches]; a frame sees itself and all frames before it. Queries and keys
are turned by their place in time, height and width, a third of a head each; action and state have a place in
time only. Angles are laid out as the weights were trained: the frequencies are repeated as a whole, where
pairs of numbers would each need their own twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ACTION = 7  # xyz, euler angles, gripper
EXTRA = 2  # tokens of a frame beside its patches


@dataclass(frozen=True)
class Sizes:
    """Of the predictor; the defaults are those of the published one."""

    embed: int = 1408  # of the encoder
    width: int = 1024
    depth: int = 24
    heads: int = 16
    grid: int = 16  # patches on a side


class Attention(nn.Module):
    """Attention of all tokens, turned by their places."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.third = 2 * (sizes.width // sizes.heads // 3 // 2)
        self.qkv = nn.Linear(sizes.width, 3 * sizes.width)
        self.proj = nn.Linear(sizes.width, sizes.width)

    def forward(self, x: Tensor, places: tuple[Tensor, Tensor, Tensor], allowed: Tensor) -> Tensor:
        """Return tokens (B, N, width) after attention; `places` (N,) each, `allowed` (N, N) bool."""
        batch, count, width = x.shape
        q, k, v = self.qkv(x).view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        told = F.scaled_dot_product_attention(
            self._turned(q, places), self._turned(k, places), v, attn_mask=allowed
        )
        return cast(Tensor, self.proj(told.transpose(1, 2).reshape(batch, count, width)))

    def _turned(self, x: Tensor, places: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        parts = [turned(x[..., i * self.third : (i + 1) * self.third], p) for i, p in enumerate(places)]
        return torch.cat([*parts, x[..., 3 * self.third :]], -1)


def turned(x: Tensor, place: Tensor) -> Tensor:
    """Return x (..., N, D) turned by its places (N,): number 2i with 2i + 1, at the published angles."""
    half = x.shape[-1] // 2
    rate = 10000.0 ** -(torch.arange(half, dtype=torch.float32, device=x.device) / half)
    angle = place[:, None] * rate
    # Repeated as a whole, not each twice: so the published weights were trained.
    cos, sin = (f(angle).repeat(1, 2).to(x.dtype) for f in (torch.cos, torch.sin))
    crossed = torch.stack([-x[..., 1::2], x[..., 0::2]], -1).flatten(-2)
    return x * cos + crossed * sin


class Mlp(nn.Module):
    """Two layers with a GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return x through both layers."""
        return cast(Tensor, self.fc2(F.gelu(self.fc1(x))))


class Block(nn.Module):
    """Attention, then the MLP, each on normalised tokens and added to them."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(sizes.width, eps=1e-6)
        self.attn = Attention(sizes)
        self.norm2 = nn.LayerNorm(sizes.width, eps=1e-6)
        self.mlp = Mlp(sizes.width)

    def forward(self, x: Tensor, places: tuple[Tensor, Tensor, Tensor], allowed: Tensor) -> Tensor:
        """Return tokens (B, N, width)."""
        x = x + self.attn(self.norm1(x), places, allowed)
        return cast(Tensor, x + self.mlp(self.norm2(x)))


class ActionPredictor(nn.Module):
    """Latents, actions and states of frames -> the latents of the frames after them."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.predictor_embed = nn.Linear(sizes.embed, sizes.width)
        self.action_encoder = nn.Linear(ACTION, sizes.width)
        self.state_encoder = nn.Linear(ACTION, sizes.width)
        self.extrinsics_encoder = nn.Linear(ACTION - 1, sizes.width)  # in the file, without use here
        self.predictor_blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.depth))
        self.predictor_norm = nn.LayerNorm(sizes.width, eps=1e-6)
        self.predictor_proj = nn.Linear(sizes.width, sizes.embed)

    def forward(self, latents: Tensor, actions: Tensor, states: Tensor) -> Tensor:
        """Return (B, T, tokens, embed): entry t foresees frame t + 1.

        `latents` (B, T, tokens, embed); `actions` and `states` (B, T, 7), action t acts after frame t.
        """
        frames, tokens = latents.shape[1:3]
        x = self.predictor_embed(latents)
        extra = torch.stack([self.action_encoder(actions), self.state_encoder(states)], 2)
        x = torch.cat([extra, x], 2).flatten(1, 2)
        places, allowed = _places(frames, tokens, self.sizes.grid, x.device), _allowed(frames, tokens, x)
        for block in self.predictor_blocks:
            x = block(x, places, allowed)
        x = x.view(len(x), frames, EXTRA + tokens, -1)[:, :, EXTRA:]
        return cast(Tensor, self.predictor_proj(self.predictor_norm(x)))


def _places(frames: int, tokens: int, grid: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return the time, row and column (N,) of each token; action and state stand at row and column 0."""
    patch = torch.arange(tokens, device=device)
    none = torch.zeros(EXTRA, device=device, dtype=patch.dtype)
    time = torch.arange(frames, device=device).repeat_interleave(EXTRA + tokens)
    row, column = (torch.cat([none, p]).repeat(frames) for p in (patch // grid, patch % grid))
    return time.float(), row.float(), column.float()


def _allowed(frames: int, tokens: int, like: Tensor) -> Tensor:
    """Return which token may look at which (N, N): those of its own frame and of frames before it."""
    time = torch.arange(frames, device=like.device).repeat_interleave(EXTRA + tokens)
    return time[:, None] >= time[None]
