"""Recordings in a folder: NAME.npz an episode, or NAME.mp4 with NAME.actions.csv beside it.

An npz holds `frames`, `actions` and `fps`, and may hold `rewards`, `ends` and `space` ("native" or "scene").
A table has one row a step and a header: `action0`, `action1`, ... (native) or `scene0` to `scene11`, then
perhaps `reward` and `end`. Nothing is unpickled, and every size is read before the content is.
"""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from wmeval.errors import UsageError
from wmeval.model import ACTION_DIM, Floats
from wmeval.own.episode import MOST_BYTES, MOST_EPISODES, MOST_FRAMES, Bools, Episode, Recordings, Space
from wmeval.pack.footage import Unreadable, look

TABLE = ".actions.csv"
MOST_TABLE = 16 << 20  # bytes
MOST_VALUES = 1 << 22  # of any array but frames
KEYS = ("frames", "actions", "fps", "rewards", "ends", "space")


def read(folder: Path, limit: int | None = None) -> Recordings:
    """Return the episodes of a folder in the order of their names; see the module for the layout.

    Raises:
        UsageError: a file is damaged, too large, or of another layout.
    """
    files = sorted(p for p in folder.iterdir() if p.suffix in (".npz", ".mp4") and not p.name.startswith("."))
    if len(files) > MOST_EPISODES:
        raise UsageError(f"{folder} holds {len(files)} episodes; at most {MOST_EPISODES} are read")
    if twice := {p.stem for p in files if p.suffix == ".npz"} & {p.stem for p in files if p.suffix == ".mp4"}:
        raise UsageError(f"{folder} holds {min(twice)} as .npz and as .mp4; leave one of them")
    episodes: list[Episode] = []
    spaces: dict[Space, str] = {}
    bytes_read = 0
    for file in files[:limit]:
        try:
            episode, space = (_npz if file.suffix == ".npz" else _video)(file, folder)
        except Unreadable as fault:
            raise UsageError(f"{file}: {fault}") from fault
        bytes_read += episode.frames.nbytes
        if bytes_read > MOST_BYTES:
            raise UsageError(
                f"{folder} holds more than {MOST_BYTES >> 30} GiB of frames; `--limit {len(episodes)}` takes "
                "the first episodes"
            )
        episodes.append(episode)
        spaces.setdefault(space, file.name)
    if len(spaces) > 1:
        told = " and ".join(f"{space} ({name})" for space, name in spaces.items())
        raise UsageError(f"{folder} holds actions of two spaces: {told}; expected one")
    return Recordings(str(folder), tuple(episodes), next(iter(spaces), "native"))


def _npz(file: Path, folder: Path) -> tuple[Episode, Space]:
    head = look(file, folder)  # kind and size of the frames, before they are unpacked
    with zipfile.ZipFile(file) as packed:
        there = {n.removesuffix(".npy") for n in packed.namelist()}
        if unknown := there - {*KEYS}:
            raise UsageError(f"{file} holds {min(unknown)!r}; expected {', '.join(KEYS)}")
        if missing := {"actions", "fps"} - there:
            raise UsageError(f"{file} lacks {min(missing)!r}; an episode needs frames, actions and fps")
        arrays = {k: _array(packed, file, k) for k in KEYS[1:] if k in there}
    assert head.fps is not None
    space = str(arrays["space"]) if "space" in arrays else "native"
    if space not in get_args(Space):
        raise UsageError(f"{file} has the space {space!r}; expected {' or '.join(get_args(Space))}")
    rewards, ends = (arrays.get(k) for k in ("rewards", "ends"))
    return Episode(
        file.stem, np.stack(list(head.frames(range(head.count), head.fps))), _actions(arrays["actions"]),
        head.fps, None if rewards is None else rewards.astype(np.float64),
        None if ends is None else ends.astype(np.bool_),
    ), cast(Space, space)  # fmt: skip


def _array(packed: zipfile.ZipFile, file: Path, name: str) -> NDArray[Any]:
    """Return a small array of numbers or a word; its header is read before its content."""
    with packed.open(f"{name}.npy") as stream:
        version = np.lib.format.read_magic(stream)
        head = np.lib.format.read_array_header_1_0 if version == (1, 0) else (
            np.lib.format.read_array_header_2_0)  # fmt: skip
        shape, _, dtype = head(stream)
    kinds = "U" if name == "space" else "fiub"
    if dtype.kind not in kinds or int(np.prod(shape)) * max(1, dtype.itemsize // 8) > MOST_VALUES:
        raise UsageError(
            f"{file} holds {name} {dtype} {shape}; expected {'a word' if kinds == 'U' else 'numbers'}"
        )
    with packed.open(f"{name}.npy") as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array


def _actions(given: NDArray[Any]) -> Floats:
    """Return actions (T - 1, A); a plain list of choices is one number each."""
    told = given.astype(np.float64)
    return told[:, None] if told.ndim == 1 else told


def _video(file: Path, folder: Path) -> tuple[Episode, Space]:
    table = file.with_name(file.stem + TABLE)
    if not table.is_file():
        raise UsageError(f"{file} has no {table.name} beside it; expected one row of actions a step")
    head = look(file, folder)
    assert head.fps is not None
    space, actions, rewards, ends = _table(table)
    frames = np.stack(list(head.frames(range(head.count), head.fps)))
    return Episode(file.stem, frames, actions, round(head.fps, 6), rewards, ends), space


def _table(file: Path) -> tuple[Space, Floats, Floats | None, Bools | None]:
    if file.stat().st_size > MOST_TABLE:
        raise UsageError(f"{file} has {file.stat().st_size} bytes; at most {MOST_TABLE >> 20} MiB are read")
    with open(file, newline="", encoding="utf-8") as text:
        header, *rows = list(csv.reader(text)) or [[]]
    acting = [n for n in header if n not in ("reward", "end")]
    space: Space = "scene" if acting[:1] == ["scene0"] else "native"
    wanted = [f"{'scene' if space == 'scene' else 'action'}{i}" for i in range(len(acting))]
    if acting != wanted or not acting or header[: len(acting)] != acting:
        raise UsageError(
            f"{file} begins with {','.join(header)!r}; expected action0,action1,... (or scene0 to "
            f"scene{ACTION_DIM - 1}), then perhaps reward,end"
        )
    try:
        values = np.array([[float(v) for v in row] for row in rows[:MOST_FRAMES]], dtype=np.float64)
    except ValueError as fault:
        raise UsageError(f"{file} holds what is no number, or rows of unequal length ({fault})") from fault
    if values.ndim != 2 or values.shape[1] != len(header):
        raise UsageError(f"{file} holds rows of unequal length; expected {len(header)} numbers a row")
    column = dict(zip(header, values.T, strict=True))
    ends = column.get("end")
    return space, values[:, : len(acting)], column.get("reward"), None if ends is None else ends != 0
