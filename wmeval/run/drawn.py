"""Names of the cases of a plan, kept in the user's cache: a large suite draws thousands to know them.

A case is drawn from its number by code alone, so its name holds as long as that code does: all of wmeval,
and every source in the folders of the functions of the probe or task. Workers draw each case again and
refuse one that is not the planned one, so that a name that does not hold is never taken for another.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from wmeval.probe import Probe
from wmeval.run.code import source_digest
from wmeval.run.truths import cache_folder, keep
from wmeval.seeds import asked_by, digest
from wmeval.task import Task

Names = list[str] | str  # ids of cases, or in words why they cannot be asked


def remembered(probe: Probe | Task, of: Sequence[Any], draw: Callable[[], Names]) -> Names:
    """Return what `draw` says, from the cache where the same was drawn before with the same code.

    `of` is all else that determines it, as JSON values.
    """
    asked = [probe.key, list(of), _code(probe), np.__version__, asked_by()]
    path = cache_folder() / "drawn" / f"{digest(asked)}.json"
    try:
        told: Names = json.loads(path.read_text())
        return told
    except (OSError, ValueError):
        pass  # absent or damaged: drawing again is always right
    told = draw()
    keep(path, lambda file: file.write(json.dumps(told).encode()))
    return told


def _code(probe: Probe | Task) -> list[str]:
    more = probe.twin if isinstance(probe, Probe) else probe.choice
    draws: list[Callable[..., Any]] = [probe.case if isinstance(probe, Probe) else probe.instance]
    folders = {_file(f).parent for f in (*draws, *([more] if more else []))}
    return [source_digest("wmeval"), *(_sources(folder, _stamp(folder)) for folder in sorted(folders))]


def _file(function: Callable[..., Any]) -> Path:
    try:
        return Path(inspect.getfile(inspect.unwrap(function))).resolve()
    except TypeError:  # a partial or another callable object
        return Path(inspect.getfile(type(function))).resolve()


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    files = ((f.name, f.stat()) for f in sorted(folder.glob("*.py")))
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in files)


@cache
def _sources(folder: Path, stamp: tuple[tuple[str, int, int], ...]) -> str:
    sha = hashlib.sha256()
    for name, _, _ in stamp:
        sha.update(name.encode() + b"\0" + (folder / name).read_bytes())
    return sha.hexdigest()
