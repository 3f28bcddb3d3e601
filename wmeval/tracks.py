"""Tracks, the narrow waist: what can be said of each body over time, wherever it was read from.

Made from Truth (exact), from frames (perception) or from latents (a readout); every probe reads Tracks
and nothing else of a model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import Camera, View

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Tracks:
    """Arrays over T frames and N dynamic bodies, in Scene order.

    A body that is not found has NaN in its measured entries and inf in its sigmas.
    """

    names: tuple[str, ...]
    times: Floats  # (T,) s, since the start of the scene
    pixel: Floats  # (T, N, 2) u, v of the centre [px]
    position: Floats  # (T, N, 3) m
    sigma: Floats  # (T, N, 3) m, one standard deviation per axis; inf = axis not observed
    angle: Floats  # (T, N) rad in the image plane, anticlockwise
    angle_sigma: Floats  # (T, N) rad
    visible: Floats  # (T, N) share of the silhouette that is in view, 0 to 1
    found: Bools  # (T, N)
    area: Floats  # (T, N) px
    colour: Floats  # (T, N) hue in degrees
    confidence: Floats  # (T, N) 0 to 1
    extras: NDArray[np.int64]  # (T,) unexplained coloured components
    camera: Camera
    view: View

    def __getitem__(self, name: str) -> Track:
        if name not in self.names:
            raise KeyError(f"no track {name!r}; tracks are {list(self.names)}")
        i = self.names.index(name)
        return Track(
            self.times, self.pixel[:, i], self.position[:, i], self.sigma[:, i], self.angle[:, i],
            self.visible[:, i], self.found[:, i], self.area[:, i], self.colour[:, i],
            self.confidence[:, i],
        )  # fmt: skip

    def after(self, time_s: float) -> Tracks:
        """Return the part strictly later than a time [s]."""
        return self.part(self.times > time_s + 1e-9)

    def part(self, keep: Bools | NDArray[np.int64] | slice) -> Tracks:
        """Return the frames that `keep` selects, by mask, by index or as a slice."""
        return Tracks(
            self.names, self.times[keep], self.pixel[keep], self.position[keep], self.sigma[keep],
            self.angle[keep], self.angle_sigma[keep], self.visible[keep], self.found[keep],
            self.area[keep], self.colour[keep], self.confidence[keep], self.extras[keep],
            self.camera, self.view,
        )  # fmt: skip


@dataclass(frozen=True)
class Track:
    """One body's rows of Tracks; shapes as there without the body axis."""

    times: Floats
    pixel: Floats
    position: Floats
    sigma: Floats
    angle: Floats
    visible: Floats
    found: Bools
    area: Floats
    colour: Floats
    confidence: Floats
