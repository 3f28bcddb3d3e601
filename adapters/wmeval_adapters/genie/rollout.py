"""Running the model: follow true frames, predict the next one, judge the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from wmeval_adapters.genie.background import running
from wmeval_adapters.genie.dynamics import Frame
from wmeval_adapters.genie.memory import PLACE, SIGHT, Belief, History, Sight, empty, place, spotted
from wmeval_adapters.genie.net import Genie
from wmeval_adapters.learn.clips import unit


@dataclass(frozen=True)
class State:
    """All that the next frame depends on."""

    tokens: tuple[Tensor, Tensor]  # (B, h, w, digits) of the last frame and of the one before
    history: History  # points (B, 6, 2)
    past: list[Tensor] | None  # cache of the attention along time
    background: Tensor  # (B, 3, H, W) what the decoder copies
    last: tuple[Tensor, Tensor]  # the last true frame (B, 3, H, W) and its tokens (B, h, w, digits)
    frames: int  # how many frames were followed or predicted


def begin(model: Genie, background: Tensor) -> State:
    """Return the state before the first frame, over a background (B, 3, H, W) uint8."""
    config = model.config.dynamics
    batch, grid = len(background), config.size // config.patch
    blank = torch.full((batch, grid, grid, config.digits), (config.levels - 1) // 2, dtype=torch.uint8)
    return State((blank, blank), empty(batch), None, background, (background, blank), 0)


def _ask(
    model: Genie, state: State, tokens: Tensor, hidden: Tensor, action: Tensor,
    behind: Tensor, *, placed: tuple[Tensor, Tensor] | None = None, sight: Sight | None = None,
) -> tuple[Tensor, Belief, list[Tensor]]:  # fmt: skip
    size = model.config.dynamics.size
    maps = state.history.maps(size)
    spot = torch.zeros_like(maps[:, :PLACE]) if placed is None else place(*placed, size)
    seen = torch.zeros_like(maps[:, :SIGHT]) if sight is None else sight.maps(state.history, size)
    given = torch.full((len(tokens), 1), placed is not None)
    frame = Frame(
        tokens[:, None], hidden[:, None], (state.tokens[0][:, None], state.tokens[1][:, None]),
        maps[:, None], spot[:, None], given, seen[:, None], action[:, None],
    )  # fmt: skip
    logits, belief, past = model.dynamics(frame, behind, state.past)
    return logits[:, 0], Belief(belief.presence[:, 0], belief.departure[:, 0]), past


def _then(state: State, tokens: Tensor, points: Tensor, present: Tensor, past: list[Tensor]) -> State:
    history = state.history.then(points, present)
    return replace(
        state, tokens=(tokens, state.tokens[0]), history=history, past=past, frames=state.frames + 1
    )


def follow(model: Genie, state: State, tokens: Tensor, sight: Sight, action: Tensor, behind: Tensor) -> State:
    """Return the state after a true frame's tokens (B, h, w, digits) and sight, reached by an action."""
    hidden = torch.zeros(tokens.shape[:3], dtype=torch.bool)
    _, belief, past = _ask(model, state, tokens, hidden, action, behind, sight=sight)
    points, present = belief.decide(state.history, sight, model.config.dynamics.size)
    return _then(state, tokens, points, present, past)


def judge(model: Genie, state: State, tokens: Tensor, action: Tensor, behind: Tensor) -> Tensor:
    """Return the cross-entropy [nats] (B,) of the next frame's tokens before they are seen."""
    hidden = torch.ones(tokens.shape[:3], dtype=torch.bool)
    logits, _, _ = _ask(model, state, tokens, hidden, action, behind)
    loss = F.cross_entropy(logits.flatten(0, -2), tokens.long().flatten(), reduction="none")
    return loss.view(len(tokens), -1).sum(1)


