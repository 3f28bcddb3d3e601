"""What disturbs an instrument, and what else it sees.

Disturbances carry no physics: clean truths under them must raise no alarm, and the violation that must be
seen must still be seen. Slight faults of other laws (organisms) tell what a probe answers to besides its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wmeval.anchor import Anchor
from wmeval.calibration import Job, Row, Told, auroc, run_jobs
from wmeval.disturb import DISTURBANCES
from wmeval.organisms import ORGANISMS
from wmeval.probe import Probe


def slight() -> tuple[str, ...]:
    """Return every organism at its slight strength, by name."""
    return tuple(o.at(o.slight).name for o in ORGANISMS.values())


def stress(
    probe: Probe, anchor: Anchor, first: int, n: int, workers: int = 1, progress: Told | None = None
) -> Mapping[str, Any]:
    """Return {"n", "strength", "disturbed": [...], "cross": {organism: share seen}} of a probe.

    It is made on development scenes `first` to `first` + n, which made no part of the anchor. A row of
    "disturbed" is {"name", "amount", "unit", "false_alarms", "auroc", "detected"}, at the violation that must
    be seen (a probe that states none is tried at its middle strength).
    """
    strength = (
        probe.must_see if probe.must_see is not None else sorted(probe.strengths)[len(probe.strengths) // 2]
    )
    jobs = [
        Job("dev", anchor.tag, first + i, anchor.view, ("oracle", *slight()), (), strength) for i in range(n)
    ]
    rows: list[Row] = []
    for row in run_jobs(probe, jobs, workers):
        rows.append(row)
        if progress is not None:
            progress(len(rows), n)
    return {
        "n": n,
        "strength": strength,
        "disturbed": [
            {"name": d.name, "amount": amount, "unit": d.unit, **_told(rows, f"{d.name} {amount:g}", anchor)}
            for d in DISTURBANCES.values()
            for amount in d.strengths
        ],
        "cross": {name: _share(rows, name, anchor) for name in slight()},
    }


def _told(rows: Sequence[Row], name: str, anchor: Anchor) -> dict[str, float]:
    clean, broken = ([r[key][0] for r in rows] for key in (name, f"{name} violated"))
    return {
        "false_alarms": _share(rows, name, anchor),
        "detected": _share(rows, f"{name} violated", anchor),
        "auroc": auroc(broken, clean),
    }


def _share(rows: Sequence[Row], name: str, anchor: Anchor) -> float:
    return float(np.mean([r[name][0] > anchor.alarm_above for r in rows]))
