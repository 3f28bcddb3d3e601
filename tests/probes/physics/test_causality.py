"""Causality: when a body that is hit starts to move, in truth, in tracks made by hand, and in twins."""

from dataclasses import replace

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.check import as_truth
from wmeval.probe import Measurement
from wmeval.scene import Case, Scene, ball, floor, side_camera, wall
from wmeval.seeds import scene_rng
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval.world import exact_tracks, render, simulate
from wmeval_probes.physics.causality import PROBE, launch, meeting, shifted

VIEW = View()
SPEED, TOUCH = 1.25, 1.2  # m/s; s, when the ball at -1.6 has come to the one at 0.5 (radii 0.3)


def drawn(index: int, tag: str = "iid") -> Case:
    return PROBE.case(scene_rng("dev", PROBE.key, tag, index), tag)


def scene(*, blocked: bool = False, restitution: float = 0.8) -> Scene:
    more = {"radius": 0.3, "friction": 0.0, "mass": 5.0, "restitution": restitution}
    one = ball("one", position=(-1.6, 0, 0.3), velocity=(SPEED, 0, 0), hue="red", **more)
    two = ball("two", position=(0.5, 0, 0.3), hue="blue", **more)
    between = [wall("wall", half=(0.05, 0.4, 0.3), position=(0.05, 0, 0.3), restitution=1.0, friction=0.0)]
    ground = floor(friction=0.0, restitution=1.0)
    return Scene((one, two, ground, *(between if blocked else [])), side_camera(), 2.0, 0.6, 0.4, "impact")


@pytest.fixture(scope="module")
def truths() -> dict[str, Truth]:
    return {"contact": simulate(scene()), "none": simulate(scene(blocked=True))}


def by_hand(make, truth: Truth, start_s: float | None, speed: float = 1.0) -> Tracks:
    """The first ball glides to where it touches and stands; the second starts at a time, or never."""
    times = VIEW.frame_times(2.0)
    path = np.zeros((len(times), 2, 3))
    path[..., 2] = 0.3
    path[:, 0, 0] = np.minimum(-1.6 + SPEED * times, meeting(truth).place)
    path[:, 1, 0] = 0.5 + (0.0 if start_s is None else speed * np.clip(times - start_s, 0, None))
    return make(truth.scene, times, path)


def test_the_launch_is_the_one_of_two_equal_masses(truths: dict[str, Truth]) -> None:
    truth = truths["contact"]
    met = meeting(truth)
    assert met.time_s == pytest.approx((0.5 + 1.6 - 0.6) / SPEED, abs=2.5 / 960)
    assert met.place == pytest.approx(-0.1, abs=2e-3)
    assert truth.velocity[-1, 1, 0] == pytest.approx(SPEED * (1 + 0.8 * 0.8) / 2, abs=3e-3)
    before = truth.times < met.time_s - 1 / 240
    assert np.ptp(truth.position[before, 1, 0]) < 1e-9
    assert np.ptp(truths["none"].position[:, 1, 0]) < 1e-9


@pytest.mark.parametrize("tag", PROBE.tags)
def test_truth_is_on_time(tag: str) -> None:
    for i in range(3):
        case = drawn(i, tag)
        truths = {arm: simulate(s) for arm, s in case.arms.items()}
        tracks = {arm: exact_tracks(t, VIEW) for arm, t in truths.items()}
        verdict = PROBE.judge(tracks, truths)
        assert verdict.event == 1.0
        assert verdict.error < 0.01
        assert all(t.found.all() for t in tracks.values())
        for s in case.arms.values():
            assert s.duration_s - s.cut_s <= PROBE.horizon_s + 1e-9
        if "contact" in truths:
            assert meeting(truths["contact"]).time_s > truths["contact"].scene.cut_s + 0.5
            assert np.isnan(meeting(truths["none"]).time_s)


@pytest.mark.parametrize("lag", [-0.3, -0.1, 0.0, 0.1, 0.35])
@pytest.mark.parametrize("speed", [0.5, 1.2])
def test_a_known_lag_is_read_back(tracks_from, truths: dict[str, Truth], lag: float, speed: float) -> None:
    tracks = by_hand(tracks_from, truths["contact"], TOUCH + lag, speed)
    seen = launch(tracks, truths["contact"])
    assert seen.lag_s == pytest.approx(lag, abs=0.01)
    both = {"contact": tracks, "none": by_hand(tracks_from, truths["none"], None)}
    verdict = PROBE.judge(both, truths)
    assert verdict.event == 1.0
    assert verdict.error == pytest.approx(abs(lag), abs=0.01)
    if verdict.arm == "contact":
        assert verdict.measurement.implied["gap at onset m"][0] == pytest.approx(
            max(0, -lag) * SPEED, abs=0.02
        )


