"""Ramp: the law of each kind of body, tracks of a known acceleration, and a block that rests."""

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.check import as_truth
from wmeval.scene import Scene
from wmeval.seeds import scene_rng
from wmeval.truth import Truth
from wmeval.world import exact_tracks, simulate
from wmeval_probes.physics.draw import LEFT, RIGHT, TOP
from wmeval_probes.physics.ramp import LONG, PROBE, downhill, pace

KINDS = {"sphere", "cylinder", "box"}


def drawn(index: int, tag: str = "iid") -> Scene:
    return PROBE.case(scene_rng("dev", PROBE.key, tag, index), tag).arms["main"]


@pytest.fixture(scope="module")
def truth() -> Truth:
    return simulate(drawn(0))


def went(truth: Truth, *, factor: float = 1.0, speed: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Frame times and the true way that goes on with so many times the acceleration and the speed."""
    scene = truth.scene
    slope, down = downhill(scene)
    times, cut = View().frame_times(scene.duration_s), np.array([scene.cut_s])
    path = truth.poses_at(times)[0].copy()
    later = times > scene.cut_s + 1e-9
    s, way = times[later] - scene.cut_s, np.array([down[0], 0.0, down[1]])
    v = speed * float(truth.velocity_at(cut)[0, 0] @ way)
    a = factor * pace(scene.moving[0], slope)
    path[later, 0] = truth.poses_at(cut)[0][0, 0] + (v * s + a * s**2 / 2)[:, None] * way
    return times, path


@pytest.mark.parametrize("tag", PROBE.tags)
def test_scenes_stay_on_the_ramp_and_in_view(tag: str) -> None:
    kinds = set()
    for i in range(12):
        scene = drawn(i, tag)
        truth = simulate(scene)
        body, (slope, down) = scene.moving[0], downhill(scene)
        kinds.add(body.shape)
        off = truth.position[:, 0] - np.array(scene["ramp"].position)
        assert np.abs(off[:, (0, 2)] @ np.array(down)).max() < LONG
        beside = off[:, (0, 2)] @ np.array([-down[1], down[0]])
        assert np.ptp(beside) < 5e-3
        assert truth.position[:, 0, 0].min() - body.size[0] > LEFT
        assert truth.position[:, 0, 0].max() + body.size[0] < RIGHT
        assert truth.position[:, 0, 2].max() + body.size[0] < TOP
        assert scene.cut_s == scene.needs_s
        assert scene.duration_s - scene.cut_s <= PROBE.horizon_s + 1e-9
        if body.shape == "box" and slope > 0:
            assert body.friction < 0.95 * np.tan(slope)  # far from where it would stick
        verdict = PROBE.judge({"main": exact_tracks(truth, View())}, {"main": truth})
        assert verdict.error < 0.03
        assert verdict.event == 1.0
    assert kinds == {"ood-composition": {"sphere", "cylinder"}, "control": {"sphere"}}.get(tag, KINDS)


def test_truth_obeys_the_law_of_its_kind() -> None:
    seen = set()
    for i in range(16):
        scene = drawn(i)
        truth, (slope, down) = simulate(scene), downhill(scene)
        body = scene.moving[0]
        way = truth.position[12:, 0][:, (0, 2)] @ np.array(down)
        fitted = 2 * np.polyfit(truth.times[12:], way, 2)[0]
        within = 0.01 if body.shape == "cylinder" else 0.003
        assert fitted == pytest.approx(pace(body, slope), rel=within)
        if body.shape == "sphere":
            assert pace(body, slope) == pytest.approx(5 / 7 * 9.81 * np.sin(slope))
        seen.add(body.shape)
    assert seen == KINDS


def test_what_goes_up_comes_down() -> None:
    scene = drawn(0, "ood-composition")
    truth, (_, down) = simulate(scene), downhill(scene)
    speed = truth.velocity[:, 0][:, (0, 2)] @ np.array(down)
    assert speed[5] < -0.3
    assert speed[-1] > 0.3


@pytest.mark.parametrize("factor", [-0.5, 0.0, 0.6, 1.0, 1.4])
def test_known_acceleration(truth: Truth, tracks_from, factor: float) -> None:
    told = PROBE.measure(tracks_from(truth.scene, *went(truth, factor=factor)), truth)
    assert told.error == pytest.approx(abs(factor - 1), abs=0.01)
    assert told.implied["a / law"][0] == pytest.approx(factor, abs=0.01)


def test_another_speed_is_not_another_acceleration(truth: Truth, tracks_from) -> None:
    assert PROBE.measure(tracks_from(truth.scene, *went(truth, speed=0.8)), truth).error < 0.02


def test_standing_still_is_no_way_down(truth: Truth, tracks_from) -> None:
    times, path = went(truth)
    at = times > truth.scene.cut_s + 1e-9
    path[at] = path[~at][-1]
    tracks = tracks_from(truth.scene, times, path)
    assert PROBE.event(tracks, truth) == 0.0
    assert PROBE.judge({"main": tracks}, {"main": truth}).error == PROBE.worst


def test_leaving_the_ramp_jumping_about_and_being_lost_are_the_worst(truth: Truth, tracks_from) -> None:
    times, path = went(truth)
    later = times > truth.scene.cut_s + 1e-9
    up = path.copy()
    up[later, 0, 2] += 2 * (times[later] - truth.scene.cut_s)
    assert "leaves" in PROBE.measure(tracks_from(truth.scene, times, up), truth).status
    wild = path + np.random.default_rng(0).uniform(-1.5, 1.5, path.shape)
    assert PROBE.measure(tracks_from(truth.scene, times, wild), truth).error == PROBE.worst
    found = (times <= truth.scene.cut_s + 0.35)[:, None]
    assert PROBE.measure(tracks_from(truth.scene, times, path, found), truth).error == PROBE.worst


def test_a_level_plank_drives_nothing(tracks_from) -> None:
    truth = simulate(drawn(0, "control"))
    assert pace(truth.scene.moving[0], downhill(truth.scene)[0]) == 0.0
    times, path = went(truth)
    later = np.clip(times - truth.scene.cut_s, 0, None)
    path[:, 0, 0] += downhill(truth.scene)[1][0] * 0.9 * later**2 / 2
    assert PROBE.measure(tracks_from(truth.scene, times, path), truth).error == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("strength", PROBE.strengths)
def test_violation_has_the_stated_strength(strength: float) -> None:
    for i in range(4):
        truth = simulate(drawn(i))
        broken = PROBE.violate(truth, strength, np.random.default_rng(i))
        told = PROBE.measure(exact_tracks(broken, View()), truth)
        assert told.error == pytest.approx(strength, abs=0.05)


def test_no_violation_is_the_truth_itself(truth: Truth) -> None:
    assert PROBE.violate(truth, 0.0, np.random.default_rng(0)) is truth


def test_futures_of_the_context_all_pass() -> None:
    for i in range(3):
        truth = simulate(drawn(i), futures=6)
        tracks = [exact_tracks(as_truth(truth, f), View()) for f in truth.futures]
        errors = [PROBE.judge({"main": t}, {"main": truth}).error for t in tracks]
        assert np.mean(errors) < 0.1


def test_a_twin_slows_and_rests_on_the_slope() -> None:
    assert PROBE.twin is not None
    for i in range(6):
        twin = PROBE.twin(scene_rng("dev", PROBE.key, "twin", i), "iid")
        truth = simulate(twin.one)
        down = np.array(downhill(twin.one)[1])
        speed = truth.velocity[:, 0][:, (0, 2)] @ down
        assert twin.one == twin.two
        assert speed[5] > 1.0
        assert np.abs(speed[-20:]).max() < 0.02
        assert np.diff(speed[5:]).max() < 0.05  # backwards, it would gain speed up the slope
        assert twin.window_s[1] < twin.one.duration_s
