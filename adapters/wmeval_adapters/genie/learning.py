"""How the dynamics learn: what is masked, what is spoilt, what counts, and their own predictions too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from wmeval_adapters.genie.actions import Binding, action_of
from wmeval_adapters.genie.corpus import Corpus
from wmeval_adapters.genie.dynamics import Dynamics, Frame
from wmeval_adapters.genie.memory import Belief, History, Sight, base, histories, place, shares
from wmeval_adapters.genie.net import Genie
from wmeval_adapters.genie.stages import weighted_error
from wmeval_adapters.learn.clips import Clips, channels, draws, unit

# What a frame shows of itself: nothing; its points; its points or not, and some tokens; all its tokens.
UNSEEN, PLACED, PARTLY, SEEN = range(4)
CUTS = (3, 24)  # frames of a window after which its context may end
MODES = (0.35, 0.35, 0.05, 0.25)
JITTER_PX = 0.15
FORGET = 0.06  # share of bodies in a frame of whose history all, all but one, all but two points are lost
OWN_FROM = 0.75  # share of the steps after which the model is shown its own predictions


@dataclass(frozen=True)
class Window:
    """A batch of B clips, T frames each."""

    tokens: Tensor  # (B, T, h, w, digits) uint8
    points: Tensor  # (B, T, 6, 2) px
    present: Tensor  # (B, T, 6)
    back: Tensor  # (B, T, 6)
    sight: Sight  # (B, T, 6, ...)
    background: Tensor  # (B, 3, H, W)
    action: Tensor  # (B, T, 2)


def window(
    corpus: Corpus, rows: NDArray[np.int64], first: NDArray[np.int64], length: int,
    binding: Binding, bound: NDArray[np.bool_], cut: NDArray[np.int64],
) -> Window:  # fmt: skip
    """Return frames [first, first + length) of clips; `bound` clips take the codes bound to their actions."""
    at = first[:, None] + np.arange(length)
    each = rows[:, None]
    codes = np.where(bound[:, None], binding.code(corpus.actions[each, at]), corpus.codes[each, at])
    codes[:, 0] = binding.codes[0]  # what led to the first frame of a context is never known
    present = corpus.present[each, at]
    assert corpus.tokens is not None
    return Window(
        torch.from_numpy(corpus.tokens[each, at]), corpus.points[each, at], present,
        corpus.back[each, at], corpus.sight(each, at),
        unit(corpus.background(rows, cut)), action_of(torch.from_numpy(codes)),
    )  # fmt: skip


def late(tokens: Tensor, by: int, blank: int) -> Tensor:
    """Return tokens (B, T, ...) moved on by some frames, blank before the first."""
    return torch.cat([torch.full_like(tokens[:, :by], blank), tokens[:, : tokens.shape[1] - by]], 1)


def seen_in(w: Window, hidden: Tensor) -> Sight:
    """Return what is seen in the frames of a window that are given whole."""
    return Sight(w.sight.points, w.sight.seen & ~hidden.any((-1, -2))[..., None])


def frame(
    w: Window, history: History, before: tuple[Tensor, Tensor], hidden: Tensor, placed: Tensor
) -> Frame:
    """Return what the network is shown of a window."""
    size = w.background.shape[-1]
    given = place(w.points, w.present, size) * placed[:, :, None, None, None]
    sight = seen_in(w, hidden).maps(history, size)
    return Frame(w.tokens, hidden, before, history.maps(size), given, placed, sight, w.action)


def losses(
    w: Window, logits: Tensor, belief: Belief, history: History, hidden: Tensor, placed: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss and its parts: tokens that are masked, points that are not given."""
    size = w.background.shape[-1]
    blank = logits.shape[-1] // 2
    changed = (w.tokens != late(w.tokens, 1, blank)).any(-1)
    returning = (shares(w.points, w.present & w.back, size).sum(2) > 0.05).float()
    weight = torch.where(changed, 1.0, 0.05) * (1 + 2 * returning) * hidden
    ce = F.cross_entropy(logits.flatten(0, -2), w.tokens.long().flatten(), reduction="none")
    ce = ce.view(*changed.shape, -1).sum(-1)
    code = (ce * weight).sum() / weight.sum().clamp(min=1)
    ask = ~placed[..., None]
    sight = seen_in(w, hidden)
    moved = ask & w.present & base(history, sight)[1]
    off = F.smooth_l1_loss(belief.points(history, sight, size), w.points, reduction="none").sum(-1)
    departure = (off * moved).sum() / moved.sum().clamp(min=1)
    there = F.binary_cross_entropy_with_logits(belief.presence, w.present.float(), reduction="none")
    known = ask & history.present[0]
    there = (there * known).sum() / known.sum().clamp(min=1)
    value = code / 4 + 2 * departure + there
    parts = {"code": code, "departure": departure, "there": there}
    return value, {"loss": float(value.detach())} | {k: float(v.detach()) for k, v in parts.items()}


