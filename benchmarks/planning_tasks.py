"""What a planning task is worth asking: how often chance, doing nothing and a perfect model solve it.

python benchmarks/planning_tasks.py --random 100 --oracle 20 --choices 40 [TASK ...]

Random actions and none are played on the public instances; so is iCEM with the simulator and the task's own
cost. Choices are drawn from the development split: what is right there by chance, by doing nothing, by the
largest or the middle intervention, by what is nearest to the goal at the cut, by how often pushes like each
were right elsewhere, by the median or the mean direction of what is offered, and by the best place in the
list. Episodes are kept in the cache of truths.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wmeval.plan import ICEM
from wmeval.registry import entries, load_task
from wmeval.run import simulated
from wmeval.run.episode import Played
from wmeval.run.problems import instance
from wmeval.seeds import sample_seed, scene_rng
from wmeval.stats import bounded_mean, wilson
from wmeval.task import CLOCK_HZ, Instance, States, Task
from wmeval_probes.planning.shown import held, outcome

Floats = NDArray[np.float64]
SEEN = 0.02  # m, a third of a pixel: what costs differ by less look alike at the cut
WAYS = ("nothing", "the largest", "the middle", "nearest at the cut", "right elsewhere", "median push",
        "mean direction")  # fmt: skip


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
    """Print a row of what is right by chance and by each blind way to choose, in % with 95 % intervals."""
    assert task.choice is not None
    drawn = [task.choice(scene_rng("dev", task.key, tag, i), tag) for i in range(count)]
    good = np.array([[float(task.succeeded(outcome(c), c)[0]) for c in d.candidates] for d in drawn])
    sizes = np.array([d.sizes for d in drawn])
    ways: dict[str, Floats | None] = dict.fromkeys(WAYS)
    ways |= {
        "nothing": sizes,
        "the largest": -sizes,
        "the middle": np.abs(sizes - np.median(sizes, axis=1, keepdims=True)),
        "nearest at the cut": np.array(
            [[task.value(held(c), c) // SEEN for c in d.candidates] for d in drawn]
        ),
    }
    if all(c.scene.actuated for d in drawn for c in d.candidates):
        pushes = np.array([[push(c) for c in d.candidates] for d in drawn])
        ways |= {"right elsewhere": -usually(pushes, good), **central(pushes)}
    cells = [task.key, tag, str(count), f"{100 * good.mean():.0f}"]
    cells += ["-" if costs is None else _right(good, costs) for costs in ways.values()]
    print("| " + " | ".join([*cells, f"{100 * good.mean(axis=0).max():.0f}"]) + " |", flush=True)


def _right(good: Floats, costs: Floats) -> str:
    """Return how often what costs least is right; of what costs alike any is taken."""
    least = costs == costs.min(axis=1, keepdims=True)
    told = bounded_mean((good * least).sum(axis=1) / least.sum(axis=1), 0.0, 1.0)
    within = "" if told.lo is None or told.hi is None else f" [{100 * told.lo:.0f}, {100 * told.hi:.0f}]"
    return f"{100 * told.mean:.0f}{within}"


def central(pushes: Floats) -> dict[str, Floats]:
    """Return how far pushes (n, k, 2) are from the median of those offered, and from their mean direction."""
    size: Floats = np.hypot(pushes[..., 0], pushes[..., 1])
    acts = size > 0
    median = np.nanmedian(np.where(acts[..., None], pushes, np.nan), axis=1, keepdims=True)
    ways = pushes / np.maximum(size, 1e-9)[..., None]
    along = (ways * ways.sum(axis=1, keepdims=True)).sum(axis=-1)
    off = np.hypot(*np.moveaxis(pushes - median, -1, 0))
    return {"median push": np.where(acts, off, np.inf), "mean direction": np.where(acts, -along, np.inf)}


def push(candidate: Instance) -> tuple[float, float]:
    """Return the change of velocity (towards the middle of the picture, up) [m/s] that a candidate shows."""
    scene = candidate.scene
    assert scene.actuated is not None
    body, given = scene[scene.actuated], scene.pushes[0].impulse if scene.pushes else (0.0, 0.0, 0.0)
    side = -1.0 if body.position[0] > 0 else 1.0
    return side * given[0] / body.mass, given[2] / body.mass


def usually(pushes: Floats, good: Floats) -> Floats:
    """Return how often the 25 most alike pushes (n, k, 2) of all other choices were right (n, k)."""
    scale, flat = pushes.reshape(-1, 2).std(axis=0) + 1e-9, pushes.reshape(-1, 2)
    choice_of_push = np.repeat(np.arange(len(good)), good.shape[1])
    told = np.zeros(good.size)
    for i, one in enumerate(flat):
        off = (((flat - one) / scale) ** 2).sum(axis=1)
        off[choice_of_push == choice_of_push[i]] = np.inf
        told[i] = good.reshape(-1)[np.argsort(off)[:25]].mean()
    return told.reshape(good.shape)


def main() -> None:
    """Measure the tasks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tasks", nargs="*")
    parser.add_argument("--tag", help="only this one")
    parser.add_argument("--random", type=int, default=0, help="public instances played by chance")
    parser.add_argument("--oracle", type=int, default=0, help="public instances planned in the simulator")
    parser.add_argument("--choices", type=int, default=0, help="development choices")
    given = parser.parse_args()
    if given.choices:
        print("| " + " | ".join(("task", "tag", "n", "at random", *WAYS, "best place")) + " |")
    for name in given.tasks or entries("tasks"):
        task = load_task(name)
        for tag in [given.tag] if given.tag else task.tags:
            if task.drive:
                control(task, tag, given.random, given.oracle)
            if task.choice and given.choices:
                choose(task, tag, given.choices)


if __name__ == "__main__":
    main()
