"""Weights that a training leaves on its way: folders RUN/stages/STEP that load as any other weights do.

Each point is half as far as the next, since a model changes most early: of 16000 steps, five points are
1000, 2000, 4000, 8000 and 16000. What is kept are the averaged weights, as at the end. Checkpoints say
nothing of snapshots, so that a training can go on with more of them, or without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wmeval.errors import UsageError

OPTION = "keep-stages"
MOST = 20


def asked(options: Mapping[str, str]) -> int:
    """Return how many points `keep-stages` asks for; 0 where it is not given.

    Raises: UsageError where it is no whole number up to 20.
    """
    given = options.get(OPTION, "0")
    if not given.isdecimal() or int(given) > MOST:
        raise UsageError(f"given {OPTION}={given}; expected a whole number up to {MOST}, as in {OPTION}=5")
    return int(given)


def points(steps: int, count: int) -> tuple[int, ...]:
    """Return at most `count` steps, the last of them `steps`, each half of the next.

    >>> points(16000, 5), points(4, 9)
    ((1000, 2000, 4000, 8000, 16000), (1, 2, 4))
    """
    return tuple(sorted({steps >> k for k in range(count)} - {0}))


@dataclass(frozen=True)
class Snapshots:
    """Where and when a training stage leaves weights.

    `write(step, folder)` puts a loadable file of the model as it is then into a folder that exists.
    """

    out: Path
    steps: tuple[int, ...]
    write: Callable[[int, Path], None]

    def folder(self, step: int) -> Path:
        """Return the folder of a step."""
        return self.out / "stages" / str(step)

    def take(self, step: int, model: nn.Module, average: Mapping[str, Tensor]) -> None:
        """Write the averaged weights of a step, where it is one of the points; the model stays as it is."""
        if step not in self.steps:
            return
        self.folder(step).mkdir(parents=True, exist_ok=True)
        with _holding(model, average):
            self.write(step, self.folder(step))

    def passed(self, step: int) -> list[int]:
        """Return the points up to a step that nothing was left at."""
        return [s for s in self.steps if s <= step and not list(self.folder(s).glob("*.safetensors"))]


def header(made: Mapping[str, Any], stage: str, step: int) -> dict[str, Any]:
    """Return `made`, how finished weights came about, for those of a step of its last stage.

    >>> header({"version": "0.1", "steps": {"first": 9, "last": 20}}, "last", 10)
    {'version': '0.1-step10', 'steps': {'first': 9, 'last': 10}, 'step': 10, 'of': 20}
    """
    whole = made["steps"][stage]
    version = made["version"] if step == whole else f"{made['version']}-step{step}"
    return {**made, "version": version, "steps": {**made["steps"], stage: step}, "step": step, "of": whole}


@contextmanager
def _holding(model: nn.Module, average: Mapping[str, Tensor]) -> Iterator[None]:
    """Put other weights into a model for a moment; no random number is drawn from the training's."""
    own = {k: v.detach().clone() for k, v in model.state_dict().items()}
    learning = {name: part.training for name, part in model.named_modules()}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        model.load_state_dict(average)
        try:
            yield
        finally:
            model.load_state_dict(own)
            for name, part in model.named_modules():
                part.training = learning[name]
