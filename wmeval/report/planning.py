"""What a page and a terminal say of planning: choices against chance, the 2 x 2 of control, its budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wmeval.report import plots, words

Row = Mapping[str, Any]
CHOICE = (
    "task", "tag", "read from", "success", "95 %", "random", "best", "skill", "95 % of it", "regret",
    "Kendall tau", "AUCCESS", "at random", "nothing", "largest", "told", "n", "failed",
)  # fmt: skip
CONTROL = (
    "task", "tag", "dynamics", "cost", "budget", "success", "95 %", "any time", "skill", "95 % of it",
    "elite regret", "optimism", "rank", "calls", "s a decision", "n", "failed",
)  # fmt: skip
BESIDE = {"at random", "told", "best", "any time", "calls"}  # too much for a terminal
TEXT = {"task", "tag", "read from", "dynamics", "cost"}
WHO = {"model": "the model", "simulator": "the simulator", "random": "random actions", "still": "no action"}
HOW = {"state": "the true cost", "goal": "distance to a picture of the goal"}
SIDES = (("model", "state"), ("simulator", "state"), ("model", "goal"), ("simulator", "goal"))


def tables(results: Row) -> list[dict[str, Any]]:
    """Return {title, columns, rows, notes} of each protocol that was asked."""
    rows = results.get("planning") or []
    chosen = [r for r in rows if r["protocol"] == "choose"]
    played = [r for r in rows if r["protocol"] == "control"]
    made = []
    if chosen:
        cells = [_choice(r) for r in chosen]
        made.append({"title": "Choose", "columns": CHOICE, "rows": cells, "notes": _notes(chosen)})
    if played:
        cells = [_episodes(r) for r in played]
        made.append({"title": "Control", "columns": CONTROL, "rows": cells, "notes": _notes(played)})
    return made


def lead(results: Row) -> str:
    """Return the sentences that open a report on planning alone."""
    rows, name = results["planning"], results["model"]["name"]
    tasks = len({r["task"] for r in rows})
    told = [f"{name} was asked to plan in {tasks} task{'s' * (tasks != 1)} of {results['suite']}."]
    for protocol, does in (("choose", "chooses"), ("control", "acts")):
        asked = [r for r in rows if r["protocol"] == protocol and r["dynamics"] == "model"]
        known = [r for r in asked if r["skill_lo"] is not None]
        if not known:
            if asked:
                told.append(f"There is too little to say whether it {does} better than at random.")
            continue
        above = list(dict.fromkeys(_name(r) for r in known if r["skill_lo"] > 0))
        one_by_one = ", each taken by itself" if len({_name(r) for r in known}) > 1 else ""
        told.append(
            f"It {does} better than at random in {', '.join(above)}{one_by_one}."
            if above
            else f"That it {does} better than at random is not shown in any."
        )
    return " ".join(told)


def sections(results: Row, summaries: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return one section a task, each with its choices, its 2 x 2 and its budget curves."""
    rows = results.get("planning") or []
    return [
        {
            "key": key,
            "summary": summaries.get(key, ""),
            "choices": [_strip(r) for r in rows if (r["task"], r["protocol"]) == (key, "choose")],
            "grids": _grids([r for r in rows if (r["task"], r["protocol"]) == (key, "control")]),
        }
        for key in dict.fromkeys(r["task"] for r in rows)
    ]


def _strip(row: Row) -> dict[str, Any]:
    """Return a choice as the strip of its skill, with the defaults that know nothing as marks."""
    over = (row["oracle"] or 0.0) - (row["random"] or 0.0)
    marks = {}
    for name, told in row["rows"].items():
        if over > 0:
            marks[NAMES[name]] = {"skill": (told["success"] - row["random"]) / over}
    score = {"skill": row["skill"], "lo": row["skill_lo"], "hi": row["skill_hi"], "rows": marks}
    facts = [
        ("success", f"{words.percent(row['success'])} ({_between(row)})"),
        ("at random", words.percent(row["random"])),
        ("regret", f"{words.number(row['regret'], 2)}, at random 1"),
        ("Kendall tau", words.number(row["kendall"], 2)),
        ("AUCCESS", f"{words.number(row['auccess'], 2)}, at random {words.number(row['auccess_random'], 2)}"),
        *((NAMES[k], words.percent(v["success"])) for k, v in row["rows"].items()),
    ]
    return {
        "label": f"from {row['read']}", "tag": row["tag"],
        "plot": plots.interval({**score, "reason": row["reason"]}),
        "skill": words.number(row["skill"], 2), "interval": words.interval(score), "facts": facts,
        "verdict": row["verdict"], "n": row["n"], "failed": row["failed"], "reason": row["reason"],
    }  # fmt: skip


NAMES = {"still": "doing nothing", "largest": "the largest"}


