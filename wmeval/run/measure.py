"""The measure stage: from frames to Tracks, from Tracks to the probe's error, from frames to fidelity.

It reads only what the generate stage kept, and can be done again without the model.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval import promises, registry
from wmeval.camera import View
from wmeval.errors import EnvironmentFault, ProbeFault, WmevalError
from wmeval.measure.following import delta_psnr
from wmeval.metric import Features, Metric, SetMetric
from wmeval.perceive import track
from wmeval.probe import Probe
from wmeval.run.instruments import CONTROL, blank
from wmeval.run.plan import Unit, commanded, draw
from wmeval.run.split import lost
from wmeval.run.store import Store, plain
from wmeval.run.truths import truth_of
from wmeval.scene import Scene
from wmeval.tracks import Tracks
from wmeval.world import exact_tracks, visibility

GRID_HZ = 10.0  # scores are taken here, whatever the model's frame rate
SEEN_SHARE = 0.25  # of a silhouette: from here on a body counts as one that perception must find
MOST = 0.5  # of the body-frames: where fewer are found, an error says nothing about physics
CHROMA = 60  # max - min of sRGB, 0 to 255: statics are grey, so more colour than this is a body
TRACE_LINES = 12
_ARRAYS = tuple(f.name for f in fields(Tracks) if f.name not in ("names", "camera", "view"))
Frames = NDArray[np.uint8]
# blobs of an arm, its true frames, scene, view, store -> Tracks of context and prediction
Seeing = Callable[[Mapping[str, Any], Mapping[str, NDArray[Any]], Scene, View, Store], Tracks]


def measure(
    unit: Unit, probe: Probe, view: View, metrics: Sequence[str], generated: Mapping[str, Any], store: Store
) -> dict[str, Any]:
    """Return the record of a unit's measurement; its blobs are in the store."""
    rows = []
    for shown in generated["samples"]:
        row = sample(unit, probe, view, metrics, shown, store, _perceived)
        if row["status"] == "ok" and unit.replicate == 0 and unit.tag != CONTROL:
            begun = time.perf_counter()
            case = draw(probe, unit.tag, shown["index"])
            row["lost"] = lost(probe, view, case, shown, on_grid, store)
            row["seconds"]["perceive"] = round(row["seconds"]["perceive"] + time.perf_counter() - begun, 6)
            if commanded(case):
                row["implied"] |= {"delta-PSNR, dB": [plain(_following(shown, store)), None]}
        rows.append(row)
    return {"stage": "measure", "unit": unit.to_json(), "samples": rows}


