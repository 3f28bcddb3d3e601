"""Leased work: shared by workers, never done twice, never lost, and given up with a reason."""

import threading
import time

import pytest
from sqlalchemy import select, update

from wmeval.errors import EnvironmentFault, UsageError
from wmeval_leaderboard import jobs, ledger, receiving, worker
from wmeval_leaderboard.database import reading, writing
from wmeval_leaderboard.limited import Died
from wmeval_leaderboard.publishing import publish
from wmeval_leaderboard.tables import Job, Ledger, Submission
from wmeval_leaderboard.worker import work

LEASE_S = 30.0


@pytest.fixture
def queued(engine, store_run, finished_run):
    """A function that queues some submissions and returns their ids."""

    def queue(count):
        made = [store_run(finished_run, root=f"{i:064x}").id for i in range(count)]
        return made

    return queue


@pytest.fixture
def doing(monkeypatch):
    """A function that says what is done for a job from now on."""

    def say(function):
        monkeypatch.setattr("wmeval_leaderboard.rescore.rescore", function)

    return say


def finish(place):
    with writing(place.engine) as session:
        jobs.finish(session, place.lease)
        ledger.record(session, "did", str(place.lease.submission_id), {"by": place.lease.worker})


def did(engine):
    with reading(engine) as session:
        return sorted(int(e.subject) for e in session.scalars(select(Ledger).where(Ledger.kind == "did")))


def state(engine, submission_id):
    with reading(engine) as session:
        job = session.scalars(select(Job).where(Job.submission_id == submission_id)).one()
        return job.state, session.get_one(Submission, submission_id).state, job.reason


def expire(engine):
    with writing(engine) as session:
        session.execute(update(Job).values(lease_until=time.time() - 1))