def test_always_still_and_always_moving_both_lose(tracks_from, truths: dict[str, Truth]) -> None:
    for start in (None, TOUCH):
        tracks = {arm: by_hand(tracks_from, t, start) for arm, t in truths.items()}
        verdict = PROBE.judge(tracks, truths)
        assert verdict.error == PROBE.worst
        assert verdict.arm == ("contact" if start is None else "none")


def test_a_body_that_is_lost_costs_its_frames(tracks_from, truths: dict[str, Truth]) -> None:
    tracks = {"contact": by_hand(tracks_from, truths["contact"], TOUCH),
              "none": by_hand(tracks_from, truths["none"], None)}  # fmt: skip
    found = tracks["none"].found.copy()
    found[-7:, 1] = False
    tracks["none"] = replace(tracks["none"], found=found)
    assert PROBE.measure(tracks, truths)["none"].error == pytest.approx(PROBE.worst * 7 / 14)


def test_no_approach_is_no_event(tracks_from, truths: dict[str, Truth]) -> None:
    tracks = {arm: by_hand(tracks_from, t, TOUCH) for arm, t in truths.items()}
    still = tracks["contact"].position.copy()
    still[6:, 0] = still[6, 0]
    tracks["contact"] = replace(tracks["contact"], position=still)
    assert PROBE.event(tracks, truths)["contact"] == 0.0


@pytest.mark.parametrize("strength", PROBE.strengths)
def test_violations_have_the_stated_lag(truths: dict[str, Truth], strength: float) -> None:
    for sign in (-1, 1):
        broken = shifted(truths["contact"], sign * strength)
        assert launch(exact_tracks(broken, VIEW), truths["contact"]).lag_s == pytest.approx(
            sign * strength, abs=0.02
        )
        shown = round(0.6 * 240)
        assert np.array_equal(broken.position[:shown], truths["contact"].position[:shown])
    made = PROBE.violate(truths, strength, np.random.default_rng(0))
    assert made["none"] is truths["none"]


def test_the_causal_contrast_of_known_shares() -> None:
    assert PROBE.reduce is not None

    def told(contact: list[bool], none: list[bool]) -> dict[str, float]:
        each = zip(contact, none, strict=True)
        seen = [Measurement(0.0, evidence={"moved": {"contact": a, "none": b}}) for a, b in each]
        return PROBE.reduce([], seen)["causal contrast"]

    right = told([True] * 20, [False] * 20)
    assert right["value"] == 1.0
    assert right["lo"] == pytest.approx(
        2 * 0.025 ** (1 / 20) - 1
    )  # Clopper and Pearson's of 20 of 20, in -1..1
    half = told([True, True, False, False] * 10, [True, False] * 20)
    assert half["value"] == 0.0
    assert half["lo"] < 0 < half["hi"]
    alike = told([True, False] * 20, [True, False] * 20)  # the same scenes move in both arms
    assert alike["hi"] - alike["lo"] < half["hi"] - half["lo"]
    assert told([True] * 10, [True] * 10)["value"] == 0.0
    assert PROBE.reduce([], [])["causal contrast"]["n"] == 0


def test_twins_differ_in_the_cue_and_in_the_outcome_only() -> None:
    for i in range(4):
        twin = PROBE.twin(scene_rng("dev", PROBE.key, "twin", i), "iid")
        times = VIEW.frame_times(twin.one.duration_s)
        one, two = (simulate(s) for s in (twin.one, twin.two))
        first, second = (render(t, VIEW, times).frames for t in (one, two))
        differ = (first != second).reshape(len(times), -1).any(1)
        k = int(np.flatnonzero(times <= twin.splice_s + 1e-9)[-1])
        assert not differ[k]
        assert differ[0]
        assert differ[times >= twin.window_s[0] + 0.1].any()
        assert abs(one.position[-1, 1, 0] - one.position[0, 1, 0]) > 0.2
        assert abs(two.position[-1, 1, 0] - two.position[0, 1, 0]) < 1e-6


def test_futures_of_the_context_all_pass() -> None:
    for i in range(3):
        truths = {arm: simulate(s, futures=4) for arm, s in drawn(i).arms.items()}
        for k in range(4):
            lawful = {arm: exact_tracks(as_truth(t, t.futures[k]), VIEW) for arm, t in truths.items()}
            assert PROBE.judge(lawful, truths).error < 0.08
