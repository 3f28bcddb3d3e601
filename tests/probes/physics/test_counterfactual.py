"""Counterfactual: known differences between arms, copies of one arm, and bodies that no change reaches."""

from dataclasses import replace

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.check import as_truth
from wmeval.scene import Case
from wmeval.seeds import scene_rng
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval.world import exact_tracks, render, simulate
from wmeval_probes.physics.counterfactual import LEAST, OPEN, PROBE, second_hit

VIEW = View()
Truths = dict[str, Truth]


def drawn(index: int, tag: str = "iid") -> Case:
    return PROBE.case(scene_rng("dev", PROBE.key, tag, index), tag)


def simulated(case: Case, **more: int) -> Truths:
    return {arm: simulate(scene, **more) for arm, scene in case.arms.items()}


def change(truths: Truths) -> str:
    one, other = (truths[a].scene for a in ("factual", "changed"))
    if len(other.names) < len(one.names):
        return "removed"
    return "moved" if one.moving[0].position == other.moving[0].position else "retimed"


@pytest.fixture(scope="module")
def by_change() -> dict[str, Truths]:
    found: dict[str, Truths] = {}
    for i in range(20):
        if len(found) < 3:
            truths = simulated(drawn(i))
            found.setdefault(change(truths), truths)
    return found


def exact(truths: Truths) -> dict[str, Tracks]:
    return {arm: exact_tracks(t, VIEW) for arm, t in truths.items()}


def shifted(truths: Truths, name: str, by: np.ndarray, arm: str = "changed") -> dict[str, Tracks]:
    """The exact tracks of truths in which one body of an arm is elsewhere by (T, 3) m, and in view."""
    t = truths[arm]
    position = t.position.copy()
    position[:, t.names.index(name)] += by
    tracks = exact({**truths, arm: replace(t, position=position)})
    return {a: replace(k, found=np.ones_like(k.found)) for a, k in tracks.items()}


def since_cut(truth: Truth, speed: float) -> np.ndarray:
    t = np.maximum(truth.times - truth.scene.cut_s, 0)
    return speed * t[:, None] * np.array([1.0, 0, 0])


@pytest.mark.parametrize("tag", PROBE.tags)
def test_the_change_is_shown_and_comes_to_effect_after_the_cut(tag: str) -> None:
    for i in range(3):
        truths = simulated(drawn(i, tag))
        scene = truths["factual"].scene
        tracks = exact(truths)
        assert scene.duration_s - scene.cut_s <= PROBE.horizon_s + 1e-9
        assert all(t.found.all() for t in tracks.values())
        first = [render(t, VIEW, np.zeros(1)).frames for t in truths.values()]
        assert (first[0] != first[1]).any()  # from the first frame on
        verdict = PROBE.judge(tracks, truths)
        assert verdict.error == 0.0
        assert verdict.event == 1.0
        told = PROBE.measure(tracks, truths)["changed"].evidence["effect m"]
        total = np.sqrt(np.sum(np.square(list(told.values()))))
        if tag == "control":
            assert total < 1e-6
        else:
            assert second_hit(truths["factual"]) > scene.cut_s + 0.29
            assert total > LEAST
            # the shown hit is over, and the first and those on the shelf are not reached by the change
            assert min(told.values()) < 1e-3


@pytest.mark.parametrize("tag", ["iid", "ood-speed", "ood-composition"])
def test_hits_are_those_of_equal_masses_in_closed_form(tag: str) -> None:
    for i in range(3):
        truth = simulate(drawn(i, tag).arms["factual"])
        bodies = truth.scene.moving[:3]
        e = bodies[0].restitution * bodies[1].restitution
        v = bodies[0].velocity[0]
        w = bodies[0].size[0]
        met = (abs(bodies[1].position[0] - bodies[0].position[0]) - 2 * w) / abs(v)
        onward = abs(v) * (1 + e) / 2
        again = met + (abs(bodies[2].position[0] - bodies[1].position[0]) - 2 * w) / onward
        assert second_hit(truth) == pytest.approx(again, abs=0.012)
        last = truth.velocity[-1, :3, 0]
        want = v * np.array([(1 - e) / 2, (1 + e) / 2 * (1 - e) / 2, ((1 + e) / 2) ** 2])
        assert last == pytest.approx(want, abs=0.01 * abs(v))


def test_copying_the_factual_arm_is_the_worst(by_change: dict[str, Truths]) -> None:
    assert set(by_change) == {"removed", "moved", "retimed"}
    for truths in by_change.values():
        factual = truths["factual"]
        both = [factual.names.index(n) for n in truths["changed"].names]
        copied = replace(
            truths["changed"],
            position=factual.position[:, both],
            orientation=factual.orientation[:, both],
        )
        # the context is the changed arm's own; only what comes after is copied
        shown = round(factual.scene.cut_s * 240) + 1
        at = truths["changed"].position[shown - 1] - factual.position[shown - 1][both]
        position = np.concatenate([truths["changed"].position[:shown], copied.position[shown:] + at])
        tracks = exact({"factual": factual, "changed": replace(copied, position=position)})
        found = {a: replace(t, found=np.ones_like(t.found)) for a, t in tracks.items()}
        assert PROBE.judge(found, truths).error == pytest.approx(1.0, abs=1e-6)


