"""Surprise over time: of the two clips of one scene, and of the median scene around where it shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wmeval.report import plots, words
from wmeval.report.sample import Floats, Judged, Sample

FEWEST = 3  # scenes of which a quartile is taken: of fewer it is only one of them


def trace(judged: Judged) -> dict[str, Any] | None:
    """Return surprise over the frames of a possible and an impossible clip, with the event window."""
    both = np.stack([judged.possible, judged.impossible])
    known = both[np.isfinite(both)]
    if both.shape[1] < 2 or not len(known):
        return None
    low, high = float(known.min()), float(known.max())
    span = (high - low) or 1.0
    times = np.arange(both.shape[1]) / judged.fps
    blank = np.full(both.shape[1], np.nan)
    lines = {
        name: (blank, row, blank)
        for name, row in zip(("possible", "impossible"), (both - low) / span, strict=True)
    }
    first, last = (100 * t / (both.shape[1] - 1) for t in (judged.window[0] - 0.5, judged.window[1] - 0.5))
    told = f"Surprise over {times[-1]:.1f} s, from {words.number(low)} to {words.number(high)}"
    return {
        "plot": plots.curve(times, lines, top=1.0, words=told, shade=(max(first, 0.0), min(last, 100.0))),
        "top": words.number(high),
        "foot": words.number(low),
    }


def typical(samples: Sequence[Sample]) -> dict[str, Any] | None:
    """Return how much more surprising the impossible clip is, around the first frame where it shows.

    The difference of each scene is taken in units of the spread of surprise over its own possible clip, so
    that scenes of one model can be laid over one another.
    """
    seen = [s.judged for s in samples if s.judged is not None]
    rows = [(j.window[0], gap, j.fps) for j in seen if (gap := _gap(j)) is not None]
    if len(rows) < FEWEST:
        return None
    before = min(start for start, _, _ in rows)
    after = min(len(gap) - start for start, gap, _ in rows)
    if before + after < 3:
        return None
    table = np.stack([gap[start - before : start + after] for start, gap, _ in rows])
    ok = np.isfinite(table).sum(0) >= FEWEST
    bands = np.full((3, table.shape[1]), np.nan)
    bands[:, ok] = np.nanpercentile(table[:, ok], (25, 50, 75), axis=0)
    if not ok.any():
        return None
    low, high = min(0.0, float(np.nanmin(bands))), max(0.0, float(np.nanmax(bands)))
    span = (high - low) or 1.0
    times = (np.arange(before + after) - before) / rows[0][2]
    low_band, middle, high_band = (bands - low) / span
    most = words.number(float(np.nanmax(bands[1])))
    told = f"Median difference of surprise around the event, up to {most} spreads"
    return {
        "plot": plots.curve(
            times, {"model": (low_band, middle, high_band)}, top=1.0, words=told,
            level=(0.0 - low) / span, at=100 * before / max(1, len(times) - 1),
        ),
        "top": words.number(high, 2),
        "ticks": _ticks(times),
        "n": len(rows),
    }  # fmt: skip


def _gap(judged: Judged) -> Floats | None:
    if len(judged.possible) != len(judged.impossible):
        return None
    spread = float(np.nanstd(judged.possible)) if np.isfinite(judged.possible).any() else 0.0
    gap: Floats = judged.impossible - judged.possible
    return gap / (spread or 1.0)


def _ticks(times: Floats) -> list[dict[str, Any]]:
    span = float(times[-1] - times[0])
    marks = [m for m in (-1.0, -0.5, 0.0, 0.5, 1.0, 2.0) if times[0] - 1e-9 <= m <= times[-1] + 1e-9]
    return [
        {"at": round(100 * (m - times[0]) / span, 2), "text": f"{m:+g} s" if m else "event"} for m in marks
    ]
