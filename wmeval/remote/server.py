"""The server of one model: HTTP on the loopback, or elsewhere with a token; one question after another.

Everything about a request that costs memory or time is looked at first: who asks, which path, how many bytes.
All calls of the model come from one thread, so that it computes as it would in a process of its own.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import socket
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import urlsplit

from wmeval.errors import EnvironmentFault, UsageError
from wmeval.remote import wire
from wmeval.remote.answer import Served, Unable
from wmeval.remote.sessions import Gone, OutOfStep
from wmeval.remote.wire import MEDIA, MOST_BYTES, Malformed, Message, TooLarge

TOKEN = "WMEVAL_TOKEN"  # the name of the variable of the environment
LEAST_TOKEN = 16  # characters
AT_ONCE = 32  # requests that are read, waiting or answered
DRAIN_S = 5.0  # for the rest of a request that was refused
READ_S = 60.0  # between two pieces of a request
MAKE_TOKEN = f"export {TOKEN}=$(python -c 'import secrets; print(secrets.token_urlsafe(32))')"


class ModelServer(ThreadingHTTPServer):
    """Listens at once; `serve_forever()` answers. `url` is where."""

    daemon_threads = True

    def __init__(
        self, served: Served, host: str, port: int, token: str = "", most_bytes: int = MOST_BYTES
    ) -> None:
        """Bind to a host and port (0: a free one).

        Raises:
            UsageError: the host is not of this machine alone without a token, or the token is no good one.
            EnvironmentFault: the port is taken.
        """
        check_token(host, token)
        self.served, self.token, self.most_bytes = served, token, most_bytes
        self.room = BoundedSemaphore(AT_ONCE)
        self.model_thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler)
        except OSError as fault:
            raise EnvironmentFault(
                f"{host}:{port} cannot be listened on ({fault.strerror}); `--port N` takes another, "
                "0 a free one"
            ) from fault

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    def server_bind(self) -> None:
        """Bind without asking a name server what this machine is called."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def server_close(self) -> None:
        """Stop listening; a question under way is not waited for."""
        super().server_close()
        self.model_thread.shutdown(wait=False, cancel_futures=True)


def check_token(host: str, token: str) -> None:
    """Raise UsageError where others than this machine could ask and no good token keeps them out."""
    if token and (len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable()):
        raise UsageError(
            f"{TOKEN} has {len(token)} characters; expected {LEAST_TOKEN} or more of ASCII: `{MAKE_TOKEN}`"
        )
    if not token and not is_loopback(host):
        raise UsageError(
            f"--host {host} lets other machines ask, and there is no token; `{MAKE_TOKEN}`, also where "
            "`wmeval run` is, or leave --host out"
        )


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address.

    >>> [is_loopback(h) for h in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "example.org", "")]
    [True, True, True, False, False, False]
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Refused(Exception):
    """A request that is answered with a status and a sentence; `kind` tells the client whose fault it is."""

    def __init__(self, code: int, sentence: str, kind: str = "protocol") -> None:
        super().__init__(sentence)
        self.code, self.sentence, self.kind = code, sentence, kind


