"""From episodes to rows: success with its interval, skill beside random and simulator, verdict of the 2 x 2.

Rows are compared on the same instances. Replicates of an instance are averaged first, since what is drawn at
random are instances; an episode that failed has not succeeded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.measure.plans import Cells, skill, verdict
from wmeval.run.instruments import failed
from wmeval.stats import wilson
from wmeval.task import Task

Record = Mapping[str, Any]
Floats = NDArray[np.float64]
MEANS = ("elite_regret", "optimism", "rank", "kendall", "calls")  # over episodes, of those that have them
UNPOSED = "no picture can tell this goal, so there is no distance to one"
SCALE = (("random", ""), ("still", ""), ("simulator", "state"))  # what skill is measured beside


def rows(task: Task, tag: str, records: Sequence[Record], *, posed: bool) -> list[dict[str, Any]]:
    """Return the rows of one task and tag, in the order of their arms' first records.

    Where no picture tells the goal (`posed` False) its two cells are there with the reason and no numbers.
    """
    of: dict[str, list[Record]] = defaultdict(list)
    for one in records:
        of[one["arm"]].append(one)
    success = {arm: _by_case(told) for arm, told in of.items()}
    out = [_row(task, tag, arm, told, success) for arm, told in of.items()]
    if not posed:
        budgets = dict.fromkeys(r["budget"] for r in out if r["budget"] is not None)
        for budget in budgets:
            out += [
                {**_empty(task, tag, (who, "goal", budget)), "reason": UNPOSED}
                for who in ("model", "simulator")
            ]
    return out


def _row(
    task: Task, tag: str, arm: str, records: Sequence[Record], success: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    dynamics, cost, written = arm.split("|")
    mine = success[arm]
    n = len(mine)
    told = wilson(sum(mine.values()), n)
    bad = list(dict.fromkeys(r["detail"] for r in records if failed(r)))
    good, asked = [r["control"] for r in records if "control" in r], len(_posed(records))
    decided = [r["seconds"]["decide"] for r in records if "decide" in r["seconds"]]
    random, oracle = success.get("random||", {}), success.get(f"simulator|state|{written}", {})
    made = _empty(task, tag, (dynamics, cost, int(written) if written else None))
    made |= {
        "n": n,
        "failed": sum(map(failed, records)),
        "success": told.mean,
        "lo": told.lo,
        "hi": told.hi,
        "any": _mean([c["any"] for c in good] + [0.0] * (asked - len(good))),
        "cost_reached": _mean([c["cost"] for c in good] + [task.worst] * (asked - len(good))),
        "random": _mean(list(random.values())),
        "oracle": _mean(list(oracle.values())),
        **{name: _mean([c.get(name) for c in good]) for name in MEANS},
        "seconds": _mean(decided),
        "reason": bad[0].splitlines()[0] if bad else told.reason,
    }
    if (dynamics, cost) not in SCALE:
        both = [k for k in mine if k in random and k in oracle]
        gained = skill(*([s[k] for k in both] for s in (mine, random, oracle)))
        known = bool(both) and np.isfinite(gained.mean)
        made |= {
            "skill": gained.mean if known else None,
            "skill_lo": gained.lo,
            "skill_hi": gained.hi,
            "reason": made["reason"] or gained.reason,
        }
    if dynamics == "model":
        made["verdict"] = verdict(_cells(success, written))
    return made


def _cells(success: Mapping[str, Mapping[str, float]], budget: str) -> Cells:
    """Return the four cells at a budget, on the instances that all of those there have."""
    names = [f"{who}|{cost}|{budget}" for who in ("simulator", "model") for cost in ("state", "goal")]
    there = [success[n] for n in names if success.get(n)]
    shared = [k for k in there[0] if all(k in s for s in there)] if there else []

    def cell(name: str) -> Floats | None:
        return np.array([success[name][k] for k in shared]) if success.get(name) else None

    return Cells(*(cell(n) for n in names))


def _by_case(records: Sequence[Record]) -> dict[str, float]:
    """Return the success at the end of each instance that could be posed, over its replicates."""
    of: dict[str, list[float]] = defaultdict(list)
    for one in _posed(records):
        of[one["case_id"]].append(one["control"]["success"] if "control" in one else 0.0)
    return {k: float(np.mean(v)) for k, v in of.items()}


def _posed(records: Sequence[Record]) -> list[Record]:
    """Return the records but those of instances that the task could not pose: no model lost by them."""
    return [r for r in records if not r.get("unposed")]


def _empty(task: Task, tag: str, arm: tuple[str, str, int | None]) -> dict[str, Any]:
    dynamics, cost, budget = arm
    return {
        "task": task.key, "protocol": "control", "tag": tag, "dynamics": dynamics, "cost": cost,
        "budget": budget, "n": 0, "failed": 0,
        **dict.fromkeys((
            "success", "lo", "hi", "any", "skill", "skill_lo", "skill_hi", "random", "oracle", "regret",
            "kendall", "auccess", "elite_regret", "optimism", "rank", "calls", "seconds", "cost_reached",
        )),
        "unit": task.unit, "verdict": "", "reason": "",
    }  # fmt: skip


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None
