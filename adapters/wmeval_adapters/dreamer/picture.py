"""From a sighting to a body and back to pixels: the encoder and the decoder of the slots.

The encoder says of what is seen of a hue where the middle of the body is, how much of it is in view, and
what it looks like (`kind`). The decoder draws a body of some kind around a point, over a background and
behind whatever of the background hides bodies; it is asked for each pixel of a window by itself, so it draws
at any place as finely as at any other.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wmeval_adapters.dreamer.sight import LOOK

KIND = 8
WINDOW = 16  # px along each side that a body may cover
PAD = 24  # px around the image within which bodies are still drawn
PATCH = 4
RESTS_PX = 0.5  # from where it was: so far a body counts as not moved


class Encoder(nn.Module):
    """Sightings -> offsets of the middle, share in view, kind."""

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(LOOK, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(),
            nn.Linear(width, 3 + KIND),
        )  # fmt: skip

    def forward(self, look: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return offset (..., 2) [px], share logit (...,) and kind (..., 8) in (-1, 1) of looks (..., 37)."""
        out = self.net(look)
        return 4 * out[..., :2], out[..., 2], torch.tanh(out[..., 3:])


class Screens(nn.Module):
    """Where a background hides bodies: greys (N, 1, H, W) in [0, 1] -> logits (N, H, W)."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(PATCH**2, width, 3, padding=1), nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1), nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1), nn.SiLU(),
            nn.Conv2d(width, PATCH**2, 3, padding=1),
        )  # fmt: skip

    def forward(self, grey: Tensor) -> Tensor:
        """Return logits (N, H, W) of a pixel's being in front of the bodies."""
        return F.pixel_shuffle(self.net(F.pixel_unshuffle(grey - 0.5, PATCH)), PATCH)[:, 0].float() - 1


class Painter(nn.Module):
    """A body of some kind at offsets from its middle -> how much it covers, how bright it is."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.place = nn.Linear(7, width)
        self.kind = nn.Linear(KIND, width)
        self.net = nn.Sequential(
            nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(),
            nn.Linear(width, 2),
        )  # fmt: skip

    def forward(self, offset: Tensor, kind: Tensor) -> tuple[Tensor, Tensor]:
        """Return cover in (0, 1) and brightness near 1, (M, P), at offsets (M, P, 2) [px] of kinds (M, 8)."""
        d = offset / REACH
        radius = (d.square().sum(-1, keepdim=True) + 1e-6).sqrt()
        told = self.place(torch.cat([d, d.abs(), d.square(), radius], -1)) + self.kind(kind)[:, None]
        out = self.net(told).float()
        return torch.sigmoid(4 * out[..., 0] - 2), 1 + 0.7 * torch.tanh(out[..., 1])


REACH = WINDOW / 2


class Picture(nn.Module):
    """Encoder, screens and painter."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.screens, self.painter = Encoder(), Screens(), Painter()


def window(points: Tensor) -> tuple[Tensor, Tensor]:
    """Return pixel indices (M, 256) in the padded image of windows around points (M, 2), and offsets [px].

    The image is taken to be square and `side()` px wide with its padding.
    """
    corner = points.floor() - WINDOW // 2
    step = torch.arange(WINDOW)
    v, u = (x.flatten() for x in torch.meshgrid(step, step, indexing="ij"))
    at = corner[:, None] + torch.stack([u, v], -1)
    return at.long() + PAD, at + 0.5 - points[:, None]


def flat(at: Tensor, side: int) -> Tensor:
    """Return indices (M, P) into an image of `side` px flattened by rows, of pixels at (M, P, 2)."""
    held = at.clamp(0, side - 1)
    return held[..., 1] * side + held[..., 0]


