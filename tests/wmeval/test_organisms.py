"""Organisms are asked like models, by name and strength, and show their fault in pictures."""

import numpy as np
import pytest

from wmeval import View, registry
from wmeval.errors import UsageError
from wmeval.organisms import ORGANISMS, organism
from wmeval.references import REFERENCES
from wmeval.scene import Scene, ball, floor, side_camera
from wmeval.world import observe, simulate

VIEW, AHEAD = View(), 8


@pytest.fixture(scope="module")
def truth():
    bodies = (
        ball("a", radius=0.3, position=(-1.5, 0, 0.3), hue="red", velocity=(1.5, 0, 0), friction=0.0),
        ball("b", radius=0.3, position=(0.6, 0, 0.3), hue="blue", friction=0.0),
        floor(friction=0.0),
    )
    return simulate(Scene(bodies, side_camera(), 1.5, 0.5, 0.3, "impact"))


def frames(reference, truth):
    context = observe(truth, VIEW).frames
    return reference.predict(truth, VIEW, context, AHEAD, np.random.default_rng(0)).frames


def test_every_organism_is_listed_and_every_listed_one_is_there() -> None:
    assert tuple(f"organism:{name}" for name in ORGANISMS) == registry.ORGANISM_NAMES
    listed = {row["name"] for row in registry.listing("models")["models"]}
    assert set(registry.ORGANISM_NAMES) <= listed


@pytest.mark.parametrize("name", ORGANISMS)
def test_an_organism_is_a_reference_with_pictures(name, truth) -> None:
    made = registry.load_model(f"organism:{name}")
    assert made.card.reference
    assert made.card.name == f"organism:{name}"
    got = frames(made, truth)
    assert (got.shape, got.dtype) == ((AHEAD, 64, 64, 3), np.uint8)


def test_a_strength_that_is_no_fault_is_the_truth(truth) -> None:
    true = frames(REFERENCES["oracle"], truth)
    for name in ("low-gravity=1", "slow-motion=1", "ignores-actions=1", "hue-drift=0", "late-reaction=0"):
        np.testing.assert_array_equal(frames(organism(f"organism:{name}"), truth), true)


def test_a_stronger_fault_is_farther_from_the_truth(truth) -> None:
    true = frames(REFERENCES["oracle"], truth).astype(float)
    off = [
        np.abs(frames(organism(f"organism:slow-motion={rate}"), truth) - true).mean()
        for rate in (0.9, 0.6, 0.2)
    ]
    assert off[0] < off[1] < off[2]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("organism:low-gravty", "did you mean 'organism:low-gravity'"),
        ("organism:low-gravity=weak", "expected a number"),
        ("organism:low-gravity=nan", "expected a number"),
        ("organism:leaky-walls=0.5", "has no strengths"),
    ],
)
def test_mistakes_are_sentences(name, says) -> None:
    with pytest.raises(UsageError, match=says):
        registry.load_model(name)
