"""How encoder and decoder learn: one frame at a time, with the simulator's word on where bodies are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wmeval_adapters.dreamer.corpus import sight_of
from wmeval_adapters.dreamer.picture import PAD, Picture, flat, window
from wmeval_adapters.dreamer.sight import Sight, mirrored
from wmeval_adapters.learn.clips import Clips, channels, draws, mirrored_state

Loss = Callable[[int], tuple[Tensor, dict[str, float]]]
LOOKS = 4  # other frames of a clip, the one that shows most of the body tells its kind
BODY = 4.0  # by which an error on a body counts more than one beside it


def picture_loss(clips: Clips, out: Path, model: Picture, seed: int, *, batch: int = 96) -> Loss:
    """Return the loss of seeing: where bodies are, how much is in view, and the pixels around them.

    The kind of a body comes from another frame than the one that is drawn, so that it holds what lasts.
    """
    rows_of = np.load(out / "sights.npy", mmap_mode="r")
    greys = np.load(out / "grey.npy", mmap_mode="r")
    points = np.array(clips.state[: clips.trained, :, :, :2])
    inside = (np.nan_to_num(points, nan=-99) > -3).all(-1) & (
        np.nan_to_num(points, nan=-99) < clips.size + 3
    ).all(-1)
    asked = np.argwhere(inside)
    hidden = np.nan_to_num(np.array(clips.state[: clips.trained, :, :, 4]))[inside] < 0.98
    odds = np.flatnonzero(hidden), np.flatnonzero(~hidden)

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = draws(seed, "picture", step)
        turned = bool(rng.random() < 0.5)
        half = [rng.choice(o if len(o) else np.arange(len(asked)), batch // 2) for o in odds]
        clip, time, hue = asked[np.sort(np.concatenate(half))].T
        other = rng.integers(0, clips.frames.shape[1], (LOOKS, len(clip)))

        def sights(times: np.ndarray) -> Sight:
            told = sight_of(np.stack([rows_of[c, t, h] for c, t, h in zip(clip, times, hue, strict=True)]))
            return mirrored(told, clips.size) if turned else told

        state = np.stack([clips.state[c, t, h] for c, t, h in zip(clip, time, hue, strict=True)])
        if turned:
            state = mirrored_state(state, clips.size)
        true, share = torch.from_numpy(state[:, :2]), torch.from_numpy(state[:, 4])
        frames = channels(np.stack([clips.frames[c, t] for c, t in zip(clip, time, strict=True)]))
        slots = torch.from_numpy(np.stack([clips.bodies[c, t] for c, t in zip(clip, time, strict=True)]))
        behind = torch.from_numpy(np.stack([greys[c, t] for c, t in zip(clip, time, strict=True)]))
        if turned:
            frames, slots, behind = (x.flip(-1) for x in (frames, slots, behind))
        now = sights(time)
        offset, logit, _ = model.encoder(now.look)
        off = F.smooth_l1_loss(now.centre + offset, true, reduction="none", beta=0.2).sum(-1)
        where = (off * now.seen * share.clamp(min=0.05)).sum() / (
            now.seen * share.clamp(min=0.05)
        ).sum().clamp(min=1)
        view = F.binary_cross_entropy_with_logits(logit, share.clamp(0, 1), reduction="none")
        view = (view * now.seen).sum() / now.seen.sum().clamp(min=1)

        looks = [sights(t) for t in other]
        told = [model.encoder(s.look) for s in looks]
        views = [[clips.state[c, t, h, 4] for c, t, h in zip(clip, ts, hue, strict=True)] for ts in other]
        seen = torch.from_numpy(np.array(views)) * torch.stack([s.seen for s in looks])
        best = seen.argmax(0)
        pick = torch.arange(len(clip))
        kind = torch.stack([t[2] for t in told])[best, pick]
        colour = torch.stack([s.colour for s in looks])[best, pick]
        clear = seen.amax(0) > 0.9
        with torch.autocast("cpu", dtype=torch.bfloat16):
            front = torch.sigmoid(model.screens(behind[:, None].float() / 255))
            at, offsets = window(true)
            cover, bright = model.painter(offsets, kind)
        side = clips.size + 2 * PAD
        index = flat(at, side)

        def gathered(x: Tensor, value: float) -> Tensor:
            return F.pad(x.float(), (PAD,) * 4, value=value).flatten(-2).gather(-1, index)

        shown = cover * (1 - gathered(front, 1.0))
        total = (shown.sum(1) / cover.sum(1).clamp(min=1) - share).abs()
        paint = colour[:, :, None] * bright[:, None]
        under = gathered(behind, 0.0)[:, None] / 255
        drawn = under + shown[:, None] * (paint - under)
        wanted = torch.stack([gathered(frames[:, i], 0.0) for i in range(3)], 1) / 255
        slot = gathered(slots, 255.0)
        mine = slot == torch.from_numpy(hue)[:, None] + 1
        counts = ((slot == 0) | mine) & clear[:, None]
        weight = counts * (1 + (BODY - 1) * (mine | (cover.detach() > 0.3)))
        square = ((drawn - wanted).square().mean(1) * weight).sum() / weight.sum().clamp(min=1)
        part = (total * clear).sum() / clear.sum().clamp(min=1)
        value = where + 0.2 * view + 40 * square + part
        whole = now.seen & (share > 0.95)
        px = (now.centre + offset - true).detach().norm(dim=-1)
        numbers = {
            "loss": float(value.detach()), "view": float(view.detach()), "part": float(part.detach()),
            "psnr": float(-10 * torch.log10(square.detach().clamp(min=1e-9))),
            "px": float(px[whole].median()), "px part": float(px[now.seen & ~whole].median()),
        }  # fmt: skip
        return value, numbers

    return loss
