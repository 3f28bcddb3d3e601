"""The videos that a page embeds: the telling ones first, until the page would be too large to send."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from wmeval.report.sample import Floats, Frames, Judged, Motion, Sample
from wmeval.report.sprite import data_uri, sheet

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
            if not sample.shown or key in self._seen:
                continue
            self._seen.add(key)
            if self._left <= 0:
                self.left_out += 1
                continue
            scene = _embedded(sample.motion) if sample.motion else _clips(sample.judged)
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


def _clips(judged: Judged | None) -> dict[str, Any]:
    """Return both clips of a judgement as a scene that is compared from its first frame on."""
    assert judged is not None
    path, seen = np.zeros((0, 0, 2)), np.zeros((0, 0), np.bool_)
    none = Motion(judged.fps, 0, np.zeros(0), path, seen, path, (), 1, judged.videos)
    first, last = judged.window
    return {**_embedded(none), "judged": True, "window": [first, last - 1]}


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
        "goals": motion.rings(factor),
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
