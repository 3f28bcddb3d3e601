"""delta-PSNR against closed forms."""

import numpy as np
import pytest

from wmeval.measure.following import delta_psnr

GREY = np.full((4, 8, 8, 3), 100, np.uint8)


def arms(*steps: int) -> dict[str, np.ndarray]:
    """Videos that part after the first frame, by `step` grey levels."""
    made = {}
    for i, step in enumerate(steps):
        made[f"arm {i}"] = GREY.copy()
        made[f"arm {i}"][1:] += np.uint8(step)
    return made


def test_a_model_that_ignores_actions_gains_nothing():
    true = arms(0, 10)
    assert delta_psnr(true, {a: GREY for a in true}) == 0.0


def test_what_follows_gains_by_the_formula():
    """The right arm is off by 5 levels, the other by 15 or 5; the first frame tells nothing."""
    true, predicted = arms(0, 10), arms(5, 15)
    wrong, right = 10 * np.log10(255**2 / 15**2), 10 * np.log10(255**2 / 5**2)
    assert delta_psnr(true, predicted) == pytest.approx(((right - wrong) + (right - right)) / 2)


def test_swapped_actions_lose_what_true_ones_gain():
    true = arms(0, 10)
    gain = delta_psnr(true, true)
    assert gain > 0
    assert delta_psnr(true, dict(zip(true, reversed(true.values()), strict=True))) == pytest.approx(-gain)


def test_arms_that_look_alike_tell_nothing():
    assert np.isnan(delta_psnr(arms(0, 0), arms(0, 0)))
