"""One training stage: steps, schedule, checkpoints that survive a kill, a log line now and then.

The schedule depends on the step alone (warm-up, flat, cosine from 60 % on), so a run can be repeated; a
stage whose checkpoint says it is done is skipped, one that was cut off goes on from its last checkpoint.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wmeval_adapters.learn.snapshots import Snapshots


@dataclass(frozen=True)
class Stage:
    """What is fixed of a stage before it starts."""

    name: str
    steps: int
    peak: float  # learning rate
    warm_up: int = 60
    flat: float = 0.6  # share of the steps before the rate falls
    ema: float = 0.0  # decay of the averaged weights; 0 = none
    decay: float = 0.03

    def rate(self, step: int) -> float:
        """Return the learning rate of a step.

        >>> s = Stage("x", 1000, 1.0)
        >>> s.rate(300), s.rate(999) < 1e-4
        (1.0, True)
        """
        up = min(1.0, (step + 1) / self.warm_up)
        late = max(0.0, step / self.steps - self.flat) / (1 - self.flat)
        return self.peak * up * 0.5 * (1 + math.cos(math.pi * late))


class Log:
    """Appends JSON lines to a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, **line: Any) -> None:
        """Write one line; floats are shortened."""
        short = {k: round(v, 5) if isinstance(v, float) else v for k, v in line.items()}
        with self.path.open("a") as file:
            file.write(json.dumps(short) + "\n")


@contextmanager
def alone(threads: int) -> Iterator[None]:
    """Train on so many threads, from random numbers that nobody else draws; afterwards all is as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_num_threads(before)


def done(out: Path, stage: str) -> dict[str, Any] | None:
    """Return the checkpoint of a finished stage, or None."""
    path = out / f"{stage}.pt"
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, weights_only=True)
    return state if state["step"] >= state["steps"] else None


def fit(
    stage: Stage, model: nn.Module, loss: Callable[[int], tuple[Tensor, dict[str, float]]], out: Path,
    log: Log, *, every_s: float = 60.0, snapshots: Snapshots | None = None,
) -> nn.Module:  # fmt: skip
    """Train `model` in place and return it (with averaged weights where the stage has them).

    `loss(step)` returns what to minimise and numbers to log; it must draw from the step's own generator.
    `snapshots` are left at their steps. One that is asked for after its step has passed cannot be made; the
    log says which.
    """
    path = out / f"{stage.name}.pt"
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=stage.peak, betas=(0.9, 0.98), weight_decay=stage.decay
    )
    average = {k: v.detach().clone() for k, v in model.state_dict().items()}
    first, seconds = 0, 0.0
    if path.is_file():
        saved = torch.load(path, weights_only=True)
        first, seconds = int(saved["step"]), float(saved["seconds"])
        if snapshots and (missed := [s for s in snapshots.passed(first) if s < stage.steps]):
            log(said=f"no snapshot of steps {missed}: {path.name} is at step {first} already")
        if first >= stage.steps:
            model.load_state_dict(saved["average"])
            if snapshots and snapshots.passed(first):
                snapshots.take(stage.steps, model, saved["average"])
            return model
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        average = saved["average"]

    def keep(step: int) -> None:
        state = {
            "step": step, "steps": stage.steps, "seconds": seconds + time.monotonic() - start,
            "model": model.state_dict(), "average": average, "optimiser": optimiser.state_dict(),
        }  # fmt: skip
        part = path.with_suffix(".part")
        torch.save(state, part)
        part.replace(path)

    model.train()
    start = last = time.monotonic()
    for step in range(first, stage.steps):
        for group in optimiser.param_groups:
            group["lr"] = stage.rate(step)
        value, numbers = loss(step)
        optimiser.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if not math.isfinite(float(norm)):
            raise FloatingPointError(f"stage {stage.name}: step {step} has a gradient that is not finite")
        optimiser.step()
        weight = min(stage.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            for k, v in model.state_dict().items():
                average[k].lerp_(v, 1 - weight) if v.is_floating_point() else average[k].copy_(v)
        if (step + 1) % 25 == 0 or step + 1 == stage.steps:
            took = seconds + time.monotonic() - start
            log(stage=stage.name, step=step + 1, seconds=took, rate=stage.rate(step), **numbers)
        if snapshots:
            snapshots.take(step + 1, model, average)
        if time.monotonic() - last > every_s or step + 1 == stage.steps:
            keep(step + 1)
            last = time.monotonic()
    model.load_state_dict(average)
    return model
