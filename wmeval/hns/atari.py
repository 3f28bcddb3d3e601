"""The 26 games of Atari 100k: scores of random play and of a human, and published runs of agents."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.errors import UsageError

Runs = Mapping[str, tuple[float, ...]]  # game -> one score a run


@dataclass(frozen=True)
class Game:
    """The two scores that a third is measured by."""

    random: float
    human: float

    def normalised(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return human-normalised scores: 0 is random play, 1 a human.

        >>> Game(random=100.0, human=300.0).normalised(np.array([100.0, 300.0, 700.0])).tolist()
        [0.0, 1.0, 3.0]
        """
        return (scores - self.random) / (self.human - self.random)


@dataclass(frozen=True)
class Agent:
    """A published agent: its runs, where they were published, and what its paper prints of them."""

    name: str
    paper: str
    source: str  # repository@commit and path of the runs
    printed: Mapping[str, float]  # mean, median, iqm, where they are printed
    note: str
    runs: Runs


@cache
def games() -> dict[str, Game]:
    """Return the games by name."""
    return {name: Game(**row) for name, row in _data()["games"].items()}


@cache
def agents() -> tuple[Agent, ...]:
    """Return the published agents, those that search ahead last."""
    return tuple(
        Agent(
            name, row["paper"], row["source"], row["printed"] or {}, row["note"],
            {game: tuple(scores) for game, scores in row["runs"].items()},
        )
        for name, row in _data()["agents"].items()
    )  # fmt: skip


def game_called(name: str) -> str:
    """Return the game that a name means, however an environment spells it.

    >>> game_called("ALE/MsPacman-v5"), game_called("up_n_down"), game_called("PongNoFrameskip-v4")
    ('MsPacman', 'UpNDown', 'Pong')

    Raises:
        UsageError: no game of Atari 100k is called so; the sentence has the nearest name.
    """
    plain = {game.lower(): game for game in games()}
    bare = re.sub(r"(noframeskip|deterministic)?(-?v\d+)?$", "", name.strip().lower().removeprefix("ale/"))
    bare = re.sub("[^a-z0-9]", "", bare.removeprefix("atari_"))
    if bare in plain:
        return plain[bare]
    near = get_close_matches(bare, plain, n=1, cutoff=0.5)
    hint = f"the nearest is {plain[near[0]]!r}" if near else f"these are {', '.join(games())}"
    raise UsageError(f"{name!r} is none of the 26 games of Atari 100k; {hint}")


@cache
def _data() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(files("wmeval.hns").joinpath("atari100k.json").read_text("utf-8"))
    return read
