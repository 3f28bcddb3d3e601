"""A season that is over gives its answers up; what is shown, what is proved and what others name stays."""

import re

import pytest
from sqlalchemy import delete, select

from wmeval.errors import EnvironmentFault, UsageError
from wmeval.submission.parts import root_of
from wmeval_leaderboard import jobs, ledger, pruning, receiving, seasons
from wmeval_leaderboard.database import reading, writing
from wmeval_leaderboard.tables import Blob, Job, Part, Sample, Submission
from wmeval_leaderboard.worker import work


@pytest.fixture
def over(engine, blobs, settings, store_run, finished_run):
    """A published submission of a season that is over, and the run it is of."""
    row = store_run(finished_run)
    with writing(engine) as session:
        receiving.arrived(session, {p.digest: p.size for p in receiving.parts_of(session, row)})
    assert work(engine, blobs, settings, once=True) == 1
    with writing(engine) as session:
        seasons.close_season(session, "first")
    return row


def answers(engine, row):
    with reading(engine) as session:
        return {p.digest for p in receiving.parts_of(session, row) if p.path not in pruning.RECORDS}


def test_answers_go_and_all_that_is_shown_stays(engine, blobs, settings, over):
    gone = answers(engine, over)
    with writing(engine) as session:
        assert pruning.let_go(session, "first") == 1
        assert pruning.let_go(session, "first") == 0
    with reading(engine) as session:
        shown = {d for media in session.scalars(select(Sample.media)) for d in media.values()}
    room = pruning.sweep(engine, blobs, 0.0)
    assert room.files == len(gone - shown) > 0
    assert room.bytes > 0
    assert not any(blobs.has(digest) for digest in gone - shown)
    assert all(blobs.has(digest) for digest in shown)
    with reading(engine) as session:
        parts = receiving.parts_of(session, over)
        assert root_of(parts) == over.root  # whoever has the files can still prove it
        assert all(blobs.has(p.digest) for p in parts if p.path in pruning.RECORDS)
        assert set(session.scalars(select(Blob.digest))) == set(blobs.stored())
        assert ledger.verify(session) > 0
    assert pruning.sweep(engine, blobs, 0.0) == pruning.Room(0, 0)
    with writing(engine) as session:
        session.execute(delete(Job))
        jobs.add(session, "rescore", over.id)
    work(engine, blobs, settings, once=True)
    with reading(engine) as session:
        assert "restore it from a copy" in session.scalars(select(Job.reason)).one()
        assert session.get_one(Submission, over.id).tier == "re-scored"


def test_what_an_open_season_names_too_stays(engine, blobs, over):
    shared = min(answers(engine, over))
    with writing(engine) as session:
        other = seasons.open_season(session, "second", "quick")
        values = {c.name: getattr(over, c.name) for c in Submission.__table__.columns}
        mine = Submission(**{**values, "id": None, "slug": "other", "root": "0" * 64, "season_id": other.id})
        session.add(mine)
        session.flush()
        session.add(Part(submission_id=mine.id, path="blobs/x.npz", digest=shared, size=blobs.size(shared)))
        pruning.let_go(session, "first")
    pruning.sweep(engine, blobs, 0.0)
    assert answers(engine, over) & set(blobs.stored()) >= {shared}


def test_a_season_that_runs_or_waits_keeps_its_answers(engine, store_run, finished_run):
    store_run(finished_run)
    for name in ("first", "frist"):
        with writing(engine) as session, pytest.raises(UsageError, match=f"no season '{name}' is over"):
            pruning.let_go(session, name)
    with writing(engine) as session:
        seasons.close_season(session, "first")
        with pytest.raises(UsageError, match="yet to be measured"):
            pruning.let_go(session, "first")


def test_orphans_go_when_they_are_old(engine, blobs):
    young = blobs.put(b"a sample on its way to its row")
    assert pruning.sweep(engine, blobs) == pruning.Room(0, 0)
    assert blobs.has(young)
    assert pruning.sweep(engine, blobs, 0.0) == pruning.Room(1, 30)
    with pytest.raises(EnvironmentFault, match="not here"):
        blobs.read(young)


def test_the_command_says_what_it_freed(engine, settings, over, capsys):
    from wmeval.cli.main import main

    where = ["--database", settings.url, "--files", settings.files]
    assert main(["leaderboard", "admin", "prune", "first", "--days", "0", *where]) == 0
    assert re.fullmatch(r"[1-9]\d* files deleted, \d+\.\d MB", capsys.readouterr().out.strip())
    assert main(["leaderboard", "admin", "check", *where]) == 0
