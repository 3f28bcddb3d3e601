"""A server in a folder of its own, a team that may submit to it, a season of a tiny suite, a run of that."""

import os
import shutil
import time
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import wmeval
from wmeval.submission.parts import parts_of, root_of
from wmeval_leaderboard import accounts, jobs, seasons
from wmeval_leaderboard.app import create_app
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.database import open_database, upgrade, writing
from wmeval_leaderboard.settings import Settings
from wmeval_leaderboard.tables import Model, Part, Submission

TINY = Path(__file__).with_name("tiny_suite.py")


@pytest.fixture
def settings(tmp_path):
    return Settings.in_folder(tmp_path / "server")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """A database file with all tables and no rows: copying it is faster than making it."""
    made = Settings.in_folder(tmp_path_factory.mktemp("migrated"))
    opened = open_database(made.url)
    upgrade(opened)
    opened.dispose()
    return made.url.removeprefix("sqlite:///")


@pytest.fixture
def engine(settings, migrated):
    if settings.url.startswith("sqlite:///"):
        path = Path(settings.url.removeprefix("sqlite:///"))
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(migrated, path)
    opened = open_database(settings.url)
    if not settings.url.startswith("sqlite:///"):
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
def store_run(engine, blobs, team, season):
    """A function that stores a run as a submission whose files have all arrived, and returns its row."""

    def store(run, **changed):
        parts = parts_of(run)
        for part in parts:
            with (run.path / part.path).open("rb") as file:
                blobs.keep(part.digest, file, part.size)
        with writing(engine) as session:
            key = accounts.add_key(session, team, "ab" * 32)
            card = run.manifest["card"]
            model = Model(team_id=team.id, slug=f"{card['name']}-{time.monotonic_ns()}", name=card["name"],
                          family=card["family"], identity=str(time.monotonic_ns()), card=card)  # fmt: skip
            session.add(model)
            session.flush()
            values = {
                "slug": f"s{time.monotonic_ns()}", "team_id": team.id, "model_id": model.id,
                "season_id": season.id, "kind": "run", "suite": season.suite, "tier": "self-reported",
                "state": "queued", "root": root_of(parts), "signature": "", "key_id": key.id, "about": {},
                "classes": list(card["classes"]), "gap": None, "created": time.time(), "published": None,
                "withdrawn": None, **changed,
            }  # fmt: skip
            row = Submission(**values)
            session.add(row)
            session.flush()
            session.add_all(
                Part(submission_id=row.id, path=p.path, digest=p.digest, size=p.size) for p in parts
            )
            jobs.add(session, "rescore", row.id)
            return row

    return store


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
