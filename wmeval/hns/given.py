"""A file of one's own runs, CSV or JSON, as scores a game; every mistake names its place."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wmeval.errors import UsageError
from wmeval.hns.atari import Runs, game_called

MAX_BYTES = 4 << 20
FORM = 'expected JSON {"Pong": [18.5, 20.1], ...}, or CSV with a game and then the scores of its runs a line'


def read(path: Path) -> Runs:
    """Return the scores of each game in a file.

    JSON is an object from a game to the list of its runs' scores. A line of CSV is a game and the scores of
    one or more of its runs; lines of one game are put together, and a first line `game,...` is a heading.

    Raises:
        UsageError: no such file, too large, no such form, an unknown game, or a score that is no finite
            number.
    """
    if not path.is_file():
        raise UsageError(f"no file {path}; {FORM}")
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(f"{path} has {path.stat().st_size >> 20} MiB; at most 4 MiB are read: {FORM}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text ({error}); {FORM}") from error
    rows = _of_json(text, path) if text.lstrip()[:1] in "{[" and text.strip() else _of_csv(text, path)
    found: dict[str, list[float]] = {}
    for place, game, scores in rows:
        found.setdefault(game_called(game), []).extend(_number(s, place) for s in scores)
    if not found or not all(found.values()):
        empty = [game for game, scores in found.items() if not scores]
        raise UsageError(f"{path} has no scores{f' of {empty[0]}' if empty else ''}; {FORM}")
    return {game: tuple(scores) for game, scores in sorted(found.items())}


def _of_json(text: str, path: Path) -> Iterator[tuple[str, str, list[Any]]]:
    try:
        told = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON ({error}); {FORM}") from error
    if not isinstance(told, dict):
        raise UsageError(f"{path} holds a list; {FORM}")
    for game, scores in told.items():
        yield f"{path}, {game}", game, scores if isinstance(scores, list) else [scores]


def _of_csv(text: str, path: Path) -> Iterator[tuple[str, str, list[Any]]]:
    for at, row in enumerate(csv.reader(text.splitlines()), start=1):
        cells = [cell.strip() for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        if not cells or (at == 1 and cells[0].lower() == "game"):
            continue
        yield f"{path}, line {at}", cells[0], cells[1:]


def _number(given: Any, place: str) -> float:
    try:
        if isinstance(given, bool):
            raise TypeError
        value = float(given)
    except (TypeError, ValueError):
        raise UsageError(f"{place}: {given!r} is no score; {FORM}") from None
    if not math.isfinite(value):
        raise UsageError(
            f"{place}: the score {given!r} is not finite; a run that crashed has no score: train it "
            "again, or leave it out and say so"
        )
    return value
