"""Outlines against the projected points of the bodies themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from wmeval.camera import Camera, View
from wmeval.perceive.fit import soft
from wmeval.perceive.outline import Lens, outline, reach, start_turn, symmetry, turn_about_y
from wmeval.scene import Body, ball, box, cylinder, side_camera

AT = (0.0, 0.0, 1.0)
BODIES = [
    ball("a", radius=0.35, position=AT, hue="red"),
    box("a", half=(0.3, 0.25, 0.4), position=AT, hue="red"),
    cylinder("a", radius=0.25, half_height=0.35, position=AT, hue="red"),
    # lying with its axis towards the camera: a disc
    cylinder(
        "a", radius=0.25, half_height=0.35, position=AT, hue="red", orientation=(0.5**0.5, 0, 0, 0.5**0.5)
    ),
]


def surface(body: Body, turn):
    """Points all over the surface of a body that stands turned by a matrix, in m from its centre."""
    rng = np.random.default_rng(0)
    way = rng.normal(size=(4000, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    if body.shape == "sphere":
        return body.size[0] * way
    if body.shape == "box":
        own = way / np.abs(way / np.array(body.size)).max(1, keepdims=True)
        own = np.concatenate([own, np.sign(way) * body.size])
    else:
        r, h = body.size
        own = way / np.maximum(np.linalg.norm(way[:, :2], axis=1) / r, np.abs(way[:, 2]) / h)[:, None]
        rim = way / np.linalg.norm(way[:, :2], axis=1, keepdims=True) * r
        own = np.concatenate([own, np.column_stack([rim[:, :2], np.sign(way[:, 2]) * h])])
    return own @ turn.T


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(BODIES), st.floats(-1.8, 1.8), st.floats(0.2, 3.7), st.floats(-3.1, 3.1), st.booleans()
)
def test_an_outline_is_the_edge_of_all_projected_points(body, x, z, angle, far):
    camera = side_camera() if far else Camera((1.0, -6.0, 3.0), (0.0, 0.0, 1.5), 40.0)
    view = View(height=128, width=128)
    lens = Lens.of(camera, view, np.zeros(1))
    own, start = start_turn(body)
    turn = turn_about_y(np.array([angle - start]))[0] @ own
    centre = np.array([x, 0.0, z])
    pixel = camera.project(centre, 0.0, view)[0]
    shown = camera.project(centre + surface(body, turn), 0.0, view)[0]
    shape = outline(body, lens, pixel[None], np.array([angle]), np.zeros(1))
    u, v = (shown[:, i].astype(np.float32)[None] for i in (0, 1))
    distance, nx, ny = shape.distance(u, v)
    # no point lies outside; a sphere's ellipse is taken for a circle, which shows for a near camera
    assert distance.max() < (0.7 if body.shape == "sphere" and not far else 0.12)
    assert distance.max() > -0.4
    assert np.allclose(np.hypot(nx, ny), 1.0, atol=1e-3)
    grid = np.arange(-20, 148) + 0.5
    gx, gy = (a.ravel()[None].astype(np.float32) for a in np.meshgrid(grid, grid))
    area = float(soft(shape.distance(gx, gy)[0], 1.0).sum())
    assert area == pytest.approx(ConvexHull(shown).volume, rel=0.035)


@pytest.mark.parametrize("body", BODIES)
def test_the_reach_of_a_body_holds_its_points_however_it_turns(body):
    for angle in np.linspace(0, 3, 7):
        turn = turn_about_y(np.array([angle]))[0] @ start_turn(body)[0]
        wide = np.linalg.norm(surface(body, turn)[:, [0, 2]], axis=1).max()
        assert wide <= reach(body) + 1e-9
        assert wide > 0.9 * reach(body)


def test_a_turn_about_y_takes_x_to_z():
    assert np.allclose(turn_about_y(np.array([np.pi / 2]))[0] @ [1, 0, 0], [0, 0, 1])


def test_the_lens_agrees_with_the_camera_along_its_path():
    camera = Camera((0, -10, 2), (0, 0, 2), 25.0, path=((2.0, (3.0, -9.0, 2.5), (0.5, 0.0, 2.0)),))
    view, times = View(), np.array([0.0, 0.7, 2.0])
    points = np.random.default_rng(1).normal((0, 0, 2), 1.0, (3, 5, 3))
    lens = Lens.of(camera, view, times)
    for t, now in enumerate(times):
        pixel, depth = camera.project(points[t], now, view)
        assert np.allclose(lens.project(points)[0][t], pixel)
        assert np.allclose(lens.project(points)[1][t], depth)
        back = camera.on_plane(pixel[0], now, view, y=points[t, 0, 1])
        assert np.allclose(lens.on_plane(lens.project(points)[0][:, 0], points[:, 0, 1])[t], back)
        assert np.allclose(back, points[t, 0])


def test_symmetries():
    assert [symmetry(b) for b in BODIES] == [0.0, np.pi, np.pi, 0.0]
    assert symmetry(box("c", half=(0.3, 0.1, 0.3), position=AT, hue="red")) == np.pi / 2
