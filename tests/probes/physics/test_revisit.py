"""Revisit: pose and content told apart, what never leaves, and landmarks that are swapped while unseen."""

from dataclasses import replace

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.check import as_truth
from wmeval.scene import Scene
from wmeval.seeds import scene_rng
from wmeval.tracks import Tracks
from wmeval.trial import prepare
from wmeval.truth import Truth
from wmeval.world import actions, exact_tracks, frame_split, render, repaint, resume, simulate
from wmeval_probes.physics.excursion import excursion
from wmeval_probes.physics.revisit import FEWEST, GROWTH, HUE, PROBE, SHIFT, counted, stay, unseen_s

VIEW = View()


def drawn(index: int, tag: str = "iid") -> Scene:
    return PROBE.case(scene_rng("dev", PROBE.key, tag, index), tag).arms["main"]


@pytest.fixture(scope="module")
def truth() -> Truth:
    return simulate(drawn(1))


@pytest.fixture(scope="module")
def exact(truth: Truth) -> Tracks:
    return exact_tracks(truth, VIEW)


def back(tracks: Tracks, truth: Truth) -> np.ndarray:
    """Which frames show the home view again."""
    return stay(tracks.times, truth.scene).after


@pytest.mark.parametrize("tag", PROBE.tags)
def test_scenes_leave_and_come_back(tag: str) -> None:
    for i in range(4):
        scene = drawn(i, tag)
        truth = simulate(scene)
        tracks = exact_tracks(truth, VIEW)
        verdict = PROBE.judge({"main": tracks}, {"main": truth})
        assert verdict.error < 1e-3
        assert verdict.event == 1.0
        assert scene.duration_s - scene.cut_s <= PROBE.horizon_s + 1e-9
        at = stay(tracks.times, scene)
        assert at.before.sum() >= FEWEST
        assert at.after.sum() >= 5
        assert (tracks.visible[at.before] > 0.99).all()  # nothing hides anything at home
        if tag not in ("control", "ood-composition"):
            away = ~at.before & ~at.after
            assert (tracks.visible[away] == 0).all(axis=1).sum() >= 3
        assert np.abs(truth.position - truth.position[0]).max() < 1e-3  # landmarks rest


@pytest.mark.parametrize("kind", ["pan", "slide", "orbit"])
def test_the_camera_is_commanded_there_and_back(kind: str) -> None:
    trip = excursion(np.random.default_rng(0), kind)
    home, again = trip.camera.at(0.0), trip.camera.at(trip.home_s)
    assert np.allclose(home.eye, again.eye)
    assert np.allclose(home.axes, again.axes)
    scene = replace(drawn(0), camera=trip.camera, duration_s=trip.ends_s)
    table = actions(scene, VIEW.frame_times(trip.ends_s))[:, 6:]
    assert np.abs(table).max() > 0.3
    assert table[:, :3].sum(0) == pytest.approx(np.zeros(3), abs=1e-6)
    assert table[:, 3:].sum(0) == pytest.approx(np.zeros(3), abs=1e-6)


def test_another_pose_is_no_other_content(truth: Truth, exact: Tracks) -> None:
    after = back(exact, truth)
    told = PROBE.measure(exact, truth)
    size = np.sqrt(exact.area[0] / np.pi).mean()
    for shift in ([2.0, 0.0], [0.0, -1.0], [3.0, 4.0]):
        moved = replace(exact, pixel=exact.pixel + np.where(after[:, None, None], shift, 0.0))
        told = PROBE.measure(moved, truth)
        assert told.evidence["content error"] == pytest.approx(0.0, abs=5e-4)
        assert told.evidence["pose error"] == pytest.approx(counted(np.hypot(*shift) / size, SHIFT), abs=5e-4)
        assert told.error == told.evidence["pose error"]
        metres = np.hypot(*shift) / (truth.scene.camera.focal_px(VIEW) / 14)
        assert told.implied["returns to within m"][0] == pytest.approx(metres, abs=5e-4)


def test_another_place_of_one_landmark_is_content(truth: Truth, exact: Tracks) -> None:
    after = back(exact, truth)
    n, radii = len(truth.names), np.sqrt(exact.area[0] / np.pi)
    for share in (0.25, 0.5, 1.0, 3.0):
        pixel = exact.pixel.copy()
        pixel[after, 0, 0] += share * radii[0]
        told = PROBE.measure(replace(exact, pixel=pixel), truth)
        assert told.evidence["pose error"] == pytest.approx(0.0, abs=5e-4)
        assert told.error == pytest.approx(counted(share, SHIFT) / n, abs=5e-4)


def test_another_hue_or_size_of_one_landmark_is_content(truth: Truth, exact: Tracks) -> None:
    after, n = back(exact, truth), len(truth.names)
    for turn in (-25.0, 10.0, 170.0):
        hue = exact.colour.copy()
        hue[after, 0] += turn
        told = PROBE.measure(replace(exact, colour=hue), truth)
        assert told.error == pytest.approx(counted(turn, HUE) / n, abs=5e-4)
    area = exact.area.copy()
    area[after, 1] *= 1.5
    told = PROBE.measure(replace(exact, area=area), truth)
    assert told.error == pytest.approx(counted(np.log(1.5), GROWTH) / n, abs=5e-4)
    assert told.evidence["area ratio"][truth.names[1]] == pytest.approx(1.5, abs=1e-3)


