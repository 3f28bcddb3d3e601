"""What the encoder learns from: units, mirroring, wear and graded faults."""

import numpy as np
import pytest

from wmeval.errors import UsageError
from wmeval_probes.encoder.corruptions import LADDERS, background, blurred, frozen, shuffled, teleported
from wmeval_probes.encoder.windows import batch, blur, occupancy, open_dataset, targets, wear


def test_places_in_network_units_lie_on_the_bodies(split) -> None:
    data = open_dataset(split)
    told = data.targets(0)
    for hue in range(6):
        marked = np.argwhere(data.bodies[0, 3] == hue + 1)
        if len(marked):
            centre = (told[3, hue, :2] + 1) * 32
            assert centre == pytest.approx(marked.mean(0)[::-1] + 0.5, abs=0.3)
        else:
            assert np.isnan(told[3, hue, :2]).all()
            assert told[3, hue, 4] == 0
    lit = told[..., 5] > 0
    assert lit.sum() == (data.contacts[0] > 0).sum() > 0
    assert told[..., 5].max() == pytest.approx(np.log(6.0) / 4)


def test_mirrored_windows_stay_consistent(split) -> None:
    windows = batch(open_dataset(split), 64, np.random.default_rng(1))
    cells = windows.occupancy  # (B, T, 6, 16, 16), from the mirrored bodies
    u = (np.arange(16) + 0.5) / 8 - 1
    mass = cells.sum((-2, -1))
    present = mass > 3
    found = (cells.sum(-2) @ u)[present] / mass[present]
    assert found == pytest.approx(windows.state[..., 0][present], abs=0.06)
    # the velocity is the change of place
    du = np.diff(windows.state[..., 0], axis=1) * 32
    known = np.isfinite(du)
    assert du[known] == pytest.approx(windows.state[:, 1:, :, 2][known] * 8, abs=1e-4)


def test_a_third_is_worn_and_told_by_how_much(split) -> None:
    frames = np.repeat(np.asarray(open_dataset(split).frames[:1, :8]), 300, axis=0)
    out, worn = wear(frames, np.random.default_rng(2))
    changed = (out != frames).any((1, 2, 3, 4))
    assert not changed[(worn == 0).all(1)].any()
    assert 0.15 < changed.mean() < 0.35
    noisy = np.argmax(worn[:, 1] * (worn[:, 0] == 0))
    assert out[noisy, :, :8, :8].std() == pytest.approx(16 * worn[noisy, 1], rel=0.15)


def test_blur_keeps_the_mean_and_has_its_width() -> None:
    dot = np.zeros((1, 41, 41, 3), np.float32)
    dot[0, 20, 20] = 1.0
    out = blur(dot, 2.0)[0, ..., 0]
    assert out.sum() == pytest.approx(1.0, abs=1e-5)
    assert (out.sum(0) @ (np.arange(41) - 20.0) ** 2) == pytest.approx(4.0, rel=0.03)
    assert blur(dot, 0.0) is dot


def test_occupancy_counts_shares() -> None:
    bodies = np.zeros((1, 64, 64), np.uint8)
    bodies[0, :4, :2] = 3
    told = occupancy(bodies)
    assert told.shape == (1, 6, 16, 16)
    assert told[0, 2, 0, 0] == 0.5
    assert told.sum() == 0.5


def test_faults_do_what_they_say(split) -> None:
    data = open_dataset(split)
    video, bodies = np.asarray(data.frames[0]), np.asarray(data.bodies[0])
    rng = np.random.default_rng(3)
    assert (frozen(video, bodies, 0.5, rng)[5:] == video[5]).all()
    assert (frozen(video, bodies, 0.5, rng)[:6] == video[:6]).all()
    mixed = shuffled(video, bodies, 12, rng)
    assert sorted(x.tobytes() for x in mixed) == sorted(x.tobytes() for x in video)
    assert (mixed != video).any()
    still = np.full((12, 64, 64, 3), 120, np.uint8)
    mark = np.zeros((12, 64, 64), np.uint8)
    for t in range(12):  # it crosses the picture, so that all of the scene is shown
        mark[t, 30:35, 16 + 2 * t : 21 + 2 * t] = 2
    still[mark > 0] = (0, 200, 0)
    jumped = teleported(still, mark, 10, rng)
    assert (jumped[:6] == still[:6]).all()
    left = np.argwhere((jumped[8] != 120).any(-1))
    assert len(left) == 25
    assert np.linalg.norm(left.mean(0) - np.argwhere(mark[8] > 0).mean(0)) == pytest.approx(10, abs=0.8)
    assert (background(video, bodies)[bodies[0] == 0] == 120).mean() > 0.95
    assert blurred(video, bodies, 1.0, rng).dtype == np.uint8
    assert {len(s) for _, s in LADDERS.values()} == {4}


def test_mistakes_are_told(discs, tmp_path) -> None:
    with pytest.raises(UsageError, match="data make"):
        open_dataset(tmp_path)
    small = discs(tmp_path / "few", clips=4)
    with pytest.raises(UsageError, match="40 or more"):
        open_dataset(small)
    assert np.isfinite(targets(np.zeros((2, 6, 5), np.float32), np.zeros((2, 6), np.float32))).all()
