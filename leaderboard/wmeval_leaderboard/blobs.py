"""Where files are kept: by the SHA-256 of their bytes, in any place that fsspec reaches."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import BinaryIO, cast

import fsspec

from wmeval.errors import EnvironmentFault, UsageError

CHUNK = 1 << 20  # bytes
DIGEST = re.compile(r"[0-9a-f]{64}")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Blobs:
    """Contents by their digest (SHA-256, hex). What is there is whole: a name appears after all its bytes."""

    def __init__(self, address: str) -> None:
        self.files, root = fsspec.core.url_to_fs(address)
        self.root = str(root).rstrip("/")

    def has(self, digest: str) -> bool:
        """Return whether the content is here."""
        return bool(self.files.exists(self._path(digest)))

    def size(self, digest: str) -> int:
        """Return how many bytes the content has.

        Raises:
            EnvironmentFault: it is not here.
        """
        with _told(digest):
            return int(self.files.size(self._path(digest)))

    def keep(self, digest: str, file: BinaryIO, size: int) -> None:
        """Store what a file holds from here on, which must have this digest and size [bytes].

        No byte more than `size` is stored, and nothing at all unless both are right.

        Raises:
            UsageError: the digest or the size differs.
            EnvironmentFault: the disk is full.
        """
        if self.has(digest):
            if (there := self.size(digest)) != size:
                raise UsageError(
                    f"the file {digest[:12]} was announced with {size} bytes and has {there}; announce that"
                )
            if self._local:  # as young as if it had come now, so that no sweep takes it before it is named
                os.utime(self._path(digest))
            return
        part, path = f"{self.root}/incoming/{uuid.uuid4().hex}", self._path(digest)
        try:
            with _told(digest):
                self.files.makedirs(f"{self.root}/incoming", exist_ok=True)
                with self.files.open(part, "wb") as kept:
                    made, length = _copied(file, kept, size)
                    kept.flush()
                    if self._local:
                        os.fsync(kept.fileno())
                if length != size or made != digest:
                    given = f"more than {size}" if length > size else str(length)
                    raise UsageError(
                        f"the file {digest[:12]} was announced with {size} bytes and came with {given}, "
                        f"whose digest is {made[:12]}; it changed or was damaged on its way: send it again"
                    )
                self.files.makedirs(path.rpartition("/")[0], exist_ok=True)
                self.files.mv(part, path)
        finally:
            if self.files.exists(part):
                self.files.rm(part)

    def put(self, data: bytes) -> str:
        """Store bytes and return their digest."""
        digest = hashlib.sha256(data).hexdigest()
        self.keep(digest, io.BytesIO(data), len(data))
        return digest

    def open(self, digest: str) -> BinaryIO:
        """Return the content as a file that can be sought in.

        Raises:
            EnvironmentFault: it is not here.
        """
        with _told(digest):
            return cast(BinaryIO, self.files.open(self._path(digest), "rb"))

    def read(self, digest: str) -> bytes:
        """Return the content.

        Raises:
            EnvironmentFault: it is not here.
        """
        with self.open(digest) as file:
            return file.read()

    def check(self, digest: str) -> None:
        """Check that the content is here and has its digest still.

        Raises:
            EnvironmentFault: it is missing or damaged.
        """
        sha = hashlib.sha256()
        with self.open(digest) as file:
            while chunk := file.read(CHUNK):
                sha.update(chunk)
        if (made := sha.hexdigest()) != digest:
            raise EnvironmentFault(
                f"the file {digest[:12]} is damaged: its digest is {made[:12]}; restore it "
                "from a copy, or delete it and have it sent again"
            )

    def stored(self) -> Iterator[str]:
        """Yield the digests of all contents that are here."""
        for path in self.files.find(self.root):
            if DIGEST.fullmatch(name := path.rpartition("/")[2]):
                yield name

    def drop(self, digest: str, older_s: float) -> int:
        """Delete a content that came more than `older_s` ago; return how many bytes that frees."""
        path = self._path(digest)
        with _told(digest):
            size = self.size(digest)
            if not self._older(path, older_s):
                return 0
            self.files.rm(path)
        return size

    def sweep(self, older_s: float = 86_400.0) -> None:
        """Delete what processes that died left half-written."""
        folder = f"{self.root}/incoming"
        for path in self.files.ls(folder, detail=False) if self.files.exists(folder) else ():
            if self._older(path, older_s):
                self.files.rm(path)

    def _older(self, path: str, older_s: float) -> bool:
        age: float = (datetime.now(UTC) - self.files.modified(path)).total_seconds()
        return age > older_s

    @property
    def _local(self) -> bool:
        return "file" in self.files.protocol

    def _path(self, digest: str) -> str:
        if not DIGEST.fullmatch(digest):
            raise UsageError(f"a digest was given as {digest[:80]!r}; expected 64 hexadecimal digits")
        return f"{self.root}/{digest[:2]}/{digest}"


def _copied(file: BinaryIO, kept: BinaryIO, size: int) -> tuple[str, int]:
    """Copy at most `size` bytes and return their digest, and their number (one more where more came)."""
    sha, length = hashlib.sha256(), 0
    while length <= size and (chunk := file.read(min(CHUNK, size + 1 - length))):
        length += len(chunk)
        if length > size:
            break
        sha.update(chunk)
        kept.write(chunk)
    return sha.hexdigest(), length


@contextmanager
def _told(digest: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as fault:
        raise EnvironmentFault(f"the file {digest[:12]} is not here; restore it from a copy") from fault
    except OSError as fault:
        if fault.errno not in _FULL:
            raise
        raise EnvironmentFault(
            f"the disk that holds the server's files is full ({fault.strerror}); what was stored before is "
            "kept: try again when the operator has freed some space"
        ) from fault
