"""DIAMOND's denoiser as published: the inner network and the EDM preconditioning around it.

Pixels are in [-1, 1] here. Past frames are divided by sigma_data and stand before the noisy frame, oldest
first; what comes out is clamped and rounded to the 256 levels of a byte.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wmeval_adapters.diamond.edm import precondition
from wmeval_adapters.diamond.unet import Norm, Shape, UNet

SIGMA_DATA = 0.5


@dataclass(frozen=True)
class Layout:
    """What distinguishes one published denoiser from another."""

    unet: Shape
    past: int  # frames
    actions: int | None  # how many there are to choose from or combine; None: it takes no action
    multi_hot: bool = False  # several actions at once, as weights of the embedding's rows
    upsampler: bool = False  # the last of the pictures given is a small frame made large
    noisy_past: bool = False  # it is told how noisy the past frames are
    offset: float = 0.3  # standard deviation of offset noise in training

    @property
    def pictures(self) -> int:
        """How many pictures the first convolution sees."""
        return self.past + self.upsampler + 1


class Fourier(nn.Module):
    """Cosines and sines of a number at fixed random frequencies."""

    weight: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.randn(1, width // 2))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width) of numbers (B,)."""
        wave = 2 * math.pi * x[:, None] @ self.weight
        return torch.cat([wave.cos(), wave.sin()], -1)


class InnerModel(nn.Module):
    """F of EDM."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        width, first = layout.unet.condition, layout.unet.channels[0]
        self.noise_emb = Fourier(width)
        self.noise_cond_emb = Fourier(width) if layout.noisy_past else None
        self.act_emb = (
            nn.ModuleList([nn.Embedding(layout.actions, width // layout.past)]) if layout.actions else None
        )
        self.cond_proj = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.conv_in = nn.Conv2d(3 * layout.pictures, first, 3, padding=1)
        self.unet = UNet(layout.unet)
        self.norm_out = Norm(first)
        self.conv_out = nn.Conv2d(first, 3, 3, padding=1)

    def forward(
        self,
        noisy: Tensor,
        c_noise: Tensor,
        c_noise_past: Tensor | None,
        past: Tensor,
        actions: Tensor | None,
    ) -> Tensor:
        """Return (B, 3, H, W) of a scaled noisy frame, scaled past frames (B, pictures - 1, 3, H, W)."""
        condition = self.noise_emb(c_noise)
        if self.noise_cond_emb is not None:
            told = torch.zeros_like(c_noise) if c_noise_past is None else c_noise_past
            condition = condition + self.noise_cond_emb(told)
        if self.act_emb is not None:
            assert actions is not None
            table = self.act_emb[0].weight
            assert isinstance(table, Tensor)
            rows = actions.to(table.dtype) @ table if self.layout.multi_hot else F.embedding(actions, table)
            condition = condition + rows.flatten(1)
        x = self.conv_in(torch.cat([past.flatten(1, 2), noisy], 1))
        x = self.unet(x, self.cond_proj(condition))
        out: Tensor = self.conv_out(F.silu(self.norm_out(x)))
        return out


class Denoiser(nn.Module):
    """D of EDM around the published network."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.inner_model = InnerModel(layout)

    def forward(
        self, x: Tensor, sigma: Tensor, past: Tensor, actions: Tensor | None, sigma_past: Tensor | None = None
    ) -> Tensor:
        """Return the expected clean frame (B, 3, H, W), not rounded.

        `past` (B, pictures - 1, 3, H, W) oldest first; `actions` (B, past) numbers, or (B, past, A) weights,
        the last taken at the newest frame. `sigma_past` (B,) is the noise on past frames, None for none.
        """
        edm = precondition(sigma[:, None, None, None], SIGMA_DATA, self.layout.offset)
        # Levels of past frames are told as they are: offset noise is none of theirs.
        told = None if sigma_past is None else sigma_past.log() / 4
        inner = self.inner_model(edm.c_in * x, edm.c_noise.view(-1), told, past / SIGMA_DATA, actions)
        clean: Tensor = edm.c_skip * x + edm.c_out * inner
        return clean

    def rounded(
        self, x: Tensor, sigma: Tensor, past: Tensor, actions: Tensor | None, sigma_past: Tensor | None = None
    ) -> Tensor:
        """Return the expected clean frame as a byte can hold it."""
        return byte(self(x, sigma, past, actions, sigma_past))


def byte(x: Tensor) -> Tensor:
    """Return pixels in [-1, 1] clamped and cut to the levels of a byte, still in [-1, 1]."""
    return x.clamp(-1, 1).add(1).div(2).mul(255).byte().float().div(255).mul(2).sub(1)


def atari(actions: int) -> Layout:
    """Return the layout of the Atari agents."""
    return Layout(Shape(256, (2,) * 4, (64,) * 4, (False,) * 4), 4, actions)


def csgo() -> tuple[Layout, Layout]:
    """Return the layouts of the CSGO denoiser and upsampler."""
    attention = (False, False, True, True)
    low = Layout(
        Shape(2048, (2,) * 4, (128, 256, 512, 1024), attention), 4, 51, multi_hot=True, noisy_past=True,
        offset=0.1,
    )  # fmt: skip
    high = replace(
        low, unet=Shape(2048, (2,) * 4, (64, 64, 128, 256), (False, False, False, True)), past=1,
        actions=None, multi_hot=False, upsampler=True,
    )  # fmt: skip
    return low, high
