"""The three networks of tinyworlds: video tokenizer, latent actions, dynamics; names as published."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wmeval_adapters.tinyworlds.transformer import Layout, Transformer, places


class Quantizer(nn.Module):
    """Finite scalar quantisation (Mentzer et al. 2023): each number takes one of `bins` values in [-1, 1]."""

    basis: Tensor

    def __init__(self, size: int, bins: int) -> None:
        super().__init__()
        self.size, self.bins = size, bins
        self.register_buffer("basis", bins ** torch.arange(size))

    @property
    def codes(self) -> int:
        """How many codes there are."""
        return int(self.bins**self.size)

    def indices(self, raw: Tensor) -> Tensor:
        """Return the codes of what an encoder says (..., size), long (...)."""
        digits = ((torch.tanh(raw) + 1) / 2 * (self.bins - 1)).round().long()
        return (digits * self.basis).sum(-1)

    def values(self, indices: Tensor) -> Tensor:
        """Return the values (..., size) of codes (...)."""
        digits = indices[..., None] // self.basis % self.bins
        told: Tensor = 2 * digits / (self.bins - 1) - 1
        return told


class PatchEmbedding(nn.Module):
    """Frames as patches with their places."""

    where: Tensor

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.patch = layout.patch
        self.proj = nn.Conv2d(3 * layout.patch**2, layout.width, 1)
        self.register_buffer("where", places(layout), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Return frames (B, T, 3, H, W) as patches (B, T, P, width)."""
        told: Tensor = self.proj(F.pixel_unshuffle(frames.flatten(0, 1), self.patch))
        return torch.unflatten(told.flatten(2).transpose(1, 2), 0, frames.shape[:2]) + self.where


class FrameEncoder(nn.Module):
    """Patches through time to numbers that are to be quantised."""

    def __init__(self, layout: Layout, size: int) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(layout)
        self.transformer = Transformer(layout)
        self.latent_head = nn.Sequential(nn.LayerNorm(layout.width), nn.Linear(layout.width, size))

    def forward(self, frames: Tensor) -> Tensor:
        """Return numbers (B, T, P, size) of frames (B, T, 3, H, W)."""
        told: Tensor = self.latent_head(self.transformer(self.patch_embed(frames)))
        return told


class FrameHead(nn.Module):
    """Tokens to pixels, a patch each."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.side, self.patch = layout.side, layout.patch
        self.to_pixels = nn.Conv2d(layout.width, 3 * layout.patch**2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return frames (B, T, 3, H, W) of tokens (B, T, P, width)."""
        grid = torch.unflatten(x.flatten(0, 1).transpose(1, 2), 2, (self.side, self.side))
        return torch.unflatten(F.pixel_shuffle(self.to_pixels(grid), self.patch), 0, x.shape[:2])


class FrameDecoder(nn.Module):
    """Quantised numbers through time to frames."""

    where: Tensor

    def __init__(self, layout: Layout, size: int) -> None:
        super().__init__()
        self.latent_embed = nn.Linear(size, layout.width)
        self.transformer = Transformer(layout)
        self.frame_head = FrameHead(layout)
        self.register_buffer("where", places(layout), persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """Return frames (B, T, 3, H, W) of values (B, T, P, size)."""
        told: Tensor = self.frame_head(self.transformer(self.latent_embed(values) + self.where))
        return told


class VideoTokenizer(nn.Module):
    """Frames to codes and back; a code knows the frames of its window before it and none after."""

    def __init__(self, layout: Layout, size: int, bins: int) -> None:
        super().__init__()
        self.layout = layout
        self.encoder = FrameEncoder(layout, size)
        self.decoder = FrameDecoder(layout, size)
        self.quantizer = Quantizer(size, bins)

    def tokens(self, frames: Tensor) -> Tensor:
        """Return codes (B, T, P) of frames (B, T, 3, H, W) in [-1, 1]."""
        return self.quantizer.indices(self.encoder(frames))

    def frames(self, tokens: Tensor) -> Tensor:
        """Return frames (B, T, 3, H, W) of codes (B, T, P)."""
        told: Tensor = self.decoder(self.quantizer.values(tokens))
        return told


class ActionEncoder(nn.Module):
    """What changed between a frame and the next, in a few numbers."""

    def __init__(self, layout: Layout, size: int) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(layout)
        self.transformer = Transformer(layout)
        self.action_head = nn.Sequential(
            nn.LayerNorm(2 * layout.width), nn.Linear(2 * layout.width, 4 * size), nn.GELU(),
            nn.Linear(4 * size, size),
        )  # fmt: skip

    def forward(self, frames: Tensor) -> Tensor:
        """Return numbers (B, T - 1, size) of frames (B, T, 3, H, W)."""
        pooled = self.transformer(self.patch_embed(frames)).mean(2)
        told: Tensor = self.action_head(torch.cat([pooled[:, :-1], pooled[:, 1:]], -1))
        return told


class ActionDecoder(nn.Module):
    """The next frame from a frame and a latent action: what made the latent actions mean something."""

    def __init__(self, layout: Layout, size: int) -> None:
        super().__init__()
        self.layout = layout
        self.mask_token = nn.Parameter(torch.zeros(1, 1, 1, layout.width))
        self.patch_embed = PatchEmbedding(layout)
        self.transformer = Transformer(layout, size)
        pixels = 3 * layout.patch**2
        self.frame_head = nn.Sequential(
            nn.LayerNorm(layout.width), nn.Linear(layout.width, pixels), nn.Tanh()
        )  # fmt: skip

    def forward(self, frames: Tensor, actions: Tensor) -> Tensor:
        """Return the frames (B, T, 3, H, W) after those given, under actions (B, T, size)."""
        told: Tensor = self.frame_head(self.transformer(self.patch_embed(frames), actions))
        side = self.layout.side
        grid = torch.unflatten(told.flatten(0, 1).transpose(1, 2), 2, (side, side))
        return torch.unflatten(F.pixel_shuffle(grid, self.layout.patch), 0, frames.shape[:2])


class LatentActions(nn.Module):
    """The latent action model: 2^size codes, one a transition."""

    def __init__(self, layout: Layout, size: int) -> None:
        super().__init__()
        self.layout = layout
        self.encoder = ActionEncoder(layout, size)
        self.decoder = ActionDecoder(layout, size)
        self.quantizer = Quantizer(size, 2)

    def codes(self, frames: Tensor) -> Tensor:
        """Return codes (B, T - 1) of frames (B, T, 3, H, W); code t knows no frame after t + 1."""
        return self.quantizer.indices(self.encoder(frames))


class Dynamics(nn.Module):
    """The codes of masked places, from those that are known and from the latent actions before."""

    where: Tensor

    def __init__(self, layout: Layout, size: int, bins: int, condition: int) -> None:
        super().__init__()
        self.layout = layout
        self.mask_token = nn.Parameter(torch.zeros(1, 1, 1, size))
        self.latent_embed = nn.Linear(size, layout.width)
        self.transformer = Transformer(layout, condition)
        self.output_mlp = nn.Linear(layout.width, bins**size)
        self.register_buffer("where", places(layout), persistent=False)

    def forward(self, values: Tensor, masked: Tensor, actions: Tensor) -> Tensor:
        """Return logits (B, T, P, codes) of values (B, T, P, size) under a mask (B, T, P).

        Actions (B, T - 1, C): the one at t acts on frame t + 1.
        """
        seen = torch.where(masked[..., None], self.mask_token, values)
        told: Tensor = self.output_mlp(self.transformer(self.latent_embed(seen) + self.where, actions))
        return told
