"""What a reader wants to see of the board. A Query is its address: every state is a permalink."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

from wmeval.errors import UsageError
from wmeval_leaderboard.board.columns import VIEWS
from wmeval_leaderboard.board.entry import Entry
from wmeval_leaderboard.tables import TIERS

LONGEST = 100  # characters of any value
MOST_PAGES = 10_000
SIZES = {"small": (0, 10_000_000), "medium": (10_000_000, 1_000_000_000), "large": (1_000_000_000, None)}
ACTIONS = ("none", "discrete", "multi-binary", "continuous", "camera", "latent", "text")


@dataclass(frozen=True)
class Query:
    """Filters, view and order of the board; empty strings ask for nothing."""

    season: str = ""
    view: str = "profile"
    tag: str = "iid"
    sort: str = ""
    q: str = ""  # part of the name of a model, family or team
    context: str = ""  # class
    training: str = ""  # class
    tier: str = ""  # at least
    actions: str = ""
    size: str = ""
    realtime: str = ""  # "1": as fast as what it predicts
    page: int = 1

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> Query:
        """Return the query of an address.

        Raises:
            UsageError: a name or value that is not one of those there are.
        """
        known = {f.name for f in fields(cls)}
        for name, value in given.items():
            if name not in known:
                raise UsageError(f"the board knows no {name[:40]!r}; expected {', '.join(sorted(known))}")
            if len(value) > LONGEST:
                raise UsageError(f"{name} has {len(value)} characters; expected at most {LONGEST}")
        words: dict[str, Any] = {k: v.strip() for k, v in given.items() if v.strip()}
        page = words.pop("page", "1")
        if not page.isascii() or not page.isdigit() or not 1 <= int(page) <= MOST_PAGES:
            raise UsageError(f"page was given as {page!r}; expected a number from 1 to {MOST_PAGES}")
        query = cls(**words, page=int(page))
        for name, allowed in (("view", VIEWS), ("tier", TIERS), ("size", SIZES), ("realtime", ("1",)),
                              ("actions", ACTIONS)):  # fmt: skip
            value = getattr(query, name)
            if value and value not in allowed:
                raise UsageError(f"{name} was given as {value!r}; expected {' or '.join(allowed)}")
        return query

    def address(self, **changes: Any) -> str:
        """Return the canonical query string, "" where all is as it comes; a change goes back to page 1.

        >>> Query(view="physics", page=3).address(sort="gravity")
        '?view=physics&sort=gravity'
        """
        other = replace(self, **{"page": 1, **changes})
        plain = Query()
        told = {f.name: getattr(other, f.name) for f in fields(self)}
        asked = urlencode({k: v for k, v in told.items() if v and v != getattr(plain, k)})
        return f"?{asked}" if asked else ""

    def admits(self, entry: Entry) -> bool:
        """Return whether an entry passes the filters."""
        card = entry.card
        parameters = card.get("parameters")
        low, high = SIZES.get(self.size, (0, None))
        context, training = (*entry.classes, "", "")[:2]
        return (
            self.q.casefold() in f"{entry.name} {entry.family} {entry.team}".casefold()
            and self.context in ("", context)
            and self.training in ("", training)
            and (not self.tier or TIERS.index(entry.tier) >= TIERS.index(self.tier))
            and self.actions in ("", card["actions"]["kind"])
            and (
                not self.size
                or (parameters is not None and parameters >= low and (high is None or parameters < high))
            )
            and (not self.realtime or (entry.speed is not None and entry.speed >= entry.fps))
        )
