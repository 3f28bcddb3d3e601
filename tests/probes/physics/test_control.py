"""Control: responses of known size, leaks to other bodies, and pushes that can do nothing."""

from dataclasses import replace

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.check import as_truth
from wmeval.scene import Case
from wmeval.seeds import scene_rng
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval.world import actions, exact_tracks, observe, simulate
from wmeval_probes.physics.control import DEAD, EFFECT, LEAST, PROBE, answering, path
from wmeval_probes.physics.difference import difference

VIEW = View()
Truths = dict[str, Truth]


def drawn(index: int, tag: str = "iid") -> Case:
    return PROBE.case(scene_rng("dev", PROBE.key, tag, index), tag)


def simulated(case: Case, **more: int) -> Truths:
    return {arm: simulate(scene, **more) for arm, scene in case.arms.items()}


@pytest.fixture(scope="module")
def truths() -> Truths:
    return simulated(drawn(0))


def exact(truths: Truths) -> dict[str, Tracks]:
    return {arm: exact_tracks(t, VIEW) for arm, t in truths.items()}


@pytest.mark.parametrize("tag", PROBE.tags)
def test_arms_share_their_past_and_bodies_stay_clear(tag: str) -> None:
    for i in range(2):
        case = drawn(i, tag)
        truths = simulated(case)
        scene = case.arms["none"]
        shown = round(scene.cut_s * 240)
        assert list(case.arms) == ["none", "weak", "strong", "other"]
        assert len({t.position[: shown + 1].tobytes() for t in truths.values()}) == 1
        assert scene.duration_s - scene.cut_s <= PROBE.horizon_s + 1e-9
        assert len(VIEW.frame_times(scene.duration_s)) <= 24
        for truth in truths.values():
            rest = [n for n in truth.names if n != scene.actuated]
            for name in rest:  # nothing touches the others
                places = truth.position[:, truth.names.index(name)]
                assert np.abs(places - places[0]).max() < 1e-4
        verdict = PROBE.judge(exact(truths), truths)
        assert verdict.error < 1e-9
        assert verdict.event == 1.0


@pytest.mark.parametrize("index", range(6))
def test_truth_is_the_path_in_closed_form(index: int) -> None:
    for arm, scene in drawn(index).arms.items():
        body = scene[str(scene.actuated)]
        kicks = [
            (p.start_s, p.end_s, (np.array(p.impulse) + np.array(p.force) * (p.end_s - p.start_s))[[0, 2]])
            for p in scene.pushes
        ]
        truth = simulate(scene)
        want = path(body, [(a, b, j / body.mass) for a, b, j in kicks], truth.times)
        got = truth.position[:, truth.names.index(body.name)][:, (0, 2)]
        assert np.abs(got - want).max() < 2e-3, arm  # a step at 960 Hz is 1.2 mm at most


def test_every_graded_push_does_far_more_than_noise() -> None:
    for tag in PROBE.tags[:4]:
        for i in range(2):
            truths = simulated(drawn(i, tag))
            tracks = exact(truths)
            name = str(truths["none"].scene.actuated)
            for arm in ("weak", "strong", "other"):
                d = difference(name, (tracks[arm], tracks["none"]), (truths[arm], truths["none"]))
                assert d.size > max(EFFECT, 0.6 * LEAST)


def test_commands_reach_a_model_as_actions_and_nothing_else(truths: Truths) -> None:
    seen = {arm: observe(t, VIEW) for arm, t in truths.items()}
    assert len({o.frames.tobytes() for o in seen.values()}) == 1
    assert len({o.actions.tobytes() for o in seen.values()}) == 4
    for truth in truths.values():
        table = actions(truth.scene, VIEW.frame_times(truth.scene.duration_s))
        given = table[:, :3].sum(0) + table[:, 3:6].sum(0) / 10
        want = sum(
            np.array(p.impulse) + np.array(p.force) * (p.end_s - p.start_s) for p in truth.scene.pushes
        )
        assert given == pytest.approx(want, abs=1e-3)


@pytest.mark.parametrize("factor", [-0.5, 0.0, 0.6, 1.4])
def test_known_response(truths: Truths, factor: float) -> None:
    told = PROBE.measure(exact(answering(truths, factor)), truths)
    for arm in ("weak", "strong", "other"):
        scale = told[arm].evidence["displacement m"][arm]
        assert told[arm].error == pytest.approx(abs(1 - factor) * scale / max(scale, LEAST), abs=1e-3)
        value, sigma = told[arm].implied["response"]
        assert value == pytest.approx(factor, abs=1e-3)
        assert sigma < 0.05


def test_ignoring_actions_is_the_worst(truths: Truths) -> None:
    tracks = {arm: exact_tracks(truths["none"], VIEW) for arm in truths}
    assert PROBE.judge(tracks, truths).error == pytest.approx(1.0)
    told = PROBE.measure(tracks, truths)["strong"]
    assert told.implied["response"][0] == 0.0
    assert told.evidence["strong to weak, of the true ratio"] is None