def test_what_both_arms_share_does_not_count(by_change: dict[str, Truths]) -> None:
    truths = by_change["moved"]
    name = truths["factual"].names[1]
    both = {
        arm: shifted(truths, name, since_cut(truths[arm], 0.2), arm)[arm] for arm in ("factual", "changed")
    }
    assert PROBE.judge(both, truths).error == 0.0


@pytest.mark.parametrize("speed", [0.1, 0.4])
def test_a_body_that_the_change_does_not_reach_must_not_differ(
    by_change: dict[str, Truths], speed: float
) -> None:
    truths = by_change["removed"]
    name = truths["factual"].names[-1]
    told = PROBE.measure(shifted(truths, name, since_cut(truths["changed"], speed)), truths)["changed"]
    times = VIEW.frame_times(truths["factual"].scene.duration_s)
    after = np.maximum(times[times > truths["factual"].scene.cut_s + 1e-9] - truths["factual"].scene.cut_s, 0)
    leak = speed * np.sqrt(np.mean(after**2))
    effect = np.sqrt(np.sum(np.square(list(told.evidence["effect m"].values()))))
    assert told.error == pytest.approx(max(0.0, leak / effect - OPEN) / (1 - OPEN), abs=0.01)


@pytest.mark.parametrize("strength", [0.15, 0.25, 0.5, 0.75, 1.0])
def test_violation_has_the_stated_strength(by_change: dict[str, Truths], strength: float) -> None:
    for kind, truths in by_change.items():
        broken = PROBE.violate(truths, strength, np.random.default_rng(0))
        told = PROBE.measure(exact(broken), truths)["changed"]
        assert told.error == pytest.approx((strength - OPEN) / (1 - OPEN), abs=0.04), kind
        value, sigma = told.implied["effect / true effect"]
        assert value == pytest.approx(1 - strength, abs=max(0.06, 2 * sigma)), kind
        assert broken["factual"] is truths["factual"]


def test_no_violation_is_the_truth_itself(by_change: dict[str, Truths]) -> None:
    same = PROBE.violate(by_change["moved"], 0.0, np.random.default_rng(0))
    assert all(same[a] is t for a, t in by_change["moved"].items())


def test_what_is_lost_is_the_worst(by_change: dict[str, Truths]) -> None:
    truths = by_change["retimed"]
    tracks = exact(truths)
    found = tracks["changed"].found.copy()
    found[tracks["changed"].times > truths["changed"].scene.cut_s + 0.15, 1] = False
    lost = {**tracks, "changed": replace(tracks["changed"], found=found)}
    assert PROBE.judge(lost, truths).error == PROBE.worst
    assert "too few" in PROBE.measure(lost, truths)["changed"].status


def test_reacting_to_what_does_not_matter_is_a_false_alarm() -> None:
    truths = simulated(drawn(1, "control"))
    name = truths["factual"].names[1]
    told = PROBE.judge(shifted(truths, name, since_cut(truths["changed"], 0.5)), truths)
    assert told.error > 0.8


def test_a_scene_without_a_second_hit_cannot_be_violated(by_change: dict[str, Truths]) -> None:
    truths = by_change["removed"]
    with pytest.raises(ValueError, match="never meet"):
        second_hit(truths["changed"])


def test_twins_are_the_same_picture_at_the_splice() -> None:
    for i in range(4):
        twin = PROBE.twin(scene_rng("dev", PROBE.key, "twin", i), "iid")
        assert twin.kind == "factorial"
        times = VIEW.frame_times(twin.one.duration_s)
        truths = [simulate(s) for s in (twin.one, twin.two)]
        one, two = (render(t, VIEW, times).frames for t in truths)
        same = (one == two).all(axis=(1, 2, 3))
        last = np.flatnonzero(times <= twin.splice_s + 1e-9)[-1]
        assert same[last]
        assert last - np.flatnonzero(~same[: last + 1])[-1] >= 3  # the cue is out of sight for three frames
        assert not same[: last - 3].any()  # and was shown
        later = np.flatnonzero(~same & (times > twin.splice_s))
        assert len(later) >= 4
        assert twin.window_s[0] <= times[later[0]]
        ends = [exact_tracks(t, VIEW, times[-1:]) for t in truths]
        assert ends[0][twin.one.names[1]].found[0]  # the one that waited has come out
        assert ends[1][twin.two.names[0]].found[0]  # or the one that ran


def test_futures_of_the_context_all_pass() -> None:
    errors = []
    for i in range(4):
        truths = simulated(drawn(i), futures=3)
        for k in range(3):
            tracks = exact({arm: as_truth(t, t.futures[k]) for arm, t in truths.items()})
            errors.append(PROBE.judge(tracks, truths).error)
    assert np.mean(errors) < 0.05
