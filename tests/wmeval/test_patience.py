"""A draw that never ends is a sentence that names the function and its line."""

import signal
from dataclasses import replace

import numpy as np
import pytest

from wmeval import promises
from wmeval.errors import ProbeFault
from wmeval.patience import Endless, patient
from wmeval.registry import load_probe, load_suite
from wmeval.twins import question


def endless(rng, tag):
    while True:
        rng.random()


def test_what_never_ends_is_interrupted_and_nothing_stays_armed():
    with pytest.raises(Endless, match="still computing after"), patient(0.05):
        endless(np.random.default_rng(0), "iid")
    assert signal.getitimer(signal.ITIMER_VIRTUAL)[0] == 0
    with patient(0.05):
        pass
    sum(range(3_000_000))  # longer than the limit, after it


def test_a_probe_whose_draw_rejects_everything_is_told_by_its_line(monkeypatch):
    monkeypatch.setattr("wmeval.promises.patient", lambda: patient(0.05))
    probe = replace(load_probe("gravity"), case=endless)
    with pytest.raises(
        ProbeFault, match=r"test_patience.py:\d+, `case`: it was still computing after 0.05 s"
    ):
        promises.call(probe, "case", np.random.default_rng(0), "iid")


@pytest.mark.parametrize("name", load_suite("core").probes)
def test_every_probe_draws_a_surprise_question_for_every_tag_of_core(name):
    probe = load_probe(name)
    for tag in load_suite("core").tags:
        if tag in probe.tags:
            asked = question(probe, tag, 0)
            assert (asked.twin is None) == (asked.case is not None)


def test_a_tag_without_a_twin_is_asked_by_pairs():
    probe = load_probe("causality")
    assert question(probe, "iid", 0).matching == "matched"
    assert question(probe, "ood-speed", 0).matching == "pairs"
