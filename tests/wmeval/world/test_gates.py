"""Analytic gates: each engine profile against the formulas it must obey, with stated tolerances."""

import importlib

import numpy as np
import pytest
from scipy.special import ellipk

from wmeval.scene import Push, Scene, ball, box, cylinder, floor, ramp, side_camera
from wmeval.truth import Truth
from wmeval.world import resume, simulate

G = 9.81


def scene(*bodies, profile, seconds=1.0, **more):
    return Scene(bodies, side_camera(), seconds, 0.2, 0.2, profile, **more)


def apexes(z):
    inner = (z[1:-1] > z[:-2]) & (z[1:-1] >= z[2:])
    return z[1:-1][inner]


@pytest.mark.parametrize("profile", ["flight", "impact"])
@pytest.mark.parametrize("g", [0.0, 1.62, 9.81])
def test_free_flight_is_the_parabola_to_rounding(profile, g):
    truth = simulate(
        scene(
            ball("a", radius=0.2, position=(0, 0, 3), hue="red", velocity=(1.5, 0, 2.0)),
            profile=profile, gravity=g,
        )
    )  # fmt: skip
    t = truth.times
    assert np.abs(truth.position[:, 0, 2] - (3 + 2 * t - g * t**2 / 2)).max() < 1e-9
    assert np.abs(truth.position[:, 0, 0] - 1.5 * t).max() < 1e-9


@pytest.mark.parametrize("e", [0.5, 0.8, 0.9, 1.0])
def test_bounce_heights_follow_restitution(e):
    r, h = 0.2, 1.0
    truth = simulate(
        scene(
            floor(restitution=1.0),
            ball("a", radius=r, position=(0, 0, r + h), hue="red", restitution=e),
            profile="impact", seconds=2.0,
        )
    )  # fmt: skip
    first = apexes(truth.position[:, 0, 2])[0] - r
    assert first / h == pytest.approx(e**2, abs=0.006)  # 960 Hz: within half a percent of the drop


@pytest.mark.parametrize("e", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("ratio", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("speed", [0.5, 2.0, 6.0])
def test_head_on_collisions_keep_momentum_and_restitution(e, ratio, speed):
    m = 2.0
    truth = simulate(
        scene(
            ball("a", radius=0.2, position=(-0.7, 0, 2), hue="red", mass=m, velocity=(speed, 0, 0),
                 restitution=e, friction=0.0),
            ball("b", radius=0.2, position=(0, 0, 2), hue="blue", mass=m * ratio, restitution=1.0,
                 friction=0.0),
            profile="impact", gravity=0.0, seconds=1.5,
        )
    )  # fmt: skip
    a, b = truth.velocity[-1, :, 0]
    assert m * a + m * ratio * b == pytest.approx(m * speed, abs=1e-9)
    assert (b - a) / speed == pytest.approx(e, abs=0.002)


def test_oblique_elastic_hit_keeps_energy_and_goes_along_the_line_of_centres():
    offset = 0.2
    truth = simulate(
        scene(
            ball("a", radius=0.2, position=(-1, 0, 2 + offset), hue="red", mass=1, velocity=(2, 0, 0),
                 restitution=1.0, friction=0.0),
            ball("b", radius=0.2, position=(0, 0, 2), hue="blue", mass=1, restitution=1.0, friction=0.0),
            profile="impact", gravity=0.0,
        )
    )  # fmt: skip
    v = truth.velocity[-1]
    assert (v**2).sum() == pytest.approx(4.0, rel=0.003)
    angle = np.degrees(np.arctan2(-v[1, 2], v[1, 0]))
    assert angle == pytest.approx(np.degrees(np.arcsin(offset / 0.4)), abs=0.6)


@pytest.mark.parametrize("mu", [0.2, 0.35, 0.5])
def test_a_sliding_box_slows_by_mu_g_and_stops_where_it_must(mu):
    v0 = 2.0
    truth = simulate(
        scene(
            floor(friction=1.0),
            box("a", half=(0.3, 0.3, 0.12), position=(-1.5, 0, 0.12), hue="red", velocity=(v0, 0, 0),
                friction=mu),
            profile="rest", seconds=2.0,
        )
    )  # fmt: skip
    x = truth.position[:, 0, 0]
    sliding = truth.times < 0.8 * v0 / (mu * G)
    fit = np.polyfit(truth.times[sliding][5:], x[sliding][5:], 2)
    assert -2 * fit[0] == pytest.approx(mu * G, rel=0.003)
    assert x[-1] - x[0] == pytest.approx(v0**2 / (2 * mu * G), rel=0.01)


@pytest.mark.parametrize("slope", [10.0, 25.0])
# A cylinder touches along a line, and on shallow slopes its contact points take turns: 0.5 % there.
@pytest.mark.parametrize(("kind", "factor", "within"), [("ball", 5 / 7, 0.001), ("cylinder", 2 / 3, 0.006)])
def test_round_bodies_roll_down_a_ramp_at_their_share_of_g_sin(slope, kind, factor, within):
    angle, r, reach = np.deg2rad(slope), 0.2, 1.2
    up = np.array([-np.sin(angle), 0, np.cos(angle)])
    start = (r + 0.1) * up + reach * np.array([np.cos(angle), 0, np.sin(angle)])
    if kind == "ball":
        body = ball("a", radius=r, position=tuple(start), hue="red", friction=0.9)
    else:
        lying = (np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5))
        body = cylinder(
            "a", radius=r, half_height=0.2, position=tuple(start), hue="red", friction=0.9, orientation=lying
        )
    truth = simulate(
        scene(
            ramp("ramp", half=(3, 1, 0.1), position=(0, 0, 0), slope_deg=slope, friction=1.0),
            body, profile="rest", seconds=0.9,
        )
    )  # fmt: skip
    along = (truth.position[:, 0] - start) @ np.array([np.cos(angle), 0, np.sin(angle)])
    fit = np.polyfit(truth.times[24:], along[24:], 2)
    assert -2 * fit[0] == pytest.approx(factor * G * np.sin(angle), rel=within)


def test_sliding_turns_into_rolling_at_five_sevenths():
    truth = simulate(
        scene(
            floor(half=(20.0, 3.0, 0.5), friction=1.0),
            ball("a", radius=0.2, position=(0, 0, 0.2), hue="red", velocity=(2, 0, 0), friction=0.3),
            profile="rest", seconds=2.0,
        )
    )  # fmt: skip
    assert truth.velocity[-1, 0, 0] == pytest.approx(2 * 5 / 7, rel=1e-3)


def hanging(kind: str, swing_deg: float, *, length: float = 0.9, rate: float = 0.0, seconds: float = 6.0):
    """A body on a rod of a length, turned from the plumb by an angle; the pivot is at z = 3."""
    turn = np.deg2rad(swing_deg)
    at = (length * np.sin(turn), 0.0, 3 - length * np.cos(turn))
    along = (-np.cos(turn) * rate * -length, 0.0, np.sin(turn) * rate * length)
    more = {"position": at, "velocity": along, "hue": "red", "pivot": (0.0, 0.0, 3.0)}
    turned = (0.0, float(np.sin(-turn / 2)), 0.0, float(np.cos(turn / 2)))
    body = (
        ball("a", radius=0.25, **more)
        if kind == "ball"
        else box("a", half=(0.3, 0.25, 0.15), orientation=turned, **more)
        if kind == "box"
        else cylinder(
            "a", radius=0.3, half_height=0.2, orientation=(np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)), **more
        )
    )
    return scene(body, profile="joint", seconds=seconds)


