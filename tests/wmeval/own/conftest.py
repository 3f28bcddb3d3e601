"""A world of one square that is pushed left and right, recordings of it, and a model that knows its rule."""

import numpy as np
import pytest

SUITE = """
from wmeval.suite import Suite

SUITE = Suite("mini", "0.1", ("gravity",), METRICS, 2)
"""
MODEL = '''
"""A model of the square world; `deaf` it ignores actions, `fault` goes wrong."""
import os
import time
from pathlib import Path

import numpy as np

from wmeval.camera import View
from wmeval.model import ActionSpace, Adapter, Card, Prediction

CARD = Card("pusher", "test", "1", "Apache-2.0", "here",
            frozenset({"generates", "steps", "scores", "predicts-reward"}), View(10.0, 16, 16), (2, 4), None,
            ActionSpace("discrete", 3), ("clip + actions", "never"), max_batch=2)


def moved(frame, action):
    return np.roll(frame, int(action) - 1, axis=1)


class Pusher:
    card = CARD

    def __init__(self, options):
        self.deaf, self.fault = "deaf" in options, options.get("fault", "")
        self.marks = options.get("marks", "")

    def next(self, frame, action):
        return frame if self.deaf else moved(frame, action[0])

    def generate(self, batch, seeds):
        if self.fault == "raise" and len(batch) == 1 and seeds[0] % 2 == 0:
            raise ValueError("no idea")
        if self.fault == "raise" and len(batch) > 1:
            raise ValueError("no idea of all")
        told = []
        for o in batch:
            assert o.native and o.actions.shape == (len(o.frames) - 1 + o.horizon, 1)
            frame, frames = o.frames[-1], []
            for action in o.actions[len(o.frames) - 1 :]:
                frame = self.next(frame, action)
                frames.append(frame)
            told.append(Prediction(frames=np.stack(frames)))
        if self.marks:
            (Path(self.marks) / f"asked-{time.time_ns()}").touch()
            if self.fault == "interrupt" and len(list(Path(self.marks).iterdir())) == 2:
                os.kill(os.getpid(), 2)
            if self.fault == "die" and len(list(Path(self.marks).iterdir())) == 2:
                os._exit(9)
        return told

    def reset(self, batch, seeds):
        return [o.frames[-1] for o in batch]

    def step(self, state, actions):
        state = [self.next(f, a) for f, a in zip(state, actions)]
        return state, np.stack(state)

    def score(self, batch):
        told = []
        for c in batch:
            guess = np.stack([self.next(f, a) for f, a in zip(c.frames[:-1], c.actions)])
            error = ((guess.astype(float) - c.frames[1:]) ** 2).mean((1, 2, 3))
            told.append(Prediction(surprise=np.concatenate([[np.nan], error])))
        return told

    def rewards(self, batch):
        sure = 0.0 if self.deaf else 0.9
        return [((c.actions[:, 0] == 2) * sure, np.zeros(len(c.actions))) for c in batch]


ADAPTER = Adapter(CARD, lambda w, d, o: Pusher(o), {"deaf": "", "fault": "", "marks": ""})
'''


def square(seed, frames=30):
    """Return the arrays of an episode: a square that a random player pushes around a ring of 16 px."""
    rng = np.random.default_rng(seed)
    actions = rng.integers(0, 3, frames - 1)
    picture = np.full((16, 16, 3), 40, np.uint8)
    picture[6:10, 2:6] = (200, 80, 30)
    shown = [picture]
    for action in actions:
        shown.append(np.roll(shown[-1], int(action) - 1, axis=1))
    return {
        "frames": np.stack(shown), "actions": actions, "fps": np.array(10.0),
        "rewards": (actions == 2).astype(np.float64), "ends": np.arange(frames - 1) == frames - 2,
    }  # fmt: skip


@pytest.fixture(scope="session")
def kit(tmp_path_factory):
    """A folder with the model, a suite of one metric, and nine episodes in `world`."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "pusher.py").write_text(MODEL)
    (folder / "mini.py").write_text(SUITE.replace("METRICS", '("psnr", "body-psnr", "fvd-wmeval-enc")'))
    (folder / "world").mkdir()
    for seed in range(9):
        np.savez(folder / "world" / f"e{seed}.npz", **square(seed))
    return folder


@pytest.fixture
def ask(kit):
    """Run a model on the square world."""
    from wmeval import run

    def go(out, model=None, **asked):
        asked = {"suite": str(kit / "mini.py"), "truth": str(kit / "world"), **asked}
        return run(model or str(kit / "pusher.py"), out=out, **asked)

    return go
