"""The energy score of a run: from the Tracks that measuring kept, over the replicates of each case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wmeval.measure.energy import MIN_REPLICATES, energy_score
from wmeval.probe import Probe
from wmeval.run.folder import Run
from wmeval.run.measure import on_grid
from wmeval.run.truths import truth_of
from wmeval.scene import Scene
from wmeval.stats import free_mean
from wmeval.tracks import Tracks
from wmeval.world import exact_tracks, frame_split

Record = Mapping[str, Any]


def energy(run: Run, probe: Probe, records: Sequence[Record]) -> dict[str, Any]:
    """Return {energy, energy_lo, energy_hi, energy_n, energy_reason} of one probe and tag, in body sizes.

    The energy is the mean over cases; null with the reason where a case has fewer than four replicates.
    A replicate that failed shows no body at all.
    """
    cases: dict[str, list[Record]] = {}
    for record in records:
        cases.setdefault(record["case_id"], []).append(record)
    fewest = min(map(len, cases.values()), default=0)
    told: dict[str, Any] = {"energy": None, "energy_lo": None, "energy_hi": None, "energy_n": 0}
    if fewest < MIN_REPLICATES:
        why = f"{MIN_REPLICATES} or more replicates of each case are needed and there are {fewest}"
        return {**told, "energy_reason": f"{why}; `--replicates {MIN_REPLICATES}` asks for them"}
    scores = np.array([_of_case(run, probe, rows) for rows in cases.values()])
    known = scores[np.isfinite(scores)]
    if not len(known):
        return {**told, "energy_reason": "no body is clearly in view or clearly hidden after the cut"}
    mean = free_mean(known)
    return {
        "energy": mean.mean,
        "energy_lo": mean.lo,
        "energy_hi": mean.hi,
        "energy_n": mean.n,
        "energy_reason": mean.reason,
    }


def _of_case(run: Run, probe: Probe, rows: Sequence[Record]) -> float:
    scenes = run.case(rows[0]).arms
    replicates, truths = [], {}
    for row in rows:
        shown = {}
        for arm, scene in scenes.items():
            blob = row["arms"].get(arm, {}).get("tracks")
            kept = run.store.get(blob) if blob else {}
            if "seen.times" in kept:
                shown[arm] = _tracks(run, scene, kept, "seen.")
            if kept and arm not in truths:
                truths[arm] = _tracks(run, scene, kept, "true.")
        replicates.append(shown)
    for arm, scene in scenes.items():
        if arm not in truths:  # every replicate failed before anything was kept
            times = np.concatenate(frame_split(scene, run.view, probe.horizon_s))
            truths[arm] = exact_tracks(truth_of(scene), run.view, times[on_grid(times)])
    return energy_score(replicates, truths, scenes)


def _tracks(run: Run, scene: Scene, kept: Mapping[str, Any], prefix: str) -> Tracks:
    arrays = {k.removeprefix(prefix): v for k, v in kept.items() if k.startswith(prefix)}
    return Tracks(names=scene.names, camera=scene.camera, view=run.view, **arrays)
