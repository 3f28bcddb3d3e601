"""What is remembered of bodies: where each was in the last frames, what pulls it, and when it was last whole.

A body that is whole is where it is seen; one that is cut off is told by whichever of its edges agrees best
with going on as before, and a hidden one does go on as before. Bodies are followed in given frames by this
rule, and in predicted ones by what the network says.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wmeval_adapters.diamond.sight import Sight
from wmeval_adapters.learn.clips import HUES

DEEP = 4  # places remembered
WHOLE = 0.95  # share of the largest area seen from which a body counts as whole
LARGER = 1.3  # times the largest area seen from which it was never whole before
OUTSIDE = 8.0  # px beyond the edge at which a body is forgotten
FADED = 30  # frames after which an unseen body is forgotten
PATCH = 4  # px a cell
ALIKE = 0.5  # px a frame^2 by which two accelerations may differ and still be one
HARDLY = 0.4  # px a frame^2: one acceleration below is taken for none; n of them, below an nth of it
MOST = 16  # accelerations averaged
STRONGEST = 3.0  # px a frame^2 that can last: twice the Earth's pull


@dataclass(frozen=True)
class Memory:
    """Per hue, after some frame; `...` is a batch."""

    points: Tensor  # (..., 6, DEEP, 2) px, newest first
    span: Tensor  # (..., 6) how many of them are known, 0 .. DEEP
    age: Tensor  # (..., 6) frames since it was last whole
    known: Tensor  # (..., 6) bool: seen before and not gone
    area: Tensor  # (..., 6) px, largest seen
    looked: Tensor  # (..., 6) number of the frame that shows it whole last
    reach: Tensor  # (..., 6, 2, 2) px from its centre to its edges there, across and down
    bend: Tensor  # (..., 6, 2) px a frame^2, the mean of accelerations that agreed
    weighed: Tensor  # (..., 6) how many those were, 0 .. MOST
    calm: Tensor  # (..., 6) frames in a row in which it moved on as before

    @property
    def pull(self) -> Tensor:
        """The acceleration that lasts, (..., 6, 2) px a frame^2; what may be noise of few frames is none."""
        sure = torch.linalg.vector_norm(self.bend, dim=-1) > HARDLY / self.weighed.clamp(min=1)
        return torch.where((sure & (self.weighed > 0))[..., None], self.bend, 0.0)

    @property
    def speed(self) -> Tensor:
        """How far each body moved in the last frame, (..., 6, 2) px: over three frames where it was calm."""
        one, two, four = self.points[..., 0, :], self.points[..., 1, :], self.points[..., 3, :]
        calm = ((self.calm >= 2) & (self.span >= DEEP))[..., None]
        return torch.where(calm, (one - four) / 3 + self.pull, one - two) * (self.span >= 2)[..., None]

    @property
    def inertia(self) -> Tensor:
        """Where each body is in the next frame if it moves on as before, (..., 6, 2) px."""
        return self.points[..., 0, :] + self.speed + self.pull * (self.span >= 2)[..., None]

    def at(self, *index: Tensor) -> Memory:
        """Return the memories at an index of the batch."""
        return Memory(
            self.points[index], self.span[index], self.age[index], self.known[index], self.area[index],
            self.looked[index], self.reach[index], self.bend[index], self.weighed[index], self.calm[index],
        )  # fmt: skip

    def then(self, points: Tensor, shown: Tensor, size: tuple[int, int]) -> Memory:
        """Return the memory after a predicted frame: bodies are at `points` (..., 6, 2) [px].

        `shown` (..., 6) says which of them that frame shows.
        """
        inside = _inside(points, size)
        age = torch.where(shown, torch.zeros_like(self.age), self.age + 1)
        went_on = (points - self.inertia).abs().amax(-1) < ALIKE / 2
        return Memory(
            torch.cat([points[..., None, :], self.points[..., :-1, :]], -2),
            (self.span + 1).clamp(max=DEEP) * self.known, age, self.known & inside & (age < FADED),
            self.area, self.looked, self.reach, self.bend, self.weighed,
            torch.where(went_on, (self.calm + 1).clamp(max=DEEP), 0),
        )  # fmt: skip

    def maps(self, size: tuple[int, int]) -> Tensor:
        """Return what is known of bodies painted where they are by inertia: (B, MAPS, h, w)."""
        share = shares(self.inertia, self.known, size)  # (B, 6, h, w)
        cells_down, cells_right = centres(size)
        there = self.inertia[..., None, None]
        across, along = there[:, :, 0] - cells_right, there[:, :, 1] - cells_down[:, None]
        off = torch.stack([across.expand_as(share), along.expand_as(share)], 2) / PATCH
        moves = (self.points[..., :-1, :] - self.points[..., 1:, :]) / PATCH
        has = torch.stack([self.span > i for i in range(1, DEEP)], -1).float()
        plain = torch.cat(
            [
                (moves * has[..., None]).flatten(2), has, self.pull / 2,
                (self.age / 8.0)[..., None].clamp(max=2),
                (self.area.clamp(min=0).sqrt() / 10)[..., None],
            ], -1,
        )  # fmt: skip
        each = torch.cat(
            [torch.ones_like(off[:, :, :1]), off, plain[..., None, None].expand(-1, -1, -1, *off.shape[-2:])],
            2,
        )
        return (each * share[:, :, None]).sum(1)


MAPS = 1 + 2 + 2 * (DEEP - 1) + (DEEP - 1) + 2 + 2


def centres(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the centres [px] of cells, down and across."""
    return tuple((torch.arange(s // PATCH) + 0.5) * PATCH for s in size)  # type: ignore[return-value]


def shares(points: Tensor, known: Tensor, size: tuple[int, int]) -> Tensor:
    """Return how points (..., 6, 2) [px] spread over cells, bilinearly: (..., 6, h, w), sums of 1 or 0."""
    out = []
    for axis, centre in zip((1, 0), centres(size), strict=True):
        held = points[..., axis, None].clamp(PATCH / 2, size[1 - axis] - PATCH / 2)
        out.append((1 - (held - centre).abs() / PATCH).clamp(min=0))
    return out[0][..., :, None] * out[1][..., None, :] * known[..., None, None]


def _inside(points: Tensor, size: tuple[int, int]) -> Tensor:
    edge = torch.tensor([size[1], size[0]]) + OUTSIDE
    return ((points > -OUTSIDE) & (points < edge)).all(-1)


def nothing(batch: int) -> Memory:
    """Return the memory before the first frame."""
    none = torch.zeros(batch, HUES)
    whole = torch.zeros(batch, HUES, dtype=torch.long)
    return Memory(
        torch.zeros(batch, HUES, DEEP, 2),
        whole,
        whole,
        none.bool(),
        none,
        whole,
        torch.zeros(batch, HUES, 2, 2),
        torch.zeros(batch, HUES, 2),
        whole,
        whole,
    )


def followed(memory: Memory, sight: Sight, number: int, size: tuple[int, int]) -> Memory:
    """Return the memory after a given frame of that number in which `sight` (B, 6, ...) is seen."""
    guess = memory.inertia
    fresh = sight.seen & (~memory.known | (sight.area > LARGER * memory.area))
    whole = sight.seen & ((sight.area >= WHOLE * memory.area) | fresh)
    told = torch.cat([sight.points[..., None], sight.edges - memory.reach], -1)  # (B, 6, 2, 3)
    best = (told - guess[..., None]).abs().argmin(-1, keepdim=True)
    cut_off = told.gather(-1, best)[..., 0]
    points = torch.where(sight.seen[..., None], torch.where(whole[..., None], sight.points, cut_off), guess)
    # One that was hidden for a while did not jump: what was believed of its way is moved along.
    jump = torch.where(
        (whole & ~fresh & (memory.age > 0))[..., None], points - guess, torch.zeros_like(guess)
    )
    past = memory.points[..., :-1, :] + jump[..., None, :]
    known = (memory.known | sight.seen) & _inside(points, size)
    age = torch.where(whole, torch.zeros_like(memory.age), memory.age + 1)
    area = torch.where(whole, torch.maximum(sight.area, memory.area), memory.area)
    area = torch.where(memory.known | sight.seen, area, torch.zeros_like(area))
    places = torch.cat([points[..., None, :], past], -2)
    span = torch.where(fresh, 1, (memory.span + 1).clamp(max=DEEP)) * known
    bend, weighed, calm = _bent(memory, places, span, whole)
    return Memory(
        places, span,
        age, known & (age < FADED), area,
        torch.where(whole, number, memory.looked),
        torch.where(whole[..., None, None], sight.edges - sight.points[..., None], memory.reach),
        bend, weighed, calm,
    )  # fmt: skip


def _bent(memory: Memory, places: Tensor, span: Tensor, whole: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean acceleration, how many it is of, and how long bodies have gone on by it.

    An acceleration that agrees is averaged in; two in a row that agree with one another and not with it take
    its place; any other (a bounce, a push) is passed over, so that what pulls a body outlasts them.
    """
    now, before = (places[..., i, :] - 2 * places[..., i + 1, :] + places[..., i + 2, :] for i in (0, 1))
    n = memory.weighed
    usable = whole & (span >= 3) & (torch.linalg.vector_norm(now, dim=-1) < STRONGEST)
    agrees = usable & (n > 0) & ((now - memory.bend).abs().amax(-1) < ALIKE)
    anew = usable & ~agrees & (span >= 4) & ((now - before).abs().amax(-1) < ALIKE)
    opens = usable & (n == 0) & ~anew
    mean = (memory.bend * n[..., None] + now) / (n + 1)[..., None]
    bend = torch.where(agrees[..., None], mean, memory.bend)
    bend = torch.where(anew[..., None], (now + before) / 2, torch.where(opens[..., None], now, bend))
    weighed = torch.where(anew, 2, torch.where(opens, 1, (n + agrees.long()).clamp(max=MOST)))
    calm = torch.where(agrees, (memory.calm + 1).clamp(max=DEEP), torch.where(anew, 2, 0))
    gone = span <= 1
    return bend * ~gone[..., None], weighed * ~gone, calm * ~gone
