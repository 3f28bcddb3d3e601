"""How good a trained jepa is on held-out clips: places foreseen, places read, faults that surprise it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wmeval_adapters.jepa import rollout
from wmeval_adapters.jepa.corpus import Corpus
from wmeval_adapters.jepa.eye import THERE
from wmeval_adapters.jepa.net import AHEAD, Jepa
from wmeval_adapters.learn.clips import Clips

HORIZONS = (1, 4, 8, 12, 24)
CONTEXT = 8
BATCH = 50
MOVED_PX = 1.0  # from which a body counts as moving
JUMP_PX = 4.0  # of a slot that is put elsewhere from one frame on
FAULT = 16  # frame at which faults begin


@torch.no_grad()
def noise(model: Jepa, corpus: Corpus, clips: NDArray[np.int64]) -> Tensor:
    """Return what foreseen latents are off by (2, D): the median absolute error, as a standard deviation."""
    off: list[list[Tensor]] = [[] for _ in AHEAD]
    for latents, actions, scenes in _batches(model, corpus, clips, corpus.latents.shape[2]):
        for k, told in enumerate(rollout.foreseen(model, latents, actions, scenes)):
            for t, one in enumerate(told):
                if one is not None:
                    both = (latents[:, t, :, THERE] > 0.5) & (one.logit > 0)
                    off[k].append((one.latent - latents[:, t])[both].abs())
    return torch.stack([1.48 * torch.cat(each).median(0).values for each in off]).clamp(min=5e-3)


@torch.no_grad()
def report(model: Jepa, corpus: Corpus, held: Clips, clips: NDArray[np.int64]) -> dict[str, Any]:
    """Return the numbers of held-out clips: errors in px at HORIZONS after CONTEXT frames, R2, surprise."""
    most = min(max(HORIZONS), corpus.latents.shape[2] - CONTEXT)
    shown, true, told = [], [], []
    for latents, actions, scenes in _batches(model, corpus, clips, CONTEXT + most):
        state = rollout.watch(model, latents[:, :CONTEXT], actions, scenes[:, :CONTEXT])
        told.append(rollout.imagine(model, state, actions[:, CONTEXT - 1 :], scenes[:, CONTEXT - 1]))
        shown.append(latents[:, CONTEXT - 1])
        true.append(latents[:, CONTEXT:])
    z, frozen, out = torch.cat(told).numpy(), torch.cat(shown).numpy(), {"clips": len(clips)}
    truth = torch.cat(true).numpy()
    found: dict[str, Any] = {**out, "context": CONTEXT}
    read = readout(corpus, held, clips)
    half = model.config.size / 2
    for h in (h for h in HORIZONS if h <= most):
        here, said = truth[:, h - 1], z[:, h - 1]
        there, both = here[..., THERE] > 0.5, (here[..., THERE] > 0.5) & (said[..., THERE] > 0.5)
        moved = half * np.linalg.norm((here - frozen)[..., :2], axis=-1)
        moves = both & (frozen[..., THERE] > 0.5) & (moved > MOVED_PX)
        off = half * np.linalg.norm((here - said)[..., :2], axis=-1)
        found[f"recall@{h}"] = _short(both.sum() / max(1, there.sum()))
        found[f"spurious@{h}"] = _short(((said[..., THERE] > 0.5) & ~there).sum() / max(1, there.sum()))
        if moves.any():
            found |= {
                f"px@{h}": _short(off[moves].mean()), f"median px@{h}": _short(np.median(off[moves])),
                f"freeze px@{h}": _short(moved[moves].mean()),
            }  # fmt: skip
        found |= {f"{k}@{h}": v for k, v in _read(read, said, held, CONTEXT + h - 1).items()}
    found |= {f"encoded {k}": v for k, v in _read(read, truth[:, 0], held, CONTEXT).items()}
    return found | faults(model, corpus, clips)


def readout(corpus: Corpus, held: Clips, clips: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the ridge regression (6, 6 D + 1, 2) of image positions on latents of clips before `clips`."""
    first = max(0, int(clips[0]) - 300)
    rows = corpus.latents[0, first : int(clips[0])].astype(np.float64)
    state = np.asarray(held.state[first : int(clips[0])], dtype=np.float64)
    flat = _flat(rows.reshape(-1, *rows.shape[2:]))
    state = state.reshape(-1, *state.shape[2:])
    out = np.zeros((state.shape[1], flat.shape[1], 2))
    for k in range(state.shape[1]):
        ok = np.isfinite(state[:, k, 0]) & (state[:, k, 4] > 0.25)
        weight = np.where(ok, np.nan_to_num(state[:, k, 4]), 0.0)[:, None] ** 3
        gram = flat.T @ (weight * flat) + 1e-3 * np.eye(flat.shape[1])
        out[k] = np.linalg.solve(gram, flat.T @ (weight * np.nan_to_num(state[:, k, :2])))
    return out