def period(kind: str, swing_deg: float, length: float = 0.9) -> float:
    """The period [s] of a physical pendulum: 4 sqrt(I / m g l) K(sin^2(amplitude / 2))."""
    centre = {"ball": 0.4 * 0.25**2, "box": (0.3**2 + 0.15**2) / 3, "cylinder": 0.3**2 / 2}[kind]
    own = np.sqrt((length**2 + centre) / (G * length))
    return float(4 * own * ellipk(np.sin(np.deg2rad(swing_deg) / 2) ** 2))


@pytest.mark.parametrize("kind", ["ball", "box", "cylinder"])
@pytest.mark.parametrize("swing", [10.0, 45.0, 80.0])
def test_a_pendulum_keeps_its_period_its_amplitude_and_its_rod(kind, swing):
    truth = simulate(hanging(kind, swing))
    off = truth.position[:, 0] - np.array([0, 0, 3.0])
    assert np.abs(np.linalg.norm(off, axis=1) - 0.9).max() < 1e-6
    assert np.abs(off[:, 1]).max() < 1e-9
    x = off[:, 0]
    down = np.flatnonzero((x[:-1] > 0) & (x[1:] <= 0))
    crossings = (down + x[down] / (x[down] - x[down + 1])) / truth.clock_hz
    assert np.diff(crossings).mean() == pytest.approx(period(kind, swing), rel=1e-4)
    turn = np.arctan2(x, -off[:, 2])
    assert np.rad2deg(turn.max()) == pytest.approx(swing, rel=1e-4)
    assert np.rad2deg(turn[-600:].min()) == pytest.approx(-swing, rel=1e-3)


def test_a_body_on_a_rod_turns_with_it():
    truth = simulate(hanging("box", 30.0, seconds=1.0))
    off = truth.position[:, 0] - np.array([0, 0, 3.0])
    tilt = 2 * np.arctan2(truth.orientation[:, 0, 1], truth.orientation[:, 0, 3])
    assert tilt == pytest.approx(-np.arctan2(off[:, 0], -off[:, 2]), abs=1e-6)  # scenes are rounded
    assert truth.spin[1:, 0, 1] == pytest.approx(np.diff(tilt) * truth.clock_hz, abs=1e-6)


def test_a_pendulum_may_start_with_a_swing():
    truth = simulate(hanging("ball", 0.0, rate=2.0, seconds=3.0))
    own = (0.9**2 + 0.4 * 0.25**2) / (G * 0.9)
    turn = np.arctan2(truth.position[:, 0, 0], 3 - truth.position[:, 0, 2])
    highest = 2 * np.arcsin(2.0 * np.sqrt(own) / 2)  # all of its energy is height
    assert np.abs(turn).max() == pytest.approx(highest, rel=1e-4)


