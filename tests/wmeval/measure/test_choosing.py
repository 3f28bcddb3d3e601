"""Choosing against closed forms, enumeration of every order, and scipy's rank correlation."""

from itertools import pairwise, permutations
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from wmeval.measure.choosing import at_random, auccess, judge, kendall, regret, solved_within

costs = st.lists(st.integers(0, 3).map(float), min_size=4, max_size=4)
flags = st.lists(st.booleans(), min_size=4, max_size=4)


def enumerated(predicted, true, good):
    """Return the means over every order that agrees with the predicted costs, each as likely."""
    orders = [
        order
        for order in permutations(range(len(true)))
        if all(predicted[a] <= predicted[b] for a, b in pairwise(order))
    ]
    solved = np.mean([[any(good[i] for i in o[: k + 1]) for k in range(len(o))] for o in orders], axis=0)
    first = np.mean([true[o[0]] for o in orders])
    return np.mean([good[o[0]] for o in orders]), first, solved


@given(costs, costs, flags)
def test_ties_are_the_mean_over_every_order(predicted, true, good):
    told = judge(predicted, true, good)
    success, first, solved = enumerated(predicted, true, good)
    assert told.success == pytest.approx(success)
    np.testing.assert_allclose(told.solved, solved)
    best, mean = min(true), float(np.mean(true))
    assert told.regret == pytest.approx((first - best) / (mean - best) if mean > best else 0.0)


@given(costs, costs)
def test_kendall_is_tau_b(a, b):
    outside = kendalltau(a, b).statistic
    assert kendall(a, b) == pytest.approx(0.0 if np.isnan(outside) else outside)


def test_a_random_order_of_eight_with_two_good_ones():
    """s_k = 1 - C(6, k) / C(8, k), by hand; AUCCESS .58 is the known answer."""
    chance = at_random(np.arange(8.0), np.arange(8) < 2)
    by_hand = np.array([14, 26, 36, 44, 50, 54, 56, 56]) / 56
    np.testing.assert_allclose(chance.solved, by_hand)
    weights = np.log(np.arange(2, 10) / np.arange(1, 9))
    assert chance.auccess == pytest.approx(float((weights * by_hand).sum() / weights.sum()))
    assert round(chance.auccess, 2) == 0.58
    assert (chance.success, chance.regret, chance.kendall) == (0.25, pytest.approx(1.0), 0.0)


def test_knowing_the_outcomes_is_the_best_and_the_reverse_the_worst():
    true, good = np.array([0.1, 0.5, 2.0, 3.0]), np.array([1, 0, 0, 0], bool)
    best, worst = judge(true, true, good), judge(-true, true, good)
    assert (best.success, best.regret, best.kendall, best.auccess) == (1.0, 0.0, 1.0, 1.0)
    assert (worst.success, worst.kendall) == (0.0, -1.0)
    assert worst.regret == pytest.approx((3.0 - 0.1) / (1.4 - 0.1))
    assert worst.auccess == pytest.approx((log(5) - log(4)) / log(5))  # solved by the last try only


def test_order_of_the_list_tells_nothing():
    rng = np.random.default_rng(0)
    predicted, true, good = rng.integers(0, 4, 8), rng.random(8), rng.random(8) < 0.3
    turned = rng.permutation(8)
    one, other = judge(predicted, true, good), judge(predicted[turned], true[turned], good[turned])
    assert one.regret == pytest.approx(other.regret)
    assert (one.success, one.auccess) == (other.success, other.auccess)


def test_where_all_cost_the_same_there_is_nothing_to_regret():
    assert regret(np.array([0.0, 1.0]), np.array([0.4, 0.4])) == 0.0


def test_nothing_good_is_never_solved():
    assert auccess(solved_within(np.arange(5.0), np.zeros(5, bool))) == 0.0


@pytest.mark.parametrize(
    ("predicted", "true", "good", "says"),
    [
        ([1.0], [1.0], [True], "N at least 2"),
        ([1.0, 2.0], [1.0, 2.0, 3.0], [True, False], r"expected \(N,\) each"),
        ([np.nan, 2.0], [1.0, 2.0], [True, False], "what cannot be told costs the task's worst"),
    ],
)
def test_mistakes_are_sentences(predicted, true, good, says):
    with pytest.raises(ValueError, match=says):
        judge(predicted, true, good)
