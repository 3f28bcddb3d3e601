"""How slots go on: position, velocity and memory of each, moved by actions, scene and the other slots.

A step first predicts, then (where the next latent is known) is put right by it, by gains that are learnt: a
filter in latent space. A slot out of view goes on by prediction alone, which is what permanence asks for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wmeval.model import ACTION_DIM
from wmeval_adapters.jepa.eye import PLACE, THERE
from wmeval_adapters.jepa.features import LIKE

FASTEST = 24.0  # px a frame
MARGIN = 32.0  # px beyond the image that a slot can be
DOUBT = (0.03, 32.0)  # px
IMAGINED = 0.5  # in place of 1, where a latent was foreseen and did not come


@dataclass(frozen=True)
class Slots:
    """The state of B x M slots; units are px and frames."""

    at: Tensor  # (B, M, 2)
    speed: Tensor  # (B, M, 2)
    change: Tensor  # (B, M, 2) of the speed, smoothed
    memory: Tensor  # (B, M, H)
    last: Tensor  # (B, M, D) the latent when last in view
    known: Tensor  # (B, M) bool: was ever in view
    missed: Tensor  # (B, M, 3): what the last latent was off by [2 px]; 1 if there was one, .5 if imagined


@dataclass(frozen=True)
class Told:
    """A predicted latent: where the slot shows, what it shows, the logit of it being in view.

    `doubt` is the scale [px] of how far off the place is expected to be; it is learnt by itself and moves
    nothing else.
    """

    latent: Tensor  # (B, M, D)
    logit: Tensor  # (B, M)
    doubt: Tensor  # (B, M)


class Predictor(nn.Module):
    """One step of all slots of a batch of scenes."""

    def __init__(self, width: int, hidden: int, scene: int, size: int) -> None:
        super().__init__()
        self.width, self.hidden, self.size = width, hidden, size
        self.scene = nn.Sequential(
            nn.Conv2d(2, scene, 4, 2, 1), nn.SiLU(), nn.Conv2d(scene, scene, 3, 1, 1), nn.SiLU(),
            nn.Conv2d(scene, scene, 3, 1, 2, 2), nn.SiLU(), nn.Conv2d(scene, scene, 3, 1, 4, 4),
        )  # fmt: skip
        given = 2 + 2 + 2 + 3 + 2 * scene + width + ACTION_DIM
        self.enter = nn.Sequential(nn.Linear(given, hidden), nn.SiLU())
        self.offer = nn.Linear(hidden, 24)
        self.meet = nn.Sequential(nn.Linear(48 + 6, 64), nn.SiLU(), nn.Linear(64, 48))
        self.cell = nn.GRUCell(hidden + 48, hidden)
        self.move = nn.Sequential(nn.Linear(hidden + 48 + hidden, hidden), nn.SiLU(), nn.Linear(hidden, 3))
        self.show = nn.Sequential(
            nn.Linear(hidden + scene + width, hidden), nn.SiLU(), nn.Linear(hidden, width + 1)
        )
        self.gain = nn.Linear(hidden, 3)
        self.unsure = nn.Sequential(nn.Linear(hidden + scene, 32), nn.SiLU(), nn.Linear(32, 1))
        self.stranger = nn.Parameter(torch.tensor(-4.0))  # logit that a slot never seen comes into view
        with torch.no_grad():
            for last in (self.move[2], self.show[2]):
                cast(nn.Linear, last).weight.mul_(0.1)
            self.gain.weight.mul_(0.1)
            self.gain.bias.copy_(torch.tensor([3.0, 1.0, 0.0]))

    def look(self, behind: Tensor) -> Tensor:
        """Return the map (B, scene, h, w) of backgrounds (B, 1, H, W) in [0, 1]."""
        edge = torch.ones_like(behind)  # zero padding around it tells where the image ends
        return cast(Tensor, self.scene(torch.cat([behind - 0.5, edge], 1)))

    def begin(self, batch: int, slots: int) -> Slots:
        """Return the state before anything was seen."""
        z = self.stranger.new_zeros(batch, slots, 2)
        return Slots(
            z, z, z, z.new_zeros(batch, slots, self.hidden), z.new_zeros(batch, slots, self.width),
            torch.zeros(batch, slots, dtype=torch.bool), z.new_zeros(batch, slots, 3),
        )  # fmt: skip

    def forward(self, state: Slots, scene: Tensor, actions: Tensor) -> tuple[Slots, Told]:
        """Return the state one frame on under actions (B, 12), and the latents it foresees."""
        # one call for both: the gradient of each call is a whole map
        points = torch.cat([state.at, state.at + state.speed], 1)
        around, ahead = _sampled(scene, points, self.size).chunk(2, 1)
        push = _squashed(actions)[:, None].expand(-1, state.at.shape[1], -1)
        last = state.last * self._even()
        given = torch.cat(
            [state.at / 32 - 1, state.speed / 4, state.change, state.missed, around, ahead, last, push],
            -1,
        )
        entered = self.enter(given)
        met = self._met(state, entered + state.memory)
        fed = torch.cat([entered, met], -1)
        memory = self.cell(fed.flatten(0, 1), state.memory.flatten(0, 1)).view_as(state.memory)
        moved = self.move(torch.cat([fed, memory], -1))
        change = state.change * torch.sigmoid(moved[..., 2:] + 1) + moved[..., :2]
        speed = (state.speed + change).clamp(-FASTEST, FASTEST)
        at = (state.at + speed).clamp(-MARGIN, self.size + MARGIN)
        after = replace(
            state, at=at, speed=speed, change=change, memory=memory, missed=torch.zeros_like(state.missed)
        )
        return after, self._told(after, scene)

    def correct(self, state: Slots, told: Told, latent: Tensor) -> Slots:
        """Return the state put right by the latents (B, M, D) that did come."""
        seen = latent[..., THERE] > 0.5
        where = (latent[..., :2] + 1) * self.size / 2
        off = where - (told.latent[..., :2] + 1) * self.size / 2
        off = off.clamp(-FASTEST, FASTEST)
        gains = torch.sigmoid(self.gain(state.memory))
        follow, new = (seen & state.known)[..., None], (seen & ~state.known)[..., None]
        at = torch.where(follow, state.at + gains[..., :1] * off, torch.where(new, where, state.at))
        speed = torch.where(follow, state.speed + gains[..., 1:2] * off, state.speed)
        change = torch.where(follow, state.change + gains[..., 2:] * off, state.change)
        zero = torch.zeros_like(at)
        missed = torch.cat([torch.where(follow, off / 2, zero), seen[..., None].to(at)], -1)
        return replace(
            state, at=at, speed=torch.where(new, zero, speed), change=torch.where(new, zero, change),
            last=torch.where(seen[..., None], latent, state.last), known=state.known | seen, missed=missed,
        )  # fmt: skip

    def nothing(self, like: Tensor) -> Told:
        """Return what is foreseen of latents (B, M, D) before anything was seen: nothing."""
        return Told(torch.zeros_like(like), like.new_zeros(like.shape[:2]), like.new_ones(like.shape[:2]))

    def imagined(self, state: Slots, told: Told) -> tuple[Slots, Tensor]:
        """Return the state that takes what it foresaw for what came, and the latents (B, M, D) of it."""
        there = state.known & (told.logit > 0)
        latent = torch.where(there[..., None], told.latent, torch.zeros_like(told.latent))
        last = torch.where(there[..., None], told.latent, state.last)
        missed = torch.cat([torch.zeros_like(state.at), IMAGINED * there[..., None].to(state.at)], -1)
        return replace(state, last=last, missed=missed), latent

    def _met(self, state: Slots, entered: Tensor) -> Tensor:
        """Return what each slot is told by the others that were ever seen: (B, M, 48)."""
        offer = self.offer(entered)
        count = offer.shape[1]
        one, other = (offer[:, :, None].expand(-1, -1, count, -1), offer[:, None].expand(-1, count, -1, -1))
        off = (state.at[:, None] - state.at[:, :, None]) / 8
        rush = (state.speed[:, None] - state.speed[:, :, None]) / 4
        far = off.norm(dim=-1, keepdim=True)
        close = torch.exp(-far)
        told = self.meet(torch.cat([one, other, off / (1 + far), rush, far / (1 + far), close], -1))
        counts = state.known[:, None, :] & ~torch.eye(count, dtype=torch.bool)
        return cast(Tensor, (told * counts[..., None]).sum(2))

    def _even(self) -> Tensor:
        """Return what makes the numbers of a latent (D,) about as large as one another."""
        even = torch.ones(self.width)
        even[PLACE:] = 1 / LIKE
        return even

    def _told(self, state: Slots, scene: Tensor) -> Told:
        here = _sampled(scene, state.at, self.size)
        even = self._even()
        shown = self.show(torch.cat([state.memory, here, state.last * even], -1))
        where = 2 * state.at / self.size - 1 + shown[..., :2] * 2 / self.size
        what = state.last[..., 2:] + shown[..., 2:-1] / even[2:]
        latent = torch.cat([where, what], -1)
        one = torch.zeros(self.width, dtype=torch.bool)
        one[THERE] = True
        latent = torch.where(one, torch.ones_like(latent), latent)
        logit = torch.where(state.known, shown[..., -1] + 2, self.stranger)
        doubt = torch.exp(self.unsure(torch.cat([state.memory, here], -1).detach())[..., 0])
        return Told(latent.clamp(-8, 8), logit, doubt.clamp(*DOUBT))


def density(off: Tensor, doubt: Tensor) -> Tensor:
    """Return the negative log density [1 / px^2], up to a constant, of being `off` px, of scale `doubt` px.

    The two-dimensional Cauchy distribution: its tails are heavy, so it bears jumps.
    """
    return 2 * torch.log(doubt) + 1.5 * torch.log1p((off / doubt) ** 2)


def _sampled(scene: Tensor, at: Tensor, size: int) -> Tensor:
    """Return the map (B, C, h, w) at points (B, M, 2) [px]: (B, M, C). Points get no gradient from it."""
    grid = (at.detach() * 2 / size - 1)[:, :, None]
    found = F.grid_sample(scene, grid, align_corners=False, padding_mode="border")
    return found[..., 0].transpose(1, 2)


def _squashed(actions: Tensor) -> Tensor:
    """Return scene actions (B, 12) in small numbers; a body weighs some hundred kilograms."""
    return torch.sign(actions) * torch.log1p(actions.abs() / 50)
