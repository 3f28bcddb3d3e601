"""A Suite is a versioned list of probes, tasks, tags and counts; a Split is scenes to train on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from typing import Any, Literal

import numpy as np

from wmeval.camera import View
from wmeval.scene import Scene

Instrument = Literal["rollout", "imagination", "surprise", "choose", "control"]


@dataclass(frozen=True)
class Suite:
    """What a run asks. 0.x may change; a season of the leaderboard freezes a whole number.

    A probe is asked by each of `instruments` that the model has the capabilities for; `controls` is how many
    scenes in which nothing happens are asked of each probe that draws them.

    A task is asked by those of `instruments` that plan (choose, control), at all of its own tags where the
    suite names none: `instances` choices and `episodes` of control a tag (0: as many as there are cases), and
    control at each of `budgets`, how many candidates a planner tries out in one round.

    `anchors` is a folder of stored null and ceiling values, one JSON file a View; only runs whose View has
    one there may be submitted.
    """

    name: str
    version: str
    probes: tuple[str, ...]
    metrics: tuple[str, ...]
    cases: int  # a probe and tag
    tags: tuple[str, ...] = ("iid",)
    instruments: tuple[Instrument, ...] = ("rollout",)
    controls: int = 0
    anchors: Traversable | None = None
    summary: str = ""
    tasks: tuple[str, ...] = ()
    instances: int = 0
    episodes: int = 0
    budgets: tuple[int, ...] = (64,)

    @property
    def key(self) -> str:
        """Name and version: "quick@0.1"."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class Split:
    """Scenes to train on: `scene(rng)` draws one; `view` is how our own models see it."""

    name: str
    version: str
    scene: Callable[[np.random.Generator], Scene]
    view: View = field(default_factory=View)
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Name and version: "train@0.1"."""
        return f"{self.name}@{self.version}"
