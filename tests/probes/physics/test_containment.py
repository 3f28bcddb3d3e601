"""Containment: where walls hold a body, what being beyond them costs, and twins spliced behind the screen."""

from dataclasses import replace

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.check import as_truth
from wmeval.scene import Case
from wmeval.seeds import scene_rng
from wmeval.truth import Truth
from wmeval.world import exact_tracks, render, simulate, visibility
from wmeval_probes.physics.containment import PROBE, beyond, held, uncovered

VIEW = View()


def drawn(index: int, tag: str = "iid") -> Case:
    return PROBE.case(scene_rng("dev", PROBE.key, tag, index), tag)


@pytest.fixture(scope="module")
def truths() -> dict[str, Truth]:
    return {arm: simulate(s) for arm, s in drawn(0).arms.items()}


@pytest.mark.parametrize("tag", PROBE.tags)
def test_truth_stays_where_the_walls_hold_it(tag: str) -> None:
    for i in range(3):
        truths = {arm: simulate(s) for arm, s in drawn(i, tag).arms.items()}
        tracks = {arm: exact_tracks(t, VIEW) for arm, t in truths.items()}
        verdict = PROBE.judge(tracks, truths)
        assert verdict.event == 1.0
        assert verdict.error < 0.01
        for arm, truth in truths.items():
            scene, times = truth.scene, VIEW.frame_times(truth.scene.duration_s)
            assert scene.duration_s - scene.cut_s <= PROBE.horizon_s + 1e-9
            assert held(truth).inside == (arm != "beside")
            assert uncovered(truth, times[times > scene.cut_s]).sum() >= 4
            if tag != "control":
                share = visibility(truth, times)[:, 0]
                assert (share[times < 0.35] == 1.0).all()
                assert share[np.isclose(times, scene.cut_s)].item() == 0.0


def test_the_fall_is_a_parabola_that_ends_at_the_wall(truths: dict[str, Truth]) -> None:
    for arm, truth in truths.items():
        scene, body = truth.scene, truth.scene.moving[0]
        where, side = held(truth), float(np.sign(body.velocity[0]))
        low = body.size[-1]
        lands = np.sqrt(2 * (body.position[2] - low) / scene.gravity)
        flying = truth.times < lands - 0.01
        t = truth.times[flying]
        assert truth.position[flying, 0, 2] == pytest.approx(
            body.position[2] - scene.gravity * t**2 / 2, abs=1e-6
        )
        assert truth.position[flying, 0, 0] == pytest.approx(
            body.position[0] + body.velocity[0] * t, abs=1e-6
        )
        way = where.inner if arm == "in" else -where.outer
        reaches = lands + (where.middle + side * way - truth.position[flying][-1, 0, 0]) * side / abs(
            body.velocity[0]
        )
        if reaches < scene.duration_s - 0.1:
            short = side * (where.middle + side * way - float(truth.position[-1, 0, 0]))
            assert (
                -3e-3 < short < 0.1 * body.size[0]
            )  # off the wall it drifts at a few mm/s: nothing brakes it


def test_it_would_leave_if_nothing_held_it(truths: dict[str, Truth]) -> None:
    truth = truths["in"]
    scene = truth.scene
    free = simulate(replace(scene, bodies=tuple(b for b in scene.bodies if "wall" not in b.name)))
    t = VIEW.frame_times(scene.duration_s)
    shown = uncovered(truth, t)
    x = free.poses_at(t[shown])[0][:, 0, 0]
    assert held(truth).off(x, np.full(len(x), 0.3))[-1] > 0.0


@pytest.mark.parametrize("strength", PROBE.strengths)
@pytest.mark.parametrize("arm", ["in", "beside"])
def test_violations_are_the_stated_radii_beyond(truths: dict[str, Truth], strength: float, arm: str) -> None:
    broken = {**truths, arm: beyond(truths[arm], strength)}
    tracks = {a: exact_tracks(t, VIEW) for a, t in broken.items()}
    told = PROBE.measure(tracks, truths)
    assert told[arm].implied["beyond the wall / radius"][0] == pytest.approx(strength, abs=0.02)
    assert told[arm].error == pytest.approx(min(strength, 1.0), abs=0.02)
    assert PROBE.judge(tracks, truths).arm == arm
    shown = round(truths[arm].scene.cut_s * 240)
    assert np.array_equal(broken[arm].position[:shown], truths[arm].position[:shown])


def test_always_in_and_always_beside_both_lose(truths: dict[str, Truth]) -> None:
    tracks = {arm: exact_tracks(t, VIEW) for arm, t in truths.items()}
    for arm in truths:
        same = {a: tracks[arm] for a in truths}
        assert PROBE.judge(same, truths).error > 0.9


def test_over_the_container_is_not_in_it(truths: dict[str, Truth]) -> None:
    tracks = {arm: exact_tracks(t, VIEW) for arm, t in truths.items()}
    position = tracks["in"].position.copy()
    position[tracks["in"].times > truths["in"].scene.cut_s, 0, 2] = 2.5
    tracks["in"] = replace(tracks["in"], position=position)
    assert PROBE.measure(tracks, truths)["in"].error == PROBE.worst


def test_what_is_not_found_is_the_worst_and_no_event(truths: dict[str, Truth]) -> None:
    tracks = {arm: exact_tracks(t, VIEW) for arm, t in truths.items()}
    tracks["in"] = replace(tracks["in"], found=np.zeros_like(tracks["in"].found))
    assert PROBE.event(tracks, truths)["in"] == 0.0
    assert PROBE.measure(tracks, truths)["in"].error == PROBE.worst
    half = tracks["beside"].found.copy()
    shown = np.flatnonzero(uncovered(truths["beside"], tracks["beside"].times))
    half[shown[:2], 0] = False
    tracks["beside"] = replace(tracks["beside"], found=half)
    assert PROBE.measure(tracks, truths)["beside"].error == pytest.approx(2 / len(shown), abs=0.01)


def test_twins_are_bit_equal_while_both_are_hidden() -> None:
    for i in range(4):
        twin = PROBE.twin(scene_rng("dev", PROBE.key, "twin", i), "iid")
        times = VIEW.frame_times(twin.one.duration_s)
        one, two = (render(simulate(s), VIEW, times).frames for s in (twin.one, twin.two))
        differ = (one != two).reshape(len(times), -1).any(1)
        k = int(np.flatnonzero(times <= twin.splice_s + 1e-9)[-1])
        assert not differ[k - 1 : k + 2].any()
        assert differ[:k].any()
        assert differ[(times >= twin.window_s[0]) & (times <= twin.window_s[1])].sum() >= 4


def test_futures_of_the_context_all_pass() -> None:
    for i in range(3):
        truths = {arm: simulate(s, futures=6) for arm, s in drawn(i).arms.items()}
        for k in range(6):
            lawful = {arm: exact_tracks(as_truth(t, t.futures[k]), VIEW) for arm, t in truths.items()}
            assert PROBE.judge(lawful, truths).error < 0.05
