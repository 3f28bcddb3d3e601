"""Support: what the centre of mass decides, when a fall begins, worlds in which all stands or all falls."""

import importlib
from dataclasses import replace

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.check import as_truth
from wmeval.scene import Case
from wmeval.seeds import scene_rng
from wmeval.truth import Truth
from wmeval.world import exact_tracks, render, resume, simulate
from wmeval_probes.physics.stacks import RELEASE_S, G
from wmeval_probes.physics.support import GONE, MOVED_M, OFF_S, PROBE, begins, moved

VIEW = View()


def drawn(index: int, tag: str = "iid") -> Case:
    return PROBE.case(scene_rng("dev", PROBE.key, tag, index), tag)


def truths_of(case: Case) -> dict[str, Truth]:
    return {arm: simulate(scene) for arm, scene in case.arms.items()}


def seen(truths) -> dict:
    return {arm: exact_tracks(t, VIEW) for arm, t in truths.items()}


@pytest.fixture(scope="module")
def truths() -> dict[str, Truth]:
    return truths_of(drawn(0))


def tilt(truth: Truth, slot: int = 0) -> np.ndarray:
    return 2 * np.arctan2(truth.orientation[:, slot, 1], truth.orientation[:, slot, 3])


@pytest.mark.parametrize("tag", PROBE.tags)
def test_one_arm_stands_the_other_falls_and_nothing_tells_before(tag: str) -> None:
    for i in range(8):
        case = drawn(i, tag)
        truths = truths_of(case)
        release = round(RELEASE_S * 240)
        for truth in truths.values():
            assert np.abs(truth.position[:release] - truth.position[0]).max() < 2e-3
            assert truth.scene.duration_s - truth.scene.cut_s <= PROBE.horizon_s + 1e-9
        assert np.abs(truths["stands"].position - truths["stands"].position[0]).max() < 5e-3
        if tag == "control":
            assert list(truths) == ["stands"]
            continue
        tracks = exact_tracks(truths["falls"], VIEW)
        when = [begins(tracks.times, far) for far in moved(tracks, truths["falls"].scene).T]
        fallen = [t for t in when if t is not None]
        assert fallen
        assert max(fallen) < truths["falls"].scene.duration_s - 0.25
        assert min(fallen) > truths["falls"].scene.cut_s + 0.05
        assert [b.size for b in case.arms["stands"].moving] == [b.size for b in case.arms["falls"].moving]
        verdict = PROBE.judge(seen(truths), truths)
        assert verdict.error < 0.02
        assert verdict.event == 1.0


def test_the_centre_of_mass_decides_also_against_half_of_the_area() -> None:
    against = 0
    for i in range(40):
        for arm, scene in drawn(i).arms.items():
            if "pillar" not in [b.name for b in scene.bodies] or len(scene.moving) != 2:
                continue
            pillar, (slab, block) = scene["pillar"], scene.moving
            side = np.sign(slab.position[0] - pillar.position[0])
            edge = side * pillar.position[0] + pillar.size[0]
            weights = [b.size[0] * b.size[2] for b in (slab, block)]
            com = np.average([side * b.position[0] for b in (slab, block)], weights=weights)
            assert (com > edge) == (arm == "falls")
            assert abs(com - edge) > 0.05 * 2 * slab.size[0]
            against += (side * slab.position[0] > edge) != (arm == "falls")
    assert against >= 6


def test_a_slab_begins_to_fall_as_its_moment_over_the_edge_says() -> None:
    """About the edge: angular acceleration = g d / (k^2 + d^2 + h^2), the same about every body axis."""
    tested = 0
    for i in range(30):
        scene = drawn(i).arms["falls"]
        if len(scene.moving) != 1:
            continue
        truth, slab, pillar = simulate(scene), scene.moving[0], scene["pillar"]
        side = np.sign(slab.position[0] - pillar.position[0])
        d = side * (slab.position[0] - pillar.position[0]) - pillar.size[0]
        h = slab.size[2]
        own = (slab.size[0] ** 2 + h**2) / 3
        t = truth.times[truth.times > RELEASE_S][:24] - RELEASE_S + 1 / 480
        turned = np.abs(tilt(truth))[truth.times > RELEASE_S][:24]
        assert turned == pytest.approx(G * d / (own + d**2 + h**2) * t**2 / 2, abs=6e-3)
        tested += 1
    assert tested >= 4


