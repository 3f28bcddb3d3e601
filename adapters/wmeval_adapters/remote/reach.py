"""Asking a server: one connection a question, asked again while the server is away, never for ever.

Whose fault it is decides what is raised. A question that the server refuses or dies of fails alone
(RemoteFault, which the engine keeps as a failed sample). A server that stays away, changes its model or does
not know the token stops the run (EnvironmentFault), which the same command continues.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from wmeval.errors import EnvironmentFault, UsageError
from wmeval.remote import wire
from wmeval.remote.wire import MEDIA, Malformed, Message, TooLarge

CONNECT_S = 10.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 5.0
MOST_DEATHS = 3  # of a server over one question
AWAY = (502, 503, 504)  # what a server that is starting, or a proxy before it, answers


class RemoteFault(RuntimeError):
    """The server was asked and could not answer this question."""


class _Away(Exception):
    """Nobody answered; `asked` where the question had been sent."""

    def __init__(self, why: str, *, asked: bool = False) -> None:
        super().__init__(why)
        self.asked = asked


@dataclass(frozen=True)
class Reach:
    """Where a server is, and how long to wait for it."""

    scheme: str
    host: str
    port: int
    prefix: str
    token: str
    timeout_s: float
    patience_s: float
    most_bytes: int

    @property
    def url(self) -> str:
        """Where it is, as a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.prefix}"

    def card(self) -> bytes:
        """Return what GET /card answers; see `post` for what it raises."""
        return self._ask("GET", "/card", None)

    def post(self, path: str, message: Message) -> Message:
        """Return the answer to a message.

        Raises:
            RemoteFault, Malformed: this question was not answered, or with something else.
            EnvironmentFault: the server stayed away, was too slow, lacks something, or refused the token.
        """
        body = wire.pack(message)
        if len(body) > self.most_bytes:
            raise TooLarge(f"the question has {len(body)} bytes; at most {self.most_bytes} (--set max_mb=N)")
        return wire.unpack(self._ask("POST", path, body), self.most_bytes)

    def _ask(self, method: str, path: str, body: bytes | None) -> bytes:
        deaths, waits, told = 0, _waits(self.patience_s), False
        while True:
            try:
                code, data = self._once(method, path, body)
                if code not in AWAY:
                    return self._answer(code, data)
                away = _Away(f"it answered {code}")
            except _Away as fault:
                away = fault
            deaths += away.asked
            if deaths >= MOST_DEATHS:
                raise RemoteFault(f"the server at {self.url} died {deaths} times over this question ({away})")
            wait = next(waits, None)
            if wait is None:
                raise EnvironmentFault(
                    f"no model answers at {self.url} ({away}), and {self.patience_s:g} s were waited; start "
                    "`wmeval serve-model` there and issue the same command again"
                )
            if not told:
                told = True
                print(f"waiting for the model at {self.url} ({away})", file=sys.stderr, flush=True)
            time.sleep(wait)

    def _once(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        """Ask once, following no redirection and asking no proxy: the token is for this server alone."""
        kind = http.client.HTTPSConnection if self.scheme == "https" else http.client.HTTPConnection
        connection = kind(self.host, self.port, timeout=CONNECT_S)
        headers = {"Content-Type": MEDIA, "Connection": "close"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            try:
                connection.connect()
            except OSError as fault:
                raise _Away(str(fault)) from fault
            connection.sock.settimeout(self.timeout_s)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                # a server that refuses before it has read everything may still have said why
                connection.request(method, self.prefix + path, body, headers)
            response = connection.getresponse()
            length = response.length
            if length is not None and length > self.most_bytes:
                raise TooLarge(f"the answer has {length} bytes; at most {self.most_bytes} (--set max_mb=N)")
            data = response.read(self.most_bytes + 1)
            if length is not None and len(data) < length:
                raise _Away(f"it broke off after {len(data)} of {length} bytes", asked=True)
            return response.status, data
        except TimeoutError as fault:
            raise EnvironmentFault(
                f"the model at {self.url} has not answered {path} for {self.timeout_s:g} s; "
                "`--set timeout=SECONDS` waits longer"
            ) from fault
        except (ConnectionError, http.client.IncompleteRead) as fault:
            raise _Away(str(fault) or type(fault).__name__, asked=True) from fault
        except (http.client.HTTPException, OSError) as fault:
            raise Malformed(f"what answers at {self.url} speaks no HTTP ({fault!r:.200})") from fault
        finally:
            connection.close()

    def _answer(self, code: int, data: bytes) -> bytes:
        """Return the body of a good answer; raise what another one means."""
        if code == 200:
            return data
        sentence, kind = _refusal(data)
        if code in (401, 403):
            raise EnvironmentFault(f"the server at {self.url} refused: {sentence}")
        if kind == "environment":
            raise EnvironmentFault(f"the server at {self.url} lacks something: {sentence}")
        raise RemoteFault(f"the server at {self.url} answered {code}: {sentence}")


def parts(url: str) -> tuple[str, str, int, str]:
    """Return scheme, host, port and path of a URL.

    Raises:
        UsageError: it is none of http or https, or holds a password.

    >>> parts("http://127.0.0.1:8765/")
    ('http', '127.0.0.1', 8765, '')
    """
    try:
        split = urlsplit(url)
        host, port = split.hostname, split.port
    except ValueError:
        host, port, split = None, None, urlsplit("")
    if split.username or split.password:
        raise UsageError("remote was given a url with a name or password; set WMEVAL_TOKEN in place of it")
    if split.scheme not in ("http", "https") or not host or split.query or split.fragment:
        raise UsageError(f"remote was given url={url}; expected one like http://127.0.0.1:8765")
    return split.scheme, host, port or (443 if split.scheme == "https" else 80), split.path.rstrip("/")


def _waits(patience_s: float) -> Iterator[float]:
    """Yield pauses that double, until the time is over."""
    until, wait = time.monotonic() + patience_s, FIRST_WAIT_S
    while (left := until - time.monotonic()) > 0:
        yield min(wait, left)
        wait = min(2 * wait, LONGEST_WAIT_S)


def _refusal(data: bytes) -> tuple[str, str]:
    """Return the sentence and kind of a refusal, or what came in place of one."""
    try:
        told = json.loads(data[: 1 << 16])
        return str(told["error"])[:2000], str(told.get("kind", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return repr(data[:200]), ""
