"""Latent actions: what inertia and the scene cannot explain between two frames, in one of 25 codes.

The encoder sees how the points of the memory went on; the decoder, which sees only what was before, has to
say how they depart from inertia with nothing but the code to help it (Genie: Bruce et al. 2024). Scene
actions never enter. They are bound to codes afterwards: calibration clips with known actions are sorted
into buckets of direction and size, and each bucket takes the code that most of its clips show.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from wmeval_adapters.genie.memory import MAP, PATCH, History, shares
from wmeval_adapters.genie.tokenizer import Residual
from wmeval_adapters.learn.clips import HUES

LEVELS = 5
CODES = LEVELS**2
DIRECTIONS = 8
SIZES = 3
PUSH = 1e-6  # N s or N, above which an action counts as a push


class LatentActions(nn.Module):
    """Encoder and decoder of latent actions."""

    def __init__(self, width: int = 48, size: int = 64) -> None:
        super().__init__()
        self.size = size
        self.scene = nn.Conv2d(3 * PATCH**2, width, 3, padding=1)
        self.seen = nn.Sequential(nn.Conv2d(MAP, width, 3, padding=1), Residual(width), nn.GELU())
        inward = 2 * HUES + 2 * width
        self.pick = nn.Sequential(nn.Linear(inward, 2 * width), nn.GELU(), nn.Linear(2 * width, 2))
        self.past = nn.Conv2d(MAP + 2, width, 3, padding=1)
        self.say = nn.Sequential(Residual(width), Residual(width), nn.Conv2d(width, 2 * HUES, 1))

    def encode(self, history: History, points: Tensor, present: Tensor) -> Tensor:
        """Return (N, 2) in (-1, 1): the action that led from a history to points (N, 6, 2)."""
        both = (present & history.present[0])[..., None]
        departed = ((points - history.inertia) / PATCH).clamp(-2, 2) * both
        x = self.seen(history.maps(self.size))
        pooled = torch.cat([departed.flatten(1), x.mean((2, 3)), x.amax((2, 3))], 1)
        return torch.tanh(self.pick(pooled))

    def decode(self, history: History, background: Tensor, action: Tensor) -> Tensor:
        """Return how bodies depart from inertia (N, 6, 2) [px] under actions (N, 2)."""
        maps = history.maps(self.size)
        wide = action[:, :, None, None].expand(-1, -1, *maps.shape[2:])
        x = self.past(torch.cat([maps, wide], 1)) + self.scene(F.pixel_unshuffle(background - 0.5, PATCH))
        field = self.say(x).unflatten(1, (HUES, 2))
        share = shares(history.inertia, history.present[0], self.size)
        told: Tensor = (field * share[:, :, None]).sum((-1, -2))
        return told


def quantised(action: Tensor) -> Tensor:
    """Return actions in (-1, 1) on the nearest of five levels, gradient passed on."""
    half = (LEVELS - 1) / 2
    return action + (torch.round(action * half) / half - action).detach()


def code_of(action: Tensor) -> Tensor:
    """Return codes (...,) in [0, 25) of actions (..., 2)."""
    level = torch.round(action * (LEVELS - 1) / 2 + (LEVELS - 1) / 2).long()
    return level[..., 0] * LEVELS + level[..., 1]


def action_of(code: Tensor) -> Tensor:
    """Return actions (..., 2) in [-1, 1] of codes (...,).

    >>> import torch
    >>> bool((code_of(action_of(torch.arange(25))) == torch.arange(25)).all())
    True
    """
    half = (LEVELS - 1) / 2
    return torch.stack([code // LEVELS, code % LEVELS], -1) / half - 1


@dataclass(frozen=True)
class Binding:
    """Scene actions -> codes: bucket 0 is rest, then kind (impulse, force), size and direction of a push."""

    impulses: tuple[float, float]  # N s, between the three sizes of impulses
    forces: tuple[float, float]  # N, likewise
    codes: tuple[int, ...]  # one per bucket
    purity: float | None = None  # share of frames under an impulse that show their bucket's code
    chance: float | None = None  # the share that the one most frequent code would reach there
    rest: float | None = None  # share of frames without a push that show the code of rest

    def bucket(self, actions: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return buckets (...,) of scene actions (..., 12), by x and z of the impulse or else the force."""
        out = np.zeros(actions.shape[:-1], np.int64)
        for kind, edges in ((1, self.forces), (0, self.impulses)):
            x, z = actions[..., 3 * kind], actions[..., 3 * kind + 2]
            size = np.hypot(x, z)
            direction = np.rint(np.arctan2(z, x) / (2 * np.pi) * DIRECTIONS).astype(np.int64) % DIRECTIONS
            step = kind * SIZES + np.searchsorted(np.asarray(edges), size, side="right")
            out = np.where(size > PUSH, 1 + step * DIRECTIONS + direction, out)
        return out

    def code(self, actions: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return codes (...,) of scene actions (..., 12)."""
        return np.asarray(self.codes, dtype=np.int64)[self.bucket(actions)]


UNBOUND = Binding((1.0, 2.0), (1.0, 2.0), (CODES // 2,) * (1 + 2 * SIZES * DIRECTIONS))


def bind(actions: NDArray[np.floating], codes: NDArray[np.int64]) -> Binding:
    """Return the binding that calibration frames support: actions (n, 12) and the codes (n,) they showed.

    A bucket takes its majority code, votes for a code counting less the more frames at rest show it: small
    pushes look like rest in most frames, and would otherwise all be bound to it.
    """

    def thirds(first: int) -> tuple[float, float]:
        size = np.hypot(actions[:, first], actions[:, first + 2])
        pushed = size[size > PUSH]
        low, high = np.quantile(pushed, (1 / 3, 2 / 3)) if len(pushed) else (1.0, 2.0)
        return float(low), float(high)

    draft = replace(UNBOUND, impulses=thirds(0), forces=thirds(3))
    bucket = draft.bucket(actions)
    common = np.bincount(codes[bucket == 0], minlength=CODES)
    rest = int(common.argmax()) if common.sum() else CODES // 2
    distinct = 1 - common / max(1, common.sum())
    table = [rest]
    for b in range(1, len(draft.codes)):
        votes = np.bincount(codes[bucket == b], minlength=CODES) * distinct
        table.append(int(votes.argmax()) if votes.sum() else rest)
    return measured(replace(draft, codes=tuple(table)), actions, codes)


def measured(binding: Binding, actions: NDArray[np.floating], codes: NDArray[np.int64]) -> Binding:
    """Return the binding with its purity on frames of actions (n, 12) that showed codes (n,)."""
    bucket = binding.bucket(actions)
    shown = binding.code(actions) == codes
    pushed, rest = (bucket > 0) & (bucket <= SIZES * DIRECTIONS), bucket == 0

    def share(of: NDArray[np.bool_]) -> float | None:
        return round(float(of.mean()), 4) if of.size else None

    common = np.bincount(codes[pushed], minlength=CODES).argmax()
    return replace(
        binding, purity=share(shown[pushed]), chance=share(codes[pushed] == common), rest=share(shown[rest])
    )
