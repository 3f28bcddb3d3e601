"""The second plug-in contract: a metric reads frames, per clip or as features of a set of clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
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
    marks pixels of true or predicted bodies, and returns (T,) values; NaN = undefined there, for the
    reason that `undefined` gives. It raises EnvironmentFault with the mending line where this machine
    lacks what it needs (weights): its cell is then null with that line.
    """

    name: str
    version: str
    unit: str
    better: Literal["higher", "lower"]
    per_frame: Callable[[Frames, Frames, Bools], Floats]
    undefined: str = ""
    kind: Literal["clip"] = field(default="clip", init=False)


class Features(Protocol):
    """An extractor of one feature vector per clip; `name` holds the digest of its weights."""

    @property
    def name(self) -> str:
        """Extractor and first 8 hex digits of its weights."""
        ...

    @property
    def min_frames(self) -> int:
        """Fewest frames of a clip that it can read."""
        ...

    def __call__(self, frames: Frames) -> Floats:
        """Return features (D,) of a clip (T, H, W, 3) with T >= min_frames."""
        ...


class LayeredFeatures(Features, Protocol):
    """An extractor that also shows what its layers make of each frame, for a perceptual distance."""

    @property
    def scales(self) -> Sequence[float]:
        """Mean distance of frames of unrelated scenes in each layer: the unit of that layer."""
        ...

    def layers(self, frames: Frames) -> list[NDArray[np.float32]]:
        """Return one array (T, C, h, w) a layer, of frames (T, H, W, 3) taken one by one."""
        ...


@dataclass(frozen=True)
class Extractor:
    """An entry point of `wmeval.features`: how an extractor is opened and, if it is ours, trained.

    `open(weights)` loads it, from its usual place where `weights` is None (EnvironmentFault with the
    fetching line where it is absent). `train(out, options)` is what `wmeval train --features NAME` calls;
    it continues what is in the folder `out`.
    """

    name: str
    summary: str
    open: Callable[[Path | None], Features]
    train: Callable[[Path, Mapping[str, str]], None] | None = None
    options: Mapping[str, str] = field(default_factory=dict)  # option of train -> what it does


@dataclass(frozen=True)
class SetMetric:
    """Compares the set of predicted clips with the set of true ones through features.

    `open_features()` loads the extractor (EnvironmentFault with the fetching line where it is absent);
    `distance(truth, predicted)` takes feature sets (n, D) each. Below `min_clips` the value is null.
    `interval(truth, predicted)` is its 95 % interval, where one is known that covers.
    """

    name: str
    version: str
    unit: str
    better: Literal["higher", "lower"]
    open_features: Callable[[], Features]
    distance: Callable[[Floats, Floats], float]
    min_clips: int
    interval: Callable[[Floats, Floats], tuple[float, float]] | None = None
    kind: Literal["set"] = field(default="set", init=False)
