"""Our own small denoiser: a mean that moves remembered bodies over the background, and EDM around it.

The clean frame is taken to be normal around a mean M that the network tells from the past, with a standard
deviation that is large near bodies that move and small elsewhere. D = c_skip x + (1 - c_skip) M + c_out R is
then exact for R = 0, the grain of sampling dies out where nothing happens, and R, in [-1, 1], tells the rest.
M is the background, with each remembered body drawn again where the network says that it has got to; it is
told once a frame, and no noise is looked at for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wmeval.model import ACTION_DIM
from wmeval_adapters.diamond.edm import precondition
from wmeval_adapters.diamond.memory import MAPS, PATCH, Memory, shares
from wmeval_adapters.diamond.sight import Look, drawn
from wmeval_adapters.learn.clips import HUES

FREQUENCIES = 32
TURNS = 1.0  # logit from which a body turns: training asks more often where one does
MOVES_PX = 0.5  # a frame, from which all of a body's look may change
OPEN = 5.0  # logit of a body being in front, before anything is learnt


@dataclass(frozen=True)
class Config:
    """Sizes; `body` and `rest` are the standard deviations of a frame around its mean, pixels in [-1, 1]."""

    width: int = 96  # channels on cells of 4 px
    deep: int = 128  # channels on cells of 8 px
    blocks: int = 3  # on cells of 8 px; one more before and one after on cells of 4 px
    past: int = 4  # frames
    embed: int = 128
    body: float = 0.03
    rest: float = 0.01
    groups: int = 8


@dataclass(frozen=True)
class Given:
    """What a frame is predicted from; pixels in [0, 1]."""

    past: Tensor  # (B, past, 3, H, W), oldest first
    behind: Tensor  # (B, 3, H, W)
    memory: Memory  # (B, 6, ...)
    looks: Look  # of the N bodies in `who`
    who: Tensor  # (N, 2) clip and hue
    action: Tensor  # (B, 12) in units of their usual size

    @property
    def acted(self) -> Tensor:
        """Whether anything is done in this frame, bool (B, 1)."""
        return (self.action != 0).any(-1, keepdim=True)


@dataclass(frozen=True)
class Expected:
    """What the network expects of a frame before any noise is looked at; pixels in [-1, 1]."""

    mean: Tensor  # (B, 3, H, W) M
    spread: Tensor  # (B, 1, H, W) standard deviation around it
    features: Tensor  # (B, width, h, w) what the denoiser reads beside the noisy frame
    points: Tensor  # (B, 6, 2) px
    turned: Tensor  # (B, 6, 2) px, where each body gets to if it is not taken to go on as before
    turns: Tensor  # (B, 6) logit of that
    front: Tensor  # (B, 1, H, W) logit of a body there being in front of what hides bodies
    shown: Tensor  # (B, 6) share of each body that is in front


class Block(nn.Module):
    """Two convolutions under group norms whose gain and shift come from the condition."""

    def __init__(self, width: int, embed: int, groups: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(groups, width, affine=False) for _ in range(2))
        self.films = nn.ModuleList(nn.Linear(embed, 2 * width) for _ in range(2))
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        last = self.convs[1].weight
        assert isinstance(last, Tensor)
        nn.init.zeros_(last)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return (B, width, h, w)."""
        y = x
        for norm, film, conv in zip(self.norms, self.films, self.convs, strict=True):
            gain, shift = film(condition)[..., None, None].chunk(2, 1)
            y = conv(F.silu(norm(y) * (1 + gain) + shift))
        return x + y


