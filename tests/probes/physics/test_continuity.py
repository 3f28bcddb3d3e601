"""Continuity: straight passages in closed form, jumps of known size, and swaps behind two screens."""

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.check import as_truth
from wmeval.perceive import track
from wmeval.scene import Scene, ball, floor, side_camera
from wmeval.seeds import scene_rng
from wmeval.truth import Truth
from wmeval.world import exact_tracks, render, simulate, visibility
from wmeval_probes.physics.continuity import PROBE
from wmeval_probes.physics.veil import same_picture, veil

ASKED = [t for t in PROBE.tags if t != "control"]
R, SPEED = 0.25, 1.0


def drawn(index: int, tag: str = "iid") -> Scene:
    return PROBE.case(scene_rng("dev", PROBE.key, tag, index), tag).arms["main"]


def two_screens() -> Scene:
    """A ball that is at x = -1.8 + t, wholly hidden from -1.0 to -0.7 and from 0.6 to 0.9."""
    camera = side_camera()
    body = ball("one", radius=R, position=(-1.8, 0, 1), velocity=(SPEED, 0, 0), hue="red")
    screens = [
        veil(f"screen {i}", camera, x=(a - R, b + R), z=(0, 2), value=0.2)
        for i, (a, b) in enumerate(((-1.0, -0.7), (0.6, 0.9)))
    ]
    return Scene((body, *screens, floor()), camera, 3.6, 0.9, 0.4, "flight", gravity=0.0)


@pytest.fixture(scope="module")
def truth() -> Truth:
    return simulate(two_screens())


