"""What lets one in at a server: a token and a key to sign with, in a file that only its owner can read."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from wmeval.errors import UsageError
from wmeval.submission.signing import new_key
from wmeval_leaderboard.client.server import Server, normal

TOKEN, KEY = "WMEVAL_TOKEN", "WMEVAL_KEY"  # in the environment, before what the file holds


@dataclass(frozen=True)
class Credentials:
    """A server's token, and the private key (Ed25519, hex) that what is handed in there is signed with."""

    token: str
    key: str


def file() -> Path:
    """Return where credentials are kept."""
    return user_config_path("wmeval") / "servers.json"


def credentials(server: str) -> Credentials:
    """Return what lets one in at a server.

    Raises:
        UsageError: there is nothing, or others could read it.
    """
    kept = _read().get(server, {})
    token, key = os.environ.get(TOKEN) or kept.get("token"), os.environ.get(KEY) or kept.get("key")
    if not token:
        raise UsageError(
            f"no token for {server} is known; `wmeval leaderboard login --server {server}` keeps one, or put "
            f"it into {TOKEN}"
        )
    if not key:
        key = new_key()
        keep(server, Credentials(kept.get("token", ""), key))  # a token of the environment stays there
    return Credentials(token, key)


def logged_in(address: str) -> tuple[Server, str]:
    """Return a server, and the key that what is handed in there is signed with.

    Raises:
        UsageError: nothing lets one in there.
    """
    server = normal(address)
    told = credentials(server)
    return Server(server, told.token), told.key


def keep(server: str, told: Credentials) -> None:
    """Write what lets one in at a server, in the place of what was kept of it."""
    path, kept = file(), _read()
    kept[server] = asdict(told)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, part = tempfile.mkstemp(dir=path.parent)  # 0600 from the start
    try:
        with os.fdopen(handle, "w") as out:
            json.dump(kept, out, indent=1)
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def key_of(server: str) -> str:
    """Return the key that is kept for a server, or a new one."""
    return str(_read().get(server, {}).get("key") or new_key())


def _read() -> dict[str, Any]:
    path = file()
    if not path.exists():
        return {}
    if path.stat().st_mode & 0o077:
        raise UsageError(f"{path} holds tokens, and others can read it; `chmod 600 {path}`")
    try:
        told = json.loads(path.read_text())
    except ValueError as fault:
        raise UsageError(f"{path} is damaged ({fault}); delete it and log in again") from fault
    return told if isinstance(told, dict) else {}
