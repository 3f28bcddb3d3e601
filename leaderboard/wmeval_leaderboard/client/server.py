"""A leaderboard seen from a submitter's machine: questions that are asked again when the network fails."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from wmeval.errors import EnvironmentFault, UsageError

if TYPE_CHECKING:
    import httpx2

TRIES = 6
LONGEST_S = 60.0  # that one wait may take; who is asked to wait longer is told so
LATER = (429, 502, 503, 504)
NEAR = ("localhost", "127.0.0.1", "::1")


class Server:
    """A server by its address, asked in the name of whoever owns the token.

    No redirection is followed: the token goes to the host that was named, or nowhere.
    """

    def __init__(
        self, address: str, token: str, *, client: httpx2.Client | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self.address, self.wait = normal(address), wait
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._client = client or _client()

    def ask(
        self, method: str, path: str, *, told: Mapping[str, Any] | None = None, content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:  # fmt: skip
        """Return the answer; `told` is sent as JSON, `content` as it is.

        Whatever is asked may be asked twice, and is where the network fails or the server asks to wait.

        Raises:
            UsageError: the server refuses, with its sentence.
            EnvironmentFault: it cannot be reached, or fails.
        """
        import httpx2

        body, more = content, dict(headers or {})
        if told is not None:
            body, more["Content-Type"] = json.dumps(told, allow_nan=False).encode(), "application/json"
        why = ""
        for tried in range(TRIES):
            delay = 0.5 * 2**tried
            try:
                answer = self._client.request(
                    method, self.address + path, content=body, headers={**self._headers, **more}
                )
            except httpx2.TransportError as fault:
                why = f"{self.address} cannot be reached ({fault or type(fault).__name__})"
            else:
                if answer.status_code < 300:
                    return answer
                why = sentence(answer)
                if answer.status_code not in LATER:
                    raise _refused(answer, why)
                delay = max(delay, _retry_after(answer))
                if delay > LONGEST_S:
                    raise EnvironmentFault(why)
            if tried < TRIES - 1:
                self.wait(delay)
        raise EnvironmentFault(f"{why}; the same command goes on where it stopped")

    def json(self, method: str, path: str, told: Mapping[str, Any] | None = None) -> Any:
        """Return the JSON of an answer; see `ask`."""
        answer = self.ask(method, path, told=told)
        try:
            return answer.json()
        except ValueError as fault:
            raise EnvironmentFault(
                f"{self.address}{path} answered no JSON; is it a leaderboard of wmeval?"
            ) from fault

    @property
    def open_to_all(self) -> bool:
        """Whether whoever stands in between can read what is sent."""
        parts = urlsplit(self.address)
        return parts.scheme == "http" and parts.hostname not in NEAR


def normal(address: str) -> str:
    """Return an address of a server as it is kept.

    Raises:
        UsageError: it is none.

    >>> normal("https://Board.example/")
    'https://board.example'
    """
    parts = urlsplit(address if "://" in address else f"https://{address}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise UsageError(f"--server was given as {address!r}; expected https://HOST or http://HOST:PORT")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def sentence(answer: httpx2.Response) -> str:
    """Return what a server says of why it does not."""
    try:
        told = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        told = f"the server answered {answer.status_code} {answer.reason_phrase}"
    return str(told)


def _client() -> httpx2.Client:
    try:
        import httpx2
    except ImportError as fault:
        raise EnvironmentFault(
            'a leaderboard is reached through the package httpx2; `pip install "wmeval[leaderboard]"`'
        ) from fault
    return httpx2.Client(timeout=httpx2.Timeout(120.0, connect=15.0))


def _refused(answer: httpx2.Response, why: str) -> UsageError | EnvironmentFault:
    return EnvironmentFault(why) if answer.status_code >= 500 else UsageError(why)


def _retry_after(answer: httpx2.Response) -> float:
    told = answer.headers.get("Retry-After", "")
    return float(told) if told.isdigit() else 0.0
