"""The second plug-in contract: a metric reads frames, per clip or as features of a set of clips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Value:
    """A number, or null with its reason."""

    value: float
    reason: str = ""


@dataclass(frozen=True)
class Metric:
    """Compares predicted with true frames.

    `per_frame(truth, predicted, bodies)` takes (T, H, W, 3), (T, H, W, 3) and (T, H, W), where `bodies`
    marks pixels of true or predicted bodies, and returns (T,) values; NaN = undefined there.
    """

    name: str
    version: str
    unit: str
    better: Literal["higher", "lower"]
    per_frame: Callable[[Frames, Frames, Bools], Floats]
    kind: Literal["clip"] = field(default="clip", init=False)


class Features(Protocol):
    """An extractor of one feature vector per clip; `name` holds the digest of its weights."""

    @property
    def name(self) -> str:
        """Extractor and first 8 hex digits of its weights."""
        ...

    min_frames: int

    def __call__(self, frames: Frames) -> Floats:
        """Return features (D,) of a clip (T, H, W, 3)."""
        ...


@dataclass(frozen=True)
class SetMetric:
    """Compares the set of predicted clips with the set of true ones through features.

    `open_features()` loads the extractor (EnvironmentFault with the fetching line where it is absent);
    `distance(truth, predicted)` takes feature sets (n, D) each. Below `min_clips` the value is null.
    """

    name: str
    version: str
    unit: str
    better: Literal["higher", "lower"]
    open_features: Callable[[], Features]
    distance: Callable[[Floats, Floats], float]
    min_clips: int
    kind: Literal["set"] = field(default="set", init=False)
