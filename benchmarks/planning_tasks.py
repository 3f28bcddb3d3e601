"""What a planning task is worth asking: how often chance, doing nothing and a perfect model solve it.

python benchmarks/planning_tasks.py --random 100 --oracle 20 --choices 40 [TASK ...]

Random actions and none are played on the public instances; so is iCEM with the simulator and the task's own
cost. Choices are drawn from the development split: what picking at random, doing nothing, the largest
intervention and each place in the list succeed at. Episodes are kept in the cache of truths.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from wmeval.plan import ICEM
from wmeval.registry import entries, load_task
from wmeval.run import simulated
from wmeval.run.episode import Played
from wmeval.run.problems import instance
from wmeval.seeds import sample_seed, scene_rng
from wmeval.stats import wilson
from wmeval.task import CLOCK_HZ, Instance, States, Task
from wmeval_probes.planning.shown import outcome


def rate(values: list[bool]) -> str:
    """Return a share in % with its 95 % interval and n."""
    if not values:
        return "not measured"
    told = wilson(sum(values), len(values))
    within = "" if told.lo is None or told.hi is None else f" [{100 * told.lo:.0f}, {100 * told.hi:.0f}]"
    return f"{100 * np.mean(values):.0f} %{within} n={len(values)}"


def solved(
    task: Task, tag: str, count: int, play: Callable[[Task, Instance, int], Played]
) -> tuple[list[bool], list[float]]:
    """Return of the public instances which were solved at the end, and the cost at the end [m]."""
    ends, costs = [], []
    for i in range(count):
        made = instance(task, tag, i)
        done = play(task, made, sample_seed(0, task.key, made.digest, 0))
        times = made.scene.cut_s + np.arange(1, len(done.position) + 1) / CLOCK_HZ
        states = States(made.scene.names, times, done.position)
        ends.append(bool(task.succeeded(states, made)[0]))
        costs.append(float(task.value(states, made)))
    return ends, costs


def control(task: Task, tag: str, chance: int, oracle: int) -> None:
    """Print what chance, nothing and the simulator solve."""
    for name, count, play in (
        ("random", chance, simulated.random),
        ("still", min(chance, 20), lambda t, i, s: simulated.still(t, i)),
        ("oracle", oracle, lambda t, i, s: simulated.simulator(t, i, ICEM, s)),
    ):
        if count:
            ends, costs = solved(task, tag, count, play)
            print(f"{task.key} {tag} control {name}: {rate(ends)}, cost {np.median(costs):.2f} m", flush=True)


def choose(task: Task, tag: str, count: int) -> None:
    """Print what blind ways to choose succeed at."""
    assert task.choice is not None
    good, sizes = [], []
    for i in range(count):
        drawn = task.choice(scene_rng("dev", task.key, tag, i), tag)
        good.append([bool(task.succeeded(outcome(c), c)[0]) for c in drawn.candidates])
        sizes.append(drawn.sizes)
    ways = {
        "nothing": [g[int(np.argmin(s))] for g, s in zip(good, sizes, strict=True)],
        "largest": [g[int(np.argmax(s))] for g, s in zip(good, sizes, strict=True)],
        **{f"place {k}": [g[k] for g in good] for k in range(len(good[0]))},
    }
    chance = float(np.mean([np.mean(g) for g in good]))
    counts = np.bincount([sum(g) for g in good])
    print(f"{task.key} {tag} choose at random: {100 * chance:.0f} %; choices with 0, 1, ... right: {counts}")
    for name, values in ways.items():
        print(f"{task.key} {tag} choose {name}: {rate(values)}", flush=True)


def main() -> None:
    """Measure the tasks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tasks", nargs="*")
    parser.add_argument("--tag", help="only this one")
    parser.add_argument("--random", type=int, default=0, help="public instances played by chance")
    parser.add_argument("--oracle", type=int, default=0, help="public instances planned in the simulator")
    parser.add_argument("--choices", type=int, default=0, help="development choices")
    given = parser.parse_args()
    for name in given.tasks or entries("tasks"):
        task = load_task(name)
        for tag in [given.tag] if given.tag else task.tags:
            if task.drive:
                control(task, tag, given.random, given.oracle)
            if task.choice and given.choices:
                choose(task, tag, given.choices)


if __name__ == "__main__":
    main()
