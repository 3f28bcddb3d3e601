"""A camera that moves: what it sees, what is said of it, and what a model is told, all at its pose."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from wmeval.camera import Camera, View
from wmeval.perceive import track
from wmeval.scene import Scene, backdrop, ball, box, cylinder, floor, side_camera
from wmeval.truth import Truth
from wmeval.world import actions, exact_tracks, render, simulate, visibility
from wmeval.world.observe import silhouette_px
from wmeval.world.visibility import rotation_matrices

VIEW = View()
TURN = np.deg2rad(24.0)


def panning() -> Camera:
    aside = (14 * float(np.sin(TURN)), -14 + 14 * float(np.cos(TURN)), 1.9)
    home = side_camera()
    return replace(home, path=((0.4, home.eye, home.target), (1.0, home.eye, aside)))


def sliding() -> Camera:
    home = side_camera()
    return replace(home, path=((0.4, home.eye, home.target), (1.0, (5.0, -14.0, 1.9), (5.0, 0.0, 1.9))))


def orbiting() -> Camera:
    home = side_camera()
    ways = [
        (0.4 + 0.1 * k, (14 * float(np.sin(a)), -14 * float(np.cos(a)), 1.9), home.target)
        for k, a in enumerate(np.linspace(0, np.deg2rad(40), 7))
    ]
    return replace(home, path=tuple(ways))


def rising() -> Camera:
    home = side_camera()
    return replace(home, path=((1.0, (1.0, -12.0, 4.0), (0.0, 0.0, 1.5)),))


CAMERAS = {"pan": panning, "slide": sliding, "orbit": orbiting, "rise": rising}


def landmarks(camera: Camera) -> Scene:
    bodies = (
        ball("ball", radius=0.35, position=(-1.4, 0.5, 0.35), hue="red"),
        box("box", half=(0.35, 0.3, 0.3), position=(-0.3, -0.6, 0.3), hue="blue"),
        cylinder("can", radius=0.3, half_height=0.35, position=(0.7, 0.2, 0.35), hue="green"),
        ball("mover", radius=0.3, position=(1.5, 0, 2.0), hue="yellow", velocity=(-0.8, 0, 1.5)),
        floor(half=(24.0, 3.0, 0.5)),
        backdrop(half=(24.0, 0.1, 9.0)),
    )
    return Scene(bodies, camera, 1.4, 0.5, 0.4, "flight", gravity=2.0)


@pytest.fixture(scope="module", params=CAMERAS)
def truth(request: pytest.FixtureRequest) -> Truth:
    # nothing falls: what lies on the floor does so by itself
    return simulate(landmarks(CAMERAS[request.param]()))


def test_visible_shares_are_those_of_the_picture(truth: Truth) -> None:
    big = View(height=128, width=128)
    times = VIEW.frame_times(1.4)
    masks = render(truth, big, times).bodies
    exact = exact_tracks(truth, big, times)
    for i in range(len(truth.names)):
        drawn = (masks == i + 1).sum((1, 2))
        assert np.all(drawn[exact.visible[:, i] == 0] <= 2)
        seen = exact.visible[:, i] > 0.3
        # pixels that a body covers by less than half are drawn as background; shares are known to a tenth
        size = np.nanmax(exact.area[:, i])
        assert exact.area[seen, i] == pytest.approx(drawn[seen], abs=0.13 * size)


def test_perception_sees_as_well_as_with_a_camera_that_stands(truth: Truth) -> None:
    times = VIEW.frame_times(1.4)
    exact = exact_tracks(truth, VIEW, times)
    seen = track(render(truth, VIEW, times).frames, truth.scene, VIEW, times)
    whole = exact.visible > 0.97
    off = np.linalg.norm(seen.pixel - exact.pixel, axis=-1)
    assert seen.found[exact.visible > 0.35].all()
    assert not seen.found[exact.visible < 0.01].any()
    assert np.median(off[whole]) < 0.15
    assert np.quantile(off[whole], 0.95) < 0.3
    metres = np.abs(seen.position - exact.position)[..., (0, 2)][whole]
    assert np.quantile(metres, 0.95) < 0.3 / 14.5 / np.cos(np.deg2rad(40))
    assert not seen.extras.any()


def test_actions_turn_one_pose_into_the_next(truth: Truth) -> None:
    times = VIEW.frame_times(1.4)
    camera = truth.scene.camera
    for row, now, after in zip(actions(truth.scene, times), times[:-1], times[1:], strict=True):
        one, two = camera.at(float(now)), camera.at(float(after))
        assert one.eye + row[6:9] / 10 == pytest.approx(two.eye, abs=1e-9)
        turned = Rotation.from_rotvec(row[9:12] / 10).apply(one.axes)
        assert turned == pytest.approx(two.axes, abs=1e-9)


def test_futures_see_with_the_moving_camera() -> None:
    scene = landmarks(panning())
    truth = simulate(scene, futures=3)
    times = VIEW.frame_times(scene.duration_s)
    exact = visibility(truth, times)
    for future in truth.futures:
        assert np.abs(future.visible - exact).max() < 0.25  # a start elsewhere by a centimetre or two
        assert (future.visible[exact == 0] < 0.1).all()
    assert (exact[-1, :3] == 0).all()  # the camera has turned away from them


def test_what_is_behind_the_camera_is_not_seen() -> None:
    home = side_camera()
    round_about = replace(home, path=((0.5, home.eye, (0.0, -28.0, 1.9001)),))
    truth = simulate(landmarks(round_about))
    assert (visibility(truth, np.array([0.5])) == 0).all()


@pytest.mark.parametrize("shape", ["box", "cylinder"])
def test_silhouettes_are_hulls_of_projected_points(shape: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(10):
        made = {
            "box": box("a", half=(0.4, 0.2, 0.3), position=(0, 0, 1), hue=0),
            "cylinder": cylinder("a", radius=0.3, half_height=0.4, position=(0, 0, 1), hue=0),
        }[shape]
        turn = rng.normal(size=4)
        turn /= np.linalg.norm(turn)
        place = rng.uniform(-1, 1, 3) + np.array([0, 0, 1.5])
        scene = landmarks(orbiting())
        ends = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]) * made.size[:1]
        if shape == "box":
            ends = np.sign(ends) * made.size
        else:
            around = np.linspace(0, 2 * np.pi, 200)
            ends = np.array([[0.3 * np.cos(a), 0.3 * np.sin(a), h] for a in around for h in (-0.4, 0.4)])
        points = ends @ rotation_matrices(turn[None])[0].T + place
        hull = ConvexHull(scene.camera.project(points, 0.8, VIEW)[0]).volume
        assert silhouette_px(made, place, turn, scene, 0.8, VIEW) == pytest.approx(hull, rel=0.02)
