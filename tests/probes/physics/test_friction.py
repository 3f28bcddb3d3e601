"""Friction: slides with a known mu, rolling with a known resistance, twins that are the same in the dark."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wmeval.camera import View
from wmeval.check import as_truth
from wmeval.scene import Scene, ball, floor, side_camera
from wmeval.seeds import scene_rng
from wmeval.truth import Truth
from wmeval.world import exact_tracks, render, simulate
from wmeval_probes.physics.draw import RIGHT, half_width
from wmeval_probes.physics.friction import PROBE, SLOWS, slowing
from wmeval_probes.physics.line import fit_run, travelled


def drawn(index: int, tag: str = "iid") -> Scene:
    return PROBE.case(scene_rng("dev", PROBE.key, tag, index), tag).arms["main"]


@pytest.fixture(scope="module")
def truth() -> Truth:
    return simulate(drawn(1))


def slide(truth: Truth, *, mu: float = 1.0, speed: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Frame times and the true slide that goes on with so many times the friction and the speed."""
    scene = truth.scene
    times = View().frame_times(scene.duration_s)
    cut = np.array([scene.cut_s])
    path, v = truth.poses_at(times)[0].copy(), float(truth.velocity_at(cut)[0, 0, 0])
    later = times > scene.cut_s + 1e-9
    way = travelled(times[later] - scene.cut_s, abs(v) * speed, -mu * slowing(scene), stops=True)
    path[later, 0, 0] = truth.poses_at(cut)[0][0, 0, 0] + np.sign(v) * way
    return times, path


@pytest.mark.parametrize("tag", PROBE.tags)
def test_scenes_show_the_slowing_and_stay_in_view(tag: str) -> None:
    kinds = set()
    for i in range(10):
        scene = drawn(i, tag)
        truth = simulate(scene)
        kinds.add(scene.moving[0].shape)
        reach = np.abs(truth.position[:, 0, 0]) + half_width(scene.moving[0])
        assert reach.max() < RIGHT
        assert scene.cut_s >= scene.needs_s >= 0.6
        assert not scene.hidden
        assert scene.duration_s - scene.cut_s <= PROBE.horizon_s + 1e-9
        slows = slowing(scene)
        assert slows == 0.0 if tag == "control" else SLOWS[0] <= slows <= SLOWS[1] + 1e-6
        verdict = PROBE.judge({"main": exact_tracks(truth, View())}, {"main": truth})
        assert verdict.error < 0.02
        assert verdict.event == 1.0
    assert kinds == {"box", "sphere"}


def test_truth_slows_as_the_formula_says() -> None:
    for i in range(8):
        truth = simulate(drawn(i))
        s, v = truth.times, abs(float(truth.scene.moving[0].velocity[0]))
        way = np.abs(truth.position[:, 0, 0] - truth.position[0, 0, 0])
        law = travelled(s, v, -slowing(truth.scene), stops=True)
        assert np.abs(way - law).max() < 0.01 * law.max()


@pytest.mark.parametrize("radius", [0.22, 0.4])
@pytest.mark.parametrize("resistance", [0.02, 0.06])
def test_a_rolling_ball_slows_by_five_sevenths_of_its_resistance(radius: float, resistance: float) -> None:
    one = ball("one", radius=radius, position=(-1.5, 0, radius), hue="red", velocity=(2.5, 0, 0),
               spin=(0, 2.5 / radius, 0), friction=1.0, rolling=resistance)  # fmt: skip
    scene = Scene((one, floor(friction=1.0)), side_camera(), 1.0, 0.5, 0.5, "rest")
    truth = simulate(scene)
    lost = truth.velocity[12, 0, 0] - truth.velocity[204, 0, 0]
    assert lost / 0.8 == pytest.approx(slowing(scene), rel=0.003)


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 1.6])
def test_known_friction(truth: Truth, tracks_from, factor: float) -> None:
    told = PROBE.measure(tracks_from(truth.scene, *slide(truth, mu=factor)), truth)
    assert told.error == pytest.approx(abs(factor - 1), abs=0.01)
    assert told.implied["mu / true mu"][0] == pytest.approx(factor, abs=0.01)
    assert told.evidence["in the context m/s2"] == pytest.approx(slowing(truth.scene), rel=0.02)


def test_another_speed_is_not_another_friction(truth: Truth, tracks_from) -> None:
    told = PROBE.measure(tracks_from(truth.scene, *slide(truth, speed=0.8)), truth)
    assert told.implied["mu / true mu"][0] == pytest.approx(1.0, abs=0.01)


