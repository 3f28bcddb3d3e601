"""surprise.csv: how surprising every frame of every clip was to somebody else's model."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wmeval.pack.footage import Unreadable, inside
from wmeval.pack.layout import SURPRISE, Pack

MOST_BYTES = 512 << 20
NAMED = 3  # of many alike, so many are named


@dataclass(frozen=True)
class Judgements:
    """What the file says: `told` clip -> surprise (T,), `bad` clip -> why it cannot be used."""

    told: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    bad: Mapping[str, str] = field(default_factory=dict)
    stray: tuple[str, ...] = ()  # sentences about what belongs to no clip
    whole_clips: bool = False  # one number a clip


def given(pack: Pack) -> bool:
    """Return whether the pack's clips were judged at all."""
    return (pack.folder / SURPRISE).exists() and bool(pack.clips)


def read(pack: Pack) -> Judgements:
    """Return what surprise.csv says of each clip of a pack; a clip is either told or bad.

    Raises:
        Unreadable: the file as a whole is none that can be read.
    """
    path = pack.folder / SURPRISE
    rows = _rows(path, pack.folder)
    head = next(rows, (0, []))[1]
    columns = [c.strip().lower() for c in head]
    if columns not in (["id", "frame", "surprise"], ["id", "surprise"]):
        raise Unreadable(
            f"{SURPRISE} begins with {','.join(head)[:60]!r}; expected the line `id,frame,surprise`, or "
            "`id,surprise` for one number a clip"
        )
    whole = len(columns) == 2
    values = {name: np.full(clip.frames, np.nan) for name, clip in pack.clips.items()}
    seen = {name: np.zeros(clip.frames, bool) for name, clip in pack.clips.items()}
    bad: dict[str, str] = {}
    stray: list[str] = []
    for line, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        name = row[0].strip()
        if len(row) != len(columns):
            stray.append(f"line {line}: {len(row)} values; expected {len(columns)}")
        elif name not in values:
            stray.append(f"line {line}: no clip is called {name[:40]!r}")
        elif why := _put(values[name], seen[name], None if whole else row[1].strip(), row[-1].strip()):
            bad.setdefault(name, f"line {line}: {why}")
    for name, there in seen.items():
        if name in bad:
            continue
        if not there.any():
            bad[name] = f"{SURPRISE} says nothing of this clip"
        elif not there.all():
            lacking = np.flatnonzero(~there)
            more = ", ..." if len(lacking) > NAMED else ""
            told = ", ".join(map(str, lacking[:NAMED]))
            bad[name] = f"lacks frame {told}{more} of {len(there)}; write nan where nothing can be said"
        elif np.isnan(values[name]).all():
            bad[name] = "holds no number at all"
    return Judgements({k: v for k, v in values.items() if k not in bad}, bad, tuple(stray), whole)


def _put(values: NDArray[np.float64], seen: NDArray[np.bool_], frame: str | None, told: str) -> str:
    """Put one row where it belongs, or return what is wrong with it."""
    try:
        value = float(told) if told else np.nan
    except ValueError:
        return f"{told[:40]!r} is no number"
    if np.isinf(value):
        return f"{told!r} is infinite; write a number, or nan where nothing can be said"
    if frame is None:
        where = slice(None)
    elif frame.isdecimal() and len(frame) < 9 and int(frame) < len(values):
        where = slice(int(frame), int(frame) + 1)
    else:
        return f"frame {frame[:40]!r} is none of 0 to {len(values) - 1}"
    if seen[where].any():
        return f"{'the clip' if frame is None else f'frame {frame}'} is there twice"
    values[where], seen[where] = value, True
    return ""


def _rows(path: Path, root: Path) -> Iterator[tuple[int, list[str]]]:
    inside(path, root)
    if path.stat().st_size > MOST_BYTES:
        raise Unreadable(f"{SURPRISE} is larger than {MOST_BYTES >> 20} MiB")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            for row in reader:
                yield reader.line_num, row
    except (UnicodeDecodeError, csv.Error) as fault:
        raise Unreadable(f"{SURPRISE} cannot be read as CSV in UTF-8: {fault}") from fault
