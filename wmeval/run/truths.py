"""A cache of truths, by the content of their scene: runs of many models simulate each scene once.

The folder is the user's cache (WMEVAL_CACHE moves it) and bounded; it can be deleted at any time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from wmeval.run.code import source_digest
from wmeval.scene import Scene
from wmeval.seeds import canonical_json, digest
from wmeval.truth import Contacts, Future, Truth

LIMIT_BYTES = 1 << 30
_POSES = ("position", "orientation", "velocity", "spin")


def truth_of(scene: Scene, futures: int = 0) -> Truth:
    """Return the truth of a scene, from the cache or simulated now (and then kept)."""
    path = _path(scene, futures)
    try:
        truth = _read(path, scene)
        os.utime(path)  # the oldest go first, so being read keeps a truth young
        return truth
    except (OSError, EOFError, ValueError, KeyError, BadZipFile):
        pass  # absent or damaged: simulating again is always right
    from wmeval.world import simulate

    truth = simulate(scene, futures=futures)
    _write(path, truth)
    return truth


def cache_folder() -> Path:
    """Return the folder of everything that can be made again."""
    given = os.environ.get("WMEVAL_CACHE")
    if given:
        return Path(given)
    from platformdirs import user_cache_path

    return user_cache_path("wmeval", appauthor=False)


def keep(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Put what `write` writes into a file of the cache, whole or not at all, whoever else does so at once.

    A cache that cannot be written is slower, not wrong.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            write(file)
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def trim(limit_bytes: int = LIMIT_BYTES, folder: str = "truths") -> None:
    """Delete the files of a folder of the cache that were not read for longest, until the rest fits."""
    files = [(p.stat(), p) for p in (cache_folder() / folder).glob("*/*.npz")]
    total = sum(s.st_size for s, _ in files)
    for stat, path in sorted(files, key=lambda f: f[0].st_mtime):
        if total <= limit_bytes:
            break
        path.unlink(missing_ok=True)
        total -= stat.st_size


@cache
def _world() -> str:
    return source_digest("wmeval.world", "wmeval.scene", "wmeval.truth")


def _path(scene: Scene, futures: int) -> Path:
    name = digest([scene.digest, futures, _world()])
    return cache_folder() / "truths" / name[:2] / f"{name}.npz"


def _write(path: Path, truth: Truth) -> None:
    arrays: dict[str, NDArray[Any]] = {name: getattr(truth, name) for name in _POSES}
    arrays |= {f"contacts.{f.name}": getattr(truth.contacts, f.name) for f in fields(Contacts)}
    about = {"clock_hz": truth.clock_hz, "realised": dict(truth.realised), "futures": len(truth.futures)}
    arrays["about"] = np.frombuffer(canonical_json(about).encode(), np.uint8)
    for i, future in enumerate(truth.futures):
        arrays |= {f"future{i}.{f.name}": getattr(future, f.name) for f in fields(Future)}
    keep(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]


def _read(path: Path, scene: Scene) -> Truth:
    import json

    with np.load(path, allow_pickle=False) as packed:
        about = json.loads(packed["about"].tobytes())
        return Truth(
            scene,
            about["clock_hz"],
            **{name: packed[name] for name in _POSES},
            contacts=Contacts(*(packed[f"contacts.{f.name}"] for f in fields(Contacts))),
            realised=about["realised"],
            futures=tuple(
                Future(*(packed[f"future{i}.{f.name}"] for f in fields(Future)))
                for i in range(about["futures"])
            ),
        )
