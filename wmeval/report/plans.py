"""From the record of a planning problem to what a page shows: what came of it beside what was foreseen."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from wmeval.report import words
from wmeval.report.sample import Frames, Motion, Sample
from wmeval.run.folder import Run

SEEN = 0.25  # share of a body in view from which perception must find it


def kept_apart(record: Mapping[str, Any]) -> bool:
    """Return whether a page shows nothing of a record: episodes that the model had no part in."""
    return record["instrument"] == "control" and not record["arm"].startswith("model|state")


def planned(run: Run, record: Mapping[str, Any], reproduce: str) -> Sample:
    """Return what a page shows of a choice or an episode."""
    ok = record["status"] == "ok"
    made = Sample(
        probe=record["probe"], instrument=record["instrument"], tag=record["tag"], case_id=record["case_id"],
        replicate=record["replicate"], arm=record["arm"], error=float(record["error"]), event=1.0,
        status="ok" if ok else f"{record['status']}: {record['detail']}", reproduce=reproduce,
    )  # fmt: skip
    if "choice" in record:
        return _chosen(run, record, made)
    return _episode(run, record, made) if record.get("control") else made


def _chosen(run: Run, record: Mapping[str, Any], made: Sample) -> Sample:
    from dataclasses import replace

    told = record["choice"]
    predicted, true = np.array(told["predicted"]), np.array(told["true"])
    ties = int((predicted == predicted.min()).sum())
    pick, best = int(predicted.argmin()), int(true.argmin())
    evidence: dict[str, Any] = {
        "picked": f"{pick + 1} of {len(true)}" + (f" ({ties} foreseen alike)" if ties > 1 else ""),
        "cost foreseen": words.number(float(predicted[pick])),
        "cost in truth": words.number(float(true[pick])),
        "least cost in truth": f"{words.number(float(true[best]))}, by {best + 1}",
        "reaches the goal": bool(told["good"][pick]),
    }
    scene = run.case(record).arms[str(pick)]
    return replace(
        made, caption=scene.caption, evidence=evidence, motion=_choice_motion(run, record, str(pick))
    )


def _choice_motion(run: Run, record: Mapping[str, Any], arm: str) -> Motion | None:
    clips = run.clips(record, arm)
    if clips.predicted is None or clips.tracks is None:
        return None
    count = min(len(clips.tracks.times), len(clips.true_tracks.times))
    return Motion(
        fps=clips.fps, cut=clips.cut, times=clips.tracks.times[:count],
        true_path=clips.true_tracks.pixel[:count], true_seen=clips.true_tracks.visible[:count] >= SEEN,
        predicted_path=np.where(clips.tracks.found[:count, :, None], clips.tracks.pixel[:count], np.nan),
        hues=clips.hues, height=run.view.height, videos=partial(_choice_videos, run, record, arm),
    )  # fmt: skip


def _choice_videos(run: Run, record: Mapping[str, Any], arm: str) -> tuple[Frames, Frames]:
    clips = run.clips(record, arm)
    assert clips.predicted is not None
    return clips.truth[: clips.cut + len(clips.predicted)], clips.predicted


def _episode(run: Run, record: Mapping[str, Any], made: Sample) -> Sample:
    from dataclasses import replace

    told = record["control"]
    evidence = {
        "reached at the end": bool(told["success"]), "reached at any time": bool(told["any"]),
        **{k: told[v] for k, v in (("elite regret", "elite_regret"), ("optimism", "optimism"),
                                   ("rank correlation", "rank"), ("plans tried", "calls"))},
    }  # fmt: skip
    return replace(made, evidence={k: v for k, v in evidence.items() if v is not None})
