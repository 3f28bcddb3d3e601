"""What a page shows of a sample is drawn anew: pictures of ours, and plain numbers."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from wmeval.errors import UsageError
from wmeval.report.sample import Judged, Motion, Sample
from wmeval_leaderboard import media

RNG = np.random.default_rng(0)


def frames(count, height=64, width=64):
    return RNG.integers(0, 256, (count, height, width, 3)).astype(np.uint8)


def sample(**given):
    return Sample("gravity@0.1", "rollout", "iid", "a" * 64, 0, "main", 0.2, 1.0, "ok", **given)


def test_a_film_holds_every_frame_to_the_bit_in_its_place():
    film = frames(10)
    image = np.asarray(Image.open(io.BytesIO(media.film(film))))
    assert image.shape == (3 * 64, 4 * 64, 3)
    for i, frame in enumerate(film):
        row, column = divmod(i, 4)
        assert (image[row * 64 :, column * 64 :][:64, :64] == frame).all()


def test_large_frames_are_averaged_down_and_no_frame_is_a_picture_too():
    image = Image.open(io.BytesIO(media.film(frames(1, 256, 512))))
    assert image.size == (128, 64)
    assert Image.open(io.BytesIO(media.film(frames(0)))).size == (1, 1)


@pytest.mark.parametrize("wrong", [np.zeros((2, 8, 8, 3)), np.zeros((2, 8, 8), np.uint8), frames(601, 1, 1)])
def test_what_is_no_video_is_refused_with_what_was_expected(wrong):
    with pytest.raises(UsageError, match="expected uint8"):
        media.film(wrong)


def test_the_data_of_a_motion_are_its_tracks_and_errors_in_pixels_of_the_picture():
    times = np.arange(4) / 10
    path = np.full((4, 1, 2), 100.0)
    predicted = np.stack([path[0], path[1], path[2] + [0, 25.6], [[np.nan, np.nan]]])
    seen = np.ones((4, 1), bool)
    truth, made = frames(4, 256, 256), frames(2, 256, 256)
    motion = Motion(10.0, 2, times, path, seen, predicted, (120.0,), 256, lambda: (truth, made))
    kept = media.evidence(sample(motion=motion))
    assert set(kept) == set(media.NAMES)
    told = json.loads(kept["data"])
    assert (told["width"], told["truth"]["count"], told["prediction"]["count"]) == (128, 4, 2)
    assert told["predicted_path"][2] == [[50.0, 62.8]]
    assert told["predicted_path"][3] == [None]
    assert told["lines"]["bodies"] == [[10.0, None]]


def test_the_data_of_a_judgement_are_the_surprise_of_both_clips():
    clips = frames(3), frames(3)
    judged = Judged(10.0, (1, 3), np.array([0.0, 1.0, 2.0]), np.array([0.0, np.nan, 5.0]), lambda: clips)
    told = json.loads(media.evidence(sample(judged=judged))["data"])
    assert told["lines"]["impossible"] == [0.0, None, 5.0]
    assert told["window"] == [1, 2]


def test_a_sample_that_failed_leaves_nothing_to_look_at():
    assert media.evidence(sample()) == {}
