"""The one place that talks to PyBullet: engine profiles, bodies, steps and pictures, all typed.

PyBullet's defaults are wrong ground truth: damping takes an eighth of the speed in a second, contacts add
energy, friction is a pyramid, and one threshold is shared by every client of the process. So every
parameter is set again after every reset, and no default is relied on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.scene import Body, Profile

Floats = NDArray[np.float64]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep PyBullet's greeting, printed by C code when it is imported, off the terminal."""
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "wb") as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


with _quiet():
    import pybullet as pb


@dataclass(frozen=True)
class Settings:
    """How the engine runs a profile: physics rate, what it sets, and what it sets on each body."""

    hz: int
    engine: Mapping[str, float]
    body: Mapping[str, float] = field(default_factory=dict)


_COMMON: Mapping[str, float] = {
    "deterministicOverlappingPairs": 1,
    "enableConeFriction": 1,
    "contactBreakingThreshold": 0.02,
    "contactSlop": 1e-5,
    "erp": 0.2,
    "frictionERP": 0.2,
    "solverResidualThreshold": 1e-7,
    "enableFileCaching": 0,
}
CLOCK_HZ = 240  # poses are kept at this rate; every physics rate is a multiple of it
REMADE = 4  # steps after which a restored state has all its contact points; two are enough for a box
PROFILES: Mapping[Profile, Settings] = {
    "flight": Settings(
        240, {**_COMMON, "contactERP": 0.0, "numSolverIterations": 50, "restitutionVelocityThreshold": 0.05}
    ),
    "impact": Settings(
        960,
        {**_COMMON, "contactERP": 0.0, "numSolverIterations": 50, "restitutionVelocityThreshold": 0.05},
        {"contactProcessingThreshold": 0.0},
    ),
    "rest": Settings(
        240, {**_COMMON, "contactERP": 0.08, "numSolverIterations": 200, "restitutionVelocityThreshold": 0.2}
    ),
    "joint": Settings(
        240, {**_COMMON, "contactERP": 0.0, "numSolverIterations": 50, "restitutionVelocityThreshold": 0.05}
    ),
}


@dataclass(frozen=True)
class Hinge:
    """A body on a massless rod that turns about y: where the rod hangs; the body from there at angle 0."""

    pivot: Floats  # (3,) m
    arm: Floats  # (3,) m

    def angle(self, position: Floats) -> float:
        """Return the turn about y [rad] that brings the body nearest to a position [m]."""
        at = np.asarray(position) - self.pivot
        turn = np.arctan2(at[0], at[2]) - np.arctan2(self.arm[0], self.arm[2])
        return float((turn + np.pi) % (2 * np.pi) - np.pi)

    def rate(self, position: Floats, velocity: Floats) -> float:
        """Return the turn about y [rad/s] that goes with a velocity [m/s] of the body at a position [m]."""
        at = np.asarray(position) - self.pivot
        return float((velocity[0] * at[2] - velocity[2] * at[0]) / (at[0] ** 2 + at[2] ** 2))


def inertia(body: Body) -> tuple[float, float, float]:
    """Return a body's moments of inertia [kg m2] about its own axes through its centre."""
    if body.shape == "sphere":
        return (0.4 * body.mass * body.size[0] ** 2,) * 3
    if body.shape == "cylinder":
        across = body.mass * (3 * body.size[0] ** 2 + 4 * body.size[1] ** 2) / 12
        return (across, across, body.mass * body.size[0] ** 2 / 2)
    x, y, z = (n**2 for n in body.size)
    return (body.mass * (y + z) / 3, body.mass * (x + z) / 3, body.mass * (x + y) / 3)


def inertia_about_y(body: Body) -> float:
    """Return a body's moment of inertia [kg m2] about the y axis of the world through its centre."""
    x, y, z, w = body.orientation
    axis = np.array([2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)])
    return float(axis**2 @ np.array(inertia(body)))


