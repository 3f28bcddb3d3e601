"""How good a trained genie is on held-out clips: bodies in pixels, falls, returns from behind a screen."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wmeval.model import Generates, Observation
from wmeval_adapters.genie.corpus import returned
from wmeval_adapters.learn.clips import HUES, Clips

HORIZONS = (1, 4, 12, 24)
NEAR_PX = 6.0
LEAST_PX = 8  # pixels of a hue that count as a body


def by_hue(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return which hue slot + 1 each pixel of frames (..., H, W, 3) shows, 0 none, (..., H, W)."""
    pure = np.array([colorsys.hsv_to_rgb(h / HUES, 1, 1) for h in range(HUES)]) - 0.5
    value = frames.astype(np.float32)
    spread = value.max(-1) - value.min(-1)
    scaled = (value - value.min(-1, keepdims=True)) / np.maximum(spread, 1)[..., None] - 0.5
    slot: NDArray[np.uint8] = ((scaled @ pure.T).argmax(-1) + 1).astype(np.uint8)
    return np.where(spread > 51, slot, 0).astype(np.uint8)


def centres(slots: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return centroids (..., 6, 2) [px] of slots (..., H, W); NaN below 8 pixels."""
    u, v = (g + 0.5 for g in np.meshgrid(np.arange(slots.shape[-1]), np.arange(slots.shape[-2])))
    out = np.full((*slots.shape[:-2], HUES, 2), np.nan)
    for h in range(HUES):
        mask = slots == h + 1
        n = mask.sum((-1, -2))
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.stack([(mask * u).sum((-1, -2)), (mask * v).sum((-1, -2))], -1) / n[..., None]
        out[..., h, :] = np.where((n >= LEAST_PX)[..., None], found, np.nan)
    return out


@dataclass(frozen=True)
class Rollouts:
    """Held-out clips continued from one context length."""

    true: NDArray[np.uint8]  # (n, horizon, H, W, 3)
    predicted: NDArray[np.uint8]
    frozen: NDArray[np.uint8]
    context: int


def roll(model: Generates, clips: Clips, context: int, horizon: int, batch: int = 16) -> Rollouts:
    """Return true and predicted continuations of all clips."""
    told = []
    for first in range(0, len(clips.frames), batch):
        rows = range(first, min(first + batch, len(clips.frames)))
        asked = [
            Observation(
                np.array(clips.frames[r, :context]), 10.0,
                clips.actions[r, : context - 1 + horizon].astype(np.float64), horizon, "", np.eye(3),
            )
            for r in rows
        ]  # fmt: skip
        told += [p.frames for p in model.generate(asked, [0] * len(asked)) if p.frames is not None]
    true = np.array(clips.frames[:, context : context + horizon])
    frozen = np.repeat(np.array(clips.frames[:, context - 1 : context]), horizon, 1)
    return Rollouts(true, np.stack(told), frozen, context)


def body_psnr(true: NDArray[np.uint8], told: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return PSNR [dB] (n, T) on the union of true and predicted bodies, at most 50; NaN without bodies."""
    mask = (by_hue(true) > 0) | (by_hue(told) > 0)
    error = ((true.astype(np.float64) - told) ** 2).mean(-1) / 255**2
    count = mask.sum((-1, -2))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (error * mask).sum((-1, -2)) / count
    psnr: NDArray[np.float64] = np.where(count > 0, -10 * np.log10(np.maximum(mean, 1e-5)), np.nan)
    return psnr


def _falls(
    clips: Clips, told: NDArray[np.float64], context: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return true and predicted accelerations [px/frame2] of bodies in free fall for 5 frames and more."""
    state = np.array(clips.state[:, context:])
    true, guess = [], []
    for i, h in np.argwhere(np.isfinite(state[:, 0, :, 0])):
        speed = state[i, :, h, 3]
        change = np.diff(speed)
        steady = np.abs(change - change[0]) < 0.08
        span = int(np.argmin(steady)) if not steady.all() else len(steady)
        if change[0] < 0.1 or span < 5 or (state[i, :span, h, 4] < 0.95).any():
            continue
        track = told[i, : min(span, state.shape[1]), h, 1]
        if np.isfinite(track).all():
            guess.append(2 * float(np.polyfit(np.arange(len(track)), track, 2)[0]))
            true.append(float(change[:span].mean()))
    return np.array(true), np.array(guess)


def report(model: Generates, clips: Clips, *, context: int = 8, horizon: int = 24) -> dict[str, Any]:
    """Return the numbers of held-out clips, PSNR in dB as mean and standard error at HORIZONS."""
    horizon = min(horizon, clips.frames.shape[1] - context)
    rolled = roll(model, clips, context, horizon)
    ours, lazy = body_psnr(rolled.true, rolled.predicted), body_psnr(rolled.true, rolled.frozen)
    gain = ours - lazy
    out: dict[str, Any] = {"clips": len(clips.frames), "context": context}
    for h in (h for h in HORIZONS if h <= horizon):
        ok = np.isfinite(gain[:, h - 1])
        out[f"fg@{h}"] = round(float(np.nanmean(ours[:, h - 1])), 2)
        out[f"fg-freeze@{h}"] = round(float(np.nanmean(lazy[:, h - 1])), 2)
        out[f"gain@{h}"] = round(float(gain[ok, h - 1].mean()), 2)
        out[f"gain-se@{h}"] = round(float(gain[ok, h - 1].std(ddof=1) / np.sqrt(ok.sum())), 2)
    where, truth = centres(by_hue(rolled.predicted)), centres(by_hue(rolled.true))
    found, there = np.isfinite(where[..., 0]), np.isfinite(truth[..., 0])
    miss = np.hypot(*np.moveaxis(where - truth, -1, 0))
    for h in (h for h in HORIZONS if h <= horizon):
        both = found[:, h - 1] & there[:, h - 1]
        out[f"recall@{h}"] = round(float(both.sum() / max(1, there[:, h - 1].sum())), 3)
        out[f"spurious@{h}"] = round(
            float((found & ~there)[:, h - 1].sum() / max(1, there[:, h - 1].sum())), 3
        )
        out[f"error_px@{h}"] = round(float(np.median(miss[:, h - 1][both])), 2) if both.any() else None
    true, guess = _falls(clips, where, context)
    out["falls"] = len(true)
    if len(true):
        out["fall_ratio_median"] = round(float(np.median(guess / true)), 3)
        out["fall_ratio_quartiles"] = [round(float(q), 3) for q in np.quantile(guess / true, (0.25, 0.75))]
    state = torch.from_numpy(np.array(clips.state))
    back = returned(state).numpy()
    start = back[:, 1:] & ~back[:, :-1]
    events = kept = placed = 0
    for i, t, h in np.argwhere(start):
        at = t + 1 + 2 - context  # two frames after it came back
        hidden_at_cut = state[i, context - 1, h, 4] < 0.02
        if not 0 <= at < horizon or t + 1 < context or not there[i, at, h] or not hidden_at_cut:
            continue
        events += 1
        kept += int(found[i, at, h])
        placed += int(found[i, at, h] and miss[i, at, h] < NEAR_PX)
    out |= {"hidden_at_cut_returns": events, "returns_seen": kept, "returns_in_place": placed}
    events = kept = placed = 0
    for i, t, h in np.argwhere(start):
        at = t + 1 + 2 - context
        if not 0 <= at < horizon or t + 1 < context or not there[i, at, h]:
            continue
        events += 1
        kept += int(found[i, at, h])
        placed += int(found[i, at, h] and miss[i, at, h] < NEAR_PX)
    return out | {"all_returns": events, "all_returns_seen": kept, "all_returns_in_place": placed}