def test_a_landmark_that_is_gone_and_one_too_many(truth: Truth, exact: Tracks) -> None:
    after, n = back(exact, truth), len(truth.names)
    found = exact.found.copy()
    found[after, 0] = False
    gone = replace(exact, found=found)
    told = PROBE.measure(gone, truth)
    assert told.error == pytest.approx(1 / n, abs=5e-4)
    assert told.implied["landmarks kept"][0] == pytest.approx(1 - 1 / n, abs=5e-4)
    extra = replace(exact, extras=np.where(after, 1, 0))
    assert PROBE.measure(extra, truth).error == pytest.approx(1 / n, abs=5e-4)
    # something else in its place is one wrong landmark and not two
    other = replace(gone, extras=np.where(after, 1, 0))
    assert PROBE.measure(other, truth).error == pytest.approx(1 / n, abs=5e-4)


def test_nothing_in_the_end_is_the_worst(truth: Truth, exact: Tracks) -> None:
    empty = exact.found & (exact.times <= truth.scene.cut_s)[:, None]
    told = PROBE.judge({"main": replace(exact, found=empty)}, {"main": truth})
    assert told.event > 0.5  # an empty video has left
    assert told.error == PROBE.worst  # and never came back


@pytest.mark.parametrize("tag", ["iid", "ood-speed", "ood-composition"])
def test_a_video_that_never_leaves_is_the_worst(tag: str) -> None:
    """Peers score it perfect, since its last view is its first: here it is gated (exactly 0 skill)."""
    for i in range(2):
        trial = prepare(PROBE, PROBE.case(scene_rng("dev", PROBE.key, tag, i), tag), VIEW)
        frames = trial.frames["main"]
        home = np.repeat(frames[:1], len(frames), axis=0)
        told = trial.judge({"main": home})
        assert told.event == 0.0
        assert told.error == PROBE.worst
        assert trial.reference("vanish").error == PROBE.worst
        assert trial.reference("oracle").error < 0.02


def test_a_video_that_stays_away_is_the_worst(truth: Truth) -> None:
    trial = prepare(PROBE, PROBE.case(scene_rng("dev", PROBE.key, "iid", 1), "iid"), VIEW)
    frames = trial.frames["main"].copy()
    away = round(unseen_s(truth.scene) * 10)
    frames[away:] = frames[away]
    assert trial.judge({"main": frames}).error == PROBE.worst


@pytest.mark.parametrize("strength", PROBE.strengths)
def test_violation_has_the_stated_strength(truth: Truth, strength: float) -> None:
    broken = PROBE.violate(truth, strength, np.random.default_rng(0))
    told = PROBE.measure(exact_tracks(broken, VIEW), truth)
    assert told.error == pytest.approx(counted(strength, HUE) / len(truth.names), abs=5e-4)
    shown = frame_split(truth.scene, VIEW)[0]
    assert np.array_equal(render(broken, VIEW, shown).frames, render(truth, VIEW, shown).frames)


@pytest.mark.parametrize("how", ["recoloured", "displaced", "gone"])
def test_what_must_be_seen_is_seen_in_pictures(how: str) -> None:
    for i in range(2):
        trial = prepare(PROBE, PROBE.case(scene_rng("dev", PROBE.key, "iid", 20 + i), "iid"), VIEW)
        truth = trial.truths["main"]
        scene, at = truth.scene, unseen_s(truth.scene)
        body = scene.moving[i % len(scene.moving)]
        if how == "recoloured":
            broken = repaint(truth, at, replace(body, hue=(body.hue + PROBE.must_see) % 360))
        elif how == "gone":
            broken = resume(truth, at, remove=(body.name,))
        else:
            x, y, z = body.position
            broken = resume(truth, at, position={body.name: (x, y, z + body.radius)}, gravity=0.0)
        context, asked = frame_split(scene, VIEW)
        frames = [trial.frames["main"][: len(context)], render(broken, VIEW, asked).frames]
        clean = trial.reference("oracle").error
        told = trial.judge({"main": np.concatenate(frames)})
        assert told.event == 1.0
        assert told.error > clean + 0.5 * counted(25, HUE) / len(scene.moving)


def test_twins_are_the_same_picture_while_unseen() -> None:
    for i in range(6):
        rng = scene_rng("dev", PROBE.key, "twin", i)
        twin = PROBE.twin(rng, "iid")
        assert twin.kind == "swap"
        times = VIEW.frame_times(twin.one.duration_s)
        one, two = (render(simulate(s), VIEW, times).frames for s in (twin.one, twin.two))
        same = (one == two).all(axis=(1, 2, 3))
        last = np.flatnonzero(times <= twin.splice_s + 1e-9)[-1]
        assert same[last]
        hidden = last - np.flatnonzero(~same[: last + 1])[-1]
        assert hidden >= 3  # at least three frames show no trace of what is swapped
        window = (times >= twin.window_s[0]) & (times <= twin.window_s[1] + 1e-9)
        later = ~same & (times > twin.splice_s)
        assert later.sum() >= 5
        assert not (later & ~window).any()


def test_futures_of_the_context_all_pass() -> None:
    truth = simulate(drawn(2), futures=4)
    for future in truth.futures:
        verdict = PROBE.judge({"main": exact_tracks(as_truth(truth, future), VIEW)}, {"main": truth})
        assert verdict.error < 0.01
        assert verdict.event == 1.0
