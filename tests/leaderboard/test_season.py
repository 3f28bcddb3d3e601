"""The season that comes with the project: it unpacks, serves, and lets nobody in."""

import importlib.util
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from wmeval_leaderboard import ledger
from wmeval_leaderboard.app import create_app
from wmeval_leaderboard.database import open_database, reading
from wmeval_leaderboard.settings import Settings
from wmeval_leaderboard.tables import Season, Submission, Token

FILE = Path(__file__).parents[2] / "seasons" / "season.py"


@pytest.fixture(scope="module")
def season():
    spec = importlib.util.spec_from_file_location("season", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(season, tmp_path_factory):
    made = tmp_path_factory.mktemp("season") / "data"
    season.load(made)
    return made


def test_it_is_small_and_over_and_holds_no_token(season, folder):
    assert season.ARCHIVE.stat().st_size <= season.LARGEST
    engine = open_database(Settings.in_folder(folder).url)
    with reading(engine) as session:
        assert ledger.verify(session) > 0
        assert session.scalars(select(Token)).all() == []
        (only,) = session.scalars(select(Season))
        assert only.suite.startswith(f"{season.SUITE}@")
        assert only.closes is not None  # whoever has the archive could read its secret, so it is told
        assert only.secret is not None
        assert {s.state for s in session.scalars(select(Submission))} == {"published"}
    engine.dispose()


def test_it_serves_its_models(folder):
    with TestClient(create_app(Settings.in_folder(folder))) as client:
        page = client.get("/")
        assert page.status_code == 200
        board = client.get("/api/v1/board.json?season=trial").json()
    assert "dreamer" in page.text
    assert board


def test_a_folder_that_is_there_stays_as_it_is(season, tmp_path):
    (tmp_path / "mine").mkdir()
    season.load(tmp_path / "mine")
    assert list((tmp_path / "mine").iterdir()) == []
