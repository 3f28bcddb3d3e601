"""Pendulum: swings of a known period, amplitude and rod; truths against the elliptic integral."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from wmeval.camera import View
from wmeval.check import as_truth
from wmeval.scene import Scene
from wmeval.seeds import scene_rng
from wmeval.truth import Truth
from wmeval.world import exact_tracks, render, simulate
from wmeval_probes.physics.draw import RIGHT, TOP
from wmeval_probes.physics.pendulum import PROBE, amplitude, fit_swing, period, swung


def drawn(index: int, tag: str = "iid") -> Scene:
    return PROBE.case(scene_rng("dev", PROBE.key, tag, index), tag).arms["main"]


@pytest.fixture(scope="module")
def truth() -> Truth:
    return simulate(drawn(0))


def swing(truth: Truth, *, lasts: float = 1.0, wide: float = 1.0, rod: float = 1.0) -> tuple:
    """Frame times and a swing after the cut with so many times the period, amplitude and rod of the truth."""
    scene = truth.scene
    bob, times = scene.moving[0], View().frame_times(scene.duration_s)
    widest = amplitude(scene)
    angle = swung(times, lasts * period(scene.gravity, bob, widest), wide * widest, 0.17)
    length = rod * np.linalg.norm(np.subtract(bob.position, bob.pivot))
    path = np.array(bob.pivot) + length * np.stack([np.sin(angle), 0 * angle, -np.cos(angle)], -1)
    return times, path[:, None]


@pytest.mark.parametrize("tag", PROBE.tags)
def test_scenes_swing_in_view(tag: str) -> None:
    for i in range(6):
        scene = drawn(i, tag)
        truth = simulate(scene)
        bob = scene.moving[0]
        reach = np.linalg.norm(bob.size[::2])
        assert np.abs(truth.position[:, 0, 0]).max() + reach < RIGHT
        assert truth.position[:, 0, 2].min() > reach
        assert truth.position[:, 0, 2].max() < TOP
        lasts = period(scene.gravity, bob, amplitude(scene))
        if tag != "control":
            assert scene.cut_s >= scene.needs_s >= 0.6 * lasts
            assert scene.duration_s - scene.cut_s >= lasts
            assert np.linalg.norm(np.subtract(bob.position, bob.pivot)) > 1.5 * bob.radius  # the rod is seen
        assert scene.duration_s - scene.cut_s <= PROBE.horizon_s + 1e-9
        verdict = PROBE.judge({"main": exact_tracks(truth, View())}, {"main": truth})
        assert verdict.error < 1e-3
        assert verdict.event == 1.0


def test_truth_is_the_elliptic_function() -> None:
    for i in range(4):
        truth = simulate(drawn(i))
        scene = truth.scene
        off = truth.position[:, 0] - np.array(scene.moving[0].pivot)
        turn, widest = np.arctan2(off[:, 0], -off[:, 2]), amplitude(scene)
        lasts = period(scene.gravity, scene.moving[0], widest)
        read = fit_swing(truth.times[::24], turn[::24], np.full(len(turn[::24]), 0.01))
        assert read.period == pytest.approx(lasts, rel=1e-4)
        assert read.amplitude == pytest.approx(widest, rel=1e-4)
        assert read.residual < 1e-4


@given(st.floats(0.2, 1.5), st.floats(4.0, 20.0))
@settings(max_examples=20, deadline=None)
def test_the_swing_solves_its_equation(widest: float, square: float) -> None:
    from scipy.special import ellipk

    lasts = 4 / np.sqrt(square) * ellipk(np.sin(widest / 2) ** 2)
    t = np.linspace(0, 2, 21)
    start = [0.0, 2 * np.sqrt(square) * np.sin(widest / 2)]
    solved = solve_ivp(lambda _, y: [y[1], -square * np.sin(y[0])], (0, 2), start, t_eval=t, rtol=1e-9)
    assert swung(t, float(lasts), widest, 0.0) == pytest.approx(solved.y[0], abs=1e-5)


@pytest.mark.parametrize(
    ("what", "value"), [("lasts", 0.7), ("lasts", 1.15), ("lasts", 2.2), ("wide", 0.8), ("rod", 1.2)]
)
def test_known_swings(truth: Truth, tracks_from, what: str, value: float) -> None:
    told = PROBE.measure(tracks_from(truth.scene, *swing(truth, **{what: value})), truth)
    name = {"lasts": "period / true period", "wide": "amplitude / true amplitude", "rod": "rod / true rod"}
    assert told.implied[name[what]][0] == pytest.approx(value, abs=2e-3)
    assert told.error == pytest.approx(abs(value - 1), abs=5e-3)


def test_sigma_covers_what_noise_does() -> None:
    rng, t = np.random.default_rng(0), np.arange(16) / 10
    off = []
    for _ in range(60):
        read = fit_swing(t, swung(t, 1.5, 0.7, 0.2) + rng.normal(0, 0.01, 16), np.full(16, 0.01))
        off.append([(read.period - 1.5) / read.period_sigma, (read.amplitude - 0.7) / read.amplitude_sigma])
    assert np.all((np.std(off, axis=0) > 0.6) & (np.std(off, axis=0) < 1.3))


def test_hanging_still_is_no_swing(truth: Truth, tracks_from) -> None:
    times, path = swing(truth, wide=1e-6)
    tracks = tracks_from(truth.scene, times, path)
    assert PROBE.event(tracks, truth) == 0.0
    assert PROBE.judge({"main": tracks}, {"main": truth}).error == PROBE.worst


def test_what_hangs_still_must_not_swing(tracks_from) -> None:
    truth = simulate(drawn(0, "control"))
    bob, times = truth.scene.moving[0], View().frame_times(truth.scene.duration_s)
    length = np.linalg.norm(np.subtract(bob.position, bob.pivot))
    angle = np.deg2rad(10) * np.sin(2 * np.pi * times / 1.3)
    path = np.array(bob.pivot) + length * np.stack([np.sin(angle), 0 * angle, -np.cos(angle)], -1)
    told = PROBE.measure(tracks_from(truth.scene, times, path[:, None]), truth)
    assert told.error == pytest.approx(0.5, rel=0.15)


def test_what_is_not_found_or_jumps_about_is_the_worst(truth: Truth, tracks_from) -> None:
    times, path = swing(truth)
    found = (times <= truth.scene.cut_s + 0.45)[:, None]
    assert PROBE.measure(tracks_from(truth.scene, times, path, found), truth).error == PROBE.worst
    wild = path + np.random.default_rng(0).uniform(-1.5, 1.5, path.shape)
    assert "jumps" in PROBE.measure(tracks_from(truth.scene, times, wild), truth).status


@pytest.mark.parametrize("strength", PROBE.strengths)
def test_violation_has_the_stated_strength_and_nothing_else(strength: float) -> None:
    for i in range(3):
        truth = simulate(drawn(i))
        broken = PROBE.violate(truth, strength, np.random.default_rng(i))
        told = PROBE.measure(exact_tracks(broken, View()), truth)
        assert abs(told.implied["period / true period"][0] - 1) == pytest.approx(strength, rel=0.02)
        assert told.implied["amplitude / true amplitude"][0] == pytest.approx(1.0, abs=0.01)
        assert told.error == pytest.approx(strength, abs=0.01)


def test_no_violation_is_the_truth_itself(truth: Truth) -> None:
    assert PROBE.violate(truth, 0.0, np.random.default_rng(0)) is truth


def test_futures_of_the_context_all_pass() -> None:
    for i in range(2):
        truth = simulate(drawn(i), futures=6)
        tracks = [exact_tracks(as_truth(truth, f), View()) for f in truth.futures]
        verdicts = [PROBE.judge({"main": t}, {"main": truth}) for t in tracks]
        assert max(v.error for v in verdicts) < 0.1
        assert min(v.event for v in verdicts) == 1.0


def test_twins_are_the_same_in_the_dark_and_differ_on_either_side() -> None:
    assert PROBE.twin is not None
    for i in range(5):
        twin = PROBE.twin(scene_rng("dev", PROBE.key, "twin", i), "iid")
        one, two = (render(simulate(s), View()).frames.astype(int) for s in (twin.one, twin.two))
        at = int(twin.splice_s * 10 + 1e-6)
        assert np.array_equal(one[at - 1 : at + 2], two[at - 1 : at + 2])
        apart = np.abs(one - two).max((1, 2, 3)) > 40
        assert apart[2:9].all()
        assert apart[16:].all()
