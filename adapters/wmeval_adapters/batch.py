"""Videos that are asked about together, as one array."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wmeval.errors import UsageError
from wmeval.model import Frames


def stacked(name: str, videos: Sequence[Frames], height: int, width: int) -> Frames:
    """Return videos (T, H, W, 3) as one array (B, T, H, W, 3), for the model that goes by `name`.

    Raises:
        UsageError: one is not uint8 of this size, or they differ in length.
    """
    for video in videos:
        if video.dtype != np.uint8 or video.ndim != 4 or video.shape[1:] != (height, width, 3):
            raise UsageError(
                f"{name} was given {video.dtype} {video.shape}; expected uint8 (T, {height}, {width}, 3)"
            )
        if len(video) != len(videos[0]):
            raise UsageError(
                f"{name} was given videos of {len(video)} and {len(videos[0])} frames in one batch; "
                "expected one length"
            )
    return np.stack(videos)
