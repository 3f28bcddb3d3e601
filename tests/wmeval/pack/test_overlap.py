"""How a video begins, by what moves; and what cannot be known is not said."""

import numpy as np
import pytest

from wmeval.pack.overlap import beginning, common, frames_of


def moving(first, count, speed=2.0, noise=0.0, seed=0):
    """Return frames of a disc that goes on at `speed` px a frame from frame `first`."""
    v, u = np.mgrid[:64, :64] + 0.5
    rng = np.random.default_rng(seed)
    out = []
    for t in range(first, first + count):
        share = np.clip(6.5 - np.hypot(u - 10 - speed * t, v - 30), 0, 1)[..., None]
        out.append(210 * (1 - share) + share * (200, 30, 30))
    return np.clip(np.stack(out) + rng.normal(0, noise, (count, 64, 64, 3)), 0, 255)


@pytest.mark.parametrize(("first", "mode"), [(0, "all"), (7, "last"), (8, "none")])
@pytest.mark.parametrize("noise", [0.0, 4.0])
@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_how_a_video_begins_is_seen(first, mode, noise, speed):
    context = moving(0, 8, speed)
    told = beginning(moving(first, 14, speed, noise, seed=1), context)
    assert told.mode == mode
    assert frames_of(mode, 8) == {"all": 8, "last": 1, "none": 0}[mode]


def test_where_nothing_moves_nothing_is_said():
    assert beginning(moving(0, 14, speed=0), moving(0, 8, speed=0)).mode is None


def test_another_video_begins_with_nothing_of_the_context():
    told = beginning(moving(0, 14)[:, ::-1, :, ::-1], moving(0, 8))
    assert told.mode == "none"
    assert told.psnr_last < 30


def test_a_video_shorter_than_the_context_does_not_hold_it():
    assert beginning(moving(7, 3), moving(0, 8)).psnr_all is None


def test_videos_that_differ_settle_nothing():
    assert common(["last", None, "last"]) == "last"
    assert common(["last", "none"]) is None
    assert common([None]) is None
