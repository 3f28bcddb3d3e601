"""Constancy: what a change of size, hue or outline costs, when it is seen, and twins that hide it."""

from dataclasses import replace

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.check import as_truth
from wmeval.scene import Scene, ball, box
from wmeval.seeds import scene_rng
from wmeval.truth import Truth
from wmeval.world import exact_tracks, render, simulate
from wmeval_probes.physics.constancy import PROBE, beyond
from wmeval_probes.physics.looks import HUE_UNIT, changed, reshaped, resized, turned

VIEW = View()


def drawn(index: int, tag: str = "iid") -> Scene:
    return PROBE.case(scene_rng("dev", PROBE.key, tag, index), tag).arms["main"]


def passing() -> Scene:
    return next(s for s in map(drawn, range(20)) if "screen" in [b.name for b in s.bodies])


@pytest.fixture(scope="module")
def truth() -> Truth:
    return simulate(passing())


@pytest.mark.parametrize("tag", PROBE.tags)
def test_truth_changes_nothing_and_comes_past_its_line(tag: str) -> None:
    for i in range(4):
        truth = simulate(drawn(i, tag))
        tracks = exact_tracks(truth, VIEW)
        verdict = PROBE.judge({"main": tracks}, {"main": truth})
        assert verdict.event == 1.0
        assert verdict.error < 1e-4
        assert truth.scene.duration_s - truth.scene.cut_s <= PROBE.horizon_s + 1e-9
        for slot, name in enumerate(truth.names):
            past = beyond(tracks[name], truth, slot)
            assert (tracks[name].visible[past] > 0.99).all()
            assert past.sum() >= 3


def test_what_passes_is_hidden_and_goes_straight(truth: Truth) -> None:
    body, t = truth.scene.moving[0], truth.times
    assert truth.position[:, 0, 0] == pytest.approx(body.position[0] + body.velocity[0] * t, abs=1e-6)
    assert (exact_tracks(truth, VIEW).visible[:, 0] == 0).sum() >= 3


@pytest.mark.parametrize("strength", PROBE.strengths)
def test_each_kind_of_change_costs_its_strength(truth: Truth, strength: float) -> None:
    tracks, cut = exact_tracks(truth, VIEW), truth.scene.cut_s
    later = (tracks.times > cut)[:, None]
    fit = (1 - strength) / (1 + strength)  # common part over union, where that share lies elsewhere
    for edited in (
        replace(tracks, area=tracks.area * np.where(later, 1 + strength, 1.0)),
        replace(tracks, area=tracks.area * np.where(later, 1 - strength, 1.0)),
        replace(tracks, colour=(tracks.colour - np.where(later, strength * HUE_UNIT, 0.0)) % 360),
        replace(tracks, confidence=tracks.confidence * np.where(later, fit, 1.0)),
    ):
        assert PROBE.measure(edited, truth).error == pytest.approx(strength, abs=1e-9)


def test_implied_quantities_read_the_change_back(truth: Truth) -> None:
    tracks = exact_tracks(truth, VIEW)
    later = (tracks.times > truth.scene.cut_s)[:, None]
    told = PROBE.measure(replace(tracks, area=tracks.area * np.where(later, 1.3, 1.0)), truth)
    assert told.implied[f"{truth.names[0]}: area"][0] == pytest.approx(1.3, abs=1e-6)
    assert told.implied[f"{truth.names[0]}: hue turn"][0] == pytest.approx(0.0, abs=1e-6)


def test_a_frame_in_which_the_body_is_lost_is_the_worst(truth: Truth) -> None:
    tracks = exact_tracks(truth, VIEW)
    past = np.flatnonzero(beyond(tracks[truth.names[0]], truth, 0))
    found = tracks.found.copy()
    found[past[-2:], 0] = False
    told = PROBE.measure(replace(tracks, found=found), truth)
    assert told.error == pytest.approx(2 / len(past))