def test_the_same_push_whatever_is_commanded_is_the_worst(truths: Truths) -> None:
    tracks = {arm: exact_tracks(truths["strong"], VIEW) for arm in truths}
    assert PROBE.judge(tracks, truths).error == pytest.approx(1.0)


def test_what_all_arms_share_does_not_count(truths: Truths) -> None:
    drift = {
        arm: replace(t, position=t.position + np.array([0.3, 0, 0]) * t.times[:, None, None] ** 2)
        for arm, t in truths.items()
    }
    seen = {arm: t for arm, t in exact(drift).items()}
    assert PROBE.judge(seen, truths).error < 1e-6


def test_dose_without_proportion_is_seen(truths: Truths) -> None:
    saturated = {**truths, "strong": answering(truths, 0.5)["strong"]}
    told = PROBE.measure(exact(saturated), truths)
    assert told["weak"].error < 1e-6
    assert told["strong"].error == pytest.approx(0.5, abs=0.01)
    assert told["strong"].evidence["strong to weak, of the true ratio"] == pytest.approx(0.5, abs=0.01)


def test_moving_another_body_too_is_an_error(truths: Truths) -> None:
    scene = truths["none"].scene
    other = next(i for i, n in enumerate(scene.names) if n != scene.actuated)
    own = scene.names.index(str(scene.actuated))
    dragged = {}
    for arm, t in truths.items():
        position = t.position.copy()
        position[:, other] += 0.5 * (t.position[:, own] - truths["none"].position[:, own])
        dragged[arm] = replace(t, position=position)
    tracks = exact(dragged)
    found = {arm: replace(t, found=np.ones_like(t.found)) for arm, t in tracks.items()}
    told = PROBE.measure(found, truths)
    assert told["strong"].error == pytest.approx(0.5, abs=0.01)
    assert told["strong"].implied["response"][0] == pytest.approx(1.0)


def test_what_an_eye_errs_by_is_no_response(truths: Truths) -> None:
    scene = truths["none"].scene
    wobble = 0.9 * DEAD[0] * min(b.radius for b in scene.moving)
    for size, least, most in ((wobble, 0.0, 0.0), (10 * wobble, 0.2, 2.0)):
        shaken = {
            arm: replace(t, position=t.position + (arm != "none") * late(t) * size / 0.4)
            for arm, t in truths.items()
        }
        assert least <= PROBE.judge(exact(shaken), truths).error <= most


def test_what_is_lost_is_the_worst(truths: Truths) -> None:
    tracks = exact(truths)
    found = tracks["strong"].found.copy()
    found[tracks["strong"].times > truths["none"].scene.cut_s + 0.15] = False
    lost = {**tracks, "strong": replace(tracks["strong"], found=found)}
    assert PROBE.judge(lost, truths).error == PROBE.worst
    assert "too few" in PROBE.measure(lost, truths)["strong"].status


@pytest.mark.parametrize("strength", PROBE.strengths)
def test_violation_has_the_stated_strength(truths: Truths, strength: float) -> None:
    broken = PROBE.violate(truths, strength, np.random.default_rng(0))
    told = PROBE.measure(exact(broken), truths)
    if strength > DEAD[1]:
        assert told["strong"].error == pytest.approx(strength, abs=0.02)
    else:  # of that a part lies below what is noticed
        assert 0 < told["strong"].error < strength + 0.02
    assert broken["none"] is truths["none"]


def late(truth: Truth) -> np.ndarray:
    """A shift of all bodies by 0.4 m from the cut on."""
    return 0.4 * (truth.times > truth.scene.cut_s + 0.05)[:, None, None] * np.array([1.0, 0, 0])


def test_a_push_against_a_wall_does_nothing() -> None:
    for i in range(3):
        truths = simulated(drawn(i, "control"))
        assert truths["strong"].scene.pushes[-1].start_s >= truths["strong"].scene.cut_s
        own = truths["none"].names.index(str(truths["none"].scene.actuated))
        assert np.ptp(truths["strong"].position[:, own], axis=0).max() < 0.01
        # but a model that lets the body through is wrong
        free = {
            arm: replace(t, position=t.position + (arm == "strong") * late(t)) for arm, t in truths.items()
        }
        seen = {arm: replace(t, found=np.ones_like(t.found)) for arm, t in exact(free).items()}
        assert PROBE.judge(seen, truths).error == PROBE.worst


def test_futures_of_the_context_all_pass() -> None:
    for i in range(2):
        truths = simulated(drawn(i), futures=4)
        for k in range(4):
            tracks = exact({arm: as_truth(t, t.futures[k]) for arm, t in truths.items()})
            verdict = PROBE.judge(tracks, truths)
            assert verdict.error < 0.05
            assert verdict.event == 1.0
