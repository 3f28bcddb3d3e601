"""How far the mean brightness of a frame is off."""

import numpy as np
from numpy.typing import NDArray

from wmeval.metric import Metric


def per_frame(
    truth: NDArray[np.uint8], predicted: NDArray[np.uint8], bodies: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return |difference of the mean| in grey levels, (T,)."""
    gap: NDArray[np.float64] = np.abs(truth.mean((1, 2, 3)) - predicted.mean((1, 2, 3)))
    return gap


METRIC = Metric("brightness", "1", "grey levels", "lower", per_frame)
