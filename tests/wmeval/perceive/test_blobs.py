"""Components and the choice among them."""

import numpy as np

from wmeval.perceive.blobs import choose, components


def test_components_stay_within_their_frame():
    mask = np.zeros((3, 8, 8), bool)
    mask[:, 2:4, 2:4] = True
    mask[1, 6, 6] = True
    blobs = components(mask)
    assert blobs.frame.tolist() == [0, 1, 1, 2]
    assert blobs.area.tolist() == [4, 4, 1, 4]
    assert blobs.centre.tolist() == [[3, 3], [3, 3], [6.5, 6.5], [3, 3]]
    assert blobs.pixels(np.array([2])).sum() == 1
    assert blobs.only(blobs.area > 1).pixels(np.array([1]))[1].sum() == 4


def test_no_component_no_choice():
    blobs = components(np.zeros((2, 4, 4), bool))
    assert choose(blobs, 2, np.ones(2), 1.0, None).tolist() == [-1, -1]


def test_of_two_equal_components_the_one_ahead_is_chosen():
    mask = np.zeros((4, 10, 40), bool)
    for t in range(4):
        mask[t, 4:7, 3 + 4 * t : 6 + 4 * t] = True
        mask[t, 4:7, 33:36] = t > 0
    chosen = choose(components(mask), 4, np.full(4, 9.0), 2.0, None)
    assert components(mask).centre[chosen][:, 0].tolist() == [4.5, 8.5, 12.5, 16.5]


def test_the_start_of_the_scene_decides_the_first_frame():
    mask = np.zeros((1, 10, 40), bool)
    mask[0, 4:7, [3, 4, 5]] = mask[0, 4:7, [33, 34, 35]] = True
    for start, column in ((np.array([5.0, 5.0]), 4.5), (np.array([33.0, 5.0]), 34.5)):
        blobs = components(mask)
        assert blobs.centre[choose(blobs, 1, np.full(1, 9.0), 2.0, start)][0, 0] == column