@pytest.mark.parametrize("at", [0.0, 0.4, 1.0])
def test_a_pendulum_goes_on_from_any_time_as_it_would_have(at):
    truth = simulate(hanging("ball", 40.0, seconds=2.0))
    again = resume(truth, at)
    assert np.abs(again.position - truth.position).max() < 1e-6
    tick = round(at * truth.clock_hz)
    slower = resume(
        truth, at, velocity={"a": truth.velocity[tick, 0] / 2}, gravity=G / 4
    )  # half as fast everywhere: the same swing, played slowly
    left = (len(truth.position) - 1 - tick) // 2 * 2
    slow, true = slower.position[tick : tick + left + 1], truth.position[tick : tick + left // 2 + 1]
    assert np.abs(slow[::2] - true).max() < 5e-3


def test_a_pivot_asks_for_its_profile():
    from dataclasses import replace

    with pytest.raises(ValueError, match="profile='joint'"):
        simulate(replace(hanging("ball", 10.0), profile="rest"))


def test_a_tower_stands_still():
    bricks = [
        box(f"b{i}", half=(0.2, 0.2, 0.2), position=(0, 0, 0.2 + 0.4 * i), hue=60.0 * i)
        for i in range(5)
    ]  # fmt: skip
    truth = simulate(scene(floor(friction=1.0), *bricks, profile="rest", seconds=5.0))
    assert np.abs(truth.position[-1] - truth.position[0])[:, :2].max() < 1e-3
    assert np.abs(truth.position[-1] - truth.position[0])[:, 2].max() < 2e-3
    assert (truth.velocity[-1] ** 2).sum() < 1e-6


def test_overhang_tips_where_the_centre_of_mass_leaves_the_edge():
    def moved(share):
        x = 0.3 + 0.6 * (share - 0.5)
        truth = simulate(
            scene(
                box("base", half=(0.3, 0.3, 0.3), position=(0, 0, 0.3), hue="red", mass=1e4, friction=0.9),
                box("top", half=(0.3, 0.3, 0.1), position=(x, 0, 0.7), hue="blue", friction=0.9),
                floor(friction=1.0), profile="rest", seconds=2.0,
            )
        )  # fmt: skip
        return float(np.abs(truth.position[-1, 1] - truth.position[0, 1]).max())

    assert moved(0.45) < 5e-3
    assert moved(0.55) > 0.1


def test_impulse_and_force_change_momentum_by_what_they_say():
    a = ball("a", radius=0.2, position=(-1, 0, 2), hue="red", mass=2.0)
    pushes = (
        Push("a", 0.25, 0.25, impulse=(3.0, 0, 0)),
        Push("a", 0.5, 0.75, force=(8.0, 0, 4.0)),
    )
    truth = simulate(scene(a, profile="flight", gravity=0.0, pushes=pushes, actuated="a"))
    assert truth.velocity[-1, 0] == pytest.approx([1.5 + 8 * 0.25 / 2, 0, 4 * 0.25 / 2], abs=1e-9)


def test_contacts_carry_the_impulse_that_turns_a_body_round():
    truth = simulate(
        scene(
            floor(restitution=1.0),
            ball("a", radius=0.2, position=(0, 0, 1.2), hue="red", mass=2.0, restitution=1.0),
            profile="impact", seconds=0.7,
        )
    )  # fmt: skip
    total = truth.contacts.impulse.sum()
    assert total == pytest.approx(2 * 2.0 * np.sqrt(2 * G * 1.0), rel=0.01)
    assert truth.realised["floor|a.restitution"] == 1.0


def test_scenes_without_a_formula_converge_when_the_clock_is_doubled(monkeypatch):
    """Five dominoes: where no formula exists, a finer clock must tell the same story."""
    bullet, engine = (importlib.import_module(f"wmeval.world.{m}") for m in ("bullet", "simulate"))

    bricks = [
        box(f"b{i}", half=(0.04, 0.15, 0.3), position=(-0.8 + 0.3 * i, 0, 0.3), hue=60.0 * i, friction=0.5)
        for i in range(5)
    ]  # fmt: skip
    pusher = Push("b0", 0.1, 0.15, force=(bricks[0].mass * 20, 0, 0))
    asked = scene(floor(friction=1.0), *bricks, profile="rest", seconds=1.5, pushes=(pusher,), actuated="b0")

    def fall_times(truth: Truth):
        tilt = np.abs(truth.orientation[:, :, 1])
        return (tilt > 0.2).argmax(0) / truth.clock_hz

    coarse = fall_times(simulate(asked))
    finer = dict(bullet.PROFILES)
    finer["rest"] = bullet.Settings(960, finer["rest"].engine, finer["rest"].body)
    monkeypatch.setattr(engine, "PROFILES", finer)
    monkeypatch.setattr(bullet, "PROFILES", finer)
    fine = fall_times(simulate(asked))
    assert (np.diff(coarse) > 0).all()
    assert np.abs(coarse - fine).max() < 0.02