def test_staying_behind_the_screen_is_no_event(truth: Truth) -> None:
    tracks = exact_tracks(truth, VIEW)
    k = int(np.argmax(beyond(tracks[truth.names[0]], truth, 0)))
    found = tracks.found & (np.arange(len(tracks.times)) < k)[:, None]
    verdict = PROBE.judge({"main": replace(tracks, found=found)}, {"main": truth})
    assert verdict.event == 0.0
    assert verdict.error == PROBE.worst


def test_coming_out_late_is_no_change(truth: Truth) -> None:
    tracks = exact_tracks(truth, VIEW)
    past = np.flatnonzero(beyond(tracks[truth.names[0]], truth, 0))
    hold = np.arange(len(tracks.times))
    hold[past[0] : past[0] + len(past) // 2] = past[0] - 1
    late = tracks.part(hold)
    late = replace(late, times=tracks.times)
    assert PROBE.judge({"main": late}, {"main": truth}).error < 1e-9


@pytest.mark.parametrize("moved", [0.1, 0.2, 0.4])
def test_a_new_shape_has_the_old_area_and_the_stated_share_elsewhere(moved: float) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-1.0, 1.0, (400_000, 2))
    for body in (
        ball("a", radius=0.3, position=(0, 0, 1), hue="red"),
        box("b", half=(0.25, 0.3, 0.3), position=(0, 0, 1), hue="red"),
    ):
        new = reshaped(body, moved, 1)
        inside = (np.abs(points) < np.array(new.size)[[0, 2]]).all(1)
        old = (
            np.linalg.norm(points, axis=1) < 0.3
            if body.shape == "sphere"
            else (np.abs(points) < np.array(body.size)[[0, 2]]).all(1)
        )
        assert inside.mean() == pytest.approx(old.mean(), rel=0.03)
        assert (inside & ~old).sum() / inside.sum() == pytest.approx(moved, abs=0.015)


def test_a_violation_shows_the_stated_size_and_hue(truth: Truth) -> None:
    body = truth.scene.moving[0]
    for sign in (-1, 1):
        grown = exact_tracks(changed(truth, 0, resized(body, 0.5, sign), truth.scene.cut_s), VIEW)
        ratio = grown.area[-1, 0] / grown.area[0, 0]
        assert ratio == pytest.approx(1.5**sign, rel=1e-4)
        lowest = grown.position[-1, 0, 2] - resized(body, 0.5, sign).size[-1]
        assert lowest == pytest.approx(0.0, abs=2e-3)  # it still stands on the floor
        tinted = exact_tracks(changed(truth, 0, turned(body, 0.2, sign), truth.scene.cut_s), VIEW)
        assert (tinted.colour[-1, 0] - tinted.colour[0, 0] + 180) % 360 - 180 == pytest.approx(sign * 25)


def test_a_violation_happens_out_of_sight(truth: Truth) -> None:
    broken = PROBE.violate(truth, 0.3, np.random.default_rng(1))
    at = broken.looks[0].start_s
    assert at >= truth.scene.cut_s
    assert exact_tracks(truth, VIEW, np.array([at])).visible[0, 0] == 0


def test_twins_are_bit_equal_while_both_are_hidden() -> None:
    for i in range(8):
        twin = PROBE.twin(scene_rng("dev", PROBE.key, "twin", i), "iid")
        times = VIEW.frame_times(twin.one.duration_s)
        one, two = (render(simulate(s), VIEW, times).frames for s in (twin.one, twin.two))
        differ = np.abs(one.astype(int) - two).reshape(len(times), -1).max(1) > 0
        k = int(np.flatnonzero(times <= twin.splice_s + 1e-9)[-1])
        assert not differ[k - 1 : k + 2].any()
        assert differ[:k].any()
        assert differ[(times >= twin.window_s[0]) & (times <= twin.window_s[1])].any()
        assert not differ[(times > times[k]) & (times < twin.window_s[0] - 0.11)].any()


def test_futures_of_the_context_all_pass() -> None:
    for i in range(4):
        truth = simulate(drawn(i), futures=6)
        for future in truth.futures:
            tracks = exact_tracks(as_truth(truth, future), VIEW)
            assert PROBE.judge({"main": tracks}, {"main": truth}).error < 0.05
