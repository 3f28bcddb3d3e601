"""Training data on disk: scenes of a split, drawn by index, simulated and rendered into flat arrays.

A folder holds memory-mappable arrays (n clips, T frames) and `meta.json`; clips are made in blocks, and a
block that is done is never made again, so that the command can be killed and repeated.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import View
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.scene import HUES
from wmeval.seeds import scene_rng
from wmeval.suite import Split

SLOTS = tuple(sorted(HUES.values()))  # bodies are kept by hue, which is what identifies them in pictures
BLOCK = 16


def layout(count: int, frames: int, view: View) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return name -> (dtype, shape) of the arrays of a data folder.

    `state` is per hue slot: u, v [px], du, dv [px per frame], visible share; NaN where the scene has no
    such body. `bodies` marks pixels by slot + 1. `contacts` is the impulse [N s] since the last frame.
    """
    h, w = view.height, view.width
    return {
        "frames": ("u1", (count, frames, h, w, 3)),
        "bodies": ("u1", (count, frames, h, w)),
        "actions": ("<f4", (count, frames - 1, 12)),
        "state": ("<f4", (count, frames, len(SLOTS), 5)),
        "contacts": ("<f4", (count, frames, len(SLOTS))),
    }


def make(
    split: Split,
    count: int,
    out: Path,
    *,
    view: View | None = None,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write `count` clips of a split into a folder and return it; what is already there is kept.

    Raises:
        UsageError: the folder holds other data.
        EnvironmentFault: the disk is too small.
    """
    look = view or split.view
    frames = len(look.frame_times(split.scene(scene_rng("train", split.key, "iid", 0)).duration_s))
    wanted = layout(count, frames, look)
    meta = {"split": split.key, "count": count, "frames": frames, "view": asdict(look), "block": BLOCK}
    out.mkdir(parents=True, exist_ok=True)
    _claim(out, meta, wanted)
    done = out / "done"
    done.mkdir(exist_ok=True)
    blocks = [i for i in range(-(-count // BLOCK)) if not (done / str(i)).exists()]
    finished = -(-count // BLOCK) - len(blocks)
    if blocks:
        from pebble import ProcessPool

        context = get_context("spawn")
        with ProcessPool(max_workers=workers, context=context) as pool:
            jobs = pool.map(_block, [(split.name, str(out), i, count, asdict(look)) for i in blocks])
            for _ in jobs.result():
                finished += 1
                if progress:
                    progress(min(finished * BLOCK, count), count)
    return out


def load(folder: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the arrays of a finished folder, memory-mapped and read-only, and its meta data.

    Raises:
        UsageError: there is no complete data in the folder.
    """
    try:
        meta = json.loads((folder / "meta.json").read_text())
    except OSError as error:
        raise UsageError(
            f"{folder} holds no training data; make it with `wmeval data make --split train --out {folder}`"
        ) from error
    missing = [i for i in range(-(-meta["count"] // BLOCK)) if not (folder / "done" / str(i)).exists()]
    if missing:
        raise UsageError(
            f"{folder} lacks {len(missing)} blocks of {BLOCK} clips; the command that made it continues it"
        )
    names = layout(meta["count"], meta["frames"], View(**meta["view"]))
    return {n: np.load(folder / f"{n}.npy", mmap_mode="r", allow_pickle=False) for n in names}, meta


def data_digest(folder: Path) -> str:
    """Return the SHA-256 over all arrays of a data folder, in the order of their names."""
    total = hashlib.sha256()
    for path in sorted(folder.glob("*.npy")):
        with path.open("rb") as file:
            while piece := file.read(1 << 22):
                total.update(piece)
    return total.hexdigest()


def _claim(out: Path, meta: dict[str, Any], wanted: dict[str, tuple[str, tuple[int, ...]]]) -> None:
    described = out / "meta.json"
    if described.exists():
        if json.loads(described.read_text()) != meta:
            raise UsageError(f"{out} holds other data ({described}); give another --out")
        return
    need = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for kind, shape in wanted.values())
    stat = os.statvfs(out)
    if need > stat.f_bavail * stat.f_frsize:
        raise EnvironmentFault(
            f"the data needs {need / 1e9:.1f} GB and {out} has less; give a smaller --count"
        )
    for name, (kind, shape) in wanted.items():
        np.lib.format.open_memmap(out / f"{name}.npy", mode="w+", dtype=np.dtype(kind), shape=shape).flush()
    described.write_text(json.dumps(meta, indent=1))


def _block(job: tuple[str, str, int, int, dict[str, Any]]) -> int:
    """Make the clips of one block (in a worker) and mark it done when they are on disk."""
    name, folder, block, count, look = job
    from wmeval.registry import load_split

    split, view, out = load_split(name), View(**look), Path(folder)
    arrays = {p.stem: np.load(p, mmap_mode="r+", allow_pickle=False) for p in out.glob("*.npy")}
    for index in range(block * BLOCK, min((block + 1) * BLOCK, count)):
        for key, value in sample(split, index, view).items():
            arrays[key][index] = value
    for array in arrays.values():
        array.flush()
    (out / "done" / str(block)).touch()
    return block


def sample(split: Split, index: int, view: View) -> dict[str, NDArray[Any]]:
    """Return the arrays of one clip of a split, without the clip axis."""
    from wmeval.world.observe import actions, exact_tracks
    from wmeval.world.render import render
    from wmeval.world.simulate import simulate

    truth = simulate(split.scene(scene_rng("train", split.key, "iid", index)))
    times = view.frame_times(truth.scene.duration_s)
    pictures, tracks = render(truth, view, times), exact_tracks(truth, view, times)
    slots = [SLOTS.index(b.hue) for b in truth.scene.moving if b.hue is not None]
    to_slot = np.array([0, *(s + 1 for s in slots)], np.uint8)
    state = np.full((len(times), len(SLOTS), 5), np.nan, np.float32)
    position, _ = truth.poses_at(times)
    ahead, _ = truth.poses_at(times + 1e-3)
    for t, now in enumerate(times):
        pixel, _ = truth.scene.camera.project(position[t], float(now), view)
        moved, _ = truth.scene.camera.project(ahead[t], float(now), view)
        state[t, slots, 0:2] = pixel
        state[t, slots, 2:4] = (moved - pixel) / 1e-3 / view.fps
        state[t, slots, 4] = tracks.visible[t]
    contacts = np.zeros((len(times), len(SLOTS)), np.float32)
    frame = np.ceil(truth.contacts.time * view.fps - 1e-9).astype(np.int64)
    moving = {truth.scene.bodies.index(b): s for b, s in zip(truth.scene.moving, slots, strict=True)}
    for side in (truth.contacts.a, truth.contacts.b):
        for body, slot in moving.items():
            mine = (side == body) & (frame < len(times))
            np.add.at(contacts[:, slot], frame[mine], truth.contacts.impulse[mine])
    return {
        "frames": pictures.frames,
        "bodies": to_slot[pictures.bodies],
        "actions": actions(truth.scene, times).astype(np.float32),
        "state": state,
        "contacts": contacts,
    }
