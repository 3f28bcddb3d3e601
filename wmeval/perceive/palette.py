"""What colour each body has in this clip: nominal hues, moved within stated limits towards what is seen.

A model that turns all colours by 15 degrees, or pales them, has not lost its bodies. The limits below say
how much of a shift is still the same body; beyond them it is another one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from wmeval.scene import Scene

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
HUE_SHIFT_DEG = 25.0  # a body's hue in a clip may differ from the scene's by this much
HUE_SPREAD_DEG = 32.0  # a pixel's hue may differ from its body's by this much
PALEST = 0.35  # share of the nominal chroma that a clip's bodies keep at least
SATURATION = 0.9  # that dynamic bodies are painted with
FAINT = 0.10  # chroma below this is grey, whatever the clip
_BINS = 180


@dataclass(frozen=True)
class Colours:
    """A clip split into what tells bodies from background; arrays (T, H, W) in [0, 1], hue in degrees."""

    grey: Singles  # the smallest channel: what a pixel has of white
    chroma: Singles  # largest minus smallest channel
    hue: Singles


@dataclass(frozen=True)
class Palette:
    """The colours of a clip's bodies, in slot order."""

    hue: Floats  # (N,) degrees
    chroma: Floats  # (N,) typical chroma of a pixel that the body covers
    spread: Floats  # (N,) degrees that a pixel's hue may be off
    bleach: Floats  # (N,) grey per chroma of the body itself, (1 - S) / S


def colours(frames: NDArray[np.uint8] | Singles) -> Colours:
    """Return the colours of frames (T, H, W, 3) in [0, 255]."""
    red, green, blue = (np.ascontiguousarray(frames[..., c]).astype(np.float32) for c in range(3))
    low: Singles = np.minimum(np.minimum(red, green), blue)
    high: Singles = np.maximum(np.maximum(red, green), blue)
    hue = np.rad2deg(np.arctan2(np.float32(0.8660254) * (green - blue), red - (green + blue) / 2))
    scale = np.float32(1 / 255)
    return Colours(low * scale, (high - low) * scale, np.where(hue < 0, hue + 360, hue).astype(np.float32))


def turn(a: NDArray[np.floating], b: float) -> NDArray[np.floating]:
    """Return the signed difference a - b of hues in degrees, in (-180, 180]."""
    return (a - b + 180.0) % 360.0 - 180.0


def estimate(clip: Colours, scene: Scene) -> Palette:
    """Return the palette of a clip.

    Hues are peaks of the chroma-weighted histogram within HUE_SHIFT_DEG of the scene's; a body whose
    colour is nowhere to be seen takes the median shift of the others.
    """
    nominal = np.array([b.hue for b in scene.moving], dtype=np.float64)
    expected = np.array([SATURATION * b.value * 0.85 for b in scene.moving])  # 0.85: shading
    strong = clip.chroma > FAINT
    chroma, hue, grey = clip.chroma[strong], clip.hue[strong], clip.grey[strong]
    weight = chroma**3  # full pixels of bodies count, edges and noise hardly
    bins = np.minimum((hue * (_BINS / 360.0)).astype(np.int64), _BINS - 1)
    histogram = np.bincount(bins, weights=weight, minlength=_BINS).astype(np.float64)
    histogram = ndimage.gaussian_filter1d(histogram, 1.5, mode="wrap")
    middles = (np.arange(_BINS) + 0.5) * 360.0 / _BINS
    gaps = np.array([min((abs(turn(nominal, h))[nominal != h]).min(initial=180.0), 180.0) for h in nominal])
    shift = np.full(len(nominal), np.nan)
    for j, h in enumerate(nominal):
        window = np.minimum(HUE_SHIFT_DEG + 5.0, gaps[j] / 2)
        near = np.abs(turn(middles, h)) <= window
        # less than three full pixels in the whole clip fix no hue
        if histogram[near].sum() < 3 * (PALEST * expected[j]) ** 3:
            continue
        peak = middles[near][histogram[near].argmax()]
        close = np.abs(turn(middles, float(peak))) <= 10.0
        offset = turn(middles[close], float(peak))
        mean = peak + (offset * histogram[close]).sum() / histogram[close].sum()
        shift[j] = np.clip(turn(np.array(mean), h), -HUE_SHIFT_DEG, HUE_SHIFT_DEG)
    common = float(np.nanmedian(shift)) if np.isfinite(shift).any() else 0.0
    seen = (nominal + np.where(np.isfinite(shift), shift, common)) % 360.0
    spread = np.array(
        [min(HUE_SPREAD_DEG, abs(turn(seen, s))[np.arange(len(seen)) != j].min(initial=360.0) / 2)
         for j, s in enumerate(seen)]
    )  # fmt: skip
    level, bleach = expected.copy(), np.full(len(nominal), (1 - SATURATION) / SATURATION)
    for j, s in enumerate(seen):
        mine = np.abs(turn(hue, float(s))) <= spread[j]
        total = float(weight[mine].sum())
        if np.isfinite(shift[j]) and total > 0:
            level[j] = max(float((weight[mine] * chroma[mine]).sum()) / total, PALEST * expected[j])
            full = mine & (chroma > 0.8 * level[j])
            if full.any():
                bleach[j] = np.median(grey[full] / chroma[full])
    return Palette(seen, level, spread, np.clip(bleach, 0.0, 2.0))
