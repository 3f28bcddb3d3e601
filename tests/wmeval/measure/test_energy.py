"""The energy score against closed forms and the published simulation, and what it must not reward."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wmeval.camera import View
from wmeval.measure.energy import UNSEEN_M, body_size, energy_score, fair_energy, places
from wmeval.scene import Scene, ball, box, floor, side_camera
from wmeval.world import exact_tracks, simulate


def plug_in(x, y):
    pairs = np.linalg.norm(x[:, None] - x[None], axis=-1)
    return np.linalg.norm(x - y, axis=1).mean() - pairs.mean() / 2


def drawn(count, size, *, dims=8, spread=1.0, seed=0):
    """Energy scores of `count` cases whose truth and `size` samples are standard normal times spread."""
    rng = np.random.default_rng(seed)
    return [(rng.normal(0, spread, (size, dims)), rng.normal(0, 1, dims)) for _ in range(count)]


def test_crps_of_a_normal_is_its_closed_form():
    # Gneiting and Raftery 2007, eq. 21, averaged over y ~ N(0, 1): sigma / sqrt(pi)
    scores = [fair_energy(x, y) for x, y in drawn(20_000, 4, dims=1)]
    assert np.mean(scores) == pytest.approx(1 / np.sqrt(np.pi), abs=3 * np.std(scores) / len(scores) ** 0.5)


@pytest.mark.parametrize("size", [2, 5, 10, 20])
def test_fair_form_is_the_same_for_any_number_of_samples(size):
    # E|X - Y| of two independent standard normals in D dimensions is 2 gamma((D + 1) / 2) / gamma(D / 2)
    from math import gamma

    dims = 6
    population = gamma((dims + 1) / 2) / gamma(dims / 2)  # half of it is left after the subtraction
    assert population == pytest.approx(1.662, abs=5e-4)  # the published population value
    cases = drawn(4000, size, dims=dims, seed=size)
    fair, biased = (np.array([f(x, y) for x, y in cases]) for f in (fair_energy, plug_in))
    error = fair.std() / len(cases) ** 0.5
    assert fair.mean() == pytest.approx(population, abs=3 * error)
    published = {2: 2.487, 5: 1.991, 10: 1.820, 20: 1.752}[size]
    assert biased.mean() == pytest.approx(published, abs=0.03)
    assert biased.mean() == pytest.approx(population * (1 + 1 / size), abs=3 * error)


def test_it_is_proper_and_the_best_of_several_is_not():
    scores, best = {}, {}
    for spread in (0.3, 1.0, 2.0):
        cases = drawn(3000, 10, dims=6, spread=spread, seed=9)
        scores[spread] = np.mean([fair_energy(x, y) for x, y in cases])
        best[spread] = np.mean([np.linalg.norm(x - y, axis=1).min() for x, y in cases])
    assert scores[1.0] < min(scores[0.3], scores[2.0]) - 0.1
    assert min(best, key=lambda s: best[s]) == 0.3  # the overconfident model would win


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 6), st.floats(0.1, 10), st.integers(0, 1000))
def test_it_scales_with_its_unit_and_minds_no_order(count, scale, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(count, 3)), rng.normal(size=3)
    assert fair_energy(scale * x + 7, scale * y + 7) == pytest.approx(scale * fair_energy(x, y))
    assert fair_energy(x[::-1], y) == pytest.approx(fair_energy(x, y))
    same = np.repeat(x[:1], count, axis=0)
    assert fair_energy(same, y) == pytest.approx(np.linalg.norm(x[0] - y))


@pytest.fixture(scope="module")
def fall():
    bodies = (
        ball("a", radius=0.2, position=(-1, 0, 3), hue="red", velocity=(1, 0, 0)),
        box("b", half=(0.1, 0.2, 0.4), position=(1, 0, 2.5), hue="blue"),
        floor(),
    )
    scene = Scene(bodies, side_camera(), 0.6, 0.2, 0.2, "flight")
    return scene, exact_tracks(simulate(scene), View())


def moved(tracks, by, body=0):
    position = tracks.position.copy()
    position[:, body] += by
    return replace(tracks, position=position)


def lost(tracks, body=0):
    found = tracks.found.copy()
    found[:, body] = False
    return replace(tracks, found=found)


def score(scene, truth, replicates):
    return energy_score([{"main": r} for r in replicates], {"main": truth}, {"main": scene})


def test_of_one_continuation_it_is_the_distance_in_body_sizes(fall):
    scene, truth = fall
    assert [body_size(b) for b in scene.moving] == [pytest.approx(0.4), pytest.approx(0.4)]
    assert score(scene, truth, [truth] * 4) == 0.0
    made = moved(moved(truth, (0.4, 9.0, 0.0)), (0, 9.0, 0.4), 1)  # one body size each; the depth is not seen
    assert score(scene, truth, [made] * 5) == pytest.approx(1.0)


def test_only_what_comes_after_the_cut_is_asked(fall):
    scene, truth = fall
    early = truth.position.copy()
    early[truth.times <= scene.cut_s] += 3
    assert score(scene, truth, [replace(truth, position=early)] * 4) == 0.0


def test_a_body_that_is_lost_is_worse_than_one_that_is_anywhere_in_the_picture(fall):
    scene, truth = fall
    gone = score(scene, truth, [lost(truth)] * 4)
    assert gone >= UNSEEN_M / 0.4 / np.sqrt(2)  # of two bodies one, root mean square
    for corner in ((-2.2, -0.3), (2.2, -0.3), (-2.2, 4.1), (2.2, 4.1)):
        position = truth.position.copy()
        position[:, 0, 0], position[:, 0, 2] = corner
        assert score(scene, truth, [replace(truth, position=position)] * 4) < gone
    for k in range(5):  # of four lose it: k / 4 of the distance less k (4 - k) / 12 among themselves
        some = score(scene, truth, [lost(truth)] * k + [truth] * (4 - k))
        assert some == pytest.approx(gone * k * (k - 1) / 12)
    nothing = energy_score([{}] * 4, {"main": truth}, {"main": scene})
    assert nothing > gone


def test_what_is_hidden_must_not_be_shown_and_what_is_half_hidden_is_not_asked(fall):
    scene, truth = fall
    hidden = replace(truth, visible=np.where([True, False], 0.0, truth.visible))
    assert score(scene, hidden, [truth] * 4) > 5
    assert score(scene, hidden, [lost(truth)] * 4) == 0.0
    half = replace(truth, visible=np.where([True, False], 0.15, truth.visible))
    assert score(scene, half, [truth] * 4) == score(scene, half, [lost(truth)] * 4) == 0.0
    assert np.isnan(score(scene, replace(truth, visible=np.full_like(truth.visible, 0.15)), [truth] * 4))


def test_spread_that_holds_the_truth_beats_a_confident_mistake(fall):
    scene, truth = fall
    around = [moved(truth, (x, 0, 0)) for x in (-0.6, -0.2, 0.2, 0.6)]
    assert score(scene, truth, around) < score(scene, truth, [moved(truth, (0.4, 0, 0))] * 4)


def test_times_that_are_not_reached_show_nothing(fall):
    scene, truth = fall
    short = truth.part(truth.times < 0.45)
    late = places(short, scene, truth.times)[-1]
    assert late[:, 2] == pytest.approx(UNSEEN_M / 0.4)
    assert score(scene, truth, [short] * 4) > 5


def test_mistakes_are_told(fall):
    scene, truth = fall
    with pytest.raises(ValueError, match="3 replicates"):
        score(scene, truth, [truth] * 3)
    with pytest.raises(ValueError, match="R >= 2"):
        fair_energy([[1.0]], [1.0])
