"""What stands before every request: how often one may ask, how much one may send, what a browser may do.

Plain ASGI, so that uploads and downloads pass through it as streams.
"""

from __future__ import annotations

import contextlib
import json
import re
import time

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


class _TooLong(Exception):
    """A body went on beyond what it may hold."""


class Guard:
    """Lets a request through to `app`, or answers 413 or 429 in its place."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings
        self.often = RateLimitItemPerMinute(settings.requests_a_minute)
        self.counted = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = over = False

        async def told(message: Message) -> None:
            nonlocal begun
            if over and not begun:  # the body's reader may tell its cut as another mistake
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
        most = self._most(scope["path"])
        sentence = f"the request's body is larger than {most} bytes, which is the most that is taken here"
        if _announced(scope) > most:
            await _refuse(told, 413, sentence, {"Connection": "close"})
            return
        length = 0

        async def counted() -> Message:
            nonlocal length, over
            message = await receive()
            length += len(message.get("body", b""))
            if length > most:
                over = True
                raise _TooLong
            return message

        with contextlib.suppress(_TooLong):
            await self.app(scope, counted, told)
        if over and not begun:
            over = False
            await _refuse(told, 413, sentence, {"Connection": "close"})

    def _most(self, path: str) -> int:
        """Return how many bytes may be sent there."""
        if _CONTENT.fullmatch(path):
            return self.settings.largest_part
        return self.settings.largest_list if _LIST.fullmatch(path) else self.settings.largest_form


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
