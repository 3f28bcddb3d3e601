"""What plans would lead to and cost: by the simulator or by a model, by the task's cost or to a goal.

Two kinds of dynamics and two kinds of cost make four arms. The planner is the same in all of them, so that
what fails tells whether the model, the cost or the planner is to blame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import View
from wmeval.errors import EnvironmentFault
from wmeval.model import Clip, WorldModel
from wmeval.run import problems
from wmeval.run.clips import trace
from wmeval.run.playing import Playing, goal_picture, horizon, on_clock
from wmeval.run.sight import GOAL_FRAMES, Lost, Sight, away
from wmeval.task import Instance, States, Task

Floats = NDArray[np.float64]


class Foresight(Protocol):
    """Foresees plans from where an episode is."""

    @property
    def exact(self) -> bool:
        """Whether what it predicts is what will be: the simulator under the task's own cost."""
        ...

    def costs(self, play: Playing, plans: Floats, seed: int) -> Floats:
        """Return what plans (N, K, A) are predicted to cost (N,); inf where nothing was predicted.

        Raises:
            Lost: the model fails on all of them.
        """
        ...

    def states(self, play: Playing, plan: Floats, seed: int) -> Floats | None:
        """Return where bodies are expected to be (T, n, 3) on the clock since the cut, if that is known."""
        ...


def value(task: Task, states: States, instance: Instance, *, exact: bool) -> Floats:
    """Return what the task says that futures cost (...); what cannot be told costs the worst.

    Raises:
        ProbeFault: its cost raises, returns something else, or cannot tell the cost of `exact` States.
    """
    told = problems.cost(task, states, instance, exact=exact)
    return np.where(np.isnan(told), task.worst, told)


@dataclass(frozen=True)
class Simulated:
    """The simulator under the task's cost: what an agent could do that knew the world."""

    exact: bool = True

    def costs(self, play: Playing, plans: Floats, seed: int) -> Floats:
        """Return the true costs (N,)."""
        return value(play.task, play.tried(plans), play.instance, exact=True)

    def states(self, play: Playing, plan: Floats, seed: int) -> Floats:
        """Return where bodies will be."""
        return np.asarray(play.tried(plan[None]).position[0])


@dataclass
class SimulatedToGoal:
    """The simulator's pictures under the distance to the goal that a model works with."""

    sight: Sight
    view: View
    exact: bool = False
    _goals: dict[str, NDArray[Any]] = field(default_factory=dict)

    def costs(self, play: Playing, plans: Floats, seed: int) -> Floats:
        """Return how far (N,) the end of each future looks from the goal."""
        end = play.now_s + plans.shape[1] * play.task.block_s
        last = int(np.floor(end * self.view.fps + 1e-9))
        times = np.arange(max(0, last + 1 - GOAL_FRAMES), last + 1) / self.view.fps
        films: list[NDArray[np.uint8]] = []
        play.tried(plans, lambda: films.append(play.film(self.view, times)))
        given = play.commands(plans, times)
        clips = [Clip(f, self.view.fps, a) for f, a in zip(films, given, strict=True)]
        return away(self.sight.ends(clips), _goal(self._goals, self.sight, play.instance, self.view))

    def states(self, play: Playing, plan: Floats, seed: int) -> Floats:
        """Return where bodies will be."""
        return np.asarray(play.tried(plan[None]).position[0])


