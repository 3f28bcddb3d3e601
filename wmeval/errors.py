"""Mistakes told as one sentence: what was given, what was expected, the line that mends it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class WmevalError(Exception):
    """A mistake that the command line prints without a traceback; `exit_code` says whose it is."""

    exit_code = 1


class UsageError(WmevalError):
    """What the user asked for cannot be asked (unknown name, wrong option, malformed file)."""

    exit_code = 2


class EnvironmentFault(WmevalError):
    """What the user asked for is right, but this machine lacks something (weights, disk, a wheel)."""

    exit_code = 3


def unknown(kind: str, given: str, known: Iterable[str]) -> UsageError:
    """Return the error for a name that is not registered, with the nearest registered names.

    >>> str(unknown("probe", "gravty", ["gravity", "permanence"]))
    "no probe is called 'gravty'; did you mean 'gravity'? (`wmeval list probes` shows all)"
    """
    names = sorted(known)
    near = difflib.get_close_matches(given, names, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {', '.join(names)}"
    return UsageError(f"no {kind} is called {given!r}; {hint} (`wmeval list {kind}s` shows all)")


class Interrupted(WmevalError):
    """The run was asked to stop; what was finished is kept, and the sentence says how to continue."""

    exit_code = 130


class ProbeFault(WmevalError):
    """A function of a probe broke its promise: where it stands, which it is, on which case, and the mend."""

    def __init__(self, where: str, function: str, what: str, case: str = "") -> None:
        super().__init__(where, function, what, case)
        self.where, self.function, self.what, self.case = where, function, what, case

    def __str__(self) -> str:
        """Return the sentence.

        >>> print(ProbeFault("mine.py:12", "measure", "returned None", "case 3 (dev, iid)"))
        mine.py:12, `measure` on case 3 (dev, iid): returned None
        """
        return f"{self.where}, `{self.function}`{self.case and f' on {self.case}'}: {self.what}"

    def on(self, case: str) -> ProbeFault:
        """Return the fault with the case on which it happened, unless it knows that already."""
        return ProbeFault(self.where, self.function, self.what, self.case or case)
