"""A Scene is plain data: what stands where, what pushes it, who looks, and when the context ends.

Everything is rounded when it is made, so that a scene is the same on every machine and its JSON is its
name. Units: m, s, kg, N s, N, rad; quaternions are x y z w. The world is x right, y away, z up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from wmeval.camera import Camera, Vec3
from wmeval.seeds import digest

Shape = Literal["sphere", "box", "cylinder"]
Role = Literal["body", "floor", "wall", "ramp", "occluder"]
Profile = Literal["flight", "impact", "rest", "joint"]
HUES: Mapping[str, float] = {
    "red": 0.0, "yellow": 60.0, "green": 120.0, "cyan": 180.0, "blue": 240.0, "magenta": 300.0,
}  # fmt: skip
UPRIGHT = (0.0, 0.0, 0.0, 1.0)


def _rounded(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return round(float(value), 6) + 0.0
    if isinstance(value, np.ndarray):
        return _rounded(value.tolist())
    if isinstance(value, tuple | list):
        return tuple(_rounded(v) for v in value)
    return value


class _Rounded:
    """Rounds every float of a frozen dataclass to 6 decimals when it is made."""

    def __post_init__(self) -> None:
        for f in fields(self):  # type: ignore[arg-type]
            object.__setattr__(self, f.name, _rounded(getattr(self, f.name)))


@dataclass(frozen=True)
class Body(_Rounded):
    """One rigid body. Dynamic bodies (mass > 0) have a hue; static ones are grey.

    `size`: sphere (radius,), box half extents (x, y, z), cylinder (radius, half height along z).
    `path`: (time, position) keyframes of a static body that is moved by hand (a screen that rises).
    `collides` False makes it scenery that only the camera meets. A dynamic body with a `pivot` hangs from
    that point [m] on a massless rod and swings about the y axis (profile "joint").
    """

    name: str
    shape: Shape
    size: tuple[float, ...]
    position: Vec3
    role: Role = "body"
    mass: float = 0.0
    orientation: tuple[float, float, float, float] = UPRIGHT
    velocity: Vec3 = (0.0, 0.0, 0.0)
    spin: Vec3 = (0.0, 0.0, 0.0)
    hue: float | None = None  # degrees
    value: float = 0.85  # brightness in [0, 1]
    friction: float = 0.5
    rolling: float = 0.0
    restitution: float = 0.0
    collides: bool = True
    path: tuple[tuple[float, Vec3], ...] = ()
    pivot: Vec3 | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        wanted = {"sphere": 1, "box": 3, "cylinder": 2}
        if self.shape not in wanted or len(self.size) != wanted[self.shape]:
            raise ValueError(
                f"body {self.name!r}: a {self.shape} was given size {self.size}; expected sphere "
                "(radius,), box (half x, half y, half z) or cylinder (radius, half height)"
            )
        if min(self.size) <= 0:
            raise ValueError(f"body {self.name!r}: size {self.size} must be positive")
        if self.mass > 0 and self.hue is None:
            raise ValueError(f"body {self.name!r} moves, so it needs a hue to be told apart by")
        if self.mass > 0 and self.path:
            raise ValueError(f"body {self.name!r} has a mass and a path; give one of them")
        if self.pivot is not None and self.mass <= 0:
            raise ValueError(f"body {self.name!r} has a pivot and no mass; only what can swing has one")

    @property
    def radius(self) -> float:
        """The radius of a round body, or of the ball with a box's smallest half extent [m]."""
        return min(self.size) if self.shape == "box" else self.size[0]

    def placed(self, time_s: float) -> Vec3:
        """Return the position [m] of a static body at a time."""
        if not self.path:
            return self.position
        keys = ((0.0, self.position), *self.path)
        stamps = [k[0] for k in keys]
        x, y, z = (float(np.interp(time_s, stamps, [k[1][i] for k in keys])) for i in range(3))
        return (x, y, z)


