"""How the recurrent model learns: it watches some frames of a clip, then goes on without.

While it watches, the posterior learns where bodies are and the prior what the posterior will say (balanced
divergence with free nats). From the cut on the prior's own departures move the slots, a little longer the
later it is in the training, and where the bodies then are is compared with where they were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from wmeval_adapters.dreamer.categorical import balanced, two_hot
from wmeval_adapters.dreamer.corpus import Corpus
from wmeval_adapters.dreamer.slots import Rssm, Seen, Slots, expected, nothing
from wmeval_adapters.learn.clips import HUES, draws

CUTS = (3, 13)  # frames watched
LONG = (12, 27)  # frames watched in a share of the steps
OFTEN_LONG = 0.25
EVERY = 4  # frames for which one background stands while watching
LONGEST = 14  # frames imagined in the end
GROWS = (0.3, 0.8)  # shares of the steps between which imagining grows to that
FREE = 0.02  # nats a slot
HELD = 4  # imagined frames through which errors are carried back: longer chains shake the weights
SLOTS = 3  # at most in a training clip
REACHED = 12.0  # px of departure that the bins tell
FARTHEST = 6.0  # px of error beyond which a watched body counts no more
WEIGHTS = {"post": 0.3, "kl": 1.0, "view": 0.5, "next": 2.0, "fit": 1.0, "open": 1.0}


@dataclass(frozen=True)
class Window:
    """A batch of B clips, T frames each, with S of their slots."""

    seen: Seen  # (B, T, S, ...)
    points: Tensor  # (B, T, S, 2) px
    shown: Tensor  # (B, T, S)
    told: Tensor  # (B, T, S) bool: the place is known
    actions: Tensor  # (B, T, 12)
    statics: Tensor  # (B, K, 2, H, W)
    which: Tensor  # (B, T) which of the statics stands before each frame
    cut: Tensor  # (B,)


def window(
    corpus: Corpus, rows: NDArray[np.int64], first: NDArray[np.int64], length: int, cut: NDArray[np.int64],
    order: NDArray[np.int64],
) -> Window:  # fmt: skip
    """Return frames [first, first + length) of clips with the slots `order` (B, S)."""
    at = first[:, None] + np.arange(length)
    pick = (rows[:, None, None], at[:, :, None], order[:, None])
    seen = Seen(*(x[pick] for x in (corpus.seen, corpus.spot, corpus.share, corpus.kind, corpus.area)))
    ages = np.arange(0, int(cut.max()), EVERY)
    times = np.concatenate([first[:, None] + ages, (first + cut - 1)[:, None]], 1)
    times = np.minimum(times, corpus.greys.shape[1] - 1)
    assert corpus.screens is not None
    both = [torch.from_numpy(x[rows[:, None], times]).float() / 255 for x in (corpus.greys, corpus.screens)]
    statics = torch.stack(both, 2)
    frame = np.arange(length)
    which = np.where(frame < cut[:, None], np.maximum(frame - 1, 0) // EVERY, len(ages))
    return Window(
        seen, corpus.points[pick], corpus.shown[pick], corpus.known[pick],
        torch.from_numpy(corpus.actions[rows[:, None], at]), statics.flip(-1) if corpus.turned else statics,
        torch.from_numpy(which), torch.from_numpy(cut),
    )  # fmt: skip


def ahead(step: int, steps: int) -> int:
    """Return how many frames are imagined at a step.

    >>> ahead(30, 100), ahead(55, 100), ahead(99, 100)
    (2, 8, 14)
    """
    low, high = GROWS
    share = min(1.0, max(0.0, (step / steps - low) / (high - low)))
    return round(2 + (LONGEST - 2) * share)


def unrolled(model: Rssm, w: Window) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss of a window and its parts."""
    batch, length, count = w.shown.shape
    state = nothing(batch, count, model.config)
    each, frame = torch.arange(batch), torch.arange(length)
    watching = (frame < w.cut[:, None])[..., None]  # (B, T, 1)
    shown = (w.seen.there & watching, w.seen.point, w.seen.share, w.seen.kind, w.seen.area)
    frames = [Seen(*x) for x in zip(*(x.unbind(1) for x in shown), strict=True)]
    steps: list[tuple[Tensor, ...]] = []
    for t, seen in enumerate(frames):
        if t > CUTS[0]:
            state = loosened(state, (t > w.cut) & ((t - w.cut) % HELD == 0))
        prior = model.prior(state, w.actions[:, t], w.statics[each, w.which[:, t]])
        post = model.posterior(prior, state, seen)
        told = expected(post, model.bins, model.views)
        guess = expected(prior.chance, model.bins, model.views)
        known = state.known
        departure = torch.where(watching[:, t, :, None], told[0], guess[0])
        state = model.settle(prior, state, departure, torch.where(watching[:, t], told[1], guess[1]), seen)
        steps.append((
            known, prior.base, guess[0], prior.chance.place, prior.chance.view, post.place, post.view,
            state.point,
        ))  # fmt: skip
    known, base, guess_px, prior_place, prior_view, post_place, post_view, point = (
        torch.stack(x, 1) for x in zip(*steps, strict=True)
    )
    known = known & w.told
    watched, alone = (known & watching).float(), (known & ~watching).float()
    gone = (w.points - base).detach()
    within = watched * (gone.abs() < REACHED).all(-1)
    target, views = two_hot(gone, model.bins), two_hot(w.shown.clamp(0, 1), model.views)
    # late frames are harder and must not outshout the early ones
    late = 1 + 2 / (frame - w.cut[:, None] + 1).clamp(min=1)[..., None]
    miss = _off(point, w.points)
    parts = {
        "post": _mean(-(target * post_place).sum((-1, -2)), within),
        "kl": _mean(balanced(post_place, prior_place, free=FREE), watched)
        + _mean(balanced(post_view[..., None, :], prior_view[..., None, :], free=FREE), watched),
        # what the encoder misreads, and what no frame shows, still has a true share in view
        "view": _mean(-(views * post_view).sum(-1), watched) + _mean(-(views * prior_view).sum(-1), alone),
        "next": _mean(_off(base + guess_px, w.points).clamp(max=FARTHEST), within),
        "fit": _mean(miss.clamp(max=FARTHEST), watched),
        "open": _mean(2 * torch.log1p(miss), alone * late),
    }
    value = sum((WEIGHTS[k] * v for k, v in parts.items()), torch.zeros(()))
    return value, parts


