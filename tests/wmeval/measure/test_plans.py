"""What a planner was served with, against closed forms and scipy."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from wmeval.measure.plans import (
    Cells,
    elite_regret,
    optimism,
    rank_correlation,
    skill,
    summed,
    verdict,
)

ONE, NONE = np.ones(24), np.zeros(24)
HALF = np.arange(24) % 2.0


def test_regret_and_optimism_of_the_committed_plan():
    true, predicted = np.array([2.0, 0.5, 3.0, np.nan]), np.array([0.25, 0.3, 0.4, np.nan])
    assert elite_regret(true) == 1.5
    assert optimism(predicted, true) == 1.75
    assert elite_regret([0.5, 2.0]) == 0.0
    told = summed(np.stack([predicted] * 2), np.stack([true] * 2), same_unit=False)
    assert told["elite_regret"] == 1.5
    assert np.isnan(told["optimism"])
    assert told["kendall"] != told["kendall"]  # two candidates are too few
    ordered = np.array([[0.0, 1, 2, 3, 4]])
    assert summed(ordered, ordered[:, [0, 1, 2, 4, 3]], same_unit=True)["kendall"] == pytest.approx(4 / 6)
    assert all(np.isnan(v) for v in summed(np.zeros((0, 0)), np.zeros((0, 0)), same_unit=True).values())


@pytest.mark.parametrize("seed", range(4))
def test_rank_correlation_is_that_of_scipy_ties_included(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 5, 16).astype(float), rng.integers(0, 5, 16) + rng.random(16)
    assert rank_correlation(x, y) == pytest.approx(spearmanr(x, y).statistic)
    x[3], y[5] = np.nan, np.inf
    keep = np.isfinite(x) & np.isfinite(y)
    assert rank_correlation(x, y) == pytest.approx(spearmanr(x[keep], y[keep]).statistic)
    assert np.isnan(rank_correlation(np.ones(16), y))
    assert np.isnan(rank_correlation(x[:2], y[:2]))


def test_skill_is_0_for_random_and_1_for_the_simulator_and_its_interval_holds_them():
    for model, wanted in ((NONE, 0.0), (ONE, 1.0), (HALF, 0.5)):
        told = skill(model, NONE, ONE)
        assert told.mean == wanted
        assert told.lo < wanted < told.hi
    assert skill(ONE, HALF, ONE).mean == 1.0
    assert skill(NONE, HALF, ONE).mean == -1.0
    few = skill(ONE[:5], NONE[:5], ONE[:5])
    assert (few.mean, few.lo) == (1.0, None)
    assert "no interval below" in few.reason
    assert np.isnan(skill(ONE, ONE, HALF).mean)
    assert "no better than random" in skill(ONE, ONE, ONE).reason
    assert skill([], [], []).n == 0
    with pytest.raises(ValueError, match="cannot be paired"):
        skill(ONE, NONE[:3], ONE)


def test_the_interval_of_skill_covers_the_true_skill():
    rng, held = np.random.default_rng(0), 0
    for _ in range(60):
        random, oracle, model = (rng.random(20) < p for p in (0.1, 0.9, 0.5))
        told = skill(model, random, oracle)
        held += (told.lo is None or told.lo <= 0.5) and (told.hi is None or told.hi >= 0.5)
    assert held >= 56


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (Cells(ONE, ONE, ONE, ONE), "as good as the simulator"),
        (Cells(ONE, ONE, HALF, HALF), "bad model"),
        (Cells(ONE, HALF, ONE, HALF), "bad cost"),
        (Cells(NONE, NONE, NONE, NONE), "weak planner"),
        (Cells(ONE, None, None, NONE), "bad model or bad cost"),
        (Cells(ONE, None, np.r_[NONE[:3], ONE[3:]], None), "inconclusive: success changes by -12 %"),
        (Cells(ONE, None, None, None), "inconclusive: the model was not asked"),
        (Cells(None, None, ONE, None), "inconclusive: the simulator did not plan"),
        (Cells(ONE[:5], None, ONE[:5], None), "inconclusive: 5 episodes"),
    ],
)
def test_the_verdict_says_what_the_intervals_hold(cells, words):
    assert verdict(cells).startswith(words), verdict(cells)


def test_a_verdict_tells_a_bad_model_and_a_bad_cost_at_once():
    told = verdict(Cells(ONE, NONE, HALF, NONE))
    assert "bad model: success changes by -50 %" in told
    assert "bad cost: success changes by -100 %" in told
