"""A shot: drawn in two layers it is what one layer shows, and equal shots are drawn once."""

from dataclasses import replace

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.registry import load_probe
from wmeval.scene import Scene, ball, floor, side_camera
from wmeval.seeds import scene_rng
from wmeval.world import film, simulate
from wmeval.world.render import staged
from wmeval.world.shot import averaged, draw, frame

PROBES = ("permanence", "containment", "pendulum", "chain", "counterfactual")


def shots(name, view):
    probe = load_probe(name)
    case = probe.case(scene_rng("dev", probe.key, "iid", 5), "iid")
    truth = simulate(next(iter(case.arms.values())))
    times = view.frame_times(truth.scene.duration_s)
    return staged(truth, view, times).shots


@pytest.mark.parametrize("name", PROBES)
def test_two_layers_show_what_one_does_bit_for_bit(name):
    for shot in shots(name, View())[::4]:
        assert shot.apart
        two, one = draw(shot), draw(replace(shot, apart=False))
        assert np.array_equal(two.rgba, one.rgba)
        assert np.array_equal(two.buffer, one.buffer)
        assert np.array_equal(two.cast, one.cast)


def test_what_moves_is_seen_by_its_place_in_the_cast():
    shot = shots("chain", View())[0]
    assert set(np.unique(draw(shot).cast)) == {-1, *range(len(shot.cast))}


def test_a_camera_that_moves_or_a_shadow_takes_one_layer():
    assert not shots("revisit", View())[0].apart
    assert not shots("gravity", View(shadows=True))[0].apart


def test_equal_shots_are_drawn_once_and_nobody_writes_into_them():
    scene = Scene(
        bodies=(ball("red ball", radius=0.3, position=(0.0, 0.0, 0.3), hue="red"), floor()),
        camera=side_camera(), duration_s=1.0, cut_s=0.5, needs_s=0.5, profile="rest",
    )  # fmt: skip
    view, truth = View(), simulate(scene)
    one = staged(truth, view, np.zeros(1)).shots[0]
    other = staged(simulate(scene), view, np.zeros(1)).shots[0]
    assert one == other
    assert one is not other
    assert frame(one, view.supersample) is frame(other, view.supersample)
    assert np.array_equal(film(truth, view, np.zeros(1))[0], averaged(draw(one).rgba, view.supersample))
    with pytest.raises(ValueError, match="read-only"):
        frame(one, view.supersample)[:] = 0
    film(truth, view)[:] = 0  # but what film returns is the caller's


def test_an_averaged_block_is_the_rounded_mean_of_its_pixels():
    pixels = np.zeros((2, 4, 4), np.uint8)
    pixels[..., 0] = [[0, 1, 255, 255], [1, 0, 255, 254]]
    assert averaged(pixels, 2)[..., 0].tolist() == [[1, 255]]
    assert np.array_equal(averaged(pixels, 1), pixels[..., :3])
