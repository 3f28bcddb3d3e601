"""Chains: the first tip in closed form, convergence, and what a late, stopped or endless chain costs."""

from dataclasses import replace

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.scene import Case, Scene
from wmeval.seeds import scene_rng
from wmeval.truth import Truth
from wmeval.world import bullet, exact_tracks, render, simulate
from wmeval_probes.physics.chain import ASKED_S, PROBE, STOOD, falls, order, tips, waits

VIEW = View()


def drawn(index: int, tag: str = "iid") -> Case:
    return PROBE.case(scene_rng("dev", PROBE.key, tag, index), tag)


@pytest.fixture(scope="module")
def truths() -> dict[str, Truth]:
    return {arm: simulate(s) for arm, s in drawn(0).arms.items()}


def tilt(truth: Truth) -> np.ndarray:
    q = truth.orientation[:, 0]
    return np.abs(2 * np.arctan2(q[:, 1], q[:, 3]))


def test_the_first_domino_tips_as_the_closed_form_says() -> None:
    for i in range(4):
        truth = simulate(drawn(i).arms["full"])
        scene, (one, two) = truth.scene, truth.scene.moving[:2]
        t, _, h = one.size
        gap = abs(two.position[0] - truth.scene["floor"].position[0] - _stands(scene)) - 2 * t
        hits = tips(
            h, t, scene.gravity, float(tilt(truth)[0]), abs(one.spin[1]), float(np.arcsin(gap / (2 * h)))
        )
        moves = np.flatnonzero(np.abs(truth.position[:, 1, 0] - two.position[0]) > 1e-3)
        assert truth.times[moves[0]] == pytest.approx(hits, abs=0.03)
        assert hits < scene.cut_s <= hits + 0.16


def _stands(scene: Scene) -> float:
    """Where the first domino would stand: its lower edge stays where it is."""
    one = scene.moving[0]
    t, _, h = one.size
    angle = abs(2 * np.arctan2(one.orientation[1], one.orientation[3]))
    way = np.sign(one.velocity[0])
    return one.position[0] - way * (h * np.sin(angle) - t * np.cos(angle)) - way * t


@pytest.mark.parametrize("tag", PROBE.tags)
def test_truth_falls_in_turn_up_to_the_gap(tag: str) -> None:
    for i in range(2):
        truths = {arm: simulate(s) for arm, s in drawn(i, tag).arms.items()}
        tracks = {arm: exact_tracks(t, VIEW) for arm, t in truths.items()}
        verdict = PROBE.judge(tracks, truths)
        assert verdict.event == 1.0
        assert verdict.error == 0.0
        for arm, truth in truths.items():
            scene, seen = truth.scene, falls(tracks[arm], truth.scene)
            assert scene.duration_s - scene.cut_s <= PROBE.horizon_s + 1e-9
            assert tracks[arm].found.all()
            fell, stood = np.isfinite(seen.onset_s[1:]), seen.moved[1:] < STOOD
            assert (fell ^ stood).all()  # nothing in between: no fall is left to chance
            assert fell.all() == (arm == "full")
            assert stood.any() == (arm != "full")
            assert (np.diff(seen.onset_s[1:][fell]) > 0.05).all()
            if arm == "full":
                assert (seen.onset_s > scene.cut_s + ASKED_S).sum() >= 2
                assert np.nanmax(seen.onset_s) < scene.duration_s - 0.3


def test_falls_converge_at_twice_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(3):
        for scene in drawn(i).arms.values():
            times = np.arange(round(scene.duration_s * 100)) / 100
            one = falls(exact_tracks(simulate(scene), VIEW, times), scene)
            with monkeypatch.context() as patch:
                finer = replace(bullet.PROFILES["rest"], hz=480)
                patch.setitem(bullet.PROFILES, "rest", finer)
                two = falls(exact_tracks(simulate(scene), VIEW, times), scene)
            assert (np.isfinite(one.onset_s) == np.isfinite(two.onset_s)).all()
            assert np.nanmax(np.abs(one.onset_s - two.onset_s), initial=0.0) < 0.025


