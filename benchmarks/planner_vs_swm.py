"""Our planners against stable-worldmodel's on one model: `python benchmarks/planner_vs_swm.py [starts]`.

Both search the same random latent dynamics (a file made from a seed), from the same starts to the same goals,
with the same numbers of candidates, iterations, elites and the same spread. The other package lives in a
virtual environment of its own, made on the first call in the user's cache; torch is that of this environment
in both, on one thread. Printed are the cost of the plan that would be carried out (its mean of elites for the
other, the best plan that was evaluated for ours), the best cost that was evaluated, and seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

PACKAGE = "stable-worldmodel==0.1.1"
UNDECLARED = "opencv-python-headless"  # it is imported with the package, and no requirement of it
CANDIDATES, ITERATIONS, ELITES, LOOK, SPREAD = 64, 3, 10, 12, 0.5
LATENT, HIDDEN, AXES = 64, 256, 2
STARTS = 200
KINDS = {"committed": "carried out", "best": "tried"}


def write_model(path: Path, starts: int) -> None:
    """Write random dynamics, starts and goals; a goal is where some plan leads, so it can be reached."""
    rng = np.random.default_rng(0)
    model = {
        "first": rng.normal(0, 1 / np.sqrt(LATENT), (HIDDEN, LATENT)),
        "act": rng.normal(0, 1.0, (HIDDEN, AXES)),
        "second": rng.normal(0, 0.7 / np.sqrt(HIDDEN), (LATENT, HIDDEN)),
        "start": rng.normal(0, 1, (starts, LATENT)),
        "plan": np.clip(
            rng.normal(0, 0.6, (starts, 1, AXES)) + rng.normal(0, 0.3, (starts, LOOK, AXES)), -1, 1
        ),
    }
    np.savez(path, **{k: v.astype(np.float32) for k, v in model.items()})


class Model:
    """z' = z + B tanh(A z + C a); a plan costs the mean squared distance from where the goal's plan leads."""

    def __init__(self, path: Path) -> None:
        import torch

        torch.set_num_threads(1)
        with np.load(path, allow_pickle=False) as kept:
            self.of = {k: torch.from_numpy(kept[k]) for k in kept.files}
        self.goal = self.roll(self.of["start"], self.of["plan"])
        self.which, self.calls, self.best = 0, 0, np.inf

    def roll(self, z: Any, plans: Any) -> Any:
        """Return where plans (N, K, A) lead from latents (N, D); actions are clipped, whoever plans."""
        import torch

        for action in plans.clamp(-1, 1).unbind(1):
            z = z + torch.tanh(z @ self.of["first"].T + action @ self.of["act"].T) @ self.of["second"].T
        return z

    def begin(self, which: int) -> None:
        """Ask about another start from now on."""
        self.which, self.calls, self.best = which, 0, np.inf

    def cost(self, plans: Any) -> Any:
        """Return the costs (N,) of plans (N, K, A)."""
        import torch

        with torch.inference_mode():
            at = self.roll(self.of["start"][self.which].expand(len(plans), -1), plans)
            told = (at - self.goal[self.which]).square().mean(-1)
        self.calls += len(plans)
        self.best = min(self.best, float(told.min()))
        return told

    def get_cost(self, info: Any, candidates: Any) -> Any:
        """Return costs (1, N) of candidates (1, N, K, A), as the other package asks."""
        return self.cost(candidates[0])[None]


def ours(model: Model, name: str) -> Callable[[int], Any]:
    """Return our planner: which start -> the plan that it would carry out."""
    import torch

    from wmeval.plan import PLANNERS, search

    settings = PLANNERS[name]
    assert (settings.candidates, settings.iterations) == (CANDIDATES, ITERATIONS)
    assert (settings.elites, settings.look, settings.spread) == (ELITES, LOOK, SPREAD)

    def evaluate(plans: Any) -> Any:
        return model.cost(torch.from_numpy(plans.astype(np.float32))).numpy()

    def solve(which: int) -> Any:
        return torch.from_numpy(search(evaluate, settings, AXES, np.random.default_rng(which)).plan).float()

    return solve


def theirs(model: Model, name: str) -> Callable[[int], Any]:
    """Return the other package's planner; what it calls variance it multiplies noise with, as a spread."""
    from gymnasium.spaces import Box
    from stable_worldmodel import PlanConfig
    from stable_worldmodel.solver import CEMSolver

    def solve(which: int) -> Any:
        solver = CEMSolver(
            model, num_samples=CANDIDATES, var_scale=SPREAD, n_steps=ITERATIONS, topk=ELITES, seed=which
        )
        space = Box(-1.0, 1.0, (1, AXES), np.float32)
        solver.configure(action_space=space, n_envs=1, config=PlanConfig(LOOK, LOOK))
        return solver.solve({"z": model.of["start"][which][None]})["actions"][0]

    return solve