@dataclass(frozen=True)
class Kept:
    """What the painter misses of bodies in the last frame that was seen: it goes where they go."""

    point: Tensor  # (B, S, 2) px, where they were
    share: Tensor  # (B, S) how much of them was in view
    missed: Tensor  # (B, S, 3, H, W) of each body, 0 where it is not the nearest or is far

    def at(self, owner: Tensor, slot: int, pixels: Tensor, points: Tensor, front: Tensor) -> Tensor:
        """Return what to add (M, 3, P) to pixels (M, P, 2) [px] for bodies that are at points (M, 2).

        `owner` (M,) says which of the B each is of; `front` (M, P) is the chance of hiding bodies. A body
        that has not moved gets its pixels back as they were; one that has is also hidden by what is there.
        """
        moved = points - self.point[owner, slot]
        grid = (pixels - moved[:, None]) / (self.missed.shape[-1] / 2) - 1
        told = F.grid_sample(self.missed[owner, slot], grid[:, None], align_corners=False)[:, :, 0]
        rests = (moved.norm(dim=-1) < RESTS_PX)[:, None]
        seen = (self.share[owner, slot] > 0.5)[:, None] * (1 - front)
        return told * torch.where(rests, torch.ones_like(seen), seen)[:, None]


def kept(frames: Tensor, told: Tensor, points: Tensor, shares: Tensor, known: Tensor) -> Kept:
    """Return what drawn frames (B, 3, H, W) miss of true ones near bodies at points (B, S, 2) [px]."""
    size = frames.shape[-1]
    v, u = torch.meshgrid(*(torch.arange(size) + 0.5,) * 2, indexing="ij")
    away = torch.hypot(u - points[..., 0, None, None], v - points[..., 1, None, None])
    away = away.masked_fill(~known[..., None, None], torch.inf)
    mine = (away == away.amin(1, keepdim=True)) & (away < REACH)
    return Kept(points, shares, (frames - told)[:, None] * mine[:, :, None])


def drawn(
    painter: Painter, points: Tensor, kinds: Tensor, colours: Tensor, there: Tensor, hidden: Tensor,
    background: Tensor, touch: tuple[Kept, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return frames (N, 3, H, W) in [0, 1], and the share of each body in view (N, S).

    Bodies have points (N, S, 2) [px], kinds (N, S, 8), colours (N, S, 3) and are `there` (N, S) or not;
    `hidden` (N, H, W) is the chance that a pixel of the background (N, 3, H, W) is in front of them. `touch`
    is what was kept of B last frames, and which of them each of the N goes on from.
    """
    n, count = there.shape
    side = background.shape[-1] + 2 * PAD
    canvas = F.pad(background, (PAD,) * 4).flatten(2)
    # what is beyond the border counts as not in view
    front = F.pad(hidden, (PAD,) * 4, value=1.0).flatten(1)
    size = background.shape[-1]
    held = points.clamp(-PAD + WINDOW, size + PAD - WINDOW)
    shares = torch.zeros(n, count)
    for s in range(count):
        rows = there[:, s].nonzero()[:, 0]
        if not len(rows):
            continue
        at, offset = window(held[rows, s])
        index = flat(at, side)
        cover, bright = painter(offset, kinds[rows, s])
        veil = front[rows].gather(1, index)
        seen = cover * (1 - veil)
        shares[rows, s] = seen.detach().sum(1) / cover.detach().sum(1).clamp(min=1)
        paint = (colours[rows, s, :, None] * bright[:, None]).clamp(0, 1)
        wide = index[:, None].expand(-1, 3, -1)
        under = canvas[rows].gather(2, wide)
        mixed = under + seen[:, None] * (paint - under)
        if touch is not None:
            pixels = offset + held[rows, s][:, None]
            mixed = mixed + touch[0].at(touch[1][rows], s, pixels, points[rows, s], veil)
        canvas = canvas.index_put((rows,), canvas[rows].scatter(2, wide, mixed))
    out = canvas.view(n, 3, side, side)[..., PAD : PAD + size, PAD : PAD + size]
    return out, shares
