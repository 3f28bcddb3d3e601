"""What a screen and a floor hide, against where their edges are projected."""

import numpy as np

from wmeval.camera import View
from wmeval.perceive.hiding import Statics, entry, hidden
from wmeval.scene import Body, Scene, ball, floor, occluder, side_camera

BALL = ball("a", radius=0.3, position=(0, 0, 2), hue="red")
VIEW = View(height=128, width=128)


def mask(times, *bodies, front=-0.3):
    scene = Scene((BALL, *bodies), side_camera(), 4.0, 1.0, 0.5, "flight")
    when = np.asarray(times, dtype=float)
    return scene, hidden(Statics.of(scene, VIEW, when), VIEW, np.full(len(when), front))


def test_a_screen_hides_its_own_picture_and_a_pixel_around_it():
    screen = occluder("s", half=(0.5, 0.05, 0.4), position=(0.3, -1, 2.2))
    scene, cover = mask([0.0], screen)
    corners = np.array([(0.3 + sx * 0.5, -1.05, 2.2 + sz * 0.4) for sx in (-1, 1) for sz in (-1, 1)])
    pixel = scene.camera.project(corners, 0.0, VIEW)[0]
    v, u = np.nonzero(cover.mask[0])
    assert abs(u.min() + 1 - pixel[:, 0].min()) < 1.01
    assert abs(u.max() - pixel[:, 0].max()) < 1.01
    assert abs(v.min() + 1 - pixel[:, 1].min()) < 1.01
    assert abs(v.max() - pixel[:, 1].max()) < 1.01
    assert len(u) == (np.ptp(u) + 1) * (np.ptp(v) + 1)


def test_a_screen_behind_a_body_hides_nothing():
    assert not mask([0.0], occluder("s", half=(0.5, 0.05, 0.4), position=(0.3, 1, 2.2)))[1].mask.any()


def test_where_the_floor_meets_a_body_the_edge_stays_in_view():
    scene, cover = mask([0.0], floor(top=0.0), front=-0.3)
    contact = scene.camera.project(np.array([0.0, -0.3, 0.0]), 0.0, VIEW)[0][1]
    hides = cover.mask[0].all(1)
    assert not hides[: int(contact) + 1].any()
    assert hides[int(contact) + 4 :].all()


def test_frames_with_equal_screens_share_one_mask():
    screen = occluder(
        "s", half=(0.5, 0.05, 0.4), position=(0, -1, 1), path=((1.0, (0, -1, 1)), (2.0, (0, -1, 3)))
    )
    _, cover = mask([0.0, 0.5, 1.0, 1.5, 2.0, 3.0], screen)
    assert len(cover.mask) == 3
    assert cover.which[0] == cover.which[1] == cover.which[2]
    assert cover.which[4] == cover.which[5]
    rows = [np.nonzero(cover.mask[w])[0].mean() for w in cover.which]
    assert rows[2] > rows[3] > rows[4]


def test_rays_enter_boxes_spheres_and_cylinders_where_they_should():
    eye, ahead = np.array([0.0, -5.0, 0.0]), np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    for shape, size in (("box", (1, 0.5, 1)), ("sphere", (0.5,)), ("cylinder", (0.5, 1.0))):
        body = Body("b", shape, size, (0, 0, 0))
        assert np.allclose(entry(body, np.zeros(3), eye, ahead), [4.5, np.inf])