def measure(model: Model, solve: Callable[[int], Any]) -> dict[str, Any]:
    """Return costs and seconds of every start; the first solve warms up and is not timed."""
    rows: dict[str, Any] = {"committed": [], "best": [], "seconds": [], "calls": 0}
    solve(0)
    for which in range(len(model.goal)):
        model.begin(which)
        begun = time.perf_counter()
        plan = solve(which)
        rows["seconds"].append(time.perf_counter() - begun)
        rows["calls"], best = model.calls, model.best
        rows["committed"].append(float(model.cost(plan[None])[0]))
        rows["best"].append(best)
    return rows


def environment() -> Path:
    """Return the Python of an environment that has the other package, made now unless it is there."""
    from platformdirs import user_cache_path

    home = user_cache_path("wmeval") / "benchmarks" / PACKAGE.replace("==", "-")
    python = home / "bin" / "python"
    if not (home / "made").exists():
        print(f"making an environment for {PACKAGE} in {home}", file=sys.stderr)
        venv.create(home, with_pip=True, clear=True)
        site = next(home.glob("lib/python*/site-packages"))
        # Seen last, so that both planners run on one torch and the package's own needs come first.
        (site / "this.pth").write_text(sysconfig.get_path("purelib") + "\n")
        made = subprocess.run(
            [python, "-m", "pip", "install", "-q", PACKAGE, UNDECLARED],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            print(f"{PACKAGE} cannot be installed here:\n{made.stderr.strip()[-2000:]}", file=sys.stderr)
            raise SystemExit(3)
        (home / "made").touch()
    return python


def main(starts: int) -> None:
    """Print the table."""
    from platformdirs import user_cache_path

    path = user_cache_path("wmeval") / "benchmarks" / f"latent-{starts}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_model(path, starts)
    python = environment()
    rows = {}
    for name, interpreter in (("swm", python), ("cem", sys.executable), ("icem", sys.executable)):
        done = subprocess.run(
            [interpreter, __file__, "--worker", name, path], capture_output=True, text=True, check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        if done.returncode:
            print(f"{name} failed:\n{done.stderr.strip()[-2000:]}", file=sys.stderr)
            raise SystemExit(1)
        rows[name] = json.loads(done.stdout.strip().splitlines()[-1])
    model = Model(path)
    still = []
    for which in range(starts):
        model.begin(which)
        still.append(float(model.cost(model.of["plan"][which : which + 1] * 0)[0]))
    print(
        f"{starts} starts; {CANDIDATES} candidates x {ITERATIONS} iterations x {LOOK} steps, {ELITES} elites"
    )
    print(f"{'':22}{'carried out':>12}{'best tried':>12}{'plans':>7}{'ms':>8}")
    titles = {"swm": "stable-worldmodel CEM", "cem": "ours, CEM", "icem": "ours, iCEM"}
    for name, row in rows.items():
        cells = [np.mean(row["committed"]), np.mean(row["best"]), 1e3 * np.median(row["seconds"])]
        print(f"{titles[name]:22}{cells[0]:12.4f}{cells[1]:12.4f}{row['calls']:7d}{cells[2]:8.1f}")
    print(f"{'no action':22}{np.mean(still):12.4f}")
    for name in ("cem", "icem"):
        one, other = rows[name], rows["swm"]
        pace = np.median(one["seconds"]) / np.median(other["seconds"])
        costs = ", ".join(f"{ratio(one[k], other[k])} {said}" for k, said in KINDS.items())
        print(f"{titles[name]} / theirs: cost {costs}; time {pace:.2f}")


def ratio(one: list[float], other: list[float]) -> str:
    """Return the geometric mean of the ratios of costs of the same starts, with its 95 % interval."""
    from wmeval.stats import paired_difference

    told = paired_difference(np.log(one), np.log(other))
    ends = "" if told.lo is None or told.hi is None else f" ({np.exp(told.lo):.2f} to {np.exp(told.hi):.2f})"
    return f"{np.exp(told.mean):.2f}{ends}"


def work(name: str, path: Path) -> None:
    """Print the measurements of one planner as the last line."""
    model = Model(path)
    solve = theirs(model, name) if name == "swm" else ours(model, name)
    print(json.dumps(measure(model, solve)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], Path(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else STARTS)
