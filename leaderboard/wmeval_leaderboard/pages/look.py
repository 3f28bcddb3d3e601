"""What answers readers: pages made once for a state of the ledger, then sent from memory, or not at all."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response
from sqlalchemy import Engine

from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.board.snapshot import Snapshots

KEPT = 64 << 20  # bytes of pages in memory
FRESH = "public, max-age=0, must-revalidate"
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Made:
    """An answer as it goes out, whole and compressed."""

    content: bytes
    small: bytes
    type: str
    etag: str


class Look:
    """The pages of one server. Answers are kept by the hash of the ledger, so nothing old is ever shown."""

    def __init__(self, engine: Engine, blobs: Blobs) -> None:
        self.engine, self.blobs = engine, blobs
        self.snapshots = Snapshots(engine)
        self._made: OrderedDict[tuple[str, str], Made] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def answer(self, request: Request, name: str, make: Callable[[], bytes], kind: str) -> Response:
        """Return what `make` makes of the present state, from memory where that was made before."""
        key = (self.snapshots.now().head, name)
        with self._lock:
            made = self._made.get(key)
            if made is not None:
                self._made.move_to_end(key)
        if made is None:
            made = made_of(make(), kind)
            self._keep(key, made)
        return send(request, made, FRESH)

    def _keep(self, key: tuple[str, str], made: Made) -> None:
        with self._lock:
            if key in self._made:
                return
            self._made[key] = made
            self._size += len(made.content) + len(made.small)
            while self._size > KEPT:
                _, old = self._made.popitem(last=False)
                self._size -= len(old.content) + len(old.small)


def made_of(content: bytes, kind: str) -> Made:
    """Return an answer of some content."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
    return Made(content, gzip.compress(content, 5, mtime=0), kind, etag)


def send(request: Request, made: Made, fresh: str) -> Response:
    """Return an answer, or 304 to who has it already."""
    headers = {"ETag": made.etag, "Cache-Control": fresh, "Vary": "Accept-Encoding"}
    given = request.headers.get("if-none-match", "")
    if made.etag in {tag.strip().removeprefix("W/") for tag in given.split(",")}:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(made.small, headers={**headers, "Content-Encoding": "gzip"}, media_type=made.type)
    return Response(made.content, headers=headers, media_type=made.type)


def _look(request: Request) -> Look:
    state = request.app.state
    if not hasattr(state, "look"):
        state.look = Look(state.engine, state.blobs)
    look: Look = state.look
    return look


Look_ = Annotated[Look, Depends(_look)]