class _Handler(BaseHTTPRequestHandler):
    """One request a connection: nothing lingers."""

    server: ModelServer
    server_version, sys_version = f"wmeval/{wire.PROTOCOL}", ""
    timeout = READ_S

    def do_GET(self) -> None:
        """Answer with the card."""
        self._answer(self._card)

    def do_POST(self) -> None:
        """Answer a message with a message."""
        self._answer(self._asked)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of a request that went well."""

    def _answer(self, how: Any) -> None:
        if not self.server.room.acquire(blocking=False):
            self._say(503, _told(f"{AT_ONCE} requests are under way; ask again in a moment", "busy"))
            return
        try:
            self._allowed()
            code, media, body = how()
        except _Refused as why:
            code, media, body = why.code, "application/json", _told(why.sentence, why.kind)
            print(f"{self.command} {self.path[:100]!r}: {code}, {why.sentence}", file=sys.stderr)
        finally:
            self.server.room.release()
        self._say(code, body, media)

    def _allowed(self) -> None:
        token, given = self.server.token, self.headers.get("Authorization", "")
        if token and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise _Refused(
                401, f"the token is missing or another; set {TOKEN} to what the server has", "token"
            )
        # a page in a browser can be made to reach the loopback under a name of its own
        try:
            name = urlsplit(f"//{self.headers.get('Host', 'localhost')}").hostname or ""
        except ValueError:
            name = "a host with no name"
        if not token and not is_loopback(name):
            raise _Refused(
                403, f"asked for as {name!r}; without a token only 127.0.0.1 and localhost are answered"
            )

    def _card(self) -> tuple[int, str, bytes]:
        if self.path != "/card":
            raise _Refused(404, f"GET {self.path[:100]!r} is not answered here; GET /card tells what is")
        return 200, "application/json", json.dumps(self.server.served.card(), allow_nan=False).encode()

    def _asked(self) -> tuple[int, str, bytes]:
        if self.headers.get_content_type() != MEDIA:
            raise _Refused(415, f"the content is {self.headers.get_content_type()}; expected {MEDIA}")
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            raise _Refused(411, "the request has no Content-Length; expected the number of its bytes")
        most = self.server.most_bytes
        if len(length) > 18 or int(length) > most:
            raise _Refused(
                413, f"the message has {length[:20]} bytes; at most {most} are taken (--max-mb)", "size"
            )
        try:
            data = self.rfile.read(int(length))
            if len(data) < int(length):
                raise _Refused(400, f"{len(data)} of {length} bytes came")
            return 200, MEDIA, self.server.model_thread.submit(self._answered, data).result()
        except TooLarge as fault:
            raise _Refused(413, str(fault), "size") from fault
        except TimeoutError as fault:
            raise _Refused(408, f"no byte of the message came for {READ_S:g} s") from fault

    def _answered(self, data: bytes) -> bytes:
        served = self.server.served
        try:
            message = wire.unpack(data, self.server.most_bytes)
        except TooLarge:
            raise
        except Malformed as fault:
            raise _Refused(400, str(fault)) from fault
        del data
        try:
            answer = served.answer(self.path, message)
        except Malformed as fault:
            raise _Refused(400, str(fault)) from fault
        except Unable as fault:
            raise _Refused(404, str(fault)) from fault
        except Gone as fault:
            raise _Refused(410, str(fault), "session") from fault
        except OutOfStep as fault:
            raise _Refused(409, str(fault), "session") from fault
        except EnvironmentFault as fault:
            raise _Refused(500, str(fault), "environment") from fault
        except Exception as fault:
            traceback.print_exc()
            raise _Refused(500, f"{type(fault).__name__}: {str(fault)[:1000]}", "model") from fault
        try:
            return self._packed(answer)
        except Malformed as fault:
            raise _Refused(500, f"what the model answered cannot be sent: {fault}", "model") from fault

    def _packed(self, message: Message) -> bytes:
        body, most = wire.pack(message), self.server.most_bytes
        if len(body) > most:
            raise _Refused(
                500, f"the answer has {len(body)} bytes; at most {most} are sent (--max-mb)", "model"
            )
        return body

    def _say(self, code: int, body: bytes, media: str = "application/json") -> None:
        try:
            self.send_response(code)
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            if code != 200:
                self._drain()
        except OSError:
            pass  # whoever asked has gone; what was asked twice is answered twice

    def _drain(self) -> None:
        """Take in what is still being sent: closing on it would destroy the answer before it is read."""
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(DRAIN_S)
        until = time.monotonic() + DRAIN_S
        while time.monotonic() < until and self.rfile.read1(1 << 16):
            pass


def _told(sentence: str, kind: str) -> bytes:
    return json.dumps({"protocol": wire.PROTOCOL, "error": sentence, "kind": kind}).encode()
