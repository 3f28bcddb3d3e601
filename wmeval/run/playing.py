"""A problem that is being acted on: the world that goes on, what an agent has seen of it and has done so far.

What is carried out and what is only tried out go through the same `_block`, in the same engine: a plan that
was tried and is then carried out has, bit for bit, the future that was tried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import View
from wmeval.model import Observation
from wmeval.task import CLOCK_HZ, Instance, States, Task
from wmeval.truth import Truth
from wmeval.world import Live, actions, film
from wmeval.world.bullet import CLOCK_HZ as TICKS_HZ

Floats = NDArray[np.float64]
Frames = NDArray[np.uint8]


class Playing:
    """An episode under way, begun at the end of its context; use it in a `with` statement."""

    def __init__(self, task: Task, instance: Instance) -> None:
        if task.drive is None:
            raise ValueError(f"the task {task.name!r} has no drive; only one that has can be acted in")
        scene = instance.scene
        if scene.actuated is None or scene.actuated not in scene.names:
            raise ValueError(
                f"a scene of task {task.name!r} has {scene.actuated!r} as the body that actions act on; "
                f"expected one of {list(scene.names)}"
            )
        self.task, self.instance, self.scene, self.drive = task, instance, scene, task.drive
        self.body, self.mass = scene.actuated, scene[scene.actuated].mass
        self.done: Floats = np.zeros((0, task.drive.size))  # (D, A) actions that were carried out
        self._drawn: dict[View, Frames] = {}
        self.live = Live(scene)
        try:
            self.live.advance(scene.cut_s)
        except BaseException:
            self.live.close()
            raise

    def __enter__(self) -> Playing:
        return self

    def __exit__(self, *_: object) -> None:
        self.live.close()

    @property
    def now_s(self) -> float:
        """Seconds since the scene began."""
        return self.live.time_s

    def grid(self, until_s: float) -> Floats:
        """Return the times [s] of States, 10 Hz, after the cut and up to a time."""
        count = round((until_s - self.scene.cut_s) * CLOCK_HZ)
        return self.scene.cut_s + np.arange(1, count + 1) / CLOCK_HZ

    def act(self, action: Floats) -> None:
        """Carry out an action (A,) for one block.

        Raises:
            ValueError: it is of another size, not finite, or out of bounds.
        """
        self._block(action)
        self.done = np.concatenate([self.done, np.asarray(action, np.float64)[None]])

    def states(self) -> States:
        """Return the exact States since the cut."""
        times = self.grid(self.now_s)
        return States(self.scene.names, times, self._positions(times))

    def tried(self, plans: Floats, after: Callable[[], None] = lambda: None) -> States:
        """Return the exact States (N, T, ...) since the cut if plans (N, K, A) were carried out from here.

        `after` is called at the end of each, when the live scene is there.
        """
        times = self.grid(self.now_s + plans.shape[1] * self.task.block_s)
        here = self.live.save()
        out = []
        try:
            for plan in plans:
                self.live.restore(here)
                for action in plan:
                    self._block(action)
                out.append(self._positions(times))
                after()
        finally:
            self.live.restore(here)
            self.live.drop(here)
        return States(self.scene.names, times, np.stack(out))

    def shown(self, view: View) -> Frames:
        """Return all frames (T, H, W, 3) up to now; each is drawn once."""
        times = view.frame_times(self.now_s)
        have = self._drawn.get(view)
        start = 0 if have is None else len(have)
        if start < len(times):
            new = film(self.live.truth(), view, times[start:])
            self._drawn[view] = new if have is None else np.concatenate([have, new])
        return self._drawn[view]

    def commands(self, plans: Floats, times: Floats) -> Floats:
        """Return scene actions (N, T - 1, 12) between frame times (T,) [s] for plans (N, K, A) from here.

        What the Scene itself pushes and what was done before are in them too.
        """
        done = np.broadcast_to(self.done, (len(plans), *self.done.shape))
        given = self.drive.commands(np.concatenate([done, plans], axis=1), self.mass)  # (N, D + K, 12)
        starts = self.scene.cut_s + np.arange(given.shape[1]) * self.task.block_s
        first, last = times[:-1, None], times[1:, None]
        if self.drive.kind == "impulse":
            share = ((starts >= first - 1e-9) & (starts < last - 1e-9)).astype(np.float64)
        else:
            overlap = np.minimum(last, starts + self.task.block_s) - np.maximum(first, starts)
            share = overlap.clip(min=0) / (last - first)
        base = actions(self.scene, times)
        return np.asarray(base + np.einsum("tk,nkc->ntc", share, given))

    def observations(self, plans: Floats, view: View, most: int) -> list[Observation]:
        """Return what a model may see of now under each of plans (N, K, A); all share their frames.

        At most the `most` last frames are shown; the last one asked for is at the end of a plan, or after it.
        """
        frames = self.shown(view)
        first = max(0, len(frames) - most)
        ahead = horizon(self.now_s, plans.shape[1] * self.task.block_s, view)
        times = np.arange(first, len(frames) + ahead) / view.fps
        given, shown = self.commands(plans, times), frames[first:]
        seen = Observation(
            shown, view.fps, given[0], ahead, self.scene.caption, self.scene.camera.intrinsics(view)
        )
        return [replace(seen, actions=each) for each in given]

    def film(self, view: View, times: Floats) -> Frames:
        """Return frames (T, H, W, 3) at times [s] that have been, wherever the live scene is."""
        return film(self.live.truth(), view, times)

    def _block(self, action: Floats) -> None:
        push = {self.body: self.drive.push(action, self.mass)}
        if self.drive.kind == "impulse":
            self.live.advance(self.task.block_s, impulse=push)
        else:
            self.live.advance(self.task.block_s, force=push)

    def _positions(self, times: Floats) -> Floats:
        return self.live.poses_at(np.rint(times * TICKS_HZ).astype(np.int64))[0]


def horizon(now_s: float, ahead_s: float, view: View) -> int:
    """Return how many frames after those up to now it takes to see `ahead_s` ahead.

    >>> horizon(0.4, 0.5, View(fps=10)), horizon(0.4, 0.5, View(fps=7))
    (5, 5)
    """
    shown = int(np.floor(now_s * view.fps + 1e-9)) + 1
    return int(np.ceil((now_s + ahead_s) * view.fps - 1e-9)) + 1 - shown


def on_clock(times: Floats, position: Floats, clock: Floats) -> Floats:
    """Return positions (..., G, N, 3) at clock times (G,) between those (..., T, N, 3) at times (T,).

    They are joined by straight lines; between two of which one is NaN it is NaN.
    """
    high = np.clip(np.searchsorted(times, clock - 1e-9), 0, len(times) - 1)
    low = np.maximum(high - 1, 0)
    step = np.where(high > low, times[high] - times[low], 1.0)
    share = np.clip((clock - times[low]) / step, 0.0, 1.0)
    share = np.where(high > low, share, 1.0)
    before, after = np.take(position, low, axis=-3), np.take(position, high, axis=-3)
    w = share[:, None, None]
    mixed = (1 - w) * before + w * after
    return np.where(w > 1 - 1e-9, after, np.where(w < 1e-9, before, mixed))


def goal_picture(instance: Instance, view: View) -> Frames:
    """Return the picture (H, W, 3) of the goal: bodies as `posed`, the others as at the start.

    Raises:
        ValueError: no picture tells the goal.
    """
    if not instance.posed:
        raise ValueError("the instance has no picture of its goal; give its `posed`")
    scene = instance.scene
    with Live(scene) as live:
        start: Truth = live.truth()
    position, orientation = start.position.copy(), start.orientation.copy()
    for name, (place, turn) in instance.posed.items():
        position[:, scene.names.index(name)] = place
        orientation[:, scene.names.index(name)] = turn
    posed = replace(start, position=position, orientation=orientation)
    (picture,) = film(posed, view, np.array([scene.duration_s]))
    return np.asarray(picture)
