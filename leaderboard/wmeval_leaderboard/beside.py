"""Workers beside a server: processes that are started again when they die, and end when the server does.

Settings go through a pipe, since an address of a database may hold a password that a command line would show;
and the pipe's end tells a worker that its server is gone, however it went.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict

from wmeval_leaderboard.settings import Settings

RESTART_S = 2.0  # between a worker's death and the next one
ENDING_S = 10.0  # for a worker to hand back its job


class Beside:
    """A worker process that is started again whenever it dies, until `end`."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._ending = settings, threading.Event()
        self._process = self._started()
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._watching.start()

    @property
    def pid(self) -> int:
        """The process that works now."""
        return self._process.pid

    def end(self) -> None:
        """Let the worker hand back its job, and wait until it is gone."""
        self._ending.set()
        self._watching.join()

    def _started(self) -> subprocess.Popen[bytes]:
        # in a session of its own: Ctrl-C is for the server, which then ends its workers
        made = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, start_new_session=True
        )
        assert made.stdin is not None
        made.stdin.write(json.dumps(asdict(self._settings)).encode() + b"\n")
        made.stdin.flush()
        return made

    def _watch(self) -> None:
        while True:
            while not self._ending.wait(0.1) and self._process.poll() is None:
                pass
            if self._ending.wait(0 if self._process.poll() is None else RESTART_S):
                break
            self._closed()
            self._process = self._started()
        self._closed()

    def _closed(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def main() -> None:
    """Work until stdin is closed or a signal says so."""
    from wmeval_leaderboard.blobs import Blobs
    from wmeval_leaderboard.database import open_database
    from wmeval_leaderboard.worker import work

    logging.basicConfig(format="%(levelname)s %(message)s")
    stopping = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopping.set())
    with open(0, "rb", buffering=0, closefd=False) as told:
        settings = Settings(**json.loads(told.readline()))

    def wait() -> None:
        os.read(0, 1)
        stopping.set()

    threading.Thread(target=wait, daemon=True).start()
    work(open_database(settings.url), Blobs(settings.files), settings, stopping=stopping.is_set)


if __name__ == "__main__":
    main()
