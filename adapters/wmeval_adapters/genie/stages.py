"""What each training stage minimises, and what is prepared between stages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from wmeval.model import ACTION_DIM
from wmeval_adapters.genie.actions import (
    CODES,
    Binding,
    LatentActions,
    bind,
    code_of,
    measured,
    quantised,
)
from wmeval_adapters.genie.background import grown, hued, running
from wmeval_adapters.genie.corpus import Corpus
from wmeval_adapters.genie.memory import spotted
from wmeval_adapters.genie.reader import Reader, shown
from wmeval_adapters.genie.tokenizer import Tokenizer
from wmeval_adapters.learn.clips import Clips, channels, draws, unit

Loss = Callable[[int], tuple[Tensor, dict[str, float]]]
REST = 0.1  # px that a latent action must save before it is told
CUTS = (3, 24)  # frames after which the context may end
TOKENIZER_CLIPS = 2000  # patches are simple: more clips than this teach the tokenizer nothing new


def half_precision() -> torch.autocast:
    """Return the context in which matrix work runs in bfloat16 (twice as fast on the CPUs we measured)."""
    return torch.autocast("cpu", dtype=torch.bfloat16)


def decibel(square: Tensor) -> float:
    """Return PSNR [dB] of a mean squared error over pixels in [0, 1]."""
    return float(-10 * torch.log10(square.detach().clamp(min=1e-9)))


def tokenizer_loss(clips: Clips, model: Tokenizer, seed: int, *, batch: int = 6) -> Loss:
    """Return the loss of reconstruction: bodies count nine times; quantisation comes on gradually.

    A step takes 8 frames of `batch` clips in order; each is encoded over its own background, and all are
    decoded over the background after the fourth, as when predicting.
    """

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = draws(seed, "tokenizer", step)
        rows = np.sort(rng.choice(min(clips.trained, TOKENIZER_CLIPS), batch, replace=False))
        length = clips.frames.shape[1]
        times = np.stack([np.sort(rng.choice(length, 8, replace=False)) for _ in rows])
        whole = channels(np.stack([clips.frames[r][t] for r, t in zip(rows, times, strict=True)]))
        if rng.random() < 0.5:
            whole = whole.flip(-1)
        own = running(whole)
        frames, copied = whole.flatten(0, 1), own[:, 3].repeat_interleave(8, 0)
        amount = min(1.0, max(0.0, (step - 60) / 200))
        generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
        with half_precision():
            digits = model.quantised(model.encoder(frames, own.flatten(0, 1)), amount)
            jitter = torch.randint(-1, 2, digits.shape, generator=generator) * 2 / (model.config.levels - 1)
            chosen = torch.rand(digits.shape, generator=generator) < 0.02
            shaken = (digits + jitter * chosen).clamp(-1, 1)
            out = model.decoder(shaken, unit(copied))
        return weighted_error(out, frames, copied)

    return loss


def weighted_error(out: Tensor, frames: Tensor, copied: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Return the error of decoded frames (N, 3, H, W), weighted towards bodies, and PSNR [dB] to log.

    `frames` and the background `copied` are uint8. Where greys differ between them a screen has moved,
    which no token can tell: it does not count.
    """
    body = hued(frames)
    # Where a body stood at the cut an error is a ghost of it, and counts like one of a body.
    near = grown(grown(body | hued(copied)))
    moved = ((unit(frames) - unit(copied)).abs().amax(1) > 0.03) & ~near
    weight = (1 + 8 * near.float()) * ~moved
    weight = (weight / weight.mean())[:, None]
    difference = out - unit(frames)
    value = (weight * (4 * difference.square() + 0.1 * difference.abs())).mean()
    error = difference.detach().square().mean(1)
    numbers = {"loss": float(value.detach()), "psnr": decibel(error.mean())}
    numbers["fg"] = decibel((error * body).sum() / body.sum().clamp(min=1))
    return value, numbers


def _into(path: Path, shape: tuple[int, ...], fill: Callable[[slice], NDArray[np.uint8]]) -> None:
    """Write an array of clips piece by piece; the file is there when all of it is."""
    if path.is_file():
        return
    part = path.with_suffix(".part")
    array = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
    for first in range(0, shape[0], 16):
        rows = slice(first, min(first + 16, shape[0]))
        array[rows] = fill(rows)
    array.flush()
    part.replace(path)


def write_backgrounds(clips: Clips, out: Path) -> None:
    """Write the background of every frame, (n, T, H, W, 3), into `out`."""

    def fill(rows: slice) -> NDArray[np.uint8]:
        return running(channels(clips.frames[rows])).movedim(-3, -1).numpy()

    _into(out / "behind.npy", clips.frames.shape, fill)


def write_sights(clips: Clips, out: Path) -> None:
    """Write where each hue is seen, (n, T, 6, 2) [px], and whether it is, (n, T, 6), into `out`."""
    if (out / "spotted.npy").is_file():
        return
    told = [spotted(channels(clips.frames[first : first + 16])) for first in range(0, len(clips.frames), 16)]
    np.save(out / "spots.npy", np.concatenate([s.points.numpy() for s in told]))
    np.save(out / "spotted.npy", np.concatenate([s.seen.numpy() for s in told]))


