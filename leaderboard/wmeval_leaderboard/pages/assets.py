"""The styles and scripts of the pages, all from this machine: ours, the report's, htmx and Vega.

A name holds the digest of what it names, so that a browser may keep it for ever.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from wmeval.errors import EnvironmentFault

LACKING = 'the pages need packages that are not installed; `pip install "wmeval[leaderboard]"` brings them'


@dataclass(frozen=True)
class Asset:
    """A file that pages ask for: its name in addresses, its type, its bytes and these compressed."""

    name: str
    type: str
    content: bytes
    small: bytes


def _style() -> bytes:
    report = files("wmeval.report").joinpath("page.css").read_bytes()
    board = files("wmeval_leaderboard.pages").joinpath("static/board.css").read_bytes()
    return report + board + files("wmeval_leaderboard.human").joinpath("static/human.css").read_bytes()


def _ours(name: str) -> Callable[[], bytes]:
    return lambda: files("wmeval_leaderboard.pages").joinpath("static", name).read_bytes()


def _player() -> bytes:
    return files("wmeval.report").joinpath("page.js").read_bytes()


def _htmx() -> bytes:
    # found, not imported: the package would ask for a Django project
    found = importlib.util.find_spec("django_htmx")
    if found is None or not found.submodule_search_locations:
        raise EnvironmentFault(LACKING)
    return (Path(found.submodule_search_locations[0]) / "static/django_htmx/htmx-2.min.js").read_bytes()


def _vega() -> bytes:
    try:
        import vl_convert
    except ImportError as fault:
        raise EnvironmentFault(LACKING) from fault
    # given no snippet it holds all of Vega, Vega-Lite and their embedding, which its stub does not know
    return str(vl_convert.javascript_bundle()).encode()  # type: ignore[call-arg]


_MADE: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "board.css": ("text/css; charset=utf-8", _style),
    "plot.js": ("text/javascript; charset=utf-8", _ours("plot.js")),
    "player.js": ("text/javascript; charset=utf-8", _player),
    "htmx.js": ("text/javascript; charset=utf-8", _htmx),
    "vega.js": ("text/javascript; charset=utf-8", _vega),
    "icon.svg": ("image/svg+xml", _ours("icon.svg")),
}


@cache
def asset(name: str) -> Asset:
    """Return a file by its plain name, made once.

    Raises:
        EnvironmentFault: the package that has it is not installed.
    """
    kind, make = _MADE[name]
    content = make()
    stem, _, end = name.rpartition(".")
    named = f"{stem}-{hashlib.sha256(content).hexdigest()[:12]}.{end}"
    return Asset(named, kind, content, gzip.compress(content, 6, mtime=0))


def by_address(address: str) -> Asset | None:
    """Return the file that has a name with a digest, or None."""
    stem, _, end = address.rpartition(".")
    plain = f"{stem.rpartition('-')[0]}.{end}"
    found = asset(plain) if plain in _MADE else None
    return found if found is not None and found.name == address else None


def names() -> list[str]:
    """Return the plain names of all files."""
    return list(_MADE)
