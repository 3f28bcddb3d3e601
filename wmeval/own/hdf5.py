"""Recordings in one HDF5 file: a group an episode, with the datasets `frames`, `actions` and perhaps more.

A group holds `frames` (T, H, W, 3) uint8 and `actions` (T - 1, A) or (T - 1,), and may hold `rewards` and
`ends` (T - 1,). The file's attributes say `fps` (a group's own takes its place) and perhaps `space`. Links
that lead to other files, and data kept in other files, are not followed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from wmeval.errors import EnvironmentFault, UsageError
from wmeval.own.episode import MOST_BYTES, MOST_EPISODES, Episode, Recordings, Space

NEEDED, MORE = ("frames", "actions"), ("rewards", "ends")


def read(path: Path, limit: int | None = None) -> Recordings:
    """Return the episodes of a file in the order of their names; see the module for the layout.

    Raises:
        UsageError: the file is damaged, too large, or of another layout.
        EnvironmentFault: h5py is not installed.
    """
    try:
        import h5py
    except ImportError as fault:
        raise EnvironmentFault(
            "an HDF5 truth needs h5py, which is not installed; `pip install 'wmeval[truth]'`"
        ) from fault
    try:
        file = h5py.File(path, "r")
    except OSError as fault:
        raise UsageError(f"{path} is no HDF5 file that can be read ({fault})") from fault
    with file:
        names = sorted(file)
        if len(names) > MOST_EPISODES:
            raise UsageError(f"{path} holds {len(names)} groups; at most {MOST_EPISODES} are read")
        space = _word(file.attrs.get("space", "native"))
        if space not in get_args(Space):
            raise UsageError(f"{path} has the space {space!r}; expected {' or '.join(get_args(Space))}")
        left = MOST_BYTES
        episodes: list[Episode] = []
        for name in names[:limit]:
            group = _inside(file, name, h5py, path)
            if not isinstance(group, h5py.Group):
                raise UsageError(f"{path} holds {name!r} outside any group; expected a group an episode")
            found = {k: _inside(group, k, h5py, path) for k in (*NEEDED, *MORE) if k in group}
            for key, data in found.items():
                left -= _plain(data, h5py, f"{path}, {name}/{key}")
                if left < 0:
                    raise UsageError(
                        f"{path} holds more than {MOST_BYTES >> 30} GiB; `--limit {len(episodes)}` takes the "
                        "first episodes"
                    )
            if missing := [k for k in NEEDED if k not in found]:
                raise UsageError(f"{path} lacks {name}/{missing[0]}; an episode needs frames and actions")
            fps = group.attrs.get("fps", file.attrs.get("fps"))
            if fps is None:
                raise UsageError(f"{path} states no fps; expected it as an attribute of the file or {name}")
            episodes.append(_episode(name, found, float(fps)))
    return Recordings(str(path), tuple(episodes), cast(Space, space))


def _episode(name: str, found: dict[str, Any], fps: float) -> Episode:
    actions = np.asarray(found["actions"][()], np.float64)
    rewards = np.asarray(found["rewards"][()], np.float64) if "rewards" in found else None
    ends = np.asarray(found["ends"][()]).astype(np.bool_) if "ends" in found else None
    frames: NDArray[Any] = found["frames"][()]
    return Episode(name, frames, actions[:, None] if actions.ndim == 1 else actions, fps, rewards, ends)


def _inside(parent: Any, name: str, h5py: Any, path: Path) -> Any:
    """Return a member that the file itself holds."""
    if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
        raise UsageError(f"{path}: {name!r} is a link; expected what it leads to, copied into the file")
    return parent[name]


def _plain(data: Any, h5py: Any, where: str) -> int:
    """Return the bytes of a dataset of numbers that lies in the file itself."""
    if not isinstance(data, h5py.Dataset) or data.dtype.kind not in "fiub":
        raise UsageError(f"{where} is not an array of numbers")
    if data.is_virtual or data.external:
        raise UsageError(f"{where} is kept in another file; expected it in this one")
    return int(data.nbytes)


def _word(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
