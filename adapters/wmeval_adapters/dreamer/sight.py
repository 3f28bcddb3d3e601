"""What one frame shows of each hue: where its pixels are, how far they reach, their mean colour.

Bodies have one of six hues and whatever stands still is grey: a slot of the model is a hue. The profiles of a
body, sums of its pixels along columns and rows around its centre, tell its size and which side is cut off.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wmeval_adapters.learn.clips import HUES

REACH = 8  # px to each side of the centre that a profile covers
PROFILE = 4 * REACH
FULL = 0.35  # of an opponent channel, from which a pixel counts whole
LEAST_PX = 3.0  # px of a hue from which it is seen; seams of two bodies mix to fewer of a third
EDGE = 8.0  # px from the border of the image within which a body may be cut off


@dataclass(frozen=True)
class Sight:
    """What is seen of the six hues in frames; zeros where a hue is not seen."""

    seen: Tensor  # (..., 6) bool
    centre: Tensor  # (..., 6, 2) px, of what is seen
    look: Tensor  # (..., 6, 37) profile, size, room to the four borders
    colour: Tensor  # (..., 6, 3) in [0, 1]


LOOK = PROFILE + 5


def opponent(frames: Tensor) -> Tensor:
    """Return how much of each hue pixels show in [0, 1], (N, 6, H, W), of frames (N, 3, H, W) uint8."""
    r, g, b = (frames.float() / 255).unbind(1)
    high, low = torch.maximum, torch.minimum
    told = (r - high(g, b), low(r, g) - b, g - high(r, b), low(g, b) - r, b - high(r, g), low(r, b) - g)
    return torch.stack(told, 1).clamp(min=0)


def spotted(frames: Tensor) -> Sight:
    """Return what frames (N, 3, H, W) uint8 show of each hue."""
    mask = (opponent(frames) / FULL).clamp(max=1)
    height, width = frames.shape[-2:]
    across, along = mask.sum(2), mask.sum(3)  # (N, 6, W), (N, 6, H)
    area = across.sum(-1)
    seen = area >= LEAST_PX
    at = [
        (line * (torch.arange(line.shape[-1]) + 0.5)).sum(-1) / area.clamp(min=1e-6)
        for line in (across, along)
    ]
    core = (mask >= 1).float()
    count = core.sum((-1, -2)).clamp(min=1)
    colour = torch.einsum("nhyx,ncyx->nhc", core, frames.float() / 255) / count[..., None]
    size = area.sqrt()[..., None] / 10
    centre = torch.stack(at, -1)
    border = torch.stack([at[0], width - at[0], at[1], height - at[1]], -1)
    room = (border / EDGE).clamp(0, 1)
    look = torch.cat([_profile(across, at[0]), _profile(along, at[1]), size, room], -1)
    there = seen[..., None].float()
    return Sight(seen, centre * there, look * there, colour * there)


def _profile(line: Tensor, centre: Tensor) -> Tensor:
    """Return line (N, 6, L) sampled each pixel around a centre (N, 6), linearly between pixels."""
    x = centre[..., None] + torch.arange(-REACH, REACH)  # px index of what lies half a pixel further on
    low = x.floor()
    share = x - low
    length = line.shape[-1]

    def at(i: Tensor) -> Tensor:
        inside = (i >= 0) & (i < length)
        return line.gather(-1, i.clamp(0, length - 1).long()) * inside

    return ((1 - share) * at(low) + share * at(low + 1)) / 8


def mirrored(sight: Sight, width: int) -> Sight:
    """Return what the frames would show that are mirrored left to right."""
    there = sight.seen.float()
    centre = torch.stack([(width - sight.centre[..., 0]) * there, sight.centre[..., 1]], -1)
    look = sight.look.clone()
    look[..., : 2 * REACH] = sight.look[..., : 2 * REACH].flip(-1)
    look[..., PROFILE + 1] = sight.look[..., PROFILE + 2]
    look[..., PROFILE + 2] = sight.look[..., PROFILE + 1]
    return Sight(sight.seen, centre, look, sight.colour)


assert HUES == 6
