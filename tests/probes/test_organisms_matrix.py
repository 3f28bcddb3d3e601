"""Organisms through the real run: each costs its own probe, and a probe of another law does not mind."""

from pathlib import Path

import pytest

import wmeval
from wmeval.organisms import ORGANISMS
from wmeval.registry import entries, load_suite
from wmeval_probes.organisms import EXPECTED, OTHERS_ABOVE, OWN_BELOW

CASES = 6
ALWAYS = ("low-gravity", "no-collisions", "leaky-walls", "forgetful", "slow-motion", "teleporting")
EACH = [pytest.param(n, marks=() if n in ALWAYS else pytest.mark.slow) for n in ORGANISMS]
OTHERS = ("gravity", "bounce", "permanence", "friction", "continuity")  # quick ones, of different laws


def skill(name: str, probe: str, out: Path) -> float:
    run = wmeval.run(
        f"organism:{name}", "matrix", probes=[probe], limit=CASES, executor="inline", out=out / probe
    )
    (score,) = run.results["scores"]
    assert score["anchors"] == "stored"
    return float(score["skill"])


def test_everything_expected_is_there() -> None:
    assert set(EXPECTED) == set(ORGANISMS)
    for expected in EXPECTED.values():
        named = {*expected.own, *expected.lawful}
        assert named <= set(entries("probes"))
        assert named <= set(load_suite("matrix").probes)
        assert not set(expected.own) & set(expected.lawful)
        assert all(len(reason) > 10 for reason in expected.lawful.values())


@pytest.mark.parametrize("name", EACH)
def test_an_organism_fails_its_own_probe(name: str, tmp_path: Path) -> None:
    for probe in EXPECTED[name].own:
        assert skill(name, probe, tmp_path) < OWN_BELOW


@pytest.mark.parametrize("name", EACH)
def test_a_probe_of_another_law_does_not_mind(name: str, tmp_path: Path) -> None:
    expected = EXPECTED[name]
    unrelated = [p for p in OTHERS if p not in expected.own and p not in expected.lawful]
    if unrelated:  # a world without bodies leaves no law
        assert skill(name, unrelated[0], tmp_path) > OTHERS_ABOVE