def jittered(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with every domino, and the speed of the first, off by as much as no eye resolves."""
    moved = [
        replace(b, position=(b.position[0] + float(rng.normal(0, 0.01)), *b.position[1:]))
        for b in scene.moving
    ]
    turn = float(rng.normal(0, 0.03)) / moved[0].size[2]
    way = float(np.sign(scene.moving[0].spin[1]))
    x, _, z = moved[0].velocity
    grows = 1 + way * turn / scene.moving[0].spin[1]
    moved[0] = replace(
        moved[0], spin=(0.0, moved[0].spin[1] * grows, 0.0), velocity=(x * grows, 0.0, z * grows)
    )
    return replace(scene, bodies=(*moved, *scene.static))


def test_what_the_context_does_not_show_hardly_matters() -> None:
    rng = np.random.default_rng(0)
    errors = []
    for i in range(3):
        truths = {arm: simulate(s) for arm, s in drawn(i).arms.items()}
        for _ in range(3):
            lawful = {arm: exact_tracks(simulate(jittered(t.scene, rng)), VIEW) for arm, t in truths.items()}
            errors.append(PROBE.judge(lawful, truths).error)
    assert np.mean(errors) < 0.1


@pytest.mark.parametrize("strength", PROBE.strengths)
def test_a_chain_that_waits_is_late_by_as_much(truths: dict[str, Truth], strength: float) -> None:
    broken = PROBE.violate(truths, strength, np.random.default_rng(0))
    tracks = {arm: exact_tracks(t, VIEW) for arm, t in broken.items()}
    verdict = PROBE.judge(tracks, truths)
    assert verdict.error == pytest.approx(strength, abs=0.04)
    late, sigma = PROBE.measure(tracks, truths)["full"].implied["late by s"]
    assert late == pytest.approx(strength, abs=max(0.03, 3 * sigma))
    shown = round(truths["full"].scene.cut_s * 240)
    assert np.array_equal(broken["full"].position[:shown], truths["full"].position[:shown])


def test_waiting_keeps_poses_and_contacts_in_step(truths: dict[str, Truth]) -> None:
    truth = truths["full"]
    late = waits(truth, 1.0, 0.25)
    assert len(late.position) == len(truth.position)
    assert np.array_equal(late.position[241 + 60 :], truth.position[241:-60])
    assert (late.velocity[245:295] == 0).all()
    assert not ((late.contacts.time > 1.01) & (late.contacts.time < 1.24)).any()


def test_always_still_and_always_falling_both_lose(truths: dict[str, Truth]) -> None:
    tracks = {arm: exact_tracks(t, VIEW) for arm, t in truths.items()}
    still = {}
    for arm, seen in tracks.items():
        hold = np.minimum(np.arange(len(seen.times)), round(truths[arm].scene.cut_s * 10))
        still[arm] = replace(seen.part(hold), times=seen.times)
    assert PROBE.judge(still, truths).error == PROBE.worst
    endless = tracks["gap"].position.copy()
    way = np.sign(endless[0, 1, 0] - endless[0, 0, 0])
    endless[tracks["gap"].times > 1.5, -1, 0] += way * 0.3
    fallen = {**tracks, "gap": replace(tracks["gap"], position=endless)}
    told = PROBE.measure(fallen, truths)
    assert told["full"].error == 0.0
    assert told["gap"].error > 0.1
    assert PROBE.event(still, truths)["full"] == 0.0


def test_a_domino_that_is_lost_is_no_domino_that_stands(truths: dict[str, Truth]) -> None:
    tracks = {arm: exact_tracks(t, VIEW) for arm, t in truths.items()}
    found = tracks["gap"].found.copy()
    found[tracks["gap"].times > truths["gap"].scene.cut_s, -1] = False
    told = PROBE.measure({**tracks, "gap": replace(tracks["gap"], found=found)}, truths)
    standing = (falls(tracks["gap"], truths["gap"].scene).moved < STOOD).sum()
    assert told["gap"].error == pytest.approx(PROBE.worst / standing)


def test_order_is_kendalls_tau() -> None:
    assert order([1.0, 2.0, 3.0]) == 1.0
    assert order([3.0, 2.0, 1.0]) == -1.0
    assert order([1.0, 3.0, 2.0]) == pytest.approx(1 / 3)
    assert order([1.0]) is None


def test_twins_differ_in_the_missing_two_and_in_the_last() -> None:
    for i in range(3):
        twin = PROBE.twin(scene_rng("dev", PROBE.key, "twin", i), "iid")
        times = VIEW.frame_times(twin.one.duration_s)
        one, two = (simulate(s) for s in (twin.one, twin.two))
        first, second = (render(t, VIEW, times).frames for t in (one, two))
        differ = (first != second).reshape(len(times), -1).any(1)
        k = int(np.flatnonzero(times <= twin.splice_s + 1e-9)[-1])
        assert not differ[k]
        assert differ[0]
        assert differ[(times >= twin.window_s[0]) & (times <= twin.window_s[1])].sum() >= 3
        last = [t.position[:, -1, 0] for t in (one, two)]
        assert np.abs(last[0] - last[0][0]).max() > 0.2
        assert np.abs(last[1] - last[1][0]).max() < 1e-3
