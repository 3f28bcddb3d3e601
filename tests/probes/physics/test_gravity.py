"""Gravity: flights with a known g, and the scenes that ask about it."""

from dataclasses import replace

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.check import as_truth
from wmeval.perceive import track
from wmeval.scene import Scene
from wmeval.seeds import scene_rng
from wmeval.truth import Truth
from wmeval.world import exact_tracks, render, simulate, visibility
from wmeval_probes.physics.draw import half_height
from wmeval_probes.physics.gravity import PROBE
from wmeval_probes.physics.veil import same_picture


def drawn(index: int, tag: str = "iid") -> Scene:
    return PROBE.case(scene_rng("dev", PROBE.key, tag, index), tag).arms["main"]


@pytest.fixture(scope="module")
def truth() -> Truth:
    return simulate(drawn(1))


def flight(truth: Truth, *, g: float = 1.0, rate: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Frame times and the true flight played with g times the gravity or `rate` times as fast."""
    scene = truth.scene
    times = View().frame_times(scene.duration_s)
    start = truth.poses_at(np.array([scene.cut_s]))[0][0, 0]
    v = truth.velocity_at(np.array([scene.cut_s]))[0, 0]
    t = (rate * (times - scene.cut_s))[:, None]
    path = start + v * t + np.array([0, 0, -g * scene.gravity]) * t**2 / 2
    return times, path[:, None]


@pytest.mark.parametrize("tag", [t for t in PROBE.tags if t != "control"])
def test_scenes_show_enough_flight_in_view(tag: str) -> None:
    view = View()
    for i in range(12):
        scene = drawn(i, tag)
        body, g = scene.moving[0], scene.gravity
        ahead = view.frame_times(scene.duration_s) > scene.cut_s + 1e-9
        assert ahead.sum() >= 8
        assert scene.cut_s >= scene.needs_s >= 0.4
        assert 1.6 <= g <= 9.8
        assert scene.duration_s - scene.cut_s <= PROBE.horizon_s + 1e-9
        assert body.radius * scene.camera.focal_px(view) / 14 >= 0.8 * 3  # boxes are 0.8 radii at least
        t = np.linspace(0, scene.duration_s, 99)
        z = body.position[2] + body.velocity[2] * t - g * t**2 / 2
        assert z.min() > half_height(body)
        assert z.max() + half_height(body) < 4.1


def test_truth_is_the_parabola() -> None:
    truth = simulate(drawn(3))
    body, t = truth.scene.moving[0], truth.times
    z = body.position[2] + body.velocity[2] * t - truth.scene.gravity * t**2 / 2
    assert np.abs(truth.position[:, 0, 2] - z).max() < 1e-6


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 1.7])
def test_known_gravity(truth: Truth, tracks_from, factor: float) -> None:
    told = PROBE.measure(tracks_from(truth.scene, *flight(truth, g=factor)), truth)
    assert told.error == pytest.approx(abs(factor - 1), abs=1e-6)
    assert told.implied["g / true g"][0] == pytest.approx(factor, abs=1e-6)


def test_slow_motion_is_time_and_not_only_gravity(truth: Truth, tracks_from) -> None:
    told = PROBE.measure(tracks_from(truth.scene, *flight(truth, rate=0.5)), truth)
    assert told.implied["time rate"][0] == pytest.approx(0.5, abs=1e-3)
    assert told.implied["g / true g"][0] == pytest.approx(0.25, abs=1e-6)


def test_a_landing_ends_the_flight(tracks_from) -> None:
    truth = simulate(drawn(6))  # weak gravity: a long flight
    times, path = flight(truth, g=1.5)
    landed = int(np.searchsorted(times, truth.scene.cut_s + 1.25))
    path[landed:] = path[landed]
    told = PROBE.measure(tracks_from(truth.scene, times, path), truth)
    assert told.error == pytest.approx(0.5, abs=0.05)
    assert told.evidence["fitted until s"] == pytest.approx(times[landed], abs=0.11)


def test_what_is_not_found_is_the_worst(truth: Truth, tracks_from) -> None:
    times, path = flight(truth)
    found = (times <= truth.scene.cut_s + 0.35)[:, None]
    tracks = tracks_from(truth.scene, times, path, found)
    assert PROBE.measure(tracks, truth).error == PROBE.worst
    assert PROBE.event(tracks, truth) < 0.5
    assert PROBE.judge({"main": tracks}, {"main": truth}).error == PROBE.worst


def test_a_body_that_jumps_about_is_no_flight(truth: Truth, tracks_from) -> None:
    times, path = flight(truth)
    path = path + np.random.default_rng(0).uniform(-1.5, 1.5, path.shape)
    told = PROBE.measure(tracks_from(truth.scene, times, path), truth)
    assert told.error == PROBE.worst
    assert "jumps" in told.status


def test_noise_of_a_tenth_of_a_pixel_costs_a_few_percent(tracks_from) -> None:
    rng, errors = np.random.default_rng(0), []
    for i in range(20):
        truth = simulate(drawn(i))
        times, path = flight(truth)
        tracks = tracks_from(truth.scene, times, path + rng.normal(0, 0.1 / 14.5, path.shape))
        errors.append(PROBE.measure(tracks, truth).error)
    assert np.median(errors) < 0.03
    assert np.quantile(errors, 0.9) < 0.1


@pytest.mark.parametrize("strength", PROBE.strengths)
def test_violation_has_the_stated_strength(truth: Truth, strength: float) -> None:
    broken = PROBE.violate(truth, strength, np.random.default_rng(0))
    told = PROBE.measure(exact_tracks(broken, View()), truth)
    assert told.error == pytest.approx(strength, abs=0.02)


def test_no_violation_is_the_truth_itself(truth: Truth) -> None:
    assert PROBE.violate(truth, 0.0, np.random.default_rng(0)) is truth


def test_futures_of_the_context_all_pass() -> None:
    for i in range(3):
        truth = simulate(drawn(i), futures=6)
        tracks = [exact_tracks(as_truth(truth, f), View()) for f in truth.futures]
        verdicts = [PROBE.judge({"main": t}, {"main": truth}) for t in tracks]
        assert max(v.error for v in verdicts) < 0.02
        assert min(v.event for v in verdicts) == 1.0


def test_a_body_on_the_floor_is_no_false_alarm() -> None:
    for i in range(4):
        truth = simulate(drawn(i, "control"))
        times = View().frame_times(truth.scene.duration_s)
        seen = track(render(truth, View()).frames, truth.scene, View(), times)
        verdict = PROBE.judge({"main": seen}, {"main": truth})
        assert verdict.error < 0.05
        assert verdict.event == 1.0


def test_twins_are_alike_at_their_apex_and_nowhere_else() -> None:
    assert PROBE.twin is not None
    for i in range(6):
        twin = PROBE.twin(np.random.default_rng(i), "iid")
        assert same_picture(twin.one, twin.two, twin.splice_s)
        assert twin.two.gravity / twin.one.gravity == pytest.approx(2.0, abs=0.25) or (
            twin.one.gravity / twin.two.gravity == pytest.approx(2.0, abs=0.25)
        )
        truths = simulate(twin.one), simulate(twin.two)
        at = np.array([twin.splice_s])
        assert np.abs(truths[0].poses_at(at)[0] - truths[1].poses_at(at)[0]).max() < 1e-5
        assert np.abs(truths[0].velocity_at(at) - truths[1].velocity_at(at)).max() < 0.02
        ends = np.array([0.0, twin.window_s[1]])
        apart = truths[0].poses_at(ends)[0][:, 0, 2] - truths[1].poses_at(ends)[0][:, 0, 2]
        assert np.abs(apart).min() > 0.6
        for truth in truths:
            shown = visibility(truth, View().frame_times(truth.scene.duration_s))[:, 0] > 0.99
            cut = round(twin.splice_s * 10)
            assert min(shown[:cut].sum(), shown[cut:].sum()) >= 3


def test_cases_come_from_the_generator_alone() -> None:
    one = [PROBE.case(scene_rng("eval", PROBE.key, "iid", i), "iid").case_id for i in range(4)]
    two = [PROBE.case(scene_rng("eval", PROBE.key, "iid", i), "iid").case_id for i in range(4)]
    assert one == two
    assert len(set(one)) == 4
    assert replace(drawn(0), tag="x").digest != drawn(0).digest
