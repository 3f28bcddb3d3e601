"""Collision: hits in closed form, the engine against them, and masses that a first hit shows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wmeval.camera import View
from wmeval.check import as_truth
from wmeval.perceive import track
from wmeval.scene import Scene
from wmeval.seeds import scene_rng
from wmeval.truth import Truth
from wmeval.world import exact_tracks, render, simulate
from wmeval_probes.physics.collision import PROBE, fit_hit, meeting
from wmeval_probes.physics.pucks import Puck, hit, turned
from wmeval_probes.physics.veil import same_picture

ASKED = [t for t in PROBE.tags if t != "control"]
PLANE = [0, 2]


def drawn(index: int, tag: str = "iid") -> Scene:
    return PROBE.case(scene_rng("dev", PROBE.key, tag, index), tag).arms["main"]


@pytest.fixture(scope="module")
def truth() -> Truth:
    return simulate(drawn(0))


def played(truth: Truth, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frame times and the true paths, with other velocities (2, 2) of the pair after its hit."""
    times = View().frame_times(truth.scene.duration_s)
    path = truth.poses_at(times)[0]
    met = meeting(truth)
    assert met is not None
    a, b, at = met
    place = truth.poses_at(np.array([at]))[0][0]
    for slot, v in zip((a, b), after, strict=True):
        later = times > at
        path[np.ix_(later, [slot], PLANE)] = (place[slot][PLANE] + v * (times[later] - at)[:, None])[:, None]
    return times, path


def velocities(truth: Truth, offset: float) -> np.ndarray:
    met = meeting(truth)
    assert met is not None
    return truth.velocity_at(np.array([met[2] + offset]))[0][[met[0], met[1]]][:, PLANE]


