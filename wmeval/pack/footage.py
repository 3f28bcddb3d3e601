"""Somebody else's video files, read with care: the header first, limits before anything is decoded.

An answer is an MP4, MOV or WebM file, a folder of PNG pictures, or an .npz with `frames`. Nothing is opened
by a name that a decoder could take for an address, no link leads out of the pack, nothing is unpickled.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".webm": "matroska"}
ENDINGS = (*CONTAINERS, ".npz")
MOST_BYTES = 2 << 30  # a file
MOST_SIDE = 4096  # px
MOST_FRAMES = 4096
MOST_S = 300.0
UNEVEN = 0.5  # of a frame's time: what a frame may be off by before its times are uneven
HIDDEN = (".", "Thumbs.db", "desktop.ini")  # what file managers leave behind


class Unreadable(Exception):
    """An answer cannot be used; the message says what was found and what is expected."""


@dataclass(frozen=True)
class Footage:
    """What the header of an answer says. `fps` is None where the files do not tell it."""

    path: Path
    kind: Literal["video", "pictures", "array"]
    width: int
    height: int
    fps: float | None
    count: int
    pictures: tuple[Path, ...] = ()

    def frames(self, wanted: Sequence[int], fps: float) -> Iterator[Frame]:
        """Yield the frames (H, W, 3) of ascending indices, as far as there are frames.

        Raises:
            Unreadable: the content is damaged, or not what the header said.
        """
        try:
            if self.kind == "video":
                yield from _video_frames(self, list(wanted), fps)
            elif self.kind == "pictures":
                yield from (_picture(self.pictures[i], self) for i in wanted if i < self.count)
            else:
                every = _array(self.path)
                yield from (every[i] for i in wanted if i < self.count)
        except Unreadable:
            raise
        except Exception as fault:  # decoders raise whatever they like on damaged files
            raise Unreadable(f"{self.path.name} is damaged: {type(fault).__name__}: {fault}") from fault


def find(folder: Path, name: str) -> list[Path]:
    """Return every file or folder that could be the answer of a name."""
    there = [folder / (name + ending) for ending in ENDINGS]
    return [p for p in (folder / name, *there) if p.is_dir() or p.is_file() or p.is_symlink()]


def look(path: Path, root: Path) -> Footage:
    """Return what an answer's header says; `root` is the folder that no link may leave.

    Raises:
        Unreadable: it is too large, damaged, of no known kind, or lies outside.
    """
    inside(path, root)
    try:
        if path.is_dir():
            return _look_pictures(path, root)
        size = path.stat().st_size
        if not size:
            raise Unreadable(f"{path.name} is empty")
        if size > MOST_BYTES:
            raise Unreadable(f"{path.name} has {size / 2**30:.1f} GiB; at most {MOST_BYTES >> 30} are read")
        return _look_array(path) if path.suffix.lower() == ".npz" else _look_video(path)
    except Unreadable:
        raise
    except Exception as fault:
        raise Unreadable(f"{path.name} is damaged: {type(fault).__name__}: {fault}") from fault


def inside(path: Path, root: Path) -> None:
    """Raise Unreadable where a path leads out of a folder."""
    if not path.resolve().is_relative_to(root.resolve()):
        raise Unreadable(f"{path.name} is a link that leads out of the pack; copy the file here")


def _sized(name: str, width: int, height: int, count: int) -> None:
    if not min(width, height) >= 1 or max(width, height) > MOST_SIDE:
        raise Unreadable(f"{name} has {width} x {height} px; at most {MOST_SIDE} a side are read")
    if count > MOST_FRAMES:
        raise Unreadable(f"{name} has {count} frames; at most {MOST_FRAMES} are read")
    if count < 1:
        raise Unreadable(f"{name} holds no frames")


def _open(file: BinaryIO, path: Path) -> Any:
    import av

    # the demuxer is named and gets bytes, so that no content is taken for a playlist of other addresses
    return av.open(file, format=CONTAINERS[path.suffix.lower()])


def _look_video(path: Path) -> Footage:
    with path.open("rb") as file, _open(file, path) as container:
        if len(container.streams.video) != 1:
            raise Unreadable(f"{path.name} has {len(container.streams.video)} video streams; expected one")
        stream = container.streams.video[0]
        rate, time_base = stream.average_rate, stream.time_base
        if not rate:
            raise Unreadable(f"{path.name} states no frame rate")
        if stream.duration is not None and time_base:
            lasts = float(stream.duration * time_base)
        else:
            lasts = (container.duration or 0) / 1e6
        if lasts > MOST_S:
            raise Unreadable(f"{path.name} lasts {lasts:.0f} s; at most {MOST_S:.0f} are read")
        count = stream.frames or round(lasts * float(rate))
        aspect = stream.sample_aspect_ratio
        if aspect and aspect != 1:
            raise Unreadable(f"{path.name} has pixels of shape {aspect}; expected square ones")
        _sized(path.name, stream.width, stream.height, count)
        return Footage(path, "video", stream.width, stream.height, float(rate), count)


def _video_frames(footage: Footage, wanted: list[int], fps: float) -> Iterator[Frame]:
    left = set(wanted)
    with footage.path.open("rb") as file, _open(file, footage.path) as container:
        stream = container.streams.video[0]
        start = last = None
        stated = footage.fps or fps
        for i, frame in enumerate(container.decode(stream)):
            if not left or i > max(wanted):
                return
            if i >= MOST_FRAMES:
                raise Unreadable(f"{footage.path.name} has more than {MOST_FRAMES} frames")
            if (frame.width, frame.height) != (footage.width, footage.height):
                raise Unreadable(f"{footage.path.name} changes its size to {frame.width} x {frame.height}")
            if frame.time is not None:
                start = frame.time if start is None else start
                if last is not None and frame.time <= last:
                    raise Unreadable(f"{footage.path.name}: frame {i} is not later than the one before it")
                if abs((frame.time - start) * stated - i) > UNEVEN:
                    raise Unreadable(
                        f"{footage.path.name}: frame {i} is shown at {frame.time - start:.3f} s and not at "
                        f"{i / stated:.3f}; write it with a constant frame rate"
                    )
                last = frame.time
            if i in left:
                left.discard(i)
                yield _rgb(frame)


def _rgb(frame: Any) -> Frame:
    """Return sRGB pixels. A video that does not say its colour matrix is read as players read it."""
    from av.video.reformatter import Colorspace

    untold = int(frame.colorspace) in (0, 2)  # "rgb" is what some encoders write for "unspecified"
    if untold and not frame.format.name.startswith(("rgb", "gbr", "bgr")):
        told = Colorspace.ITU709 if frame.height >= 720 else Colorspace.ITU601
        made: Frame = frame.to_ndarray(format="rgb24", src_colorspace=told, dst_colorspace=told)
        return made
    made = frame.to_ndarray(format="rgb24")
    return made


def _look_pictures(folder: Path, root: Path) -> Footage:
    files = [p for p in sorted(folder.iterdir()) if not p.name.startswith(HIDDEN)]
    if len(files) > MOST_FRAMES:
        raise Unreadable(f"{folder.name}/ holds {len(files)} files; at most {MOST_FRAMES} are read")
    numbered: dict[int, Path] = {}
    names = set()
    for file in files:
        inside(file, root)
        number = re.fullmatch(r"(.*?)(\d{1,9})\.png", file.name, re.IGNORECASE)
        if not number or not file.is_file():
            raise Unreadable(
                f"{folder.name}/ holds {file.name}; expected PNG pictures alone, numbered like 0000.png"
            )
        names.add(number[1])
        at = int(number[2])
        if at in numbered:
            raise Unreadable(f"{folder.name}/ holds frame {at} twice: {numbered[at].name} and {file.name}")
        numbered[at] = file
    if len(names) > 1:
        one, two = sorted(names)[:2]
        raise Unreadable(
            f"{folder.name}/ holds pictures called {one!r} and {two!r} before their number; expected one "
            "series"
        )
    order = sorted(numbered)
    if gaps := [a for a, b in pairwise(order) if b != a + 1]:
        raise Unreadable(f"{folder.name}/ lacks frame {gaps[0] + 1}: numbers must follow one another")
    pictures = tuple(numbered[i] for i in order)
    sizes = {_picture_size(p): p.name for p in pictures}
    if len(sizes) > 1:
        told = " and ".join(f"{w} x {h} ({name})" for (w, h), name in list(sizes.items())[:2])
        raise Unreadable(f"{folder.name}/ holds pictures of {told}; expected one size")
    width, height = next(iter(sizes), (1, 1))
    _sized(f"{folder.name}/", width, height, len(pictures))
    return Footage(folder, "pictures", width, height, None, len(pictures), pictures)


def _picture_size(path: Path) -> tuple[int, int]:
    from PIL import Image

    if path.stat().st_size > MOST_BYTES:
        raise Unreadable(f"{path.name} is too large to be one picture")
    with Image.open(path, formats=["PNG"]) as picture:
        width, height = picture.size  # of the header; nothing is decoded yet
    _sized(path.name, width, height, 1)
    return width, height


def _picture(path: Path, footage: Footage) -> Frame:
    from PIL import Image

    with Image.open(path, formats=["PNG"]) as picture:
        if picture.size != (footage.width, footage.height):
            raise Unreadable(f"{path.name} has changed while it was read")
        return np.asarray(picture.convert("RGB"), np.uint8)


def _look_array(path: Path) -> Footage:
    with zipfile.ZipFile(path) as packed:
        names = packed.namelist()
        if "frames.npy" not in names:
            raise Unreadable(f"{path.name} holds {', '.join(names[:4]) or 'nothing'}; expected `frames`")
        shape, dtype = _header(packed, "frames.npy")
        if dtype != np.uint8 or len(shape) != 4 or shape[3] != 3:
            raise Unreadable(
                f"{path.name} holds {dtype} frames {shape}; expected uint8 (T, height, width, 3)"
            )
        _sized(path.name, shape[2], shape[1], shape[0])
        if int(np.prod(shape)) > MOST_BYTES:
            raise Unreadable(f"{path.name} unpacks to more than {MOST_BYTES >> 30} GiB")
        fps = None
        if "fps.npy" in names:
            size, kind = _header(packed, "fps.npy")
            if size not in ((), (1,)) or kind.kind not in "fiu":
                raise Unreadable(f"{path.name} holds fps {kind} {size}; expected one number")
            with packed.open("fps.npy") as file:
                fps = float(np.lib.format.read_array(file, allow_pickle=False).reshape(-1)[0])
            if not 0 < fps < 1000:
                raise Unreadable(f"{path.name} states {fps:g} fps")
    return Footage(path, "array", shape[2], shape[1], fps, shape[0])


def _header(packed: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with packed.open(name) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else (
            np.lib.format.read_array_header_2_0)  # fmt: skip
        shape, _, dtype = read(file)
    if dtype.hasobject:
        raise Unreadable(f"{name} holds Python objects, which are not read; save plain numbers")
    return shape, dtype


def _array(path: Path) -> NDArray[np.uint8]:
    with np.load(path, allow_pickle=False) as packed:
        frames: NDArray[np.uint8] = packed["frames"]
    return frames
