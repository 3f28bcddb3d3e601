import numpy as np
import pytest
from skimage.filters import gaussian

from wmeval import View
from wmeval.references import REFERENCES
from wmeval.registry import REFERENCE_NAMES
from wmeval.scene import Scene, ball, floor, side_camera
from wmeval.world import observe, render, simulate

VIEW = View()
AHEAD = 6


@pytest.fixture(scope="module")
def truth():
    """A ball that crosses the picture at constant speed, and one at rest."""
    bodies = (
        ball("mover", radius=0.3, position=(-1.6, 0, 2.5), hue="red", velocity=(1.5, 0, 0)),
        ball("sleeper", radius=0.3, position=(1.4, 0, 1.2), hue="blue"),
        floor(),
    )
    scene = Scene(bodies, side_camera(), 1.3, 0.7, 0.2, "flight", gravity=0.0)
    return simulate(scene)


def predict(name, truth, seed=0, view=VIEW, horizon=AHEAD):
    context = observe(truth, view).frames
    prediction = REFERENCES[name].predict(truth, view, context, horizon, np.random.default_rng(seed))
    assert prediction.frames.shape == (horizon, view.height, view.width, 3)
    assert prediction.frames.dtype == np.uint8
    assert prediction.status.state == "ok"
    return prediction.frames


def test_the_reserved_names_are_the_references():
    assert tuple(REFERENCES) == REFERENCE_NAMES
    assert all(r.card.reference and r.card.name == n for n, r in REFERENCES.items())


@pytest.mark.parametrize("view", [VIEW, View(fps=25, height=96, width=128)])
def test_oracle_shows_what_happens(truth, view):
    times = view.frame_times(truth.scene.duration_s)
    after = times[times > truth.scene.cut_s + 1e-9][:5]
    np.testing.assert_array_equal(
        predict("oracle", truth, view=view, horizon=5), render(truth, view, after).frames
    )


def test_freeze_and_vanish_are_still(truth):
    context = observe(truth, VIEW).frames
    for name, still in (("freeze", context[-1]), ("vanish", np.median(context, axis=0))):
        for frame in predict(name, truth):
            np.testing.assert_allclose(frame, still, atol=0.5)


def test_what_moves_is_gone_from_vanish_and_what_rests_stays(truth):
    bodies = render(truth, VIEW, np.array([0.7])).bodies[0]
    vanish, freeze = predict("vanish", truth)[0].astype(int), predict("freeze", truth)[0].astype(int)
    assert np.abs(vanish - freeze)[bodies == 1].mean() > 40
    assert np.abs(vanish - freeze)[bodies == 2].mean() < 1


def test_blur_grows_to_the_stated_width(truth):
    last = observe(truth, VIEW).frames[-1]
    frames = predict("blur", truth)
    soft = gaussian(
        last.astype(float), sigma=4.0, mode="reflect", channel_axis=-1, truncate=4.0, preserve_range=True
    )
    assert np.abs(frames[-1] - soft).mean() < 3.0
    variance = [f.astype(float).var() for f in frames]
    assert variance == sorted(variance, reverse=True)
    half = View(height=32, width=32)
    again = predict("blur", truth, view=half)[-1]
    soft = gaussian(
        observe(truth, half).frames[-1].astype(float),
        sigma=2.0,
        mode="reflect",
        channel_axis=-1,
        preserve_range=True,
    )
    assert np.abs(again - soft).mean() < 3.0


def test_blur_is_a_gaussian_of_the_stated_width():
    """A single bright column spreads with the stated variance."""
    from wmeval import references

    frame = np.zeros((1, 64, 64, 3), np.uint8)
    frame[0, :, 32] = 255
    last = references.blur(None, VIEW, frame, 3, np.random.default_rng(0))[-1, 32, :, 0].astype(float)
    u = np.arange(64) - 32
    assert np.sqrt((last * u**2).sum() / last.sum()) == pytest.approx(4.0, rel=0.05)


def test_linear_moves_on_what_moved(truth):
    """The mover has constant velocity, so this null is right about it."""
    true, linear = predict("oracle", truth).astype(float), predict("linear", truth).astype(float)
    freeze = predict("freeze", truth).astype(float)
    assert np.abs(linear - true)[-1].mean() < 0.35 * np.abs(freeze - true)[-1].mean()


def test_noise_is_uniform_independent_and_of_its_seed(truth):
    one, two = predict("noise", truth, 1), predict("noise", truth, 2)
    np.testing.assert_array_equal(one, predict("noise", truth, 1))
    counts = np.bincount(one.ravel(), minlength=256)
    expected = one.size / 256
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert chi2 < 255 + 4 * np.sqrt(2 * 255)
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(one[:-1].ravel(), one[1:].ravel())[0, 1]) < 0.02
