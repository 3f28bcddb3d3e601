"""A worker: opens the model once and answers units, in this process or at the end of two pipes.

As a process (`python -m wmeval.run.worker`) it reads one JSON line a unit and answers with one JSON line.
Everything that matters goes through the store; a line says only that it is done, and how it went.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from wmeval import registry
from wmeval.camera import View
from wmeval.errors import EnvironmentFault, UsageError, WmevalError
from wmeval.model import WorldModel
from wmeval.references import Reference
from wmeval.run.plan import Unit, measure_key
from wmeval.run.store import Store


@dataclass(frozen=True)
class Setup:
    """Everything that a worker needs to know, as JSON values."""

    folder: str
    model: str
    weights: str | None
    device: str
    options: Mapping[str, str]
    threads: int
    seed: int
    view: Mapping[str, Any]
    metrics: tuple[str, ...]
    generates: bool = True  # False: measure what is there, never open the model
    version: str | None = None  # that the opened model must have: what was planned may have changed since

    def to_json(self) -> dict[str, Any]:
        """Return the setup as JSON values."""
        return {**asdict(self), "metrics": list(self.metrics)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Setup:
        """Return the setup that `to_json` described."""
        return cls(**{**data, "metrics": tuple(data["metrics"])})


class Worker:
    """Answers units one after another with a model that stays open."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.store = Store(Path(setup.folder))
        self.view = View(**setup.view)

    @cached_property
    def model(self) -> WorldModel | Reference:
        """The model, opened when it is first needed."""
        asked = self.setup
        model = registry.load_model(asked.model, asked.weights, asked.device, asked.options)
        _limit_threads(self.setup.threads)
        if asked.version not in (None, model.card.version):
            raise EnvironmentFault(
                f"{model.card.name!r} was planned as version {asked.version} and is {model.card.version} "
                "now; give the run the model that it began with, or start another with --out"
            )
        return model

    def open(self) -> dict[str, Any]:
        """Open the model and return {"card", "seconds"}."""
        begun = time.perf_counter()
        card = self.model.card.to_json() if self.setup.generates else None
        return {"card": card, "seconds": round(time.perf_counter() - begun, 3)}

    def run(self, unit: Unit) -> dict[str, Any]:
        """Generate and measure what of a unit is not committed yet, and return a summary of its samples."""
        from wmeval.run.instruments import generating, loaded, measuring

        begun = time.perf_counter()
        probe = loaded(unit.instrument, unit.given)
        if not self.store.has(unit.key):
            if not self.setup.generates:
                return {"key": unit.key, "samples": []}
            generate = generating(unit.instrument)
            made = generate(unit, probe, self.model, self.view, self.setup.seed, self.store)
            self.store.commit(unit.key, made)
        # read back what is committed: another process may have been first
        generated = self.store.read(unit.key)
        key = measure_key(unit, probe, self.setup.metrics, generated)
        if not self.store.has(key):
            _limit_threads(self.setup.threads)
            measure = measuring(unit.instrument)
            judged = measure(unit, probe, self.view, self.setup.metrics, generated, self.store)
            self.store.commit(key, judged)
        return {**told(unit, self.store.read(key)), "seconds": round(time.perf_counter() - begun, 3)}


def told(unit: Unit, judged: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a driver wants to hear of a measured unit: {"key", "samples": [error, status, detail]}."""
    keys = ("error", "status", "detail")
    return {"key": unit.key, "samples": [{k: row[k] for k in keys} for row in judged["samples"]]}


def main() -> int:
    """Serve units from stdin until it closes: the driver's death ends a worker too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, which lets units finish
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a model prints must not be taken for an answer
    worker: Worker | None = None
    for line in sys.stdin:
        message = json.loads(line)
        try:
            if "setup" in message:
                sys.path[:] = message["path"]
                worker = Worker(Setup.from_json(message["setup"]))
                reply: dict[str, Any] = {"opened": worker.open()}
            else:
                assert worker is not None
                reply = {"done": worker.run(Unit.from_json(message["unit"]))}
        except WmevalError as fault:
            kind = "usage" if isinstance(fault, UsageError) else "environment"
            reply = {"fault": kind, "sentence": str(fault)}
        except Exception:
            reply = {"fault": "bug", "sentence": traceback.format_exc()}
        try:
            print(json.dumps(reply), file=answers, flush=True)
        except BrokenPipeError:
            return 1
    return 0


def raised(kind: str, sentence: str) -> Exception:
    """Return the exception that a worker's fault stands for."""
    kinds = {"usage": UsageError, "environment": EnvironmentFault}
    return kinds.get(kind, RuntimeError)(sentence)


def _limit_threads(threads: int) -> None:
    # only where something has imported torch: starting it costs seconds that a reference need not pay
    if "torch" in sys.modules and threads:
        import torch

        torch.set_num_threads(threads)


if __name__ == "__main__":
    sys.exit(main())
