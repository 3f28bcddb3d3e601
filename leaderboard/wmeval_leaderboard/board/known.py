"""What this server knows of the names in a submission. Names of others never open a file or run its code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Literal

from wmeval import registry
from wmeval.errors import UsageError

if TYPE_CHECKING:
    from wmeval.probe import Probe
    from wmeval.suite import Suite
    from wmeval.task import Task


class NotHere(UsageError):
    """Something was asked for by a name that nothing has."""


def not_here(kind: str, given: str, known: Iterable[str]) -> NotHere:
    """Return the error for a name, with the nearest ones that there are.

    >>> str(not_here("season", "2026", ["2026-a"]))
    "no season is called '2026'; did you mean '2026-a'?"
    """
    near = difflib.get_close_matches(given, sorted(known), n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "the board lists all there are"
    return NotHere(f"no {kind} is called {given[:80]!r}; {hint}")


@cache
def probe(key: str) -> Probe | None:
    """Return the probe name@version, or None where it is not installed here in this version."""
    name = key.partition("@")[0]
    if name not in registry.entries("probes"):
        return None
    found = registry.load_probe(name)
    return found if found.key == key else None


@cache
def suite(key: str) -> Suite | None:
    """Return the suite name@version, or None where it is not installed here in this version."""
    name = key.partition("@")[0]
    if name not in registry.entries("suites"):
        return None
    found = registry.load_suite(name)
    return found if found.key == key else None


@cache
def task(key: str) -> Task | None:
    """Return the task name@version, or None where it is not installed here in this version."""
    name = key.partition("@")[0]
    if name not in registry.entries("tasks"):
        return None
    found = registry.load_task(name)
    return found if found.key == key else None


def ordered(found: Iterable[str], suites: Iterable[str], kind: Literal["probes", "tasks"]) -> list[str]:
    """Return keys name@version in the order of the suites that have them, the others after these."""
    order = [f"{name}@" for key in suites if (told := suite(key)) for name in getattr(told, kind)]
    return sorted(found, key=lambda k: (next((i for i, n in enumerate(order) if k.startswith(n)), 999), k))
