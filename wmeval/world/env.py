"""Planning tasks as Gymnasium environments: import this module, then `gymnasium.make("wmeval/Push-v0")`.

Gymnasium loads no plug-ins by itself; `gymnasium.make("wmeval.world.env:wmeval/Push-v0")` imports it on the
way. An episode begins where the context ends, and what was shown until then is in the `info` of `reset`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.registry import entries, load_task
from wmeval.seeds import scene_rng
from wmeval.task import CLOCK_HZ, Instance, States, Task
from wmeval.world.bullet import CLOCK_HZ as TICKS_HZ
from wmeval.world.live import Live, Saved
from wmeval.world.render import film

Seen = Literal["pixels", "state", "both"]
Public = Literal["eval", "dev", "train"]
FAR = 100.0  # m and m/s: a state that is farther from 0 is given as this


@dataclass(frozen=True)
class Moment:
    """A moment of an episode; it can be gone back to until `reset`, `close` or `drop_state`."""

    saved: Saved
    decided: int
    episode: int  # how many resets came before


class TaskEnv(gymnasium.Env[Any, NDArray[np.float32]]):
    """A task that is acted in, block by block.

    Observations: "pixels" is the frame now, uint8 (size, size, 3); "state" is float32 (S,): x, z [m] and
    their rates [m/s] of every body in scene order (0 where a tag has fewer bodies), then the numbers of the
    goal, by name; "both" is a dict of these. Actions are in [-1, 1]^A; what 1 stands for is `task.drive`.
    The reward is minus the cost [m] of the state now. An episode is truncated after its last decision, or
    terminated by it where it is the only one. `info` holds is_success (at the end, held for the dwell time),
    cost, instance (its digest) and goal; `reset` adds context, the frames up to the cut (T, size, size, 3).
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - as gymnasium has it

    def __init__(
        self, task: Task | str, *, obs: Seen = "pixels", tag: str | None = None, split: Public = "dev",
        size: int = 64, render_mode: str | None = None,
    ) -> None:  # fmt: skip
        self.task = load_task(task) if isinstance(task, str) else task
        if self.task.drive is None:
            raise UsageError(
                f"the task {self.task.name!r} has nothing to steer, only interventions to choose from; "
                "`task.choice(rng, tag)` draws them"
            )
        _one_of("obs", obs, get_args(Seen))
        _one_of("split", split, get_args(Public))
        if render_mode not in (None, "rgb_array"):
            raise UsageError(f"render_mode {render_mode!r} was given; expected None or 'rgb_array'")
        self.obs, self.tag, self.split, self.render_mode = obs, tag or self.task.tags[0], split, render_mode
        _one_of("tag", self.tag, self.task.tags)
        self.view = View(CLOCK_HZ, size, size)
        self.drive = self.task.drive
        self.action_space = spaces.Box(-1.0, 1.0, (self.drive.size,), np.float32)
        drawn = [self._drawn(split, t, 0) for t in self.task.tags]
        self._bodies = max(len(i.scene.moving) for i in drawn)
        numbers = 4 * self._bodies + len(drawn[0].goal)
        whole: dict[str, spaces.Space[Any]] = {
            "pixels": spaces.Box(0, 255, (size, size, 3), np.uint8),
            "state": spaces.Box(-FAR, FAR, (numbers,), np.float32),
        }
        self.observation_space = spaces.Dict(whole) if obs == "both" else whole[obs]
        self._live: Live | None = None
        self._decided = self._episode = 0

    @property
    def live(self) -> Live:
        """The running scene.

        Raises:
            UsageError: there is none yet.
        """
        if self._live is None:
            raise UsageError("no episode has begun; call `reset()` first")
        return self._live

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode: that of options {"index", "tag", "split"}, else of an index drawn at random.

        Raises:
            UsageError: an option that there is not, or a value it cannot have.
        """
        super().reset(seed=seed)
        given = dict(options or {})
        tag, split = given.pop("tag", self.tag), given.pop("split", self.split)
        index = given.pop("index", None)
        if given:
            raise UsageError(f"reset has no options {sorted(given)}; expected some of index, tag, split")
        _one_of("tag", tag, self.task.tags)
        _one_of("split", split, get_args(Public))
        if index is None:
            index = int(self.np_random.integers(2**31))
        if not isinstance(index, int | np.integer) or index < 0:
            raise UsageError(f"the index of an instance was given as {index!r}; expected 0, 1, 2, ...")
        self.close()
        self.instance = self._drawn(split, tag, int(index))
        self._live, self._decided = Live(self.instance.scene), 0
        self._episode += 1
        self._live.advance(self.instance.scene.cut_s)
        times = self.view.frame_times(self._live.time_s)
        context = film(self._live.truth(), self.view, times)
        return self._observation(), {**self._info(), "context": context}

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Carry out an action (A,) for one block.

        Raises:
            UsageError: the episode is over, or the action is of another size, not finite or out of bounds.
        """
        live, scene = self.live, self.instance.scene
        last = self.task.decisions(self.instance)
        if self._decided >= last:
            raise UsageError(f"the episode is over after {last} decisions; call `reset()`")
        assert scene.actuated is not None
        try:
            push = {scene.actuated: self.drive.push(np.asarray(action), scene[scene.actuated].mass)}
        except ValueError as fault:
            raise UsageError(str(fault)) from None
        if self.drive.kind == "impulse":
            live.advance(self.task.block_s, impulse=push)
        else:
            live.advance(self.task.block_s, force=push)
        self._decided += 1
        info = self._info()
        over = self._decided == last
        return self._observation(), -info["cost"], over and last == 1, over and last > 1, info

    def render(self) -> NDArray[np.uint8]:
        """Return the frame now (size, size, 3)."""
        frames = film(self.live.truth(), self.view, np.array([self.live.time_s]))
        return np.asarray(frames[0])

    def save_state(self) -> Moment:
        """Return this moment; drop it when done, each keeps about .1 MB."""
        return Moment(self.live.save(), self._decided, self._episode)

    def restore_state(self, moment: Moment) -> tuple[Any, dict[str, Any]]:
        """Go to a saved moment of this episode, bit for bit; return what is observed there, and `info`.

        Raises:
            UsageError: the moment is of another episode.
        """
        live = self.live
        if moment.episode != self._episode:
            raise UsageError("the moment was saved in another episode; save one after the last `reset()`")
        live.restore(moment.saved)
        self._decided = moment.decided
        return self._observation(), self._info()

    def drop_state(self, moment: Moment) -> None:
        """Forget a moment of this episode; those of earlier ones went with them."""
        if moment.episode == self._episode:
            self.live.drop(moment.saved)

    def close(self) -> None:
        """Shut the engine down; `reset` begins anew."""
        if self._live is not None:
            self._live.close()
            self._live = None

    def _drawn(self, split: Public, tag: str, index: int) -> Instance:
        return self.task.instance(scene_rng(split, self.task.key, tag, index), tag)

    def _states(self) -> States:
        """Return the exact States since the cut; at the cut that one moment."""
        cut, live = self.instance.scene.cut_s, self.live
        count = round((live.time_s - cut) * CLOCK_HZ)
        times = cut + np.arange(1, count + 1) / CLOCK_HZ if count else np.array([cut])
        position, _ = live.poses_at(np.rint(times * TICKS_HZ).astype(np.int64))
        return States(self.instance.scene.names, times, position)

    def _info(self) -> dict[str, Any]:
        states, made = self._states(), self.instance
        now = States(states.names, states.times[-1:], states.position[-1:])
        return {
            "is_success": bool(self._decided and self.task.succeeded(states, made)[0]),
            "cost": float(self.task.value(now, made)),
            "instance": made.digest,
            "goal": np.array([made.goal[k] for k in sorted(made.goal)]),
        }

    def _observation(self) -> Any:
        if self.obs == "pixels":
            return self.render()
        tick = self.live.tick
        position, _ = self.live.poses_at(np.array([tick - 1, tick]))
        plane = position[..., (0, 2)]
        told = np.concatenate([plane[1], (plane[1] - plane[0]) * TICKS_HZ], axis=-1)  # (N, 4)
        state = np.zeros(4 * self._bodies + len(self.instance.goal))
        state[: told.size] = told.ravel()
        state[4 * self._bodies :] = [self.instance.goal[k] for k in sorted(self.instance.goal)]
        numbers = np.clip(state, -FAR, FAR).astype(np.float32)
        return numbers if self.obs == "state" else {"pixels": self.render(), "state": numbers}


def make(task: str, **options: Any) -> TaskEnv:
    """Return the environment of a registered task; `options` are those of TaskEnv.

    Raises:
        UsageError: there is no such task or option, or nothing in it can be steered.
    """
    return TaskEnv(task, **options)


def env_id(task: str) -> str:
    """Return the name that gymnasium knows a task by.

    >>> env_id("push")
    'wmeval/Push-v0'
    """
    return "wmeval/" + "".join(part.capitalize() for part in task.split("-")) + "-v0"


def register() -> None:
    """Tell gymnasium of every registered task; importing this module does it."""
    for task in entries("tasks"):
        if env_id(task) not in gymnasium.registry:
            gymnasium.register(env_id(task), entry_point="wmeval.world.env:make", kwargs={"task": task})


def _one_of(what: str, given: Any, known: Mapping[str, Any] | tuple[Any, ...]) -> None:
    if given not in known:
        raise UsageError(f"{what} was given as {given!r}; expected one of {', '.join(map(str, known))}")


register()
