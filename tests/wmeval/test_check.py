"""The check of probes: ours pass, and each fault that a probe can have is refused with its sentence."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from wmeval import check, check_cases
from wmeval.calibration import Job
from wmeval.camera import View
from wmeval.check import check_probe
from wmeval.errors import ProbeFault, UsageError
from wmeval.probe import Measurement, Probe, Twin
from wmeval.registry import load_probe
from wmeval.scene import Scene, ball, side_camera
from wmeval_probes.physics.gravity import PROBE

Errors = dict[str, float]
SPENT = ("simulate", "draw", "perceive and measure", "frames")


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[Errors], None]:
    """Let the instrument answer with given mean errors, so that only the judgement is tested."""

    def answer(errors: Errors) -> None:
        def rows(probe: Probe, jobs: list[Job], workers: int) -> list[dict]:
            rng = np.random.default_rng(0)
            base = {
                "oracle": 0.01,
                **dict.fromkeys(check.LAZY, 1.0),
                **{f"{s:g}": s for s in probe.strengths},
            }
            told = base | {k: v for k, v in errors.items() if k not in ("others", "control")}
            made = []
            for job in jobs:
                group = "control" if job.tag == "control" else "others" if job.index >= 20 else "oracle"
                here = told | {"oracle": errors.get(group, told["oracle"])}
                made.append({k: (v * rng.uniform(0.9, 1.0), 1.0, 1.0) for k, v in here.items()})
            return made

        monkeypatch.setattr(check, "run_jobs", rows)
        monkeypatch.setattr(check_cases, "CLOSE", 3)
        monkeypatch.setattr(check, "FUTURES", 4)
        monkeypatch.setattr(check, "_seconds", lambda *_: dict.fromkeys(SPENT, 0.01))

    return answer


def wrong(findings: check.Findings) -> list[str]:
    return [f.name for f in findings.findings if not f.ok]


def test_a_good_probe_passes(answering: Callable[[Errors], None]) -> None:
    answering({})
    found = check_probe(PROBE, 20)
    assert found.ok, found.verdict
    assert "passes all" in found.verdict
    assert found.calibration is not None


@pytest.mark.parametrize(
    ("errors", "name", "mends"),
    [
        ({"vanish": 0.5}, "vanish", "let `event` ask"),
        ({"blur": 0.9}, "blur", "may have 0.05 at most"),
        ({"oracle": 0.4}, "ceiling", "a fifth of the null"),
        ({f"{s:g}": 0.0 for s in PROBE.strengths}, "violations are seen", "make `violate` stronger"),
        ({"0.25": 0.01}, "what must be seen", "choose scenes in which it shows more"),
        ({"0.5": 0.0}, "stronger is seen more", "more is seen less: 1.00 at 0.05 and 0.00 at 0.5"),
        ({"others": 0.03}, "false alarms", "10 of 10 clean truths raise an alarm"),
        ({"control": 0.9}, "control scenes", "nothing is wrong in them, so let `measure` say so"),
    ],
)
def test_what_the_instrument_cannot_tell_apart_is_refused(
    answering: Callable[[Errors], None], errors: Errors, name: str, mends: str
) -> None:
    answering(errors)
    found = check_probe(PROBE, 20)
    assert wrong(found) == [name] or wrong(found)[0] == name
    assert mends in found.verdict
    assert "is refused" in found.verdict


def test_a_case_from_elsewhere_is_refused(answering: Callable[[Errors], None]) -> None:
    answering({})
    ticks = count()
    fickle = replace(PROBE, case=lambda rng, tag: PROBE.case(np.random.default_rng(next(ticks)), tag))
    assert "nothing else" in check_probe(fickle, 20).verdict
    constant = replace(PROBE, case=lambda rng, tag: PROBE.case(np.random.default_rng(0), tag))
    assert "draw the parameters from `rng`" in check_probe(constant, 20).verdict
    assert (
        "pass `tag` on"
        in check_probe(replace(PROBE, case=lambda rng, tag: PROBE.case(rng, "ood-size")), 20).verdict
    )
    assert "horizon_s at least as long" in check_probe(replace(PROBE, horizon_s=0.5), 20).verdict


def test_a_truth_that_fails_its_own_probe_is_refused(answering: Callable[[Errors], None]) -> None:
    answering({})
    absent = replace(PROBE, event=lambda tracks, truth: 0.6)
    assert "`event` says 0.600 of a truth" in check_probe(absent, 20).verdict
    harsh = replace(PROBE, measure=lambda tracks, truth: Measurement(0.7))
    assert "gives the truth itself an error of 0.7" in check_probe(harsh, 20).verdict
    negative = replace(PROBE, measure=lambda tracks, truth: Measurement(-0.1))
    assert "expected a number >= 0" in check_probe(negative, 20).verdict
    undefined = replace(PROBE, measure=lambda tracks, truth: Measurement(float("nan")))
    assert "expected a number >= 0" in check_probe(undefined, 20).verdict


def test_strength_0_must_be_the_truth(answering: Callable[[Errors], None]) -> None:
    answering({})
    edits = replace(PROBE, violate=lambda truth, strength, rng: PROBE.violate(truth, strength + 0.2, rng))
    assert "return it as it is" in check_probe(edits, 20).verdict


def test_grading_what_the_context_leaves_open_is_refused(answering: Callable[[Errors], None]) -> None:
    """Start places differ by a centimetre between futures: a measure of millimetres grades the unknowable."""
    answering({})

    def measure(tracks, truth):
        true = truth.poses_at(tracks.times)[0]
        return Measurement(float(np.nanmax(np.abs(tracks.position - true)) / 0.01))

    found = check_probe(replace(PROBE, measure=measure), 20)
    assert wrong(found) == ["what the context leaves open"]
    assert "or do not grade it" in found.verdict


def test_few_alarms_are_chance_and_many_are_not() -> None:
    clean = np.linspace(0, 1, 20)
    assert check._alarms("false alarms", "clean truths", clean, 0.85).ok  # 3 of 20
    assert not check._alarms("false alarms", "clean truths", clean, 0.70).ok  # 6 of 20
    assert not check._alarms("false alarms", "clean truths", np.linspace(0, 1, 1000), 0.9).ok


def test_twins_are_made_and_one_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_cases, "CLOSE", 2)

    def scene(velocity: float) -> Scene:
        body = ball("a", radius=0.3, position=(0.0, 0.0, 1.0), hue="red", velocity=(velocity, 0.0, 0.0))
        return Scene((body,), side_camera(), 1.0, 0.4, 0.4, "flight", gravity=0.0)

    def twin(rng: np.random.Generator, tag: str) -> Twin:
        return Twin("reversal", scene(1.0 + rng.random()), scene(1.0), 0.5, (0.3, 0.9))

    ok, says = check._twins(replace(PROBE, twin=twin), "iid", View())
    assert ok
    assert "2 twins (reversal) are exact" in says

    def apart(rng: np.random.Generator, tag: str) -> Twin:
        return Twin("swap", scene(1.0 + rng.random()), scene(-1.0), 0.5, (0.6, 0.9))

    with pytest.raises(ProbeFault, match=r"`twin` on twin 0 \(dev, iid\): at the splice .* pixels differ"):
        check._twins(replace(PROBE, twin=apart), "iid", View())


def test_a_fault_comes_back_whole_from_another_process() -> None:
    told = ProbeFault("mine.py:3", "measure", "returned None").on("case 2 (dev, iid)")
    assert str(pickle.loads(pickle.dumps(told))) == str(told)


def test_too_few_scenes() -> None:
    with pytest.raises(UsageError, match="--n 40"):
        check_probe(PROBE, 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["permanence", "interpenetration", "gravity"])
def test_ours_pass(name: str) -> None:
    found = check_probe(load_probe(name), 40)
    assert found.ok, found.verdict