def predict(
    model: Genie, state: State, action: Tensor, behind: Tensor, *, steps: int = 1, temperature: float = 0.0,
    generators: Sequence[torch.Generator] = (),
) -> tuple[State, Tensor]:  # fmt: skip
    """Return the state after the next frame and its tokens (B, h, w, digits).

    The points are decided first; then the tokens are unmasked in `steps` rounds, the surest first.
    """
    batch = len(action)
    tokens = torch.zeros_like(state.tokens[0])
    hidden = torch.ones(tokens.shape[:3], dtype=torch.bool)
    _, belief, past = _ask(model, state, tokens, hidden, action, behind)
    points, present = belief.decide(state.history, None, model.config.dynamics.size)
    before = (state.tokens[0], state.history.points[0])
    for round_ in range(steps):
        logits, _, past = _ask(model, state, tokens, hidden, action, behind, placed=(points, present))
        if temperature > 0:
            noise = torch.stack([torch.rand(logits.shape[1:], generator=g) for g in generators])
            logits = logits / temperature - torch.log(-torch.log(noise.clamp(1e-9, 1 - 1e-7)))
        chosen, sure = model.book.choose(logits, points, present, before)
        tokens = torch.where(hidden[..., None], chosen, tokens)
        left = int(hidden[0].numel() * torch.cos(torch.tensor((round_ + 1) / steps * torch.pi / 2)).item())
        if left and round_ + 1 < steps:
            sure = sure.masked_fill(~hidden, torch.inf)
            worst = sure.view(batch, -1).argsort(1)[:, :left]
            hidden = torch.zeros(batch, sure[0].numel(), dtype=torch.bool).scatter(1, worst, True)
            hidden = hidden.view(tokens.shape[:3])
    return _then(state, tokens, points, present, past), tokens


def watch(model: Genie, frames: Tensor, actions: Tensor) -> State:
    """Return the state after true frames (B, T, 3, H, W) uint8 under latent actions (B, T, 2).

    `actions[:, t]` led to frame t; the first is that of rest.
    """
    own = running(frames)
    tokens = encoded(model, frames, own)
    state = begin(model, own[:, -1])
    behind = model.dynamics.behind(unit(own[:, -1]))
    for t in range(frames.shape[1]):
        state = follow(model, state, tokens[:, t], spotted(frames[:, t]), actions[:, t], behind)
    return replace(state, last=(frames[:, -1], tokens[:, -1]))


def drawn(model: Genie, state: State, tokens: Tensor) -> Tensor:
    """Return frames (B, T, 3, H, W) uint8 of predicted tokens (B, T, h, w, digits).

    A patch whose token is still that of the last true frame is that patch: a body at rest stays as sharp as
    it was seen.
    """
    behind = state.background.repeat_interleave(tokens.shape[1], 0)
    frames = model.tokenizer.decode(tokens.flatten(0, 1), behind).view(*tokens.shape[:2], *behind.shape[1:])
    frame, code = (x[:, None] for x in state.last)
    same = (tokens == code).all(-1) & (tokens != model.config.dynamics.levels // 2).any(-1)
    patch = model.config.dynamics.patch
    wide = same.repeat_interleave(patch, -1).repeat_interleave(patch, -2)
    return torch.where(wide[:, :, None], frame, frames)


def encoded(model: Genie, frames: Tensor, own: Tensor) -> Tensor:
    """Return tokens (B, T, h, w, digits) of frames (B, T, 3, H, W) uint8 over their own backgrounds."""
    tokens = model.tokenizer.encode(frames.flatten(0, 1), own.flatten(0, 1))
    return tokens.view(*frames.shape[:2], *tokens.shape[1:])


def surprises(model: Genie, frames: Tensor, actions: Tensor) -> Tensor:
    """Return the cross-entropy [nats] (B, T) of each frame given those before; NaN for the first.

    The background that the network looks at is the one known before the frame, so nothing later matters.
    """
    own = running(frames)
    tokens = encoded(model, frames, own)
    state = begin(model, own[:, 0])
    out = [torch.full((len(frames),), torch.nan)]
    for t in range(frames.shape[1]):
        behind = model.dynamics.behind(unit(own[:, max(t - 1, 0)]))
        if t:
            out.append(judge(model, state, tokens[:, t], actions[:, t], behind))
        state = follow(model, state, tokens[:, t], spotted(frames[:, t]), actions[:, t], behind)
    return torch.stack(out, 1)