def passage(truth: Truth, *, rate: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frame times, the path of the ball after the cut at `rate` times its speed, and where it is seen."""
    times = View().frame_times(truth.scene.duration_s)
    cut = truth.scene.cut_s
    path = np.zeros((len(times), 1, 3))
    path[:, 0, 0], path[:, 0, 2] = -1.8 + SPEED * (np.minimum(times, cut) + rate * (times - cut).clip(0)), 1.0
    return times, path, seen(path)


def seen(path: np.ndarray) -> np.ndarray:
    x = path[:, 0, 0]
    hidden = ((x > -1.0 - R) & (x < -0.7 + R)) | ((x > 0.6 - R) & (x < 0.9 + R))
    return ~hidden[:, None]


@pytest.mark.parametrize("tag", ASKED)
def test_scenes_hide_and_show_a_straight_line(tag: str) -> None:
    for i in range(6):
        truth = simulate(drawn(i, tag))
        scene = truth.scene
        assert scene.duration_s - scene.cut_s <= PROBE.horizon_s + 1e-9
        fine = np.arange(0, scene.duration_s, 0.02)
        share = visibility(truth, fine)
        shown = share[fine <= scene.cut_s]
        assert ((shown > 0.99).sum(0) * 0.02 >= 0.36).all()  # seen whole before the cut
        assert ((share <= 0.0).sum(0) * 0.02 >= 0.08).all()  # wholly hidden for a while
        screens = [b for b in scene.bodies if b.role == "occluder"]
        if len(screens) == 2:
            middle = np.mean([s.position[0] for s in screens])
            near = np.abs(truth.poses_at(fine)[0][:, 0, 0] - middle) < 0.4
            assert (share[near, 0] > 0.99).sum() * 0.02 >= 0.28  # three frames in the gap
        verdict = PROBE.judge({"main": exact_tracks(truth, View())}, {"main": truth})
        assert verdict.event == 1.0
        assert verdict.error < 1e-6


def test_truth_is_the_straight_line() -> None:
    truth = simulate(drawn(3))
    body = truth.scene.moving[0]
    line = np.array(body.position) + np.array(body.velocity) * truth.times[:, None]
    assert np.abs(truth.position[:, 0] - line).max() < 1e-9


@pytest.mark.parametrize("rate", [0.7, 1.0, 1.3])
def test_any_speed_is_continuous(truth: Truth, tracks_from, rate: float) -> None:
    tracks = tracks_from(truth.scene, *passage(truth, rate=rate))
    told = PROBE.measure(tracks, truth)
    assert told.error == pytest.approx(0.0, abs=1e-6)
    assert told.evidence["speed / true speed"] == pytest.approx([rate])
    assert PROBE.event(tracks, truth) == 1.0


@pytest.mark.parametrize("radii", [-1.5, -0.5, 0.5, 1.0])
@pytest.mark.parametrize("at", [1.0, 1.85, 2.6])
def test_known_jump(truth: Truth, tracks_from, radii: float, at: float) -> None:
    times, path, _ = passage(truth)
    path[times >= at, 0, 0] += radii * R
    tracks = tracks_from(truth.scene, times, path, seen(path))
    assert PROBE.measure(tracks, truth).error == pytest.approx(abs(radii), abs=0.02)


def test_a_gap_that_is_not_crossed(truth: Truth, tracks_from) -> None:
    times, path, found = passage(truth)
    found[(times > 1.2) & (times < 2.4)] = False
    told = PROBE.measure(tracks_from(truth.scene, times, path, found), truth)
    assert told.evidence["one"]["jump radii"] == pytest.approx(0.0, abs=1e-6)
    assert told.error == told.evidence["one"]["unseen radii"] >= 1.2


def test_a_body_that_ends_in_the_open(truth: Truth, tracks_from) -> None:
    times, path, found = passage(truth)
    found[times > 3.05] = False
    told = PROBE.measure(tracks_from(truth.scene, times, path, found), truth)
    assert told.error == pytest.approx(5 * 0.1 * SPEED / R)


def test_standing_still_is_no_passage(truth: Truth, tracks_from) -> None:
    times, path, _ = passage(truth, rate=0.0)
    path[times > 0.9, 0, 0] = -1.5
    tracks = tracks_from(truth.scene, times, path)
    assert PROBE.event(tracks, truth) == 0.0
    nothing = tracks_from(truth.scene, times, path, (times < 0.3)[:, None])
    assert PROBE.measure(nothing, truth).error == PROBE.worst
    assert PROBE.judge({"main": nothing}, {"main": truth}).error == PROBE.worst


@pytest.mark.parametrize("strength", PROBE.strengths)
def test_violation_has_the_stated_strength(strength: float) -> None:
    for i in range(4):
        truth = simulate(drawn(i))
        broken = PROBE.violate(truth, strength, np.random.default_rng(i))
        told = PROBE.measure(exact_tracks(broken, View()), truth)
        assert told.error == pytest.approx(strength, abs=0.05)
        shown = round(truth.scene.cut_s * 240)
        assert np.array_equal(broken.position[:shown], truth.position[:shown])


def test_no_violation_is_the_truth_itself(truth: Truth) -> None:
    assert PROBE.violate(truth, 0.0, np.random.default_rng(0)) is truth


def test_futures_of_the_context_all_pass() -> None:
    errors = []
    for i in range(3):
        truth = simulate(drawn(i), futures=6)
        for future in truth.futures:
            lawful = exact_tracks(as_truth(truth, future), View())
            errors.append(PROBE.judge({"main": lawful}, {"main": truth}).error)
    assert np.mean(errors) < 0.1 * PROBE.worst
    assert max(errors) < 0.6  # where the jittered body is in the dark at the cut, half of what must be seen


def test_motion_in_the_open_is_no_false_alarm() -> None:
    for i in range(3):
        truth = simulate(drawn(i, "control"))
        times = View().frame_times(truth.scene.duration_s)
        tracks = track(render(truth, View()).frames, truth.scene, View(), times)
        assert PROBE.judge({"main": tracks}, {"main": truth}).error < 0.3


def test_twins_are_hidden_at_the_splice_and_cross_the_gap_or_not() -> None:
    assert PROBE.twin is not None
    for i in range(6):
        twin = PROBE.twin(np.random.default_rng(i), "iid")
        assert twin.kind == "swap"
        assert same_picture(twin.one, twin.two, twin.splice_s)
        truths = simulate(twin.one), simulate(twin.two)
        around = twin.splice_s + np.array([-0.1, 0.0, 0.1])
        shares = [visibility(t, around) for t in truths]
        assert max(s.max() for s in shares) == 0.0  # three hidden frames
        apart = truths[0].poses_at(around)[0][:, 0, 0] - truths[1].poses_at(around)[0][:, 0, 0]
        assert np.abs(apart).min() > 1.0
        after = np.arange(twin.window_s[0], twin.window_s[1], 0.1)
        assert min(visibility(t, after).max() for t in truths) > 0.9
