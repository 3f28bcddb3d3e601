"""Perception against pictures whose every edge is known, drawn without its help."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wmeval.camera import View
from wmeval.perceive import track
from wmeval.scene import ball, box, floor, occluder

RED, GREEN, BLUE, YELLOW = (0.85, 0.08, 0.08), (0.08, 0.85, 0.08), (0.08, 0.08, 0.85), (0.85, 0.85, 0.08)
ORANGE = (0.85, 0.5, 0.08)  # hue 33 degrees: none of the six
DARK = (0.25, 0.25, 0.25)
R = 0.3
ORIGIN = (0.0, 0.0, 2.0)


def look(frames, scene, view=None):
    times = np.arange(len(frames)) / 10
    return track(np.stack(frames), scene, view or View(), times)


def centres(scene, places, view=None):
    """Project points x, z of the plane y = 0."""
    points = np.array([(x, 0.0, z) for x, z in places])
    return scene.camera.project(points, 0.0, view or View())[0]


@pytest.mark.parametrize("size", [64, 128, 256])
def test_a_whole_ball_is_found_to_a_fraction_of_a_pixel(make_easel, make_scene, size):
    view = View(height=size, width=size)
    rng = np.random.default_rng(size)
    places = rng.uniform((-1.8, 0.2), (1.8, 3.6), (12, 2))
    scene = make_scene(ball("a", radius=R, position=ORIGIN, hue="red"))
    easel = make_easel(view)
    seen = look([easel.disc(x, z, R, RED, shaded=True).frame() for x, z in places], scene, view)
    assert np.abs(seen.pixel[:, 0] - centres(scene, places, view)).max() < 0.12
    assert np.allclose(seen.position[:, 0, [0, 2]], places, atol=0.12 * 4.4 / size)
    assert (seen.position[:, 0, 1] == 0).all()
    assert seen.found.all()
    assert (seen.visible > 0.93).all()
    assert (seen.confidence > 0.85).all()
    assert np.allclose(seen.area[:, 0], np.pi * (R * size / 4.4) ** 2, rtol=0.07)
    assert not seen.extras.any()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(-1.7, 1.7), st.floats(0.3, 3.5), st.floats(0.2, 0.5), st.floats(0.3, 1.0))
def test_a_moved_picture_is_a_moved_track(easel, make_scene, x, z, r, ground):
    easel.ground = ground
    scene = make_scene(ball("a", radius=r, position=ORIGIN, hue="blue"))
    seen = look([easel.clear().disc(x, z, r, BLUE).frame()], scene)
    assert seen.found.all()
    assert np.abs(seen.pixel[0, 0] - centres(scene, [(x, z)])[0]).max() < 0.15


def test_half_a_ball_behind_a_screen_is_not_pulled_to_its_visible_half(easel, make_scene):
    edge = 0.4  # m, the screen's right edge as seen in the plane y = 0
    screen = occluder("s", half=(edge * 13 / 14 / 2, 0.0005, 1.0), position=(edge * 13 / 28, -1.0, 2.0))
    scene = make_scene(ball("a", radius=R, position=ORIGIN, hue="red"), screen)
    places = [(edge + d, 2.0) for d in np.linspace(-0.12, 0.12, 9)]
    frames = [
        easel.disc(x, z, R, RED).rectangle(edge / 2, 2.0, edge / 2, 14 / 13, DARK).frame() for x, z in places
    ]
    seen = look(frames, scene)
    exact = centres(scene, places)
    assert np.linalg.norm(seen.pixel[:, 0] - exact, axis=-1).max() < 0.35
    # what a centroid would say: off by 0.4 radius, 1.7 px
    red = np.stack(frames)[..., 0].astype(float) - np.stack(frames)[..., 1]
    centroid = (red.sum(1) * (np.arange(64) + 0.5)).sum(-1) / red.sum((1, 2))
    assert np.abs(centroid - exact[:, 0])[4] > 1.5
    assert np.all(np.diff(seen.visible[:, 0]) > 0)
    assert 0.42 < seen.visible[4, 0] < 0.58


def test_a_ball_that_leaves_the_image_is_followed_over_its_edge(easel, make_scene):
    scene = make_scene(ball("a", radius=R, position=ORIGIN, hue="green"))
    places = [(x, 2.0) for x in (2.0, 2.1, 2.2, 2.3)]
    seen = look([easel.disc(x, z, R, GREEN).frame() for x, z in places], scene)
    assert np.linalg.norm(seen.pixel[:, 0] - centres(scene, places), axis=-1).max() < 0.3
    assert seen.visible[2, 0] == pytest.approx(0.5, abs=0.06)


def test_a_body_before_another_hides_it_without_moving_it(easel, make_scene):
    scene = make_scene(
        ball("back", radius=R, position=ORIGIN, hue="red"),
        ball("front", radius=R, position=ORIGIN, hue="blue"),
    )
    seen = look([easel.disc(0.0, 2.0, R, RED).disc(d, 2.1, R, BLUE).frame() for d in (0.2, 0.35, 0.5)], scene)
    back, front = centres(scene, [(0, 2)]), centres(scene, [(d, 2.1) for d in (0.2, 0.35, 0.5)])
    assert np.linalg.norm(seen.pixel[:, 0] - back, axis=-1).max() < 0.4
    assert np.linalg.norm(seen.pixel[:, 1] - front, axis=-1).max() < 0.15


def test_a_ball_drawn_before_a_screen_is_seen_there(easel, make_scene):
    screen = occluder("s", half=(0.8, 0.05, 0.8), position=(0, -1, 2))
    scene = make_scene(ball("a", radius=R, position=ORIGIN, hue="red"), screen)
    wall = 14 / 13 * 0.8
    seen = look([easel.rectangle(0, 2, wall, wall, DARK).disc(0.1, 2.0, R, RED).frame()], scene)
    assert seen.found.all()
    assert np.linalg.norm(seen.pixel[0, 0] - centres(scene, [(0.1, 2.0)])) < 0.2
    assert seen.visible[0, 0] > 0.9


def test_a_ball_sunk_into_the_floor_is_not_lifted_out(easel, make_scene):
    scene = make_scene(ball("a", radius=R, position=ORIGIN, hue="red"), ground=1.0)
    places = [(0.0, 1.0 + R - sunk) for sunk in (0.0, 0.1, 0.2)]
    frames = [easel.disc(x, z, R, RED).below(1.0, (0.5, 0.5, 0.5)).frame() for x, z in places]
    seen = look(frames, scene)
    assert np.abs(seen.pixel[:, 0, 1] - centres(scene, places)[:, 1]).max() < 0.4


@pytest.mark.parametrize("half", [(0.3, 0.3, 0.3), (0.4, 0.3, 0.2)])
def test_a_box_turns_anticlockwise_from_x_to_z(easel, make_scene, half):
    turns = 0.15 * np.arange(14)
    scene = make_scene(box("b", half=half, position=ORIGIN, hue="yellow", spin=(0.0, -1.5, 0.0)))
    # the front face stands nearer to the camera than the plane of the centre, so it looks larger
    near = 14.0 / (14.0 - half[1])
    frames = [easel.rectangle(0, 1.9, near * half[0], near * half[2], YELLOW, turn=a).frame() for a in turns]
    seen = look(frames, scene)
    assert np.abs(seen.angle[:, 0] - turns).max() < 0.04
    assert (seen.angle_sigma < 0.1).all()
    assert np.linalg.norm(seen.pixel[:, 0] - centres(scene, [(0, 1.9)]), axis=-1).max() < 0.12


def test_a_sphere_has_no_angle(easel, make_scene):
    seen = look(
        [easel.disc(0, 2, R, RED).frame()], make_scene(ball("a", radius=R, position=ORIGIN, hue="red"))
    )
    assert np.isnan(seen.angle).all()
    assert np.isinf(seen.angle_sigma).all()


def test_what_is_not_there_is_not_found_and_nothing_is_filled_in(easel, make_scene):
    scene = make_scene(
        ball("a", radius=R, position=ORIGIN, hue="red"), ball("b", radius=R, position=(1, 0, 1), hue="blue")
    )
    seen = look([easel.disc(0, 2, R, RED).frame(), easel.frame()], scene)
    assert seen.found.tolist() == [[True, False], [False, False]]
    gone = ~seen.found
    for name in ("pixel", "position", "angle", "area", "colour"):
        assert np.isnan(getattr(seen, name)[gone]).all(), name
    assert np.isinf(seen.sigma[gone]).all()
    assert np.isinf(seen.angle_sigma[gone]).all()
    assert (seen.confidence[gone] == 0).all()
    assert (seen.visible[gone] == 0).all()


@pytest.mark.parametrize(
    "paint",
    [
        lambda rng, shape: rng.integers(0, 256, shape, dtype=np.uint8),
        lambda rng, shape: np.zeros(shape, np.uint8),
        lambda rng, shape: np.full(shape, 255, np.uint8),
        lambda rng, shape: np.broadcast_to(np.array([220, 20, 20], np.uint8), shape),
        lambda rng, shape: np.clip(rng.normal(128, 30, shape), 0, 255).astype(np.uint8),
    ],
    ids=["noise", "black", "white", "red", "grey noise"],
)
def test_no_body_is_found_in_noise_or_in_one_colour(easel, make_scene, paint):
    scene = make_scene(
        ball("a", radius=R, position=ORIGIN, hue="red"),
        box("b", half=(R, R, R), position=(1, 0, 1), hue="blue"),
    )
    context = [easel.disc(0, 2, R, RED).rectangle(1, 1, R, R, BLUE).frame() for _ in range(4)]
    after = paint(np.random.default_rng(0), (12, 64, 64, 3))
    seen = look([*context, *after], scene)
    assert seen.found[:4].all()
    assert not seen.found[4:].any()
    assert not look(list(after), scene).found.any()


def test_the_component_that_continues_the_motion_is_the_body_and_the_other_an_extra(easel, make_scene):
    scene = make_scene(ball("a", radius=R, position=(-1.5, 0, 2), hue="red", velocity=(1, 0, 0)))
    places = [(-1.5 + 0.1 * t, 2.0) for t in range(10)]
    frames = []
    for t, (x, z) in enumerate(places):
        easel.disc(x, z, R, RED)
        if t >= 4:
            easel.disc(1.5, 1.0, R, RED)
        frames.append(easel.frame())
    seen = look(frames, scene)
    assert np.linalg.norm(seen.pixel[:, 0] - centres(scene, places), axis=-1).max() < 0.15
    assert seen.extras.tolist() == [0] * 4 + [1] * 6


def test_a_hue_that_no_body_has_is_an_extra(easel, make_scene):
    scene = make_scene(ball("a", radius=R, position=ORIGIN, hue="blue"))
    frames = [easel.disc(0, 2, R, BLUE).frame(), easel.disc(0, 2, R, BLUE).disc(1, 1, R, ORANGE).frame()]
    seen = look(frames, scene)
    assert seen.found.all()
    assert seen.extras.tolist() == [0, 1]


def test_a_changed_hue_is_another_body(easel, make_scene):
    scene = make_scene(ball("a", radius=R, position=ORIGIN, hue="red"))
    frames = [easel.disc(0, 2, R, colour).frame() for colour in (RED, RED, YELLOW)]
    seen = look(frames, scene)
    assert seen.found[:, 0].tolist() == [True, True, False]
    assert seen.extras.tolist() == [0, 0, 1]


def test_two_bodies_that_touch_make_no_third_between_their_hues(easel, make_scene):
    # red beside green mixes to a yellow seam
    scene = make_scene(
        box("r", half=(R, R, R), position=(-1, 0, 2), hue="red"),
        box("g", half=(R, R, R), position=(0, 0, 2), hue="green"),
        ball("y", radius=0.22, position=(1, 0, 3), hue="yellow"),
    )
    near = 14 / 13.7
    frames = [
        easel.disc(1, 3, 0.22, YELLOW).frame(),
        easel.rectangle(0.03 - R * near, 2, R * near, R * near, RED)
        .rectangle(0.03 + R * near, 2, R * near, R * near, GREEN)
        .frame(),
    ]
    seen = look(frames, scene)
    assert seen.found.tolist() == [[False, False, True], [True, True, False]]
    assert not seen.extras.any()


def test_sigma_is_honest_under_noise(easel, make_scene):
    rng = np.random.default_rng(3)
    places = rng.uniform((-1.7, 0.4), (1.7, 3.4), (60, 2))
    scene = make_scene(ball("a", radius=R, position=ORIGIN, hue="magenta"))
    clean = np.stack([easel.disc(x, z, R, (0.8, 0.08, 0.8)).frame() for x, z in places])
    noisy = np.clip(clean + rng.normal(0, 12, clean.shape), 0, 255).astype(np.uint8)
    seen = look(list(noisy), scene)
    off = (seen.position[:, 0, [0, 2]] - places) / seen.sigma[:, 0, [0, 2]]
    assert 0.5 < np.sqrt(np.mean(off**2)) < 1.6
    assert np.isinf(seen.sigma[:, 0, 1]).all()


def test_frames_of_another_size_are_refused(make_scene):
    scene = make_scene(ball("a", radius=R, position=ORIGIN, hue="red"))
    with pytest.raises(
        ValueError, match=r"frames are uint8 \(2, 32, 32, 3\); expected uint8 \(2, 64, 64, 3\)"
    ):
        track(np.zeros((2, 32, 32, 3), np.uint8), scene, View(), np.arange(2) / 10)
    with pytest.raises(ValueError, match="float64"):
        track(np.zeros((2, 64, 64, 3)), scene, View(), np.arange(2) / 10)


def test_a_scene_without_moving_bodies_has_empty_tracks():
    from wmeval.scene import Scene, side_camera

    scene = Scene((floor(),), side_camera(), 10.0, 1.0, 0.5, "flight")
    seen = track(np.zeros((3, 64, 64, 3), np.uint8), scene, View(), np.arange(3) / 10)
    assert seen.pixel.shape == (3, 0, 2)