def loosened(state: Slots, rows: Tensor) -> Slots:
    """Return a state through which nothing is learnt of what came before, for some rows (B,)."""

    def cut(x: Tensor) -> Tensor:
        return torch.where(rows[:, None, None], x.detach(), x)

    return replace(
        state, deter=cut(state.deter), point=cut(state.point), speed=cut(state.speed), bend=cut(state.bend),
        last=cut(state.last),
    )  # fmt: skip


def _mean(value: Tensor, weight: Tensor) -> Tensor:
    return (value * weight).sum() / weight.sum().clamp(min=1)


def _off(one: Tensor, other: Tensor) -> Tensor:
    """Return how far points (..., 2) are apart, smooth near 0."""
    return F.smooth_l1_loss(one, other, reduction="none", beta=0.3).sum(-1)


def dynamics_loss(
    both: tuple[Corpus, Corpus], trained: int, model: Rssm, seed: int, steps: int, *, batch: int = 64
) -> Callable[[int], tuple[Tensor, dict[str, float]]]:
    """Return the loss of the recurrent model."""
    present = both[0].seen[:trained].any(1).numpy()  # (n, 6)
    order = np.argsort(~present, axis=1, kind="stable")[:, : min(SLOTS, HUES)]

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = draws(seed, "dynamics", step)
        corpus = both[int(rng.random() < 0.5)]
        frames = corpus.seen.shape[1]
        reach = ahead(step, steps)
        rows = np.sort(rng.choice(trained, min(batch, trained), replace=False))
        low, high = LONG if rng.random() < OFTEN_LONG and frames > LONG[0] + 1 else CUTS
        cut = rng.integers(low, min(high, frames - 1), len(rows))
        length = min(int(cut.max()) + reach, frames)
        first = rng.integers(0, frames - length + 1, len(rows))
        # most falls and throws begin with the clip
        first = np.where(rng.random(len(rows)) < 0.4, 0, first)
        w = window(corpus, rows, first, length, cut, order[rows])
        held = (torch.arange(length) < w.cut[:, None] + reach)[..., None]
        w = Window(w.seen, w.points, w.shown, w.told & held, w.actions, w.statics, w.which, w.cut)
        value, parts = unrolled(model, w)
        return value, {"loss": float(value.detach()), "ahead": reach} | {
            k: float(v.detach()) for k, v in parts.items()
        }

    return loss


def common(actions: NDArray[np.float32]) -> Tensor:
    """Return the unit (12,) of each part of scene actions: the root mean square where it is not zero."""
    flat = np.abs(actions.reshape(-1, actions.shape[-1]).astype(np.float64))
    count = (flat > 1e-6).sum(0)
    size = np.sqrt((flat**2).sum(0) / np.maximum(count, 1))
    return torch.from_numpy(np.where(count > 0, size, 1.0)).float()
