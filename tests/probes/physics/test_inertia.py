"""Inertia: straight lines with known kicks, rest as the matched arm, and walls that were shown or not."""

from collections.abc import Mapping

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.check import as_truth
from wmeval.perceive import track
from wmeval.scene import Scene
from wmeval.seeds import scene_rng
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval.world import exact_tracks, render, simulate, visibility
from wmeval_probes.physics.inertia import PROBE
from wmeval_probes.physics.veil import same_picture

ASKED = [t for t in PROBE.tags if t != "control"]


def drawn(index: int, tag: str = "iid") -> Mapping[str, Scene]:
    return PROBE.case(scene_rng("dev", PROBE.key, tag, index), tag).arms


def simulated(index: int, tag: str = "iid", futures: int = 0) -> dict[str, Truth]:
    return {arm: simulate(scene, futures=futures) for arm, scene in drawn(index, tag).items()}


@pytest.fixture(scope="module")
def truths() -> dict[str, Truth]:
    return simulated(0)


def played(
    tracks_from, truths: Mapping[str, Truth], change: Mapping[str, np.ndarray], at: float = 0.0
) -> dict:
    """Tracks of the true motion, with a velocity (2,) added to the first body from `at` [s] after the cut."""
    out = {}
    for arm, truth in truths.items():
        times = View().frame_times(truth.scene.duration_s)
        path = truth.poses_at(times)[0]
        late = (times - truth.scene.cut_s - at).clip(0)[:, None]
        path[:, 0, [0, 2]] += late * change.get(arm, np.zeros(2))
        out[arm] = tracks_from(truth.scene, times, path)
    return out


def exact(truths: Mapping[str, Truth]) -> dict[str, Tracks]:
    return {arm: exact_tracks(t, View()) for arm, t in truths.items()}


@pytest.mark.parametrize("tag", ASKED)
def test_scenes_stay_in_view_and_meet_nothing(tag: str) -> None:
    for i in range(6):
        truths = simulated(i, tag)
        assert set(truths) == {"moves", "rests"}
        for truth in truths.values():
            assert truth.scene.duration_s - truth.scene.cut_s <= PROBE.horizon_s + 1e-9
            assert visibility(truth, View().frame_times(truth.scene.duration_s)).min() > 0.99
        moves, rests = (truths[a].scene.moving for a in ("moves", "rests"))
        assert [b.size for b in moves] == [b.size for b in rests]
        assert all(np.linalg.norm(b.velocity) >= 0.6 for b in moves)
        assert all(not any(b.velocity) for b in rests)
        verdict = PROBE.judge(exact(truths), truths)
        assert verdict.error < 1e-6
        assert verdict.event == 1.0


def test_truth_is_the_straight_line() -> None:
    for i in range(8):
        truth = simulated(i)["moves"]
        body = truth.scene.moving[0]
        line = np.array(body.position) + np.array(body.velocity) * truth.times[:, None]
        assert np.abs(truth.position[:, 0, 0] - line[:, 0]).max() < 1e-6
        assert np.abs(truth.position[:, 0, 2] - line[:, 2]).max() < 1e-3  # on a floor it sinks by so little


@pytest.mark.parametrize("kick", [(0.3, 0.0), (0.0, -0.3), (0.2, 0.2)])
@pytest.mark.parametrize("arm", ["moves", "rests"])
def test_known_kick(truths, tracks_from, arm: str, kick: tuple[float, float]) -> None:
    verdict = PROBE.judge(played(tracks_from, truths, {arm: np.array(kick)}, at=0.2), truths)
    assert verdict.arm == arm
    assert verdict.error == pytest.approx(np.hypot(*kick), abs=0.01)


