"""What a run tells while it works: a few live lines on a terminal, one plain line now and then elsewhere."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from wmeval.report.words import number

if TYPE_CHECKING:
    from rich.console import RenderableType

    from wmeval.run.progress import Progress

EVERY_S = 15.0  # between two plain lines
PHASES = {
    "plan": "planning", "open": "loading the model", "run": "asking", "score": "scoring", "done": "done",
    "anchors": "measuring what skill 0 and 1 mean", "drain": "finishing what has begun",
}  # fmt: skip


@contextmanager
def live(stream: TextIO | None = None) -> Iterator[Callable[[Progress], None]]:
    """Yield the function that a run tells its progress to; it draws on stderr.

    A terminal gets lines that are drawn anew; a file or pipe gets one line when the phase changes and
    then every 15 s, so that a log stays short.
    """
    out = stream or sys.stderr
    if not out.isatty():
        yield _Plain(out)
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(file=out), refresh_per_second=8, transient=True) as screen:

        def show(progress: Progress) -> None:
            if progress.message:
                screen.console.print(progress.message, highlight=False, markup=False)
            screen.update(_lines(progress))

        yield show


@contextmanager
def counting(what: str, stream: TextIO | None = None) -> Iterator[Callable[[int, int], None]]:
    """Yield the function that work of many equal pieces tells how many of how many are done."""
    out = stream or sys.stderr
    if not out.isatty():
        plain = _Plain(out)
        yield lambda done, total: plain.say(what, f"{done}/{total} {what}")
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(28), MofNCompleteColumn(), TextColumn(what), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=out), transient=True) as bar:
        task = bar.add_task(what)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def sentences(stream: TextIO | None = None) -> Iterator[Callable[[str], None]]:
    """Yield the function that work tells in sentences where it is; see `live`."""
    out = stream or sys.stderr
    plain = _Plain(out)
    if not out.isatty():
        yield lambda sentence: plain.say(sentence.partition(":")[0], sentence)
        return
    from rich.console import Console

    with Console(file=out).status("") as status:
        yield lambda sentence: status.update(sentence)


def line(progress: Progress) -> str:
    """Return one moment of a run as one line of plain text."""
    parts = [PHASES[progress.phase]]
    if progress.units_total:
        parts.append(f"{progress.units_done}/{progress.units_total} units")
        parts.append(f"{progress.samples_done}/{progress.samples_total} samples")
    if progress.units_cached:
        parts.append(f"{progress.units_cached} units were there")
    if progress.rate and progress.phase == "run":
        parts.append(f"{number(progress.rate, 2)} samples/s")
    if progress.eta_s is not None and progress.phase == "run":
        parts.append(f"{clock(progress.eta_s)} left")
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    scores = [f"{re.sub(r'@[^ ]*', '', p)} {_running(s)}" for p, s in progress.scores.items()]
    return ", ".join(parts) + (f"; so far {', '.join(scores)}" if scores else "")


def clock(seconds: float) -> str:
    """Return a duration as a person says it.

    >>> clock(7.4), clock(200), clock(7300)
    ('7 s', '3 min 20 s', '2 h 01 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class _Plain:
    def __init__(self, out: TextIO) -> None:
        self.out, self.phase, self.due = out, "", 0.0

    def __call__(self, progress: Progress) -> None:
        if progress.message not in ("", PHASES[progress.phase]):
            print(progress.message, file=self.out, flush=True)
        self.say(progress.phase, line(progress))

    def say(self, phase: str, sentence: str) -> None:
        now = time.monotonic()
        if phase != self.phase or now >= self.due:
            self.phase, self.due = phase, now + EVERY_S
            print(sentence, file=self.out, flush=True)


def _lines(progress: Progress) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    head = Table.grid(padding=(0, 2))
    facts = line(progress).partition("; so far ")[0]
    head.add_row(ProgressBar(max(1, progress.samples_total), progress.samples_done, width=28), Text(facts))
    scores = Table.grid(padding=(0, 2))
    for probe, score in progress.scores.items():
        cells = Text(f"  {probe}"), Text(_running(score), style="cyan"), Text(f"n {score.n}", style="dim")
        scores.add_row(*cells)
    return Group(head, scores)


def _running(score: object) -> str:
    skill, error = getattr(score, "skill", None), getattr(score, "error", None)
    return f"skill {number(skill, 2)}" if skill is not None else f"error {number(error, 2)}"