def spoilt(before: Tensor, older: Tensor, levels: int, generator: torch.Generator) -> Tensor:
    """Return tokens with some digits off by one and some patches left as they were a frame earlier."""
    rate = torch.rand(len(before), 1, 1, 1, 1, generator=generator) * 0.05
    off = torch.randint(-1, 2, before.shape, generator=generator)
    hit = torch.rand(before.shape, generator=generator) < rate
    moved = (before.int() + off * hit).clamp(0, levels - 1).to(torch.uint8)
    # An empty patch is exactly empty, and stays so.
    moved = torch.where((before == levels // 2).all(-1, keepdim=True), before, moved)
    stale = torch.rand(before.shape[:-1], generator=generator) < 0.8 * rate[..., 0]
    return torch.where(stale[..., None], older, moved)


def forgotten(history: History, generator: torch.Generator) -> History:
    """Return a history of which some is struck out for some bodies, as if they had been seen but lately.

    So that spotting a body, and finding its speed, is learnt at every frame and not at the first ones only.
    """
    draw = torch.rand(history.present[0].shape, generator=generator)
    one, two, three = history.present
    return History(
        history.points, (one & (draw > FORGET), two & (draw > 2 * FORGET), three & (draw > 3 * FORGET))
    )


@torch.no_grad()
def own_predictions(
    model: Dynamics, w: Window, history: History, before: tuple[Tensor, Tensor], behind: Tensor
) -> tuple[Tensor, Tensor]:
    """Return points (B, T, 6, 2) and logits of tokens that the model predicts one step ahead of a window."""
    hidden = torch.ones(w.tokens.shape[:-1], dtype=torch.bool)
    nothing = torch.zeros(w.tokens.shape[:2], dtype=torch.bool)
    _, belief, _ = model(frame(w, history, before, hidden, nothing), behind)
    moved = belief.points(history, None, w.background.shape[-1])
    points = torch.where((w.present & history.present[0])[..., None], moved, w.points)
    told = replace(w, points=points)
    logits, _, _ = model(frame(told, history, before, hidden, ~nothing), behind)
    return points, logits


def dynamics_loss(
    both: tuple[Corpus, Corpus], trained: int, model: Dynamics, binding: Binding, seed: int, steps: int,
    *, batch: int = 6,
) -> Callable[[int], tuple[Tensor, dict[str, float]]]:  # fmt: skip
    """Return the loss of the dynamics.

    Clips in which a body comes back into view, or is pushed, are drawn twice as often as others.
    """
    odds = 1.0 + both[0].hidden_clips[:trained] + both[0].pushed_clips[:trained]
    odds = odds / odds.sum()
    levels = model.config.levels

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = draws(seed, "dynamics", step)
        generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
        corpus = both[int(rng.random() < 0.5)]
        length = min(model.config.window, corpus.present.shape[1])
        rows = rng.choice(trained, batch, replace=False, p=odds)
        first = rng.integers(0, corpus.present.shape[1] - length + 1, batch)
        cut = first + rng.integers(*CUTS, batch)
        w = window(corpus, rows, first, length, binding, rng.random(batch) < 0.5, cut)
        noise = torch.randn(w.points.shape, generator=generator) * JITTER_PX
        history = forgotten(histories(w.points + noise, w.present), generator)
        one, two = (late(w.tokens, by, levels // 2) for by in (1, 2))
        before = (spoilt(one, two, levels, generator), spoilt(two, two, levels, generator))
        mode = torch.multinomial(
            torch.tensor(MODES).expand(batch, -1), length, replacement=True, generator=generator
        )
        share = torch.cos(torch.rand(mode.shape, generator=generator) * torch.pi / 2)
        hidden = torch.rand(w.tokens.shape[:-1], generator=generator) < share[..., None, None]
        hidden = torch.where((mode == PARTLY)[..., None, None], hidden, (mode < PARTLY)[..., None, None])
        coin = torch.rand(mode.shape, generator=generator) < 0.5
        placed = (mode == PLACED) | ((mode == PARTLY) & coin)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            behind = model.behind(w.background)
            if step >= OWN_FROM * steps:
                points, logits = own_predictions(model, w, history, before, behind.detach())
                tokens = logits.argmax(-1).to(torch.uint8)
                # One step by the model itself, not two in a row: it already shows it its own faults.
                swap = torch.rand(mode.shape, generator=generator) < 0.5
                swap &= (torch.arange(batch) % 2 == 0)[:, None]
                mixed_points = torch.where(swap[..., None, None], points, w.points + noise)
                history = forgotten(histories(mixed_points, w.present), generator)
                mixed = torch.where(swap[..., None, None, None], tokens, w.tokens)
                before = (late(mixed, 1, levels // 2), late(mixed, 2, levels // 2))
            logits, belief, _ = model(frame(w, history, before, hidden, placed), behind)
        value, numbers = losses(w, logits, belief, history, hidden, placed)
        return value, numbers | _accuracy(w, logits, mode)

    return loss


def _accuracy(w: Window, logits: Tensor, mode: Tensor) -> dict[str, float]:
    """Return shares of right digits on changed tokens, unseen and placed, and what copying would score."""
    old = late(w.tokens, 1, logits.shape[-1] // 2)
    changed = (w.tokens != old).any(-1)
    right = logits.detach().argmax(-1).to(torch.uint8) == w.tokens
    out = {"copy": float((w.tokens == old)[changed].float().mean())}
    for name, which in (("unseen", UNSEEN), ("placed", PLACED)):
        out[name] = float(right[changed & (mode == which)[..., None, None]].float().mean())
    return out


def polish_loss(
    both: tuple[Corpus, Corpus], clips: Clips, model: Genie, seed: int, *, batch: int = 2
) -> Callable[[int], tuple[Tensor, dict[str, float]]]:
    """Return the loss that teaches the decoder to draw what the dynamics predict, not only what was seen.

    Half of the frames keep their true tokens, so that reconstruction does not suffer.
    """
    model.dynamics.eval()

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = draws(seed, "polish", step)
        generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
        corpus = both[int(rng.random() < 0.5)]
        levels = model.config.dynamics.levels
        length = min(model.config.dynamics.window, corpus.present.shape[1])
        rows = np.sort(rng.choice(clips.trained, batch, replace=False))
        first = rng.integers(0, corpus.present.shape[1] - length + 1, batch)
        cut = first + rng.integers(*CUTS, batch)
        w = window(corpus, rows, first, length, model.binding, np.ones(batch, bool), cut)
        noise = torch.randn(w.points.shape, generator=generator) * JITTER_PX
        history = histories(w.points + noise, w.present)
        before = (late(w.tokens, 1, levels // 2), late(w.tokens, 2, levels // 2))
        frames = torch.stack(
            [channels(clips.frames[r, f : f + length]) for r, f in zip(rows, first, strict=True)]
        )
        frames = frames.flip(-1) if corpus.mirrored else frames
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with torch.no_grad():
                behind = model.dynamics.behind(w.background)
                points, logits = own_predictions(model.dynamics, w, history, before, behind)
                told, _ = model.book.choose(
                    logits.flatten(0, 1), points.flatten(0, 1), w.present.flatten(0, 1)
                )
                told = told.view(w.tokens.shape)
            keep = torch.rand(w.tokens.shape[:2], generator=generator) < 0.5
            tokens = torch.where(keep[..., None, None, None], w.tokens, told).flatten(0, 1)
            copied = w.background.repeat_interleave(length, 0)
            digits = tokens.permute(0, 3, 1, 2).float() / (levels // 2) - 1
            out = model.tokenizer.decoder(digits, copied)
        behind8 = (copied * 255).round().to(torch.uint8)
        return weighted_error(out, frames.flatten(0, 1), behind8)

    return loss
