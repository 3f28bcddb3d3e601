"""Scene actions as the actions that Cosmos 3 takes in forward dynamics.

Widths and layouts are those of diffusers' `CosmosActionCondition`. How each embodiment scales its numbers is
not published with the pipeline, so no codec here is more than lossy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from wmeval.model import Floats

SIDE = np.array(
    [[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]
)  # rows right, down, forward of a camera that looks along y
NEWTON_SECONDS = 50.0  # of a push that fills the range of pusht


@dataclass(frozen=True)
class Codec:
    """How scene actions (T, 12) become native ones (T, size)."""

    size: int
    fidelity: Literal["exact", "lossy", "fitted", "none"]
    encode: Callable[[Floats, float], Floats]  # scene actions (T, 12), seconds of a step
    drops: str  # what of a scene action is lost


def push_2d(actions: Floats, step_s: float) -> Floats:
    """Return (T, 2): the push of each step to the right and down, as a share of 50 N s, within [-1, 1]."""
    total = actions[:, 0:3] + actions[:, 3:6] * step_s
    return np.clip(np.stack([total[:, 0], -total[:, 2]], -1) / NEWTON_SECONDS, -1, 1)


def camera_pose(actions: Floats, step_s: float) -> Floats:
    """Return (T, 9): how the camera moves [m] in its own axes and turns, in each step.

    Axes are right, down, forward. The turn is the first two columns of its rotation matrix (Zhou et al.
    2019); the camera is taken to start at the side, looking along y, since no model is told its pose.
    """
    out, axes = np.empty((len(actions), 9)), SIDE.copy()
    for t, (speed, rate) in enumerate(zip(actions[:, 6:9], actions[:, 9:12], strict=True)):
        turn = rotation(axes @ (rate * step_s))
        out[t] = [*(axes @ speed * step_s), *turn[:, 0], *turn[:, 1]]
        axes = axes @ rotation(rate * step_s).T
    return out


def rotation(vector: Floats) -> Floats:
    """Return the matrix (3, 3) of a rotation vector [rad], by Rodrigues' formula."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turned: Floats = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return turned


CODECS: Mapping[str, Codec] = {
    "pusht": Codec(2, "lossy", push_2d, "depth, where in a step it acts, and all motion of the camera"),
    "camera_pose": Codec(
        9, "lossy", camera_pose, "every push; the scale of its translations is not published"
    ),
}
