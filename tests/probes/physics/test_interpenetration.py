"""Interpenetration: overlaps of known depth, passages, and lawful contacts."""

from dataclasses import replace

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.check import as_truth
from wmeval.scene import Scene, ball, box, floor, side_camera, wall
from wmeval.seeds import scene_rng
from wmeval.truth import Truth
from wmeval.world import exact_tracks, render, simulate
from wmeval_probes.physics.interpenetration import DEAD_PX, PROBE, gaps

PX = 14.0 / (32 / np.tan(np.deg2rad(side_camera().fov_deg) / 2))  # m a pixel at 64 px


def drawn(index: int, tag: str = "iid") -> Scene:
    return PROBE.case(scene_rng("dev", PROBE.key, tag, index), tag).arms["main"]


def hit(*, second: str = "wall") -> Scene:
    """A ball of radius 0.3 on its way to a wall whose face is at x = 0.85, or to a resting ball."""
    one = ball("one", radius=0.3, position=(-1, 0, 0.3), hue="red", velocity=(1.5, 0, 0), friction=0.0,
               restitution=0.5)  # fmt: skip
    other = (
        wall("wall", half=(0.15, 0.45, 1.0), position=(1, 0, 1), restitution=1.0, friction=0.0)
        if second == "wall"
        else ball("two", radius=0.3, position=(1.15, 0, 0.3), hue="blue", friction=0.0, restitution=0.5)
    )
    ground = floor(friction=0.0, restitution=1.0)
    return Scene((one, other, ground), side_camera(), 1.6, 0.5, 0.4, "impact")


@pytest.fixture(scope="module")
def truth() -> Truth:
    return simulate(hit())


def straight(truth: Truth, stops_at: float) -> tuple[np.ndarray, np.ndarray]:
    """Frame times and the path of the ball that goes on at 1.5 m/s until it stops at a place."""
    times = View().frame_times(truth.scene.duration_s)
    path = np.zeros((len(times), 1, 3))
    path[:, 0, 0], path[:, 0, 2] = np.minimum(-1 + 1.5 * times, stops_at), 0.3
    return times, path


@pytest.mark.parametrize("tag", PROBE.tags)
def test_truth_keeps_bodies_apart_and_brings_them_together(tag: str) -> None:
    for i in range(8):
        truth = simulate(drawn(i, tag))
        speed = np.linalg.norm(truth.velocity, axis=-1).max()
        assert speed / 960 / min(b.radius for b in truth.scene.moving) <= 0.03
        tracks = exact_tracks(truth, View())
        verdict = PROBE.judge({"main": tracks}, {"main": truth})
        assert verdict.error == 0.0
        assert verdict.event == 1.0
        assert tracks.found.all()
        assert truth.scene.duration_s - truth.scene.cut_s <= PROBE.horizon_s + 1e-9


@pytest.mark.parametrize("depth", [0.05, 0.1, 0.2])
def test_known_depth_in_a_wall(truth: Truth, tracks_from, depth: float) -> None:
    tracks = tracks_from(truth.scene, *straight(truth, 0.55 + depth))
    told = PROBE.measure(tracks, truth)
    resting = (gaps(tracks.after(truth.scene.cut_s), truth.scene)[:, 0, 1] <= 0.25 * 0.3).sum()
    inside = (gaps(tracks.after(truth.scene.cut_s), truth.scene)[:, 0, 1] < 0).sum()
    whole = (depth - DEAD_PX * PX) / 0.3
    assert told.error == pytest.approx(whole * inside / resting, rel=0.25)
    assert told.error <= whole + 1e-3
    assert told.evidence["deepest m"] == pytest.approx(depth, abs=1e-3)
    assert PROBE.event(tracks, truth) == 1.0


def test_going_through_counts_once(truth: Truth, tracks_from) -> None:
    times, path = straight(truth, 9.0)
    path[:, 0, 0] = np.where(path[:, 0, 0] > 0.5, path[:, 0, 0] + 1.4, path[:, 0, 0])  # never seen inside
    told = PROBE.measure(tracks_from(truth.scene, times, path), truth)
    assert 1.0 <= told.error < 1.1


def test_flying_over_the_wall_is_no_passage(truth: Truth, tracks_from) -> None:
    times, path = straight(truth, 9.0)
    path[:, 0, 2] = 2.6
    assert PROBE.measure(tracks_from(truth.scene, times, path), truth).error == 0.0


def test_through_the_floor(truth: Truth, tracks_from) -> None:
    times, path = straight(truth, 0.5)
    path[times > 0.8, 0, 2] = -0.25
    assert PROBE.measure(tracks_from(truth.scene, times, path), truth).error >= 1.0


def test_through_another_body(tracks_from) -> None:
    truth = simulate(hit(second="ball"))
    times, path = straight(truth, 9.0)
    other = np.broadcast_to(np.array([1.15, 0, 0.3]), path.shape)
    both = np.concatenate([path, other], axis=1)
    assert PROBE.measure(tracks_from(truth.scene, times, both), truth).error >= 1.0


def test_vanishing_on_contact_is_no_way_out(truth: Truth, tracks_from) -> None:
    times, path = straight(truth, 0.55)
    found = (times <= 1.05)[:, None]
    told = PROBE.judge({"main": tracks_from(truth.scene, times, path, found)}, {"main": truth})
    assert told.error > 0.7


