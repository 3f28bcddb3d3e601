"""Contexts that many observations share: a planner asks what follows from one past under many actions.

What is seen of a past is worked out once for each different one, and taken as often as it is asked about. The
last one is remembered, since a planner asks about it again with other actions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from wmeval.model import Floats, Frames, Observation

Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Past:
    """What happened up to now: frames (T, H, W, 3) and the actions (T - 1, A) between them."""

    frames: Frames
    actions: Floats

    def same(self, other: Past) -> bool:
        """Return whether nothing tells them apart."""
        if self.frames is not other.frames and not np.array_equal(self.frames, other.frames):
            return False
        return np.array_equal(self.actions, other.actions)


def past(seen: Observation) -> Past:
    """Return what happened up to now."""
    return Past(seen.frames, seen.actions[: len(seen.frames) - 1])


def different(batch: Sequence[Observation]) -> tuple[list[Past], NDArray[np.int64]]:
    """Return the different pasts of a batch, and which of them each observation (B,) has."""
    kinds: list[Past] = []
    which = []
    for seen in batch:
        mine = past(seen)
        at = next((i for i, kind in enumerate(kinds) if mine.same(kind)), len(kinds))
        if at == len(kinds):
            kinds.append(mine)
        which.append(at)
    return kinds, np.array(which, dtype=np.int64)


class Remembered(Generic[Seen]):
    """What was made of the last past that a whole batch shared."""

    def __init__(self) -> None:
        self._last: tuple[Past, Seen] | None = None

    def of(self, kinds: Sequence[Past], make: Callable[[Sequence[Past]], Seen]) -> Seen:
        """Return what `make` makes of different pasts; of a single one that was the last, without it."""
        if len(kinds) > 1:
            return make(kinds)
        if self._last is None or not kinds[0].same(self._last[0]):
            made = make(kinds)
            # copies, since a caller may write the next frames into the same array
            self._last = (Past(kinds[0].frames.copy(), kinds[0].actions.copy()), made)
        return self._last[1]
