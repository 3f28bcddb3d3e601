"""A finished run of a null on two concepts, two cases each, and its files."""

import shutil
from pathlib import Path

import pytest

import wmeval
from wmeval.submission.parts import parts_of, root_of

SUITE = Path(__file__).parents[2] / "leaderboard" / "tiny_suite.py"


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """Do not change it."""
    out = tmp_path_factory.mktemp("runs") / "freeze"
    wmeval.run("freeze", suite=str(SUITE), executor="inline", out=out)
    return wmeval.Run(out)


@pytest.fixture
def run(whole, tmp_path):
    """A copy that may be changed."""
    shutil.copytree(whole.path, tmp_path / "run")
    return wmeval.Run(tmp_path / "run")


@pytest.fixture
def listed():
    """A function from a run to its parts, their root and how they are opened."""

    def made(run):
        parts = parts_of(run)
        return parts, root_of(parts), lambda part: (run.path / part.path).open("rb")

    return made