class Client:
    """One physics server of this process without a window. `reset` starts it anew with a profile."""

    def __init__(self) -> None:
        self.id: int = pb.connect(pb.DIRECT)
        if self.id < 0:
            raise RuntimeError("PyBullet gave no physics server")
        self.hinges: dict[int, Hinge] = {}

    def reset(self, profile: Profile, gravity: float) -> None:
        """Remove everything and set every engine parameter of the profile."""
        settings = PROFILES[profile]
        pb.resetSimulation(physicsClientId=self.id)
        self.hinges.clear()
        pb.setPhysicsEngineParameter(
            fixedTimeStep=1.0 / settings.hz, numSubSteps=0, physicsClientId=self.id, **settings.engine
        )
        pb.setGravity(0.0, 0.0, -gravity, physicsClientId=self.id)

    def add(self, body: Body, profile: Profile) -> int:
        """Add a colliding body and return its id; with a pivot and profile "joint" it hangs on a hinge."""
        frame: dict[str, Any] = {}
        if body.pivot is not None and profile == "joint":
            arm = np.subtract(body.position, body.pivot)
            frame = {"collisionFramePosition": arm.tolist(), "collisionFrameOrientation": body.orientation}
        if body.shape == "sphere":
            shape = pb.createCollisionShape(
                pb.GEOM_SPHERE, radius=body.size[0], physicsClientId=self.id, **frame
            )
        elif body.shape == "box":
            shape = pb.createCollisionShape(
                pb.GEOM_BOX, halfExtents=list(body.size), physicsClientId=self.id, **frame
            )
        else:
            shape = pb.createCollisionShape(
                pb.GEOM_CYLINDER, radius=body.size[0], height=2 * body.size[1], physicsClientId=self.id,
                **frame,
            )  # fmt: skip
        if frame:
            uid = self._hang(body, shape)
        else:
            uid = pb.createMultiBody(
                body.mass, shape, -1, list(body.position), list(body.orientation), physicsClientId=self.id
            )
        pb.changeDynamics(
            uid,
            0 if frame else -1,
            linearDamping=0.0,
            angularDamping=0.0,
            lateralFriction=body.friction,
            rollingFriction=body.rolling,
            spinningFriction=0.0,
            restitution=body.restitution,
            physicsClientId=self.id,
            **PROFILES[profile].body,
        )
        return uid

    def _hang(self, body: Body, shape: int) -> int:
        """Add a body as the one link of a fixed base at its pivot, free to turn about y."""
        pivot = np.array(body.pivot)
        arm = np.array(body.position) - pivot
        uid: int = pb.createMultiBody(
            0.0, -1, -1, pivot.tolist(), [0.0, 0.0, 0.0, 1.0],
            linkMasses=[body.mass], linkCollisionShapeIndices=[shape], linkVisualShapeIndices=[-1],
            linkPositions=[[0.0, 0.0, 0.0]], linkOrientations=[[0.0, 0.0, 0.0, 1.0]],
            linkInertialFramePositions=[arm.tolist()],
            linkInertialFrameOrientations=[list(body.orientation)], linkParentIndices=[0],
            linkJointTypes=[pb.JOINT_REVOLUTE], linkJointAxis=[[0.0, 1.0, 0.0]], physicsClientId=self.id,
        )  # fmt: skip
        # A new joint has a motor that brakes it, the base has damping that the link feels, and the link's
        # inertia is that of a box about its shifted frame.
        pb.setJointMotorControl2(uid, 0, pb.VELOCITY_CONTROL, force=0.0, physicsClientId=self.id)
        pb.changeDynamics(uid, -1, linearDamping=0.0, angularDamping=0.0, physicsClientId=self.id)
        pb.changeDynamics(
            uid, 0, localInertiaDiagonal=list(inertia(body)), jointDamping=0.0, physicsClientId=self.id
        )
        self.hinges[uid] = Hinge(pivot, arm)
        return uid

    def put(self, uid: int, position: Floats, orientation: Floats) -> None:
        """Move a body without moving time; one on a hinge is turned as near to there as its rod lets it."""
        if uid in self.hinges:
            turn = self.hinges[uid].angle(position)
            pb.resetJointState(uid, 0, turn, 0.0, physicsClientId=self.id)
            return
        pb.resetBasePositionAndOrientation(uid, position, orientation, physicsClientId=self.id)

    def launch(self, uid: int, velocity: Floats, spin: Floats) -> None:
        """Set linear [m/s] and angular [rad/s] velocity in world axes; on a hinge the first tells both."""
        if uid in self.hinges:
            turn = float(pb.getJointState(uid, 0, physicsClientId=self.id)[0])
            rate = self.hinges[uid].rate(self.pose(uid)[0], velocity)
            pb.resetJointState(uid, 0, turn, rate, physicsClientId=self.id)
            return
        pb.resetBaseVelocity(uid, list(velocity), list(spin), physicsClientId=self.id)

    def pose(self, uid: int) -> tuple[Any, Any]:
        """Return position [m] and quaternion x y z w."""
        if uid in self.hinges:
            state = pb.getLinkState(uid, 0, computeForwardKinematics=1, physicsClientId=self.id)
            return state[0], state[1]
        return pb.getBasePositionAndOrientation(uid, physicsClientId=self.id)  # type: ignore[no-any-return]

    def velocity(self, uid: int) -> tuple[Any, Any]:
        """Return linear [m/s] and angular [rad/s] velocity."""
        if uid in self.hinges:
            state = pb.getLinkState(
                uid, 0, computeLinkVelocity=1, computeForwardKinematics=1, physicsClientId=self.id
            )
            return state[6], state[7]
        return pb.getBaseVelocity(uid, physicsClientId=self.id)  # type: ignore[no-any-return]

    def push(self, uid: int, force: Floats) -> None:
        """Apply a force [N] at the centre of mass during the next step."""
        centre = self.pose(uid)[0]
        link = 0 if uid in self.hinges else -1
        pb.applyExternalForce(uid, link, list(force), centre, pb.WORLD_FRAME, physicsClientId=self.id)

    def step(self) -> None:
        """Advance by one physics step."""
        pb.stepSimulation(physicsClientId=self.id)

    def save(self) -> int:
        """Keep the whole state of the engine and return its number; every one kept costs memory."""
        number: int = pb.saveState(physicsClientId=self.id)
        return number

    def restore(self, number: int) -> None:
        """Go back to a kept state, bit for bit as long as no body was added or removed since."""
        pb.restoreState(stateId=number, physicsClientId=self.id)
        # contacts that were lost since are not all taken back at once: a body that lay on the floor and was
        # tipped over rests on fewer points. A few steps make them anew, to be overwritten
        for _ in range(REMADE):
            pb.stepSimulation(physicsClientId=self.id)
        pb.restoreState(stateId=number, physicsClientId=self.id)

    def drop(self, number: int) -> None:
        """Forget a kept state."""
        pb.removeState(number, physicsClientId=self.id)

    def close(self) -> None:
        """Shut the server down; the client is of no use afterwards."""
        pb.disconnect(physicsClientId=self.id)

    def contacts(self) -> tuple[Any, ...]:
        """Return PyBullet's contact points of the last step."""
        return pb.getContactPoints(physicsClientId=self.id) or ()

    def let_pass(self, a: int, b: int) -> None:
        """Let two bodies go through one another."""
        pb.setCollisionFilterPair(a, b, -1, -1, 0, physicsClientId=self.id)

    def remove(self, uid: int) -> None:
        """Take a body away."""
        pb.removeBody(uid, physicsClientId=self.id)

    def closest(self, a: int, b: int, within: float) -> float:
        """Return the signed distance [m] of two bodies; negative = depth; inf beyond `within`."""
        points = pb.getClosestPoints(a, b, within, physicsClientId=self.id)
        return min((float(p[8]) for p in points), default=float("inf"))

    def paint(self, body: Body, colour: tuple[float, float, float]) -> int:
        """Add a body that only the camera meets and return its id."""
        look = {"rgbaColor": [*colour, 1.0], "specularColor": [0.0, 0.0, 0.0]}
        if body.shape == "box":
            shape = pb.createVisualShape(
                pb.GEOM_BOX, halfExtents=list(body.size), physicsClientId=self.id, **look
            )
        else:
            vertices, faces, normals = _mesh(body.shape)
            scale = (
                [body.size[0]] * 3 if body.shape == "sphere" else [body.size[0], body.size[0], body.size[1]]
            )
            shape = pb.createVisualShape(
                pb.GEOM_MESH, vertices=vertices, indices=faces, normals=normals, meshScale=scale,
                physicsClientId=self.id, **look,
            )  # fmt: skip
        uid: int = pb.createMultiBody(
            0.0, -1, shape, list(body.position), list(body.orientation), physicsClientId=self.id
        )
        return uid

    def picture(
        self, width: int, height: int, view: Sequence[float], projection: Sequence[float], *, shadows: bool
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int32]]:
        """Return rgba (H, W, 4), depth buffer (H, W) in [0, 1] and body ids (H, W), -1 = none."""
        _, _, rgba, depth, ids = pb.getCameraImage(
            width, height, view, projection, shadow=int(shadows), renderer=pb.ER_TINY_RENDERER,
            lightDirection=[-3.0, -8.0, 10.0], lightColor=[1.0, 1.0, 1.0], lightAmbientCoeff=0.62,
            lightDiffuseCoeff=0.42, lightSpecularCoeff=0.0, physicsClientId=self.id,
        )  # fmt: skip
        return (
            np.asarray(rgba, dtype=np.uint8).reshape(height, width, 4),
            np.asarray(depth, dtype=np.float32).reshape(height, width),
            np.asarray(ids, dtype=np.int32).reshape(height, width),
        )


