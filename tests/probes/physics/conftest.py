"""Tracks made by hand, so that a measure is tested against numbers that nobody perceived."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from wmeval.camera import View
from wmeval.scene import Scene
from wmeval.tracks import Tracks

Make = Callable[..., Tracks]


@pytest.fixture
def tracks_from() -> Make:
    def make(
        scene: Scene,
        times: NDArray[np.float64],
        position: NDArray[np.float64],
        found: NDArray[np.bool_] | None = None,
        *,
        angle: NDArray[np.float64] | None = None,
        hue: NDArray[np.float64] | None = None,
        extras: NDArray[np.int64] | None = None,
    ) -> Tracks:
        view = View()
        t, n = position.shape[:2]
        seen = np.ones((t, n), bool) if found is None else found
        gone = np.where(seen, 0.0, np.nan)
        hues = np.array([b.hue for b in scene.moving], dtype=float)
        return Tracks(
            names=scene.names,
            times=times,
            pixel=scene.camera.project(position, 0.0, view)[0] + gone[..., None],
            position=position + gone[..., None],
            sigma=np.where(seen, 0.01, np.inf)[..., None] * np.ones(3),
            angle=(np.zeros((t, n)) if angle is None else angle) + gone,
            angle_sigma=np.where(seen, 0.01, np.inf),
            visible=seen.astype(float),
            found=seen,
            area=np.where(seen, 50.0, np.nan),
            colour=(np.broadcast_to(hues, (t, n)) if hue is None else hue) + gone,
            confidence=seen.astype(float),
            extras=np.zeros(t, np.int64) if extras is None else extras,
            camera=scene.camera,
            view=view,
        )

    return make