@dataclass
class Modelled:
    """A model's predictions, under the task's cost of the States that are read from them, or to the goal."""

    model: WorldModel
    sight: Sight
    view: View
    to_goal: bool = False
    exact: bool = False
    _goals: dict[str, NDArray[Any]] = field(default_factory=dict)
    _seen: dict[int, Floats] = field(default_factory=dict)  # frame -> (n, 3), read when it was new

    def costs(self, play: Playing, plans: Floats, seed: int) -> Floats:
        """Return the predicted costs (N,)."""
        told = self._predicted(play, plans, seed)
        kept = [i for i, made in enumerate(told) if made is not None]
        made = [m for m in told if m is not None]
        out = np.full(len(plans), np.inf)
        if self.to_goal:
            goal = _goal(self._goals, self.sight, play.instance, self.view)
            out[kept] = away(np.stack([m[-1] for m in made]), goal)
        else:
            states = self._read(play, made, plans.shape[1])
            out[kept] = value(play.task, states, play.instance, exact=False)
        return out

    def states(self, play: Playing, plan: Floats, seed: int) -> Floats | None:
        """Return where bodies are expected to be, where States are read at all."""
        if self.to_goal:
            return None
        (made,) = self._predicted(play, plan[None], seed)
        return None if made is None else self._read(play, [made], len(plan)).position[0]

    def _predicted(self, play: Playing, plans: Floats, seed: int) -> list[NDArray[Any] | None]:
        """Return what is predicted of each plan; None where the model fails."""
        card = self.model.card
        asked = play.observations(plans, self.view, card.context[1])
        out: list[NDArray[Any] | None] = []
        why = ""
        for start in range(0, len(asked), card.max_batch):
            batch = asked[start : start + card.max_batch]
            try:
                # one seed for all: plans are told apart by what they do, not by noise
                answers = self.sight.predict(batch, [seed] * len(batch))
            except (Lost, EnvironmentFault):
                raise
            except Exception as raised:
                raise Lost(f"the model raised\n{trace()}") from raised
            for answer in answers:
                ok = answer.status.state == "ok"
                why = why if ok else answer.status.detail or "the model failed without a reason"
                out.append(self.sight.made(answer) if ok else None)
        if all(made is None for made in out):
            raise Lost(why)
        return out

    def _read(self, play: Playing, made: Sequence[NDArray[Any]], blocks: int) -> States:
        """Return the States since the cut: read from what was seen up to now, and from what is predicted."""
        scene, fps = play.scene, self.view.fps
        self._watch(play)
        shown = max(self._seen) + 1
        times = np.arange(shown, shown + len(made[0])) / fps
        ahead = self.sight.read(made, scene, self.view, times)
        frames = sorted(self._seen)
        past = np.stack([self._seen[i] for i in frames])
        every = np.concatenate([np.broadcast_to(past, (len(ahead), *past.shape)), ahead], axis=1)
        clock = play.grid(play.now_s + blocks * play.task.block_s)
        position = on_clock(np.concatenate([np.array(frames) / fps, times]), every, clock)
        return States(scene.names, clock, position)

    def _watch(self, play: Playing) -> None:
        """Read the frames that are new, from the last one of the context on."""
        shown = len(play.shown(self.view))
        if shown - 1 in self._seen:
            return
        (seen,) = play.observations(np.zeros((1, 1, play.drive.size)), self.view, self.model.card.context[1])
        first = shown - len(seen.frames)
        told = self.sight.watched(seen, play.scene, self.view, np.arange(first, shown) / self.view.fps)
        start = int(np.floor(play.scene.cut_s * self.view.fps + 1e-9))
        for i in range(max(first, start), shown):
            self._seen.setdefault(i, told[i - first])


def farthest(model: WorldModel | None, task: Task, instance: Instance, view: View) -> int:
    """Return how many blocks ahead a model can be asked, at most those that the task looks."""
    most = None if model is None else model.card.horizon
    blocks = task.look
    while most is not None and blocks and horizon(instance.scene.cut_s, blocks * task.block_s, view) > most:
        blocks -= 1
    return blocks


def _goal(kept: dict[str, NDArray[Any]], sight: Sight, instance: Instance, view: View) -> NDArray[Any]:
    """Return how the goal looks in what a model works in; a still video of its picture is encoded."""
    if instance.digest not in kept:
        frames = np.repeat(goal_picture(instance, view)[None], GOAL_FRAMES, axis=0)
        still = Clip(frames, view.fps, np.zeros((GOAL_FRAMES - 1, 12)))
        kept[instance.digest] = sight.ends([still])[0]
    return kept[instance.digest]


__all__ = ["Foresight", "Modelled", "Simulated", "SimulatedToGoal", "farthest", "value"]
