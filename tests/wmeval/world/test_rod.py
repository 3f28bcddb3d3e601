"""What hangs is drawn on a grey rod from a peg, and the rod hides nothing that the eye needs."""

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.perceive import track
from wmeval.scene import Scene, backdrop, ball, floor, side_camera
from wmeval.world import exact_tracks, render, simulate

VIEW = View(height=128, width=128)


@pytest.fixture(scope="module")
def hung() -> Scene:
    turn = np.deg2rad(50)
    at = (float(np.sin(turn)), 0.0, 3.2 - float(np.cos(turn)))
    bob = ball("bob", radius=0.25, position=at, hue="blue", pivot=(0.0, 0.0, 3.2))
    return Scene((bob, floor(), backdrop(value=0.9)), side_camera(), 1.5, 0.5, 0.5, "joint")


def test_the_rod_goes_from_the_peg_to_the_body_at_any_time(hung: Scene) -> None:
    truth, times = simulate(hung), np.array([0.0, 0.3, 0.7, 1.2])
    pictures = render(truth, VIEW, times)
    place = truth.poses_at(times)[0][:, 0]
    for frame, at in zip(pictures.frames.astype(int), place, strict=True):
        for share in (0.0, 0.3, 0.6):  # of the way from the pivot to the body
            point = np.array([0, 0, 3.2]) * (1 - share) + at * share
            u, v = hung.camera.project(point, 0.0, VIEW)[0]
            near = frame[int(v) - 1 : int(v) + 2, int(u) - 1 : int(u) + 2].reshape(-1, 3)
            darkest = near[near.sum(1).argmin()]
            assert darkest.max() < 160  # the backdrop is above 200
            assert np.ptp(darkest) < 12  # grey
    assert set(np.unique(pictures.bodies)) == {0, 1}


def test_the_eye_finds_what_hangs(hung: Scene) -> None:
    view = View()
    truth = simulate(hung)
    seen = track(render(truth, view).frames, hung, view, view.frame_times(hung.duration_s))
    exact = exact_tracks(truth, view)
    assert seen.found.all()
    assert not seen.extras.any()
    assert np.abs(seen.pixel - exact.pixel).max() < 0.3
