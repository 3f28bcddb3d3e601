"""Disturbances change pictures as they say, more with strength, and never their shape."""

import numpy as np
import pytest
from skimage.filters import gaussian
from skimage.metrics import peak_signal_noise_ratio

from wmeval.camera import View
from wmeval.disturb import DISTURBANCES, blur, h264, noise, white_balance
from wmeval.scene import Scene, ball, floor, side_camera
from wmeval.world import render, simulate

RNG = np.random.default_rng


@pytest.fixture(scope="module")
def frames():
    body = ball("a", radius=0.4, position=(-1, 0, 2), hue="red", velocity=(1, 0, 0))
    return render(
        simulate(Scene((body, floor()), side_camera(), 1.0, 0.3, 0.2, "flight", gravity=0.0)), View()
    ).frames


@pytest.mark.parametrize("name", DISTURBANCES)
def test_more_is_farther_from_the_picture(name, frames) -> None:
    one = DISTURBANCES[name]
    made = [one.apply(frames, s, RNG(0)) for s in one.strengths]
    assert all((m.shape, m.dtype) == (frames.shape, np.uint8) for m in made)
    psnr = [peak_signal_noise_ratio(frames, m) for m in made]
    assert psnr[0] > psnr[1] > psnr[2] > 15


def test_blur_is_a_gaussian(frames) -> None:
    wanted = gaussian(
        frames[0].astype(float), 1.0, channel_axis=2, mode="reflect", truncate=4, preserve_range=True
    )
    assert np.abs(blur(frames, 1.0, RNG(0))[0] - wanted).max() <= 1.0


def test_noise_has_the_stated_sigma() -> None:
    grey = np.full((4, 64, 64, 3), 128, np.uint8)
    assert (noise(grey, 8.0, RNG(0)) - 128.0).std() == pytest.approx(8.0, rel=0.02)


def test_white_balance_warms() -> None:
    grey = np.full((1, 2, 2, 3), 100, np.uint8)
    assert white_balance(grey, 0.1, RNG(0))[0, 0, 0].tolist() == [110, 100, 90]


def test_h264_refuses_what_the_codec_cannot_take() -> None:
    with pytest.raises(ValueError, match="must be even"):
        h264(np.zeros((2, 63, 64, 3), np.uint8), 18.0, RNG(0))
