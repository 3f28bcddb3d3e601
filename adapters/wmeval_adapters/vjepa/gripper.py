"""Scene actions -> what a robot's world model is steered by: how far its gripper moves from frame to frame.

There is no gripper in the scenes. A push is given as a motion of it in the direction of the push, as long as
the push is strong, so the mapping is lossy: no body's weight enters it. Camera motion cannot be said at all.
"""

from __future__ import annotations

import numpy as np

from wmeval.model import Floats

SIZE = 7  # xyz [m], euler angles [rad], gripper opening
FARTHEST = 0.05  # m a step, of each axis: the bound that the published planner samples in


def motions(actions: Floats, fps: float, metres: float) -> Floats:
    """Return native actions (..., 7) of scene actions (..., 12): impulse plus force times one frame.

    >>> motions(np.eye(12)[0] * 10.0, 4.0, 0.001)[0].round(3), motions(np.eye(12)[5] * 1e6, 4.0, 1.0)[2]
    (np.float64(0.01), np.float64(0.05))
    """
    push = actions[..., :3] + actions[..., 3:6] / fps
    out = np.zeros((*actions.shape[:-1], SIZE))
    out[..., :3] = np.clip(push * metres, -FARTHEST, FARTHEST)
    return out


def poses(motion: Floats) -> Floats:
    """Return the states (T + 1, 7) that motions (T, 7) lead through, from the origin with an open gripper.

    A turn is put after those before it, as rotations and not as sums of angles; the opening stays in [0, 1].
    """
    from scipy.spatial.transform import Rotation

    out, facing = np.zeros((len(motion) + 1, SIZE)), Rotation.identity()
    for t, step in enumerate(motion):
        facing = Rotation.from_euler("xyz", step[3:6]) * facing
        out[t + 1, :3] = out[t, :3] + step[:3]
        out[t + 1, 3:6] = facing.as_euler("xyz")
        out[t + 1, 6] = np.clip(out[t, 6] + step[6], 0.0, 1.0)
    return out
