"""What a pack shows of one question or clip: pictures, tables and videos for people, or arrays for programs.

Arrays are what a run would show the model, bit by bit, as the message that `wmeval.remote` would send.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.errors import UsageError
from wmeval.model import Clip, Observation
from wmeval.pack import layout
from wmeval.pack.layout import Pack, Question, Shown
from wmeval.pack.picture import enlarged, on_canvas, read_png, write_mp4, write_png, write_pngs
from wmeval.pack.tables import actions, intrinsics
from wmeval.remote import asked, wire

ASKED = "asked.npz"
Frames = NDArray[np.uint8]


def question_pictures(folder: Path, pack: Pack, seen: Observation, big: Frames) -> None:
    """Write a question for people; `big` are its context frames (T, H, W, 3) at the size handed out."""
    frames = on_canvas(big, pack.canvas, pack.picture)
    write_pngs(folder / "context", frames)
    write_png(folder / "last.png", frames[-1])
    write_mp4(folder / "context.mp4", frames, seen.fps)
    (folder / "caption.txt").write_text(seen.caption + "\n")
    actions(folder / "actions.csv", seen.actions, seen.fps)
    (folder / "camera.json").write_text(json.dumps({"intrinsics": intrinsics(pack, seen)}) + "\n")


def clip_pictures(folder: Path, seen: Clip, size: int) -> None:
    """Write a clip for people, its video enlarged to `size` px a side."""
    write_pngs(folder / "frames", seen.frames)
    write_mp4(folder / "clip.mp4", enlarged(seen.frames, size), seen.fps)
    actions(folder / "actions.csv", seen.actions, seen.fps)


def arrays(folder: Path, seen: Observation | Clip) -> None:
    """Write a question or a clip for programs."""
    message = asked.ask_of_clips([seen]) if isinstance(seen, Clip) else asked.ask_to_continue([seen], [0])
    (folder / ASKED).write_bytes(wire.pack(message))


def observation(pack: Pack, question: Question) -> Observation:
    """Return a question of arrays as a model is asked it.

    Raises:
        UsageError: it is not there, damaged, or another than the manifest says.
    """
    path = pack.folder / layout.QUESTIONS / question.id / ASKED
    batch, _ = _read(path, asked.asked_to_continue)
    (seen,) = batch
    if (len(seen.frames), seen.horizon) != (question.shown, question.horizon):
        raise _damaged(path, f"it shows {len(seen.frames)} frames and asks for {seen.horizon}")
    made: Observation = seen
    return made


def clip(pack: Pack, shown: Shown) -> Clip:
    """Return a clip of arrays as a model is shown it; see `observation`."""
    path = pack.folder / layout.CLIPS / shown.id / ASKED
    (seen,) = _read(path, asked.asked_of_clips)
    if len(seen.frames) != shown.frames:
        raise _damaged(path, f"it has {len(seen.frames)} frames")
    made: Clip = seen
    return made


def context(folder: Path) -> Frames:
    """Return the context frames (n, H, W, 3) of a question's folder, at the size handed out.

    Raises:
        UsageError: there are none.
    """
    if (folder / ASKED).is_file():
        frames: Frames = _read(folder / ASKED, asked.asked_to_continue)[0][0].frames
        return frames
    files = sorted((folder / "context").glob("*.png"))
    if not files:
        raise UsageError(f"{folder} holds no pictures; export the pack again with `wmeval export`")
    return np.stack([read_png(file) for file in files])


def _read(path: Path, understood: Any) -> Any:
    try:
        if path.stat().st_size > wire.MOST_BYTES:
            raise wire.TooLarge(f"it is larger than {wire.MOST_BYTES >> 20} MiB")
        return understood(wire.unpack(path.read_bytes()))
    except (OSError, wire.Malformed) as fault:
        raise _damaged(path, str(fault)) from fault


def _damaged(path: Path, why: str) -> UsageError:
    return UsageError(f"{path} cannot be used ({why}); get the pack again")
