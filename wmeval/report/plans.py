"""From the record of a planning problem to what a page shows: what came of it beside what was foreseen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from wmeval.report import words
from wmeval.report.sample import Floats, Frames, Motion, Sample
from wmeval.run.folder import Run
from wmeval.run.instruments import PLANNING
from wmeval.task import CLOCK_HZ, Instance
from wmeval.truth import Truth

Record = Mapping[str, Any]
FAR_AWAY = (0.0, 0.0, -1000.0)  # m, where no camera looks
SEEN = 0.25  # share of a body in view from which perception must find it


def worth_showing(records: Sequence[Record]) -> list[Record]:
    """Return the records that a page shows scenes of: of problems planned in several ways only one way.

    Of choices those read from frames, where there are any; of episodes those that the model planned under
    the true cost at the largest budget.
    """
    ways: dict[tuple[str, str, str], list[str]] = {}
    for r in records:
        if r["instrument"] in PLANNING:
            ways.setdefault((r["probe"], r["instrument"], r["tag"]), []).append(r["arm"])
    best = {key: _way(key[1], arms) for key, arms in ways.items()}
    return [
        r
        for r in records
        if r["instrument"] not in PLANNING or r["arm"] == best[r["probe"], r["instrument"], r["tag"]]
    ]


def _way(instrument: str, arms: Sequence[str]) -> str:
    if instrument == "choose":
        return "frames" if "frames" in arms else arms[0]
    own = [a for a in arms if a.startswith("model|state|")]
    return max(own, key=lambda a: int(a.rpartition("|")[2]), default="")


def planned(run: Run, record: Record, reproduce: str) -> Sample:
    """Return what a page shows of a choice or an episode."""
    ok = record["status"] == "ok"
    error = float(record["error"]) if ok else _most(run, record)
    made = Sample(
        probe=record["probe"], instrument=record["instrument"], tag=record["tag"], case_id=record["case_id"],
        replicate=record["replicate"], arm=record["arm"], error=error, event=1.0,
        status="ok" if ok else f"{record['status']}: {record['detail']}", reproduce=reproduce,
    )  # fmt: skip
    if "choice" in record:
        return _chosen(run, record, made)
    return _episode(run, record, made) if record.get("control") else made


def _most(run: Run, record: Record) -> float:
    """Return the worst that an episode can cost [m], or the greatest regret that a choice can have."""
    return run.task(record).worst if record["instrument"] == "control" else float(len(record["arms"]))


def _chosen(run: Run, record: Record, made: Sample) -> Sample:
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


def _choice_motion(run: Run, record: Record, arm: str) -> Motion | None:
    if record["arms"][arm]["status"] != "ok":
        return None
    clips = run.clips(record, arm)
    if clips.tracks is None:
        return None
    # what was read from latents begins after the cut
    at = np.searchsorted(clips.true_tracks.times, clips.tracks.times + 1e-6) - 1
    path = np.full(clips.true_tracks.pixel.shape, np.nan)
    path[at] = np.where(clips.tracks.found[..., None], clips.tracks.pixel, np.nan)
    return Motion(
        fps=clips.fps, cut=clips.cut, times=clips.true_tracks.times, true_path=clips.true_tracks.pixel,
        true_seen=clips.true_tracks.visible >= SEEN, predicted_path=path, hues=clips.hues,
        height=run.view.height, videos=partial(_choice_videos, run, record, arm),
        goals=_goals(run, run.problem(record)[1][int(arm)]),
    )  # fmt: skip


def _choice_videos(run: Run, record: Record, arm: str) -> tuple[Frames, Frames]:
    """Return what came of the pick, and the frames that were predicted or else a drawing of its States."""
    clips = run.clips(record, arm)
    if clips.predicted is not None:
        return clips.truth[: clips.cut + len(clips.predicted)], clips.predicted
    from wmeval.run.truths import truth_of

    assert clips.tracks is not None
    scene = run.case(record).arms[arm]
    position = np.where(clips.tracks.found[..., None], clips.tracks.position, np.nan)
    return clips.truth, _drawn(truth_of(scene), clips.tracks.times, position, clips.times[clips.cut :], run)


def _episode(run: Run, record: Record, made: Sample) -> Sample:
    told = record["control"]
    evidence = {
        "reached at the end": bool(told["success"]), "reached at any time": bool(told["any"]),
        **{k: told[v] for k, v in (("elite regret", "elite_regret"), ("optimism", "optimism"),
                                   ("rank correlation", "rank"), ("plans tried a decision", "calls"))},
    }  # fmt: skip
    scene = run.case(record).arms["main"]
    known = {k: v for k, v in evidence.items() if v is not None}
    made = replace(made, error=float(told["cost"]), caption=scene.caption, evidence=known)
    return replace(made, motion=_episode_motion(run, record))


def _episode_motion(run: Run, record: Record) -> Motion | None:
    """Return what was carried out, beside what the first plan was expected to come to."""
    kept = run.store.get(record["arms"][record["arm"]]["prediction"])
    if not len(kept["imagined"]):
        return None
    scene, view = run.case(record).arms["main"], run.view
    done, expected = kept["position"], kept["imagined"][0][: len(kept["position"])]
    times = scene.cut_s + np.arange(1, len(done) + 1) / CLOCK_HZ

    def path(position: Floats) -> Floats:
        pixels = [scene.camera.project(p, float(t), view)[0] for p, t in zip(position, times, strict=True)]
        return np.asarray(pixels)

    return Motion(
        fps=view.fps, cut=int((view.frame_times(scene.duration_s) <= scene.cut_s + 1e-9).sum()), times=times,
        true_path=path(done), true_seen=np.ones(done.shape[:2], np.bool_), predicted_path=path(expected),
        hues=tuple(float(b.hue or 0.0) for b in scene.moving), height=view.height,
        videos=partial(_episode_videos, run, record),
        goals=_goals(run, run.problem(record)[1][0]),
    )  # fmt: skip


def _episode_videos(run: Run, record: Record) -> tuple[Frames, Frames]:
    """Return the episode carried out again from its actions, and a drawing of what was expected of it."""
    from wmeval.run.playing import Playing
    from wmeval.world import film

    task, (instance,) = run.problem(record)
    kept = run.store.get(record["arms"][record["arm"]]["prediction"])
    with Playing(task, instance) as play:
        for action in kept["actions"]:
            play.act(action)
        truth = play.live.truth()
    frames = run.view.frame_times(truth.scene.duration_s)
    after = frames[frames > truth.scene.cut_s + 1e-9]
    expected = kept["imagined"][0]
    times = truth.scene.cut_s + np.arange(1, len(expected) + 1) / CLOCK_HZ
    return film(truth, run.view, frames), _drawn(truth, times, expected, after, run)


def _goals(run: Run, instance: Instance) -> tuple[tuple[float, float, float], ...]:
    """Return where a picture of the goal shows bodies, at the end: pixel u, v and hue of each."""
    scene = instance.scene
    seen = []
    for name, (place, _) in instance.posed.items():
        u, v = scene.camera.project(np.array(place), scene.duration_s, run.view)[0]
        seen.append((float(u), float(v), float(scene[name].hue or 0.0)))
    return tuple(seen)


def _drawn(truth: Truth, times: Floats, position: Floats, frames: Floats, run: Run) -> Frames:
    """Return pictures at times (F,) of bodies at places (T, N, 3) [m], turned as in truth.

    A body whose place is not known is left out of the picture.
    """
    from wmeval.world import film

    count = int(np.ceil(truth.scene.duration_s * CLOCK_HZ)) + 1
    clock = np.arange(count) / CLOCK_HZ
    place, turned = truth.poses_at(clock)
    at = np.rint(times * CLOCK_HZ).astype(int)
    place[clock > truth.scene.cut_s + 1e-9] = np.nan
    place[at[at < count]] = position[at < count]
    place = np.where(np.isfinite(place).all(axis=-1, keepdims=True), place, FAR_AWAY)
    steps = np.rint(frames * CLOCK_HZ) / CLOCK_HZ  # between known places there is nothing to draw
    return film(replace(truth, clock_hz=int(CLOCK_HZ), position=place, orientation=turned), run.view, steps)
