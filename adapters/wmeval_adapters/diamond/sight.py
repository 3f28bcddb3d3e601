"""Where bodies are seen in given frames: a place and an area per hue, and the look of a body cut out.

Statics are grey and every moving body has a hue of its own, so a hue names a body. All of this is read from
frames; the simulator's state is never looked at here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

STRONG = 40  # spread of RGB (of 255) from which a pixel's hue is trusted
LEAST = 4.0  # px of a hue that count as seeing it
CODES = (0b100, 0b110, 0b010, 0b011, 0b001, 0b101)  # red, yellow, green, cyan, blue, magenta
SIDE = 32  # px of the square in which a look is kept


@dataclass(frozen=True)
class Sight:
    """What is seen of each hue in a frame."""

    points: Tensor  # (..., 6, 2) px, centre of what is seen
    area: Tensor  # (..., 6) px
    edges: Tensor  # (..., 6, 2, 2) px: where it begins and ends, across and down

    @property
    def seen(self) -> Tensor:
        """Whether enough of it is seen to count, bool (..., 6)."""
        return self.area >= LEAST


def masks(frames: Tensor) -> Tensor:
    """Return which pixels of frames (..., 3, H, W) uint8 show each hue: bool (..., 6, H, W)."""
    value = frames.short()
    low = value.amin(-3, keepdim=True)
    spread = value.amax(-3, keepdim=True) - low
    strong = 2 * (value - low) > spread
    code = 4 * strong[..., 0, :, :] + 2 * strong[..., 1, :, :] + strong[..., 2, :, :].int()
    code = code * (spread[..., 0, :, :] > STRONG)
    return torch.stack([code == c for c in CODES], -3)


def spotted(frames: Tensor) -> Sight:
    """Return where each hue is seen in frames (..., 3, H, W) uint8; edges count by how much hue they show."""
    value = frames.float()
    spread = value.amax(-3) - value.amin(-3)
    mass = masks(frames) * spread[..., None, :, :]
    total = mass.sum((-1, -2))
    height, width = frames.shape[-2:]
    right = (mass.sum(-2) * (torch.arange(width) + 0.5)).sum(-1)
    down = (mass.sum(-1) * (torch.arange(height) + 0.5)).sum(-1)
    # The area is what full hue would cover: half-covered edges count half.
    full = mass.amax((-1, -2)).clamp(min=1) * 0.8
    share = (mass / full[..., None, None]).clamp(max=1)
    edges = torch.stack([_ends(share.amax(-2)), _ends(share.amax(-1))], -2)
    return Sight(torch.stack([right, down], -1) / total.clamp(min=1)[..., None], share.sum((-1, -2)), edges)


def _ends(profile: Tensor) -> Tensor:
    """Return where profiles (..., n) in [0, 1] begin and end, (..., 2), in parts of a pixel.

    >>> _ends(torch.tensor([0.0, 0.25, 1.0, 1.0, 0.5, 0.0])).tolist()
    [1.75, 4.5]
    """
    first = profile.shape[-1] - profile.cummax(-1).values.sum(-1)
    return torch.stack([first, profile.flip(-1).cummax(-1).values.sum(-1)], -1)


@dataclass(frozen=True)
class Look:
    """The looks of N bodies, cut out of frames: light of their own and how much they cover."""

    light: Tensor  # (N, 3, SIDE, SIDE) in [0, 1]: what is left of the frame without its background
    cover: Tensor  # (N, 1, SIDE, SIDE) in [0, 1]
    anchor: Tensor  # (N, 2) px, where in the square the body's centre is


def cut_out(frames: Tensor, behind: Tensor, hue: Tensor, centre: Tensor) -> Look:
    """Return the looks of one hue (N,) around centres (N, 2) [px] in frames (N, 3, H, W) uint8.

    Drawn again where it was cut out, a look gives back the frame exactly, whatever its cover.
    """
    count, (height, width) = len(frames), frames.shape[-2:]
    corner = centre.floor().long() - SIDE // 2
    right = corner[:, :1] + torch.arange(SIDE)
    down = corner[:, 1:] + torch.arange(SIDE)
    inside = ((right >= 0) & (right < width))[:, None] & ((down >= 0) & (down < height))[:, :, None]
    u, v = right.clamp(0, width - 1), down.clamp(0, height - 1)
    each = torch.arange(count)[:, None, None]
    patch = frames.movedim(1, -1)[each, v[:, :, None], u[:, None]].movedim(-1, 1)
    wall = behind.movedim(1, -1)[each, v[:, :, None], u[:, None]].movedim(-1, 1).float() / 255
    shown = masks(patch) & inside[:, None]
    own = shown[torch.arange(count), hue][:, None].float()
    others = shown.sum(1, keepdim=True).float() - own
    near = F.max_pool2d(own, 5, 1, 2) * inside[:, None] * (1 - others)
    value = patch.float() / 255
    spread = value.amax(1, keepdim=True) - value.amin(1, keepdim=True)
    typical = (spread * own).sum((2, 3)) / own.sum((2, 3)).clamp(min=1)
    cover = (spread / (0.75 * typical[..., None, None]).clamp(min=0.05)).clamp(max=1) * near
    light = (value - (1 - cover) * wall) * (cover > 0.02)
    return Look(light, cover * (cover > 0.02), centre - corner)


def drawn(look: Look, points: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return light (N, 3, H, W) and cover (N, 1, H, W) of looks moved to points (N, 2) [px]."""
    height, width = size
    right = (torch.arange(width) + 0.5 - points[:, :1] + look.anchor[:, :1]) / SIDE * 2 - 1
    down = (torch.arange(height) + 0.5 - points[:, 1:] + look.anchor[:, 1:]) / SIDE * 2 - 1
    grid = torch.stack([right[:, None].expand(-1, height, -1), down[:, :, None].expand(-1, -1, width)], -1)
    both = torch.cat([look.light, look.cover], 1)
    out = F.grid_sample(both, grid, align_corners=False)
    return out[:, :3], out[:, 3:]
