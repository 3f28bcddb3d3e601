"""What stands before every request: how often one may ask, how much one may send, what a browser may do.

Plain ASGI, so that uploads and downloads pass through it as streams.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from dataclasses import dataclass

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wmeval_leaderboard.settings import Settings

# no script or style but the server's own files, and no request to any other host
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_CONTENT = re.compile(r"/api/v1/blobs/[0-9a-f]{64}")
_LIST = re.compile(r"/api/v1/(submissions|challenges/[0-9a-f]{16}/answers)")


class _Refused(Exception):
    """The body is too long or too slow."""


@dataclass
class _Body:
    """A body on its way in. `why` is the status and the sentence with which it was refused, if it was."""

    receive: Receive
    most: int  # bytes
    patience_s: float  # between two pieces
    length: int = 0
    ended: bool = False
    why: tuple[int, str] | None = None

    async def __call__(self) -> Message:
        """Return the next piece, as ASGI has it."""
        try:
            message = await (
                self.receive() if self.ended else asyncio.wait_for(self.receive(), self.patience_s)
            )
        except TimeoutError:
            raise self.refused(408, f"nothing came for {self.patience_s:g} s; send it again") from None
        self.ended = not message.get("more_body", False)
        self.length += len(message.get("body", b""))
        if self.length > self.most:
            raise self.refused(413, _too_long(self.most))
        return message

    def refused(self, status: int, sentence: str) -> _Refused:
        """Return what ends the reading of it."""
        self.why = (status, sentence)
        return _Refused()


class Guard:
    """Lets a request through to `app`, or answers 408, 413 or 429 in its place."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings
        self.often = RateLimitItemPerMinute(settings.requests_a_minute)
        self.counted = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, body = False, _Body(receive, self._most(scope["path"]), self.settings.patience_s)

        async def told(message: Message) -> None:
            nonlocal begun
            if body.why and not begun:  # its reader may tell the cut as another mistake
                return
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        address = scope["client"][0] if scope.get("client") else ""
        if not self.counted.hit(self.often, address):
            wait = max(1, round(self.counted.get_window_stats(self.often, address).reset_time - time.time()))
            sentence = (
                f"too many requests: {self.settings.requests_a_minute} a minute are answered; wait {wait} s"
            )
            await _refuse(told, 429, sentence, {"Retry-After": str(wait)})
            return
        if _announced(scope) > body.most:
            await _refuse(told, 413, _too_long(body.most), {"Connection": "close"})
            return
        with contextlib.suppress(_Refused):
            await self.app(scope, body, told)
        if body.why and not begun:
            (status, sentence), body.why = body.why, None
            await _refuse(told, status, sentence, {"Connection": "close"})

    def _most(self, path: str) -> int:
        """Return how many bytes may be sent there."""
        if _CONTENT.fullmatch(path):
            return self.settings.largest_part
        return self.settings.largest_list if _LIST.fullmatch(path) else self.settings.largest_form


def _too_long(most: int) -> str:
    return f"the request's body is larger than {most} bytes, which is the most that is taken here"


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


async def _refuse(send: Send, status: int, sentence: str, headers: dict[str, str]) -> None:
    body = json.dumps({"error": sentence}).encode()
    sent = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    raw = [(k.lower().encode(), v.encode()) for k, v in sent.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
