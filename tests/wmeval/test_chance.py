"""P-values say what the intervals say; Holm keeps the whole table honest; ranges hold the true ranks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom, t

from wmeval.chance import holm, p_bounded, p_free, paired_p, rank_ranges
from wmeval.stats import bounded_mean, free_mean


@settings(max_examples=60, deadline=None)
@given(st.integers(8, 40), st.floats(-0.6, 0.6), st.floats(0.01, 0.5), st.integers(0, 10**6))
def test_a_p_value_is_the_error_at_which_the_interval_reaches_zero(n, shift, spread, seed):
    x = np.clip(np.random.default_rng(seed).normal(shift, spread, n), -1.5, 1.5)
    p = p_bounded(x, -1.5, 1.5)
    told = bounded_mean(x, -1.5, 1.5)
    assert (p <= 0.05) == (not told.lo < 0 < told.hi)
    if 1e-6 < p < 0.99:
        edge = bounded_mean(x, -1.5, 1.5, level=1 - p)
        assert min(abs(edge.lo), abs(edge.hi)) < 1e-5
    assert p_bounded(-x, -1.5, 1.5) == pytest.approx(p, abs=1e-9)


@settings(max_examples=80, deadline=None)
@given(st.integers(8, 60), st.floats(-1.5, 1.5), st.booleans(), st.integers(0, 10**6))
def test_without_bounds_too(n, shift, skewed, seed):
    rng = np.random.default_rng(seed)
    x = (rng.exponential(1, n) - 1 if skewed else rng.normal(0, 1, n)) + shift
    told, p = free_mean(x), p_free(x)
    assert (p < 0.05) == (not told.lo <= 0 <= told.hi)
    assert p_free(-3 * x) == pytest.approx(p)


def test_closed_forms():
    assert p_bounded([1.0] * 16, -1, 1) == pytest.approx(2 * 0.5**16, abs=1e-9)
    wins = np.repeat([1.0, -1.0], [12, 4])
    # of wins and losses the lower limit is Clopper and Pearson's, so p is that of the sign test
    assert p_bounded(wins, -1, 1) == pytest.approx(2 * beta.cdf(0.5, 12, 5), abs=1e-8)
    even = np.tile([-3.0, -2, -1, -0.5, 0.5, 1, 2, 3], 4) + 0.4
    students = t.sf(0.4 / (even.std(ddof=1) / 32**0.5), 31) * 2
    assert p_free(even) == pytest.approx(students, rel=1e-6)
    assert p_bounded([0.0] * 64, -1, 1) == 1.0
    assert p_bounded([1.0] * 7, -1, 1) is None
    assert p_free([2.0] * 20) is None
    assert paired_p([1.0] * 9, [1.0] * 9, bounds=(0, 1)) == 1.0


@pytest.mark.parametrize(("won", "lost", "same"), [(8, 0, 8), (10, 2, 4), (5, 5, 20), (30, 14, 20)])
def test_of_successes_and_failures_it_is_mcnemars_exact_test(won, lost, same):
    d = np.repeat([1.0, -1.0, 0.0], [won, lost, same])
    exact = 2 * binom.cdf(lost, won + lost, 0.5)
    assert p_bounded(d, -1, 1) == pytest.approx(min(1.0, exact), abs=1e-8)


def test_holms_own_rule():
    assert holm([0.04, 0.001, 0.02]) == pytest.approx([0.04, 0.003, 0.04])
    assert holm([None, 0.9, 0.8]) == [None, 1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_lies_between_none_and_bonferroni(ps):
    corrected = holm(ps)
    for p, c in zip(ps, corrected, strict=True):
        assert p <= c <= min(1.0, len(ps) * p)
    order = np.argsort(ps, kind="stable")
    assert np.all(np.diff(np.array(corrected)[order]) >= 0)


def alike(rng, n, models=2, rate=0.1):
    """Values of models that each fail on scenes of their own: different everywhere, equal in the mean."""
    return [np.where(rng.random(n) < rate, -0.5, 1.0) for _ in range(models)]


@pytest.mark.parametrize("n", [8, 16, 64])
def test_a_table_without_differences_seldom_claims_one(n):
    rng, wrong = np.random.default_rng(n), 0
    for _ in range(60):
        table = [paired_p(*alike(rng, n), bounds=(-0.5, 1.0)) for _ in range(10)]
        wrong += min(holm(table)) <= 0.05
    assert wrong <= 8  # at 5 % more would come about once in 200


def test_a_shuffle_of_the_two_models_would_be_wrong_where_one_fails_rarely():
    """Why p does not come from flipping signs: 0.05 better nearly always, 0.95 worse one time in twenty."""
    rng, flips, ours = np.random.default_rng(1), 0, 0
    for _ in range(100):
        d = np.where(rng.random(16) < 0.05, -0.95, 0.05)
        signs = rng.choice([-1, 1], (400, 16))
        flips += (np.abs(signs @ np.abs(d)) >= abs(d.sum()) - 1e-9).mean() <= 0.05
        ours += p_bounded(d, -1.5, 1.5) <= 0.05
    assert flips > 30
    assert ours <= 5


@pytest.mark.parametrize("n", [8, 16, 32, 64])
def test_ranges_hold_all_true_ranks_at_once(n):
    means = np.array([0.9, 0.9, 0.6, 0.2])  # the first two are tied: each may be first or second
    rng, held = np.random.default_rng(n), 0
    for _ in range(60):
        scores = [np.where(rng.random(n) < m, 1.0, 0.0) for m in means]
        ranges = rank_ranges(scores, bounds=(0.0, 1.0))
        held += all(
            lo <= 1 + sum(means > m) and len(means) - sum(means < m) <= hi
            for m, (lo, hi) in zip(means, ranges, strict=True)
        )
    assert held >= 52  # at 95 % fewer would come about once in 100


def test_ranges_narrow_with_scenes_and_are_whole_below_eight():
    rng = np.random.default_rng(5)
    scores = [np.clip(rng.normal(m, 0.2, 64), 0, 1) for m in (0.2, 0.8, 0.5)]
    assert rank_ranges(scores, bounds=(0.0, 1.0)) == [(3, 3), (1, 1), (2, 2)]
    assert rank_ranges([s[:7] for s in scores], bounds=(0.0, 1.0)) == [(1, 3)] * 3
