"""What a number was made on: versions and machine, for the manifest."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

MATTERS = ("wmeval", "numpy", "scipy", "pybullet", "torch", "torchvision", "torchmetrics", "lpips")


def machine() -> dict[str, Any]:
    """Return {"wmeval": version, "machine": versions of what numbers depend on, and where}."""
    versions = {}
    for name in MATTERS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    where = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": cores(),
        "versions": versions,
    }
    return {"wmeval": versions["wmeval"], "machine": where}


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpu_present() -> bool:
    """Return whether a driver of a GPU that torch can use is there, without the seconds torch takes."""
    return any(Path(p).exists() for p in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg"))


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as info:
            for line in info:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()
