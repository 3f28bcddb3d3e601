"""The pictures and videos of a pack, written so that they open anywhere."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wmeval.pack.place import Placement

Frames = NDArray[np.uint8]
BARS = 128  # grey of what is beside the picture on a canvas
CRF = 8  # H.264: artefacts below what an eye sees at this size


def on_canvas(frames: Frames, canvas: tuple[int, int], picture: Placement) -> Frames:
    """Return frames (T, H, W, 3) with grey bars, as the middle of a canvas (width, height)."""
    if frames.shape[1:3] == (canvas[1], canvas[0]):
        return frames
    made = np.full((len(frames), canvas[1], canvas[0], 3), BARS, np.uint8)
    x, y = int(picture.x), int(picture.y)
    made[:, y : y + frames.shape[1], x : x + frames.shape[2]] = frames
    return made


def enlarged(frames: Frames, size: int) -> Frames:
    """Return frames enlarged to `size` px a side by bicubic interpolation; equal frames stay equal."""
    from PIL import Image

    if frames.shape[1] >= size:
        return frames
    big = [Image.fromarray(f).resize((size, size), Image.Resampling.BICUBIC) for f in frames]
    return np.stack([np.asarray(b) for b in big])


def write_mp4(path: Path, frames: Frames, fps: float) -> None:
    """Write frames (T, H, W, 3) of even height and width as H.264 in 4:2:0, BT.709: what all players open."""
    import av
    from av.video.reformatter import ColorRange, Colorspace

    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.options = "yuv420p", {"crf": str(CRF), "preset": "medium"}
        stream.codec_context.colorspace = int(Colorspace.ITU709)
        stream.codec_context.color_primaries = stream.codec_context.color_trc = 1
        stream.codec_context.color_range = int(ColorRange.MPEG)
        for frame in frames:
            rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            file.mux(stream.encode(rgb.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)))
        file.mux(stream.encode())


def write_pngs(folder: Path, frames: Frames) -> None:
    """Write frames as folder/0000.png, folder/0001.png, ..."""
    folder.mkdir()
    for t, frame in enumerate(frames):
        write_png(folder / f"{t:04d}.png", frame)


def write_png(path: Path, frame: NDArray[np.uint8]) -> None:
    """Write one picture (H, W, 3) without loss."""
    from PIL import Image

    Image.fromarray(frame).save(path)


def read_png(path: Path) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) of a pack."""
    from PIL import Image

    with Image.open(path, formats=["PNG"]) as picture:
        return np.asarray(picture.convert("RGB"), np.uint8)
