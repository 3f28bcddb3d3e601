"""The parts of a pack that are no pictures: actions, lengths, seeds and names, for people and for scripts."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wmeval.model import Observation
from wmeval.pack import layout
from wmeval.pack.layout import Pack, Question

ACTIONS = (
    "step", "from_s", "to_s", "impulse_x_Ns", "impulse_y_Ns", "impulse_z_Ns",
    "force_x_N", "force_y_N", "force_z_N", "camera_x_m_per_s", "camera_y_m_per_s", "camera_z_m_per_s",
    "camera_turn_x_rad_per_s", "camera_turn_y_rad_per_s", "camera_turn_z_rad_per_s",
)  # fmt: skip
INDEX = (
    "id", "answer", "seed", "seed_32_bit", "context_frames", "predict_frames", "predict_s", "caption",
)  # fmt: skip


def describe(pack: Pack, question: Question) -> None:
    """Write question.json: everything about a question that is no picture, for people and programs."""
    folder = pack.folder / layout.QUESTIONS / question.id
    fps = pack.view.fps
    told = {
        "id": question.id,
        "caption": (folder / "caption.txt").read_text().strip(),
        "fps": fps,
        "width": pack.canvas[0],
        "height": pack.canvas[1],
        "context_frames": question.shown,
        "context_s": round((question.shown - 1) / fps, 6),
        "predict_frames": question.horizon,
        "predict_s": round(question.horizon / fps, 6),
        "answers": [
            # 64-bit numbers stand as text too, since many readers of JSON round them
            {"file": f"{layout.ANSWERS}/{name}.mp4", "seed": str(seed), "seed_32_bit": seed % 2**32}
            for name, seed in zip(question.names, question.seeds, strict=True)
        ],
    }
    (folder / "question.json").write_text(json.dumps(told, indent=1, allow_nan=False) + "\n")


def intrinsics(pack: Pack, seen: Observation) -> list[list[float]]:
    """Return the 3 x 3 matrix from camera coordinates (right, down, forward) to pixels of the canvas."""
    scale = pack.picture.width / seen.frames.shape[2]
    made = np.diag([scale, scale, 1.0]) @ seen.intrinsics
    made[:2, 2] += (pack.picture.x, pack.picture.y)
    return made.tolist()  # type: ignore[no-any-return]


def actions(path: Path, acted: NDArray[np.float64], fps: float) -> None:
    """Write actions (T - 1, 12) as a CSV with a row for each step between two frames."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(ACTIONS)
        for t, action in enumerate(acted):
            told = [f"{v:.9g}" for v in action + 0.0]
            rows.writerow([t, f"{t / fps:.6g}", f"{(t + 1) / fps:.6g}", *told])


def template(pack: Pack) -> None:
    """Write the rows of surprise.csv with the numbers left out."""
    with (pack.folder / layout.TEMPLATE).open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("id", "frame", "surprise"))
        for clip in pack.clips.values():
            rows.writerows((clip.id, t, "") for t in range(clip.frames))


def index(pack: Pack) -> None:
    """Write questions.csv: a row for each expected answer."""
    with (pack.folder / layout.INDEX).open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(INDEX)
        for one in pack.questions.values():
            caption = (pack.folder / layout.QUESTIONS / one.id / "caption.txt").read_text().strip()
            for name, seed in zip(one.names, one.seeds, strict=True):
                lengths = (one.shown, one.horizon, f"{one.horizon / pack.view.fps:g}")
                answer = f"{layout.ANSWERS}/{name}.mp4"
                rows.writerow((one.id, answer, seed, seed % 2**32, *lengths, caption))
