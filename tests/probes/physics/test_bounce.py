"""Bounce: apex heights in closed form, bounces of known restitution, and exactly matched twins."""

from itertools import pairwise

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.check import as_truth
from wmeval.perceive import track
from wmeval.scene import Scene
from wmeval.seeds import scene_rng
from wmeval.truth import Truth
from wmeval.world import exact_tracks, render, simulate
from wmeval_probes.physics.bounce import PROBE, hits, next_apex
from wmeval_probes.physics.drops import Drop
from wmeval_probes.physics.veil import same_picture

ASKED = [t for t in PROBE.tags if t != "control"]


def drawn(index: int, tag: str = "iid") -> Scene:
    return PROBE.case(scene_rng("dev", PROBE.key, tag, index), tag).arms["main"]


@pytest.fixture(scope="module")
def truth() -> Truth:
    return simulate(drawn(0))


def bounced(truth: Truth, e: float, *, rate: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Frame times and the path of the ball that keeps `e` of its speed at every hit, in closed form."""
    scene = truth.scene
    times = View().frame_times(scene.duration_s)
    body, at = scene.moving[0], np.array([scene.cut_s])
    z, vz = truth.poses_at(at)[0][0, 0, 2] - body.radius, truth.velocity_at(at)[0, 0, 2]
    path = truth.poses_at(times)[0]
    for k in np.flatnonzero(times > scene.cut_s + 1e-9):
        left, h, v = rate * (times[k] - scene.cut_s), z, vz
        for _ in range(6):
            lands = (v + np.sqrt(v**2 + 2 * scene.gravity * max(h, 0.0))) / scene.gravity
            if lands > left:
                break
            left, h, v = left - lands, 0.0, e * abs(v - scene.gravity * lands)
        path[k, 0, 2] = body.radius + h + v * left - scene.gravity * left**2 / 2
    return times, path


@pytest.mark.parametrize("tag", ASKED)
def test_scenes_show_one_bounce_and_ask_about_the_next(tag: str) -> None:
    for i in range(6):
        truth = simulate(drawn(i, tag))
        scene = truth.scene
        assert scene.cut_s <= 1.6
        assert scene.duration_s - scene.cut_s <= PROBE.horizon_s + 1e-9
        for slot, body in enumerate(scene.moving):
            first, second = hits(truth, slot)[:2]
            assert 0.29 <= first < scene.cut_s
            assert scene.cut_s + 0.3 <= second
            after = truth.times > first
            apex = truth.times[after][truth.position[after & (truth.times < second), slot, 2].argmax()]
            assert apex < scene.cut_s - 0.1
            assert np.abs(truth.position[:, slot, 0]).max() + body.radius < 2.2
            assert truth.position[:, slot, 2].max() + body.radius < 4.1
        tracks = exact_tracks(truth, View())
        verdict = PROBE.judge({"main": tracks}, {"main": truth})
        assert verdict.event == 1.0
        assert verdict.error < 0.01


def test_the_engine_bounces_as_it_is_told() -> None:
    for i in range(6):
        truth = simulate(drawn(i))
        e, size = truth.scene.moving[0].restitution, truth.scene.moving[0].radius
        met = hits(truth, 0)
        spans = [(truth.times > a) & (truth.times < b) for a, b in pairwise(met[:3])]
        apexes = [truth.position[s, 0, 2].max() - size for s in spans]
        assert np.sqrt(apexes[1] / apexes[0]) == pytest.approx(e, abs=0.003)


def test_a_drop_arrives_when_it_says() -> None:
    drop = Drop(g=5.0, e=0.7, hits_s=0.4, flight_s=1.2, radius=0.3)
    height, rises = drop.start()
    assert height + rises * 0.4 - 5.0 * 0.4**2 / 2 == pytest.approx(0.0, abs=1e-12)
    assert -(rises - 5.0 * 0.4) * 0.7 == pytest.approx(drop.speed)
    assert drop.apex == pytest.approx(5.0 * (1.2 / 2) ** 2 / 2)


@pytest.mark.parametrize("e", [0.3, 0.6, 0.9, 1.1])
def test_known_restitution(truth: Truth, tracks_from, e: float) -> None:
    told = PROBE.measure(tracks_from(truth.scene, *bounced(truth, e)), truth)
    value, sigma = told.implied["restitution"]
    assert value == pytest.approx(e, abs=0.02)
    assert told.error == pytest.approx(abs(e - truth.scene.moving[0].restitution), abs=0.02)
    assert 0 < sigma < 0.05


def test_slow_motion_has_the_same_restitution(truth: Truth, tracks_from) -> None:
    told = PROBE.measure(tracks_from(truth.scene, *bounced(truth, 0.6, rate=0.8)), truth)
    assert told.implied["restitution"][0] == pytest.approx(0.6, abs=0.03)


def test_a_ball_that_stays_down_has_none(truth: Truth, tracks_from) -> None:
    told = PROBE.measure(tracks_from(truth.scene, *bounced(truth, 0.0)), truth)
    assert told.implied["restitution"][0] == 0.0
    assert told.error == truth.scene.moving[0].restitution > PROBE.worst


def test_no_fall_is_no_bounce(truth: Truth, tracks_from) -> None:
    times, path = bounced(truth, 0.6)
    path[times > truth.scene.cut_s] = path[np.searchsorted(times, truth.scene.cut_s + 1e-9) - 1]
    tracks = tracks_from(truth.scene, times, path)
    assert PROBE.event(tracks, truth) == 0.0
    lost = tracks_from(truth.scene, times, path, (times <= truth.scene.cut_s + 0.2)[:, None])
    assert PROBE.measure(lost, truth).error == PROBE.worst


@pytest.mark.parametrize("phase", [0.0, 0.03, 0.07])
def test_apex_between_frames(phase: float) -> None:
    t = np.arange(14) / 10 + phase
    after = np.abs(t - 0.5)
    h = np.where(t < 0.5, 6 * after, 3 * after - 2.5 * after**2)  # vertex at 0.9 m, reached 0.6 s after 0.5
    apex = next_apex(t, h, 0.02, 0.005)
    assert apex is not None
    assert apex.height == pytest.approx(0.9, abs=1e-9)


@pytest.mark.parametrize("strength", PROBE.strengths)
def test_violation_has_the_stated_strength(truth: Truth, strength: float) -> None:
    broken = PROBE.violate(truth, strength, np.random.default_rng(0))
    told = PROBE.measure(exact_tracks(broken, View()), truth)
    assert told.error == pytest.approx(strength, abs=0.015)
    shown = round(truth.scene.cut_s * 240)
    assert np.array_equal(broken.position[:shown], truth.position[:shown])


def test_no_violation_is_the_truth_itself(truth: Truth) -> None:
    assert PROBE.violate(truth, 0.0, np.random.default_rng(0)) is truth


def test_futures_of_the_context_all_pass() -> None:
    for i in range(3):
        truth = simulate(drawn(i), futures=6)
        for future in truth.futures:
            lawful = exact_tracks(as_truth(truth, future), View())
            assert PROBE.judge({"main": lawful}, {"main": truth}).error < 0.05


def test_a_throw_is_no_false_alarm() -> None:
    for i in range(4):
        truth = simulate(drawn(i, "control"))
        assert not len(hits(truth, 0))
        seen = track(
            render(truth, View()).frames, truth.scene, View(), View().frame_times(truth.scene.duration_s)
        )
        verdict = PROBE.judge({"main": seen}, {"main": truth})
        assert verdict.error < 0.02


def test_twins_meet_at_the_splice_and_part_after_it() -> None:
    assert PROBE.twin is not None
    for i in range(6):
        twin = PROBE.twin(np.random.default_rng(i), "iid")
        assert twin.kind == "factorial"
        assert same_picture(twin.one, twin.two, twin.splice_s)
        one, two = simulate(twin.one), simulate(twin.two)
        at = np.array([twin.splice_s])
        assert np.abs(one.poses_at(at)[0] - two.poses_at(at)[0]).max() < 0.02
        second = [hits(t, 0)[1] for t in (one, two)]
        assert second == pytest.approx([twin.window_s[0]] * 2, abs=0.01)
        apart = [t.position[t.times > twin.window_s[0], 0, 2].max() for t in (one, two)]
        assert abs(apart[0] - apart[1]) > 0.2