def test_heading_and_speed_apart(truths, tracks_from) -> None:
    v = np.array(truths["moves"].scene.moving[0].velocity)[[0, 2]]
    name = truths["moves"].scene.names[0]
    turn = np.deg2rad(20)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ v
    told = PROBE.measure(played(tracks_from, truths, {"moves": turned - v}), truths)["moves"]
    assert told.evidence[name]["turned by deg"] == pytest.approx([20, 20])
    assert told.evidence[name]["faster by m/s"] == pytest.approx([0, 0], abs=1e-9)
    slower = PROBE.measure(played(tracks_from, truths, {"moves": -0.4 * v}), truths)["moves"]
    assert slower.evidence[name]["turned by deg"] == pytest.approx([0, 0], abs=1e-6)
    assert slower.implied["speed / true speed"][0] == pytest.approx(0.6)
    assert slower.error == pytest.approx(0.4 * np.linalg.norm(v))


def test_standing_still_and_always_moving_both_lose(truths, tracks_from) -> None:
    v = np.array(truths["moves"].scene.moving[0].velocity)[[0, 2]]
    still = PROBE.judge(played(tracks_from, truths, {"moves": -v}), truths)
    assert (still.error, still.arm) == (PROBE.worst, "moves")
    stirs = PROBE.judge(played(tracks_from, truths, {"rests": v}), truths)
    assert (stirs.error, stirs.arm) == (PROBE.worst, "rests")


def test_what_is_not_found_is_the_worst(truths, tracks_from) -> None:
    tracks = played(tracks_from, truths, {})
    scene, at = truths["rests"].scene, tracks["rests"]
    found = np.broadcast_to((at.times < scene.cut_s + 0.35)[:, None], at.found.shape)
    tracks["rests"] = tracks_from(scene, at.times, at.position, found)
    assert PROBE.event(tracks, truths)["rests"] < 0.5
    assert PROBE.judge(tracks, truths).error == PROBE.worst


@pytest.mark.parametrize("strength", PROBE.strengths)
def test_violation_has_the_stated_strength(strength: float) -> None:
    for i in range(4):
        truths = simulated(i)
        broken = PROBE.violate(truths, strength, np.random.default_rng(i))
        told = PROBE.measure(exact(broken), truths)
        for arm, m in told.items():
            assert m.error == pytest.approx(strength, abs=0.02)
            shown = round(truths[arm].scene.cut_s * 240)
            assert np.array_equal(broken[arm].position[:shown], truths[arm].position[:shown])


def test_no_violation_is_the_truth_itself(truths) -> None:
    made = PROBE.violate(truths, 0.0, np.random.default_rng(0))
    assert all(made[a] is truths[a] for a in truths)


def test_futures_of_the_context_all_pass() -> None:
    for i in range(3):
        truths = simulated(i, futures=6)
        for k in range(6):
            lawful = exact({a: as_truth(t, t.futures[k]) for a, t in truths.items()})
            assert PROBE.judge(lawful, truths).error < 0.12


def test_turning_at_a_wall_is_no_false_alarm() -> None:
    for i in range(4):
        truths = simulated(i, "control")
        turned = truths["moves"]
        assert turned.velocity[0, 0, 0] * turned.velocity[-1, 0, 0] < 0
        seen = {
            a: track(render(t, View()).frames, t.scene, View(), View().frame_times(t.scene.duration_s))
            for a, t in truths.items()
        }
        assert PROBE.judge(seen, truths).error < 0.1


def test_twins_differ_by_a_wall_that_was_shown() -> None:
    assert PROBE.twin is not None
    for i in range(6):
        twin = PROBE.twin(np.random.default_rng(i), "iid")
        assert twin.kind == "factorial"
        assert same_picture(twin.one, twin.two, twin.splice_s)
        walls = [[b.name for b in s.bodies if b.name == "wall"] for s in (twin.one, twin.two)]
        assert sorted(map(len, walls)) == [0, 1]
        shown = [render(simulate(s), View(), np.array([0.2])).frames for s in (twin.one, twin.two)]
        assert (shown[0] != shown[1]).any()
        truths = simulate(twin.one), simulate(twin.two)
        at = np.array([twin.splice_s])
        assert np.array_equal(truths[0].poses_at(at)[0], truths[1].poses_at(at)[0])
        ways = [t.velocity[-1, 0, 0] * t.velocity[0, 0, 0] for t in truths]
        assert min(ways) < 0 < max(ways)
        assert all(visibility(t, np.array([t.scene.duration_s]))[0, 0] > 0.5 for t in truths)
