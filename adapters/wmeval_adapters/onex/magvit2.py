"""The tokenizer beside 1X's GENIE: the image autoencoder of MAGVIT2, whose code is the signs of its channels.

Yu et al. 2024, in the layout of the published checkpoint. Bits are put together with the first channel as the
lowest, as in the published tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUPS = 32
EPS = 1e-6


@dataclass(frozen=True)
class Shape:
    """Channels of each level from the finest on, blocks a level, bits of a token."""

    first: int
    channels: tuple[int, ...]
    blocks: int
    bits: int

    @property
    def scale(self) -> int:
        """Pixels along a side of a token."""
        return int(2 ** (len(self.channels) - 1))


PUBLISHED = Shape(128, (128, 128, 256, 256, 512), 2, 18)


class ResBlock(nn.Module):
    """Two convolutions around which what came in goes on."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, given, eps=EPS)
        self.norm2 = nn.GroupNorm(GROUPS, made, eps=EPS)
        self.conv1 = nn.Conv2d(given, made, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(made, made, 3, padding=1, bias=False)
        if given != made:
            self.nin_shortcut = nn.Conv2d(given, made, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return x (B, made, H, W) of (B, given, H, W)."""
        past = self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x
        told: Tensor = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return past + told


class Upsample(nn.Module):
    """Twice as large: the first of the channels' parts say which of four pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 4 * channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return x (B, C, 2H, 2W) of (B, C, H, W)."""
        told: Tensor = torch.unflatten(self.conv1(x), 1, (2, 2, -1))
        # (B, row, column, C, H, W): pixel_shuffle would take the channel first.
        return told.permute(0, 3, 4, 1, 5, 2).flatten(4).flatten(2, 3)


class Level(nn.Module):
    """The blocks of one size, and the way to the next."""

    def __init__(self, given: int, made: int, blocks: int, *, down: bool = False, up: bool = False) -> None:
        super().__init__()
        self.block = nn.ModuleList(ResBlock(made if i else given, made) for i in range(blocks))
        if down:
            self.downsample = nn.Conv2d(made, made, 3, stride=2, padding=1)
        if up:
            self.upsample = Upsample(made)

    def forward(self, x: Tensor) -> Tensor:
        """Return x, smaller or larger where there is such a way."""
        for block in self.block:
            x = block(x)
        if hasattr(self, "downsample"):
            x = self.downsample(x)
        if hasattr(self, "upsample"):
            x = self.upsample(x)
        return x


class Encoder(nn.Module):
    """Pictures to as many channels as a token has bits."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        given = (shape.first, *shape.channels)
        last = shape.channels[-1]
        self.conv_in = nn.Conv2d(3, shape.first, 3, padding=1, bias=False)
        self.down = nn.ModuleList(
            Level(given[i], made, shape.blocks, down=i < len(shape.channels) - 1)
            for i, made in enumerate(shape.channels)
        )
        self.mid_block = nn.ModuleList(ResBlock(last, last) for _ in range(shape.blocks))
        self.norm_out = nn.GroupNorm(GROUPS, last, eps=EPS)
        self.conv_out = nn.Conv2d(last, shape.bits, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, bits, h, w) of pictures (B, 3, H, W) in [-1, 1]."""
        x = self.conv_in(x)
        for part in (*self.down, *self.mid_block):
            x = part(x)
        told: Tensor = self.conv_out(F.silu(self.norm_out(x)))
        return told


class Decoder(nn.Module):
    """Signs to pictures."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        made = shape.channels
        last = made[-1]
        self.conv_in = nn.Conv2d(shape.bits, last, 3, padding=1)
        self.mid_block = nn.ModuleList(ResBlock(last, last) for _ in range(shape.blocks))
        self.up = nn.ModuleList(
            Level(made[min(i + 1, len(made) - 1)], made[i], shape.blocks, up=i > 0) for i in range(len(made))
        )
        self.norm_out = nn.GroupNorm(GROUPS, made[0], eps=EPS)
        self.conv_out = nn.Conv2d(made[0], 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """Return pictures (B, 3, H, W) of signs (B, bits, h, w)."""
        z = self.conv_in(z)
        for part in (*self.mid_block, *reversed(self.up)):
            z = part(z)
        told: Tensor = self.conv_out(F.silu(self.norm_out(z)))
        return told


class Magvit2(nn.Module):
    """Pictures to tokens and back, without lookup: a token's bits are signs."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder, self.decoder = Encoder(shape), Decoder(shape)

    def tokens(self, pictures: Tensor) -> Tensor:
        """Return tokens (B, h * w), rows first, of pictures (B, 3, H, W) in [-1, 1]."""
        bits = (self.encoder(pictures) > 0).long().flatten(2)
        powers = 2 ** torch.arange(self.shape.bits, device=bits.device)
        told: Tensor = (bits * powers[:, None]).sum(1)
        return told

    def pictures(self, tokens: Tensor) -> Tensor:
        """Return pictures (B, 3, H, W) of tokens (B, S), S a square."""
        side = round(tokens.shape[1] ** 0.5)
        powers = 2 ** torch.arange(self.shape.bits, device=tokens.device)
        signs = (tokens[:, None] // powers[:, None] % 2 * 2 - 1).float()
        told: Tensor = self.decoder(torch.unflatten(signs, 2, (side, side)))
        return told
