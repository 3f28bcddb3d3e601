"""Every fault breaks its law by the stated amount, begins at the cut, and leaves the rest as it was."""

from dataclasses import replace

import numpy as np
import pytest

from wmeval import faults
from wmeval.camera import Camera
from wmeval.scene import Push, Scene, ball, box, floor, occluder, side_camera, wall
from wmeval.truth import Truth
from wmeval.world import simulate

CUT = 0.5
RNG = np.random.default_rng


def world(*bodies, profile="impact", gravity=9.81, duration=2.0, **more) -> Truth:
    return simulate(Scene(bodies, side_camera(), duration, CUT, 0.3, profile, gravity=gravity, **more))


def x_at(truth, time_s, slot=0):
    return truth.poses_at(np.array([time_s]))[0][0, slot, 0]


@pytest.fixture(scope="module")
def meeting() -> Truth:
    """A ball on its way to another one at rest, floating."""
    return world(
        ball("a", radius=0.3, position=(-1.5, 0, 2), hue="red", velocity=(1.5, 0, 0), restitution=1.0),
        ball("b", radius=0.3, position=(0.3, 0, 2), hue="blue", restitution=1.0),
        gravity=0.0,
    )


@pytest.mark.parametrize(
    "fault",
    [
        lambda t: faults.gravity(t, 0.2, RNG(0)),
        lambda t: faults.no_collisions(t, 1, RNG(0)),
        lambda t: faults.teleport(t, 3, RNG(0)),
        lambda t: faults.slow_motion(t, 0.5, RNG(0)),
        lambda t: faults.vanish(t, 0.3, RNG(0)),
        lambda t: faults.late_reaction(t, 0.3, RNG(0)),
        lambda t: faults.restless(t, 1.0, RNG(0)),
    ],
)
def test_nothing_is_wrong_up_to_the_cut_and_something_after_it(fault) -> None:
    truth = world(
        ball("a", radius=0.3, position=(-1.5, 0, 0.3), hue="red", velocity=(1.5, 0, 0), friction=0.0),
        ball("b", radius=0.3, position=(0.3, 0, 0.3), hue="blue", friction=0.0),
        ball("c", radius=0.2, position=(1.5, 0, 3.5), hue="green", velocity=(0, 0, 2.0)),
        floor(friction=0.0),
    )
    broken = fault(truth)
    upto = round(CUT * truth.clock_hz)
    np.testing.assert_array_equal(broken.position[: upto + 1], truth.position[: upto + 1])
    assert not np.array_equal(broken.position, truth.position)


@pytest.mark.parametrize("factor", [0.2, 0.7])
def test_gravity_pulls_by_the_factor(factor) -> None:
    truth = world(ball("a", radius=0.2, position=(0, 0, 3), hue="red"), profile="flight", gravity=3.0)
    t = 1.0
    v, z = -3.0 * CUT, 3 - 1.5 * CUT**2
    fallen = faults.gravity(truth, factor, RNG(0)).poses_at(np.array([CUT + t]))[0][0, 0, 2]
    assert fallen == pytest.approx(z + v * t - factor * 1.5 * t**2, abs=1e-6)


def test_without_collisions_both_keep_their_speed(meeting) -> None:
    assert x_at(meeting, 2.0) < -0.2  # it was stopped
    broken = faults.no_collisions(meeting, 1, RNG(0))
    assert x_at(broken, 2.0) == pytest.approx(-1.5 + 1.5 * 2.0, abs=1e-6)
    assert x_at(broken, 2.0, 1) == pytest.approx(0.3, abs=1e-6)


def test_a_wall_leaks_and_the_floor_does_not() -> None:
    truth = world(
        ball("a", radius=0.3, position=(-1.5, 0, 0.3), hue="red", velocity=(1.5, 0, 0), friction=0.0),
        wall("w", half=(0.15, 0.4, 1.0), position=(0.5, 0, 1.0), friction=0.0),
        floor(friction=0.0),
    )
    assert x_at(truth, 2.0) < 0.1
    broken = faults.leaky_walls(truth, 1, RNG(0))
    assert x_at(broken, 2.0) == pytest.approx(1.5, abs=0.01)
    assert broken.position[-1, 0, 2] == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("seconds", [0.4, 0.8])
