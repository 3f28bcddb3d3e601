"""Disturbances: what cameras, codecs and decoders do to a picture, with no physics in it.

An instrument must go on seeing violations under them, and must not take them for one. Each comes at three
strengths and is applied to predicted frames alone, since the context is the truth's own.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Disturbance:
    """One change of frames (T, H, W, 3), and its three strengths in the `unit`."""

    name: str
    unit: str
    strengths: tuple[float, float, float]
    apply: Callable[[Frames, float, np.random.Generator], Frames]


def blur(frames: Frames, sigma: float, rng: np.random.Generator) -> Frames:
    """Return the frames under a Gaussian of `sigma` px for a height of 64."""
    from scipy.ndimage import gaussian_filter1d

    wide = sigma * frames.shape[1] / 64
    soft = gaussian_filter1d(frames.astype(np.float64), wide, axis=1)
    return _bytes(gaussian_filter1d(soft, wide, axis=2))


def noise(frames: Frames, sigma: float, rng: np.random.Generator) -> Frames:
    """Return the frames with normal noise of `sigma` grey levels on every value."""
    return _bytes(frames + rng.normal(0.0, sigma, frames.shape))


def white_balance(frames: Frames, share: float, rng: np.random.Generator) -> Frames:
    """Return the frames with red gained and blue lost by a share, as under a warmer light."""
    return _bytes(frames * np.array([1 + share, 1.0, 1 - share]))


def h264(frames: Frames, crf: float, rng: np.random.Generator) -> Frames:
    """Return the frames after H.264 at a constant rate factor, colours at full resolution.

    Raises:
        ValueError: height or width is odd, which the codec does not take.
    """
    import av

    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        raise ValueError(f"frames of {width} x {height} px were given to H.264; both must be even")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as video:
        stream = video.add_stream("libx264", rate=10, options={"crf": f"{crf:g}", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
        stream.thread_count = 1
        for frame in frames:
            video.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        video.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as shown_again:
        shown = [frame.to_ndarray(format="rgb24") for frame in shown_again.decode(video=0)]
    return np.stack(shown).astype(np.uint8)


def _bytes(values: NDArray[np.float64]) -> Frames:
    kept: Frames = np.rint(values).clip(0, 255).astype(np.uint8)
    return kept


_ALL = (
    Disturbance("blur", "sigma px at 64", (0.4, 0.7, 1.0), blur),
    Disturbance("noise", "sigma of 255", (4.0, 8.0, 16.0), noise),
    Disturbance("white balance", "share", (0.05, 0.1, 0.2), white_balance),
    Disturbance("H.264", "crf", (18.0, 26.0, 34.0), h264),
)
DISTURBANCES: Mapping[str, Disturbance] = {d.name: d for d in _ALL}
