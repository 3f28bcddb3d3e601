"""Hidden scenes: a suite asked as ever, of cases that nobody saw before.

The public cases of a suite can be learnt by heart. An operator who holds a secret draws others, by the same
code and of the same kinds, and may tell the secret when all is over: then they are public cases too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from wmeval.run import problems
from wmeval.seeds import hidden_by


@contextmanager
def hidden(secret: bytes) -> Iterator[None]:
    """Draw the cases of every suite by a secret while this lasts; see `wmeval.seeds.hidden_by`.

    Requests made meanwhile need `hidden=commitment(secret)` and the inline executor.
    """
    with hidden_by(secret):
        _forget()
        try:
            yield
        finally:
            _forget()


def _forget() -> None:
    # problems are remembered by their number, which now means another one
    problems.choice.cache_clear()
    problems.instance.cache_clear()