def test_standing_still_is_no_slide(truth: Truth, tracks_from) -> None:
    times, path = slide(truth)
    at = times > truth.scene.cut_s + 1e-9
    path[at] = path[~at][-1]
    tracks = tracks_from(truth.scene, times, path)
    assert PROBE.event(tracks, truth) == 0.0
    assert PROBE.judge({"main": tracks}, {"main": truth}).error == PROBE.worst


def test_turning_round_is_no_rest(truth: Truth, tracks_from) -> None:
    scene = truth.scene
    times, path = slide(truth)
    start, v = path[times <= scene.cut_s + 1e-9][-1, 0, 0], scene.moving[0].velocity[0]
    s = np.clip(times - scene.cut_s, 0, None)
    fast = abs(truth.velocity_at(np.array([scene.cut_s]))[0, 0, 0])
    back = start + np.sign(v) * (fast * s - 2.5 * slowing(scene) * s**2 / 2)
    path[:, 0, 0] = np.where(s > 0, back, path[:, 0, 0])
    assert PROBE.measure(tracks_from(scene, times, path), truth).error > 0.5


def test_what_is_not_found_is_the_worst(truth: Truth, tracks_from) -> None:
    times, path = slide(truth)
    found = (times <= truth.scene.cut_s + 0.35)[:, None]
    told = PROBE.judge({"main": tracks_from(truth.scene, times, path, found)}, {"main": truth})
    assert told.error == PROBE.worst


def test_a_body_that_jumps_about_does_not_slide(truth: Truth, tracks_from) -> None:
    times, path = slide(truth)
    path = path + np.random.default_rng(0).uniform(-1.5, 1.5, path.shape)
    assert "jumps" in PROBE.measure(tracks_from(truth.scene, times, path), truth).status


@given(st.floats(0.3, 3.0), st.floats(-3.0, 1.0))
@settings(max_examples=60, deadline=None)
def test_a_law_is_read_back_from_its_own_track(speed: float, acceleration: float) -> None:
    t = np.arange(12) / 10
    run = fit_run(t, 0.5 + travelled(t, speed, acceleration, stops=True), np.full(12, 0.007), stops=True)
    moves = -speed / acceleration > 0.25 if acceleration < 0 else True
    if moves:  # what rests within two frames has shown no slowing
        assert run.acceleration == pytest.approx(acceleration, abs=0.02)


def test_sigma_covers_what_noise_does() -> None:
    rng, t = np.random.default_rng(0), np.arange(12) / 10
    off = []
    for _ in range(200):
        x = travelled(t, 2.0, -1.5, stops=True) + rng.normal(0, 0.01, 12)
        run = fit_run(t, x, np.full(12, 0.01), stops=True)
        off.append((run.acceleration + 1.5) / run.sigma)
    assert 0.7 < np.std(off) < 1.2


@pytest.mark.parametrize("strength", PROBE.strengths)
def test_violation_has_the_stated_strength(strength: float) -> None:
    for i in range(3):
        truth = simulate(drawn(i))
        broken = PROBE.violate(truth, strength, np.random.default_rng(i))
        told = PROBE.measure(exact_tracks(broken, View()), truth)
        assert told.error == pytest.approx(strength, abs=0.02)
        assert np.array_equal(broken.position[: int(truth.scene.cut_s * 240)],
                              truth.position[: int(truth.scene.cut_s * 240)])  # fmt: skip


def test_no_violation_is_the_truth_itself(truth: Truth) -> None:
    assert PROBE.violate(truth, 0.0, np.random.default_rng(0)) is truth


def test_futures_of_the_context_all_pass() -> None:
    for i in range(3):
        truth = simulate(drawn(i), futures=6)
        tracks = [exact_tracks(as_truth(truth, f), View()) for f in truth.futures]
        verdicts = [PROBE.judge({"main": t}, {"main": truth}) for t in tracks]
        assert max(v.error for v in verdicts) < 0.03
        assert min(v.event for v in verdicts) == 1.0


def test_twins_are_the_same_in_the_dark_and_differ_on_either_side() -> None:
    assert PROBE.twin is not None
    for i in range(10):
        twin = PROBE.twin(scene_rng("dev", PROBE.key, "twin", i), "iid")
        one, two = (render(simulate(s), View()).frames.astype(int) for s in (twin.one, twin.two))
        at = int(twin.splice_s * 10 + 1e-6)
        assert np.array_equal(one[at], two[at])
        apart = np.abs(one - two).max((1, 2, 3)) > 40
        assert apart[:4].all()
        assert apart[-3:].all()
        assert twin.window_s[0] <= (at + 1 + int(np.argmax(apart[at + 1 :]))) / 10 <= twin.window_s[1]
