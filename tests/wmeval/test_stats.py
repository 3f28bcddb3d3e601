"""Intervals: exact where a formula is known, covering where values pile up at a bound, refused when few."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binomtest, mannwhitneyu, t

from wmeval.stats import auroc, bounded_mean, free_mean, paired_difference, skill_score, wilson

LOW = -0.5
FAMILIES = {
    "ceiling, 10 % fail": lambda rng, n: np.where(rng.random(n) < 0.1, LOW, 1.0),
    "ceiling, 3 % fail": lambda rng, n: np.where(rng.random(n) < 0.03, LOW, 1.0),
    "floor, 5 % succeed": lambda rng, n: np.where(rng.random(n) < 0.05, 1.0, LOW),
    "cut at the ceiling": lambda rng, n: np.clip(rng.normal(1.0, 0.15, n), LOW, 1.0),
    "cut at the floor": lambda rng, n: np.clip(rng.normal(-0.6, 0.2, n), LOW, 1.0),
    "skewed down": lambda rng, n: LOW + (1 - LOW) * rng.beta(6, 0.7, n),
    "skewed up": lambda rng, n: LOW + (1 - LOW) * rng.beta(0.5, 5, n),
    "middling": lambda rng, n: np.clip(rng.normal(0.4, 0.3, n), LOW, 1.0),
}


@pytest.mark.parametrize("n", [8, 16, 32, 64])
@pytest.mark.parametrize("family", FAMILIES)
def test_bounded_intervals_cover(family: str, n: int) -> None:
    draw = FAMILIES[family]
    mean = float(draw(np.random.default_rng(1), 1_000_000).mean())
    rng = np.random.default_rng(n)
    hits = 0
    for _ in range(120):
        told = bounded_mean(draw(rng, n), LOW, 1.0)
        hits += told.lo - 1e-9 <= mean <= told.hi + 1e-9
    # at a coverage of 93 % fewer than 105 of 120 would come about once in 100
    assert hits >= 105


def test_percentile_bootstrap_would_fail_that_test() -> None:
    draw, rng, hits = FAMILIES["ceiling, 3 % fail"], np.random.default_rng(8), 0
    for _ in range(120):
        x = draw(rng, 16)
        means = x[rng.integers(16, size=(300, 16))].mean(1)
        hits += np.quantile(means, 0.025) <= 0.955 <= np.quantile(means, 0.975)
    assert hits < 105


@pytest.mark.parametrize(
    ("k", "n"), [(0, 8), (8, 8), (3, 16), (16, 16), (44, 50), (700, 1000), (9999, 10000)]
)
def test_of_zeros_and_ones_it_is_clopper_and_pearsons(k: int, n: int) -> None:
    told = bounded_mean([1.0] * k + [0.0] * (n - k), 0.0, 1.0)
    exact = binomtest(k, n).proportion_ci(0.95, method="exact")
    assert (told.lo, told.hi) == (pytest.approx(exact.low, abs=1e-8), pytest.approx(exact.high, abs=1e-8))
    assert told.mean == k / n


def test_it_is_the_quantile_of_dirichlet_means() -> None:
    rng = np.random.default_rng(0)
    x = rng.beta(2, 1, 12)
    told = bounded_mean(x, 0.0, 1.0)
    weights = rng.dirichlet(np.ones(13), 400_000)
    assert told.lo == pytest.approx(np.quantile(weights @ np.append(x, 0.0), 0.025), abs=2e-3)
    assert told.hi == pytest.approx(np.quantile(weights @ np.append(x, 1.0), 0.975), abs=2e-3)


values = st.lists(st.floats(-0.5, 1.0), min_size=8, max_size=24)


@settings(max_examples=60, deadline=None)
@given(values, st.floats(0.1, 10), st.floats(-5, 5))
def test_it_holds_the_mean_stays_in_bounds_and_moves_with_the_scale(x, scale, shift) -> None:
    told = bounded_mean(x, -0.5, 1.0)
    assert -0.5 <= told.lo <= told.mean + 1e-9
    assert told.mean - 1e-9 <= told.hi <= 1.0
    moved = bounded_mean(scale * np.array(x) + shift, -0.5 * scale + shift, scale + shift)
    assert moved.lo == pytest.approx(scale * told.lo + shift, abs=1e-6 * scale)
    assert moved.hi == pytest.approx(scale * told.hi + shift, abs=1e-6 * scale)


@settings(max_examples=40, deadline=None)
@given(values, st.integers(0, 7), st.floats(0, 0.5))
def test_a_better_case_never_lowers_the_interval(x, index, gain) -> None:
    better = list(x)
    better[index] = min(1.0, better[index] + gain)
    a, b = bounded_mean(x, -0.5, 1.0), bounded_mean(better, -0.5, 1.0)
    assert b.lo >= a.lo - 1e-7
    assert b.hi >= a.hi - 1e-7


def test_no_interval_below_eight() -> None:
    for told in (
        bounded_mean([0.5] * 7, 0, 1),
        free_mean([0.1] * 7),
        wilson(3, 7),
        skill_score([1.0] * 7, -1),
    ):
        assert told.lo is None
        assert told.hi is None
        assert told.reason == "n = 7: no interval below n = 8"
    empty = skill_score([], -1.0)
    assert math.isnan(empty.skill)
    assert empty.reason == "no values"


def test_skill_clips_after_averaging() -> None:
    lucky = skill_score([1.0, -1.0] * 8, -1.0)
    assert lucky.skill == 0.0
    assert lucky.lo == 0.0
    worst = skill_score([-1.0] * 16, -1.0)
    assert (worst.skill, worst.lo) == (0.0, 0.0)
    best = skill_score([1.0] * 16, -0.5)
    assert (best.skill, best.hi) == (1.0, 1.0)
    assert best.lo == pytest.approx(1.5 * beta.ppf(0.025, 16, 1) - 0.5, abs=1e-7)


@pytest.mark.parametrize(("successes", "n", "lo", "hi"), [(44, 50, 76.2, 94.4), (357, 551, 60.7, 68.7)])
def test_wilson_has_the_published_values(successes, n, lo, hi) -> None:
    told = wilson(successes, n)
    assert (round(100 * told.lo, 1), round(100 * told.hi, 1)) == (lo, hi)
    reference = binomtest(successes, n).proportion_ci(0.95, method="wilson")
    assert told.lo == pytest.approx(reference.low)
    assert told.hi == pytest.approx(reference.high)


@pytest.mark.parametrize("draw", [
    lambda rng, n: rng.exponential(1.0, n) - 1, lambda rng, n: rng.normal(0, 1, n),
    lambda rng, n: 1 - rng.exponential(1.0, n), lambda rng, n: rng.standard_t(3, n),
])  # fmt: skip
def test_free_intervals_cover_also_skewed_values(draw) -> None:
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(1500):
        told = free_mean(draw(rng, 16))
        hits += told.lo <= 0 <= told.hi
    assert hits >= 0.92 * 1500  # 93 % less 1.5 standard errors


def test_free_interval_mirrors_and_is_students_without_skew() -> None:
    x = np.random.default_rng(5).exponential(1.0, 20)
    a, b = free_mean(x), free_mean(-x)
    assert (a.lo, a.hi) == (pytest.approx(-b.hi), pytest.approx(-b.lo))
    even = np.array([-3.0, -2, -1, -0.5, 0.5, 1, 2, 3])
    half = t.ppf(1 - 0.025 / 2, 7) * even.std(ddof=1) / 8**0.5  # few values: that of 97.5 %
    assert free_mean(even).hi == pytest.approx(half, rel=1e-5)
    many = np.tile(even, 8)
    assert free_mean(many).hi == pytest.approx(t.ppf(0.975, 63) * many.std(ddof=1) / 8, rel=1e-5)


def test_equal_values_without_bounds_have_no_interval() -> None:
    told = free_mean([2.0] * 20)
    assert told.lo is None
    assert "equal" in told.reason


@pytest.mark.parametrize(
    ("n", "zeros", "made"), [(8, 4, True), (8, 5, False), (64, 56, True), (64, 57, False)]
)
def test_values_that_pile_up_without_bounds_have_no_interval(n, zeros, made) -> None:
    told = free_mean(np.append(np.zeros(zeros), np.arange(1.0, n - zeros + 1)))
    assert (told.lo is not None) == made
    assert made or told.reason.startswith(f"{zeros} of {n} values are equal")


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 30), st.integers(1, 3), st.integers(0, 10**6))
def test_auroc_is_mann_and_whitneys_and_minds_no_order(n, k, seed) -> None:
    rng = np.random.default_rng(seed)
    p, q = rng.integers(0, 9, (n, k)), rng.integers(0, 12, (n, k))
    told = auroc(p, q)
    u = mannwhitneyu(q.ravel(), p.ravel()).statistic
    assert told.mean == pytest.approx(u / (n * k) ** 2)
    assert 0 <= told.lo <= told.mean <= told.hi <= 1
    back = auroc(q[::-1], p[::-1])
    expected = [1 - told.mean, 1 - told.hi, 1 - told.lo]
    assert [back.mean, back.lo, back.hi] == pytest.approx(expected, abs=1e-6)


def placed(rng, n, rate):
    """Clips of which a share `rate` of cases is judged the wrong way round: AUROC (1 - rate)^2."""
    wrong = rng.random(n) < rate
    p = rng.normal(0, 1, n) + np.where(wrong, 40, 0)
    return p, rng.normal(20, 1, n) - np.where(wrong, 40, 0)


@pytest.mark.parametrize("n", [8, 16, 32, 64])
@pytest.mark.parametrize("rate", [0.03, 0.1])
def test_auroc_covers_at_its_ceiling_and_delongs_does_not(n, rate) -> None:
    rng, hits, delong = np.random.default_rng(n), 0, 0
    true = (1 - rate) ** 2
    for _ in range(150):
        told = auroc(*placed(rng, n, rate))
        hits += told.lo <= true <= told.hi
        delong += told.mean < 1  # its standard error is 0 where every clip is on its side
    assert hits >= 0.93 * 150 - 6
    if n * rate < 1:
        assert delong < 0.93 * 150 - 6


def test_auroc_draws_cases_and_not_clips() -> None:
    rng = np.random.default_rng(3)
    p, q = rng.normal(0, 1, (16, 1)), rng.normal(1, 1, (16, 1))
    one, copied = auroc(p, q), auroc(np.repeat(p, 8, axis=1), np.repeat(q, 8, axis=1))
    assert (copied.lo, copied.hi) == (pytest.approx(one.lo), pytest.approx(one.hi))
    with pytest.raises(ValueError, match="8 and 9 cases"):
        auroc([0.0] * 8, [0.0] * 9)
    with pytest.raises(ValueError, match="NaN"):
        auroc([float("nan")] * 8, [0.0] * 8)
    assert auroc([0.0] * 7, [1.0] * 7).reason == "n = 7: no interval below n = 8"


def test_paired_differences() -> None:
    rng = np.random.default_rng(6)
    scene = rng.normal(20, 5, 32)
    a, b = scene + rng.normal(1.0, 0.5, 32), scene + rng.normal(0, 0.5, 32)
    told = paired_difference(a, b)
    assert told.mean == pytest.approx((a - b).mean())
    assert told.lo > 0  # although scenes differ by ten times as much
    assert told.hi - told.lo < 1.0
    same = paired_difference(np.ones(16), np.ones(16), bounds=(0.0, 1.0))
    assert same.lo < 0 < same.hi  # sixteen zeros do not prove that no scene differs
    with pytest.raises(ValueError, match="paired"):
        paired_difference([1.0] * 8, [1.0] * 9)


def test_mistakes_are_told() -> None:
    with pytest.raises(ValueError, match="NaN"):
        bounded_mean([0.5] * 8 + [float("nan")], 0, 1)
    with pytest.raises(ValueError, match="exceed"):
        bounded_mean([0.5] * 8 + [1.5], 0, 1)
    with pytest.raises(ValueError, match="NaN"):
        free_mean([1.0, float("nan")])
    with pytest.raises(ValueError, match="between 0 and n"):
        wilson(9, 8)
