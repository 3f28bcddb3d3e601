"""Where the body of each hue is, seen or hidden: points in the image, and maps of them on the token grid.

Tokens cannot hold what no pixel shows. Beside them the model keeps one point per hue; it corrects the
points from tokens while bodies are seen and moves them itself while they are not. Every step starts from
inertia, so that the network has to say only how a body departs from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from wmeval_adapters.learn.clips import HUES

STRONG = 40  # spread of RGB (of 255) from which a pixel's hue is trusted
LEAST = 4  # px of a hue that count as seeing it
CODES_OF_HUES = (0b100, 0b110, 0b010, 0b011, 0b001, 0b101)  # red, yellow, green, cyan, blue, magenta
REST = 0.1  # px in a frame below which a predicted body does not move
PATCH = 8  # px a cell
MAP = HUES * 10  # channels of `History.maps`
PLACE = HUES * 3  # channels of `place`
SIGHT = HUES * 5  # channels of `Sight.maps`


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

    def each(self, of: Callable[[Tensor], Tensor]) -> History:
        """Return the history whose tensors are what `of` makes of each."""
        (p1, p2, p3), (s1, s2, s3) = self.points, self.present
        return History((of(p1), of(p2), of(p3)), (of(s1), of(s2), of(s3)))

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
class Sight:
    """Where bodies are seen in frames that are given."""

    points: Tensor  # (..., 6, 2) px, centre of what is seen
    seen: Tensor  # (..., 6) bool

    def maps(self, history: History, size: int) -> Tensor:
        """Return (..., 30, h, w): the places seen, and at the place by inertia how far off it is."""
        known = self.seen & history.present[0]
        share = shares(history.inertia, known, size)
        off = ((self.points - history.inertia) / PATCH).clamp(-2, 2)
        told = off[..., None, None] * share[..., None, :, :]
        return torch.cat([place(self.points, self.seen, size), told.flatten(-4, -3)], -3)


def spotted(frames: Tensor) -> Sight:
    """Return where each hue is seen in frames (..., 3, H, W) uint8."""
    value = frames.short()
    low = value.amin(-3, keepdim=True)
    spread = value.amax(-3, keepdim=True) - low
    strong = 2 * (value - low) > spread  # a hue is a set of strong channels, a grey adds to all alike
    code = 4 * strong[..., 0, :, :] + 2 * strong[..., 1, :, :] + strong[..., 2, :, :].int()
    code = code * (spread[..., 0, :, :] > STRONG)
    mask = torch.stack([code == c for c in CODES_OF_HUES], -3).float()
    mass = mask.sum((-1, -2))
    height, width = frames.shape[-2:]
    right = (mask.sum(-2) * (torch.arange(width) + 0.5)).sum(-1)
    down = (mask.sum(-1) * (torch.arange(height) + 0.5)).sum(-1)
    return Sight(torch.stack([right, down], -1) / mass.clamp(min=1)[..., None], mass >= LEAST)


def base(history: History, sight: Sight | None) -> tuple[Tensor, Tensor]:
    """Return where each body is before the network speaks, (..., 6, 2) px, and whether that is known.

    It is the centre of what is seen, or else where the body would be by inertia.
    """
    if sight is None:
        return history.inertia, history.present[0]
    points = torch.where(sight.seen[..., None], sight.points, history.inertia)
    return points, history.present[0] | sight.seen


@dataclass(frozen=True)
class Belief:
    """What the network says of the points of one frame, before it is decided."""

    presence: Tensor  # (..., 6) logits of still being there, for bodies that were there
    departure: Tensor  # (..., 6, 2, h, w) px, from `base`

    def points(self, history: History, sight: Sight | None, size: int) -> Tensor:
        """Return where each body is, (..., 6, 2) px."""
        start, there = base(history, sight)
        share = shares(start, there, size)
        return start + (self.departure * share[..., None, :, :]).sum((-1, -2))

    def decide(self, history: History, sight: Sight | None, size: int) -> tuple[Tensor, Tensor]:
        """Return points (..., 6, 2) [px] and present (..., 6); nothing unseen comes from nowhere."""
        present = history.present[0] & (self.presence > 0)
        if sight is not None:
            present = present | sight.seen
        points = self.points(history, sight, size).clamp(-PATCH, size + PATCH)
        if sight is None:
            moved = points - history.points[0]
            points = torch.where(
                (torch.hypot(*moved.unbind(-1)) < REST)[..., None], history.points[0], points
            )
        return torch.where(present[..., None], points, torch.zeros_like(points)), present


def known(state: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return points (B, T, 6, 2) [px] and present (B, T, 6) from states (B, T, 6, 5) of the simulator.

    A body counts from the first frame at which a quarter of it is seen, while its centre is in the image.
    """
    points = state[..., :2].nan_to_num(-100.0)
    inside = ((points > -2) & (points < size + 2)).all(-1)
    seen = ((state[..., 4] > 0.25) & inside).cummax(1).values
    present = seen & inside
    return torch.where(present[..., None], points, torch.zeros_like(points)), present
