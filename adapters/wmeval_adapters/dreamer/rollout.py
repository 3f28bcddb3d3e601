"""Running the small model: watch true frames, imagine on, draw what is imagined, judge what is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from wmeval_adapters.dreamer.categorical import divergence
from wmeval_adapters.dreamer.net import Dreamer
from wmeval_adapters.dreamer.picture import Kept, drawn, kept
from wmeval_adapters.dreamer.sight import spotted
from wmeval_adapters.dreamer.slots import Chance, Prior, Seen, Slots, expected, nothing
from wmeval_adapters.genie.background import running
from wmeval_adapters.learn.clips import HUES

LATENT = 24  # numbers a slot that `latents` tells
REST_PX = 0.1  # in a frame, below which a body rests


@dataclass(frozen=True)
class State:
    """All that the next frame depends on."""

    slots: Slots  # B x 6
    colour: Tensor  # (B, 6, 3) of the best sighting
    background: Tensor  # (B, 3, H, W) uint8
    statics: Tensor  # (B, 2, H, W)
    kept: Kept | None = None  # what the painter misses of the last true frame


@dataclass(frozen=True)
class Watched:
    """What was believed at each of T frames that were watched."""

    state: State
    slots: tuple[Slots, ...]
    surprise: Tensor  # (B, T) nats, NaN for the first
    colours: tuple[Tensor, ...]  # T of (B, 6, 3), as `State.colour`
    own: Tensor  # (B, T, 3, H, W) uint8, the background of each frame


def statics(model: Dreamer, background: Tensor) -> Tensor:
    """Return greys and chances of hiding bodies (N, 2, H, W) of backgrounds (N, 3, H, W) uint8."""
    grey = background.float().mean(1, keepdim=True).round() / 255
    front = torch.sigmoid(model.picture.screens(grey))[:, None]
    return torch.cat([grey, front], 1)


def looked(model: Dreamer, frames: Tensor) -> tuple[Seen, Tensor]:
    """Return what the encoder says of frames (N, 3, H, W) uint8, and the colours seen (N, 6, 3)."""
    sight = spotted(frames)
    offset, share, kind = model.picture.encoder(sight.look)
    there = sight.seen[..., None].float()
    seen = Seen(
        sight.seen, (sight.centre + offset) * there, torch.sigmoid(share) * sight.seen, kind * there,
        sight.look[..., -5],
    )  # fmt: skip
    return seen, sight.colour


def watch(model: Dreamer, frames: Tensor, actions: Tensor) -> Watched:
    """Return what is believed along frames (B, T, 3, H, W) uint8; `actions[:, t]` (12,) led to frame t.

    Nothing of frame t or later goes into the prior of frame t.
    """
    batch, length = frames.shape[:2]
    own = running(frames)
    fixed = statics(model, own.flatten(0, 1)).view(batch, length, 2, *frames.shape[-2:])
    seen, colours = looked(model, frames.flatten(0, 1))
    parts = (seen.there, seen.point, seen.share, seen.kind, seen.area)
    seen = Seen(*(x.view(batch, length, *x.shape[1:]) for x in parts))
    colours = colours.view(batch, length, *colours.shape[1:])
    slots = nothing(batch, HUES, model.rssm.config)
    colour, trace, surprise, kept = torch.zeros_like(colours[:, 0]), [], [], []
    for t in range(length):
        now = Seen(*(x[:, t] for x in (seen.there, seen.point, seen.share, seen.kind, seen.area)))
        prior = model.rssm.prior(slots, actions[:, t], fixed[:, max(t - 1, 0)])
        post = model.rssm.posterior(prior, slots, now)
        surprise.append(unexpected(model, slots, prior, post, now))
        after = model.rssm.settle(prior, slots, *expected(post, model.rssm.bins, model.rssm.views), now)
        # the colour of a body is taken where its kind is
        better = (after.best > slots.best)[..., None]
        colour = torch.where(better, colours[:, t], colour)
        slots = after
        trace.append(slots)
        kept.append(colour)
    told = torch.stack(surprise, 1)
    told[:, 0] = torch.nan
    return Watched(State(slots, colour, own[:, -1], fixed[:, -1]), tuple(trace), told, tuple(kept), own)


def unexpected(model: Dreamer, slots: Slots, prior: Prior, post: Chance, seen: Seen) -> Tensor:
    """Return the divergence [nats] (B,) of posterior from prior, and of seeing who was never seen before."""
    place = divergence(post.place, prior.chance.place).sum(-1)
    view = divergence(post.view, prior.chance.view)
    fresh = torch.nn.functional.softplus(torch.where(seen.there, -model.rssm.spawn, model.rssm.spawn))
    return torch.where(slots.known, place + view, fresh).sum(-1)


def imagined(
    model: Dreamer, state: State, action: Tensor, *, temperature: float = 0.0,
    generators: Sequence[torch.Generator] = (),
) -> State:  # fmt: skip
    """Return the state one frame on under actions (B, 12), the stochastic state taken from the prior.

    At temperature 0 its mean moves the slots, above it is drawn. What would hardly move rests.
    """
    prior = model.rssm.prior(state.slots, action, state.statics)
    chance = drawn_at(prior.chance, temperature, generators) if temperature > 0 else prior.chance
    told = expected(chance, model.rssm.bins, model.rssm.views)
    slots = model.rssm.settle(prior, state.slots, *told)
    still = (slots.point - state.slots.point).norm(dim=-1, keepdim=True) < REST_PX
    return replace(state, slots=replace(slots, point=torch.where(still, state.slots.point, slots.point)))


def taken(state: State, which: Tensor) -> State:
    """Return the states at `which` (N,) of a batch; what the last frame's picture misses does not go on."""
    slots = state.slots.each(lambda x: x[which])
    return State(slots, state.colour[which], state.background[which], state.statics[which])


