"""An Episode is one recording of a world: frames, what was done between them, and what it brought."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wmeval.errors import UsageError
from wmeval.model import ACTION_DIM, Floats, Frames
from wmeval.run.store import content_digest
from wmeval.seeds import digest

Bools = NDArray[np.bool_]
Space = Literal["native", "scene"]
MOST_EPISODES = 10_000
MOST_FRAMES = 4096  # an episode
MOST_SIDE = 4096  # px
MOST_BYTES = 8 << 30  # of all frames


@dataclass(frozen=True)
class Episode:
    """One recording. `actions[t]`, `rewards[t]` and `ends[t]` belong to the step from frame t to t + 1.

    Raises:
        UsageError: the arrays do not fit one another.
    """

    name: str
    frames: Frames  # (T, H, W, 3) sRGB
    actions: Floats  # (T - 1, A)
    fps: float
    rewards: Floats | None = None  # (T - 1,)
    ends: Bools | None = None  # (T - 1,) whether the step ended the episode, or a life

    def __post_init__(self) -> None:
        self._expect(
            self.frames.dtype == np.uint8 and self.frames.ndim == 4 and self.frames.shape[-1] == 3,
            f"frames {self.frames.dtype} {self.frames.shape}", "uint8 (T, height, width, 3)",
        )  # fmt: skip
        count = len(self.frames)
        self._expect(2 <= count <= MOST_FRAMES, f"{count} frames", f"2 to {MOST_FRAMES}")
        side = max(self.frames.shape[1:3])
        self._expect(side <= MOST_SIDE, f"frames of {side} px", f"at most {MOST_SIDE} a side")
        shape = self.actions.shape
        fits = len(shape) == 2 and shape[0] == count - 1 and shape[1] >= 1
        wanted = f"({count - 1}, A): one action between each frame and the next"
        self._expect(fits, f"actions {shape}", wanted)
        self._expect(bool(np.isfinite(self.actions).all()), "actions that are NaN or infinite", "numbers")
        self._expect(0 < self.fps < 1000, f"{self.fps:g} fps", "frames a second, above 0")
        for name, values in (("rewards", self.rewards), ("ends", self.ends)):
            if values is not None:
                self._expect(values.shape == (count - 1,), f"{name} {values.shape}", f"({count - 1},)")
        if self.rewards is not None:
            self._expect(bool(np.isfinite(self.rewards).all()), "rewards that are NaN or infinite", "numbers")

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of all that was recorded, without the name."""
        more = {"rewards": self.rewards, "ends": self.ends}
        return content_digest(
            {
                "frames": self.frames,
                "actions": self.actions,
                "fps": np.array(self.fps),
                **{k: v for k, v in more.items() if v is not None},
            }
        )

    def _expect(self, right: bool, given: str, wanted: str) -> None:
        if not right:
            raise UsageError(f"the episode {self.name!r} has {given}; expected {wanted}")


@dataclass(frozen=True)
class Recordings:
    """Episodes of one world: one frame rate, one size, one space of actions.

    `space` says whether actions are scene actions (12 numbers, see wmeval.model) or the model's own.

    Raises:
        UsageError: there are none, or they differ.
    """

    source: str
    episodes: tuple[Episode, ...]
    space: Space = "native"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.episodes:
            raise UsageError(f"{self.source} holds no episode; docs/own-truth.md shows what is read")
        first = self.episodes[0]
        for one in self.episodes:
            for what, mine, theirs in (
                ("frames a second", one.fps, first.fps),
                ("px", one.frames.shape[1:3], first.frames.shape[1:3]),
                ("numbers an action", one.actions.shape[1], first.actions.shape[1]),
            ):
                if mine != theirs:
                    raise UsageError(
                        f"{self.source}: the episode {one.name!r} has {mine} {what} and {first.name!r} "
                        f"{theirs}; give episodes that differ in this as truths of their own"
                    )
        if self.space == "scene" and self.width != ACTION_DIM:
            raise UsageError(
                f"{self.source} states scene actions and has {self.width} numbers an action; expected "
                f"{ACTION_DIM} (see wmeval.model), or the space 'native'"
            )

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.episodes[0].fps

    @property
    def size(self) -> tuple[int, int]:
        """Height and width [px]."""
        height, width = self.episodes[0].frames.shape[1:3]
        return int(height), int(width)

    @property
    def width(self) -> int:
        """Numbers an action."""
        return int(self.episodes[0].actions.shape[1])

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of all episodes in their order."""
        return digest([self.space, [[e.name, e.digest] for e in self.episodes]])
