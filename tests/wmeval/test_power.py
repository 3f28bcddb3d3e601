"""Sample sizes: the published table, and simulations that reach the power that was promised."""

import numpy as np
import pytest
from scipy.stats import binomtest

from wmeval.power import (
    bounded_needs,
    bounded_sees,
    detectable_difference,
    detectable_share,
    needed_cases,
    unrelated,
)
from wmeval.stats import paired_difference


@pytest.mark.parametrize(
    ("n", "share"), [(25, 0.770), (50, 0.705), (100, 0.647), (200, 0.602), (400, 0.572), (1000, 0.545)]
)
def test_least_relative_accuracy_above_chance(n, share):
    assert detectable_share(n) == pytest.approx(share, abs=0.002)  # published from a search in steps
    # the test that is meant: significant at .05 in 80 % of draws at that share, and not at a lower one
    draws = np.random.default_rng(n).binomial(n, detectable_share(n), 4000)
    p = {int(k): binomtest(int(k), n).pvalue for k in np.unique(draws)}
    assert np.mean([p[int(k)] <= 0.05 for k in draws]) == pytest.approx(0.8, abs=0.025)


@pytest.mark.parametrize(("n", "gap"), [(100, 0.153), (200, 0.108), (400, 0.077)])
def test_least_difference_of_two_models_with_thirty_per_cent_discordant_pairs(n, gap):
    assert detectable_difference(0.3**0.5, n) == pytest.approx(gap, abs=0.0006)
    assert needed_cases(0.3**0.5, gap) == pytest.approx(n, rel=0.01)


def test_no_share_of_five_cases_is_told_from_chance():
    assert detectable_share(5) is None


SPREADS = {
    "even": (lambda rng, n: rng.normal(0, 0.2, n), 0.1),
    "skewed": (lambda rng, n: 0.25 - rng.exponential(0.25, n), 0.15),
    "alike": (lambda rng, n: rng.normal(0, 0.02, n), 0.1),
    "rare failures": (lambda rng, n: np.where(rng.random(n) < 0.15, -0.85, 0.15), 0.2),
}


@pytest.mark.parametrize("family", SPREADS)
def test_so_many_cases_show_the_difference_four_times_in_five(family):
    draw, delta = SPREADS[family]
    rng = np.random.default_rng(2)
    low, high = -0.5, 1.0
    n = bounded_needs(draw(rng, 4000), delta, (low, high))
    seen = 0
    for _ in range(300):
        d = np.clip(draw(rng, n) + delta, low - high, high - low)
        one = np.clip((low + high + d) / 2, low, high)  # two models whose values differ by d
        seen += paired_difference(one, one - d, bounds=(low, high)).lo > 0
    assert 0.72 <= seen / 300 <= (1.0 if family == "alike" else 0.9)


def test_present_cases_see_what_needs_them():
    spread = np.random.default_rng(3).normal(0, 0.3, 500)
    sees = bounded_sees(spread, 120, (-0.5, 1.0))
    assert bounded_needs(spread, sees + 1e-3, (-0.5, 1.0)) == pytest.approx(120, abs=3)
    assert sees > detectable_difference(spread.std(), 120)  # what may not have been seen has its price
    assert bounded_sees(spread, 30_000, (-0.5, 1.0)) == pytest.approx(
        detectable_difference(spread.std(), 30_000), rel=0.08
    )


def test_more_tests_and_smaller_differences_take_more_cases():
    spread = np.random.default_rng(4).normal(0, 0.2, 300)
    few, more = (bounded_needs(spread, d, (0.0, 1.0)) for d in (0.1, 0.05))
    assert few < more / 2
    assert bounded_needs(spread, 0.1, (0.0, 1.0), level=1 - 0.05 / 36) > 1.5 * few
    assert bounded_needs(spread, 1e-4, (0.0, 1.0)) is None
    assert bounded_sees(spread, 7, (0.0, 1.0)) is None
    with pytest.raises(ValueError, match="widest gap"):
        bounded_needs(spread, 1.5, (0.0, 1.0))


def test_an_unrelated_model_doubles_the_variance():
    x = np.random.default_rng(5).normal(0, 0.2, 64)
    gaps = unrelated(x)
    assert len(gaps) == 64 * 63
    assert gaps.mean() == pytest.approx(0, abs=1e-12)
    assert gaps.var() == pytest.approx(2 * x.var(ddof=1))