def drawn_at(chance: Chance, temperature: float, generators: Sequence[torch.Generator]) -> Chance:
    """Return one-hot categoricals (as log probabilities) drawn at a temperature, one generator a row."""

    def draw(log: Tensor) -> Tensor:
        noise = torch.stack([torch.rand(log.shape[1:], generator=g) for g in generators])
        top = (log / temperature - torch.log(-torch.log(noise.clamp(1e-9, 1 - 1e-7)))).argmax(-1)
        return (torch.nn.functional.one_hot(top, log.shape[-1]) + 1e-30).log()

    return Chance(draw(chance.place), draw(chance.view))


def pictures(model: Dreamer, state: State, slots: Sequence[Slots]) -> tuple[Tensor, Tensor]:
    """Return frames (B, T, 3, H, W) uint8 of T states of the slots, and shares in view (B, T, 6).

    Screens, background and colours are those of `state`.
    """
    length = len(slots)

    def wide(x: Tensor) -> Tensor:
        return x[:, None].expand(-1, length, *x.shape[1:]).flatten(0, 1)

    points, kinds, known = (
        torch.stack([getattr(s, k) for s in slots], 1).flatten(0, 1) for k in ("point", "kind", "known")
    )
    owner = torch.arange(len(state.background)).repeat_interleave(length)
    frames, shares = drawn(
        model.picture.painter, points, kinds, wide(state.colour), known, wide(state.statics[:, 1]),
        wide(state.background).float() / 255, None if state.kept is None else (state.kept, owner),
    )  # fmt: skip
    out = (frames.clamp(0, 1) * 255).round().to(torch.uint8)
    return out.view(-1, length, *out.shape[1:]), shares.view(-1, length, shares.shape[1])


def held(model: Dreamer, state: State, last: Tensor) -> State:
    """Return a state that also keeps what the painter misses of the last true frame (B, 3, H, W) uint8."""
    told, shares = pictures(model, state, [state.slots])
    frames = last.float() / 255
    missed = kept(frames, told[:, 0].float() / 255, state.slots.point, shares[:, 0], state.slots.known)
    return replace(state, kept=missed)


def retold(model: Dreamer, watched: Watched) -> Tensor:
    """Return (B, T, 3, H, W) uint8: every frame drawn from what is believed once it is seen."""
    out = []
    for t, slots in enumerate(watched.slots):
        behind = watched.own[:, t]
        state = State(slots, watched.colours[t], behind, statics(model, behind))
        out.append(pictures(model, state, [slots])[0])
    return torch.cat(out, 1)


def latents(slots: Sequence[Slots]) -> Tensor:
    """Return (B, T, 6, 24): what a slot believes, zeros where nobody was seen.

    Known, place, velocity, acceleration, share in view, what the body looks like, and place and size once
    more where it is in view, so that a linear map finds bodies and tells hidden ones from seen ones.
    """
    out = []
    for s in slots:
        place = s.point / 32 - 1
        in_view = s.view[..., None]
        out.append(torch.cat([
            torch.ones_like(in_view), place, s.speed / 4, s.bend, in_view, in_view.square(),
            (in_view > 0.25).float(), s.area[..., None], s.area[..., None].square(),
            in_view * s.area[..., None].square(), s.best[..., None], s.kind / 2, place.square(),
        ], -1) * s.known[..., None])  # fmt: skip
    return torch.stack(out, 1)
