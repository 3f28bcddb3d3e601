"""Do predicted frames follow the actions? PSNR under the true action minus that under another one.

It is the delta-PSNR of Genie (Bruce et al. 2024, section 3), with the other arms of a case in place of random
actions: arms share their context and differ in what is commanded, so a model that ignores actions gets 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from wmeval.measure.pixels import psnr

Frames = NDArray[np.uint8]


def delta_psnr(true: Mapping[str, Frames], predicted: Mapping[str, Frames]) -> float:
    """Return the mean over arms and frames [dB]; frames (T, H, W, 3) by arm, after the cut.

    Only frames count from the first on that tells the true arms apart; NaN where none does.
    """
    length = min(len(v) for v in (*true.values(), *predicted.values()))
    first, *others = (v[:length] for v in true.values())
    differs = np.any([(v != first).any(axis=(1, 2, 3)) for v in others], axis=0)
    if not np.any(differs):
        return float("nan")
    ahead = slice(int(np.argmax(differs)), length)
    gains = []
    for arm, frames in true.items():
        right = psnr(frames[ahead], predicted[arm][ahead])
        wrong = [psnr(frames[ahead], predicted[b][ahead]) for b in predicted if b != arm]
        gains.append(np.mean(right - np.mean(wrong, axis=0)))
    return float(np.mean(gains))
