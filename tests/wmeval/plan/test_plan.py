"""Planners against closed forms."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as law
from hypothesis import strategies as st

from wmeval.plan import CEM, ICEM, MPPI, PLANNERS, Settings, coloured, search
from wmeval.plan.noise import spectrum

GOAL = np.array([[0.5, -0.2], [0.9, 0.1], [-0.4, 0.0], [0.0, 0.6]])
FOUR = {k: replace(s, look=4, candidates=128, iterations=12) for k, s in PLANNERS.items()}


def rng(seed=0):
    return np.random.default_rng(seed)


def bowl(plans):
    return ((plans - GOAL) ** 2).sum((1, 2))


@pytest.mark.parametrize("name", sorted(PLANNERS))
def test_the_bottom_of_a_bowl_is_found(name):
    found = search(bowl, FOUR[name], 2, rng())
    assert found.cost < 0.05
    np.testing.assert_allclose(found.plan, GOAL, atol=0.15)


@pytest.mark.parametrize("name", sorted(PLANNERS))
def test_an_optimum_beyond_the_bounds_is_found_at_them_and_nothing_beyond_is_asked(name):
    asked = []

    def steep(plans):
        asked.append(plans)
        return -plans.sum((1, 2))

    found = search(steep, FOUR[name], 2, rng())
    assert max(np.abs(p).max() for p in asked) <= 1.0
    # clipped: bounds are hit exactly, which drawing again inside them would never do
    assert (np.concatenate(asked) == 1.0).any()
    assert found.plan.mean() > 0.95


@pytest.mark.parametrize("name", sorted(PLANNERS))
def test_what_is_found_was_evaluated_and_is_the_best_of_all(name):
    asked, costs = [], []

    def noted(plans):
        asked.append(plans)
        costs.append(bowl(plans))
        return costs[-1]

    found = search(noted, FOUR[name], 2, rng())
    every, told = np.concatenate(asked), np.concatenate(costs)
    assert found.cost == told.min()
    assert np.array_equal(every[told.argmin()], found.plan)
    assert found.calls == len(every)


def test_a_search_with_one_generator_is_one_search():
    one, two, other = (search(bowl, FOUR["icem"], 2, rng(s)) for s in (3, 3, 4))
    assert np.array_equal(one.plan, two.plan)
    assert np.array_equal(one.costs, two.costs)
    assert not np.array_equal(one.plan, other.plan)


def test_the_mean_is_tried_in_the_last_iteration():
    asked = []

    def noted(plans):
        asked.append(plans)
        return bowl(plans)

    short = replace(FOUR["cem"], iterations=3)
    search(noted, short, 2, rng())
    two = [*asked]
    asked.clear()
    before = search(noted, replace(short, iterations=2), 2, rng())
    # the third iteration of the one starts from the mean that two iterations of the other leave
    np.testing.assert_allclose(two[0], asked[0])
    drawn = two[1]
    elites = drawn[np.argsort(bowl(drawn))[: short.best]]
    np.testing.assert_allclose(two[2][-1], elites.mean(0))
    assert before.calls == 2 * 128 + 1


def test_a_shift_starts_the_next_search_from_what_is_left():
    asked = []

    def noted(plans):
        asked.append(plans)
        return ((plans - 0.7) ** 2).sum((1, 2))

    first = search(noted, replace(ICEM, look=5), 1, rng())
    asked.clear()
    left = first.later(2)
    search(noted, replace(ICEM, look=3, spread=0.05), 1, rng(), left)
    assert np.array_equal(asked[0][: len(left.kept)], first.kept[:, 2:])
    drawn = asked[0][len(left.kept) :]
    np.testing.assert_allclose(drawn.mean(0), np.clip(first.mean[2:], -1, 1), atol=0.05)
    again = search(noted, replace(ICEM, look=5), 1, rng(), left)
    assert again.plan.shape == (5, 1)


def test_kept_elites_are_not_paid_for_twice_and_fewer_plans_are_drawn_each_time():
    sizes = []

    def noted(plans):
        sizes.append(len(plans))
        return bowl(plans)

    found = search(noted, replace(ICEM, look=4), 2, rng())
    assert sizes == [64, 51, 41 + 1]
    assert len(found.costs) == 42 + 3
    sizes.clear()
    search(noted, replace(CEM, look=4, candidates=16), 2, rng())
    assert sizes == [16, 16, 17]


def test_nan_is_refused_in_words_and_what_cannot_be_had_is_never_chosen():
    with pytest.raises(ValueError, match=r"3 of 64 plans cost NaN"):
        search(lambda p: np.where(np.arange(len(p)) < 3, np.nan, 1.0), ICEM, 1, rng())
    with pytest.raises(ValueError, match=r"came back as \(64, 1\)"):
        search(lambda p: np.ones((len(p), 1)), ICEM, 1, rng())
    with pytest.raises(ValueError, match="infinitely much"):
        search(lambda p: np.full(len(p), np.inf), MPPI, 1, rng())
    for name in PLANNERS:
        found = search(lambda p: np.where(p[:, 0, 0] > 0, np.inf, bowl(p)), FOUR[name], 2, rng())
        assert found.plan[0, 0] <= 0


@pytest.mark.parametrize("wrong", [{"candidates": 1}, {"keep": 1.5}, {"least": 0.0}, {"iterations": 0}])
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
        Settings(**wrong)


@given(st.integers(1, 25), st.integers(1, 3), st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.5]))
@law(max_examples=25, deadline=None)
def test_noise_has_the_shape_and_the_variance_asked_for(length, axes, beta):
    noise = coloured(rng(), 4000, length, axes, beta)
    assert noise.shape == (4000, length, axes)
    assert abs(noise.var() - 1) < 0.1
    assert abs(noise.mean()) < 0.1


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("length", [12, 15])
def test_noise_has_the_spectrum_it_says(beta, length):
    noise = coloured(rng(), 20000, length, 1, beta)[..., 0]
    power = (np.abs(np.fft.rfft(noise, axis=1)) ** 2).mean(0)
    np.testing.assert_allclose(power, spectrum(length, beta), rtol=0.06)
    frequency = np.fft.rfftfreq(length)[1:]
    slope = np.polyfit(np.log(frequency), np.log(power[1:]), 1)[0]
    assert slope == pytest.approx(-beta, abs=0.05)


def test_coloured_plans_go_further_than_white_ones():
    far = [np.abs(coloured(rng(), 2000, 12, 1, beta).sum(1)).mean() for beta in (0.0, 2.0)]
    assert far[1] > 1.6 * far[0]
