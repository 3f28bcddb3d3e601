"""Workers as processes: killed ones lose nothing and score nothing twice; what kills them is set aside."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from wmeval.errors import EnvironmentFault, UsageError
from wmeval_leaderboard import limited
from wmeval_leaderboard.beside import Beside
from wmeval_leaderboard.database import reading
from wmeval_leaderboard.limited import Bounds, Died
from wmeval_leaderboard.tables import Job, Ledger, Score, Submission
from wmeval_leaderboard.worker import work

BOUNDS = Bounds(seconds=20.0, memory=2 << 30, beat_s=0.05)


def job(engine):
    with reading(engine) as session:
        return session.scalars(select(Job)).one()


def using(folder):
    """Return the processes whose command line names a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_kill_9_of_a_worker_loses_nothing_and_scores_nothing_twice(
    engine, settings, store_run, finished_run, until
):
    row, hasty = store_run(finished_run), replace(settings, lease_s=3.0)
    first = Beside(hasty)
    until(lambda: using(settings.scratch), "the measuring process")
    os.kill(first.pid, signal.SIGKILL)
    killed = job(engine)
    assert (killed.state, killed.attempt) == ("leased", 1)
    until(lambda: not using(settings.scratch), "the end of what the killed worker had started", 3)
    until(lambda: job(engine).state == "done", "the job's end, by the worker in its place", 30)
    first.end()
    assert job(engine).attempt == 2
    with reading(engine) as session:
        assert session.get_one(Submission, row.id).state == "published"
        told = session.scalars(select(Ledger.subject).where(Ledger.kind == "measured")).all()
        assert told == [row.slug]
        again = select(func.count()).select_from(Score).where(Score.source == "rescored")
        assert session.scalar(again.where(Score.section == "scores")) == 2
    assert not using(settings.scratch)


def test_a_submission_that_kills_what_measures_it_is_set_aside(
    engine, blobs, settings, store_run, finished_run
):
    row = store_run(finished_run)
    assert work(engine, blobs, replace(settings, measuring_bytes=1 << 26, attempts=2), once=True) == 0
    with reading(engine) as session:
        submission = session.get_one(Submission, row.id)
        assert submission.state == "quarantined"
        assert "given up after 2 attempts: the measuring process" in submission.reason
        assert session.scalars(select(Score)).all() == []


@pytest.fixture
def process(tmp_path, monkeypatch):
    """A function that runs some lines as a limited process."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("WMEVAL_TOKEN", "a secret")

    def run(lines, bounds=BOUNDS, beat=lambda: None):
        text = f"from wmeval_leaderboard import limited\ndef main():\n    {lines}\nlimited.serve(main)\n"
        (tmp_path / "limited_lines.py").write_text(text)
        limited.run("limited_lines", [], bounds, beat)

    return run


def test_a_limited_process_says_how_it_ended(process):
    process("pass")
    with pytest.raises(UsageError, match=r"^no such part$"):
        process("from wmeval.errors import UsageError; raise UsageError('no such\\n part')")
    with pytest.raises(EnvironmentFault, match=r"^no disk$"):
        process("from wmeval.errors import EnvironmentFault; raise EnvironmentFault('no disk')")
    with pytest.raises(Died, match="ZeroDivisionError"):
        process("1 / 0")
    with pytest.raises(Died, match="signal 9"):
        process("import os; os.kill(os.getpid(), 9)")


def test_a_limited_process_has_bounds_and_no_secrets(process):
    with pytest.raises(Died, match="MemoryError"):
        process("bytearray(4 << 30)")
    with pytest.raises(Died, match=r"longer than 0\.5 s"):
        process("import time; time.sleep(60)", Bounds(0.5, 2 << 30, 0.05))
    process("import os; assert 'WMEVAL_TOKEN' not in os.environ")


def test_a_limited_process_ends_when_its_job_is_lost(process):
    class Lost(Exception):
        pass

    def beat():
        raise Lost

    began = time.monotonic()
    with pytest.raises(Lost):
        process("import time; time.sleep(60)", beat=beat)
    assert time.monotonic() - began < 5


def test_a_limited_process_ends_with_its_parent(tmp_path, until):
    (tmp_path / "lingering.py").write_text(
        "import time\nfrom wmeval_leaderboard import limited\nlimited.serve(lambda: time.sleep(60))\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", "from wmeval_leaderboard import limited; limited.run('lingering', "
         f"['{tmp_path}'], limited.Bounds(60, 2 << 30), lambda: None)"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    until(lambda: len(using(f"-m\0lingering\0{tmp_path}")) == 1, "the limited process")
    parent.kill()
    parent.wait()
    until(lambda: not using(f"-m\0lingering\0{tmp_path}"), "its end", 5)
