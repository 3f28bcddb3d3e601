"""A probe's page: what it asks, whether its instrument can be trusted, how models stand, what they made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from sqlalchemy import Engine

from wmeval import registry
from wmeval.report import plots
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.board import detail, known
from wmeval_leaderboard.board.entry import Entry, Key
from wmeval_leaderboard.board.snapshot import Snapshot
from wmeval_leaderboard.database import reading
from wmeval_leaderboard.pages import task
from wmeval_leaderboard.pages.links import Links
from wmeval_leaderboard.pages.render import render
from wmeval_leaderboard.pages.sample import player
from wmeval_leaderboard.pages.stills import stills

MOST = 24  # samples that a page shows
POSITIONS = ("drawn", "best", "median", "worst")


def index(snapshot: Snapshot, links: Links) -> str:
    """Return the page that lists all probes and tasks that anyone was asked."""
    told = [(key, known.probe(key), _calibration(_suites(snapshot), key)) for key in asked(snapshot)]
    tasks = [(key, known.task(key)) for key in task.asked(snapshot)]
    return render("probes.html.j2", links, here="probes", probes=told, tasks=tasks)


def page(snapshot: Snapshot, engine: Engine, blobs: Blobs, links: Links, key: str) -> str:
    """Return the page of the probe name@version.

    Raises:
        NotHere: nobody was asked it.
    """
    keys = asked(snapshot)
    if key not in keys:
        raise known.not_here("probe", key, keys)
    with reading(engine) as session:
        shots = detail.shots(session, probe=key)
    shots.sort(key=lambda s: (POSITIONS.index(s.position) if s.position in POSITIONS else 9, s.tag != "iid"))
    first = next((s for s in shots if s.instrument == "rollout" and "data" in s.media), None)
    other = next(iter(detail.same_case(shots, first)), None) if first else None
    calibration = _calibration(_suites(snapshot), key)
    return render(
        "probe.html.j2",
        links,
        here="probes",
        key=key,
        probe=known.probe(key),
        calibration=calibration,
        curve=_curve(calibration) if calibration else None,
        standings=_standings(snapshot, links, key),
        first=first,
        other=other,
        player=player(links, blobs, first, other) if first else None,
        stills=stills(shots[:MOST], blobs),
    )


def asked(snapshot: Snapshot) -> list[str]:
    """Return the probes that any standing entry was asked, in the order of the suites."""
    found = {k[1] for e in snapshot.entries if e.standing for k in e.cells if k[0] == "scores"}
    return known.ordered(found, _suites(snapshot), "probes")


def _suites(snapshot: Snapshot) -> tuple[str, ...]:
    return tuple(dict.fromkeys(s.suite for s in snapshot.seasons))


def _standings(snapshot: Snapshot, links: Links, key: str) -> list[dict[str, Any]]:
    """Return the strips of all models by how they were asked, on iid scenes, best first in each class."""
    out = []
    for season in snapshot.seasons:
        entries = snapshot.standing(season.name)
        for way in sorted({k[2] for e in entries for k in e.cells if k[1] == key and k[0] == "scores"}):
            one: Key = ("scores", key, way, "iid")
            for classes in sorted({e.classes for e in entries if not e.reference}):
                rows = [_row(snapshot, links, e, one) for e in entries
                        if e.classes == classes and not e.reference and one in e.cells]  # fmt: skip
                if rows:
                    rows.sort(key=lambda r: -(r["score"]["skill"] or 0.0))
                    out.append({"season": season.name, "asked": way, "classes": classes, "rows": rows})
    return out


def _row(snapshot: Snapshot, links: Links, entry: Entry, key: Key) -> dict[str, Any]:
    cell = entry.cells[key]
    score = {"skill": cell.value, "lo": cell.lo, "hi": cell.hi, "reason": cell.reason,
             "rows": snapshot.references.get(key, {})}  # fmt: skip
    return {"name": entry.name, "under": cell.tier, "href": links.to("models", entry.model), "score": score}


@cache
def _calibration(suites: tuple[str, ...], key: str) -> dict[str, Any] | None:
    """Return the stored calibration of a probe on iid scenes, of the first suite and View that has one."""
    # a probe of one version is calibrated alike in every suite that has it
    others = [registry.load_suite(name).key for name in registry.entries("suites")]
    for name in dict.fromkeys((*suites, *others)):
        suite = known.suite(name)
        if suite is None or suite.anchors is None:
            continue
        for file in sorted(suite.anchors.iterdir(), key=lambda f: f.name):
            if file.name.endswith(".json"):
                for told in _calibrations(json.loads(file.read_text(encoding="utf-8"))):
                    if told["anchor"]["probe"] == key and told["anchor"]["tag"] == "iid":
                        return dict(told)
    return None


def _calibrations(told: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = told.get("calibrations", ())
    return found


def _curve(told: Mapping[str, Any]) -> Any:
    """Return the share of violated truths that the instrument sees, over the strength of the violation."""
    if len(told["curve"]) < 2:
        return None
    strengths = np.array([g["strength"] for g in told["curve"]], dtype=np.float64)
    seen = np.array([g["detected"] for g in told["curve"]], dtype=np.float64)
    nothing = np.full(len(seen), np.nan)
    ends = [f"{share:.0%} at {strength:g}" for share, strength in zip(seen, strengths, strict=True)]
    said = f"Share of violations seen, from {ends[0]} to {ends[-1]}"
    return plots.curve(strengths, {"model": (nothing, seen, nothing)}, top=1.0, words=said, level=0.8)
