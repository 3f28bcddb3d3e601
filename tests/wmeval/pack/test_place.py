"""Where a picture lies in other pixels: shapes by arithmetic, placements found again by what is seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from wmeval.pack.place import Placement, fits, psnr, refined, shrink

WHOLE = Placement(0, 0, 256, 256)


def picture(at=(90, 120), floor=200):
    """Return a 256 px picture: a shaded disc above a floor, antialiased."""
    v, u = np.mgrid[:256, :256] + 0.5
    share = np.clip(30.5 - np.hypot(u - at[0], v - at[1]), 0, 1)[..., None]
    ground = np.where(v < floor, 240, 140)[..., None] * np.ones(3)
    return np.rint(ground * (1 - share) + share * (200, 40, 30)).astype(np.uint8)


def letterboxed(frame, width, height, left=None):
    """Return a frame as a service letterboxes it, and where the picture is."""
    side = min(width, height)
    out = np.zeros((height, width, 3), np.uint8)
    x = (width - side) // 2 if left is None else left
    y = (height - side) // 2
    out[y : y + side, x : x + side] = Image.fromarray(frame).resize((side, side), Image.Resampling.LANCZOS)
    return out, Placement(x, y, side, side)


def test_a_whole_multiple_is_the_mean_of_blocks():
    frame = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    blocks = frame.reshape(8, 3, 8, 3, 3).mean((1, 3))
    assert np.allclose(shrink(frame, Placement(0, 0, 24, 24), 8, 8), blocks, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(20, 40), st.integers(4, 32))
def test_a_flat_colour_stays_what_it_is(x, y, side, size):
    frame = np.full((30, 30, 3), 77, np.uint8)
    assert np.allclose(shrink(frame, Placement(x, y, side, side), size, size), 77, atol=1e-3)


def test_the_centre_of_a_disc_goes_where_the_affine_says():
    (frame, place) = letterboxed(picture(at=(70.0, 100.0)), 1280, 720)
    seen = shrink(frame, place, 64, 64)
    red = seen[..., 0] - seen[..., 1] > 60
    v, u = np.nonzero(red)
    assert u.mean() + 0.5 == pytest.approx(70 / 4, abs=0.1)
    assert v.mean() + 0.5 == pytest.approx(100 / 4, abs=0.1)


def test_a_canvas_with_bars_is_fitted_whole():
    # 512 px in the middle of 1280 x 720, answered at half the size
    made = fits(640, 360, (1280, 720), Placement(384, 104, 512, 512))
    assert made == {"scale": Placement(192, 52, 256, 256)}


def test_what_crop_cuts_away_is_known():
    crop = fits(1280, 720, (512, 512), Placement(0, 0, 512, 512))["crop"]
    assert crop.cut_away(1280, 720) == pytest.approx(1 - 720 / 1280)
    assert Placement(280, 0, 720, 720).cut_away(1280, 720) == 0


@pytest.mark.parametrize("left", [284, 277])
def test_a_letterboxed_720p_answer_is_registered_within_a_fifth_of_its_pixels(left):
    pictures = [picture(at=at) for at in ((70, 100), (150, 60), (200, 150), (40, 160))]
    answers = [letterboxed(p, 1280, 720, left) for p in pictures]
    start = fits(1280, 720, (256, 256), WHOLE)["letterbox"]
    found = refined([(a, p) for (a, _), p in zip(answers, pictures, strict=True)], start, WHOLE)
    assert np.abs(np.subtract(found.numbers(), answers[0][1].numbers())).max() < 0.2


def test_what_no_picture_shows_stays_as_it_was():
    flat = picture(at=(-500, 0))  # a floor alone: nothing tells x
    start = Placement(280, 0, 720, 720)
    found = refined([(letterboxed(flat, 1280, 720)[0], flat)] * 4, start, WHOLE)
    assert found.numbers() == pytest.approx(start.numbers(), abs=0.2)


def test_psnr_by_hand():
    assert psnr(np.zeros((2, 2)), np.full((2, 2), 25.5)) == pytest.approx(20)
    assert psnr(np.zeros(3), np.zeros(3)) == 99
