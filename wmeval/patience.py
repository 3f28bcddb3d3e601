"""A limit on how long somebody else's function may compute, so that a draw that never ends is a sentence."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

PATIENCE_S = 60.0  # of this process's own time: a busy machine takes nothing from it


class Endless(Exception):
    """A function was still computing when its time was over."""


@contextmanager
def patient(seconds: float = PATIENCE_S) -> Iterator[None]:
    """Interrupt what is done inside after `seconds` of computing, in the function that is then running.

    It counts the process's own computing, not the clock. Python delivers signals to the main thread only;
    elsewhere nothing is interrupted.

    Raises:
        Endless: the time was over.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getitimer(signal.ITIMER_VIRTUAL)[0]
    ):
        yield
        return

    def stop(_: int, __: FrameType | None) -> None:
        raise Endless(
            f"it was still computing after {seconds:g} s; a draw that rejects everything never ends"
        )

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)
