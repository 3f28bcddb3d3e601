"""What reads uploaded files runs in a process of its own: bounded in time and memory, without secrets.

It ends with the worker that started it, so that whoever takes the job next works alone.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wmeval.errors import EnvironmentFault, UsageError, WmevalError

LARGEST_FILE = 4 << 30  # bytes
MOST_FILES = 512  # open at once
TOLD = 4000  # characters of what a process says at its end
# what a process needs to find its programs and caches; whatever else is in the environment may be a secret
PASSED = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "WMEVAL_CACHE", "OMP_NUM_THREADS", "PYTHONPATH",
          "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")  # fmt: skip

_log = logging.getLogger("wmeval.leaderboard")


class Died(Exception):
    """The process was killed, or ended by a bug; another attempt may go better."""


@dataclass(frozen=True)
class Bounds:
    """What a process may take."""

    seconds: float
    memory: int  # bytes of address space
    beat_s: float = 1.0  # between two beats


def run(module: str, arguments: Sequence[str], bounds: Bounds, beat: Callable[[], None]) -> None:
    """Run `python -m module` to its end; `beat` is called again and again while it goes on.

    Raises:
        UsageError: it refused what it was given, with its sentence.
        EnvironmentFault: something is lacking on this machine, with its sentence.
        Died: it was killed (by a bound, too), or left a traceback.
        Exception: whatever `beat` raised; the process is ended first.
    """
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE, stdout=said, stderr=said, start_new_session=True,
            env={k: os.environ[k] for k in PASSED if k in os.environ} | {"PYTHONHASHSEED": "0"},
        )  # fmt: skip
        try:
            assert child.stdin is not None
            child.stdin.write(json.dumps([bounds.seconds, bounds.memory]).encode() + b"\n")
            child.stdin.flush()
            code = _waited(child, bounds, beat)
        finally:
            _end(child)
        said.seek(max(0, said.tell() - TOLD))
        told = said.read().decode(errors="replace").strip()
    if code == UsageError.exit_code:
        raise UsageError(told.splitlines()[-1])
    if code == EnvironmentFault.exit_code:
        raise EnvironmentFault(told.splitlines()[-1])
    if code != 0:
        why = f"ended by signal {-code}" if code < 0 else f"failed with code {code}"
        _log.error("%s %s:\n%s", module, why, told)
        raise Died(
            f"the measuring process {why}: {told.splitlines()[-1][:300] if told else 'it said nothing'}"
        )


def serve(main: Callable[[], None]) -> None:
    """Do what such a process is for within its bounds, and end as `run` expects it."""
    # unbuffered: a buffer's lock, held by the thread that waits here, would stop this process from ending
    with open(0, "rb", buffering=0, closefd=False) as told:
        _bound(*json.loads(told.readline()))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        main()
    except WmevalError as told:
        print(" ".join(str(told).split()), file=sys.stderr, flush=True)
        sys.exit(told.exit_code)


def _bound(seconds: float, memory: int) -> None:
    # by the process itself: code between fork and exec may lock up where threads run, as they do in a server
    for what, most in (
        (resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, int(seconds) + 1), (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, LARGEST_FILE), (resource.RLIMIT_NOFILE, MOST_FILES),
    ):  # fmt: skip
        resource.setrlimit(what, (most, most))


def _waited(child: subprocess.Popen[bytes], bounds: Bounds, beat: Callable[[], None]) -> int:
    end = time.monotonic() + bounds.seconds
    while True:
        try:
            return child.wait(bounds.beat_s)
        except subprocess.TimeoutExpired:
            if time.monotonic() > end:
                _end(child)
                raise Died(f"the measuring process took longer than {bounds.seconds:g} s") from None
            beat()


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.stdin:
        child.stdin.close()
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _end_with_parent() -> None:
    os.read(0, 1)  # returns when the parent has gone, however it went
    os._exit(1)
