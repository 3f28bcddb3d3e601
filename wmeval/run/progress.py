"""What a run tells while it works, for whoever draws it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from wmeval.run.instruments import UNASKED, failed


@dataclass(frozen=True)
class Running:
    """A score that is still growing: the mean over the samples so far."""

    n: int
    error: float  # mean bounded error, in the probe's unit
    skill: float | None  # None where no stored anchor fits, so that it is known only at the end
    failed: int


@dataclass(frozen=True)
class Progress:
    """One moment of a run. `eta_s` and `rate` come from what this command computed, not from the cache."""

    phase: Literal["plan", "open", "run", "anchors", "score", "done", "drain"]
    units_done: int = 0  # the cached ones included
    units_total: int = 0
    units_cached: int = 0
    samples_done: int = 0
    samples_total: int = 0
    rate: float | None = None  # samples a second
    eta_s: float | None = None
    failed: int = 0
    scores: Mapping[str, Running] = field(default_factory=dict)  # probe@version ->
    message: str = ""  # a sentence, where something happened that should be told


@dataclass
class Tally:
    """What is known of a run while it works."""

    total: int
    cached: int
    samples_total: int
    samples_cached: int
    began: float = field(default_factory=time.monotonic)
    units: int = 0
    samples: int = 0
    failed: int = 0
    scores: dict[str, Running] = field(default_factory=dict)

    def add(
        self, probe: str, rows: Sequence[Mapping[str, Any]], skill: Callable[[float], float] | None
    ) -> None:
        """Count the samples of a unit; `skill` is known only where an anchor is stored."""
        for row in rows:
            if row["status"] == UNASKED:
                continue
            old = self.scores.get(probe, Running(0, 0.0, None, 0))
            bad = failed(row)
            mean = (old.error * old.n + row["error"]) / (old.n + 1)
            self.scores[probe] = Running(old.n + 1, mean, skill(mean) if skill else None, old.failed + bad)
            self.failed += bad

    def progress(self, phase: Any, message: str = "") -> Progress:
        """Return this moment."""
        spent = time.monotonic() - self.began
        rate = self.samples / spent if self.samples else None
        left = self.samples_total - self.samples_cached - self.samples
        return Progress(
            phase, self.cached + self.units, self.total, self.cached, self.samples_cached + self.samples,
            self.samples_total, rate, left / rate if rate else None, self.failed, dict(self.scores), message,
        )  # fmt: skip
