"""Differences of pixels: PSNR of frames and of bodies, SSIM, MS-SSIM.

PSNR of a whole frame rewards erasing small bodies, since they cover few pixels; `body-psnr` looks only where
a true or a predicted body is. SSIM and MS-SSIM are those of torchmetrics (Gaussian window of sigma 1.5, over
11 x 11 px; Wang et al. 2004 and 2003), on RGB in [0, 1].
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wmeval.errors import UsageError
from wmeval.metric import Bools, Floats, Frames, Metric

CAP = 50.0  # dB: errors of less than 0.8 grey levels; without it one perfect frame would be an infinite mean
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the five scales of MS-SSIM, finest first
REACH = 11  # px of the Gaussian window


def _alike(truth: Frames, predicted: Frames) -> None:
    if truth.shape != predicted.shape or truth.ndim != 4 or truth.shape[-1] != 3:
        raise ValueError(
            f"expected two videos (T, H, W, 3) of one shape, got {truth.shape} and {predicted.shape}"
        )
    if truth.dtype != np.uint8 or predicted.dtype != np.uint8:
        raise ValueError(f"expected uint8 frames, got {truth.dtype} and {predicted.dtype}")


def _decibel(error: Floats) -> Floats:
    """Return PSNR [dB] of mean squared errors in grey levels squared, at most CAP; NaN stays NaN."""
    with np.errstate(divide="ignore"):
        told: Floats = np.minimum(10 * np.log10(255.0**2 / error), CAP)
    return told


def psnr(truth: Frames, predicted: Frames, bodies: Bools | None = None) -> Floats:
    """Return the PSNR (T,) [dB] of whole frames (T, H, W, 3), capped at 50 dB."""
    del bodies
    _alike(truth, predicted)
    difference = truth.astype(np.float64) - predicted
    return _decibel(np.asarray((difference**2).mean((1, 2, 3))))


def body_psnr(truth: Frames, predicted: Frames, bodies: Bools) -> Floats:
    """Return the PSNR (T,) [dB] over the pixels (T, H, W) of true or predicted bodies, capped at 50 dB.

    A frame in which neither video has a body is NaN: there is nothing to compare.
    """
    _alike(truth, predicted)
    if bodies.shape != truth.shape[:3]:
        raise ValueError(f"expected bodies {truth.shape[:3]}, got {bodies.shape}")
    squared = ((truth.astype(np.float64) - predicted) ** 2).mean(-1)
    count = bodies.sum((1, 2))
    total = (squared * bodies).sum((1, 2))
    return _decibel(np.divide(total, count, out=np.full(len(truth), np.nan), where=count > 0))


def _tensors(truth: Frames, predicted: Frames) -> tuple[Any, Any]:
    """Return both videos as float32 tensors (T, 3, H, W) in [0, 1]."""
    import torch

    def tensor(frames: Frames) -> Any:
        return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2))).float() / 255

    return tensor(truth), tensor(predicted)


def ssim(truth: Frames, predicted: Frames, bodies: Bools | None = None) -> Floats:
    """Return the structural similarity (T,) of frames (T, H, W, 3) of at least 11 px.

    Raises:
        UsageError: the frames are smaller than the window.
    """
    del bodies
    from torchmetrics.functional.image import structural_similarity_index_measure

    _alike(truth, predicted)
    if min(truth.shape[1:3]) < REACH:
        raise UsageError(f"SSIM needs frames of {REACH} px or more, got {truth.shape[1]} x {truth.shape[2]}")
    a, b = _tensors(truth, predicted)
    _, each = structural_similarity_index_measure(
        b, a, data_range=1.0, reduction="none", return_full_image=True
    )
    # torchmetrics averages over windows that hang over a mirrored edge too; the definition (and scikit-image)
    # has only whole windows, and at 64 px the edge is a third of the frame
    edge = REACH // 2
    return np.asarray(each[..., edge:-edge, edge:-edge].double().mean((1, 2, 3)).numpy())


def scales(height: int, width: int) -> int:
    """Return how many of the five scales of MS-SSIM a frame has room for (0 = not even two).

    torchmetrics asks for 11 (L - 1)^2 px for L scales: five from 176 px, four from 99, three from 44, two
    from 11.

    >>> scales(64, 64), scales(128, 128), scales(256, 256)
    (3, 4, 5)
    """
    side = min(height, width)
    return max((n for n in (2, 3, 4, 5) if side // (n - 1) ** 2 >= REACH), default=0)


def ms_ssim(truth: Frames, predicted: Frames, bodies: Bools | None = None) -> Floats:
    """Return the multi-scale structural similarity (T,) of frames (T, H, W, 3).

    Below 176 px not all five scales fit: the finest that do are used, with their weights divided by their sum
    (three at 64 px, four at 128 px). Values at different sizes therefore do not compare. Opposed structure (a
    mean contrast below 0, which has no real power) counts as 0. NaN where not even two scales fit.
    """
    del bodies
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    _alike(truth, predicted)
    fit = scales(*truth.shape[1:3])
    if not fit:
        return np.full(len(truth), np.nan)
    weights = np.array(WEIGHTS[:fit])
    weights /= weights.sum() if fit < len(WEIGHTS) else 1.0
    a, b = _tensors(truth, predicted)
    told = multiscale_structural_similarity_index_measure(
        b, a, data_range=1.0, betas=tuple(weights.tolist()), normalize="relu", reduction="none"
    )
    return np.asarray(told.double().reshape(-1).numpy())


PSNR = Metric("psnr", "0.1", "dB", "higher", psnr)
BODY_PSNR = Metric(
    "body-psnr", "0.1", "dB", "higher", body_psnr, undefined="no body in the true or the predicted frame"
)
SSIM = Metric("ssim", "0.1", "1", "higher", ssim)
MS_SSIM = Metric(
    "ms-ssim", "0.1", "1", "higher", ms_ssim, undefined="frames below 11 px have no room for two scales"
)
