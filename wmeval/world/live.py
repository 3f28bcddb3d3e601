"""A scene that is acted on while it goes on: stepped, saved, gone back to, bit for bit.

It is the same engine, order of bodies and order of forces as `simulate`, so a live scene that was pushed and
`simulate` of the Scene with those pushes are the same Truth. What is executed and what a planner tries out
go through the same `advance`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import Vec3
from wmeval.scene import Push, Scene
from wmeval.truth import Contacts, Truth
from wmeval.world.bullet import CLOCK_HZ, PROFILES, Client
from wmeval.world.simulate import first, place, refuse

Floats = NDArray[np.float64]
Vectors = Mapping[str, Vec3]


@dataclass(frozen=True)
class Saved:
    """A moment of a live scene that can be gone back to until it is dropped."""

    number: int  # of the engine's kept state
    tick: int
    pushes: tuple[Push, ...]
    trail: tuple[Any, ...]  # poses up to then, so that one can go back and forth between moments


class Live:
    """A running scene with an engine of its own; `close` it, or use it in a `with` statement.

    Poses are kept at 240 Hz from the start, so that it can be filmed, measured and turned into a Truth at any
    moment. The pushes of the Scene itself act at their times, beside what `advance` adds.
    """

    def __init__(self, scene: Scene) -> None:
        refuse(scene)
        if scene.profile == "joint":
            raise ValueError(
                "a live scene cannot hang bodies from joints, whose motors a saved state forgets"
            )
        self.scene = scene
        self.client = Client()
        _, self._moving = place(self.client, scene, first(scene))
        self._uid = dict(zip(scene.names, self._moving, strict=True))
        self._substeps = PROFILES[scene.profile].hz // CLOCK_HZ
        self._pushes: tuple[Push, ...] = ()
        self.tick = 0  # of the 240 Hz clock
        self._trail: list[list[tuple[Any, Any]]] = [self._poses()]

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def time_s(self) -> float:
        """Seconds since the scene began."""
        return self.tick / CLOCK_HZ

    def advance(
        self, seconds: float, *, force: Vectors | None = None, impulse: Vectors | None = None
    ) -> None:
        """Go on for some seconds; a force [N] acts all the while, an impulse [N s] at once.

        Raises:
            KeyError: a body is named that does not move.
            ValueError: the seconds are no whole number of ticks of 1/240 s, or a push is not finite.
        """
        ticks = round(seconds * CLOCK_HZ)
        if ticks < 1 or abs(ticks / CLOCK_HZ - seconds) > 1e-6:
            raise ValueError(f"a live scene goes on by ticks of 1/{CLOCK_HZ} s; {seconds} s was given")
        start, end = self.time_s, (self.tick + ticks) / CLOCK_HZ
        new = [Push(name, start, start, impulse=v) for name, v in (impulse or {}).items() if any(v)]
        new += [Push(name, start, end, force=v) for name, v in (force or {}).items() if any(v)]
        for push in new:
            if push.body not in self._uid:
                raise KeyError(f"no moving body {push.body!r}; they are {list(self.scene.names)}")
            if not np.isfinite([*push.impulse, *push.force]).all():
                raise ValueError(f"a push on {push.body!r} is not finite: {push.impulse} N s, {push.force} N")
        self._pushes += tuple(new)
        hz = self._substeps * CLOCK_HZ
        first, last = self.tick * self._substeps, (self.tick + ticks) * self._substeps
        acting = [
            (self._uid[p.body], at, until, np.array(p.impulse) * hz, np.array(p.force))
            for p in (*self.scene.pushes, *self._pushes)
            if (at := round(p.start_s * hz)) < last and max(at + 1, until := round(p.end_s * hz)) > first
        ]
        for step in range(first, last, self._substeps):
            for now in range(step, step + self._substeps):
                for uid, at, until, kick, held in acting:
                    if now == at and kick.any():
                        self.client.push(uid, kick)
                    if at <= now < until and held.any():
                        self.client.push(uid, held)
                self.client.step()
            self.tick += 1
            self._trail.append(self._poses())

    def save(self) -> Saved:
        """Return this moment, to be gone back to; `drop` it when done, each keeps about .1 MB."""
        return Saved(self.client.save(), self.tick, self._pushes, tuple(self._trail))

    def restore(self, saved: Saved) -> None:
        """Go to a saved moment of this live scene: nothing but what led to it has happened."""
        self.client.restore(saved.number)
        self.tick, self._pushes = saved.tick, saved.pushes
        self._trail = list(saved.trail)

    def drop(self, saved: Saved) -> None:
        """Forget a moment."""
        self.client.drop(saved.number)

    def close(self) -> None:
        """Shut the engine down."""
        self.client.close()

    def poses_at(self, ticks: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Return positions (T, N, 3) [m] and quaternions (T, N, 4) x y z w at ticks (T,) that have been."""
        kept = [self._trail[int(t)] for t in ticks]
        n = len(self._moving)
        position = np.array([[p for p, _ in row] for row in kept], dtype=np.float64)
        orientation = np.array([[q for _, q in row] for row in kept], dtype=np.float64)
        return position.reshape(len(kept), n, 3), orientation.reshape(len(kept), n, 4)

    def truth(self) -> Truth:
        """Return what has happened so far; its Scene holds all pushes, and contacts are not kept.

        The Scene keeps its duration where that lies ahead, so that cut and horizon stay what they were.
        """
        position, orientation = self.poses_at(np.arange(self.tick + 1))
        scene = replace(
            self.scene,
            pushes=(*self.scene.pushes, *self._pushes),
            duration_s=max(self.scene.duration_s, self.time_s),
        )
        nothing = np.zeros(0)
        none = Contacts(
            nothing, nothing.astype(np.int64), nothing.astype(np.int64), np.zeros((0, 3)), np.zeros((0, 3)),
            nothing,
        )  # fmt: skip
        still = np.full(position.shape, np.nan)
        return Truth(scene, CLOCK_HZ, position, orientation, still, still.copy(), none)

    def _poses(self) -> list[tuple[Any, Any]]:
        return [self.client.pose(uid) for uid in self._moving]
