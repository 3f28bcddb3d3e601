"""PSNR, SSIM and MS-SSIM against closed forms, scikit-image and what they are meant to be blind to."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from wmeval.errors import UsageError
from wmeval.measure.pixels import BODY_PSNR, CAP, MS_SSIM, body_psnr, ms_ssim, psnr, ssim


def video(seed: int, size: int = 64, frames: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (frames, size // 8, size // 8, 3))
    fine = coarse.repeat(8, axis=1).repeat(8, axis=2) + rng.normal(0, 6, (frames, size, size, 3))
    return np.clip(fine, 0, 255).astype(np.uint8)


def test_zeros_against_ones_have_the_analytic_values() -> None:
    zeros = np.zeros((30, 64, 64, 3), np.uint8)
    ones = np.full_like(zeros, 255)
    assert psnr(zeros, ones) == pytest.approx(np.zeros(30), abs=1e-12)
    c1 = 0.01**2
    assert ssim(zeros, ones) == pytest.approx(np.full(30, c1 / (1 + c1)), rel=1e-4)


def test_psnr_is_the_one_of_scikit_image() -> None:
    a, b = video(0), video(1)
    wanted = [peak_signal_noise_ratio(x, y, data_range=255) for x, y in zip(a, b, strict=True)]
    assert psnr(a, b) == pytest.approx(wanted)


def test_equal_frames_are_capped_not_infinite() -> None:
    a = video(0)
    b = a.copy()
    b[1, 0, 0, 0] ^= 1  # one grey level in one pixel: 89 dB
    assert psnr(a, b).tolist() == [CAP] * 3
    bodies = np.ones(a.shape[:3], bool)
    assert body_psnr(a, a, bodies).tolist() == [CAP] * 3


def test_ssim_is_the_one_of_scikit_image() -> None:
    a, b = (
        video(0),
        np.clip(video(0).astype(int) + np.random.default_rng(2).normal(0, 20, (3, 64, 64, 3)), 0, 255),
    )
    b = b.astype(np.uint8)
    wanted = [
        structural_similarity(
            x,
            y,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
        )
        for x, y in zip(a, b, strict=True)
    ]
    assert ssim(a, b) == pytest.approx(wanted, abs=1e-5)


def test_body_psnr_sees_an_erased_body_that_psnr_overlooks() -> None:
    truth = np.full((2, 64, 64, 3), 120, np.uint8)
    truth[:, 30:34, 30:34] = (220, 20, 20)
    bodies = np.zeros((2, 64, 64), bool)
    bodies[:, 30:34, 30:34] = True
    erased = np.full_like(truth, 120)
    assert psnr(truth, erased).min() > 30
    assert body_psnr(truth, erased, bodies).max() < 10


def test_body_psnr_is_null_without_bodies_and_exact_with() -> None:
    truth, predicted = video(0), video(1)
    bodies = np.zeros(truth.shape[:3], bool)
    bodies[1, :10] = True
    told = body_psnr(truth, predicted, bodies)
    wanted = peak_signal_noise_ratio(truth[1, :10], predicted[1, :10], data_range=255)
    assert np.isnan(told[[0, 2]]).all()
    assert told[1] == pytest.approx(wanted)
    assert BODY_PSNR.undefined


def by_hand(a: np.ndarray, b: np.ndarray, weights: list[float]) -> float:
    """MS-SSIM from scikit-image's maps: contrast of whole windows, mirrored similarity at the end."""
    total = 1.0
    c1 = 0.01**2
    x, y = (torch.from_numpy(v).double().permute(2, 0, 1)[None] / 255 for v in (a, b))
    for level, weight in enumerate(weights):
        u, v = (z[0].permute(1, 2, 0).numpy() for z in (x, y))
        _, full = structural_similarity(
            u, v, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
            data_range=1.0, full=True,
        )  # fmt: skip
        mu, mv = (gaussian_filter(z, (1.5, 1.5, 0), truncate=3.5) for z in (u, v))
        light = (2 * mu * mv + c1) / (mu**2 + mv**2 + c1)
        last = level == len(weights) - 1
        told = full if last else (full / light)[5:-5, 5:-5]
        total *= float(told.mean()) ** weight
        x, y = (torch.nn.functional.avg_pool2d(z, 2) for z in (x, y))
    return total


@pytest.mark.parametrize(("size", "count"), [(64, 3), (128, 4), (192, 5)])
def test_ms_ssim_uses_the_scales_that_fit(size: int, count: int) -> None:
    a = video(0, size, 1)
    noise = np.random.default_rng(1).normal(0, 25, a.shape)
    b = np.clip(a + noise, 0, 255).astype(np.uint8)
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])[:count]
    weights = weights / weights.sum()
    # scipy mirrors the edge pixel too, torch does not
    assert ms_ssim(a, b)[0] == pytest.approx(by_hand(a[0], b[0], weights.tolist()), abs=3e-4)


def test_ms_ssim_is_null_below_two_scales_and_one_for_equal_frames() -> None:
    tiny = np.zeros((2, 8, 8, 3), np.uint8)
    assert np.isnan(ms_ssim(tiny, tiny)).all()
    assert MS_SSIM.undefined
    a = video(3)
    assert ms_ssim(a, a) == pytest.approx(np.ones(3), abs=1e-5)
    assert ssim(a, a) == pytest.approx(np.ones(3), abs=1e-5)
    assert (ms_ssim(a, 255 - a) == 0).all()


def test_mistakes_are_told() -> None:
    a = video(0)
    with pytest.raises(ValueError, match="one shape"):
        psnr(a, a[:2])
    with pytest.raises(ValueError, match="uint8"):
        psnr(a.astype(float), a.astype(float))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected bodies"):
        body_psnr(a, a, np.zeros((3, 2, 2), bool))
    with pytest.raises(UsageError, match="11 px"):
        ssim(a[:, :8, :8], a[:, :8, :8])
