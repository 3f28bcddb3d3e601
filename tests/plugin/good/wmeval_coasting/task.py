"""Which push sends a ball on which nothing else acts to a place?"""

import numpy as np

from wmeval.scene import Push, Scene, ball, side_camera
from wmeval.task import Choice, Drive, Instance, States, Task


def instance(rng: np.random.Generator, tag: str, speed: float = 0.0) -> Instance:
    """Return a ball without weight that is given a speed, with a place to the right of it."""
    body = ball("ball", radius=0.3, position=(-1.5, 0, rng.uniform(1, 3)), hue="green")
    pushes = (Push("ball", 0.1, 0.1, impulse=(body.mass * speed, 0, 0)),) if speed else ()
    scene = Scene((body,), side_camera(), 1.3, 0.3, 0.3, "flight", gravity=0.0, pushes=pushes,
                  actuated="ball", tag=tag)  # fmt: skip
    return Instance(scene, {"x": 0.9})


def cost(states: States, instance: Instance) -> np.ndarray:
    """Return how far from the place the ball ends."""
    return np.abs(states["ball"][..., -1, 0] - instance.goal["x"])


def success(states: States, instance: Instance) -> np.ndarray:
    """Return whether it is there."""
    return np.abs(states["ball"][..., 0] - instance.goal["x"]) < 0.5


def choice(rng: np.random.Generator, tag: str) -> Choice:
    """Return four pushes, of which one is right."""
    height, speeds = rng.integers(1 << 30), rng.permutation([0.0, 1.0, 2.0, 3.0])
    made = [instance(np.random.default_rng(height), tag, speed) for speed in speeds]
    return Choice(tuple(made), tuple(speeds))


TASK = Task("drift", "0.3", "m", 3.0, ("iid",), instance, cost, success, choice, Drive("force", ("x",), 8.0),
            summary="send a ball that nothing else acts on to a place")  # fmt: skip
