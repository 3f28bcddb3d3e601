"""Work that waits in a table: leased for a while, done by whoever holds the lease, and never done twice.

A worker that dies leaves a lease that runs out, and the next one takes the job. What it did before is kept
nowhere: results and the end of the job are one transaction, which only the holder of the lease can make.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, and_, or_, select
from sqlalchemy.orm import Session

from wmeval.errors import UsageError, WmevalError
from wmeval_leaderboard import ledger
from wmeval_leaderboard.database import writing
from wmeval_leaderboard.tables import Job, State, Submission

KINDS = ("rescore", "challenge", "verify")


class LeaseLost(WmevalError):
    """Another worker holds the job now; what was made of it here counts for nothing."""


@dataclass(frozen=True)
class Lease:
    """A job in the hands of one worker; `attempt` tells this time from earlier ones."""

    job_id: int
    kind: str
    submission_id: int
    worker: str
    attempt: int


def worker_name() -> str:
    """Return a name that no other worker has, anywhere."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def add(session: Session, kind: str, submission_id: int) -> Job:
    """Return the job of this kind for a submission, put up now unless it is there already.

    Raises:
        UsageError: there is no such kind.
    """
    if kind not in KINDS:
        raise UsageError(f"a job was put up of kind {kind!r}; expected one of {', '.join(KINDS)}")
    query = select(Job).where(Job.kind == kind, Job.submission_id == submission_id)
    job = session.scalars(query).first()
    if job is None:
        job = Job(kind=kind, submission_id=submission_id, state="waiting", worker=None, lease_until=None,
                  created=time.time(), finished=None)  # fmt: skip
        session.add(job)
        session.flush()
    return job


def put_up_verify(session: Session, submission: Submission) -> Job:
    """Return a new job to run the weights of a submission here.

    Raises:
        UsageError: it is no run that is published, or was verified before, or that was given up.
    """
    slug = submission.slug
    if submission.kind != "run":
        raise UsageError(f"{slug} answers a challenge; verify the run of its model")
    query = select(Job).where(Job.kind == "verify", Job.submission_id == submission.id)
    there = session.scalars(query).first()
    if there is not None and there.state == "failed":
        raise UsageError(
            f"verifying {slug} was given up ({there.reason}); `wmeval leaderboard admin again {there.id}` "
            "tries again"
        )
    if there is not None:
        told = "was verified before" if there.state == "done" else "waits to be verified already"
        raise UsageError(f"{slug} {told}; `wmeval leaderboard admin jobs` lists what is not done")
    check_shown(submission)
    return add(session, "verify", submission.id)


def check_shown(submission: Submission) -> None:
    """Raise UsageError unless a submission is published: verifying brings no other onto the board."""
    if submission.state != "published":
        raise UsageError(f"{submission.slug} is {submission.state}; only what is published is verified")


def claim(
    engine: Engine, worker: str, lease_s: float, most: int, kinds: Sequence[str] = ("rescore", "challenge")
) -> Lease | None:
    """Return the lease of the oldest job that nobody works on; None where there is none.

    A job whose workers died `most` times is given up, and its submission set aside with the reason.
    """
    with writing(engine) as session:
        now = time.time()
        over = or_(Job.lease_until.is_(None), Job.lease_until < now)
        free = and_(Job.state.in_(("waiting", "leased")), over)
        for job in session.scalars(select(Job).where(Job.kind.in_(kinds), free).order_by(Job.id)):
            if job.attempt >= most:
                why = job.reason or "the process that worked on it died"
                _give_up(session, job, f"given up after {job.attempt} attempts: {why}", "quarantined")
                continue
            job.state, job.worker, job.lease_until = "leased", worker, now + lease_s
            job.attempt += 1
            submission = session.get_one(Submission, job.submission_id)
            if job.kind != "verify" and submission.state == "queued":
                submission.state = "scoring"
            return Lease(job.id, job.kind, job.submission_id, worker, job.attempt)
    return None


def extend(engine: Engine, lease: Lease, lease_s: float) -> None:
    """Hold a job for another while.

    Raises:
        LeaseLost: it ran out, and another worker took it.
    """
    with writing(engine) as session:
        held(session, lease).lease_until = time.time() + lease_s


def held(session: Session, lease: Lease) -> Job:
    """Return the job of a lease, within the transaction that writes its results.

    Raises:
        LeaseLost: another worker holds it, or it is finished.
    """
    job = session.get(Job, lease.job_id)
    if job is None or (job.state, job.worker, job.attempt) != ("leased", lease.worker, lease.attempt):
        raise LeaseLost(f"job {lease.job_id} was taken by another worker; nothing of this attempt is kept")
    return job


def finish(session: Session, lease: Lease) -> None:
    """End a job, in the transaction that writes its results.

    Raises:
        LeaseLost: see `held`.
    """
    job = held(session, lease)
    job.state, job.finished, job.lease_until, job.reason = "done", time.time(), None, ""


def give_up(session: Session, lease: Lease, reason: str, state: State = "quarantined") -> None:
    """End a job that no further attempt would mend; its submission is in `state` then, for this reason.

    Raises:
        LeaseLost: see `held`.
    """
    _give_up(session, held(session, lease), reason, state)


def put_back(
    session: Session, lease: Lease, reason: str, *, counted: bool = True, wait_s: float | None = None
) -> None:
    """Leave a job to another attempt, not before `wait_s`; one not `counted` is as if it had not begun.

    Raises:
        LeaseLost: see `held`.
    """
    job = held(session, lease)
    job.state, job.worker, job.reason = "waiting", None, reason
    job.lease_until = None if wait_s is None else time.time() + wait_s
    job.attempt -= not counted


def again(session: Session, job_id: int) -> Job:
    """Put up a job again that was given up, for an operator who mended what stood in its way.

    Raises:
        UsageError: there is no such job, it was not given up, or its submission was withdrawn.
    """
    job = session.get(Job, job_id)
    if job is None or job.state != "failed":
        raise UsageError(f"no job {job_id} was given up; `wmeval leaderboard admin jobs` lists them")
    submission = session.get_one(Submission, job.submission_id)
    if submission.state == "withdrawn":
        raise UsageError(
            f"{submission.slug} was withdrawn, which stays so; `wmeval submit` hands in another run"
        )
    job.state, job.attempt, job.reason, job.finished, job.lease_until = "waiting", 0, "", None, None
    if job.kind != "verify":
        submission.state, submission.reason = "queued", ""
    ledger.record(session, "queued again", submission.slug, {"job": job.kind})
    return job


def _give_up(session: Session, job: Job, reason: str, state: State) -> None:
    job.state, job.finished, job.lease_until, job.reason = "failed", time.time(), None, reason
    submission = session.get_one(Submission, job.submission_id)
    told: str = state
    if job.kind == "verify":  # that its weights could not be run here says nothing against its answers
        told = "not verified"
    elif submission.state == "withdrawn":  # and stays so
        told = "not measured"
    elif state == "queued":  # nor does it that this machine could not measure it
        told = "not measured"
        submission.state = "queued" if submission.state == "scoring" else submission.state
    else:
        submission.state, submission.reason = state, reason
    ledger.record(session, told, submission.slug, {"job": job.kind, "reason": reason})
