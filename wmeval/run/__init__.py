"""Running: plan -> units -> executor -> store -> score, so that nothing is lost and nothing counted twice.

`wmeval.run` is a package and `wmeval.run(...)` is what it does, so the package can be called.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wmeval.run.engine import run, score
    from wmeval.run.folder import Clips, Run
    from wmeval.run.policy import exit_code, summary, workers_for
    from wmeval.run.progress import Progress, Running

_HOME = {
    "Clips": "folder",
    "Progress": "progress",
    "Run": "folder",
    "Running": "progress",
    "exit_code": "policy",
    "run": "engine",
    "score": "engine",
    "summary": "policy",
    "workers_for": "policy",
}
__all__ = ["Clips", "Progress", "Run", "Running", "exit_code", "run", "score", "summary", "workers_for"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'wmeval.run' has no attribute {name!r}")
    return getattr(importlib.import_module(f"wmeval.run.{_HOME[name]}"), name)


class _Callable(ModuleType):
    def __call__(self, *args: Any, **named: Any) -> Any:
        return __getattr__("run")(*args, **named)


sys.modules[__name__].__class__ = _Callable
