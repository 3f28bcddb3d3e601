"""How far a clip's colours may move and still be the same bodies."""

import colorsys

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.perceive import track
from wmeval.perceive.palette import HUE_SHIFT_DEG, colours, estimate
from wmeval.scene import ball

R = 0.3


def paint(hue, saturation=0.9, value=0.85):
    return colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value)


@pytest.fixture
def two(make_scene):
    return make_scene(
        ball("a", radius=R, position=(0, 0, 2), hue="red"),
        ball("b", radius=R, position=(1, 0, 1), hue="blue"),
    )


def clip(easel, by=0.0, **more):
    return np.stack(
        [easel.disc(0, 2, R, paint(by, **more)).disc(1, 1, R, paint(240 + by, **more)).frame()] * 4
    )


@pytest.mark.parametrize("hue", range(0, 360, 15))
def test_hues_are_those_of_hsv(hue):
    rgb = np.rint(255 * np.array(paint(hue))).astype(np.uint8)[None, None, None]
    got = colours(rgb)
    assert abs((got.hue[0, 0, 0] - hue + 180) % 360 - 180) < 1.5
    assert got.chroma[0, 0, 0] == pytest.approx(0.9 * 0.85, abs=0.01)


@pytest.mark.parametrize("by", [-20, -10, 0, 10, 20])
def test_a_shift_of_all_hues_is_followed(easel, two, by):
    frames = clip(easel, by)
    assert np.allclose((estimate(colours(frames), two).hue - [by, 240 + by] + 180) % 360, 180, atol=2)
    seen = track(frames, two, View(), np.arange(4) / 10)
    plain = track(clip(easel), two, View(), np.arange(4) / 10)
    assert seen.found.all()
    assert np.abs(seen.pixel - plain.pixel).max() < 0.05
    assert np.allclose((seen.colour - [by, 240 + by] + 180) % 360, 180, atol=2)
    assert not seen.extras.any()


@pytest.mark.parametrize("by", [45, 60, -60])
def test_beyond_the_limit_it_is_another_body(easel, two, by):
    seen = track(clip(easel, by), two, View(), np.arange(4) / 10)
    assert not seen.found.any()
    assert (seen.extras == 2).all()


def test_the_palette_never_leaves_its_limits(easel, two):
    palette = estimate(colours(clip(easel, 33)), two)
    assert (np.abs((palette.hue - [0, 240] + 180) % 360 - 180) <= HUE_SHIFT_DEG + 1e-6).all()


@pytest.mark.parametrize(("saturation", "value"), [(0.5, 0.85), (0.9, 0.5), (1.0, 1.0)])
def test_pale_dark_and_bright_bodies_are_found(easel, two, saturation, value):
    seen = track(clip(easel, saturation=saturation, value=value), two, View(), np.arange(4) / 10)
    plain = track(clip(easel), two, View(), np.arange(4) / 10)
    assert seen.found.all()
    assert np.abs(seen.pixel - plain.pixel).max() < 0.06


@pytest.mark.parametrize("power", [0.8, 1.25])
def test_gamma_hardly_moves_a_body(easel, two, power):
    frames = clip(easel)
    changed = np.rint(255 * (frames / 255.0) ** power).astype(np.uint8)
    a, b = (track(f, two, View(), np.arange(4) / 10) for f in (frames, changed))
    assert np.abs(a.pixel - b.pixel).max() < 0.05


def test_a_body_without_a_colour_in_sight_takes_the_shift_of_the_others(easel, two):
    frames = np.stack([easel.disc(0, 2, R, paint(15)).frame()] * 3)
    assert np.allclose(estimate(colours(frames), two).hue, [15, 255], atol=2)
