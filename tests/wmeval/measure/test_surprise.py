"""From surprise to skill: the known answers of IntPhys, ties, windows and peaks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from wmeval.measure.cues import BASELINES, FEATURES
from wmeval.measure.surprise import apart_before, in_window, localised, over_clip, share_above

SCORES = st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("plausible", "relative", "area"),
    [([0.8, 0.1, 0.6, 0.55], 0.0, 0.0), ([0.4] * 4, 0.5, 0.5), ([0.2, 0.9, 0.4, 0.45], 1.0, 1.0)],
    ids=["right", "constant", "inverted"],
)
def test_the_answers_of_intphys(plausible, relative, area):
    """L_R = 0 and L_A = 0 for plausibilities {.8, .1, .6, .55} of clips {1, 0, 1, 0}; a constant has 1/2."""
    possible, impossible = -np.array(plausible)[[0, 2]], -np.array(plausible)[[1, 3]]
    lost = [1 - share_above([i], [p]) for i, p in zip(impossible, possible, strict=True)]
    assert np.mean(lost) == relative
    assert 1 - share_above(impossible, possible) == area


@given(SCORES, SCORES)
def test_over_all_clips_it_is_the_area_under_the_roc_curve(impossible, possible):
    outside = mannwhitneyu(impossible, possible).statistic / (len(impossible) * len(possible))
    assert share_above(impossible, possible) == pytest.approx(outside, abs=1e-12)


@given(SCORES)
def test_exchanging_both_sides_exchanges_winning_and_losing(scores):
    assert share_above(scores, scores) == pytest.approx(0.5)
    assert share_above(scores, [0.0]) + share_above([0.0], scores) == pytest.approx(1.0)


def test_the_order_of_a_sum_breaks_no_tie():
    values = np.random.default_rng(0).uniform(0, 1, 1000)
    one, other = float(np.sum(values)), float(np.sum(values[::-1]))
    other = np.nextafter(one, 2 * one) if one == other else other
    assert share_above([one], [other]) == 0.5
    assert share_above([1.000001], [1.0]) == 1.0
    assert share_above([1e-30], [0.0]) == 1.0


def test_a_clip_without_a_score_cannot_be_compared():
    with pytest.raises(ValueError, match="a NaN among scores"):
        share_above([np.nan], [1.0])


def test_a_window_finds_what_a_whole_clip_drowns():
    """With 64 places for one event of 1 sigma the window wins .76, mean and maximum of the clip .53."""
    rng = np.random.default_rng(1)
    clips = rng.normal(size=(2, 10_000, 64))
    clips[1, :, 30] += 1
    scores = np.array([[(in_window(s, (30, 31)), *over_clip(s)) for s in side] for side in clips])
    won = (scores[1] > scores[0]).mean(0)
    np.testing.assert_allclose(won, [0.76, 0.53, 0.53], atol=0.02)


def test_undefined_frames_are_left_out_and_an_undefined_window_is_nan():
    told = np.array([np.nan, 1.0, np.nan, 3.0])
    assert in_window(told, (0, 4)) == 2.0
    assert np.isnan(in_window(told, (2, 3)))
    assert over_clip(told) == (2.0, 3.0)


def test_where_the_difference_peaks():
    flat, peak = np.full(10, 0.5), np.full(10, 0.5)
    peak[6] = 0.9
    assert localised([peak], [flat], (5, 8)) is True
    assert localised([peak], [flat], (2, 5)) is False
    assert localised([flat], [flat + 1e-13], (5, 8)) is False  # a difference that is nowhere
    assert localised([np.full(10, np.nan)], [flat], (5, 8)) is None


def test_what_came_before_must_not_differ():
    one, other = np.array([np.nan, 1.0, 2.0, 3.0]), np.array([np.nan, 1.0, 2.0, 5.0])
    assert apart_before(one, other, 3) == 0.0
    assert apart_before(one, other, 4) == 2.0
    assert apart_before(one, np.nan_to_num(other), 3) == float("inf")


@pytest.fixture
def moving():
    rng = np.random.default_rng(2)
    frames = np.full((12, 32, 32, 3), 200, np.uint8)
    for t in range(12):
        frames[t, 10:18, 2 * t : 2 * t + 8] = (220, 30, 30)
    return frames, rng


@pytest.mark.parametrize("name", BASELINES)
def test_cues_of_steps_know_no_direction_of_time(moving, name):
    frames, _ = moving
    forward, back = BASELINES[name](frames), BASELINES[name](np.ascontiguousarray(frames[::-1]))
    assert np.isnan(forward[0])
    np.testing.assert_allclose(forward[1:], back[1:][::-1])
    assert (forward[1:] > 0).all()
    assert np.nansum(BASELINES[name](np.repeat(frames[:1], 5, axis=0))) == 0.0


@pytest.mark.parametrize("name", FEATURES)
def test_features_of_a_window_are_those_of_its_steps_backwards(moving, name):
    frames, _ = moving
    back = np.ascontiguousarray(frames[::-1])
    first, last = (4, 9) if name != "single frames" else (5, 9)
    mirrored = (
        len(frames) - last + (name != "single frames"),
        len(frames) - first + (name != "single frames"),
    )
    np.testing.assert_allclose(FEATURES[name](frames, (first, last)), FEATURES[name](back, mirrored))


def test_flow_is_the_speed_of_an_edge():
    grey = np.clip(np.arange(64) * 12.0, 0, 255)
    frames = np.stack(
        [np.tile(np.interp(np.arange(64) - 2 * t, np.arange(64), grey), (64, 1)) for t in range(3)]
    )
    video = np.repeat(frames[..., None], 3, -1).round().astype(np.uint8)
    assert BASELINES["flow-speed"](video)[1] == pytest.approx(2.0, abs=0.5)
