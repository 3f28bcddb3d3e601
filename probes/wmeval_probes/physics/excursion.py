"""The camera goes somewhere and comes back: turning on the spot, sliding sideways, or around the scene."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from wmeval.camera import Camera, Vec3
from wmeval.scene import side_camera

HOME_S = 0.4  # for which the home view is shown at first
PAN_DEG, SLIDE_M, ORBIT_DEG = (21.0, 25.0), (4.6, 5.4), (30.0, 45.0)  # a pan or slide leaves all landmarks
GLANCE = 0.08  # of an excursion: so little that everything stays in view
LEG_S, FAST_LEG_S = (4, 6), (2, 3)  # tenths of a second for the way out, and for the way back
AWAY_S, BACK_S = (3, 5), 0.5  # tenths of a second; s
KINDS = ("pan", "slide", "orbit")
_TELLS = {"pan": "turns", "slide": "moves", "orbit": "goes around the scene"}


@dataclass(frozen=True)
class Excursion:
    """A camera with its path, and when it is where."""

    camera: Camera
    kind: str
    leaves_s: float  # until then it is at home
    away_s: tuple[float, float]  # it stands still at its farthest
    home_s: float  # from then on it is at home again
    ends_s: float
    tells: str  # what is commanded, in words


def excursion(rng: np.random.Generator, kind: str, *, fast: bool = False, share: float = 1.0) -> Excursion:
    """Return a camera that leaves home, waits, comes back and stays at home; `share` shortens the way."""
    leg = float(rng.integers(*(FAST_LEG_S if fast else LEG_S), endpoint=True)) / 10
    waits = float(rng.integers(*AWAY_S, endpoint=True)) / 10
    side = float(rng.choice([-1.0, 1.0]))
    far = float(rng.uniform(*{"pan": PAN_DEG, "slide": SLIDE_M, "orbit": ORBIT_DEG}[kind])) * side * share
    home = side_camera()
    there = round(HOME_S + leg, 1), round(HOME_S + leg + waits, 1)
    back = round(there[1] + leg, 1)
    steps = round(leg * 10)
    ways = [_placed(home, kind, far * k / steps) for k in range(steps + 1)]
    path = [(round(HOME_S + k / 10, 6), *ways[k]) for k in range(steps + 1)]
    path += [(round(there[1] + k / 10, 6), *ways[steps - k]) for k in range(steps + 1)]
    way = "right" if far > 0 else "left"
    tells = (
        f"The camera {_TELLS[kind]} to the {way} from {HOME_S:g} s and the same way back until {back:g} s."
    )
    camera = replace(home, path=tuple(path))
    return Excursion(camera, kind, HOME_S, there, back, round(back + BACK_S, 1), tells)


def _placed(home: Camera, kind: str, far: float) -> tuple[Vec3, Vec3]:
    """Return eye and target of a camera `far` [degrees or m] from home."""
    eye, target = np.array(home.eye), np.array(home.target)
    if kind == "slide":
        aside = np.array([far, 0.0, 0.0])
        eye, target = eye + aside, target + aside
    else:
        turn = np.deg2rad(far)
        c, s = float(np.cos(turn)), float(np.sin(turn))
        if kind == "pan":  # the view turns to the right for a positive angle
            target = eye + np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) @ (target - eye)
        else:  # the eye goes to the right
            eye = target + np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ (eye - target)
    return _rounded(eye), _rounded(target)


def _rounded(point: np.ndarray) -> Vec3:
    x, y, z = (round(float(v), 6) + 0.0 for v in point)
    return x, y, z
