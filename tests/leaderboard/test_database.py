"""Rows are kept whole: one writer at a time, all of it or nothing, in tables as migrations make them."""

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import OperationalError

from wmeval.errors import EnvironmentFault, UsageError
from wmeval_leaderboard import accounts, database, ledger
from wmeval_leaderboard.database import open_database, reading, upgrade, writing
from wmeval_leaderboard.tables import Base, Ledger, Team


def test_migrations_from_nothing_make_the_tables(settings):
    engine = open_database(settings.url)
    for _ in range(2):  # once more changes nothing
        upgrade(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    assert set(Base.metadata.tables) < set(inspect(engine).get_table_names())


def test_tables_of_a_later_version_are_left_alone(engine):
    with writing(engine) as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(EnvironmentFault, match="another version of wmeval"):
        upgrade(engine)


def test_what_fails_half_way_leaves_nothing(engine):
    def added_and_failed(session):
        accounts.add_team(session, "south")
        raise RuntimeError

    with pytest.raises(RuntimeError), writing(engine) as session:
        added_and_failed(session)
    with reading(engine) as session:
        assert session.scalars(select(Team)).all() == []
        assert session.scalars(select(Ledger)).all() == []


def test_writers_wait_for_one_another_and_the_ledger_stays_a_chain(engine):
    def write(number: int) -> None:
        for i in range(5):
            with writing(engine) as session:
                ledger.record(session, "told", f"{number}-{i}", {})

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as session:
        assert ledger.verify(session) == 30


def test_readers_never_wait_and_see_one_state(engine, team):
    with reading(engine) as before:
        assert len(before.scalars(select(Team)).all()) == 1
        with writing(engine) as session:
            accounts.add_team(session, "south")
        assert len(before.scalars(select(Team)).all()) == 1
    with reading(engine) as after:
        assert len(after.scalars(select(Team)).all()) == 2


def test_a_database_that_stays_locked_is_told(settings, engine, monkeypatch):
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    other = open_database(settings.url)

    with writing(engine), pytest.raises(OperationalError), writing(other):
        pass
    other.dispose()


@pytest.mark.parametrize("url", ["nonsense", "mysql://a@b/c", "sqlite://", "sqlite:///:memory:"])
def test_other_addresses_are_refused_in_a_sentence_without_their_password(url):
    with pytest.raises(UsageError, match="expected sqlite:///PATH"):
        open_database(url)


def test_no_fault_tells_a_password_or_what_was_stored(engine):
    with pytest.raises(UsageError, match=r"given as 'postgresql:\.\.\.'") as told:
        open_database("postgresql:://me:hunter2@host/name")
    assert "hunter2" not in str(told.value)
    with pytest.raises(OperationalError) as failed, reading(engine) as session:
        session.execute(text("SELECT :secret FROM nowhere"), {"secret": "hunter2"})
    assert "hunter2" not in str(failed.value)
    assert open_database("postgresql://me@host/name").hide_parameters