@cache
def _mesh(shape: str) -> tuple[list[list[float]], list[int], list[list[float]]]:
    """Return vertices, triangle indices and normals of a smooth unit sphere or cylinder.

    Built once per process: PyBullet never frees the lists that it is given.
    """
    vertices: list[list[float]] = []
    normals: list[list[float]] = []
    faces: list[int] = []
    around = 24

    def band(rows: list[tuple[float, float, float, float]]) -> None:
        first = len(vertices)
        for r, z, nr, nz in rows:
            for j in range(around + 1):
                turn = 2 * np.pi * j / around
                c, s = float(np.cos(turn)), float(np.sin(turn))
                vertices.append([r * c, r * s, z])
                normals.append([nr * c, nr * s, nz])
        for i in range(len(rows) - 1):
            for j in range(around):
                a = first + i * (around + 1) + j
                b = a + around + 1
                faces.extend([a, b, a + 1, a + 1, b, b + 1])

    if shape == "sphere":
        arcs = [np.pi * i / 12 for i in range(13)]
        band([(float(np.sin(t)), float(np.cos(t)), float(np.sin(t)), float(np.cos(t))) for t in arcs])
    else:
        band([(0.0, 1.0, 0.0, 1.0), (1.0, 1.0, 0.0, 1.0)])
        band([(1.0, 1.0, 1.0, 0.0), (1.0, -1.0, 1.0, 0.0)])
        band([(1.0, -1.0, 0.0, -1.0), (0.0, -1.0, 0.0, -1.0)])
    return vertices, faces, normals


def numpy_support() -> bool:
    """Return whether PyBullet was built with numpy, without which pictures come as slow tuples."""
    return bool(pb.isNumpyEnabled())


@cache
def physics_client() -> Client:
    """Return this process's client for physics."""
    return Client()


@cache
def camera_client() -> Client:
    """Return this process's client for pictures."""
    return Client()


@cache
def query_client() -> Client:
    """Return this process's client for distance queries."""
    return Client()
