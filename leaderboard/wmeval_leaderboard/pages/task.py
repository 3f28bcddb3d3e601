"""A task's page: what is to be reached and by what means, how models stand, and where planning fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine

from wmeval.task import Drive, Task
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.board import detail, known
from wmeval_leaderboard.board.entry import Entry, best_first
from wmeval_leaderboard.board.snapshot import Snapshot
from wmeval_leaderboard.database import reading
from wmeval_leaderboard.pages.links import Links
from wmeval_leaderboard.pages.render import render
from wmeval_leaderboard.pages.stills import stills

MOST = 18  # samples that a page shows
POSITIONS = ("drawn", "best", "median", "worst")
WAYS = {"choose": "How models choose", "control": "How models control"}
# dynamics and cost of control, best informed first: where success falls says what is at fault
GRID = {
    ("simulator", "state"): "simulator, true cost",
    ("simulator", "goal"): "simulator, picture of the goal",
    ("model", "state"): "model, true cost",
    ("model", "goal"): "model, picture of the goal",
    ("random", ""): "at random",
}  # fmt: skip

Row = Mapping[str, Any]


def page(snapshot: Snapshot, engine: Engine, blobs: Blobs, links: Links, key: str) -> str:
    """Return the page of the task name@version.

    Raises:
        NotHere: nobody was asked it.
    """
    keys = asked(snapshot)
    if key not in keys:
        raise known.not_here("task", key, keys)
    with reading(engine) as session:
        shots = detail.shots(session, probe=key)
    shots.sort(key=lambda s: (POSITIONS.index(s.position) if s.position in POSITIONS else 9, s.model_name))
    task = known.task(key)
    return render(
        "task.html.j2",
        links,
        here="probes",
        key=key,
        task=task,
        action=_action(task.drive) if task and task.drive else "",
        timing=_timing(task) if task else [],
        standings=_standings(snapshot, links, key),
        heads=list(GRID.values()),
        grids=_grids(snapshot, links, key),
        stills=stills(shots[:MOST], blobs),
    )


def asked(snapshot: Snapshot) -> list[str]:
    """Return the tasks that any standing entry was asked, in the order of the suites."""
    found = {str(row["task"]) for e in snapshot.entries if e.standing for row in e.plans}
    return known.ordered(found, dict.fromkeys(s.suite for s in snapshot.seasons), "tasks")


def _action(drive: Drive) -> str:
    """Return what an agent may do.

    >>> _action(Drive("impulse", ("x", "z"), 2.0))
    'an impulse along x and z, of at most 2 m/s each'
    """
    unit = "m/s" if drive.kind == "impulse" else "m/s²"
    each = " each" if drive.size > 1 else ""
    a = "an impulse" if drive.kind == "impulse" else "a force"
    return f"{a} along {' and '.join(drive.axes)}, of at most {drive.most:g} {unit}{each}"


def _timing(task: Task) -> list[tuple[str, str]]:
    held = ("held for", f"{task.dwell_s:g} s: only then it is reached")
    if task.drive is None:
        return [held]
    look = f"{task.look} decisions of {task.block_s:g} s ahead; plans again after {task.per_plan}"
    return [held, ("a planner looks", look)]


def _standings(snapshot: Snapshot, links: Links, key: str) -> list[dict[str, Any]]:
    """Return the strips of all models by protocol and tag, best first in each class."""
    out = []
    for season in snapshot.seasons:
        entries = [e for e in snapshot.standing(season.name) if not e.reference]
        found = [(e, row) for e in entries for row in _own(e, key)]
        for way, tag in sorted({(str(r["protocol"]), str(r["tag"])) for _, r in found}):
            for classes in sorted({e.classes for e, _ in found}):
                rows = [
                    _strip(links, e, row)
                    for e, row in found
                    if (row["protocol"], row["tag"]) == (way, tag) and e.classes == classes
                ]
                if rows:
                    rows.sort(key=lambda r: -(r["score"]["skill"] or 0.0))
                    title = f"{WAYS.get(way, way)}{'' if tag == 'iid' else f', {tag}'}"
                    out.append({"season": season.name, "title": title, "classes": classes, "rows": rows})
    return out


def _own(entry: Entry, key: str) -> list[Row]:
    """Return an entry's rows of its own prediction on the true cost: of each reading the one that stands."""
    rows = [r for r in entry.plans if (r["task"], r["dynamics"], r["cost"]) == (key, "model", "state")]
    best: dict[tuple[Any, ...], Row] = {}
    for row in best_first(rows):
        best.setdefault((row["protocol"], row["tag"], row.get("read")), row)
    return list(best.values())


def _strip(links: Links, entry: Entry, row: Row) -> dict[str, Any]:
    score = {"skill": row["skill"], "lo": row["skill_lo"], "hi": row["skill_hi"],
             "reason": row.get("reason", ""), "rows": {}}  # fmt: skip
    read = f", {row['read']}" if row.get("read") else ""
    budget = f", {row['budget']} plans a round" if row["budget"] else ""
    return {"name": entry.name, "under": f"{row['tier']}{read}{budget}",
            "href": links.to("models", entry.model), "score": score}  # fmt: skip


def _grids(snapshot: Snapshot, links: Links, key: str) -> list[dict[str, Any]]:
    """Return of each model that controls the success of every pair of dynamics and cost, and the verdict."""
    out = []
    for season in snapshot.seasons:
        for entry in snapshot.standing(season.name):
            rows = [r for r in entry.plans if r["task"] == key and r["protocol"] == "control"]
            for tag in sorted({str(r["tag"]) for r in rows}):
                told = [_standing_row(rows, tag, dynamics, cost) for dynamics, cost in GRID]
                own = _standing_row(rows, tag, "model", "state")
                if own is not None:
                    out.append({
                        "season": season.name, "name": entry.name, "tag": tag, "cells": told,
                        "href": links.to("models", entry.model), "verdict": own.get("verdict", ""),
                    })  # fmt: skip
    return out


def _standing_row(rows: Sequence[Row], tag: str, dynamics: str, cost: str) -> Row | None:
    """Return the row of one arm that stands, of those that have a number."""
    of = [r for r in rows if (r["tag"], r["dynamics"], r["cost"] or "") == (tag, dynamics, cost)
          and r["success"] is not None]  # fmt: skip
    return next(iter(best_first(of)), None)
