"""Anchors fix what skill 0 and skill 1 mean for one probe, tag and View, before any model is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from wmeval.camera import View

LAZY_SKILL = 0.05  # what lazy models (freeze, vanish, blur, noise) may score before a probe is refused


@dataclass(frozen=True)
class Anchor:
    """The calibration of one probe at one tag and View, made on development scenes.

    `null` is the mean error of the probe's null reference, `ceiling` the 95th percentile of the oracle's.
    A violation is said to be seen above `threshold`; `detectable` is the smallest graded one that is (None =
    none was), `false_alarms` the share of clean truths above a threshold that other clean truths set.
    `rows` holds what the references score on the evaluation scenes:
    name -> {"skill", "lo", "hi", "error", "found", "n"}.
    """

    probe: str  # name@version
    tag: str
    view: View
    null: float
    ceiling: float
    n: int
    detectable: float | None = None
    false_alarms: float | None = None
    rows: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    source: Literal["stored", "local"] = "local"
    threshold: float | None = None

    @property
    def alarm_above(self) -> float:
        """The error from which on the instrument says that it saw a violation."""
        return self.ceiling if self.threshold is None else self.threshold

    def value(self, error: float) -> float:
        """Return the unclipped skill of one case: 1 at the ceiling or better, 0 at the null's mean.

        >>> Anchor("p@0.1", "iid", View(), null=1.0, ceiling=0.2, n=1000).value(0.6)
        0.5
        """
        return min(1.0, (self.null - error) / (self.null - self.ceiling))

    def to_json(self) -> dict[str, Any]:
        """Return the anchor as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Anchor:
        """Return the anchor that `to_json` described."""
        return cls(**{**data, "view": View(**data["view"])})
