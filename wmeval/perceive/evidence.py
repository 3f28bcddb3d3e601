"""Per pixel: whose colour it shows, and which share of it that body covers.

A pixel on the edge of a body is a mixture of a shaded body colour and a grey background. Its chroma alone
does not tell the share, for the dark side of a ball has less chroma too; what is left of the background's
grey does: share = 1 - (grey of the pixel - grey of the body itself) / grey of the background near by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from wmeval.perceive.palette import FAINT, Colours, Palette, turn

Singles = NDArray[np.float32]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
STRONG = 0.45  # of a body's typical chroma: more of it than that, and a pixel belongs to a body
_LEAST = 0.14  # chroma that a strong pixel has whatever the palette: three sigma of a sigma of 12 of 255
_DARK = 0.15  # backgrounds darker than this cannot tell shares by their grey


@dataclass(frozen=True)
class Evidence:
    """What a clip shows, (T, H, W) each."""

    grey: Singles
    chroma: Singles
    hue: Singles
    background: Singles  # grey of the background near each pixel
    owner: NDArray[np.uint8]  # 0 none, i + 1 the hue of slot i, N + 1 a hue that no body has
    strong: Bools  # whether the owner's colour is strong enough to be a body
    crowd: NDArray[np.int32]  # (T, H + 1, W + 1) number of strong pixels above and left of a corner
    palette: Palette

    def strong_in(self, rows: Ints, corner: Ints, side: int) -> tuple[Ints, Ints]:
        """Return how many strong pixels, and pixels, the squares (F, 2) = u, v of a side [px] hold."""
        height, width = self.owner.shape[1:]
        u0, u1 = (np.clip(corner[:, 0] + d, 0, width) for d in (0, side))
        v0, v1 = (np.clip(corner[:, 1] + d, 0, height) for d in (0, side))
        c = self.crowd
        held = c[rows, v1, u1] - c[rows, v0, u1] - c[rows, v1, u0] + c[rows, v0, u0]
        return held.astype(np.int64), (u1 - u0) * (v1 - v0)

    def share(self, slot: int, at: Ints) -> Singles:
        """Return which share of pixels the body of a slot covers, 0 to 1; `at` is where in the flat clip."""
        level, bleach = np.float32(self.palette.chroma[slot]), np.float32(self.palette.bleach[slot])
        chroma, ground = self.chroma.take(at), self.background.take(at)
        left = (self.grey.take(at) - chroma * bleach) / np.maximum(ground, _DARK)
        by_chroma = chroma / (np.float32(0.85) * level)
        share = np.where(ground > _DARK, 1 - left, by_chroma)
        # shading takes at most half of the chroma: less of it cannot be a covered pixel
        share = np.clip(np.minimum(share, chroma / (np.float32(0.5) * level)), 0.0, 1.0)
        return np.where(self.owner.take(at) == slot + 1, share, np.float32(0)).astype(np.float32)


def gather(clip: Colours, palette: Palette) -> Evidence:
    """Return the evidence of a clip under its palette."""
    slots = len(palette.hue)
    degrees = np.arange(361) + 0.5
    lut = np.full(361, slots + 1, np.uint8)
    away = np.stack([np.abs(turn(degrees, float(h))) for h in palette.hue])
    nearest = away.argmin(0)
    inside = away.min(0) <= palette.spread[nearest]
    lut[inside] = nearest[inside] + 1
    owner = np.where(clip.chroma > FAINT / 2, lut[clip.hue.astype(np.int16)], 0).astype(np.uint8)
    least = np.maximum(STRONG * np.append(palette.chroma, palette.chroma.min()), _LEAST)
    level = np.concatenate([[np.inf], least]).astype(np.float32)
    strong = clip.chroma > level[owner]
    full = np.concatenate([[np.inf], palette.chroma, [palette.chroma.min()]]).astype(np.float32)
    bleach = np.concatenate([[0.0], palette.bleach, [0.1]]).astype(np.float32)
    ground = _background(clip, clip.chroma / full[owner], bleach[owner])
    crowd = np.zeros((len(strong), strong.shape[1] + 1, strong.shape[2] + 1), np.int32)
    np.cumsum(np.cumsum(strong, 1, dtype=np.int32), 2, out=crowd[:, 1:, 1:])
    owner[_seams(owner, strong, slots)] = 0
    strong &= owner > 0
    return Evidence(clip.grey, clip.chroma, clip.hue, ground, owner, strong, crowd, palette)


def _seams(owner: NDArray[np.uint8], strong: Bools, slots: int) -> Bools:
    """Return the pixels that touch strong pixels of two other bodies.

    Where red meets green, the pixels between are yellow, and nothing yellow is there.
    """
    bits = np.where(strong & (owner <= slots), np.uint32(1) << owner.astype(np.uint32), np.uint32(0))
    near = np.pad(bits, ((0, 0), (1, 1), (1, 1)))
    near = near[:, :-2] | near[:, 1:-1] | near[:, 2:]
    near = near[:, :, :-2] | near[:, :, 1:-1] | near[:, :, 2:]
    others = near & ~(np.uint32(1) << owner.astype(np.uint32))
    seam: Bools = (others & (others - (others > 0))) != 0
    return seam


def _background(clip: Colours, tint: Singles, bleach: Singles) -> Singles:
    """Return the mean grey of the uncoloured pixels around each pixel; 1 where there are none.

    `tint` is the chroma as a share of the body's whose hue it is. Pixels with a little of it count too,
    less, and as what they would be without it: else the faint rim of a blurred body would pass for a
    darker background.
    """
    width = 2 * max(2, round(clip.grey.shape[1] / 40)) + 1
    plain = np.maximum(0, 1 - tint * np.float32(4))
    bare = (clip.grey - clip.chroma * bleach) / (1 - np.minimum(tint, np.float32(0.25)))
    size = (1, width, width)
    count = ndimage.uniform_filter(plain, size, mode="nearest")
    total = ndimage.uniform_filter(plain * bare, size, mode="nearest")
    enough = count > 0.5 / width**2
    return np.where(enough, total / np.where(enough, count, 1), 1).astype(np.float32)
