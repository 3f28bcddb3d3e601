"""Somebody's answers to a pack become plain arrays: videos are decoded here and nowhere else.

It is a process of its own (`python -m wmeval_leaderboard.decoding FOLDER`) that knows no secret. What it
writes holds the frames that were asked for, at the View that they are measured at, and nothing else.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np

from wmeval.errors import UsageError
from wmeval.pack import layout, surprise
from wmeval.pack.answers import look, read
from wmeval.pack.footage import Unreadable
from wmeval.pack.settings import Settings
from wmeval.pack.settle import settle
from wmeval_leaderboard import limited

MODULE = "wmeval_leaderboard.decoding"
PACK, STATED, CLEAN, TOLD = "pack", "stated.json", "clean", "decoded.json"
MOST_PROBLEMS = 50  # told of one submission


def main() -> None:
    """Put clean answers in the place of those in the pack of the folder that is the first argument."""
    folder = Path(sys.argv[1])
    stated = folder / STATED
    settings = Settings.of(json.loads(stated.read_text()) if stated.exists() else {})
    (folder / TOLD).write_text(json.dumps(clean(folder / PACK, folder / CLEAN, settings), allow_nan=False))
    shutil.rmtree(folder / PACK / layout.ANSWERS)
    (folder / CLEAN).rename(folder / PACK / layout.ANSWERS)


def clean(folder: Path, out: Path, settings: Settings) -> dict[str, object]:
    """Write what the answers to a pack show into `out` as arrays.

    What comes back holds how many are of each state, the first problems, and how many there are.

    Raises:
        UsageError: surprise.csv as a whole cannot be read.
    """
    pack = layout.read(folder)
    out.mkdir()
    pack.answers.mkdir(exist_ok=True)
    found = look(pack, settings)
    settled = settle(pack, found, settings)
    counts: dict[str, int] = {}
    problems = []
    for one in found:
        told = read(pack, one, settled, settings)
        counts[told.state] = counts.get(told.state, 0) + 1
        if told.state == "refused":
            (out / f"{one.name}{layout.REFUSED}").write_text(told.sentence)
        elif told.state in ("ok", "short") and told.frames is not None:
            rate, named = np.float64(pack.view.fps), np.frombuffer(one.name.encode(), np.uint8)
            with (out / f"{one.name}.npz").open("wb") as file:
                np.savez(file, frames=told.frames, fps=rate, question=named)
        if told.state not in ("ok", "refused"):
            problems.append([one.name, told.sentence[:500]])
    if surprise.given(pack):
        try:
            judged = surprise.read(pack)
        except Unreadable as why:
            raise UsageError(str(why)) from why
        problems += [[name, why[:500]] for name, why in sorted(judged.bad.items())]
    return {"answers": counts, "problems": problems[:MOST_PROBLEMS], "wrong": len(problems)}


if __name__ == "__main__":
    limited.serve(main)
