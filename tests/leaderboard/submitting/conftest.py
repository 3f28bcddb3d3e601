"""Runs that were never run, as many as a test needs, with the files of one that was; and servers."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from wmeval.submission.parts import MANIFEST, RESULTS, Part, root_of
from wmeval.submission.signing import new_key, public_key, sign
from wmeval_leaderboard.client import sending
from wmeval_leaderboard.client.server import Server
from wmeval_leaderboard.database import writing


@pytest.fixture(scope="session")
def run_packed(finished_run):
    return sending.packed(finished_run)


@pytest.fixture
def key():
    return new_key()


@pytest.fixture
def operator(engine, team):
    """The team, which may hand in references: the run at hand is of one."""
    with writing(engine) as session:
        session.merge(team).admin = True


@pytest.fixture
def server(client, token):
    return Server("http://testserver", token, client=client, wait=lambda s: None)


@pytest.fixture
def announcement():
    """What a submitter says of a run."""
    return _announcement


@pytest.fixture
def as_a_model(run_packed, tmp_path):
    """A function: the run as if it were of a model and no reference, with this put into its results."""
    return lambda **changed: _as_a_model(run_packed, tmp_path / "model", **changed)


@pytest.fixture
def another(run_packed, tmp_path):
    """A function from a number to a run that differs from others in one word."""
    return lambda number: _another(run_packed, tmp_path / f"run-{number}", number)


@pytest.fixture
def larger(run_packed, tmp_path):
    """A run with one file of 4 MiB, which no record names."""
    data = hashlib.shake_256(b"large").digest(4 << 20)
    folder = tmp_path / "larger"
    (folder / "blobs" / "00").mkdir(parents=True)
    name = f"blobs/00/{'0' * 64}.npz"
    (folder / name).write_bytes(data)
    for part in run_packed.parts:
        (folder / part.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / part.path).write_bytes((run_packed.folder / part.path).read_bytes())
    parts = sorted([*run_packed.parts, Part(name, hashlib.sha256(data).hexdigest(), len(data))],
                   key=lambda p: p.path)  # fmt: skip
    return replace(run_packed, folder=folder, parts=tuple(parts), root=root_of(parts))


class Serving:
    """A real server, in a process of its own."""

    def __init__(self, folder, port=0):
        command = [sys.executable, "-m", "wmeval.cli.main", "leaderboard", "serve", "--dir", str(folder)]
        self.process = subprocess.Popen(
            [*command, "--port", str(port), "--workers", "0"], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        self.address = self.process.stdout.readline().split()[0]
        self.port = int(self.address.rpartition(":")[2])

    def kill(self):
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def serving(settings, engine, season, operator, tmp_path):
    """A function that starts a server of the database and files of the test."""
    started = []

    def start(port=0):
        started.append(Serving(tmp_path / "server", port))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.process.stdout.close()


def _announcement(packed, key, **more):
    """Return what a submitter says of a run."""
    told = {
        "parts": [[p.path, p.digest, p.size] for p in packed.parts], "root": packed.root,
        "key": public_key(key), "signature": sign(key, packed.root),
        "manifest": (packed.folder / MANIFEST).read_text(), "results": (packed.folder / RESULTS).read_text(),
    }  # fmt: skip
    return {**told, **more}


def _written(packed, folder, manifest, results, more=()):
    """Return a run of other documents and more parts, written into a folder beside the files it shares."""
    folder.mkdir()
    for inner in ("units", "blobs"):
        (folder / inner).symlink_to(packed.folder / inner)
    parts = {p.path: p for p in packed.parts} | {p.path: p for p in more}
    for name, value in ((MANIFEST, manifest), (RESULTS, results)):
        data = json.dumps(value).encode()
        (folder / name).write_bytes(data)
        parts[name] = Part(name, hashlib.sha256(data).hexdigest(), len(data))
    listed = tuple(parts[name] for name in sorted(parts))
    return replace(packed, folder=folder, parts=listed, root=root_of(listed))


def _as_a_model(packed, folder, **changed):
    """Return a run that says that it is of a model and no reference; `changed` is put into its results."""
    manifest = json.loads((packed.folder / MANIFEST).read_text())
    results = json.loads((packed.folder / RESULTS).read_text())
    for card in (manifest["card"], results["card"], results["model"]):
        card["reference"] = False
    return _written(packed, folder, manifest, {**results, **changed})


def _another(packed, folder, number):
    """Return a run that differs from others of its kind in one word."""
    manifest = json.loads((packed.folder / MANIFEST).read_text())
    results = json.loads((packed.folder / RESULTS).read_text())
    return _written(packed, folder, {**manifest, "created": f"run {number}"}, results)
