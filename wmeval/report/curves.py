"""How predicted bodies drift from the true ones over time after the cut, and how many are still found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from wmeval.report import plots, words
from wmeval.report.sample import Floats, Sample

FEWEST = 3  # values of which a quartile is taken: of fewer it is only one of them


def drift(samples: Sequence[Sample]) -> dict[str, Any] | None:
    """Return the distance from the true bodies over time after the cut, with the share that is found."""
    moving = [s.motion for s in samples if s.motion is not None and s.motion.hues]
    frames = max((len(m.distance) for m in moving), default=0)
    if frames < 2:
        return None
    step = float(moving[0].times[1] - moving[0].times[0])
    distance = np.concatenate([_padded(m.distance, frames) for m in moving], axis=1)
    found = np.stack([_padded(m.found[:, None], frames)[:, 0] for m in moving], axis=1)
    low, middle, high = _quartiles(100 * distance, at_least=min(FEWEST, len(moving)))
    share = np.array([np.mean(f[np.isfinite(f)]) if np.isfinite(f).any() else np.nan for f in found])
    times = np.arange(1, frames + 1, dtype=np.float64) * step
    if not np.isfinite(share).any():
        return None
    known = middle[np.isfinite(middle)]
    top = _round_up(float(np.nanmax(high))) if len(known) else 100.0
    nothing = np.full(frames, np.nan)
    last = words.number(float(known[-1]), 2) if len(known) else words.NONE
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
