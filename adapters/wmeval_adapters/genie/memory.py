"""Where the body of each hue is, seen or hidden: points in the image, and maps of them on the token grid.

Tokens cannot hold what no pixel shows. Beside them the model keeps one point per hue; it corrects the
points from tokens while bodies are seen and moves them itself while they are not. Every step starts from
inertia, so that the network has to say only how a body departs from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wmeval_adapters.genie.data import HUES

PATCH = 8  # px a cell
MAP = HUES * 10  # channels of `History.maps`
PLACE = HUES * 3  # channels of `place`


def cells(size: int) -> Tensor:
    """Return the centres [px] of the cells along one side of an image of `size` px."""
    return (torch.arange(size // PATCH) + 0.5) * PATCH


def shares(points: Tensor, present: Tensor, size: int) -> Tensor:
    """Return how points (..., 6, 2) [px] spread over cells, bilinearly: (..., 6, h, w), sums of 1 or 0."""
    centre = cells(size).to(points)
    held = points.clamp(PATCH / 2, size - PATCH / 2)[..., None]
    weight = (1 - (held - centre).abs() / PATCH).clamp(min=0)  # (..., 6, 2, cells)
    return weight[..., 1, :, None] * weight[..., 0, None, :] * present[..., None, None]


def place(points: Tensor, present: Tensor, size: int) -> Tensor:
    """Return maps (..., 18, h, w): shares, and shares times the way [cells] from the cell's centre."""
    share = shares(points, present, size)
    centre = cells(size).to(points)
    right = (points[..., 0, None, None] - centre) / PATCH
    down = (points[..., 1, None, None] - centre[:, None]) / PATCH
    return torch.stack([share, share * right, share * down], -3).flatten(-4, -3)


@dataclass(frozen=True)
class History:
    """The last three points of every hue before a frame, newest first."""

    points: tuple[Tensor, Tensor, Tensor]  # each (..., 6, 2) px
    present: tuple[Tensor, Tensor, Tensor]  # each (..., 6) bool

    @property
    def inertia(self) -> Tensor:
        """Where each body would be if it moved on as before, (..., 6, 2) px."""
        one, two, _ = self.points
        return torch.where(self.present[1][..., None], 2 * one - two, one)

    def maps(self, size: int) -> Tensor:
        """Return (..., 60, h, w): last place, place by inertia, and there velocity and its last change."""
        one, two, three = self.points
        now, twice, thrice = self.present
        velocity = torch.where((now & twice)[..., None], one - two, torch.zeros_like(one))
        change = torch.where((now & twice & thrice)[..., None], one - 2 * two + three, torch.zeros_like(one))
        share = shares(self.inertia, now, size)
        motion = torch.cat([velocity / PATCH, change / 2], -1)[..., None, None] * share[..., None, :, :]
        return torch.cat([place(one, now, size), place(self.inertia, now, size), motion.flatten(-4, -3)], -3)

    def then(self, points: Tensor, present: Tensor) -> History:
        """Return the history one frame later."""
        return History((points, *self.points[:2]), (present, *self.present[:2]))


def empty(batch: int) -> History:
    """Return the history before the first frame: nobody was seen."""
    points, present = torch.zeros(batch, HUES, 2), torch.zeros(batch, HUES, dtype=torch.bool)
    return History((points,) * 3, (present,) * 3)


def histories(points: Tensor, present: Tensor) -> History:
    """Return the history before each frame of points (B, T, 6, 2) and present (B, T, 6)."""

    def late(x: Tensor, by: int) -> Tensor:
        return torch.cat([torch.zeros_like(x[:, :by]), x[:, : x.shape[1] - by]], 1)

    p1, p2, p3 = (late(points, i) for i in (1, 2, 3))
    s1, s2, s3 = (late(present, i) for i in (1, 2, 3))
    # A body that was unknown in between starts anew: no motion is read across the gap.
    return History((p1, p2, p3), (s1, s1 & s2, s1 & s2 & s3))


@dataclass(frozen=True)
class Belief:
    """What the network says of the points of one frame, before it is decided."""

    presence: Tensor  # (..., 6) logits
    heat: Tensor  # (..., 6, h, w) logits over cells
    offset: Tensor  # (..., 6, 2, h, w) cells, from the cell's centre
    departure: Tensor  # (..., 6, 2, h, w) px, from inertia

    def departures(self, history: History, size: int) -> Tensor:
        """Return how far each body departs from inertia, (..., 6, 2) px."""
        share = shares(history.inertia, history.present[0], size)
        return (self.departure * share[..., None, :, :]).sum((-1, -2))

    def spotted(self, size: int) -> Tensor:
        """Return where each body is by what is seen, whatever was known before, (..., 6, 2) px."""
        centre = cells(size).to(self.heat)
        chance = torch.softmax(self.heat.flatten(-2), -1).view_as(self.heat)
        across = (chance * (centre + self.offset[..., 0, :, :] * PATCH)).sum((-1, -2))
        down = (chance * (centre[:, None] + self.offset[..., 1, :, :] * PATCH)).sum((-1, -2))
        return torch.stack([across, down], -1)

    def decide(self, history: History, size: int) -> tuple[Tensor, Tensor]:
        """Return points (..., 6, 2) [px] and present (..., 6)."""
        moved = history.inertia + self.departures(history, size)
        points = torch.where(history.present[0][..., None], moved, self.spotted(size))
        return points.clamp(-PATCH, size + PATCH), self.presence > 0


def believed(presence: Tensor, maps: Tensor) -> Belief:
    """Return the belief in presence (..., 6) and maps (..., 30, h, w)."""
    heat, offset, departure = maps.split([HUES, 2 * HUES, 2 * HUES], -3)
    return Belief(presence, heat, offset.unflatten(-3, (HUES, 2)), departure.unflatten(-3, (HUES, 2)))


def known(state: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return points (B, T, 6, 2) [px] and present (B, T, 6) from states (B, T, 6, 5) of the simulator.

    A body counts from the first frame at which a quarter of it is seen, while its centre is in the image.
    """
    points = state[..., :2].nan_to_num(-100.0)
    inside = ((points > -2) & (points < size + 2)).all(-1)
    seen = ((state[..., 4] > 0.25) & inside).cummax(1).values
    present = seen & inside
    return torch.where(present[..., None], points, torch.zeros_like(points)), present
