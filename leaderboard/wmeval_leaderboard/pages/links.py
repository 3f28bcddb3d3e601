"""Where pages stand: addresses on a server, or files beside one another that open from disk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_plus

from wmeval_leaderboard.pages.assets import asset


@dataclass(frozen=True)
class Links:
    """Addresses as one page writes them. `root` is "/" on a server, else "../" for each folder above."""

    live: bool = True
    root: str = "/"

    def board(self, query: str = "") -> str:
        """Return the board under a query ("" or "?view=physics...")."""
        if self.live:
            return f"/{query}"
        return self.root + (f"board/{_plain(query)}.html" if query else "index.html")

    def to(self, kind: str, name: str = "", query: str = "") -> str:
        """Return a page: of a kind ("models", "probes", "tasks", ...) by name, or "method", "ledger", ..."""
        path = f"{kind}/{quote(name, safe='@')}" if name else kind
        if self.live:
            return f"/{path}{query}"
        return f"{self.root}{path}{'-' + _plain(query) if query else ''}.html"

    def media(self, digest: str, end: str) -> str:
        """Return a picture or its data by digest."""
        return f"{self.root}media/{digest}.{end}"

    def asset(self, name: str) -> str:
        """Return a style or script by its plain name."""
        return f"{self.root}static/{asset(name).name}"


def _plain(query: str) -> str:
    """Return a query as part of a file's name.

    >>> _plain("?view=physics&tag=ood-speed")
    'view-physics-tag-ood-speed'
    """
    return re.sub(r"[^A-Za-z0-9.@]+", "-", unquote_plus(query)).strip("-")
