"""A probe, a suite and models small enough to run whole runs of in seconds."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROBE = '''
"""Does a falling ball end up where it falls to?"""
from wmeval.probe import Measurement, Probe
from wmeval.scene import Case, Scene, ball, floor, side_camera


def case(rng, tag):
    start = (float(rng.uniform(-1, 1)), 0, float(rng.uniform(2.4, 3)))
    bodies = (ball("ball", radius=.35, position=start, hue="red"), floor())
    return Case.single(Scene(bodies, side_camera(), .6, .3, .2, "flight", tag=tag))


def event(tracks, truth):
    return float(tracks.after(truth.scene.cut_s).found.mean())


def measure(tracks, truth):
    last = tracks["ball"]
    if not last.found[-1]:
        return Measurement(1.0, "the ball is not found in the last frame")
    true = truth.poses_at(last.times[-1:])[0][0, 0]
    gap = float(abs(last.position[-1, 2] - true[2]))
    return Measurement(gap, implied={"height": (float(last.position[-1, 2]), 0.01)}, evidence={"gap m": gap})


def violate(truth, strength, rng):
    from wmeval.world import resume

    return resume(truth, truth.scene.cut_s, gravity=truth.scene.gravity * (1 + strength))


PROBE = Probe(
    "falls", "0.1", "m", 1.0, "freeze", (.5,), "relative", ("iid",), .3, case, event, measure, violate
)
'''
SUITE = """
from pathlib import Path
from wmeval.suite import Suite

HERE = Path(__file__).parent
SUITE = Suite("mini", "0.1", (str(HERE / "falls.py"),), METRICS, CASES)
"""
MODEL = '''
"""A model that shows the last frame again, and misbehaves as it is told to."""
import os
import time
from pathlib import Path

import numpy as np

from wmeval.camera import View
from wmeval.model import ActionSpace, Adapter, Card, Generates, Prediction, Status

CARD = Card("mimic", "test", "1", "Apache-2.0", "here", frozenset({"generates"}), View(), (2, 8), None,
            ActionSpace("none"), ("clip", "never"), max_batch=2)
OPTIONS = {"fault": "what goes wrong", "marks": "a folder that remembers what happened", "nap": "seconds"}


class Mimic:
    card = CARD

    def __init__(self, options):
        self.fault, self.marks = options.get("fault", ""), options.get("marks", "")
        self.nap = float(options.get("nap", 0))

    def generate(self, batch, seeds):
        (Path(self.marks) / f"asked-{time.time_ns()}-{os.getpid()}").touch() if self.marks else None
        time.sleep(self.nap)
        return [self.one(o, s) for o, s in zip(batch, seeds)]

    def one(self, o, seed):
        frames = np.repeat(o.frames[-1:], o.horizon, axis=0)
        if self.fault == "raise" and seed % 2 == 0:
            raise ValueError("no idea what comes next")
        if self.fault == "nan" and seed % 2 == 0:
            return Prediction(frames=np.full(frames.shape, np.nan))
        if self.fault == "short":
            return Prediction(frames=frames[1:])
        if self.fault == "refuse":
            return Prediction(status=Status("refused", "this is not for me"))
        if self.fault == "die":
            os.kill(os.getpid(), 9)
        if self.fault == "die once" and not list(Path(self.marks).glob("died")):
            (Path(self.marks) / "died").touch()
            os.kill(os.getpid(), 9)
        if self.fault == "hang":
            time.sleep(1000)
        if self.fault == "print":
            print("a line that is no answer")
        return Prediction(frames=frames)


ADAPTER = Adapter(CARD, lambda weights, device, options: Mimic(options), OPTIONS)
'''
DRIVER = """
import sys, json
from wmeval.anchor import Anchor
from wmeval.errors import WmevalError
from wmeval.run import exit_code, run, scoring

ANCHOR = lambda suite, probe, tag, view: Anchor(probe.key, tag, view, 1.0, .05, 100)
scoring.stored_anchor = ANCHOR
scoring.find_anchor = ANCHOR
try:
    done = run(**json.loads(sys.argv[1]), progress=lambda p: print(p.phase, p.units_done, flush=True))
except WmevalError as fault:
    print(fault, file=sys.stderr)
    sys.exit(fault.exit_code)
print("heavy", [m for m in ("torch", "pybullet", "pandas") if m in sys.modules])
sys.exit(exit_code(done))
"""


@pytest.fixture(scope="session")
def kit(tmp_path_factory):
    """Return the folder with the probe, suites, the model, the driver and the truth cache."""
    folder = tmp_path_factory.mktemp("kit")
    (folder / "falls.py").write_text(PROBE)
    (folder / "mini.py").write_text(SUITE.replace("METRICS", "()").replace("CASES", "6"))
    (folder / "mimic.py").write_text(MODEL)
    (folder / "drive.py").write_text(textwrap.dedent(DRIVER))
    os.environ["WMEVAL_CACHE"] = str(folder / "cache")
    yield folder
    del os.environ["WMEVAL_CACHE"]


@pytest.fixture
def anchored(monkeypatch):
    """Give every probe an anchor, so that tests of the engine do not calibrate."""
    from wmeval.anchor import Anchor
    from wmeval.run import scoring

    def anchor(suite, probe, tag, view):
        return Anchor(probe.key, tag, view, null=1.0, ceiling=0.05, n=100)

    monkeypatch.setattr(scoring, "stored_anchor", anchor)
    monkeypatch.setattr(scoring, "find_anchor", anchor)


@pytest.fixture
def drive(kit):
    """Return a function that starts a run in a process of its own."""

    def start(wait=True, **asked):
        words = {"suite": str(kit / "mini.py"), "model": str(kit / "mimic.py"), **asked}
        process = subprocess.Popen(
            [sys.executable, str(kit / "drive.py"), json.dumps(words)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=kit,
        )  # fmt: skip
        if not wait:
            return process
        told, wrong = process.communicate(timeout=120)
        return process.returncode, told, wrong

    return start


@pytest.fixture
def plain_results():
    """Return a function: results.json without what only says how long it took."""

    def read(folder):
        results = json.loads((Path(folder) / "results.json").read_text())
        del results["speed"]
        return json.dumps(results, indent=1)

    return read
