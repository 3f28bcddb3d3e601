"""Who does the units: this process, or supervised processes that may die without losing anything.

The standard library's process pool loses its queue when a worker is killed, and its start re-imports the
caller's script; here a worker is a plain child that reads a JSON line and answers with one.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from wmeval.errors import EnvironmentFault
from wmeval.run.plan import Unit
from wmeval.run.worker import Setup, Worker, raised

MAX_DEATHS = 3
TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Outcome:
    """What came of one unit: a worker's summary, or how it killed every worker it was given to."""

    unit: Unit
    summary: dict[str, Any] | None = None
    death: str = ""


class Executor(Protocol):
    """Does units in any order; what they produce is in the store, not in what is returned."""

    def run(
        self,
        setup: Setup,
        units: Sequence[Unit],
        *,
        opened: Callable[[dict[str, Any]], None],
        stopping: Callable[[], bool],
    ) -> Iterator[Outcome]:
        """Yield an outcome a unit as they finish; start no more once `stopping()` says so.

        `opened` is told once what the model's own card says.

        Raises:
            UsageError, EnvironmentFault: what a worker met and no other unit would escape.
        """
        ...


class Inline:
    """Everything in this process: slow to survive a crash, easy to debug."""

    def run(
        self,
        setup: Setup,
        units: Sequence[Unit],
        *,
        opened: Callable[[dict[str, Any]], None],
        stopping: Callable[[], bool],
    ) -> Iterator[Outcome]:
        """Yield an outcome a unit; see `Executor`."""
        worker = Worker(setup)
        opened(worker.open())
        for unit in units:
            if stopping():
                return
            yield Outcome(unit, worker.run(unit))


@dataclass
class Child:
    """A worker process, what it is at, and by when it must answer."""

    process: subprocess.Popen[bytes]
    unit: Unit | None = None
    deadline: float = float("inf")
    ready: bool = False
    late: bool = False
    heard: bytes = b""

    @property
    def out(self) -> IO[bytes]:
        """The pipe that it answers on."""
        assert self.process.stdout is not None
        return self.process.stdout


@dataclass
class Local:
    """`workers` processes with a time limit a unit; a unit that kills three of them is given up."""

    workers: int
    timeout_s: float = TIMEOUT_S
    max_deaths: int = MAX_DEATHS
    deaths: dict[str, int] = field(default_factory=dict)

    def run(
        self,
        setup: Setup,
        units: Sequence[Unit],
        *,
        opened: Callable[[dict[str, Any]], None],
        stopping: Callable[[], bool],
    ) -> Iterator[Outcome]:
        """Yield an outcome a unit as they finish; see `Executor`."""
        waiting = deque(units)
        children: list[Child] = []
        told = False
        stillborn = 0
        log = Path(setup.folder) / "logs" / "workers.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            while True:
                busy = [c for c in children if c.unit is not None]
                if not busy and (not waiting or stopping()):
                    return
                wanted = min(self.workers, len(waiting) + len(busy))
                if not stopping():
                    for _ in range(wanted - len(children)):
                        children.append(_start(setup, log))
                    for child in children:
                        if child.ready and child.unit is None and waiting:
                            self._give(child, waiting.popleft())
                elif not busy:
                    return
                for child, message in _hear(children, 0.1):
                    if message is None:
                        children.remove(child)
                        how = f"no answer in {self.timeout_s:g} s" if child.late else ""
                        how = f"{how}, {_end(child)}" if how else _end(child)
                        if child.unit is None:
                            stillborn += 1
                            if stillborn >= self.max_deaths:
                                raise EnvironmentFault(
                                    f"{stillborn} workers died before they had opened the model ({how}); "
                                    f"their last words are in {log}"
                                )
                            continue
                        outcome = self._died(child.unit, how, waiting)
                        if outcome:
                            yield outcome
                    elif "fault" in message:
                        raise raised(message["fault"], message["sentence"])
                    elif "opened" in message:
                        child.ready, stillborn, child.deadline = True, 0, float("inf")
                        if not told:
                            opened(message["opened"])
                            told = True
                    else:
                        unit, child.unit, child.deadline = child.unit, None, float("inf")
                        assert unit is not None
                        yield Outcome(unit, message["done"])
                for child in children:
                    if time.monotonic() > child.deadline:
                        child.late = True
                        child.process.kill()  # a hung kernel does not hear a polite signal
        finally:
            for child in children:
                child.process.kill()
                _end(child)

    def _give(self, child: Child, unit: Unit) -> None:
        child.unit, child.deadline = unit, time.monotonic() + self.timeout_s
        _say(child, {"unit": unit.to_json()})

    def _died(self, unit: Unit, how: str, waiting: deque[Unit]) -> Outcome | None:
        self.deaths[unit.key] = self.deaths.get(unit.key, 0) + 1
        if self.deaths[unit.key] < self.max_deaths:
            waiting.append(unit)  # last, so that what else is to be done is done first
            return None
        return Outcome(unit, death=f"it killed its worker {self.deaths[unit.key]} times ({how})")


def _start(setup: Setup, log: Path) -> Child:
    threads = {k: str(setup.threads) for k in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    with open(log, "ab") as words:
        process = subprocess.Popen(
            [sys.executable, "-m", "wmeval.run.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            env={**os.environ, **threads},
            start_new_session=True,  # Ctrl-C in the terminal reaches the driver alone
        )
    child = Child(process)
    _say(child, {"setup": setup.to_json(), "path": sys.path})
    return child


def _say(child: Child, message: dict[str, Any]) -> None:
    assert child.process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # a dead child is heard on the other pipe
        child.process.stdin.write(json.dumps(message).encode() + b"\n")
        child.process.stdin.flush()


def _hear(children: Sequence[Child], wait_s: float) -> list[tuple[Child, dict[str, Any] | None]]:
    """Return what arrived, None for a child that closed its pipe; a dead child may have answered before."""
    heard: list[tuple[Child, dict[str, Any] | None]] = []
    with selectors.DefaultSelector() as selector:
        for child in children:
            selector.register(child.out, selectors.EVENT_READ, child)
        for key, _ in selector.select(wait_s):
            child = key.data
            data = os.read(child.out.fileno(), 1 << 16)
            if not data:
                heard.append((child, None))
                continue
            *lines, child.heard = (child.heard + data).split(b"\n")
            heard += [(child, json.loads(line)) for line in lines]
    return heard


def _end(child: Child) -> str:
    """Return how a dead child ended, in words, and close its pipes."""
    code = child.process.wait()
    for pipe in (child.process.stdin, child.process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    return f"signal {-code}" if code < 0 else f"exit code {code}"
