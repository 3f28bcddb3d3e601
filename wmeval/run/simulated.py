"""Episodes that no model takes part in, kept: every model is measured beside the same ones.

The simulator planning by itself, random actions and no action at all depend on the instance, the planner,
the seed and the code, and are kept in the user's cache by the digest of these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from wmeval.plan import Settings
from wmeval.run.code import defined_in, source_digest
from wmeval.run.episode import Played, acted, planned
from wmeval.run.foresight import Simulated
from wmeval.run.truths import cache_folder, keep
from wmeval.seeds import digest
from wmeval.task import Instance, Task

CODE = (
    "wmeval.world", "wmeval.scene", "wmeval.task", "wmeval.plan", "wmeval.run.playing", "wmeval.run.episode",
    "wmeval.run.foresight", "wmeval.run.problems", "wmeval.run.simulated",
)  # fmt: skip


def simulator(task: Task, instance: Instance, settings: Settings, seed: int) -> Played:
    """Return the episode that is planned with the simulator under the task's own cost."""

    def made() -> Played:
        return planned(task, instance, Simulated(), settings, task.look, seed)

    return _kept(["simulator", asdict(settings)], task, instance, seed, made)


def random(task: Task, instance: Instance, seed: int) -> Played:
    """Return the episode of actions drawn evenly from what is allowed."""

    def made() -> Played:
        assert task.drive is not None
        rng = np.random.Generator(np.random.PCG64(seed))
        return acted(task, instance, rng.uniform(-1, 1, (task.decisions(instance), task.drive.size)))

    return _kept(["random"], task, instance, seed, made)


def still(task: Task, instance: Instance) -> Played:
    """Return the episode in which nothing is done."""

    def made() -> Played:
        assert task.drive is not None
        return acted(task, instance, np.zeros((task.decisions(instance), task.drive.size)))

    return _kept(["still"], task, instance, 0, made)


def _kept(how: list[object], task: Task, instance: Instance, seed: int, made: Callable[[], Played]) -> Played:
    assert task.drive is not None
    code = sorted({defined_in(f) for f in (task.instance, task.cost, task.success)})
    settled = [task.key, task.block_s, task.look, task.per_plan, task.worst, asdict(task.drive)]
    name = digest([how, settled, instance.digest, seed, source_digest(*CODE), *code])
    path = cache_folder() / "episodes" / name[:2] / f"{name}.npz"
    try:
        with np.load(path, allow_pickle=False) as packed:
            return Played(**{f.name: packed[f.name] for f in fields(Played)})
    except (OSError, EOFError, ValueError, KeyError, BadZipFile):
        pass  # absent or damaged: playing again is always right
    played = made()
    arrays: dict[str, NDArray[np.generic]] = {**played.to_arrays(), "seconds": played.seconds}
    keep(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]
    return played
