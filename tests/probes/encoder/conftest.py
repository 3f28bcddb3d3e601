"""A small split of flying discs, on disk as `wmeval data make` writes one."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


def write(folder: Path, clips: int = 40, frames: int = 12) -> Path:
    """Write a split of discs that fly straight, in the layout of `wmeval data make`; return the folder."""
    rng = np.random.default_rng(0)
    state = np.full((clips, frames, 6, 5), np.nan, np.float32)
    video = np.full((clips, frames, 64, 64, 3), 120, np.uint8)
    bodies = np.zeros((clips, frames, 64, 64), np.uint8)
    contacts = np.zeros((clips, frames, 6), np.float32)
    colours = np.eye(3, dtype=np.uint8)[[0, 1, 2, 0, 1, 2]] * 200
    v, u = np.mgrid[:64, :64] + 0.5
    for c in range(clips):
        for hue in rng.permutation(6)[: rng.integers(1, 3)]:
            place, speed = rng.uniform(16, 48, 2), rng.uniform(-1, 1, 2)
            contacts[c, frames // 2, hue] = 5.0
            for t in range(frames):
                at = place + speed * t
                state[c, t, hue] = (*at, *speed, 1.0)
                disc = (u - at[0]) ** 2 + (v - at[1]) ** 2 < 25
                video[c, t][disc] = colours[hue]
                bodies[c, t][disc] = hue + 1
    folder.mkdir(parents=True)
    arrays = {"frames": video, "bodies": bodies, "state": state, "contacts": contacts}
    arrays["actions"] = np.zeros((clips, frames - 1, 12), np.float32)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    view = {"fps": 10.0, "height": 64, "width": 64, "supersample": 2, "shadows": False}
    meta = {"split": "train@0.1", "count": clips, "frames": frames, "view": view, "block": 16}
    (folder / "meta.json").write_text(json.dumps(meta))
    (folder / "done").mkdir()
    for block in range(-(-clips // 16)):
        (folder / "done" / str(block)).touch()
    return folder


@pytest.fixture(scope="session")
def discs() -> Callable[..., Path]:
    return write


@pytest.fixture(scope="session")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("split") / "train")
