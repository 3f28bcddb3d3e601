"""The worker: takes one job after another from the table and sees it through, until it is told to stop."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from sqlalchemy import Engine

from wmeval.errors import EnvironmentFault, UsageError
from wmeval_leaderboard import jobs
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.database import writing
from wmeval_leaderboard.jobs import Lease, LeaseLost
from wmeval_leaderboard.limited import Died
from wmeval_leaderboard.settings import Settings

IDLE_S = 1.0  # between two looks at an empty table
WAIT = 5  # leases, before what this machine lacked is tried again
# kind of job -> where its function lies
DOES: Mapping[str, tuple[str, str]] = {
    "rescore": ("wmeval_leaderboard.rescore", "rescore"),
    "challenge": ("wmeval_leaderboard.challenged", "measure"),
    "verify": ("wmeval_leaderboard.verify", "verify"),
}
_log = logging.getLogger("wmeval.leaderboard")


@dataclass(frozen=True)
class Workplace:
    """What the function of a job works with. It calls `beat` at least once in a third of the lease."""

    engine: Engine
    blobs: Blobs
    settings: Settings
    lease: Lease
    beat: Callable[[], None]  # raises LeaseLost where the job is another's by now
    folder: Path  # empty, for this attempt alone, removed after it


class Doing(Protocol):
    """The function of a kind of job."""

    def __call__(self, place: Workplace) -> None:
        """Do the job, and end it by `jobs.finish` in the transaction that writes its results.

        Raises:
            UsageError: what was submitted cannot be measured; it is set aside with the sentence.
            EnvironmentFault, Died: this attempt failed; another is made later.
            LeaseLost: the job is another's by now.
        """
        ...


def work(
    engine: Engine, blobs: Blobs, settings: Settings, *, kinds: Sequence[str] = ("rescore", "challenge"),
    stopping: Callable[[], bool] = lambda: False, once: bool = False,
) -> int:  # fmt: skip
    """Do jobs until `stopping`, or until none is left where `once`; return how many were ended."""
    name, done = jobs.worker_name(), 0
    while not stopping():
        lease = jobs.claim(engine, name, settings.lease_s, settings.attempts, kinds)
        if lease is not None:
            done += see_through(engine, blobs, settings, lease, stopping)
        elif once:
            break
        else:
            time.sleep(IDLE_S)
    return done


def see_through(
    engine: Engine, blobs: Blobs, settings: Settings, lease: Lease,
    stopping: Callable[[], bool] = lambda: False,
) -> bool:  # fmt: skip
    """Do one leased job and return whether it was ended, by results or by being set aside."""
    if settings.scratch:
        Path(settings.scratch).mkdir(parents=True, exist_ok=True)
        for left in Path(settings.scratch).glob(f"job-{lease.job_id}-*"):  # by attempts that were killed
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"job-{lease.job_id}-", dir=settings.scratch or None))
    beaten = time.monotonic()

    def beat() -> None:
        nonlocal beaten
        if stopping():
            raise _Stopped
        if time.monotonic() - beaten > settings.lease_s / 4:
            jobs.extend(engine, lease, settings.lease_s)
            beaten = time.monotonic()

    def said(fault: Exception) -> str:
        return str(fault).replace(str(folder), "the workplace")  # reasons are shown to all

    home, function = DOES[lease.kind]
    try:
        cast(Doing, getattr(import_module(home), function))(
            Workplace(engine, blobs, settings, lease, beat, folder)
        )
        return True
    except UsageError as refused:
        return _told(engine, lease, said(refused), jobs.give_up)
    except EnvironmentFault as fault:  # not the submission's fault: it waits for this machine to be mended
        if lease.attempt >= settings.attempts:
            return _told(engine, lease, said(fault), partial(jobs.give_up, state="queued"))
        return not _told(engine, lease, said(fault), partial(jobs.put_back, wait_s=WAIT * settings.lease_s))
    except Died as fault:
        return not _told(engine, lease, said(fault), jobs.put_back)
    except _Stopped:
        return not _told(engine, lease, "the worker was stopped", partial(jobs.put_back, counted=False))
    except LeaseLost as lost:
        _log.warning("%s", lost)
        return False
    except Exception as bug:
        _log.exception("job %d", lease.job_id)
        return not _told(engine, lease, f"the worker failed: {type(bug).__name__}", jobs.put_back)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Stopped(Exception):
    """The worker was asked to stop within a job."""


def _told(engine: Engine, lease: Lease, why: str, end: Callable[..., None]) -> bool:
    _log.warning("job %d (%s): %s", lease.job_id, lease.kind, why)
    try:
        with writing(engine) as session:
            end(session, lease, why)
    except LeaseLost as lost:
        _log.warning("%s", lost)
    return True
