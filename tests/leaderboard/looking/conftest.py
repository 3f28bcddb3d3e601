"""Boards of made-up models (see made_up.py), made once and copied for tests that write."""

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from wmeval_leaderboard.board.snapshot import Snapshots
from wmeval_leaderboard.database import upgrade


def _beside(name):
    # these tests are no package, so that files beside one another are found by path
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"looking_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


_made = _beside("made_up")
at, fill, many = _made.at, _made.fill, _made.many


@pytest.fixture(scope="session")
def _empty(tmp_path_factory):
    made = at(tmp_path_factory.mktemp("looking") / "empty")
    upgrade(made.engine)
    made.engine.dispose()
    return made.settings.url.removeprefix("sqlite:///").rpartition("/")[0]


@pytest.fixture(scope="session")
def _full(_empty, tmp_path_factory):
    folder = tmp_path_factory.mktemp("looking") / "full"
    shutil.copytree(_empty, folder)
    made = at(folder)
    fill(made)
    made.engine.dispose()
    return folder


@pytest.fixture
def made_up(_empty, tmp_path):
    """An empty database to fill with made-up models."""
    return at(shutil.copytree(_empty, tmp_path / "server"))


@pytest.fixture
def filled(_full, tmp_path):
    """A board of made-up models, which a test may change."""
    return at(shutil.copytree(_full, tmp_path / "full"))


@pytest.fixture(scope="session")
def board_to_read(_full):
    """The same board, which no test changes."""
    made = at(_full)
    return made, Snapshots(made.engine).now()


@pytest.fixture
def snapshot(board_to_read):
    return board_to_read[1]


@pytest.fixture
def board_of():
    """What fills a board with any number of made-up models."""
    return many
