"""Windows of recordings: frames that a model is shown, and those that it has to predict; none overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from wmeval.model import Card, Clip, Floats, Frames, Observation
from wmeval.own.episode import Bools, Episode
from wmeval.run.store import content_digest

AHEAD = 64  # frames predicted at most
SHOWN = 8  # frames shown, where the model takes so many


@dataclass(frozen=True)
class Window:
    """A part of an episode. `id` is the digest of its content, so that equal windows are one question."""

    episode: str
    start: int  # its first frame in the episode
    shown: int  # frames
    fps: float
    native: bool
    frames: Frames  # (shown + ahead, H, W, 3)
    actions: Floats  # (shown + ahead - 1, A)
    rewards: Floats | None = None
    ends: Bools | None = None

    @property
    def ahead(self) -> int:
        """How many frames are to be predicted."""
        return len(self.frames) - self.shown

    @cached_property
    def id(self) -> str:
        """The SHA-256 of what a model is asked and what is right."""
        arrays: dict[str, Any] = {"frames": self.frames, "actions": self.actions}
        arrays |= {k: v for k, v in (("rewards", self.rewards), ("ends", self.ends)) if v is not None}
        about = np.array([self.shown, self.fps, self.native], np.float64)
        return content_digest({**arrays, "about": about})

    def observation(self, actions: Floats | None = None) -> Observation:
        """Return what the model sees; `actions` takes the place of what was done after the context."""
        done = self.actions
        if actions is not None:
            done = np.concatenate([done[: self.shown - 1], actions])
        return Observation(
            self.frames[: self.shown], self.fps, done, self.ahead, "", intrinsics(self.frames), self.native
        )

    def clip(self) -> Clip:
        """Return the whole window, for models that judge it."""
        return Clip(self.frames, self.fps, self.actions, self.native)


def intrinsics(frames: Frames) -> Floats:
    """Return a pinhole camera (3, 3) of 60 degrees: nothing is known of the one that recorded."""
    height, width = frames.shape[1:3]
    focal = height / 2 / np.tan(np.pi / 6)
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])


def frames_shown(card: Card) -> int:
    """Return how many context frames a model is shown: 8 where it takes so many, by its own steps."""
    fewest, most = card.context
    count = max(fewest, min(SHOWN, most))
    stepped = 1 + (count - 1) // card.context_step * card.context_step
    while stepped < fewest:
        stepped += card.context_step
    return stepped


def frames_ahead(card: Card) -> int:
    """Return how many frames a model is asked for at most."""
    return min(AHEAD, card.horizon or AHEAD)


def windows(episodes: Sequence[Episode], shown: int, ahead: int, native: bool) -> tuple[Window, ...]:
    """Return the windows of episodes in their order.

    An episode gives as many windows of full length as it has room for; one that has room for none gives a
    shorter one. What is left at its end is not asked. One with no frame to predict gives none.
    """
    made = []
    for one in episodes:
        length = min(shown + ahead, len(one.frames))
        if length <= shown:
            continue
        for start in range(0, len(one.frames) - length + 1, length):
            frames, steps = slice(start, start + length), slice(start, start + length - 1)
            made.append(
                Window(
                    one.name, start, shown, one.fps, native, one.frames[frames], one.actions[steps],
                    None if one.rewards is None else one.rewards[steps],
                    None if one.ends is None else one.ends[steps],
                )
            )  # fmt: skip
    return tuple(made)


def swapped(every: Sequence[Window], i: int) -> Floats | None:
    """Return what was done after the context of another episode's window, in place of window `i`'s own.

    It is the next window of another episode whose actions differ and are as long; None where there is none.
    """
    mine = every[i]
    done = mine.actions[mine.shown - 1 :]
    for step in range(1, len(every)):
        other = every[(i + step) % len(every)]
        if other.episode == mine.episode or other.ahead < mine.ahead:
            continue
        instead = other.actions[other.shown - 1 :][: mine.ahead]
        if not np.array_equal(instead, done):
            return instead
    return None
