"""A Task asks whether one can plan with a model: a situation, a goal, a cost, and what an agent may do.

A task is asked in two ways. **Choose**: which of N interventions, each shown in a clip of its own, comes
nearest to the goal? Any model that predicts can be asked. **Control**: which actions reach the goal? They are
found by a planner that tries them out in the model, and carried out in the world. Cost and success are
functions of States and of nothing else, whether these were read from the engine, from predicted frames or
from latents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import Vec3
from wmeval.model import ACTION_DIM
from wmeval.scene import Scene, scene_from_json
from wmeval.seeds import digest

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Quaternion = tuple[float, float, float, float]
CLOCK_HZ = 10.0  # of States, whatever a model's frame rate
Protocol = Literal["choose", "control"]


@dataclass(frozen=True)
class States:
    """Where the bodies of a scene are after the cut, at 10 Hz: one future, or many at once (leading axes).

    What was not found is NaN. Angles are NaN where a readout cannot tell them, so no cost may need them.
    """

    names: tuple[str, ...]
    times: Floats  # (T,) s, since the start of the scene
    position: Floats  # (..., T, N, 3) m

    def __getitem__(self, name: str) -> Floats:
        """Return the places (..., T, 3) [m] of a body."""
        if name not in self.names:
            raise KeyError(f"no body {name!r}; bodies are {list(self.names)}")
        return self.position[..., self.names.index(name), :]


@dataclass(frozen=True)
class Drive:
    """How an action in [-1, 1]^A pushes the actuated body: A axes, and what 1 stands for.

    "force": held for a whole block, `most` in m/s2 (times the body's mass); "impulse": at the start of a
    block, `most` in m/s (times the body's mass).
    """

    kind: Literal["force", "impulse"]
    axes: tuple[Literal["x", "z"], ...]
    most: float

    @property
    def size(self) -> int:
        """A, how many numbers an action has."""
        return len(self.axes)

    def push(self, action: Floats, mass: float) -> Vec3:
        """Return the force [N] or impulse [N s] of an action (A,) on a body of a mass [kg].

        Raises:
            ValueError: an action of another size, not finite, or out of bounds.
        """
        given = np.asarray(action, dtype=np.float64)
        if given.shape != (self.size,) or not np.isfinite(given).all() or np.abs(given).max() > 1 + 1e-9:
            raise ValueError(
                f"an action was given as {np.array2string(given, precision=4)}; expected {self.size} finite "
                f"numbers from -1 to 1, along {' and '.join(self.axes)}"
            )
        way = {axis: self.most * mass * float(a) for axis, a in zip(self.axes, given, strict=True)}
        return (way.get("x", 0.0), 0.0, way.get("z", 0.0))

    def commands(self, actions: Floats, mass: float) -> Floats:
        """Return scene actions (..., K, 12) of actions (..., K, A), one a block (layout: wmeval.model)."""
        out = np.zeros((*actions.shape[:-1], ACTION_DIM))
        first = 0 if self.kind == "impulse" else 3
        for i, axis in enumerate(self.axes):
            out[..., first + (0 if axis == "x" else 2)] = self.most * mass * actions[..., i]
        return out


@dataclass(frozen=True)
class Instance:
    """One situation with its goal. The context ends at `scene.cut_s`, the episode at `scene.duration_s`.

    `goal` holds the numbers that cost and success read. `posed` says where bodies are in a picture of the
    goal (the others as at the start); it is empty where no picture can tell the goal.
    """

    scene: Scene
    goal: Mapping[str, float]
    posed: Mapping[str, tuple[Vec3, Quaternion]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "goal", {k: round(float(v), 6) + 0.0 for k, v in self.goal.items()})

    def to_json(self) -> dict[str, Any]:
        """Return the instance as JSON values; `instance_from_json` is its inverse."""
        posed = {k: [list(p), list(q)] for k, (p, q) in self.posed.items()}
        return {"scene": self.scene.to_json(), "goal": dict(self.goal), "posed": posed}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return digest(self.to_json())


def instance_from_json(data: Mapping[str, Any]) -> Instance:
    """Return the instance that `to_json` described."""
    posed = {k: (tuple(p), tuple(q)) for k, (p, q) in data["posed"].items()}
    return Instance(scene_from_json(data["scene"]), data["goal"], posed)


@dataclass(frozen=True)
class Choice:
    """N interventions to choose from, each an Instance whose context shows it; all have one goal.

    `sizes` says how large each intervention is, in the task's own measure; 0 is to do nothing. They are for
    the controls "do nothing" and "the largest", which must not be good defaults.
    """

    candidates: tuple[Instance, ...]
    sizes: tuple[float, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return digest([c.to_json() for c in self.candidates])


@dataclass(frozen=True)
class Task:
    """What is to be reached, in functions of which each is given all that it needs.

    instance(rng, tag) -> Instance: never one that is solved at the start.
    cost(States, Instance) -> (...): the cost of a future in `unit`, 0 = reached; NaN counts as `worst`.
    success(States, Instance) -> (..., T): whether the goal is reached at each time. An episode succeeds at
        its end if it is so during the last `dwell_s`; "any time" asks for `dwell_s` anywhere.
    choice(rng, tag) -> Choice, where the task can be asked that way.

    Control: `drive` says what an action does, `block_s` how long one lasts, `look` how many blocks a planner
    looks ahead, `per_plan` how many of them are carried out before it plans again.
    """

    name: str
    version: str
    unit: str
    worst: float
    tags: tuple[str, ...]
    instance: Callable[[np.random.Generator, str], Instance]
    cost: Callable[[States, Instance], Floats]
    success: Callable[[States, Instance], Bools]
    choice: Callable[[np.random.Generator, str], Choice] | None = None
    drive: Drive | None = None
    block_s: float = 0.1
    look: int = 12
    per_plan: int = 1
    dwell_s: float = 0.2
    summary: str = ""

    def __post_init__(self) -> None:
        if not self.worst > 0:
            raise ValueError(f"the task {self.name!r} has worst {self.worst}; expected a positive cost")
        if self.drive is None and self.choice is None:
            raise ValueError(
                f"the task {self.name!r} has neither a drive nor a choice; give what an agent may do"
            )
        if abs(self.block_s * CLOCK_HZ - round(self.block_s * CLOCK_HZ)) > 1e-9 or self.block_s <= 0:
            raise ValueError(
                f"the task {self.name!r} has blocks of {self.block_s} s; expected a multiple of "
                f"{1 / CLOCK_HZ:g} s"
            )

    @property
    def key(self) -> str:
        """Name and version: "push@0.1"."""
        return f"{self.name}@{self.version}"

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """The ways in which it can be asked."""
        asked: tuple[Protocol, ...] = ("choose",) if self.choice else ()
        return (*asked, "control") if self.drive else asked

    def decisions(self, instance: Instance) -> int:
        """Return how many blocks an episode has."""
        return round((instance.scene.duration_s - instance.scene.cut_s) / self.block_s)

    def value(self, states: States, instance: Instance) -> Floats:
        """Return the cost (...) of futures; what cannot be told, or is beyond `worst`, is `worst`.

        Raises:
            ValueError: the task's cost has another shape, or is negative.
        """
        cost = np.asarray(self.cost(states, instance), dtype=np.float64)
        wanted = states.position.shape[:-3]
        if cost.shape != wanted or (cost < 0).any():
            raise ValueError(
                f"the cost of task {self.name!r} came back as {cost.shape}, least {np.nanmin(cost):.3g}; "
                f"expected {wanted}, at least 0"
            )
        return np.where(np.isnan(cost), self.worst, np.minimum(cost, self.worst))

    def succeeded(self, states: States, instance: Instance) -> tuple[Bools, Bools]:
        """Return (at the end, at any time), each (...), with the goal held for `dwell_s`."""
        reached = np.asarray(self.success(states, instance), dtype=bool)
        need = min(round(self.dwell_s * CLOCK_HZ) + 1, reached.shape[-1])
        windows = np.lib.stride_tricks.sliding_window_view(reached, need, axis=-1)
        held = np.asarray(windows.all(axis=-1))
        return held[..., -1], np.asarray(held.any(axis=-1))