@given(
    st.floats(0.1, 10), st.floats(0, 1), st.floats(-0.9, 0.9), st.floats(0, 6.2),
    st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_a_hit_keeps_momentum_and_loses_what_it_says(ratio, e, swing, heading, other) -> None:
    normal = turned(np.array([1.0, 0.0]), heading)
    a, b = Puck(1.0, 0.3, turned(normal, swing) * 2), Puck(ratio, 0.3, np.array(other))
    u, v = hit(a, b, normal, e)
    assert u + ratio * v == pytest.approx(a.velocity + ratio * b.velocity, abs=1e-9)
    assert (v - u) @ normal == pytest.approx(e * (a.velocity - b.velocity) @ normal, abs=1e-9)
    lost = a.velocity @ a.velocity + ratio * b.velocity @ b.velocity - u @ u - ratio * v @ v
    closing = (a.velocity - b.velocity) @ normal
    assert lost == pytest.approx((1 - e**2) * ratio / (1 + ratio) * closing**2, abs=1e-9)


@pytest.mark.parametrize("tag", ASKED)
def test_scenes_show_one_hit_and_ask_about_the_next(tag: str) -> None:
    for i in range(6):
        truth = simulate(drawn(i, tag))
        scene = truth.scene
        met = meeting(truth)
        assert met is not None
        assert met[:2] == (1, 2)
        assert met[2] - scene.cut_s > 0.35
        times = truth.contacts.time
        assert len(np.flatnonzero(np.diff(times) > 0.02)) == 1  # two hits in all
        assert times[0] > 0.3
        assert scene.cut_s - times[0] > 0.3
        assert np.abs(truth.position[..., 0]).max() < 2.2
        verdict = PROBE.judge({"main": exact_tracks(truth, View())}, {"main": truth})
        assert verdict.event == 1.0
        assert verdict.error < 0.02
        assert scene.duration_s - scene.cut_s <= PROBE.horizon_s + 1e-9


def test_the_engine_hits_as_the_closed_form_says() -> None:
    for i in range(6):
        truth = simulate(drawn(i))
        met = meeting(truth)
        assert met is not None
        one, two = (truth.scene.moving[k] for k in met[:2])
        before, after = velocities(truth, -0.02), velocities(truth, 0.02)
        k = int(np.flatnonzero(truth.contacts.time >= met[2])[0])
        normal = -truth.contacts.normal[k][PLANE]
        e = one.restitution * two.restitution
        told = hit(Puck(one.mass, one.radius, before[0]), Puck(two.mass, two.radius, before[1]), normal, e)
        assert np.abs(np.array(told) - after).max() < 0.01


@pytest.mark.parametrize("share", [-0.5, -0.25, 0.25, 0.5])
def test_known_momentum(truth: Truth, tracks_from, share: float) -> None:
    mass = np.array([[b.mass] for b in truth.scene.moving[1:]])
    before = mass * velocities(truth, -0.02)
    total = before.sum(0)
    gained = share * np.linalg.norm(before, axis=1).sum() / mass.sum() * total / np.linalg.norm(total)
    told = PROBE.measure(tracks_from(truth.scene, *played(truth, velocities(truth, 0.02) + gained)), truth)
    assert told.evidence["momentum"] == pytest.approx(abs(share), abs=0.01)
    assert told.error == pytest.approx(abs(share), abs=0.03)
    assert told.implied["momentum kept"][0] == pytest.approx(1 + share, abs=0.01)
    assert told.evidence["restitution"] < 0.03


@pytest.mark.parametrize("e", [0.2, 0.6, 1.2])
def test_known_restitution(truth: Truth, tracks_from, e: float) -> None:
    one, two = truth.scene.moving[1:]
    before, after = velocities(truth, -0.02), velocities(truth, 0.02)
    normal = (after[1] - before[1]) / np.linalg.norm(after[1] - before[1])
    made = hit(Puck(one.mass, one.radius, before[0]), Puck(two.mass, two.radius, before[1]), normal, e)
    told = PROBE.measure(tracks_from(truth.scene, *played(truth, np.array(made))), truth)
    assert told.evidence["told restitution"] == pytest.approx(e, abs=0.03)
    assert told.error == pytest.approx(abs(e - one.restitution * two.restitution), abs=0.03)
    assert told.evidence["momentum"] < 1e-6


def test_going_through_one_another_is_the_worst(truth: Truth, tracks_from) -> None:
    tracks = tracks_from(truth.scene, *played(truth, velocities(truth, -0.02)))
    assert PROBE.judge({"main": tracks}, {"main": truth}).error == PROBE.worst


def test_a_push_across_the_line_of_centres_counts(truth: Truth, tracks_from) -> None:
    before, after = velocities(truth, -0.02), velocities(truth, 0.02)
    normal = (after[1] - before[1]) / np.linalg.norm(after[1] - before[1])
    across = np.array([-normal[1], normal[0]]) * 0.4
    mass = [b.mass for b in truth.scene.moving[1:]]
    swept = after + np.array([across / mass[0], -across / mass[1]]) * min(mass)
    told = PROBE.measure(tracks_from(truth.scene, *played(truth, swept)), truth)
    assert told.evidence["momentum"] < 0.02
    assert told.error == told.evidence["sideways"] > 0.2


def test_no_approach_is_no_hit(truth: Truth, tracks_from) -> None:
    times = View().frame_times(truth.scene.duration_s)
    path = truth.poses_at(np.minimum(times, truth.scene.cut_s))[0]
    still = tracks_from(truth.scene, times, path)
    assert PROBE.event(still, truth) == 0.0
    assert PROBE.judge({"main": still}, {"main": truth}).error == PROBE.worst
    found = np.broadcast_to((times < truth.scene.cut_s + 0.25)[:, None], path.shape[:2])
    assert PROBE.measure(tracks_from(truth.scene, times, path, found), truth).error == PROBE.worst


def test_a_hit_between_frames_is_found() -> None:
    t = np.arange(9) / 10
    u, v = np.array([[1.0, 0.2], [-0.5, 0.0]]), np.array([[-0.4, 0.2], [0.9, 0.0]])
    at, place = 0.437, np.array([[0.0, 1.0], [0.6, 1.0]])
    s = (t - at)[:, None, None]
    found = fit_hit(t, place + np.minimum(s, 0) * u + np.maximum(s, 0) * v, 0.6)
    assert found is not None
    assert found.at_s == pytest.approx(at, abs=0.002)
    assert found.before == pytest.approx(u, abs=0.01)
    assert found.after == pytest.approx(v, abs=0.01)


@pytest.mark.parametrize("strength", PROBE.strengths)
def test_violation_has_the_stated_strength(strength: float) -> None:
    truth = simulate(drawn(1))
    broken = PROBE.violate(truth, strength, np.random.default_rng(0))
    told = PROBE.measure(exact_tracks(broken, View()), truth)
    assert told.evidence["momentum"] == pytest.approx(strength, abs=0.03)
    shown = round(truth.scene.cut_s * 240)
    assert np.array_equal(broken.position[:shown], truth.position[:shown])


def test_no_violation_is_the_truth_itself(truth: Truth) -> None:
    assert PROBE.violate(truth, 0.0, np.random.default_rng(0)) is truth
    with pytest.raises(ValueError, match="no two bodies"):
        PROBE.violate(simulate(drawn(0, "control")), 0.5, np.random.default_rng(0))


def test_futures_of_the_context_all_pass() -> None:
    errors = []
    for i in range(4):
        truth = simulate(drawn(i), futures=6)
        for future in truth.futures:
            lawful = exact_tracks(as_truth(truth, future), View())
            errors.append(PROBE.judge({"main": lawful}, {"main": truth}).error)
    assert np.mean(np.array(errors) < 0.05) >= 0.95


def test_passing_one_another_is_no_false_alarm() -> None:
    for i in range(4):
        truth = simulate(drawn(i, "control"))
        times = View().frame_times(truth.scene.duration_s)
        seen = track(render(truth, View()).frames, truth.scene, View(), times)
        assert PROBE.judge({"main": seen}, {"main": truth}).error < 0.1


def test_twins_meet_at_the_splice_and_part_after_it() -> None:
    assert PROBE.twin is not None
    for i in range(4):
        twin = PROBE.twin(np.random.default_rng(i), "iid")
        assert same_picture(twin.one, twin.two, twin.splice_s)
        truths = simulate(twin.one), simulate(twin.two)
        at = np.array([twin.splice_s])
        first, second = (t.poses_at(at)[0][0, 0] for t in truths)
        assert np.abs(first - second).max() < 0.02  # of the ball whose mass is asked about
        assert np.abs(np.diff([t.velocity_at(at)[0, 0] for t in truths], axis=0)).max() < 0.02
        light, heavy = sorted(truths, key=lambda t: t.scene.moving[0].mass)
        end = np.array([twin.window_s[1]])
        assert heavy.velocity_at(end)[0, 2, 0] / light.velocity_at(end)[0, 2, 0] > 1.3
        met = meeting(truths[0])
        assert met is not None
        assert met[2] == pytest.approx(twin.window_s[0], abs=0.02)