@torch.no_grad()
def write_tokens(clips: Clips, model: Tokenizer, out: Path) -> None:
    """Write the tokens (n, T, h, w, digits) of all frames, plain and mirrored, into `out`."""
    model.eval()
    behind = np.load(out / "behind.npy", mmap_mode="r")
    grid = clips.size // model.config.patch
    shape = (*clips.frames.shape[:2], grid, grid, model.config.digits)
    for name in ("plain", "mirrored"):

        def fill(rows: slice, turned: bool = name == "mirrored") -> NDArray[np.uint8]:
            frames, own = (channels(x[rows]).flatten(0, 1) for x in (clips.frames, behind))
            codes = model.encode(*(x.flip(-1) if turned else x for x in (frames, own)))
            told: NDArray[np.uint8] = codes.reshape(-1, *shape[1:]).numpy()
            return told

        _into(out / f"{name}-tokens.npy", shape, fill)


def latent_loss(both: tuple[Corpus, Corpus], trained: int, model: LatentActions, seed: int) -> Loss:
    """Return the loss of latent actions: how bodies depart from inertia, told through one code.

    Half of the frames of a step follow a push, so that pushes are worth a code of their own.
    """
    pushed = np.argwhere(np.abs(both[0].actions[:trained]).max(-1) > 1e-6)
    size = model.size

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = draws(seed, "latent", step)
        corpus = both[int(rng.random() < 0.5)]
        length = corpus.present.shape[1]
        any_frame = np.stack([rng.integers(0, trained, 128), rng.integers(2, length, 128)], 1)
        some = pushed[rng.integers(0, len(pushed), 128)] if len(pushed) else any_frame
        rows, times = np.concatenate([some, any_frame]).T
        points, present = corpus.points[rows, times], corpus.present[rows, times]
        history = corpus.histories(rows)
        at = torch.arange(len(rows))
        history = history.each(lambda x: x[at, times])
        background = unit(corpus.background(rows, rng.integers(*CUTS, len(rows))))
        with half_precision():
            action = model.encode(history, points, present)
            amount = min(1.0, max(0.0, (step - 60) / 200))
            chosen = action + amount * (quantised(action) - action)
            # Rest has to be enough by itself, so that a code tells only what nothing else does.
            rest = torch.from_numpy(rng.random((len(rows), 1)) < 0.3)
            told = model.decode(history, background, chosen.masked_fill(rest, 0.0))
        both_seen = present & history.present[0] & history.present[1]
        error = F.smooth_l1_loss(told.float(), points - history.inertia, reduction="none").sum(-1)
        value = (error * both_seen).sum() / both_seen.sum().clamp(min=1) + amount * REST * action.abs().mean()
        inertial = F.smooth_l1_loss(history.inertia, points, reduction="none").sum(-1)
        alone = (inertial * both_seen).sum() / both_seen.sum().clamp(min=1)
        used = len(torch.unique(code_of(quantised(action.detach()))))
        with_code = both_seen & ~rest
        told_off = float((error.detach() * with_code).sum() / with_code.sum().clamp(min=1))
        return value, {
            "loss": float(value.detach()),
            "coded": told_off,
            "inertia": float(alone),
            "codes": used,
        }

    assert size == both[0].behind.shape[2]
    return loss


@torch.no_grad()
def write_codes(corpus: Corpus, model: LatentActions, path: Path) -> None:
    """Write the latent action that led to each frame of a corpus, (n, T) int64; the first is of rest."""
    model.eval()
    codes = np.full(corpus.present.shape[:2], CODES // 2, np.int64)
    for first in range(0, len(codes), 64):
        rows = np.arange(first, min(first + 64, len(codes)))
        past = corpus.histories(rows)
        flat = past.each(lambda x: x.flatten(0, 1))
        action = model.encode(flat, corpus.points[rows].flatten(0, 1), corpus.present[rows].flatten(0, 1))
        codes[rows, 1:] = code_of(quantised(action)).view(len(rows), -1).numpy()[:, 1:]
    np.save(path, codes)


def binding(corpus: Corpus, trained: int) -> Binding:
    """Return scene actions bound to codes on the trained clips, its purity measured on the others."""
    told = bind(corpus.actions[:trained, 1:].reshape(-1, ACTION_DIM), corpus.codes[:trained, 1:].reshape(-1))
    fresh = corpus.actions[trained:, 1:].reshape(-1, ACTION_DIM)
    return measured(told, fresh, corpus.codes[trained:, 1:].reshape(-1))


def reader_loss(clips: Clips, tokens: NDArray[np.uint8], model: Reader, seed: int) -> Loss:
    """Return the loss of reading: shares of hues and sub-blocks in the patches where something is."""

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = draws(seed, "reader", step)
        rows, times = rng.integers(0, clips.trained, 192), rng.integers(0, tokens.shape[1], 192)
        bodies = np.stack([clips.bodies[r, t] for r, t in zip(rows, times, strict=True)])
        codes = torch.from_numpy(tokens[rows, times])
        there = (codes != model.levels // 2).any(-1)
        target = shown(bodies, clips.size // tokens.shape[2])[there]
        told = model(model.one_hot(codes[there]))
        value = (told - target).square().mean()
        spread = float(target.var(0).mean())
        return 10 * value, {"loss": float(value.detach()), "explained": 1 - float(value.detach()) / spread}

    return loss