def on_grid(times: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return which frames are the nearest to each point of the measuring grid, each once.

    >>> on_grid(np.arange(6) / 25).tolist()
    [0, 2, 5]
    """
    ticks = np.arange(int(np.floor(times[-1] * GRID_HZ + 1e-6)) + 1) / GRID_HZ
    # rounded, so that of two frames as near the earlier is taken on every machine
    nearest = np.abs(times[None, :] - ticks[:, None]).round(9).argmin(axis=1)
    return np.unique(nearest)


def _following(shown: Mapping[str, Any], store: Store) -> float:
    """Return the delta-PSNR [dB] over the arms of a sample."""
    true, predicted = {}, {}
    for name, blobs in shown["arms"].items():
        true[name] = store.get(blobs["truth"])["frames"][blobs["shown"] :]
        predicted[name] = store.get(blobs["prediction"])["frames"]
    return delta_psnr(true, predicted)


def coloured(frames: Frames) -> NDArray[np.bool_]:
    """Return which pixels (T, H, W) show a body by their colour, wherever it is."""
    bright = frames.astype(np.int16)
    shown: NDArray[np.bool_] = bright.max(axis=-1) - bright.min(axis=-1) > CHROMA
    return shown


def sample(
    unit: Unit, probe: Probe, view: View, metrics: Sequence[str], shown: Mapping[str, Any], store: Store,
    see: Seeing,
) -> dict[str, Any]:  # fmt: skip
    """Return the row of one sample, judged by the Tracks that `see` makes of what was predicted."""
    row = blank(unit, probe, shown, shown["fault"])
    bad = {a: r for a, r in shown["arms"].items() if r["status"] != "ok"}
    if bad:
        row["arm"], worst = next(iter(bad.items()))
        row["status"], row["detail"] = worst["status"], worst["detail"] or "no reason was given"
    if shown["arms"]:
        try:
            _judge(row, unit, probe, view, shown, store, see, failed=bool(bad))
        except EnvironmentFault:
            raise
        except ProbeFault as fault:
            told = str(fault.on(f"case {shown['index']} (eval, {unit.tag})"))
            row |= {"status": "failed", "detail": told, "error": probe.worst}
        except Exception:
            trace = "".join(traceback.format_exc().splitlines(keepends=True)[-TRACE_LINES:])
            row |= {"status": "failed", "detail": f"the measurement raised\n{trace}", "error": probe.worst}
    if metrics and shown["arms"] and not bad and unit.tag != CONTROL:
        begun = time.perf_counter()
        first = next(iter(shown["arms"].values()))
        row["metrics"], row["features"] = _fidelity(metrics, first, store)
        row["seconds"]["measure"] += time.perf_counter() - begun
    row["seconds"] = {k: round(v, 6) for k, v in row["seconds"].items()}
    return row


def _judge(
    row: dict[str, Any], unit: Unit, probe: Probe, view: View, shown: Mapping[str, Any], store: Store,
    see: Seeing, *, failed: bool,
) -> None:  # fmt: skip
    tracks, truths, eyes, found, due = {}, {}, {}, 0, 0
    for name, scene in draw(probe, unit.tag, shown["index"]).arms.items():
        begun = time.perf_counter()
        blobs = shown["arms"][name]
        kept = store.get(blobs["truth"])
        times = kept["times"]
        truth = truths[name] = truth_of(scene, probe.futures)
        exact = eyes[name] = exact_tracks(truth, view, times[on_grid(times)])
        arrays = {f"true.{k}": getattr(exact, k) for k in _ARRAYS}
        if blobs["prediction"]:
            seen = see(blobs, kept, scene, view, store)
            tracks[name] = seen.part(on_grid(seen.times))
            arrays |= {f"seen.{k}": getattr(tracks[name], k) for k in _ARRAYS}
            asked = tracks[name].after(scene.cut_s)
            wanted = visibility(truth, asked.times) >= SEEN_SHARE
            found += int((asked.found & wanted).sum())
            due += int(wanted.sum())
        row["arms"][name] = {"tracks": store.put(arrays)}
        row["seconds"]["perceive"] += time.perf_counter() - begun
    if failed:
        return
    begun = time.perf_counter()
    if unit.tag != CONTROL:  # a case that asks nothing, or gives itself away, is no failure of the model
        promises.arose(probe, eyes, truths)
        if shown["index"] == unit.indices[0]:
            promises.not_given_away(probe, eyes, truths)
    verdict = probe.judge(tracks, truths)
    measured = verdict.measurement
    telling = measured.status == "ok" and (not due or found / due >= MOST)
    row |= {
        "status": "ok",
        "detail": "",
        "error": verdict.error,
        "event": verdict.event,
        "measured": measured.status,
        "arm": verdict.arm,
        "found": found / due if due else None,
        "given_found": min(measured.error, probe.worst) if telling else None,
        "implied": {k: [plain(v), plain(s)] for k, (v, s) in measured.implied.items()},
        "evidence": plain(measured.evidence),
    }
    row["seconds"]["measure"] += time.perf_counter() - begun


def _perceived(
    blobs: Mapping[str, Any], kept: Mapping[str, NDArray[Any]], scene: Scene, view: View, store: Store
) -> Tracks:
    """Return what perception makes of the context and the predicted frames."""
    predicted, cut = store.get(blobs["prediction"])["frames"], blobs["shown"]
    video = np.concatenate([kept["frames"][:cut], predicted])
    return track(video, scene, view, kept["times"][: len(video)])


def _fidelity(
    metrics: Sequence[str], blobs: Mapping[str, Any], store: Store
) -> tuple[dict[str, Any], str | None]:
    """Return each metric of one clip as {mean, curve, reason}, and the blob of its set features."""
    kept = store.get(blobs["truth"])
    predicted = store.get(blobs["prediction"])["frames"]
    ahead = slice(blobs["shown"], None)
    true, bodies = kept["frames"][ahead], (kept["bodies"][ahead] > 0) | coloured(predicted)
    out: dict[str, Any] = {}
    features: dict[str, NDArray[Any]] = {}
    for name in metrics:
        try:
            metric = registry.load_metric(name)
            if isinstance(metric, SetMetric):
                extract = _extractor(name)
                if len(true) < extract.min_frames:
                    why = f"the clip has {len(true)} frames, the extractor needs {extract.min_frames}"
                    out[name] = {"mean": None, "curve": [], "reason": why}
                    continue
                if f"{extract.name}.true" not in features:  # metrics of one extractor share its features
                    features[f"{extract.name}.true"] = extract(true)
                    features[f"{extract.name}.predicted"] = extract(predicted)
                out[name] = {"mean": None, "curve": [], "reason": "", "features": extract.name}
            else:
                out[name] = _curve(metric, np.asarray(metric.per_frame(true, predicted, bodies)))
        except WmevalError as fault:
            lacking = isinstance(fault, EnvironmentFault)  # `wmeval score` tries these again
            out[name] = {"mean": None, "curve": [], "reason": str(fault), "lacking": lacking}
        except Exception as fault:
            out[name] = {"mean": None, "curve": [], "reason": f"it raised {type(fault).__name__}: {fault}"}
    return out, store.put(features) if features else None


def _curve(metric: Metric, values: NDArray[np.float64]) -> dict[str, Any]:
    known = values[np.isfinite(values)]
    if not len(known):
        why = "infinite: the frames are equal" if np.isinf(values).any() else metric.undefined
        return {"mean": None, "curve": plain(values), "reason": why or "undefined on every frame"}
    return {"mean": float(known.mean()), "curve": plain(values), "reason": ""}


@cache
def _extractor(name: str) -> Features:
    metric = registry.load_metric(name)
    assert isinstance(metric, SetMetric)
    return metric.open_features()