def test_two_workers_share_and_nothing_is_done_twice(engine, blobs, settings, queued, doing):
    ids = queued(12)

    def slowly(place):
        time.sleep(0.01)
        finish(place)

    doing(slowly)
    done = []
    threads = [
        threading.Thread(target=lambda: done.append(work(engine, blobs, settings, once=True)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert did(engine) == ids
    assert sum(done) == len(ids)
    assert min(done) > 0


def test_a_job_is_put_up_once(engine, queued):
    (submission_id,) = queued(1)
    with writing(engine) as session:
        jobs.add(session, "rescore", submission_id)
        assert len(session.scalars(select(Job)).all()) == 1
        with pytest.raises(UsageError, match="of kind"):
            jobs.add(session, "brew", submission_id)


def test_a_lease_is_one_workers_until_it_runs_out(engine, queued):
    (submission_id,) = queued(1)
    first = jobs.claim(engine, "one", LEASE_S, 3)
    assert state(engine, submission_id)[:2] == ("leased", "scoring")
    assert jobs.claim(engine, "two", LEASE_S, 3) is None
    jobs.extend(engine, first, LEASE_S)
    expire(engine)
    second = jobs.claim(engine, "two", LEASE_S, 3)
    assert second.attempt == 2
    with pytest.raises(jobs.LeaseLost):
        jobs.extend(engine, first, LEASE_S)
    with pytest.raises(jobs.LeaseLost), writing(engine) as session:
        jobs.finish(session, first)
    with writing(engine) as session:
        jobs.finish(session, second)
    with pytest.raises(jobs.LeaseLost), writing(engine) as session:
        jobs.finish(session, second)


def test_a_worker_that_lost_its_lease_writes_nothing(engine, blobs, settings, queued, doing):
    (submission_id,) = queued(1)

    def overtaken(place):
        expire(engine)
        assert jobs.claim(engine, "other", LEASE_S, 3) is not None
        finish(place)

    doing(overtaken)
    lease = jobs.claim(engine, "slow", LEASE_S, 3)
    assert not worker.see_through(engine, blobs, settings, lease)
    assert did(engine) == []
    assert state(engine, submission_id)[0] == "leased"


def test_a_job_whose_workers_die_is_given_up_and_can_be_put_up_again(engine, queued):
    (submission_id,) = queued(1)
    for _ in range(2):
        assert jobs.claim(engine, "mortal", LEASE_S, 2) is not None
        expire(engine)
    assert jobs.claim(engine, "next", LEASE_S, 2) is None
    job, submission, reason = state(engine, submission_id)
    assert (job, submission) == ("failed", "quarantined")
    assert "after 2 attempts: the process that worked on it died" in reason
    with writing(engine) as session:
        jobs.again(session, 1)
        assert [e.kind for e in session.scalars(select(Ledger))][-2:] == ["quarantined", "queued again"]
    assert state(engine, submission_id) == ("waiting", "queued", "")


def test_what_this_machine_lacks_is_waited_for_and_says_nothing_of_a_submission(
    engine, blobs, settings, queued, doing
):
    (submission_id,) = queued(1)
    tried = []

    def fail(place):
        tried.append(place.folder)
        raise EnvironmentFault(f"the disk that holds {place.folder} is full")

    doing(fail)
    for attempt in range(1, settings.attempts + 1):
        work(engine, blobs, settings, once=True)
        assert len(tried) == attempt  # not again before it has waited
        expire(engine)
    told = "the disk that holds the workplace is full"
    assert state(engine, submission_id) == ("failed", "queued", told)
    with writing(engine) as session:
        jobs.again(session, 1)
    doing(finish)
    assert work(engine, blobs, settings, once=True) == 1
    assert did(engine) == [submission_id]


@pytest.mark.parametrize("fault", [Died("killed"), RuntimeError("bug")])
def test_what_may_go_better_is_tried_again_and_then_told(engine, blobs, settings, queued, doing, fault):
    (submission_id,) = queued(1)
    tried = []

    def fail(place):
        tried.append(place.folder)
        (place.folder / "left").touch()
        raise fault

    doing(fail)
    assert work(engine, blobs, settings, once=True) == 0
    assert len(tried) == settings.attempts
    assert not any(folder.exists() for folder in tried)
    job, submission, reason = state(engine, submission_id)
    assert (job, submission) == ("failed", "quarantined")
    assert f"after {settings.attempts} attempts" in reason


def test_what_cannot_be_measured_is_set_aside_at_once(engine, blobs, settings, queued, doing):
    ids = queued(2)

    def refuse(place):
        if place.lease.submission_id == ids[0]:
            raise UsageError(f"{place.folder}/blobs/aa.npz holds a pickle")
        finish(place)

    doing(refuse)
    assert work(engine, blobs, settings, once=True) == 2
    assert state(engine, ids[0]) == (
        "failed", "quarantined", "the workplace/blobs/aa.npz holds a pickle",
    )  # fmt: skip
    assert did(engine) == [ids[1]]


def test_a_worker_that_is_stopped_hands_its_job_back(engine, blobs, settings, queued, doing):
    (submission_id,) = queued(1)
    asked = threading.Event()

    def endless(place):
        asked.set()
        while True:
            place.beat()

    doing(endless)
    work(engine, blobs, settings, stopping=asked.is_set)
    assert state(engine, submission_id)[0] == "waiting"
    assert jobs.claim(engine, "next", LEASE_S, 1).attempt == 1


def test_what_was_withdrawn_stays_so(engine, blobs, settings, queued, doing):
    (submission_id,) = queued(1)

    def withdrawn(place):
        with writing(engine) as session:
            receiving.withdraw(session, session.get_one(Submission, submission_id), "a mistake")
        raise UsageError("blobs/aa.npz holds a pickle")

    doing(withdrawn)
    assert work(engine, blobs, settings, once=True) == 1
    assert state(engine, submission_id)[:2] == ("failed", "withdrawn")
    with writing(engine) as session:
        submission = session.get_one(Submission, submission_id)
        assert submission.reason == "a mistake"
        assert [e.kind for e in session.scalars(select(Ledger))][-2:] == ["withdrawn", "not measured"]
        with pytest.raises(UsageError, match="was withdrawn, which stays so"):
            jobs.again(session, 1)
    assert state(engine, submission_id)[:2] == ("failed", "withdrawn")


def test_what_was_set_aside_is_published_by_no_other_job(engine, queued):
    (submission_id,) = queued(1)
    with writing(engine) as session:
        submission = session.get_one(Submission, submission_id)
        submission.state = "quarantined"
        publish(session, submission, "verified", {})
        assert submission.state == "quarantined"
        submission.state = "queued"
        jobs.add(session, "verify", submission_id)
    assert jobs.claim(engine, "one", LEASE_S, 3, ("verify",)) is not None
    with reading(engine) as session:
        assert session.get_one(Submission, submission_id).state == "queued"
