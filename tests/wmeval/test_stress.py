"""Stress: a disturbed truth raises no alarm, a disturbed violation does, and slight faults are told apart."""

import pytest

from wmeval.anchor import Anchor
from wmeval.calibration import calibration
from wmeval.camera import View
from wmeval.disturb import DISTURBANCES
from wmeval.registry import load_model
from wmeval.stress import slight, stress
from wmeval_probes.physics.gravity import PROBE


@pytest.fixture(scope="module")
def anchor() -> Anchor:
    return calibration(PROBE, "iid", View(), 20, 1, tested=1, cases=1).anchor


@pytest.fixture(scope="module")
def told(anchor):
    return stress(PROBE, anchor, 21, 2)


def test_every_disturbance_is_tried_at_every_strength(told) -> None:
    assert len(told["disturbed"]) == sum(len(d.strengths) for d in DISTURBANCES.values())
    weakest = {row["name"]: row for row in reversed(told["disturbed"])}
    assert all(row["false_alarms"] == 0.0 and row["auroc"] == 1.0 for row in weakest.values())


def test_gravity_sees_its_own_fault_and_not_another_law(told) -> None:
    assert told["cross"]["organism:low-gravity=0.75"] == 1.0
    assert told["cross"]["organism:leaky-walls"] == 0.0
    assert told["cross"]["organism:restless=0.3"] == 0.0


def test_every_slight_fault_can_be_run() -> None:
    assert all(load_model(name).card.name == name for name in slight())