def test_falls_converge_when_the_clock_is_doubled(monkeypatch) -> None:
    scenes = [drawn(i).arms["falls"] for i in range(6)]

    def fall_times() -> list[float]:
        out = []
        for scene in scenes:
            tracks = exact_tracks(simulate(scene), VIEW, np.arange(100) / 60)
            out += [t for far in moved(tracks, scene).T if (t := begins(tracks.times, far)) is not None]
        return out

    coarse = fall_times()
    bullet, engine = (importlib.import_module(f"wmeval.world.{m}") for m in ("bullet", "simulate"))
    finer = dict(bullet.PROFILES)
    finer["rest"] = bullet.Settings(480, finer["rest"].engine, finer["rest"].body)
    monkeypatch.setattr(engine, "PROFILES", finer)
    monkeypatch.setattr(bullet, "PROFILES", finer)
    fine = fall_times()
    assert len(coarse) == len(fine)
    assert np.abs(np.array(coarse) - fine).max() < 0.02


def test_all_stands_and_all_falls_are_both_wrong(truths) -> None:
    stands, falls = truths["stands"], truths["falls"]

    def told(one: Truth, other: Truth):
        return PROBE.judge(seen({"stands": one, "falls": other}), truths)

    first = np.zeros(len(falls.position), int)
    still = replace(falls, position=falls.position[first], orientation=falls.orientation[first])
    assert told(stands, still).error == 1.0
    assert told(stands, still).arm == "falls"
    names = stands.scene.names
    pushed = resume(stands, 0.6, velocity=dict.fromkeys(names, (2.5, 0.0, 0.0)))
    assert told(pushed, falls).error == 1.0
    assert told(pushed, falls).arm == "stands"


def test_the_other_side_is_the_wrong_way(truths) -> None:
    falls = truths["falls"]
    mirrored = falls.position.copy()
    mirrored[..., 0] = 2 * falls.position[0, :, 0] - falls.position[..., 0]
    turned = falls.orientation * np.array([1.0, -1.0, 1.0, 1.0])
    wrong = replace(falls, position=mirrored, orientation=turned)
    told = PROBE.measure(seen({**truths, "falls": wrong}), truths)["falls"]
    assert told.error == 1.0


def test_what_moves_a_known_way_costs_its_share(truths) -> None:
    stands = truths["stands"]
    off = stands.position.copy()
    off[round(0.7 * 240) :, 0, 0] += GONE * MOVED_M / 2
    told = PROBE.measure(seen({**truths, "stands": replace(stands, position=off)}), truths)["stands"]
    assert told.error == pytest.approx((GONE / 2 - 0.4) / (GONE - 0.4), abs=0.01)


def test_a_body_that_is_lost_is_the_worst(truths) -> None:
    tracks = seen(truths)
    gone = resume(truths["stands"], 0.5, remove=(truths["stands"].scene.names[0],))
    tracks["stands"] = exact_tracks(gone, VIEW)
    assert PROBE.judge(tracks, truths).error == PROBE.worst


@pytest.mark.parametrize("strength", PROBE.strengths)
def test_violation_delays_the_fall_by_the_stated_time(strength: float) -> None:
    for i in range(4):
        truths = truths_of(drawn(i))
        broken = PROBE.violate(truths, strength, np.random.default_rng(0))
        assert broken["stands"] is truths["stands"]
        told = PROBE.measure(seen(broken), truths)["falls"]
        assert told.error == pytest.approx(min(strength / OFF_S, 1.0), abs=0.03)
        if strength < 0.5:
            assert told.implied["falls late by s"][0] == pytest.approx(strength, abs=0.015)


def test_futures_of_the_context_all_pass() -> None:
    for i in range(2):
        truths = {arm: simulate(scene, futures=4) for arm, scene in drawn(i).arms.items()}
        for k in range(4):
            lawful = {arm: as_truth(t, t.futures[k]) for arm, t in truths.items()}
            assert PROBE.judge(seen(lawful), truths).error < 0.2


def test_twins_are_the_same_while_the_post_is_hidden() -> None:
    assert PROBE.twin is not None
    for i in range(6):
        twin = PROBE.twin(scene_rng("dev", PROBE.key, "twin", i), "iid")
        one, two = (simulate(s) for s in (twin.one, twin.two))
        a, b = (render(t, VIEW).frames.astype(int) for t in (one, two))
        at = int(twin.splice_s * 10 + 1e-6)
        assert np.array_equal(a[at - 1 : at + 2], b[at - 1 : at + 2])
        apart = np.abs(a - b).max((1, 2, 3)) > 40
        assert apart[:5].all()  # the post is shown
        assert apart[-4:].all()
        assert np.abs(tilt(one)).max() < 0.01
        assert np.abs(tilt(two)).max() > 0.5
