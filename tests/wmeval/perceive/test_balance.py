"""Colour casts: told from greys, taken out where they are, and left alone where nothing is sure."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wmeval.camera import View
from wmeval.perceive import track
from wmeval.perceive.balance import balanced, casts
from wmeval.scene import Scene, ball, floor, side_camera


def picture(sky=212, ground=120, body=(200, 20, 20)):
    frame = np.full((1, 64, 64, 3), sky, np.uint8)
    frame[:, 50:] = ground
    frame[:, 20:30, 20:30] = body
    return frame


def cast(frames, red, blue):
    return np.rint(frames * np.array([red, 1.0, blue])).clip(0, 255).astype(np.uint8)


@settings(max_examples=40, deadline=None)
@given(red=st.floats(0.75, 1.3), blue=st.floats(0.75, 1.3), sky=st.sampled_from([180, 212, 255]))
def test_a_cast_is_told_and_taken_out(red, blue, sky):
    clean = picture(sky)
    seen = cast(clean, red, blue)
    told = casts(seen)[0]
    if max(abs(red - 1), abs(blue - 1)) > 0.03:
        assert told == pytest.approx([red, 1, blue], abs=0.01)
        # the clipped red of a red body cannot be had back
        assert np.abs(balanced(seen) - clean.astype(float)).max() <= 3 + 200 * max(0, red - 255 / 200)


def test_pictures_without_a_cast_stay_as_they_are():
    clean = np.concatenate([picture(), picture(255), picture(body=(20, 200, 200))])
    assert balanced(clean) is clean
    noisy = (clean + np.random.default_rng(0).normal(0, 8, clean.shape)).clip(0, 255).astype(np.uint8)
    assert balanced(noisy) is noisy


def test_what_is_no_cast_is_left_alone():
    noise = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    assert balanced(noise) is noise
    painted = np.broadcast_to(np.array([200, 60, 60], np.uint8), (2, 64, 64, 3))  # a colour, and no light
    assert balanced(painted) is painted
    two = cast(picture(), 1.2, 0.8)
    two[:, :, 32:] = cast(picture(), 0.8, 1.2)[:, :, 32:]  # half of it warm, half of it cold
    assert (casts(two) == 1).all()
    black = np.zeros((1, 64, 64, 3), np.uint8)
    assert balanced(black) is black


def test_only_the_frames_with_a_cast_change():
    clean = np.concatenate([picture()] * 3)
    seen = clean.copy()
    seen[1:2] = cast(picture(), 1.2, 0.8)
    out = balanced(seen)
    assert np.array_equal(out[[0, 2]], clean[[0, 2]])
    assert np.abs(out[1] - clean[1]).max() <= 2


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_a_cast_moves_no_body(make_easel, share):
    view, times = View(), np.arange(4) / 10
    scene = Scene(
        (floor(), ball("a", radius=0.3, position=(-1, 0, 2), hue="yellow"),
         ball("b", radius=0.3, position=(1, 0, 2), hue="magenta")),
        side_camera(), 10.0, 1.0, 0.5, "flight",
    )  # fmt: skip
    easel, frames = make_easel(view), []
    for t in times:
        easel.below(0.0, (0.5,) * 3)
        easel.disc(-1 + t, 2, 0.3, (0.85, 0.85, 0.085)).disc(1 - t, 2, 0.3, (0.85, 0.085, 0.85))
        frames.append(easel.frame())
    clean = np.stack(frames)
    warm = clean.copy()
    warm[2:] = cast(clean[2:], 1 + share, 1 - share)
    one, other = (track(f, scene, view, times) for f in (clean, warm))
    assert one.found.all()
    assert other.found.all()
    assert np.abs(one.pixel - other.pixel).max() < 0.02
    assert np.abs((one.colour - other.colour + 180) % 360 - 180).max() < 1.5
