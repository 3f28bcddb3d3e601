"""The same service on PostgreSQL: Debian's server, in a folder of its own, as its own user."""

import json
import os
import shutil
import subprocess
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import select, text

from wmeval import registry
from wmeval.submission.parts import Part, root_of
from wmeval.submission.signing import new_key, public_key, sign
from wmeval_leaderboard import accounts, challenges, jobs, ledger
from wmeval_leaderboard.app import create_app
from wmeval_leaderboard.beside import Beside
from wmeval_leaderboard.challenges import Answers, Declared
from wmeval_leaderboard.database import open_database, reading, upgrade, writing
from wmeval_leaderboard.human import asking, counting
from wmeval_leaderboard.receiving import Missing
from wmeval_leaderboard.settings import Settings
from wmeval_leaderboard.tables import Base, Job, Ledger, Pair, Score, Submission, Team

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="session")
def server():
    """The address of a PostgreSQL server, which ends with the tests."""
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    assert homes, "Debian's PostgreSQL is not here; `apt-get install postgresql` installs it"
    # its user must be able to reach the folder, and a socket's path is short
    folder = Path(tempfile.mkdtemp(prefix="wmeval-pg-", dir="/tmp"))
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres")

    def run(*words):
        subprocess.run([*as_user, *words], check=True, cwd=folder, stdout=subprocess.DEVNULL)

    data = str(folder / "data")
    run(str(homes[-1] / "initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
    knobs = f"-k {folder} -c listen_addresses='' -c fsync=off"
    run(str(homes[-1] / "pg_ctl"), "-D", data, "-w", "-l", str(folder / "log"), "-o", knobs, "start")
    yield f"postgresql://postgres@/{{name}}?host={folder}"
    run(str(homes[-1] / "pg_ctl"), "-D", data, "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture
def settings(server, tmp_path):
    """Settings of a server whose rows lie in an empty database."""
    name = f"board_{os.urandom(4).hex()}"
    whole = open_database(server.format(name="postgres"))
    with whole.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    whole.dispose()
    return replace(Settings.in_folder(tmp_path / "server"), url=server.format(name=name))


def test_migrations_from_nothing_make_the_tables(engine):
    upgrade(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_writers_take_turns_and_the_ledger_stays_a_chain(engine):
    def write(number):
        for i in range(5):
            with writing(engine) as session:
                ledger.record(session, "told", f"{number}-{i}", {"number": i / 3, "text": "é"})

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as session:
        assert ledger.verify(session) == 30


def test_what_fails_half_way_leaves_nothing(engine):
    def added_and_failed(session):
        accounts.add_team(session, "south")
        raise RuntimeError

    with pytest.raises(RuntimeError), writing(engine) as session:
        added_and_failed(session)
    with reading(engine) as session:
        assert session.scalars(select(Team)).all() == []


def test_a_job_is_one_workers(engine, store_run, finished_run):
    ids = [store_run(finished_run, root=f"{i:064x}").id for i in range(8)]
    taken = []

    def take(name):
        while lease := jobs.claim(engine, name, 30.0, 3):
            taken.append(lease.submission_id)

    threads = [threading.Thread(target=take, args=(f"worker {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == ids


def test_a_submission_is_measured_and_published(engine, settings, store_run, finished_run, until):
    row = store_run(finished_run)
    create_app(settings)
    beside = Beside(settings)

    def done():
        with reading(engine) as session:
            return session.scalars(select(Job.state)).one() == "done"

    until(done, "the job's end", 60)
    beside.end()
    with reading(engine) as session:
        assert session.get_one(Submission, row.id).state == "published"
        again = session.scalars(select(Score).where(Score.source == "rescored", Score.section == "scores"))
        assert len(again.all()) == 2
        assert session.scalars(select(Ledger.kind).order_by(Ledger.seq)).all()[-1] == "measured"
        assert ledger.verify(session) == len(session.scalars(select(Ledger)).all())


def test_raters_vote_and_challenges_are_answered(engine, settings, team, season, blobs):
    key, cookie = new_key(), asking.new_cookie()
    card = json.loads(json.dumps(registry.load_adapter("linear-latent").card.to_json()))
    model = {"name": "linear-latent", "version": "1", "weights": None, "options": {}}
    with writing(engine) as session:
        session.add_all(
            Pair(slug=f"{i:016x}", case_id="a", check=("", "plain")[i % 2], length_s=0.8, age_s=0.0,
                 real="ab" * 32, generated="cd" * 32) for i in range(4)
        )  # fmt: skip
        accounts.add_key(session, team, public_key(key))
        made = challenges.issue(session, team, season, Declared(model, card, "arrays", "0" * 32), settings)
        made.pack = blobs.put(b"pack")
    with writing(engine) as session:
        asked = asking.question(session, cookie)
        assert asking.vote(session, cookie, asked.slug, "left", asked.mark)
        session.flush()
        assert len(counting.votes(session)) == 1
        parts = [Part("surprise.csv", "ef" * 32, 3)]
        root = root_of(parts)
        answers = Answers(parts, root, public_key(key), sign(key, root), {"overlap": "none"})
        row = challenges.promise(session, team, made.slug, answers, settings)
        assert challenges.owned(session, team, made.slug).submission_id == row.id
        with pytest.raises(Missing, match="1 files"):
            challenges.complete(session, team, made.slug)
