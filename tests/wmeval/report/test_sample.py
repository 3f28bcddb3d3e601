"""What is drawn over time, against what can be reckoned by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wmeval.report.sample import Motion, Sample, telling


def make(true, predicted, seen=None, cut=2):
    true, predicted = np.array(true, float), np.array(predicted, float)
    seen = np.ones(true.shape[:2], bool) if seen is None else np.array(seen)
    times = np.arange(len(true)) / 10
    return Motion(10.0, cut, times, true, seen, predicted, (0.0,) * true.shape[1], 50, lambda: None)


def test_distance_is_a_share_of_the_height_after_the_cut():
    still = [[[0, 0]], [[0, 0]], [[0, 0]], [[0, 0]]]
    moved = [[[9, 9]], [[9, 9]], [[3, 4]], [[30, 40]]]
    np.testing.assert_allclose(make(still, moved).distance, [[0.1], [1.0]])


def test_bodies_out_of_sight_are_neither_far_nor_lost():
    nan = np.nan
    true = [[[0, 0], [5, 5]]] * 4
    made = [[[0, 0], [5, 5]], [[0, 0], [5, 5]], [[nan, nan], [nan, nan]], [[0, 0], [nan, nan]]]
    motion = make(true, made, [[1, 1], [1, 1], [1, 0], [0, 0]])
    np.testing.assert_array_equal(motion.found, [0.0, nan])
    assert np.isnan(motion.distance[0]).all()
    assert np.isnan(motion.distance[1]).all()


def test_found_is_the_share_of_those_in_sight():
    nan = np.nan
    true = [[[0, 0], [5, 5]]] * 3
    motion = make(true, [[[0, 0], [5, 5]], [[0, 0], [5, 5]], [[1, 1], [nan, nan]]])
    np.testing.assert_array_equal(motion.found, [0.5])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_telling_scenes_are_the_extremes_and_the_middle_whatever_the_order(errors):
    made = [Sample("p", "rollout", "iid", f"{i:03}", 0, "main", e, 1.0, "ok") for i, e in enumerate(errors)]
    chosen = telling(made)
    assert chosen["best"].error == min(errors)
    assert chosen.get("worst", chosen["best"]).error == max(errors)
    if len(errors) > 2:
        assert chosen["median"].error == sorted(errors)[(len(errors) - 1) // 2]
    assert {k: v.case_id for k, v in telling(made[::-1]).items()} == {k: v.case_id for k, v in chosen.items()}