@dataclass(frozen=True)
class Push(_Rounded):
    """An intervention on one body: `force` [N] held from start_s to end_s, or an `impulse` [N s].

    An impulse acts at start_s; its end_s equals start_s.
    """

    body: str
    start_s: float
    end_s: float
    impulse: Vec3 = (0.0, 0.0, 0.0)
    force: Vec3 = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Hidden(_Rounded):
    """A parameter that the context does not show, with its prior: uniform in [low, high].

    `what` is "gravity" or "BODY.FIELD" with FIELD one of restitution, friction, mass.
    """

    what: str
    low: float
    high: float


@dataclass(frozen=True)
class Scene(_Rounded):
    """Everything that determines what happens and what is shown."""

    bodies: tuple[Body, ...]
    camera: Camera
    duration_s: float
    cut_s: float  # where the context ends
    needs_s: float  # how long one must look before the cut
    profile: Profile
    gravity: float = 9.81  # m/s2, downwards
    pushes: tuple[Push, ...] = ()
    actuated: str | None = None  # the one body that actions act on
    caption: str = ""
    hidden: tuple[Hidden, ...] = ()
    tag: str = "iid"

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [b.name for b in self.bodies]
        if len(set(names)) != len(names):
            raise ValueError(f"bodies of a scene need distinct names, got {names}")
        if self.profile not in get_args(Profile):
            raise ValueError(f"profile {self.profile!r} is none of {get_args(Profile)}")
        if not 0 < self.needs_s <= self.cut_s < self.duration_s:
            raise ValueError(
                f"expected 0 < needs_s <= cut_s < duration_s, got {self.needs_s}, {self.cut_s}, "
                f"{self.duration_s}"
            )
        for push in self.pushes:
            if push.body not in [b.name for b in self.moving]:
                raise ValueError(f"push on {push.body!r}: the moving bodies are {self.names}")
        hues = [b.hue for b in self.moving]
        if len(set(hues)) != len(hues):
            raise ValueError(f"moving bodies are told apart by hue, got {hues}")

    @cached_property
    def moving(self) -> tuple[Body, ...]:
        """The dynamic bodies, in the order of all arrays over bodies."""
        return tuple(b for b in self.bodies if b.mass > 0)

    @cached_property
    def static(self) -> tuple[Body, ...]:
        """The bodies without mass, in scene order."""
        return tuple(b for b in self.bodies if b.mass <= 0)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the dynamic bodies."""
        return tuple(b.name for b in self.moving)

    def __getitem__(self, name: str) -> Body:
        for body in self.bodies:
            if body.name == name:
                return body
        raise KeyError(f"no body {name!r}; bodies are {[b.name for b in self.bodies]}")

    def to_json(self) -> dict[str, Any]:
        """Return the scene as JSON values; `scene_from_json` is its inverse.

        A pivot stands there only where there is one, so that scenes without keep the names they had.
        """
        values = asdict(self)
        for body in values["bodies"]:
            if body["pivot"] is None:
                del body["pivot"]
        return values

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return digest(self.to_json())


def scene_from_json(data: Mapping[str, Any]) -> Scene:
    """Return the scene that `to_json` described."""
    given = dict(data)

    def deep(value: Any) -> Any:
        return tuple(deep(v) for v in value) if isinstance(value, list | tuple) else value

    def make(kind: type, values: Mapping[str, Any]) -> Any:
        return kind(**{k: deep(v) for k, v in values.items()})

    given["bodies"] = tuple(make(Body, b) for b in given["bodies"])
    given["camera"] = make(Camera, given["camera"])
    given["pushes"] = tuple(make(Push, p) for p in given["pushes"])
    given["hidden"] = tuple(make(Hidden, h) for h in given["hidden"])
    return Scene(**{k: deep(v) if isinstance(v, list) else v for k, v in given.items()})


@dataclass(frozen=True)
class Case:
    """One question: named arms, each a Scene. `provenance` tells where it came from, not what it is."""

    arms: Mapping[str, Scene]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def single(cls, scene: Scene) -> Case:
        """Return the case of one arm, called "main"."""
        return cls({"main": scene})

    @cached_property
    def case_id(self) -> str:
        """SHA-256 of the canonical JSON of the arms."""
        return digest({name: scene.to_json() for name, scene in self.arms.items()})

    @property
    def tag(self) -> str:
        """The tag of the scenes: iid, ood-speed, ..."""
        return next(iter(self.arms.values())).tag


def ball(
    name: str,
    *,
    radius: float,
    position: Vec3,
    hue: str | float,
    density: float = 1000.0,
    **more: Any,
) -> Body:
    """Return a solid sphere; `hue` is a colour name of HUES or degrees; `more` are Body's fields."""
    more.setdefault("mass", density * 4 / 3 * np.pi * radius**3)
    return Body(name, "sphere", (radius,), position, hue=_hue(hue), **more)