def test_what_is_hidden_for_longer_is_forgotten_then(seconds) -> None:
    truth = world(
        ball("a", radius=0.25, position=(-1.4, 0, 0.25), hue="red", velocity=(1.0, 0, 0), friction=0.0),
        occluder("s", half=(0.9, 0.05, 0.6), position=(0.2, -1, 0.6)),
        floor(friction=0.0),
        duration=3.0,
    )
    broken = faults.forget_hidden(truth, seconds, RNG(0))
    gone = np.flatnonzero(np.isnan(broken.position[:, 0, 0]))
    from wmeval.world import visibility

    dark = np.flatnonzero(visibility(truth, truth.times[::4])[:, 0] <= 0.01) * 4 / 240
    assert gone[0] / 240 == pytest.approx(dark[0] + seconds, abs=0.03)
    assert len(gone) == len(truth.position) - gone[0]
    assert not np.isnan(faults.forget_hidden(truth, 3.0, RNG(0)).position).any()


def test_what_leaves_the_picture_is_forgotten_and_the_rest_is_not() -> None:
    truth = world(
        ball("a", radius=0.25, position=(1.5, 0, 2), hue="red", velocity=(1.0, 0, 0)),
        ball("b", radius=0.25, position=(-1.0, 0, 2), hue="blue"),
        gravity=0.0,
    )
    broken = faults.forget_outside(truth, 0.1, RNG(0))
    left = np.flatnonzero(truth.position[:, 0, 0] > 2.2)[0] / 240
    assert np.flatnonzero(np.isnan(broken.position[:, 0, 0]))[0] / 240 == pytest.approx(left + 0.1, abs=0.04)
    assert not np.isnan(broken.position[:, 1]).any()


def test_all_are_gone_for_so_long(meeting) -> None:
    gone = np.isnan(faults.vanish(meeting, 0.3, RNG(0)).position).all(axis=(1, 2))
    assert gone.sum() == pytest.approx(0.3 * 240, abs=1)
    assert np.flatnonzero(gone)[0] / 240 == pytest.approx(CUT + 0.1, abs=0.01)


@pytest.mark.parametrize("radii", [1.0, 3.0])
def test_the_jump_is_so_many_radii(radii, meeting) -> None:
    broken = faults.teleport(meeting, radii, RNG(1))
    jumps = np.abs(np.diff(broken.position[:, 0, 0]))
    assert jumps.max() == pytest.approx(radii * 0.3, abs=0.01)
    assert (jumps > 0.05).sum() == 1


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_time_goes_by_at_the_rate(rate, meeting) -> None:
    broken = faults.slow_motion(meeting, rate, RNG(0))
    for after in (0.4, 1.2):
        assert x_at(broken, CUT + after) == pytest.approx(x_at(meeting, CUT + rate * after), abs=2e-3)


@pytest.mark.parametrize("gain", [0.0, 0.5, 1.0])
def test_only_a_share_of_an_action_takes_effect(gain) -> None:
    body = ball("a", radius=0.3, position=(-1, 0, 2), hue="red", mass=2.0)
    truth = world(
        body, gravity=0.0, actuated="a",
        pushes=(Push("a", 0.2, 0.2, impulse=(0.4, 0, 0)), Push("a", 0.4, 0.6, force=(1.0, 0, 0)),
                Push("a", 1.0, 1.0, impulse=(2.0, 0, 0))),
    )  # fmt: skip
    speed = faults.weak_actions(truth, gain, RNG(0)).velocity[-1, 0, 0]
    assert speed == pytest.approx((0.4 + 0.1 + gain * 0.1 + gain * 2.0) / 2.0, abs=2e-3)


def test_a_camera_that_is_told_to_move_does_so_by_the_share() -> None:
    still = side_camera()
    away = (still.eye[0] + 2.0, *still.eye[1:])
    camera = Camera(still.eye, still.target, still.fov_deg, path=((CUT, still.eye, still.target),
                    (1.5, away, (still.target[0] + 2.0, *still.target[1:]))))  # fmt: skip
    body = ball("a", radius=0.3, position=(0, 0, 2), hue="red")
    truth = simulate(Scene((body,), camera, 2.0, CUT, 0.3, "flight", gravity=0.0))
    for gain in (0.0, 0.5):
        eye = faults.weak_actions(truth, gain, RNG(0)).scene.camera.at(2.0).eye
        assert eye[0] == pytest.approx(still.eye[0] + 2.0 * gain)


