"""States of models that are being stepped, kept for whoever asks again by a name that cannot be guessed."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.remote.wire import Message

MOST = 64
IDLE_S = 600.0


class Gone(LookupError):
    """A session that is not, or no longer, kept."""


class OutOfStep(ValueError):
    """A session that stands at another step than the one that was asked for."""


@dataclass
class Session:
    """One batch that is being continued: its state, how many steps were made, and the last one's answer."""

    state: Any
    batch: int
    made: int = 0
    actions: NDArray[np.float64] | None = None
    answer: Message | None = None
    used: float = field(default=0.0)


class Sessions:
    """At most `most` sessions: one unused for `idle_s` s is dropped, and the longest unused for room."""

    def __init__(
        self, most: int = MOST, idle_s: float = IDLE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.most, self.idle_s, self.clock = most, idle_s, clock
        self._kept: OrderedDict[str, Session] = OrderedDict()  # the one unused for longest first

    def __len__(self) -> int:
        """How many are kept."""
        self._expire()
        return len(self._kept)

    def open(self, state: Any, batch: int) -> str:
        """Keep the state of a batch and return the name of its session."""
        self._expire()
        while len(self._kept) >= self.most:
            self._kept.popitem(last=False)
        name = secrets.token_hex(16)
        self._kept[name] = Session(state, batch, used=self.clock())
        return name

    def at(self, name: str, step: int, actions: NDArray[np.float64]) -> Session:
        """Return a session that stands before `step`, or just after it under the same actions (B, 12).

        The latter is how an answer that was lost on its way is asked for again.

        Raises:
            Gone: no such session is kept. OutOfStep: it stands elsewhere; a session goes forward only.
        """
        self._expire()
        session = self._kept.get(name)
        if session is None:
            raise Gone(
                f"no session {name[:32]!r} is kept: it was idle for over {self.idle_s:g} s, {self.most} "
                "newer ones took its place, or the server was started anew; reset again"
            )
        before = session.actions
        again = step == session.made - 1 and before is not None and np.array_equal(before, actions)
        if step != session.made and not again:
            raise OutOfStep(
                f"the session stands before step {session.made} and step {step} was asked for; a session "
                "goes forward only, so reset again for another way"
            )
        session.used = self.clock()
        self._kept.move_to_end(name)
        return session

    def _expire(self) -> None:
        late = self.clock() - self.idle_s
        while self._kept and next(iter(self._kept.values())).used < late:
            self._kept.popitem(last=False)