def _grids(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the 2 x 2 at the largest budget, with what knows nothing beside, and the curve over budgets."""
    made = []
    for tag in dict.fromkeys(r["tag"] for r in rows):
        mine = [r for r in rows if r["tag"] == tag]
        budgets = sorted({r["budget"] for r in mine if r["budget"] is not None})
        if not budgets:
            continue
        cells = {(r["dynamics"], r["cost"]): r for r in mine if r["budget"] in (budgets[-1], None)}
        grid = [
            (WHO[who].capitalize(), [_cell(cells.get((who, how))) for how in HOW])
            for who in ("simulator", "model")
        ]
        idle = [who for who in ("random", "still") if (who, "") in cells]
        beside = [(WHO[who].capitalize(), _cell(cells[who, ""])) for who in idle]
        own = cells.get(("model", "state")) or {}
        facts = [
            ("elite regret", words.number(own.get("elite_regret"), 2)),
            ("optimism", words.number(own.get("optimism"), 2)),
            ("rank correlation", words.number(own.get("rank"), 2)),
            ("plans tried a decision", words.number(own.get("calls"))),
            ("a decision", f"{words.number(own.get('seconds'), 2)} s"),
        ]
        made.append({
            "tag": tag, "budget": budgets[-1], "grid": grid, "beside": beside, "heads": list(HOW.values()),
            "verdict": own.get("verdict", ""), "facts": [f for f in facts if not f[1].startswith(words.NONE)],
            "curve": _curve(mine, budgets), "unit": own.get("unit", ""),
        })  # fmt: skip
    return made


def _cell(row: Row | None) -> dict[str, Any]:
    if row is None or row["success"] is None or not row["n"]:
        return {"share": None, "text": words.NONE, "small": (row or {}).get("reason", "") or "not asked"}
    return {
        "share": round(100 * float(row["success"]), 1), "text": words.percent(row["success"]),
        "small": f"{_between(row)}, n {row['n']}" if row["lo"] is not None else f"n {row['n']}",
    }  # fmt: skip


def _curve(rows: Sequence[Row], budgets: Sequence[int]) -> dict[str, Any] | None:
    """Return success over the budget of the planner, with intervals for the model under the true cost."""
    if len(budgets) < 2:
        return None
    at = {(r["dynamics"], r["cost"], r["budget"]): r for r in rows}
    nothing = np.full(len(budgets), np.nan)

    def values(who: str, how: str, key: str) -> Any:
        found = [(at.get((who, how, b)) or {}).get(key) for b in budgets]
        return np.array([np.nan if v is None else v for v in found], dtype=np.float64)

    bands = {}
    for who, how in reversed(SIDES):
        middle = values(who, how, "success")
        if np.isfinite(middle).any():
            band = (who, how) == ("model", "state")
            low, high = (values(who, how, k) if band else nothing for k in ("lo", "hi"))
            bands[f"{who} {how}"] = (low, middle, high)
    times = np.log2(np.array(budgets, dtype=np.float64))
    span = float(times[-1] - times[0])
    told = f"Success over budgets of {', '.join(map(str, budgets))} candidates a round"
    level = (at.get(("random", "", None)) or {}).get("success")
    return {
        "plot": plots.curve(times, bands, top=1.0, words=told, level=level),
        "ticks": [
            {"at": round(100 * (t - times[0]) / span, 2), "text": str(b)}
            for t, b in zip(times, budgets, strict=True)
        ],
        "key": [(f"{who} {how}", f"{WHO[who]}, {HOW[how]}") for who, how in SIDES if f"{who} {how}" in bands],
        "level": level is not None,
    }  # fmt: skip


def _choice(r: Row) -> list[str]:
    nothing, largest = (words.percent(r["rows"].get(k, {}).get("success")) for k in ("still", "largest"))
    return [
        r["task"], r["tag"], r["read"], words.percent(r["success"]), _between(r), words.percent(r["random"]),
        words.percent(r["oracle"]), words.number(r["skill"], 2), _between_skill(r),
        words.number(r["regret"], 2), words.number(r["kendall"], 2), words.number(r["auccess"], 2),
        words.number(r["auccess_random"], 2), nothing, largest, words.percent(r["found"]), str(r["n"]),
        str(r["failed"]),
    ]  # fmt: skip


def _episodes(r: Row) -> list[str]:
    return [
        r["task"], r["tag"], r["dynamics"], r["cost"] or words.NONE, words.number(r["budget"]),
        words.percent(r["success"]), _between(r), words.percent(r["any"]), words.number(r["skill"], 2),
        _between_skill(r), words.number(r["elite_regret"], 2), words.number(r["optimism"], 2),
        words.number(r["rank"], 2), words.number(r["calls"]), words.number(r["seconds"], 2), str(r["n"]),
        str(r["failed"]),
    ]  # fmt: skip


def _notes(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Return what is to be said of rows, each sentence once, with what it holds for."""
    told: dict[str, list[str]] = {}
    for row in rows:
        for sentence in (row["verdict"], row["reason"]):
            if sentence:
                told.setdefault(sentence, []).append(_name(row))
    return [(", ".join(dict.fromkeys(names)), sentence) for sentence, names in told.items()]


def _name(row: Row) -> str:
    extra = [row["tag"]] if row["tag"] != "iid" else []
    extra += [str(row["read"])] if row.get("read") == "latents" else []
    name = str(row["task"]).partition("@")[0]
    return f"{name} ({', '.join(extra)})" if extra else name


def _between(row: Row) -> str:
    if row["lo"] is None:
        return words.NONE
    return f"{100 * row['lo']:.0f} to {100 * row['hi']:.0f}"


def _between_skill(row: Row) -> str:
    return words.interval({"lo": row["skill_lo"], "hi": row["skill_hi"]})
