"""What a sample leaves to look at: its videos drawn anew as pictures, and its tracks and errors by time.

Nothing that a team sent is ever served: frames are decoded once, by what measures them, and written here as
sheets of a PNG that this code made; so a page shows pixels, and no file of anybody else.
"""

from __future__ import annotations

import io
import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.errors import UsageError
from wmeval.report.sample import Judged, Motion, Sample
from wmeval.report.sprite import sheet

Frames = NDArray[np.uint8]
LARGEST_SIDE = 128  # px; larger frames are averaged down
MOST_FRAMES = 600
NAMES = ("truth", "prediction", "data")


def evidence(sample: Sample) -> dict[str, bytes]:
    """Return what `tables.Sample.media` names, by its names; empty where the sample has no video.

    Of what was judged "truth" is the possible clip and "prediction" the impossible one.
    """
    shown = sample.motion or sample.judged
    if shown is None:
        return {}
    one, two = shown.videos()
    return {"truth": film(one), "prediction": film(two), "data": plot(sample, one, two)}


def film(frames: Frames) -> bytes:
    """Return frames (T, H, W, 3) as one PNG, row by row in about as many columns as rows.

    Raises:
        UsageError: these are no frames, or too many.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or len(frames) > MOST_FRAMES:
        raise UsageError(
            f"a video was given as {frames.dtype} {frames.shape}; expected uint8 (T, H, W, 3), "
            f"T at most {MOST_FRAMES}"
        )
    from PIL import Image

    small = _reduced(frames) if len(frames) else np.zeros((1, 1, 1, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(sheet(small)[0]).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def plot(sample: Sample, truth: Frames, prediction: Frames) -> bytes:
    """Return what the player needs beside the pictures, as JSON: sizes, times [s], tracks and errors.

    Tracks are in pixels of the pictures. `lines` are what stands under the videos: name -> one value a time.
    """
    told = _of_motion(sample.motion) if sample.motion else _of_clips(sample.judged)
    height, width = truth.shape[1:3]
    factor = _factor(height, width)
    for name in ("true_path", "predicted_path"):
        told[name] = _points(told[name], factor)
    told["goals"] = sample.motion.rings(factor) if sample.motion else []
    told |= {
        "width": width // factor,
        "height": height // factor,
        "truth": _shape(truth),
        "prediction": _shape(prediction),
    }
    return json.dumps(told, allow_nan=False, separators=(",", ":")).encode()


def _of_motion(motion: Motion) -> dict[str, Any]:
    after = motion.times[motion.after]
    return {
        "fps": motion.fps,
        "cut": motion.cut,
        "hues": list(motion.hues),
        "times": _numbers(motion.times),
        "seen": motion.true_seen.astype(int).tolist(),
        "true_path": motion.true_path,
        "predicted_path": motion.predicted_path,
        "lines": {
            "times": _numbers(after),
            "unit": "% of the image height from the truth",
            "bodies": [_numbers(100 * body) for body in motion.distance.T],
        },
    }


def _of_clips(judged: Judged | None) -> dict[str, Any]:
    assert judged is not None
    none = np.zeros((0, 0, 2))
    return {
        "fps": judged.fps,
        "cut": 0,
        "hues": [],
        "times": [],
        "seen": [],
        "true_path": none,
        "predicted_path": none,
        "window": [judged.window[0], judged.window[1] - 1],
        "lines": {
            "times": _numbers(np.arange(len(judged.possible)) / judged.fps),
            "unit": "surprise",
            "possible": _numbers(judged.possible),
            "impossible": _numbers(judged.impossible),
        },
    }


def _shape(frames: Frames) -> dict[str, int]:
    count = len(frames)
    return {"count": count, "columns": max(1, math.ceil(math.sqrt(count)))}


def _factor(height: int, width: int) -> int:
    factor = 1
    while max(height, width) // factor > LARGEST_SIDE:
        factor *= 2
    return factor


def _reduced(frames: Frames) -> Frames:
    count, height, width, _ = frames.shape
    factor = _factor(height, width)
    if factor == 1:
        return frames
    h, w = height // factor, width // factor
    blocks = frames[:, : h * factor, : w * factor].reshape(count, h, factor, w, factor, 3)
    return np.asarray(blocks.mean((2, 4)).round(), dtype=np.uint8)


def _numbers(values: Any) -> list[float | None]:
    return [round(float(v), 3) if math.isfinite(v) else None for v in values]


def _points(path: NDArray[np.float64], factor: int) -> list[list[list[float] | None]]:
    return [
        [[round(float(u), 1), round(float(v), 1)] if math.isfinite(u + v) else None for u, v in frame]
        for frame in path / factor
    ]
