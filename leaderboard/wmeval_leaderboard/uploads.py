"""Files on their way in: what has come of one so far lies in a folder, and goes on from there after a cut.

A file is moved to where it is kept only when it is whole and has the digest that it was announced with.
"""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wmeval.errors import EnvironmentFault, UsageError, WmevalError
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.settings import Settings

DAY_S = 86_400.0
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Busy(WmevalError):
    """Another request is sending the same file."""


class OutOfStep(WmevalError):
    """A piece does not begin where what is here ends."""


def folder_of(settings: Settings) -> Path:
    """Return where unfinished files lie: beside the files that are kept, so that a new server finds them."""
    if settings.files.startswith("file://"):
        return Path(settings.files.removeprefix("file://")) / "uploads"
    return Path(settings.scratch or tempfile.gettempdir()) / "wmeval-uploads"


class Upload:
    """One file that a team sends, of known digest and size; nobody else sends it meanwhile."""

    def __init__(self, path: Path, digest: str, size: int, handle: int) -> None:
        self.path, self.digest, self.size, self.handle = path, digest, size, handle

    @property
    def offset(self) -> int:
        """How many bytes are here."""
        return os.fstat(self.handle).st_size

    def begin_at(self, offset: int) -> None:
        """Go on at an offset; what lay behind it is sent again.

        Raises:
            OutOfStep: what is here ends before it.
        """
        if offset > self.offset:
            raise OutOfStep(
                f"the file {self.digest[:12]} is here up to byte {self.offset}, and the piece begins at "
                f"{offset}; send it from {self.offset}"
            )
        os.ftruncate(self.handle, offset)
        os.lseek(self.handle, offset, os.SEEK_SET)

    def write(self, data: bytes) -> None:
        """Append bytes; however it ends, what is here is the beginning of what was sent.

        Raises:
            UsageError: it is more than was announced.
            EnvironmentFault: the disk is full.
        """
        if self.offset + len(data) > self.size:
            raise UsageError(
                f"the file {self.digest[:12]} was announced with {self.size} bytes; more came, send it anew"
            )
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self.handle, left) :]
        except OSError as fault:
            if fault.errno not in _FULL:
                raise
            raise EnvironmentFault(
                f"the disk that holds the server's files is full ({fault.strerror}); what came is kept: "
                "send the rest when the operator has freed some space"
            ) from fault

    def keep(self, blobs: Blobs) -> None:
        """Move the whole file to where files are kept.

        Raises:
            UsageError: it is not what was announced; it must be sent anew.
            EnvironmentFault: the disk is full; the file is still here.
        """
        os.lseek(self.handle, 0, os.SEEK_SET)
        # by its handle: another request may have kept the same file, and taken its name away, meanwhile
        with open(self.handle, "rb", closefd=False) as file:
            try:
                blobs.keep(self.digest, file, self.size)
            except UsageError:
                os.ftruncate(self.handle, 0)
                raise
        self.path.unlink(missing_ok=True)


@contextmanager
def upload(settings: Settings, team_id: int, digest: str, size: int) -> Iterator[Upload]:
    """Open what has come of a team's file so far, for this request alone.

    Raises:
        Busy: another request is sending it.
    """
    folder = folder_of(settings)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{team_id}-{digest}"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            raise Busy(f"the file {digest[:12]} is being sent by another request; wait for it") from fault
        yield Upload(path, digest, size, handle)
    finally:
        os.close(handle)


def sweep(settings: Settings, older_s: float = DAY_S) -> None:
    """Delete what came of files that nobody went on with."""
    folder, now = folder_of(settings), time.time()
    for path in folder.iterdir() if folder.exists() else ():
        with suppress(FileNotFoundError):  # another server sweeps too, or it came whole
            if now - path.stat().st_mtime > older_s:
                path.unlink()


def come_so_far(settings: Settings, team_id: int, digest: str) -> int:
    """Return how many bytes of a team's file have come."""
    path = folder_of(settings) / f"{team_id}-{digest}"
    return path.stat().st_size if path.exists() else 0