class SmallDenoiser(nn.Module):
    """Expects the next frame of a video from the past, and denoises it around that."""

    frequencies: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        pixels = PATCH**2
        width = config.width
        self.register_buffer("frequencies", torch.randn(FREQUENCIES))
        self.given = nn.Conv2d((3 * config.past + 7) * pixels + MAPS, width, 1)
        self.act = _told(ACTION_DIM, config.embed)
        self.first = Block(width, config.embed, config.groups)
        self.down = nn.Conv2d(4 * width, config.deep, 1)
        self.blocks = nn.ModuleList(
            Block(config.deep, config.embed, config.groups) for _ in range(config.blocks)
        )
        self.up = nn.Conv2d(config.deep, 4 * width, 1)
        self.last = Block(width, config.embed, config.groups)
        self.norm = nn.GroupNorm(config.groups, width)
        self.departure = nn.Conv2d(width, 7, 1)
        self.front = nn.Conv2d(width, pixels, 1)
        self.noisy = nn.Conv2d(3 * pixels, width, 1)
        self.noise = _told(2 * FREQUENCIES, config.embed)
        self.denoise = Block(width, config.embed, config.groups)
        self.clear = nn.GroupNorm(config.groups, width)
        self.paint = nn.Conv2d(width, 3 * pixels, 1)
        for layer in (self.departure, self.front, self.paint):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def before(self, given: Given) -> Tensor:
        """Return the past as the network takes it, (B, width, h, w)."""
        size = (given.behind.shape[-2], given.behind.shape[-1])
        light, cover = gathered(given, given.memory.inertia, size)
        guess = light - cover * given.behind
        changes = (given.past - given.behind[:, None]).flatten(1, 2)
        pictures = torch.cat([changes, given.behind - 0.5, guess, cover], 1)
        rough = F.pixel_unshuffle(pictures, PATCH)
        told: Tensor = self.given(torch.cat([rough, given.memory.maps(size)], 1).contiguous(
            memory_format=torch.channels_last))  # fmt: skip
        return told

    def moved(self, memory: Memory, told: Tensor, acted: Tensor) -> tuple[Tensor, Tensor]:
        """Return where bodies are in the next frame, and where if they turn, (B, 6, 2) [px].

        `told` (B, 6, 7) holds, of each body: how far it departs, how much of its speed and of its pull goes
        on, along either axis, and whether it turns at all. One that does not is where inertia leads,
        exactly, so that errors do not add up; but where somebody acts, `acted` (B, 1), none is taken to.
        """
        aside, kept, pulled, turns = told[..., :2], told[..., 2:4], told[..., 4:6], told[..., 6:]
        speed = memory.speed * (1 + kept).clamp(0, 1)
        turned: Tensor = memory.points[..., 0, :] + speed + memory.pull * (1 + pulled).clamp(0, 1) + aside
        free = (turns > TURNS) | acted[..., None]
        return torch.where(free, turned, memory.inertia), turned

    def expected(self, given: Given) -> Expected:
        """Return what is expected of the next frame."""
        size = (given.behind.shape[-2], given.behind.shape[-1])
        condition = self.act(torch.asinh(given.action))
        h = self.first(self.before(given), condition)
        deep = self.down(F.pixel_unshuffle(h, 2))
        for block in self.blocks:
            deep = block(deep, condition)
        h = self.last(h + F.pixel_shuffle(self.up(deep), 2), condition)
        h = F.silu(self.norm(h))
        share = shares(given.memory.inertia, given.memory.known, size)
        depart = (self.departure(h).float()[:, None] * share[:, :, None]).sum((-1, -2))
        points, turned = self.moved(given.memory, depart, given.acted)
        front = F.pixel_shuffle(self.front(h).float(), PATCH) + OPEN
        # Hiding a body that is drawn astray would pay in pixels, so pixels do not teach what is in front.
        bare = torch.sigmoid(front).detach()
        each = _laid(given, points, size)
        light, cover = _summed(given, *each)
        one = each[1].detach()
        shown = _shown(given, one, bare)
        mean = (1 - bare * cover) * (2 * given.behind - 1) + bare * (2 * light - cover)
        moves = torch.linalg.vector_norm(points - given.memory.points[..., 0, :], dim=-1)
        near = F.max_pool2d(_unsure(given, one, moves.detach()), 5, 1, 2)
        spread = self.config.rest + (self.config.body - self.config.rest) * near
        return Expected(mean, spread, h, points, turned, depart[..., 6], front, shown)

    def forward(self, expected: Expected, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the clean frame (B, 3, H, W) expected of noisy frames x at levels sigma (B,).

        What noise teaches does not reach the mean: only what it leaves unsaid is to be learnt here.
        """
        level = sigma[:, None, None, None]
        mean = expected.mean.detach()
        edm = precondition(level, expected.spread)
        wave = 2 * math.pi * (level.log() / 4).view(-1, 1) * self.frequencies
        condition = self.noise(torch.cat([wave.cos(), wave.sin()], 1))
        h = expected.features.detach() + self.noisy(F.pixel_unshuffle(edm.c_in * (x - mean), PATCH))
        h = F.silu(self.clear(self.denoise(h, condition)))
        # More than a standard deviation is never said: grain where little happens costs more than it tells.
        paint = torch.tanh(F.pixel_shuffle(self.paint(h).float(), PATCH))
        return edm.c_skip * x + (1 - edm.c_skip) * mean + edm.c_out * paint


def _told(size: int, embed: int) -> nn.Sequential:
    """Return the layers that make a condition of `size` numbers."""
    return nn.Sequential(nn.Linear(size, embed), nn.SiLU(), nn.Linear(embed, embed), nn.SiLU())


def gathered(given: Given, points: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return light (B, 3, H, W) and cover (B, 1, H, W) of all bodies drawn at points (B, 6, 2)."""
    return _summed(given, *_laid(given, points, size))


def _laid(given: Given, points: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return light (N, 3, H, W) and cover (N, 1, H, W) of each body of `who`, drawn at points (B, 6, 2)."""
    clip, hue = given.who.unbind(1)
    return drawn(given.looks, points[clip, hue], size)


def _summed(given: Given, light: Tensor, cover: Tensor) -> tuple[Tensor, Tensor]:
    """Return light (B, 3, H, W) and cover (B, 1, H, W) of clips from those of each body."""
    size = (light.shape[-2], light.shape[-1])
    whole = light.new_zeros(len(given.behind), 4, *size).index_add(
        0, given.who[:, 0], torch.cat([light, cover], 1)
    )
    full = whole[:, 3:].clamp(min=1)  # where two overlap neither counts twice
    return whole[:, :3] / full, whole[:, 3:] / full


def _unsure(given: Given, cover: Tensor, moves: Tensor) -> Tensor:
    """Return where bodies that move by `moves` (B, 6) [px] are, (B, 1, H, W) in [0, 1]; cover (N, 1, H, W).

    One that rests looks as it did, and leaves nothing to tell.
    """
    clip, hue = given.who.unbind(1)
    share = (moves / MOVES_PX).clamp(max=1)[clip, hue]
    out = cover.new_zeros(len(moves), *cover.shape[1:])
    return out.index_add(0, clip, cover * share[:, None, None, None]).clamp(max=1)


def _shown(given: Given, cover: Tensor, front: Tensor) -> Tensor:
    """Return the share (B, 6) of each body that is in front; cover (N, 1, H, W) is of each body."""
    clip, hue = given.who.unbind(1)
    share = (cover * front[clip]).sum((1, 2, 3)) / cover.sum((1, 2, 3)).clamp(min=1e-3)
    inside = cover.sum((1, 2, 3)) > 2
    return torch.zeros(len(front), HUES).index_put((clip, hue), share * inside)
