"""Truth is what happened in a scene, on the physics clock, and knows nothing of any model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wmeval.scene import Body, Scene

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Contacts:
    """Contact points, one row each. `a` and `b` index `scene.bodies`; the normal points from b to a."""

    time: Floats  # (C,) s
    a: Ints  # (C,)
    b: Ints  # (C,)
    point: Floats  # (C, 3) m
    normal: Floats  # (C, 3)
    impulse: Floats  # (C,) N s, along the normal


@dataclass(frozen=True)
class Future:
    """One re-simulation with a jittered start and `hidden` redrawn: poses and visibility only."""

    position: Floats  # (T, N, 3) m, at 10 Hz
    visible: Floats  # (T, N) share of the body that the camera sees


@dataclass(frozen=True)
class Look:
    """How a dynamic body looks from `start_s` on: the hue, size, shape of `body`, which goes by its name.

    Only a fault looks otherwise than its Scene says; the physics goes on with the body of the Scene.
    """

    start_s: float
    body: Body


@dataclass(frozen=True)
class Truth:
    """Poses and velocities of the dynamic bodies, (K, N, ...) in the order of `scene.moving`.

    `clock_hz` is the rate at which poses are kept (physics runs at a multiple of it). `realised` holds the
    parameters as the engine combined them: "a|b.restitution", "a|b.friction".
    """

    scene: Scene
    clock_hz: int
    position: Floats  # (K, N, 3) m
    orientation: Floats  # (K, N, 4) x y z w
    velocity: Floats  # (K, N, 3) m/s
    spin: Floats  # (K, N, 3) rad/s
    contacts: Contacts
    realised: Mapping[str, float] = field(default_factory=dict)
    futures: tuple[Future, ...] = ()
    looks: tuple[Look, ...] = ()  # by start_s

    def look(self, name: str, time_s: float) -> Body:
        """Return what a dynamic body looks like at a time."""
        shown = self.scene[name]
        for look in self.looks:
            if look.body.name == name and look.start_s <= time_s + 1e-9:
                shown = look.body
        return shown

    @property
    def times(self) -> Floats:
        """Times [s] of the kept poses, (K,)."""
        return np.arange(len(self.position)) / self.clock_hz

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the dynamic bodies, in slot order."""
        return self.scene.names

    def poses_at(self, times: Floats) -> tuple[Floats, Floats]:
        """Return positions (T, N, 3) and unit quaternions (T, N, 4) interpolated at times (T,) [s]."""
        at = np.clip(np.asarray(times) * self.clock_hz, 0, len(self.position) - 1)
        low = np.minimum(np.floor(at + 1e-9).astype(np.int64), len(self.position) - 1)
        high = np.minimum(low + 1, len(self.position) - 1)
        w = np.clip(at - low, 0.0, 1.0)[:, None, None]
        position = (1 - w) * self.position[low] + w * self.position[high]
        q0, q1 = self.orientation[low], self.orientation[high]
        # q and -q are the same turn: the nearer one is blended, so that a flip of sign is no motion
        q1 = np.where((q0 * q1).sum(-1, keepdims=True) < 0, -q1, q1)
        blended = (1 - w) * q0 + w * q1
        return position, blended / np.linalg.norm(blended, axis=-1, keepdims=True)

    def velocity_at(self, times: Floats) -> Floats:
        """Return the velocities (T, N, 3) [m/s] of the nearest kept poses at times (T,)."""
        at = np.rint(np.asarray(times) * self.clock_hz).astype(np.int64)
        return self.velocity[np.clip(at, 0, len(self.velocity) - 1)]
