"""Frames to 8 x 8 tokens of FSQ digits and back, over a background that the decoder copies.

The encoder sees one patch at a time, and of it only what differs from the background: a body that moves
changes the tokens it touches and no others, and an empty patch always has the same token. Finite scalar
quantisation: Mentzer et al. 2023.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wmeval_adapters.genie.background import hued


@dataclass(frozen=True)
class TokenizerConfig:
    """Sizes of the tokenizer; `digits` x `levels` is the code of one token."""

    patch: int = 8
    digits: int = 6
    levels: int = 7
    encoder: int = 320
    decoder: int = 128
    fine: int = 64


class _Pointwise(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.b(F.gelu(self.a(F.gelu(x))))
        return out


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside a skip: (N, C, h, w) -> the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(width, width, 3, padding=1)
        self.b = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.b.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return x plus what the convolutions add."""
        out: Tensor = x + self.b(F.gelu(self.a(F.gelu(x))))
        return out


class Encoder(nn.Module):
    """Evidence of bodies in a patch -> `digits` numbers in (-1, 1); 0 where no hue is seen."""

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.encoder
        self.net = nn.Sequential(
            nn.Linear(6 * config.patch**2, width), _Pointwise(width), _Pointwise(width), nn.GELU(),
            nn.Linear(width, config.digits),
        )  # fmt: skip
        self.register_buffer("mean", torch.zeros(config.digits))
        self.register_buffer("var", torch.ones(config.digits))
        self.mean: Tensor
        self.var: Tensor

    def forward(self, frames: Tensor, background: Tensor) -> Tensor:
        """Return (N, digits, h, w) in (-1, 1) from frames and backgrounds (N, 3, H, W) uint8."""
        body = self._patches(hued(frames)[:, None])
        shown = body.any(-1)  # (N, h, w); nine patches in ten are empty and cost nothing
        now, behind = (
            self._patches(frames)[shown].float() / 255,
            self._patches(background)[shown].float() / 255,
        )
        raw = self.net(torch.cat([now - behind, now * body[shown].repeat(1, 3)], 1)).float()
        mean, var = self.mean, self.var
        if self.training and len(raw) > 1:
            mean, var = raw.mean(0), raw.var(0)
            self.mean += 0.05 * (mean.detach() - self.mean)
            self.var += 0.05 * (var.detach() - self.var)
        # Digits that are not spread before tanh all round to the centre and the decoder unlearns them.
        out = torch.zeros(*shown.shape, self.config.digits)
        out[shown] = torch.tanh((raw - mean) / (var + 1e-5).sqrt())
        return out.permute(0, 3, 1, 2)

    def _patches(self, frames: Tensor) -> Tensor:
        """Return the patches (N, h, w, C * patch * patch) of frames (N, C, H, W)."""
        p = self.config.patch
        n, c, h, w = frames.shape
        cut = frames.view(n, c, h // p, p, w // p, p).permute(0, 2, 4, 1, 3, 5)
        return cut.reshape(n, h // p, w // p, c * p * p)


class Decoder(nn.Module):
    """Digits and a background -> frame: RGB of bodies and a gate that lets the background through."""

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        wide, fine, self.step = config.decoder, config.fine, config.patch // 2
        self.inward = nn.Conv2d(config.digits, wide, 3, padding=1)
        self.coarse = nn.Sequential(Residual(wide), Residual(wide))
        self.grow = nn.Conv2d(wide, 4 * fine, 1)
        self.behind = nn.Conv2d(3 * self.step**2, fine, 1)
        self.detail = nn.Sequential(Residual(fine), Residual(fine), nn.GELU())
        self.outward = nn.Conv2d(fine, 4 * self.step**2, 3, padding=1)

    def forward(self, digits: Tensor, background: Tensor) -> Tensor:
        """Return frames (N, 3, H, W) from digits (N, digits, h, w) and backgrounds in [0, 1]."""
        x = F.pixel_shuffle(self.grow(self.coarse(self.inward(digits))), 2)
        x = self.detail(x + self.behind(F.pixel_unshuffle(background, self.step)))
        out = F.pixel_shuffle(self.outward(x), self.step).float()
        gate = torch.sigmoid(out[:, 3:] - 2)
        return background + gate * (torch.sigmoid(out[:, :3]) - background)


class Tokenizer(nn.Module):
    """Encoder, quantiser and decoder."""

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Encoder(config), Decoder(config)

    def quantised(self, x: Tensor, amount: float = 1.0) -> Tensor:
        """Return x in (-1, 1) moved by `amount` towards the nearest of the levels, gradient passed on."""
        half = (self.config.levels - 1) / 2
        rounded = torch.round(x * half) / half
        return x + amount * (rounded - x).detach()

    def encode(self, frames: Tensor, background: Tensor) -> Tensor:
        """Return tokens (N, h, w, digits) uint8 of frames (N, 3, H, W) uint8 over their backgrounds."""
        half = (self.config.levels - 1) / 2
        x = self.encoder(frames, background)
        return torch.round(x * half + half).to(torch.uint8).permute(0, 2, 3, 1)

    def decode(self, tokens: Tensor, background: Tensor) -> Tensor:
        """Return frames (N, 3, H, W) uint8 of tokens (N, h, w, digits) over backgrounds uint8."""
        half = (self.config.levels - 1) / 2
        digits = tokens.permute(0, 3, 1, 2).float() / half - 1
        frames: Tensor = self.decoder(digits, background.float() / 255)
        return (frames.clamp(0, 1) * 255).round().to(torch.uint8)
