"""The season that comes with the project: it unpacks, serves, and lets nobody in."""

import importlib.util
import re
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
        first, *others = session.scalars(select(Season).order_by(Season.id))
        assert first.suite.startswith(f"{season.SUITE}@")
        assert first.closes is not None  # whoever has the archive could read its secret, so it is told
        assert first.secret is not None
        assert {s.name: s.suite.partition("@")[0] for s in others} == season.OPEN
        assert all(s.closes is None and s.secret is None for s in others)
        assert len({s.sealed for s in others}) == len(others)
        assert {s.state for s in session.scalars(select(Submission))} == {"published"}
    engine.dispose()


def test_it_serves_its_models_with_what_they_made(season, folder):
    with TestClient(create_app(Settings.in_folder(folder))) as client:
        page = client.get("/")
        assert page.status_code == 200
        board = client.get("/api/v1/board.json?season=first").json()
        assert all(name in page.text for name in season.MODELS)
        assert {r["name"] for r in board["rows"] if r["model"]} == set(season.MODELS)
        sample = client.get("/samples/1")
        assert sample.status_code == 200
        (media, *_) = re.findall(r"/media/[0-9a-f]{64}\.png", sample.text)
        assert client.get(media).headers["content-type"] == "image/png"
        assert client.get("/tasks/steer@0.1").status_code == 200


def test_a_folder_that_is_there_stays_as_it_is(season, tmp_path):
    (tmp_path / "mine").mkdir()
    season.load(tmp_path / "mine")
    assert list((tmp_path / "mine").iterdir()) == []