def test_colours_turn_and_bodies_grow_at_the_stated_rate(meeting) -> None:
    turned = faults.hue_drift(meeting, 20.0, RNG(0)).look("b", CUT + 1.0).hue
    assert abs((turned - 240.0 + 180) % 360 - 180) == pytest.approx(20.0)
    assert faults.size_drift(meeting, 0.3, RNG(0)).look("a", CUT + 1.0).size[0] == pytest.approx(0.3 * 1.3)
    assert faults.size_drift(meeting, 0.3, RNG(0)).look("a", CUT).size[0] == 0.3


@pytest.mark.parametrize("e", [0.5, 1.2])
def test_impacts_return_the_stated_speed(e) -> None:
    truth = world(
        ball("a", radius=0.2, position=(0, 0, 2.0), hue="red", restitution=0.8), floor(restitution=1.0)
    )
    broken = faults.bouncy(truth, e, RNG(0))
    vz, hit = broken.velocity[:, 0, 2], int(broken.contacts.time[0] * 240)
    assert vz[hit + 2] / -vz[hit - 1] == pytest.approx(e, abs=0.03)


def test_without_friction_it_slides_on() -> None:
    body = box("a", half=(0.2, 0.2, 0.1), position=(-1.5, 0, 0.1), hue="red", velocity=(1.5, 0, 0))
    truth = world(body, floor(), profile="rest")
    at = truth.velocity_at(np.array([CUT]))[0, 0, 0]
    assert faults.slippery(truth, 0.0, RNG(0)).velocity[-1, 0, 0] == pytest.approx(at, abs=0.01)
    half = faults.slippery(truth, 0.5, RNG(0)).velocity_at(np.array([CUT + 0.2]))[0, 0, 0]
    assert at - half == pytest.approx(0.5 * 0.25 * 9.81 * 0.2, rel=0.1)


def test_what_rests_moves_off_and_what_moves_does_not_care(meeting) -> None:
    broken = faults.restless(meeting, 1.0, RNG(0))
    assert abs(broken.velocity_at(np.array([CUT + 0.25]))[0, 1, 0]) == pytest.approx(1.0, abs=1e-3)
    np.testing.assert_array_equal(
        broken.velocity[: round(0.75 * 240), 0], meeting.velocity[: round(0.75 * 240), 0]
    )


def test_what_stands_on_something_falls_and_what_stands_on_the_floor_does_not() -> None:
    half = (0.2, 0.2, 0.2)
    low = box("low", half=half, position=(0, 0, 0.2), hue="red")
    top = box("top", half=half, position=(0, 0, 0.6), hue="blue")
    truth = world(low, top, floor(), profile="rest")
    broken = faults.topple(truth, 1.5, RNG(0))
    assert broken.position[-1, 1, 2] < 0.35
    assert abs(broken.position[-1, 0, 0]) < 0.2
    alone = world(low, floor(), profile="rest")
    assert faults.topple(alone, 1.5, RNG(0)) is alone
    floating = world(top, gravity=0.0)
    assert faults.topple(floating, 1.5, RNG(0)) is floating


def test_what_is_struck_moves_so_much_later(meeting) -> None:
    broken = faults.late_reaction(meeting, 0.4, RNG(0))
    start, late = (np.flatnonzero(t.position[:, 1, 0] > 0.3 + 1e-6)[0] for t in (meeting, broken))
    assert (late - start) / 240 == pytest.approx(0.4, abs=0.01)
    np.testing.assert_array_equal(broken.position[:, 0], meeting.position[:, 0])


def test_futures_scatter_about_the_truth(meeting) -> None:
    alone = replace(meeting.scene, bodies=meeting.scene.bodies[:1])
    truth, rng = simulate(alone), RNG(0)
    ends = [x_at(faults.scattered(truth, 0.2, rng), 1.5) for _ in range(200)]
    assert np.mean(ends) == pytest.approx(x_at(truth, 1.5), abs=0.05)
    assert np.std(ends) == pytest.approx(0.2 * 1.0, rel=0.15)
