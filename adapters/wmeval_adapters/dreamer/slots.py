"""A recurrent state space model of slots, one a hue, that moves bodies over a background.

Each slot has a deterministic state (a gated recurrent unit; a point, its velocity and acceleration as carried
by inertia; what the body looked like when most of it was in view) and a stochastic one: three categoricals
for how far the body departs from inertia along either axis and for how much of it is in view. The prior sees
the deterministic state only, the posterior the frame as well. Slots share all weights, look at the background
around them and at one another; nothing depends on the hue itself. (RSSM: Hafner et al. 2019; categorical
states: Hafner et al. 2023; messages between slots: Battaglia et al. 2016.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wmeval.model import ACTION_DIM
from wmeval_adapters.dreamer.categorical import mixed, two_hot
from wmeval_adapters.dreamer.picture import KIND

_HALF = (0.12, 0.25, 0.4, 0.58, 0.8, 1.1, 1.5, 2.0, 2.7, 3.6, 4.8, 6.4, 8.5, 12.5)
BINS = (*(-x for x in reversed(_HALF)), 0.0, *_HALF)  # px, of departures from inertia
VIEWS = (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)  # shares in view
NEAR, STEP_PX = 4, 2.25  # samples of the background to each side of a body, and their spacing
BETTER = 0.02  # share in view by which a sighting must beat the best one to be remembered
FAR_PX = 14.0  # beyond the border where points stop


@dataclass(frozen=True)
class RssmConfig:
    """Sizes of the recurrent model."""

    deter: int = 128
    hidden: int = 128
    around: int = 64
    message: int = 48


@dataclass(frozen=True)
class Slots:
    """The state of B x S slots."""

    deter: Tensor  # (B, S, deter)
    point: Tensor  # (B, S, 2) px
    speed: Tensor  # (B, S, 2) px a frame
    bend: Tensor  # (B, S, 2) px a frame^2, acceleration that lasts
    last: Tensor  # (B, S, 2) px, last departure from inertia
    best: Tensor  # (B, S) largest share that was in view
    kind: Tensor  # (B, S, 8) of that sighting
    area: Tensor  # (B, S) of that sighting, sqrt(px) / 10
    view: Tensor  # (B, S) share in view
    known: Tensor  # (B, S) bool: was seen once
    age: Tensor  # (B, S) frames since then

    def each(self, of: Callable[[Tensor], Tensor]) -> Slots:
        """Return the state whose tensors are what `of` makes of each."""
        return Slots(*(of(getattr(self, f.name)) for f in fields(self)))


@dataclass(frozen=True)
class Seen:
    """What the encoder says of one frame, for B x S slots."""

    there: Tensor  # (B, S) bool
    point: Tensor  # (B, S, 2) px
    share: Tensor  # (B, S)
    kind: Tensor  # (B, S, 8)
    area: Tensor  # (B, S)


@dataclass(frozen=True)
class Chance:
    """Log probabilities of the three categoricals of B x S slots."""

    place: Tensor  # (B, S, 2, 29)
    view: Tensor  # (B, S, 8)


@dataclass(frozen=True)
class Prior:
    """What is believed before the frame is seen."""

    deter: Tensor
    base: Tensor  # (B, S, 2) px, where inertia leads
    carried: Tensor  # (B, S, 2) the share of acceleration that goes on
    gains: Tensor  # (B, S, 2, 2) how far departures change speed and acceleration
    chance: Chance


def nothing(batch: int, count: int, config: RssmConfig) -> Slots:
    """Return the state before the first frame: nobody was seen."""
    two, one = torch.zeros(batch, count, 2), torch.zeros(batch, count)
    return Slots(
        torch.zeros(batch, count, config.deter), two, two, two, two, one, torch.zeros(batch, count, KIND),
        one, one, torch.zeros(batch, count, dtype=torch.bool), one,
    )  # fmt: skip


class _Mlp(nn.Module):
    def __init__(self, inward: int, width: int, outward: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(inward, width), nn.LayerNorm(width), nn.SiLU())
        self.last = nn.Linear(width, outward)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.first(x))
        return out


class Rssm(nn.Module):
    """The networks: `prior` steps on, `posterior` looks, `settle` moves the slots."""

    def __init__(self, config: RssmConfig) -> None:
        super().__init__()
        self.config = config
        c, stats = config, 2 * len(BINS) + len(VIEWS)
        self.around = nn.Sequential(nn.Linear(2 * (2 * NEAR + 1) ** 2, c.around), nn.SiLU())
        self.message = nn.Sequential(
            nn.Linear(12 + 2 * KIND, c.message), nn.SiLU(), nn.Linear(c.message, c.message), nn.SiLU()
        )
        own = 13 + KIND + 2 * ACTION_DIM
        self.inward = nn.Sequential(
            nn.Linear(own + c.around + c.message, c.hidden), nn.LayerNorm(c.hidden), nn.SiLU()
        )
        self.cell = nn.GRUCell(c.hidden, c.deter)
        self.carry = nn.Linear(c.deter, 6)
        self.img = _Mlp(c.deter + c.around + c.message, c.hidden, stats)
        self.obs = _Mlp(c.deter + 2 * len(BINS) + 8 + KIND, c.hidden, stats)
        for last in (self.img.last, self.obs.last, self.carry):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        with torch.no_grad():  # speeds follow what is seen at once, accelerations slowly
            self.carry.bias.copy_(torch.tensor([1.0, 1.0, 1.5, 1.5, -0.5, -0.5]))
        # departures are small unless something speaks for large ones
        quiet = -2 * torch.tensor(BINS).abs().clamp(max=3)
        with torch.no_grad():
            self.img.last.bias[: 2 * len(BINS)] = torch.cat([quiet, quiet])
        self.register_buffer("bins", torch.tensor(BINS))
        self.register_buffer("views", torch.tensor(VIEWS))
        self.register_buffer("unit", torch.ones(ACTION_DIM))  # of actions, one that is common
        self.register_buffer("spawn", torch.tensor(-4.0))  # log odds of seeing a hue for the first time
        self.bins: Tensor
        self.views: Tensor
        self.unit: Tensor
        self.spawn: Tensor

    def prior(self, state: Slots, action: Tensor, statics: Tensor) -> Prior:
        """Return the belief one frame on, under actions (B, 12).

        `statics` (B, 2, H, W) holds greys in [0, 1] and the chance of hiding bodies.
        """
        size = statics.shape[-1]
        ahead = (state.point + state.speed).clamp(-FAR_PX, size + FAR_PX)
        around = self.around(sampled(statics, ahead.detach()))
        message = self._messages(state, ahead)
        force = (action / self.unit)[:, None].expand(-1, state.point.shape[1], -1)
        light = (0.5 / state.area.clamp(min=0.2)) ** 3
        own = torch.cat([
            state.speed / 2, state.bend, state.last.clamp(-3, 3), state.point / 32 - 1, ahead / 32 - 1,
            state.view[..., None], state.area[..., None], (state.age.clamp(max=8) / 8)[..., None], state.kind,
            force, force * light[..., None].clamp(max=4),
        ], -1)  # fmt: skip
        x = self.inward(torch.cat([own, around, message], -1))
        flat = self.cell(x.flatten(0, 1), state.deter.flatten(0, 1))
        deter = flat.view(*x.shape[:2], -1)
        gates = torch.sigmoid(self.carry(deter)).view(*deter.shape[:2], 3, 2)
        carried = gates[..., 0, :]
        base = state.point + state.speed + carried * state.bend
        stats = self.img(torch.cat([deter, around, message], -1))
        return Prior(deter, base, carried, gates[..., 1:, :], self._chance(stats))

    def posterior(self, prior: Prior, state: Slots, seen: Seen) -> Chance:
        """Return what is believed when the frame is seen."""
        there = seen.there[..., None].float()
        off = (seen.point - prior.base).detach()
        code = two_hot(off, self.bins) * there[..., None]
        fine = torch.cat([off.clamp(-4, 4) * there, (off / 4).clamp(-3, 3) * there], -1)
        told = torch.stack([seen.there.float(), seen.share, state.view, seen.area], -1)
        x = torch.cat([prior.deter, code.flatten(-2), fine, told, seen.kind], -1)
        stats = self.obs(x)
        # what is seen whole speaks for itself, what is not seen is as it was expected to be
        # (to about a bin: sightings are off by .06 px in the median)
        wide = 0.8 * code + 0.1 * F.pad(code[..., 1:], (0, 1)) + 0.1 * F.pad(code[..., :-1], (1, 0))
        trust = (((seen.share - 0.1) / 0.5).clamp(0, 1) * seen.there)[..., None, None]
        start = (trust * wide + (1 - trust) * prior.chance.place.exp() + 1e-3).log()
        view = (two_hot(seen.share, self.views) + 1e-3).log()
        return self._chance(stats, start.flatten(-2), view)

    def settle(
        self, prior: Prior, state: Slots, departure: Tensor, view: Tensor, seen: Seen | None = None
    ) -> Slots:
        """Return the state after departures (B, S, 2) [px] from inertia and shares in view (B, S).

        With a frame, bodies seen for the first time begin where they are seen.
        """
        known = state.known[..., None]
        point = (prior.base + departure).clamp(-40.0, 104.0)
        change = prior.carried * state.bend + prior.gains[..., 0, :] * departure
        # the frame after the first tells the speed, whatever the gain
        change = torch.where(state.age[..., None] == 1, departure, change)
        bend = state.bend + prior.gains[..., 1, :] * (change - state.bend)
        bend = torch.where(state.age[..., None] <= 1, torch.zeros_like(bend), bend)
        moved = Slots(
            prior.deter * known, point * known, (state.speed + change).clamp(-15, 15) * known,
            bend.clamp(-4, 4) * known, departure * known, state.best, state.kind, state.area,
            view * state.known, state.known, state.age + state.known,
        )  # fmt: skip
        if seen is None:
            return moved
        new = seen.there & ~state.known
        better = seen.there & (seen.share > state.best + BETTER)
        return replace(
            moved,
            point=torch.where(new[..., None], seen.point, moved.point),
            best=torch.where(better, seen.share, state.best),
            kind=torch.where(better[..., None], seen.kind, state.kind),
            area=torch.where(better, seen.area, state.area),
            view=torch.where(new, seen.share, moved.view),
            known=state.known | new,
            age=torch.where(new, torch.ones_like(state.age), moved.age),
        )

    def _chance(self, stats: Tensor, place: Tensor | None = None, view: Tensor | None = None) -> Chance:
        split = 2 * len(BINS)
        places = stats[..., :split] if place is None else stats[..., :split] + place
        views = stats[..., split:] if view is None else stats[..., split:] + view
        return Chance(mixed(places.view(*places.shape[:-1], 2, len(BINS))), mixed(views))

    def _messages(self, state: Slots, ahead: Tensor) -> Tensor:
        """Return the sum of what the other known slots tell each slot."""
        count = ahead.shape[1]

        def pair(x: Tensor) -> Tensor:
            return x[:, None] - x[:, :, None]  # (B, to, from, ...)

        distance = pair(ahead)
        near = distance.norm(dim=-1, keepdim=True)
        shape = (len(ahead), count, count)
        kinds = [state.kind[:, :, None].expand(*shape, -1), state.kind[:, None].expand(*shape, -1)]
        areas = [state.area[:, :, None].expand(shape), state.area[:, None].expand(shape)]
        told = torch.cat([
            (distance / 16).clamp(-3, 3), (pair(state.point) / 16).clamp(-3, 3), pair(state.speed) / 2,
            (state.speed / 2)[:, :, None].expand(*shape, -1), torch.exp(-near / 8), (near / 16).clamp(max=3),
            areas[0][..., None], areas[1][..., None], *kinds,
        ], -1)  # fmt: skip
        other = state.known[:, None] & ~torch.eye(count, dtype=torch.bool)
        out: Tensor = (self.message(told) * other[..., None]).sum(2)
        return out


def sampled(statics: Tensor, points: Tensor) -> Tensor:
    """Return (B, S, 162) values of statics (B, 2, H, W) on a grid around points (B, S, 2) [px]."""
    step = torch.arange(-NEAR, NEAR + 1) * STEP_PX
    v, u = (x.flatten() for x in torch.meshgrid(step, step, indexing="ij"))
    at = points[:, :, None] + torch.stack([u, v], -1)
    grid = at / (statics.shape[-1] / 2) - 1
    told = F.grid_sample(statics, grid, padding_mode="border", align_corners=False)
    return told.permute(0, 2, 1, 3).flatten(2)


def expected(chance: Chance, bins: Tensor, views: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean departure (B, S, 2) [px] and share in view (B, S)."""
    return (chance.place.exp() * bins).sum(-1), (chance.view.exp() * views).sum(-1)
