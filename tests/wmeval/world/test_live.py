"""A live scene is `simulate` of the Scene with its pushes, and goes back to a saved moment bit for bit."""

import numpy as np
import pytest

from wmeval.scene import Scene, ball, box, floor, side_camera
from wmeval.world import Live, simulate


def scene(profile="rest"):
    bodies = (
        box("a", half=(0.3, 0.3, 0.3), position=(-0.8, 0, 0.3), hue="red", friction=0.4),
        ball("b", radius=0.25, position=(0.2, 0, 0.25), hue="blue", friction=0.4),
        floor(friction=1.0),
    )
    return Scene(bodies, side_camera(), 1.4, 0.2, 0.2, profile, actuated="a")


@pytest.mark.parametrize("profile", ["flight", "impact", "rest"])
def test_a_pushed_live_scene_is_the_simulated_scene_with_these_pushes(profile):
    with Live(scene(profile)) as live:
        live.advance(0.2)
        live.advance(0.3, force={"a": (1500.0, 0, 0)})
        live.advance(0.2, impulse={"a": (600.0, 0, 50.0)})
        live.advance(0.7)
        truth = live.truth()
    again = simulate(truth.scene)
    assert len(truth.scene.pushes) == 2
    assert np.array_equal(truth.position, again.position)
    assert np.array_equal(truth.orientation, again.orientation)
    assert truth.position[-1, 1, 0] > 0.25  # the block met the ball


def test_what_is_restored_goes_on_bit_for_bit_whatever_was_tried_between():
    rng = np.random.default_rng(0)
    with Live(scene()) as live:
        live.advance(0.2, impulse={"a": (250.0, 0, 0)})
        here = live.save()
        live.advance(0.4, force={"a": (30.0, 0, 10.0)})
        wanted = live.truth().position
        for _ in range(100):
            live.restore(here)
            live.advance(0.2, force={"a": tuple(rng.uniform(-900, 900, 3))})
            live.restore(here)
            live.advance(0.4, force={"a": (30.0, 0, 10.0)})
            assert np.array_equal(live.truth().position, wanted)
        live.drop(here)


def test_two_live_scenes_do_not_disturb_one_another_nor_what_is_simulated():
    alone = simulate(scene()).position
    with Live(scene()) as one, Live(scene()) as two:
        for _ in range(7):
            one.advance(0.2)
            two.advance(0.2, impulse={"a": (99.0, 0, 0)})
            simulate(scene())
        assert np.array_equal(one.truth().position, alone)
        assert not np.array_equal(two.truth().position, alone)


def test_what_cannot_be_done_is_refused():
    with Live(scene()) as live:
        with pytest.raises(ValueError, match="ticks of 1/240 s"):
            live.advance(0.001)
        with pytest.raises(KeyError, match="no moving body 'floor'"):
            live.advance(0.1, force={"floor": (1.0, 0, 0)})
        with pytest.raises(ValueError, match="not finite"):
            live.advance(0.1, force={"a": (np.nan, 0, 0)})
        assert live.tick == 0
