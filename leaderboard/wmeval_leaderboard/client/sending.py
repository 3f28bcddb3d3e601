"""A run goes to a server: only what the server lacks, small files together, large ones in pieces.

Nothing here is remembered between two calls. The server knows what it has, so the same call goes on.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wmeval.errors import UsageError
from wmeval.run.folder import Run
from wmeval.submission.check import check
from wmeval.submission.documents import Documents
from wmeval.submission.fit import check_finished, mixed, unfit
from wmeval.submission.limits import Limits
from wmeval.submission.parts import MANIFEST, RESULTS, Part, parts_of, root_of
from wmeval.submission.signing import public_key, sign
from wmeval_leaderboard.client.server import Server

SMALL = 256 << 10  # bytes, of files that go together
TOGETHER = 900 << 10  # bytes of one request of small files
PIECE = 8 << 20  # bytes of a large file in one request
_HEAD = struct.Struct(">32sI")
Tell = Callable[[int, int], None]  # files done, files in all


@dataclass(frozen=True)
class Packed:
    """A run that may be handed in: its files, their root, and what it says of itself."""

    folder: Path
    parts: tuple[Part, ...]
    root: str
    documents: Documents

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(part.size for part in self.parts)


@dataclass(frozen=True)
class Sent:
    """What became of it: the submission's address, its state, and how much had to be sent."""

    slug: str
    url: str
    state: str
    reason: str
    files: int
    bytes: int


def packed(run: Run, tell: Tell = lambda done, total: None) -> Packed:
    """Return a run as it is handed in, after all that the server will check was checked here.

    Raises:
        UsageError: it may not be handed in; the sentence holds every reason.
    """
    from wmeval import registry

    check_finished(run)
    suite = registry.load_suite(run.manifest["request"]["suite"])
    reasons: list[str] = []
    parts: tuple[Part, ...] = ()
    try:
        parts = tuple(parts_of(run))
        root = root_of(parts)
        documents = check(parts, root, lambda part: (run.path / part.path).open("rb"), Limits(), tell)
        reasons += unfit(documents, suite)
    except UsageError as fault:
        reasons.append(str(fault))
    if reasons := reasons or mixed(run):
        raise UsageError(f"{run.path} cannot be handed in: {'; '.join(reasons)}")
    return Packed(run.path, parts, root, documents)


def announced(run: Packed, server: Server, key: str) -> dict[str, Any]:
    """Return what the server says to a signed list of files: slug, state and which digests are lacking."""
    texts = {name: (run.folder / name).read_bytes().decode() for name in (MANIFEST, RESULTS)}
    told = {
        "parts": [[part.path, part.digest, part.size] for part in run.parts],
        "root": run.root, "key": public_key(key), "signature": sign(key, run.root),
        "manifest": texts[MANIFEST], "results": texts[RESULTS],
    }  # fmt: skip
    made: dict[str, Any] = server.json("POST", "/api/v1/submissions", told)
    return made


def send(run: Packed, server: Server, key: str, tell: Tell = lambda done, total: None) -> Sent:
    """Hand a run in and return what became of it; whatever the server has is not sent again.

    Raises:
        UsageError: the server refuses. EnvironmentFault: it cannot be reached; the same call goes on.
    """
    told = announced(run, server, key)
    lacking = set(told["lacking"]) if told["state"] == "uploading" else set()
    left = [part for part in {p.digest: p for p in run.parts}.values() if part.digest in lacking]
    send_parts(run.folder, left, server, tell)
    if told["state"] == "uploading":
        told = server.json("POST", f"/api/v1/submissions/{told['slug']}/complete")
    return Sent(
        told["slug"], server.address + told["address"], told["state"], told["reason"], len(left),
        sum(part.size for part in left),
    )  # fmt: skip


def send_parts(folder: Path, parts: Sequence[Part], server: Server, tell: Tell) -> None:
    """Send files that a server waits for, of whatever was announced there."""
    done = 0
    tell(done, len(parts))
    for bundle in _bundles(folder, [part for part in parts if part.size <= SMALL]):
        content = b"".join(_HEAD.pack(bytes.fromhex(part.digest), len(data)) + data for part, data in bundle)
        server.ask("POST", "/api/v1/blobs", content=content)
        done += len(bundle)
        tell(done, len(parts))
    for part in parts:
        if part.size > SMALL:
            _send_large(folder, part, server)
            done += 1
            tell(done, len(parts))


def _bundles(folder: Path, parts: Sequence[Part]) -> Iterator[list[tuple[Part, bytes]]]:
    held: list[tuple[Part, bytes]] = []
    size = 0
    for part in parts:
        if held and size + part.size + _HEAD.size > TOGETHER:
            yield held
            held, size = [], 0
        held.append((part, (folder / part.path).read_bytes()))
        size += part.size + _HEAD.size
    if held:
        yield held


def _send_large(folder: Path, part: Part, server: Server) -> None:
    path = f"/api/v1/blobs/{part.digest}"
    with (folder / part.path).open("rb") as file:
        whole = False
        while not whole:
            offset = server.ask("HEAD", path).headers["Upload-Offset"]
            file.seek(int(offset))
            # what has come whole but was not kept yet (a full disk) is asked for by an empty piece
            answer = server.ask("PUT", path, content=file.read(PIECE), headers={"Upload-Offset": offset})
            whole = answer.status_code in (200, 201)