def box(
    name: str,
    *,
    half: Vec3,
    position: Vec3,
    hue: str | float,
    density: float = 1000.0,
    **more: Any,
) -> Body:
    """Return a solid box with half extents [m]; see `ball` for the rest."""
    more.setdefault("mass", density * 8 * half[0] * half[1] * half[2])
    return Body(name, "box", half, position, hue=_hue(hue), **more)


def cylinder(
    name: str, *, radius: float, half_height: float, position: Vec3, hue: str | float,
    density: float = 1000.0, **more: Any,
) -> Body:  # fmt: skip
    """Return a solid upright cylinder; see `ball` for the rest."""
    more.setdefault("mass", density * 2 * np.pi * radius**2 * half_height)
    return Body(name, "cylinder", (radius, half_height), position, hue=_hue(hue), **more)


def floor(*, top: float = 0.0, half: Vec3 = (8.0, 3.0, 0.5), value: float = 0.55, **more: Any) -> Body:
    """Return a thick static box whose upper face is at `top` [m] (a plane makes boxes bounce wrongly)."""
    return Body("floor", "box", half, (0.0, 0.0, top - half[2]), role="floor", value=value, **more)


def wall(name: str, *, half: Vec3, position: Vec3, value: float = 0.4, **more: Any) -> Body:
    """Return a static box that bodies meet."""
    return Body(name, "box", half, position, role="wall", value=value, **more)


def ramp(
    name: str,
    *,
    half: Vec3,
    position: Vec3,
    slope_deg: float,
    value: float = 0.45,
    **more: Any,
) -> Body:
    """Return a static box turned about y, so that it rises to the right for a positive slope."""
    turn = -np.deg2rad(slope_deg) / 2
    quaternion = (0.0, float(np.sin(turn)), 0.0, float(np.cos(turn)))
    return Body(name, "box", half, position, role="ramp", orientation=quaternion, value=value, **more)


def occluder(
    name: str,
    *,
    half: Vec3,
    position: Vec3,
    value: float = 0.3,
    **more: Any,
) -> Body:
    """Return a screen that hides bodies and touches none."""
    return Body(name, "box", half, position, role="occluder", value=value, collides=False, **more)


def backdrop(*, value: float = 0.9, half: Vec3 = (14.0, 0.1, 9.0)) -> Body:
    """Return a grey sheet far behind everything that nothing touches."""
    return Body("backdrop", "box", half, (0.0, 6.0, 2.0), role="wall", value=value, collides=False)


def side_camera(*, height: float = 4.4, centre: Vec3 = (0.0, 0.0, 1.9), distance: float = 14.0) -> Camera:
    """Return a camera that looks along +y and sees `height` metres of the plane y = centre[1]."""
    fov = float(np.rad2deg(2 * np.arctan(height / 2 / distance)))
    return Camera((centre[0], centre[1] - distance, centre[2]), centre, round(fov, 6))


def _hue(hue: str | float) -> float:
    if isinstance(hue, str):
        if hue not in HUES:
            raise ValueError(f"hue {hue!r} is none of {sorted(HUES)}; degrees work too")
        return HUES[hue]
    return float(hue) % 360.0
