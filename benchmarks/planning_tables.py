"""The planning rows of runs as tables: what models choose, and the 2 x 2 of what they control."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wmeval.chance import holm, p_bounded
from wmeval.measure.choosing import judge
from wmeval.report.read import measured
from wmeval.run import Run

Question = tuple[str, str, str, str]  # model, task, tag, and what the choice is read from
Row = Mapping[str, Any]
ARMS = (("model", "state"), ("model", "goal"), ("simulator", "state"), ("simulator", "goal"), ("random", ""))
NULLS = ("freeze", "vanish", "blur")
HEAD_CHOOSE = ("task", "model", "read from", "success", "chance", *NULLS, "skill", "tau", "n")
HEAD_CONTROL = (
    "task", "model", "model, true cost", "model, goal picture", "simulator, true cost",
    "simulator, goal picture", "at random", "rank", "verdict",
)  # fmt: skip


def choices(runs: Mapping[str, Run]) -> list[list[str]]:
    """Return what each model of {name: run} chose, by task, beside what the nulls did.

    Bold is what chance does not explain when all rows are asked about at once (Holm).
    """
    results, beyond, table = {n: r.results for n, r in runs.items()}, _beyond_chance(runs), []
    for task, tag in _asked(results, "choose"):
        beside = [_f(_success(results.get(n), task, tag)) for n in NULLS]
        for name, told in results.items():
            for r in _rows(told, "choose", task, tag):
                if not r["n"] or name in NULLS:
                    continue
                skill = _between(r["skill"], r["skill_lo"], r["skill_hi"])
                skill = f"**{skill}**" if (name, task, tag, r["read"]) in beyond else skill
                table.append([
                    _title(task, tag), name, r["read"], _between(r["success"], r["lo"], r["hi"]),
                    _f(r["random"]), *beside, skill, _f(r["kendall"]), str(r["n"]),
                ])  # fmt: skip
    return table


def _beyond_chance(runs: Mapping[str, Run]) -> set[Question]:
    """Return (model, task, tag, read from) of choices that chance does not explain, corrected for all."""
    gains: dict[Question, list[tuple[float, float]]] = defaultdict(list)
    for name, run in runs.items():
        for r in measured(run) if name not in NULLS else ():
            if "choice" in r:
                predicted, true, good = (np.asarray(r["choice"][k]) for k in ("predicted", "true", "good"))
                chance = float(good.mean())
                gains[name, r["probe"], r["tag"], r["arm"]].append(
                    (judge(predicted, true, good).success - chance, chance)
                )
    tested = {k: np.array(v).T for k, v in gains.items()}
    found = [p_bounded(gain, -chance.max(), 1 - chance.min()) for gain, chance in tested.values()]
    corrected = zip(tested.items(), holm(found), strict=True)
    return {k for (k, (gain, _)), p in corrected if p is not None and p <= 0.05 and gain.mean() > 0}


def control(results: Mapping[str, Row]) -> list[list[str]]:
    """Return a row of success per task and model that controls: all arms, and what they say is at fault."""
    table = []
    for task, tag in _asked(results, "control"):
        for name, told in results.items():
            arms = {(r["dynamics"], r["cost"]): r for r in _rows(told, "control", task, tag)}
            own = arms.get(("model", "state"))
            if own is None or not own["n"]:
                continue
            cells = [_arm(arms.get(k)) for k in ARMS]
            told_of = (_f(own["rank"]), _verdict(own["verdict"]))
            table.append([_title(task, tag), name, *cells, *told_of])
    return table


def _asked(results: Mapping[str, Row], protocol: str) -> list[tuple[str, str]]:
    every = (r for told in results.values() for r in told["planning"] if r["protocol"] == protocol)
    return list(dict.fromkeys((r["task"], r["tag"]) for r in every))


def _rows(told: Row, protocol: str, task: str, tag: str) -> Sequence[Row]:
    rows: Sequence[Row] = told["planning"]
    return [r for r in rows if (r["protocol"], r["task"], r["tag"]) == (protocol, task, tag)
            and (protocol == "control" or (r["dynamics"], r["cost"]) == ("model", "state"))]  # fmt: skip


def _success(told: Row | None, task: str, tag: str) -> float | None:
    row = next(iter(_rows(told, "choose", task, tag)), None) if told else None
    return None if row is None else row["success"]


def _arm(row: Row | None) -> str:
    if row is None or not row["n"]:
        return "–"
    return _between(row["success"], row["lo"], row["hi"])


def _verdict(words: str) -> str:
    """Return the verdict without its numbers, which stand beside it.

    >>> _verdict("bad model: success changes by -88 % (-100 to -16) in the simulator's place; bad cost: x")
    'bad model, bad cost'
    """
    return ", ".join(part.strip().partition(":")[0] for part in words.split(";")) or "–"


def _title(task: str, tag: str) -> str:
    return task if tag == "iid" else f"{task}, {tag}"


def _between(value: float | None, lo: float | None, hi: float | None) -> str:
    return _f(value) if lo is None or hi is None else f"{_f(value)} ({_f(lo)} to {_f(hi)})"


def _f(value: float | None) -> str:
    return "–" if value is None else format(value, ".2f")
