"""From a run's folder to what a page shows: one Sample a record, its videos read when they are needed."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from wmeval.errors import UsageError
from wmeval.report.html import page
from wmeval.report.own import FILM
from wmeval.report.plans import planned, worth_showing
from wmeval.report.sample import Frames, Judged, Motion, Sample
from wmeval.report.sections import About
from wmeval.run.folder import Run
from wmeval.run.instruments import PLANNING, UNASKED, loaded

SEEN = 0.25  # share of a body in view from which perception must find it


def write(run: Run) -> Path:
    """Write the page of a scored run and return its path.

    Raises:
        UsageError: the run has not been scored yet.
    """
    records = worth_showing([r for r in measured(run) if r["status"] != UNASKED])
    samples = [sample(run, record) for record in records]
    text = page(run.results, samples, about(run), film(run))
    part = run.report.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(run.report)
    return run.report


def kept(run: Run) -> Path:
    """Return the path of the page, written now unless it is as new as the results."""
    made = [p.stat().st_mtime_ns for p in (run.path / "results.json", run.report) if p.exists()]
    return run.report if len(made) == 2 and made[0] <= made[1] else write(run)


def measured(run: Run) -> list[dict[str, Any]]:
    """Return the records of a scored run.

    Raises:
        UsageError: it is not scored, or its measurements are of another version of the code.
    """
    records = list(run.records()) if run.results else []
    if not records and run.results["samples"] and not run.results.get("own"):
        raise UsageError(
            f"the measurements in {run.path} were made by other code than this; "
            f"`wmeval score {run.path}` measures what the model made again"
        )
    return records


def film(run: Run) -> list[tuple[str, Frames]]:
    """Return rows (name, frames) of the window of recordings that a page shows; none for a run on scenes."""
    told = (run.results.get("own") or {}).get("strip")
    if not told:
        return []
    whole, made = run.store.get(told["truth"])["frames"], run.store.get(told["prediction"])["frames"]
    shown = told["shown"]
    ages = [age for age in FILM if age <= len(made)]
    last = whole[shown - 1 : shown]
    true = np.concatenate([last, *(whole[shown + a - 1 : shown + a] for a in ages)])
    predicted = np.concatenate([last, *(made[a - 1 : a] for a in ages)])
    return [("recorded", true), (run.results["model"]["name"], predicted)]


def sample(run: Run, record: Mapping[str, Any]) -> Sample:
    """Return what a page shows of one record: the arm that went worst."""
    ok = record["status"] == "ok"
    if record["instrument"] == "surprise":
        return _judged(run, record)
    if record["instrument"] in PLANNING:
        return planned(run, record, _reproduce(run, record))
    scene = run.case(record).arms.get(record["arm"]) if record["arms"] else None
    return Sample(
        probe=record["probe"],
        instrument=record["instrument"],
        tag=record["tag"],
        case_id=record["case_id"],
        replicate=record["replicate"],
        arm=record["arm"],
        error=float(record["error"]),
        event=float(record["event"]) if record["event"] is not None else float("nan"),
        status="ok" if ok else f"{record['status']}: {record['detail']}",
        measured=record["measured"] if ok else "ok",
        caption=scene.caption if scene else "",
        evidence={**_implied(record["implied"]), **record["evidence"]},
        reproduce=_reproduce(run, record),
        motion=_motion(run, record) if scene else None,
    )


def _judged(run: Run, record: Mapping[str, Any]) -> Sample:
    """Return what a page shows of one scene that was judged: the two clips that start alike."""
    ok, judged = record["status"] == "ok", None
    if ok:
        names = record["surprise"]["pair"]
        possible, impossible = (
            run.store.get(record["arms"][name]["prediction"])["surprise"] for name in names
        )
        first, last = record["arms"][names[1]]["window"]
        videos = partial(_both, run, [record["arms"][name]["truth"] for name in names])
        judged = Judged(run.view.fps, (first, last), possible, impossible, videos)
    return Sample(
        probe=record["probe"],
        instrument=record["instrument"],
        tag=record["tag"],
        case_id=record["case_id"],
        replicate=record["replicate"],
        arm="main",
        error=float(record["error"]),
        event=1.0,
        status="ok" if ok else f"{record['status']}: {record['detail']}",
        evidence=record["evidence"],
        reproduce=_reproduce(run, record),
        matching=record["matching"] or "",
        judged=judged,
    )


def _both(run: Run, blobs: list[str]) -> tuple[Frames, Frames]:
    one, other = (run.store.get(blob)["frames"] for blob in blobs)
    return one, other


def about(run: Run) -> About:
    """Return what is known of a run beside its scores."""
    summaries, worst = {}, {}
    for unit in {u.probe: u for u in run.units}.values():
        try:
            asks = loaded(unit.instrument, unit.given)
        except UsageError:  # a plugin that is gone takes its summary with it, not the page
            continue
        summaries[unit.probe], worst[unit.probe] = asks.summary, asks.worst
    return About(
        version=str(run.manifest["wmeval"]),
        made=str(run.manifest["created"])[:10],
        summaries=summaries,
        worst=worst,
        provenance=_provenance(run),
    )


def _provenance(run: Run) -> list[tuple[str, str]]:
    from wmeval.run.request import Request

    manifest = run.manifest
    machine = manifest["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
    return [
        ("command", Request.from_json(manifest["request"]).command(run.path)),
        ("weights, SHA-256", manifest["weights"] or "none"),
        ("versions", versions),
        ("machine", f"{machine['processor']}, {machine['cores']} cores, {machine['system']}"),
        ("python", machine["python"]),
        ("made", manifest["created"]),
    ]


def _motion(run: Run, record: Mapping[str, Any]) -> Motion | None:
    clips = run.clips(record)
    if clips.predicted is None or clips.tracks is None:
        return None
    count = min(len(clips.tracks.times), len(clips.true_tracks.times))
    found = clips.tracks.found[:count, :, None]
    return Motion(
        fps=clips.fps,
        cut=clips.cut,
        times=clips.tracks.times[:count],
        true_path=clips.true_tracks.pixel[:count],
        true_seen=clips.true_tracks.visible[:count] >= SEEN,
        predicted_path=np.where(found, clips.tracks.pixel[:count], np.nan),
        hues=clips.hues,
        height=run.view.height,
        videos=partial(_videos, run, record),
    )


def _videos(run: Run, record: Mapping[str, Any]) -> tuple[Frames, Frames]:
    clips = run.clips(record)
    if clips.predicted is None:
        return clips.truth, clips.truth[:0]
    return clips.truth[: clips.cut + len(clips.predicted)], clips.predicted


def _implied(implied: Mapping[str, Any]) -> dict[str, str]:
    from wmeval.report.words import number

    return {name: f"{number(value)} ± {number(sigma, 2)}" for name, (value, sigma) in implied.items()}


def _reproduce(run: Run, record: Mapping[str, Any]) -> str:
    """Return the command that asks this case again, in a folder of its own."""
    from dataclasses import replace

    from wmeval.run.request import Request

    way = record["instrument"]
    given = next(u.given for u in run.units if (u.probe, u.instrument) == (record["probe"], way))
    request = Request.from_json(run.manifest["request"])
    probes, tasks = (None, (given,)) if way in PLANNING else ((given,), None)
    one = replace(
        request, probes=probes, tasks=tasks, limit=record["index"] + 1, replicates=record["replicate"] + 1
    )
    if len({u.instrument for u in run.units}) > 1:
        one = replace(one, instruments=(record["instrument"],))
    name = f"{record['probe'].partition('@')[0]}-{record['case_id'][:8]}"
    return " ".join(map(shlex.quote, shlex.split(one.command(Path(name)))))
