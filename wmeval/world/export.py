"""Scenes as files that any other training code reads: videos or pictures, and one JSON line a clip."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import View
from wmeval.caption import caption
from wmeval.seeds import scene_rng
from wmeval.suite import Split
from wmeval.world.observe import clip, exact_tracks
from wmeval.world.simulate import simulate


def export(
    split: Split,
    count: int,
    out: Path,
    *,
    kind: Literal["mp4", "png"] = "mp4",
    view: View | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write `count` clips of a split and return the path of `clips.jsonl`; existing clips are kept.

    A line holds: id, file (mp4, or a folder of PNG), fps, caption, actions (T - 1, 12), bodies, and for
    each body its pixel track (T, 2) with null where it is not seen. H.264 is written without chroma
    subsampling at a quality where bodies keep their edges (crf 12); PNG is exact.
    """
    look = view or split.view
    out.mkdir(parents=True, exist_ok=True)
    lines = []
    for index in range(count):
        scene = split.scene(scene_rng("train", split.key, "iid", index))
        truth = simulate(scene)
        name = f"{split.name}-{index:06d}"
        video, tracks = clip(truth, look), exact_tracks(truth, look)
        file = out / (f"{name}.mp4" if kind == "mp4" else name)
        if not file.exists():
            (write_mp4 if kind == "mp4" else _write_png)(file, video.frames, look.fps)
        lines.append(
            {
                "id": name,
                "file": file.name,
                "fps": look.fps,
                "caption": scene.caption or caption(scene.bodies, scene.pushes),
                "actions": video.actions.tolist(),
                "tracks": {n: _listed(tracks[n].pixel) for n in tracks.names},
            }
        )
        if progress:
            progress(index + 1, count)
    index_file = out / "clips.jsonl"
    index_file.write_text("".join(json.dumps(line, allow_nan=False) + "\n" for line in lines))
    return index_file


def _listed(pixel: NDArray[np.float64]) -> list[list[float] | None]:
    return [None if np.isnan(p).any() else [round(float(x), 3) for x in p] for p in pixel]


def write_mp4(path: Path, frames: NDArray[np.uint8], fps: float, *, crf: int = 12) -> None:
    """Write frames (T, H, W, 3) as H.264 in 4:4:4; H and W of any size."""
    import av

    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as file:
        stream = file.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.options = "yuv444p", {"crf": str(crf), "preset": "medium"}
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        file.mux(stream.encode())
    part.rename(path)


def _write_png(folder: Path, frames: NDArray[np.uint8], _: float) -> None:
    from PIL import Image

    part = folder.with_suffix(".part")
    part.mkdir(exist_ok=True)
    for t, frame in enumerate(frames):
        Image.fromarray(frame).save(part / f"{t:04d}.png")
    part.rename(folder)
