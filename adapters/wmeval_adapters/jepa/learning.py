"""What is minimised in each stage."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from wmeval_adapters.jepa.corpus import Corpus, Sights
from wmeval_adapters.jepa.eye import MIRROR, THERE, pictures
from wmeval_adapters.jepa.features import TIMES, Masked, blocks, spread_loss
from wmeval_adapters.jepa.predictor import Predictor, density
from wmeval_adapters.learn.clips import draws

Loss = Callable[[int], tuple[Tensor, dict[str, float]]]
LESSONS = 128  # bodies a step of the encoder
REACH = 6  # frames between glimpses of one body, at most
KEPT = 0.99  # of the target at each step
SCENES = 32  # clips a step of the predictor
MOST_SLOTS = 4  # of a scene: no training scene has more bodies
SPANS = ((0.0, 12, 8), (0.3, 20, 10), (0.6, 30, 14))  # from share of the steps: frames, longest context
FEWEST = 3  # frames of context
NEAR_PX = 0.5  # where the error of a place turns from squared to plain


def features_loss(seen: Sights, trained: int, model: Masked, seed: int) -> Loss:
    """Return the loss of the encoder: masked latent prediction, variance and covariance."""
    at = np.argwhere(seen.row[:trained] >= 0)
    last = seen.row.shape[1] - 1

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        model.follow(KEPT if step else 0.0)
        rng = draws(seed, "features", step)
        clip, time, slot = (x[:, None] for x in at[rng.integers(len(at), size=LESSONS)].T)
        other = np.clip(time + rng.integers(-REACH, REACH + 1, (LESSONS, TIMES)), 0, last)
        other[:, 0] = time[:, 0]
        other = np.where(seen.row[clip, other, slot] >= 0, other, time)
        flip = rng.random(LESSONS) < 0.5
        glimpses = seen.glimpses[seen.row[clip, other, slot]]
        glimpses[flip] = glimpses[flip][..., ::-1]
        places = seen.places[clip, other, slot] * np.where(flip[:, None, None], MIRROR, 1.0)
        torch_rng = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
        masks = blocks(LESSONS * TIMES, torch_rng).view(LESSONS, TIMES, 1, *glimpses.shape[-2:])
        hidden = torch.from_numpy(rng.permuted(np.tile(np.arange(TIMES) == 0, (LESSONS, 1)), axis=1))
        shown = pictures(glimpses)
        told = model(shown, masks, torch.from_numpy(places[..., :2].astype(np.float32)), hidden)
        missed = F.smooth_l1_loss(told, model.whole(shown))
        spread = spread_loss(model.online(shown[:, 0]))
        return missed + spread, {"loss": float(missed.detach()), "spread": float(spread.detach())}

    return loss


def predictor_loss(corpus: Corpus, trained: int, model: Predictor, seed: int, steps: int) -> Loss:
    """Return the loss of the predictor: latents foreseen one by one, then unrolled without correction."""
    frames = corpus.latents.shape[2]
    ever = (corpus.latents[0, ..., THERE] > 0.5).any(1)
    order = np.argsort(~ever, axis=1, kind="stable")[:, :MOST_SLOTS]
    scale = torch.from_numpy(_scale(corpus, trained))

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = draws(seed, "predictor", step)
        length, longest = next((n, c) for share, n, c in reversed(SPANS) if step >= share * steps)
        length = min(length, frames)
        context = int(rng.integers(FEWEST, min(longest, length - 1) + 1))
        clip = rng.integers(trained, size=SCENES)
        start = rng.integers(frames - length + 1, size=SCENES)
        mirrored = rng.integers(2, size=SCENES)
        z, actions, behind = corpus.window(clip, start, length, start + context - 1, mirrored)
        z = np.take_along_axis(z, order[clip][:, None, :, None], 2)
        scene = model.look(torch.from_numpy(behind).float() / 255)
        return unrolled(model, torch.from_numpy(z), torch.from_numpy(actions), scene, context, scale)

    return loss


def _scale(corpus: Corpus, trained: int) -> NDArray[np.float32]:
    """Return the standard deviation of each number of a latent in view."""
    some = corpus.latents[0, : min(trained, 400)].astype(np.float32)
    told: NDArray[np.float32] = np.maximum(some[some[..., THERE] > 0.5].std(0), 0.01)
    return told


def unrolled(
    model: Predictor, latents: Tensor, actions: Tensor, scene: Tensor, context: int, scale: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss over frames of latents (B, T, M, D), the first `context` of which correct the state."""
    state = model.begin(latents.shape[0], latents.shape[2])
    state = model.correct(state, model.nothing(latents[:, 0]), latents[:, 0])
    total, wheres, count = latents.new_zeros(()), [], 0.0
    for t in range(1, latents.shape[1]):
        state, told = model(state, scene, actions[:, t - 1])
        target = latents[:, t]
        there = target[..., THERE] > 0.5
        both = (there & state.known).float()
        off = (told.latent - target)[..., :2] * model.size / 2
        where = F.smooth_l1_loss(off, torch.zeros_like(off), beta=NEAR_PX, reduction="none").sum(-1)
        what = F.smooth_l1_loss(told.latent / scale, target / scale, reduction="none")[..., 2:].mean(-1)
        view = F.binary_cross_entropy_with_logits(told.logit, there.float(), reduction="none")
        weight = 1.0 if t >= context else 0.5
        n = state.known.float().sum().clamp(min=1)
        total = total + weight * ((both * (where + what)).sum() + (view * state.known).sum()) / n
        total = total + 0.01 * (view * ~state.known).mean()
        total = total + 0.1 * (both * density(off.detach().norm(dim=-1), told.doubt)).sum() / n
        count += weight
        wheres.append((both * off.norm(dim=-1)).sum() / both.sum().clamp(min=1))
        if t < context:
            state = model.correct(state, told, target)
        else:
            state, _ = model.imagined(state, told)
    near = wheres[context - 2] if context > 1 else wheres[0]
    return total / count, {
        "loss": float(total.detach() / count), "px": float(near.detach()),
        "px far": float(wheres[-1].detach()), "frames": float(latents.shape[1]),
    }  # fmt: skip
