"""What is true of every built-in concept at every tag: the truth passes, and seeing nothing does not."""

import pytest

from wmeval.camera import View
from wmeval.check_cases import closely
from wmeval.registry import load_probe, load_suite
from wmeval.seeds import scene_rng

NAMES = load_suite("core").probes
TAGS = [(name, tag) for name in NAMES for tag in load_probe(name).tags]


@pytest.mark.parametrize(("name", "tag"), TAGS)
def test_the_truth_passes_and_blindness_does_not(name: str, tag: str) -> None:
    found = {f.name: f for f in closely(load_probe(name), tag, View(), 2)}
    if tag == "control":  # where the concept has nothing to do there may be nothing to violate
        found.pop("strength 0")
    assert not [f.sentence for f in found.values() if not f.ok]
    assert "nothing is given away" in found


@pytest.mark.parametrize("name", NAMES)
def test_a_concept_says_what_it_must_see_and_where_it_has_nothing_to_do(name: str) -> None:
    probe = load_probe(name)
    assert probe.must_see is not None
    assert min(probe.strengths) <= probe.must_see <= max(probe.strengths)
    assert {"iid", "control"} <= set(probe.tags)
    assert any(tag.startswith("ood-") for tag in probe.tags)
    assert probe.summary.endswith("?")
    case = probe.case(scene_rng("dev", probe.key, "iid", 0), "iid")
    assert all(s.cut_s >= s.needs_s > 0 for s in case.arms.values())
