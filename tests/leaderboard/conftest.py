"""A server in a folder of its own, a team that may submit to it, a season of a tiny suite, a run of that."""

import os
import time
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import wmeval
from wmeval_leaderboard import accounts, seasons
from wmeval_leaderboard.app import create_app
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.database import open_database, upgrade, writing
from wmeval_leaderboard.settings import Settings

TINY = Path(__file__).with_name("tiny_suite.py")


@pytest.fixture
def settings(tmp_path):
    return Settings.in_folder(tmp_path / "server")


@pytest.fixture
def engine(settings):
    opened = open_database(settings.url)
    upgrade(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def blobs(settings):
    return Blobs(settings.files)


@pytest.fixture
def app(settings, engine):  # `engine` is the same database, for looking at it from outside
    return create_app(settings)


@pytest.fixture
def client(app):
    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def team(engine):
    """A team, as its row."""
    with writing(engine) as session:
        return accounts.add_team(session, "north")


@pytest.fixture
def token(engine, team):
    """A token of the team."""
    with writing(engine) as session:
        return accounts.issue_token(session, team)


@pytest.fixture
def bearer(token):
    """The headers that let the team in."""
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def season(engine):
    """An open season of the tiny suite."""
    with writing(engine) as session:
        return seasons.open_season(session, "first", str(TINY))


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """A whole run of a null model on the tiny suite; do not change it."""
    out = tmp_path_factory.mktemp("runs") / "blur"
    wmeval.run("blur", suite=str(TINY), executor="inline", out=out)
    return wmeval.Run(out)


@pytest.fixture
def until():
    """A function that waits for a condition and fails with what it was waiting for."""

    def wait(condition, what, seconds=20.0):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"{what} did not come about within {seconds:g} s"
            time.sleep(0.05)

    return wait


os.environ.setdefault("OMP_NUM_THREADS", "1")