def _read(
    read: NDArray[np.float64], latents: NDArray[np.float32], held: Clips, frame: int
) -> dict[str, float]:
    """Return R2 and median error [px] of what is read from latents (n, 6, D) at a frame, bodies in view."""
    state = np.asarray(held.state[-len(latents) :, frame], dtype=np.float64)
    said = np.einsum("nf,kfx->nkx", _flat(latents.astype(np.float64)), read)
    ok = np.isfinite(state[..., 0]) & (state[..., 4] > 0.9) & (latents[..., THERE] > 0.5)
    if not ok.any():
        return {}
    off = said[ok] - state[ok][:, :2]
    spread = state[ok][:, :2] - state[ok][:, :2].mean(0)
    return {
        "R2": _short(1 - (off**2).sum() / (spread**2).sum()),
        "read px": _short(np.median(np.linalg.norm(off, axis=-1))),
    }


def _flat(latents: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([latents.reshape(len(latents), -1), np.ones((len(latents), 1))], 1)


def faults(model: Jepa, corpus: Corpus, clips: NDArray[np.int64]) -> dict[str, float]:
    """Return the share of clips in which a fault at FAULT surprises more than the true clip does.

    A jump: slots in view are put 4 px aside from then on. A loss: slots in view are gone from then on.
    """
    won: dict[str, list[float]] = {"jump told": [], "loss told": []}
    frames = corpus.latents.shape[2]
    at = min(FAULT, frames - 4)
    for latents, actions, scenes in _batches(model, corpus, clips, frames):
        base = rollout.surprises(model, latents, actions, scenes)[:, at : at + 3].mean(1)
        full = (latents[:, at - 1 : at + 3, :, THERE] > 0.5).all(1).any(1)
        aside, gone = latents.clone(), latents.clone()
        moved = torch.tensor([1.0, -1.0]) * JUMP_PX / model.config.size * 2 / 2**0.5
        seen = aside[:, at:, :, THERE] > 0.5
        aside[:, at:, :, :2] += moved * seen[..., None]
        gone[:, at:] = 0
        for name, changed in (("jump told", aside), ("loss told", gone)):
            other = rollout.surprises(model, changed, actions, scenes)[:, at : at + 3].mean(1)
            won[name] += (other > base)[full].float().tolist()
    return {k: _short(float(np.mean(v))) for k, v in won.items() if v}


def _batches(
    model: Jepa, corpus: Corpus, clips: NDArray[np.int64], length: int
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return latents, actions and the scene's map at each frame, of some clips at a time."""
    out = []
    for first in range(0, len(clips), BATCH):
        some = clips[first : first + BATCH]
        zero = np.zeros(len(some), np.int64)
        z, actions, behind = corpus.window(some, zero, length, zero + CONTEXT - 1, zero)
        scene = model.predictor.look(torch.from_numpy(behind).float() / 255)
        every = scene[:, None].expand(-1, length, -1, -1, -1)
        out.append((torch.from_numpy(z), torch.from_numpy(actions), every))
    return out


def _short(value: float) -> float:
    return round(float(value), 3)
