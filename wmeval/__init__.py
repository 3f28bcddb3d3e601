"""Measures world models: does it understand physics, and can you plan with it?

The public names are imported when they are first used, so that `import wmeval` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wmeval.camera import View
    from wmeval.model import Observation, Prediction
    from wmeval.probe import Measurement, Probe
    from wmeval.registry import load_model, load_probe
    from wmeval.run.engine import run
    from wmeval.run.folder import Run
    from wmeval.scene import Case, Scene
    from wmeval.tracks import Tracks
    from wmeval.truth import Truth

_HOME = {
    "Case": "wmeval.scene",
    "Measurement": "wmeval.probe",
    "Observation": "wmeval.model",
    "Prediction": "wmeval.model",
    "Probe": "wmeval.probe",
    "Run": "wmeval.run.folder",
    "Scene": "wmeval.scene",
    "Tracks": "wmeval.tracks",
    "Truth": "wmeval.truth",
    "View": "wmeval.camera",
    "load_model": "wmeval.registry",
    "load_probe": "wmeval.registry",
    "run": "wmeval.run.engine",
}
__all__ = [
    "Case", "Measurement", "Observation", "Prediction", "Probe", "Run", "Scene", "Tracks", "Truth", "View",
    "load_model", "load_probe", "run",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'wmeval' has no attribute {name!r}")
    globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
