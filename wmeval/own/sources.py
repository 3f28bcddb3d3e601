"""Where recordings come from: a folder, an HDF5 file, or a Gymnasium environment that is played now."""

from __future__ import annotations

from pathlib import Path

from wmeval.errors import UsageError
from wmeval.own.episode import Recordings

GYM = "gym:"
HDF5 = (".h5", ".hdf5")


def recordings(spec: str, limit: int | None = None) -> Recordings:
    """Return the recordings that `--truth` names, of at most `limit` episodes.

    Raises:
        UsageError: nothing is there, or what is there is not of the documented layout.
        EnvironmentFault: a library that it needs is not installed.
    """
    if spec.startswith(GYM):
        from wmeval.own.gym_env import record

        return record(spec, limit)
    path = Path(spec)
    if path.is_dir():
        from wmeval.own.folder import read

        return read(path, limit)
    if path.is_file() and path.suffix.lower() in HDF5:
        from wmeval.own.hdf5 import read as read_hdf5

        return read_hdf5(path, limit)
    there = "it is a file of another kind" if path.is_file() else "nothing is there"
    raise UsageError(
        f"--truth was given as {spec!r}, and {there}; expected a folder of episodes, an HDF5 file "
        f"({' or '.join(HDF5)}) or gym:ENV, as docs/own-truth.md describes"
    )


def absolute(spec: str) -> str:
    """Return a spec that means the same from any folder."""
    return spec if spec.startswith(GYM) else str(Path(spec).expanduser().absolute())
