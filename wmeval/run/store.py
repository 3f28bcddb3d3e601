"""Where results are kept: blobs by the digest of their content, records by the key of their unit.

A record is the commit point: it is written after its blobs, by write, fsync and link, so a process that
dies leaves either nothing or all of a unit. The first commit of a key wins; a later one that says
something else is an event, not a result.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import math
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.errors import EnvironmentFault, UsageError
from wmeval.seeds import canonical_json, digest

Arrays = Mapping[str, NDArray[Any]]
UNTIMED = ("seconds",)  # keys of a record that say how long it took, not what came out
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LARGEST_RECORD = 64 << 20
_LARGEST_BLOB = 4 << 30


class Store:
    """A folder with units/, blobs/ and events.jsonl; any number of processes may write to it at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, key: str) -> bool:
        """Return whether the unit is committed."""
        return self._record(key).exists()

    def read(self, key: str) -> dict[str, Any]:
        """Return the record of a committed unit.

        Raises:
            EnvironmentFault: the file is damaged.
        """
        record: dict[str, Any] = read_json(self._record(key))
        return record

    def commit(self, key: str, record: Mapping[str, Any]) -> bool:
        """Write a unit's record and return True, or keep the one that is there and return False.

        Raises:
            EnvironmentFault: the disk is full; what was committed before stays readable.
        """
        path = self._record(key)
        if not self._place(path, json.dumps(record, sort_keys=True, allow_nan=False).encode()):
            first, second = (digest(untimed(r)) for r in (self.read(key), record))
            if first != second:
                self.event("nondeterminism", key=key, first=first, second=second)
            return False
        return True

    def discard(self, key: str) -> None:
        """Forget a unit, so that it is done again."""
        self._record(key).unlink(missing_ok=True)

    def put(self, arrays: Arrays) -> str:
        """Keep named arrays and return the digest of their content, names and types included."""
        name = content_digest(arrays)
        path = self._blob(name)
        if not path.exists():
            packed = io.BytesIO()
            np.savez_compressed(packed, **dict(arrays))  # type: ignore[arg-type]
            self._place(path, packed.getvalue())
        return name

    def get(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the named arrays of a blob.

        Raises:
            EnvironmentFault: the blob is missing or damaged.
        """
        path = self._blob(name)
        try:
            if path.stat().st_size > _LARGEST_BLOB:
                raise ValueError("larger than any blob that is written here")
            with np.load(path, allow_pickle=False) as packed:
                return {k: packed[k] for k in packed.files}
        except Exception as fault:
            raise EnvironmentFault(
                f"the blob {path} cannot be read ({fault}); delete {self.folder / 'units'} and run again"
            ) from fault

    def event(self, kind: str, **what: Any) -> None:
        """Append one line to events.jsonl; a line is one write, so processes do not mix theirs."""
        line = canonical_json({"event": kind, "at": round(time.time(), 3), **what}) + "\n"
        with _told(self.folder), open(self.folder / "events.jsonl", "ab", buffering=0) as log:
            log.write(line.encode())

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the events, oldest first; a line that a dying process left half written is skipped."""
        path = self.folder / "events.jsonl"
        found = []
        for line in path.read_text().splitlines() if path.exists() else ():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return [e for e in found if kind in (None, e["event"])]

    def write_json(self, name: str, value: Any) -> None:
        """Replace a file of the folder by a JSON document, all at once."""
        path = self.folder / name
        with _told(self.folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            part = _part(path)
            try:
                _write(part, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())
                os.replace(part, path)
            finally:
                part.unlink(missing_ok=True)

    def _record(self, key: str) -> Path:
        return self.folder / "units" / key[:2] / f"{key}.json"

    def _blob(self, name: str) -> Path:
        return self.folder / "blobs" / name[:2] / f"{name}.npz"

    def _place(self, path: Path, data: bytes) -> bool:
        with _told(self.folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            part = _part(path)
            try:
                _write(part, data)
                # a link fails where the name is taken, a rename would replace what came first
                os.link(part, path)
            except FileExistsError:
                return False
            finally:
                part.unlink(missing_ok=True)
            _sync_folder(path.parent)
        return True


def content_digest(arrays: Arrays) -> str:
    """Return the SHA-256 over names, types, shapes and bytes of arrays, in the order of their names."""
    sha = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        sha.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


def untimed(value: Any) -> Any:
    """Return JSON values without the entries that only say how long something took.

    >>> untimed({"error": 1.0, "seconds": {"model": .2}, "samples": [{"seconds": 3}]})
    {'error': 1.0, 'samples': [{}]}
    """
    if isinstance(value, Mapping):
        return {k: untimed(v) for k, v in value.items() if k not in UNTIMED}
    return [untimed(v) for v in value] if isinstance(value, list | tuple) else value


def plain(value: Any) -> Any:
    """Return a value as JSON takes it: arrays become lists, NaN and infinity become null."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, str) else str(value)


def read_json(path: Path) -> Any:
    """Return a JSON document.

    Raises:
        UsageError: there is no such file.
        EnvironmentFault: it is damaged.
    """
    if not path.is_file():
        raise UsageError(f"there is no {path}; expected the folder of a run (`wmeval run` makes one)")
    if path.stat().st_size > _LARGEST_RECORD:
        raise EnvironmentFault(f"{path} has {path.stat().st_size} bytes, more than any that is written here")
    try:
        return json.loads(path.read_text())
    except ValueError as fault:
        raise EnvironmentFault(f"{path} is damaged ({fault}); delete it and run again") from fault


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}")


def _write(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Turn a disk that takes nothing more into one sentence."""
    try:
        yield
    except OSError as fault:
        if fault.errno not in _FULL:
            raise
        raise EnvironmentFault(
            f"the disk that holds {folder} is full ({fault.strerror}); what was finished is kept: free some "
            "space and give the same command again"
        ) from fault
