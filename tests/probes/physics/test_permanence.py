"""Permanence: what futures agree on, what is counted wrong, and how long a memory lasts."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.check import as_truth
from wmeval.perceive import track
from wmeval.probe import Measurement
from wmeval.scene import Scene, ball, floor, occluder, side_camera
from wmeval.seeds import scene_rng
from wmeval.tracks import Tracks
from wmeval.truth import Future, Truth
from wmeval.world import exact_tracks, render, simulate, visibility
from wmeval_probes.physics.permanence import PLACE, PROBE, labels
from wmeval_probes.physics.veil import same_picture

TIMES = View().frame_times(2.0)


def drawn(index: int, tag: str = "iid") -> Scene:
    return PROBE.case(scene_rng("dev", PROBE.key, tag, index), tag).arms["main"]


def future(dark: tuple[int, int], x: float = 0.0, *, second: bool = True) -> Future:
    """Two bodies of which the first is hidden in frames [from, to) and then stands at x."""
    position = np.zeros((len(TIMES), 2, 3))
    position[:, 0, 0], position[:, 1, 0], position[:, :, 2] = x, 1.0, 0.3
    visible = np.ones((len(TIMES), 2))
    visible[slice(*dark), 0] = 0.0
    return Future(position, visible)


@pytest.fixture(scope="module")
def truth() -> Truth:
    """The cut is at frame 6; the first body is hidden from frame 4 to 11, in one future to 12."""
    one = ball("one", radius=0.3, position=(0, 0, 0.3), hue="red")
    two = ball("two", radius=0.3, position=(1, 0, 0.3), hue="blue")
    screen = occluder("screen", half=(0.4, 0.05, 0.5), position=(0, -1, 0.5))
    scene = Scene((one, two, screen, floor()), side_camera(), 2.0, 0.6, 0.6, "rest")
    futures = (*[future((4, 11))] * 8, *[future((4, 11), x=0.2)] * 7, future((4, 12)))
    return replace(simulate(scene), futures=futures)


def standing(n: int = len(TIMES)) -> tuple[np.ndarray, np.ndarray]:
    position = np.zeros((n, 2, 3))
    position[:, 1, 0], position[..., 2] = 1.0, 0.3
    found = np.ones((n, 2), bool)
    found[4:12, 0] = False
    return position, found


def test_only_what_futures_agree_on_is_asked(truth: Truth) -> None:
    label = labels(truth, TIMES[TIMES > 0.61])
    assert (
        label.seen[:, 0].tolist() == [False] * 5 + [True] * 9
    )  # from frame 12, when the last future shows it
    assert not label.seen[:, 1].any()  # it was never hidden
    assert label.hidden[:, 0].sum() == 4  # frames 7 to 10
    assert label.out_s[0] == pytest.approx(1.2)
    assert label.comes_s[0] == pytest.approx(1.1)
    assert label.dark_s[0] == pytest.approx(0.7)


def test_back_in_place_is_right(truth: Truth, tracks_from) -> None:
    position, found = standing()
    tracks = tracks_from(truth.scene, TIMES, position, found)
    verdict = PROBE.judge({"main": tracks}, {"main": truth})
    assert verdict.error == 0.0
    assert verdict.event == 1.0
    assert verdict.measurement.implied["reappears late by s"][0] == pytest.approx(0.1)
    assert verdict.measurement.evidence["remembered"] == {"one": True}


def test_missing_in_a_third_of_its_frames(truth: Truth, tracks_from) -> None:
    position, found = standing()
    found[-3:, 0] = False
    told = PROBE.measure(tracks_from(truth.scene, TIMES, position, found), truth)
    assert told.error == pytest.approx(3 / 9)


def test_place_is_asked_for_within_its_tolerance(truth: Truth, tracks_from) -> None:
    for x, error in ((-PLACE * 0.3 + 0.01, 0.0), (-PLACE * 0.3 - 0.01, 1.0), (0.2 + PLACE * 0.3 - 0.01, 0.0)):
        position, found = standing()
        position[:, 0, 0] = x
        assert PROBE.measure(tracks_from(truth.scene, TIMES, position, found), truth).error == error


def test_another_colour_is_another_body(truth: Truth, tracks_from) -> None:
    position, found = standing()
    hue = np.broadcast_to(np.array([40.0, 240.0]), found.shape)
    assert PROBE.measure(tracks_from(truth.scene, TIMES, position, found, hue=hue), truth).error == 1.0
    near = np.broadcast_to(np.array([340.0, 240.0]), found.shape)
    assert PROBE.measure(tracks_from(truth.scene, TIMES, position, found, hue=near), truth).error == 0.0


def test_one_too_many_counts(truth: Truth, tracks_from) -> None:
    position, found = standing()
    extras = np.zeros(len(TIMES), np.int64)
    extras[13] = 5
    told = PROBE.measure(tracks_from(truth.scene, TIMES, position, found, extras=extras), truth)
    assert told.error == pytest.approx(1 / 9)


def test_showing_through_the_screen_is_no_event(truth: Truth, tracks_from) -> None:
    position, found = standing()
    found[:, 0] = True
    tracks = tracks_from(truth.scene, TIMES, position, found)
    assert PROBE.event(tracks, truth) == 0.0
    assert PROBE.judge({"main": tracks}, {"main": truth}).error == PROBE.worst


def test_futures_are_needed(truth: Truth) -> None:
    with pytest.raises(ValueError, match="futures=16"):
        labels(replace(truth, futures=()), TIMES)


@pytest.mark.parametrize("tag", [t for t in PROBE.tags if t != "control"])
def test_scenes_hide_and_show_again(tag: str) -> None:
    for i in range(2):
        scene = drawn(i, tag)
        truth = simulate(scene, futures=4)
        view = View()
        tracks = exact_tracks(truth, view)
        verdict = PROBE.judge({"main": tracks}, {"main": truth})
        assert verdict.error == 0.0
        assert verdict.event == 1.0
        label = labels(truth, tracks.after(scene.cut_s).times)
        asked = np.isfinite(label.out_s)
        assert asked.any()
        assert label.seen[:, asked].sum(0).min() >= 5
        assert label.dark_s[asked].min() >= 0.2
        assert (tracks.found & (tracks.times < 0.31)[:, None]).sum(0).min() >= 4  # fully seen at first
        assert scene.duration_s - scene.cut_s <= PROBE.horizon_s + 1e-9
        for one in truth.futures[:2]:
            lawful = exact_tracks(as_truth(truth, one), view)
            assert PROBE.judge({"main": lawful}, {"main": truth}).error <= 0.1


@pytest.fixture(scope="module")
def passing() -> Truth:
    return simulate(drawn(0), futures=4)


@pytest.mark.parametrize("strength", PROBE.strengths)
def test_violation_hides_the_stated_share(passing: Truth, strength: float) -> None:
    truth = passing
    broken = PROBE.violate(truth, strength, np.random.default_rng(0))
    told = PROBE.measure(exact_tracks(broken, View()), truth)
    asked = np.isfinite(labels(truth, TIMES).out_s).sum()
    assert told.error == pytest.approx(strength / asked, abs=0.11)


def test_no_violation_is_the_truth_itself(truth: Truth) -> None:
    assert PROBE.violate(truth, 0.0, np.random.default_rng(0)) is truth


def test_what_must_be_seen_is_an_absence_of_a_third_of_a_second() -> None:
    assert PROBE.must_see is not None
    away = []
    for i in range(5):
        truth = simulate(drawn(i), futures=4)
        broken = PROBE.violate(truth, PROBE.must_see, np.random.default_rng(i))
        away.append(np.isnan(broken.position[:, :, 0]).sum(0).max() / 240)
    assert np.mean(away) == pytest.approx(0.3, abs=0.05)


def test_what_nothing_hides_is_no_false_alarm() -> None:
    for i in range(3):
        scene = drawn(i, "control")
        truth = simulate(scene, futures=4)
        times = View().frame_times(scene.duration_s)
        assert not any(b.role == "occluder" for b in scene.bodies)
        tracks = track(render(truth, View()).frames, scene, View(), times)
        verdict = PROBE.judge({"main": tracks}, {"main": truth})
        assert verdict.error == 0.0
        assert verdict.measurement.evidence["hidden s"] == {}
        gone = tracks_gone(tracks, scene.cut_s)
        assert PROBE.measure(gone, truth).error == pytest.approx(1 / len(scene.moving), abs=0.05)


def tracks_gone(tracks: Tracks, since: float) -> Tracks:
    """The tracks without the first body from a time on."""
    found = tracks.found.copy()
    found[tracks.times > since, 0] = False
    return replace(tracks, found=found)


def test_twins_differ_by_a_body_that_is_hidden_at_the_splice() -> None:
    assert PROBE.twin is not None
    for i in range(8):
        twin = PROBE.twin(np.random.default_rng(i), "iid")
        assert twin.kind == "swap"
        assert same_picture(twin.one, twin.two, twin.splice_s)
        assert sorted(len(s.moving) for s in (twin.one, twin.two)) == [1, 2]
        whole = simulate(max((twin.one, twin.two), key=lambda s: len(s.moving)))
        times = View().frame_times(whole.scene.duration_s)
        body, witness = visibility(whole, times).T
        assert witness.min() > 0.99
        dark = body <= 0.0
        assert dark.sum() >= 3
        assert dark[round(twin.splice_s * 10)]
        cut = round(twin.splice_s * 10)
        assert min((body[:cut] > 0.9).sum(), (body[cut:] > 0.9).sum()) >= 3
        assert body[(times >= twin.splice_s) & (times < twin.window_s[0])].max() <= 0.1


def measurements(dark: Sequence[float], kept: Sequence[bool]) -> list[Measurement]:
    return [
        Measurement(0.0, evidence={"hidden s": {"a": d}, "remembered": {"a": k}})
        for d, k in zip(dark, kept, strict=True)
    ]


def half_life(dark: Sequence[float], kept: Sequence[bool]) -> dict[str, float]:
    assert PROBE.reduce is not None
    return PROBE.reduce([], measurements(dark, kept))["memory half-life s"]


def test_half_life_of_a_known_memory() -> None:
    rng, covered = np.random.default_rng(1), 0
    for _ in range(60):
        dark = rng.uniform(0.2, 5.0, 60)
        told = half_life(dark, rng.random(60) < 2 ** (-dark / 1.4))
        covered += told["lo"] <= 1.4 <= told["hi"]
    assert covered >= 53  # 95 % of 60 is 57, three standard errors less is 52


def test_half_life_of_a_memory_that_ends_at_a_fixed_time() -> None:
    dark = np.arange(0.25, 2.0, 0.1)
    told = half_life(list(dark), list(dark < 1.0))
    assert told["value"] == pytest.approx(1.0, abs=0.02)
    assert 0.8 < told["lo"] < 1.0 < told["hi"] < 1.25


def test_half_life_where_remembering_and_forgetting_balance() -> None:
    told = half_life([0.5] * 8 + [2.0] * 8, [True] * 6 + [False] * 2 + [True] * 2 + [False] * 6)
    assert told["value"] == pytest.approx(1.0, rel=0.02)  # by symmetry in log t


def test_half_life_without_bound_is_null_with_a_reason() -> None:
    told = half_life([1.0] * 8, [True] * 8)
    assert told["value"] is None
    assert told["hi"] is None
    assert told["lo"] > 1.0
    assert "everything" in told["reason"]
    assert "nothing" in half_life([1.0] * 8, [False] * 8)["reason"]
    assert half_life([], [])["n"] == 0
