"""Videos as one image each: a sheet of frames that a page cuts up again, without any player or codec."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]


def sheet(frames: Frames) -> tuple[Frames, int]:
    """Return all frames (T, H, W, 3) as one image, row by row, and the number of its columns."""
    count, height, width, _ = frames.shape
    columns = max(1, math.ceil(math.sqrt(count)))
    rows = max(1, math.ceil(count / columns))
    image = np.zeros((rows * height, columns * width, 3), np.uint8)
    for i, frame in enumerate(frames):
        r, c = divmod(i, columns)
        image[r * height : (r + 1) * height, c * width : (c + 1) * width] = frame
    return image, columns


def data_uri(image: Frames) -> str:
    """Return an image (H, W, 3) as a `data:` address of a lossless PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