@pytest.mark.parametrize("stops_at", [-0.25, 0.0])
def test_no_approach_is_no_event(truth: Truth, tracks_from, stops_at: float) -> None:
    tracks = tracks_from(truth.scene, *straight(truth, stops_at))
    assert PROBE.event(tracks, truth) < 0.1
    assert PROBE.judge({"main": tracks}, {"main": truth}).error > 0.9


def test_a_jump_is_no_approach(truth: Truth, tracks_from) -> None:
    times, path = straight(truth, -0.4)
    path[times > 0.9, 0, 0] = 0.55
    assert PROBE.event(tracks_from(truth.scene, times, path), truth) < 0.1


def test_a_tilted_box_reaches_lower(tracks_from) -> None:
    body = box("box", half=(0.3, 0.3, 0.2), position=(0, 0, 1), hue="red")
    scene = Scene((body, floor()), side_camera(), 1.0, 0.5, 0.4, "impact")
    for turn in (0.4, -0.4):
        tracks = tracks_from(scene, np.array([0.6]), np.array([[[0.0, 0.0, 1.0]]]), angle=np.array([[turn]]))
        low = 0.3 * np.sin(0.4) + 0.2 * np.cos(0.4)
        assert gaps(tracks, scene)[0, 0, 1] == pytest.approx(1 - low, abs=1.5e-3)


def test_angles_go_back_into_the_engine_the_way_they_came() -> None:
    turned = box("box", half=(0.4, 0.3, 0.2), position=(0, 0, 1.5), hue="red",
                 orientation=(0.0, float(np.sin(0.3)), 0.0, float(np.cos(0.3))))  # fmt: skip
    post = wall("wall", half=(0.1, 0.4, 1.5), position=(0.7, 0, 1.5))
    truth = simulate(Scene((turned, post, floor()), side_camera(), 0.2, 0.1, 0.1, "flight", gravity=0.0))
    from wmeval.world import distances

    exact = distances(truth.scene, *truth.poses_at(np.array([0.1])), within=3.0)
    seen = gaps(exact_tracks(truth, View(), np.array([0.1])), truth.scene)
    assert seen[0, 0, 1] == pytest.approx(exact[0, 0, 1], abs=1e-6)


@pytest.mark.parametrize("index", range(6))
def test_violation_has_the_stated_depth(index: int) -> None:
    truth = simulate(drawn(index))
    for strength in (0.25, 1.0):
        broken = PROBE.violate(truth, strength, np.random.default_rng(0))
        told = PROBE.measure(exact_tracks(broken, View()), truth)
        r = truth.scene.moving[0].radius
        assert told.evidence["deepest m"] == pytest.approx(strength * r, abs=0.05 * r + 0.02)
        assert np.array_equal(
            broken.position[: round(truth.scene.cut_s * 240)],
            truth.position[: round(truth.scene.cut_s * 240)],
        )


def test_no_violation_is_the_truth_itself(truth: Truth) -> None:
    assert PROBE.violate(truth, 0.0, np.random.default_rng(0)) is truth


def test_a_scene_without_a_meeting_cannot_be_violated() -> None:
    scene = hit()
    still = replace(scene, bodies=(replace(scene.bodies[0], velocity=(0, 0, 0)), *scene.bodies[1:]))
    with pytest.raises(ValueError, match="never meet"):
        PROBE.violate(simulate(still), 0.5, np.random.default_rng(0))


def test_futures_of_the_context_all_pass() -> None:
    verdicts = []
    for i in range(4):
        truth = simulate(drawn(i), futures=6)
        for future in truth.futures:
            tracks = exact_tracks(as_truth(truth, future), View())
            verdicts.append(PROBE.judge({"main": tracks}, {"main": truth}))
    assert np.mean([v.error < 0.05 for v in verdicts]) >= 0.95


def test_control_scenes_end_before_anything_is_met() -> None:
    for i in range(8):
        truth = simulate(drawn(i, "control"))
        met = (truth.contacts.a == 0) & (truth.contacts.b == 1) | (truth.contacts.a == 1) & (
            truth.contacts.b == 0
        )
        assert not met.any()


def test_twins_are_the_same_behind_the_screen_and_differ_on_either_side() -> None:
    assert PROBE.twin is not None
    for i in range(6):
        twin = PROBE.twin(scene_rng("dev", PROBE.key, "twin", i), "iid")
        wall_truth, free_truth = simulate(twin.one), simulate(twin.two)
        one, two = (render(t, View()).frames.astype(int) for t in (wall_truth, free_truth))
        at = int(twin.splice_s * 10 + 1e-6)
        assert np.array_equal(one[at], two[at])
        apart = np.abs(one - two).max((1, 2, 3)) > 40
        assert apart[:3].all()  # the wall is shown
        assert apart[-3:].all()  # here and there
        side = np.sign(twin.one.moving[0].velocity[0])
        assert wall_truth.velocity[-1, 0, 0] * side < -1.0
        assert free_truth.velocity[-1, 0, 0] * side > 1.0
        assert np.abs(free_truth.position[-1, 0, 0]) < 2.2
