"""The part of a page on one probe: how its errors spread, how they grow, and the scenes behind them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wmeval.report import plots, words
from wmeval.report.sample import Frames, Motion, Sample, telling
from wmeval.report.sprite import data_uri, sheet

if TYPE_CHECKING:
    from wmeval.report.sections import About

Floats = NDArray[np.float64]
Groups = Mapping[tuple[str, str, str], Sequence[Sample]]
VIDEO_BYTES = 4_200_000  # of all embedded videos together, so that a page stays below 5 MB
LARGEST_SIDE = 128  # px; a larger video is halved until it fits


class Videos:
    """The videos that a page embeds, in the order they are added until the page would be too large."""

    def __init__(self, budget: int = VIDEO_BYTES) -> None:
        self.scenes: dict[str, dict[str, Any]] = {}
        self.left_out = 0
        self._seen: set[str] = set()
        self._left = budget

    def add(self, samples: Iterable[Sample]) -> None:
        """Embed the videos of samples that have one and are not embedded yet."""
        for sample in samples:
            key = scene_id(sample)
            if sample.motion is None or key in self._seen:
                continue
            self._seen.add(key)
            if self._left <= 0:
                self.left_out += 1
                continue
            scene = _embedded(sample.motion)
            self._left -= len(scene["truth"]["src"]) + len(scene["predicted"]["src"])
            if self._left >= 0:
                self.scenes[key] = scene
            else:
                self.left_out += 1


def anchor(key: str) -> str:
    """Return a name that an address can hold: "gravity@0.1" -> "gravity-0-1"."""
    return re.sub(r"[^a-zA-Z0-9]+", "-", key)


def scene_id(sample: Sample) -> str:
    """Return the name of a sample within its page."""
    return anchor(f"{sample.probe} {sample.instrument} {sample.case_id[:12]} {sample.replicate}")


def probe_sections(
    results: Mapping[str, Any], groups: Groups, videos: Videos, about: About
) -> list[dict[str, Any]]:
    """Return one section a probe, in the order of the scores; one group an instrument and tag."""
    scores = results["scores"]
    return [
        {
            "key": key,
            "summary": about.summaries.get(key, ""),
            "groups": [
                _group(s, groups.get((key, s["instrument"], s["tag"]), ()), videos, about.worst.get(key))
                for s in scores
                if s["probe"] == key
            ],
        }
        for key in dict.fromkeys(s["probe"] for s in scores)
    ]


def _group(
    score: Mapping[str, Any], samples: Sequence[Sample], videos: Videos, worst: float | None
) -> dict[str, Any]:
    errors = [(s.error, s.failed, scene_id(s)) for s in samples if math.isfinite(s.error)]
    null, ceiling = score.get("null"), score.get("ceiling")
    top = worst or max([e for e, _, _ in errors] + [null or 0.0, 1e-9])
    shown = telling(samples)
    rest = [s for s in samples if not any(s is t for t in shown.values())]
    return {
        "instrument": score["instrument"],
        "tag": score["tag"],
        "verdict": words.verdict(score),
        "unit": score["unit"],
        "cases": len(samples),
        "failed": sum(s.failed for s in samples),
        "dots": plots.distribution(errors, worst=top, null=null, ceiling=ceiling),
        "ticks": _ticks(top, null, ceiling),
        "curve": _curve(samples),
        "telling": [(name.capitalize(), _scene(s, score, len(samples), videos)) for name, s in shown.items()],
        "rest": [_scene(s, score, len(samples), videos) for s in rest],
    }


def _scene(sample: Sample, score: Mapping[str, Any], of: int, videos: Videos) -> dict[str, Any]:
    key = scene_id(sample)
    embedded = videos.scenes.get(key)
    facts = [(k.replace("_", " "), words.fact(v)) for k, v in sample.evidence.items()]
    seen = [("what was asked about arose", words.percent(sample.event))]
    arm = [("arm", sample.arm)] if sample.arm != "main" else []
    view: dict[str, Any] = {
        "id": key, "case": sample.case_id, "of": of, "error": sample.error, "unit": score["unit"],
        "failed": sample.failed, "status": sample.status, "caption": sample.caption,
        "reproduce": sample.reproduce, "motion": bool(embedded), "evidence": [*arm, *seen, *facts],
        "no_video": "This sample has no video." if sample.motion is None
        else "Its video was left out to keep this page small; the run folder holds it.",
    }  # fmt: skip
    if embedded:
        count, cut = embedded["truth"]["count"], embedded["cut"]
        view |= {
            "frames": count,
            "width": embedded["width"],
            "height": embedded["height"],
            # a still of the later part says most to those who do not press play
            "poster": min(count - 1, cut + round(0.6 * (count - 1 - cut))),
            "cut_share": round(100 * (cut - 0.5) / max(1, count - 1), 1),
            "words": f"Error {words.number(sample.error)} {score['unit']}.",
        }
    return view


def _ticks(top: float, null: float | None, ceiling: float | None) -> list[dict[str, Any]]:
    named = [("ceiling", ceiling), ("null", null)]
    rows: list[dict[str, Any]] = [{"at": 98.75, "text": f"worst {top:g}", "kind": "end"}]
    for name, value in named:
        if value is not None:
            where = plots.share(value, top)
            side = " start" if where < 12 else " end" if where > 88 else ""
            rows.append({"at": where, "text": f"{name} {words.number(value, 2)}", "kind": f"second{side}"})
    if len(rows) == 3 and abs(rows[1]["at"] - rows[2]["at"]) < 24:
        rows[1]["kind"] = rows[1]["kind"].replace("second", "third")
    return rows


def _curve(samples: Sequence[Sample]) -> dict[str, Any] | None:
    """Return the distance from the true bodies over time after the cut, with the share that is found."""
    moving = [s.motion for s in samples if s.motion is not None and s.motion.hues]
    frames = max((len(m.distance) for m in moving), default=0)
    if frames < 2:
        return None
    step = float(moving[0].times[1] - moving[0].times[0])
    distance = np.concatenate([_padded(m.distance, frames) for m in moving], axis=1)
    found = np.stack([_padded(m.found[:, None], frames)[:, 0] for m in moving], axis=1)
    # a quartile of fewer than three values is only one of them
    low, middle, high = _quartiles(100 * distance, at_least=min(3, len(moving)))
    share = np.array([np.mean(f[np.isfinite(f)]) if np.isfinite(f).any() else np.nan for f in found])
    times = np.arange(1, frames + 1, dtype=np.float64) * step
    if not np.isfinite(middle).any():
        return None
    top = _round_up(float(np.nanmax(high)))
    nothing = np.full(frames, np.nan)
    last = words.number(float(middle[np.isfinite(middle)][-1]), 2)
    plot = plots.curve(
        times,
        {"model": (low, middle, high), "found": (nothing, share * top, nothing)},
        top=top,
        words=f"Median distance over {times[-1]:g} seconds, ending at {last} % of the image height",
    )
    steps = [t for t in (0.5, 1.0, 2.0, 3.0, 5.0) if times[-1] / t <= 5][0:1] or [10.0]
    marks = np.arange(1, int(times[-1] / steps[0] + 1e-9) + 1) * steps[0]
    span = float(times[-1] - times[0])
    return {
        "plot": plot,
        "top": f"{top:g} %",
        "ticks": [{"at": round(100 * (t - times[0]) / span, 2), "text": f"{t:g} s"} for t in marks],
    }


def _quartiles(values: Floats, at_least: int) -> tuple[Floats, Floats, Floats]:
    rows = [v[np.isfinite(v)] for v in values]
    table = [np.percentile(r, (25, 50, 75)) if len(r) >= at_least else np.full(3, np.nan) for r in rows]
    low, middle, high = np.array(table).T
    return low, middle, high


def _padded(values: Floats, length: int) -> Floats:
    return np.concatenate([values, np.full((length - len(values), values.shape[1]), np.nan)])


def _round_up(value: float) -> float:
    size = 10.0 ** math.floor(math.log10(max(value, 1e-6)))
    return next(float(f"{m * size:g}") for m in (1, 1.5, 2, 3, 5, 7.5, 10) if m * size >= value * 0.999)


def _embedded(motion: Motion) -> dict[str, Any]:
    (truth, predicted), factor = motion.videos(), 1
    while max(truth.shape[1:3]) // factor > LARGEST_SIDE:
        factor *= 2
    return {
        "fps": motion.fps,
        "cut": motion.cut,
        "height": truth.shape[1] // factor,
        "width": truth.shape[2] // factor,
        "truth": _video(truth, factor),
        "predicted": _video(predicted, factor),
        "times": [round(float(t), 4) for t in motion.times],
        "seen": motion.true_seen.astype(int).tolist(),
        "true_path": _points(motion.true_path / factor),
        "predicted_path": _points(motion.predicted_path / factor),
        "hues": list(motion.hues),
    }


def _video(frames: Frames, factor: int) -> dict[str, Any]:
    if factor > 1:
        t, h, w, c = frames.shape
        h, w = h // factor, w // factor
        blocks = frames[:, : h * factor, : w * factor].reshape(t, h, factor, w, factor, c)
        frames = blocks.mean((2, 4)).round().astype(np.uint8)
    if not len(frames):
        return {"src": "", "columns": 1, "count": 0}
    image, columns = sheet(frames)
    return {"src": data_uri(image), "columns": columns, "count": len(frames)}


def _points(path: Floats) -> list[list[list[float] | None]]:
    return [
        [[round(float(u), 1), round(float(v), 1)] if math.isfinite(u + v) else None for u, v in frame]
        for frame in path
    ]
