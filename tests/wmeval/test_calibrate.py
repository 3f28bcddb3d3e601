"""Calibration: what rows of errors add up to, and which anchor a run is given."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from wmeval import calibrate as disk
from wmeval import calibration
from wmeval.anchor import Anchor
from wmeval.calibration import Calibration, Grade, Job, auroc, run_jobs, summed
from wmeval.calibration import calibration as calibrated
from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.registry import load_probe, load_suite
from wmeval.suite import Suite
from wmeval_probes.physics.gravity import PROBE

ROWS = 40


def rows(rng: np.random.Generator, n: int, *, oracle: float = 0.1, strengths: bool = False) -> list:
    made = []
    for _ in range(n):
        row = {name: (1.0, 1.0, 1.0) for name in calibration.REFERENCE_ROWS}
        row["oracle"] = (float(rng.uniform(0, oracle)), 1.0, 1.0)
        row["freeze"] = (float(rng.uniform(0.8, 1.0)), 0.0, 1.0)
        if strengths:
            row |= {f"{s:g}": (float(s * rng.uniform(0.5, 1.5)), 1.0, 1.0) for s in PROBE.strengths}
        made.append(row)
    return made


def test_null_ceiling_and_curve_are_what_numpy_and_scipy_say() -> None:
    rng = np.random.default_rng(0)
    scenes, graded, evaluated = rows(rng, ROWS), rows(rng, ROWS, strengths=True), rows(rng, 16)
    told = summed(PROBE, "iid", View(), scenes, graded, evaluated)
    assert told.anchor.null == pytest.approx(np.mean([r["freeze"][0] for r in scenes]))
    assert told.anchor.ceiling == pytest.approx(np.quantile([r["oracle"][0] for r in scenes], 0.95))
    clean = [r["oracle"][0] for r in (*scenes, *graded)]
    errors = [r["oracle"][0] for r in scenes]
    threshold = np.quantile(errors, 0.975)
    assert told.anchor.alarm_above == pytest.approx(threshold)
    assert told.anchor.false_alarms == calibration.crossed(np.array(errors))
    for grade in told.curve:
        broken = [r[f"{grade.strength:g}"][0] for r in graded]
        u = mannwhitneyu(broken, clean).statistic
        assert grade.auroc == pytest.approx(u / len(broken) / len(clean))
        assert grade.detected == pytest.approx(np.mean(np.array(broken) > threshold))
    seen = [g.strength for g in told.curve if g.detected >= 0.8]
    assert told.anchor.detectable == min(seen)
    assert told.anchor.rows["oracle"]["skill"] > 0.9
    assert told.anchor.rows["vanish"]["skill"] == 0.0
    assert told.anchor.rows["oracle"]["n"] == 16


def test_clean_truths_raise_a_false_alarm_as_often_as_the_threshold_says() -> None:
    rng = np.random.default_rng(0)
    shares = [calibration.crossed(rng.normal(size=1000)) for _ in range(40)]
    assert np.mean(shares) == pytest.approx(1 - calibration.QUIET, abs=0.005)
    assert max(shares) <= 0.05


def test_what_no_strength_shows_is_not_detectable() -> None:
    rng = np.random.default_rng(0)
    graded = [{**r, **{f"{s:g}": (0.0, 1.0, 1.0) for s in PROBE.strengths}} for r in rows(rng, ROWS)]
    assert summed(PROBE, "iid", View(), rows(rng, ROWS), graded, []).anchor.detectable is None


def test_ties_count_one_half() -> None:
    assert auroc([1.0, 1.0], [1.0, 1.0]) == 0.5
    assert auroc([2.0], [1.0]) == 1.0


def test_development_scenes_are_used_once_and_are_no_evaluation_scenes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Job] = []

    def listen(probe: object, jobs: list[Job], workers: int) -> list:
        asked.extend(jobs)
        return rows(np.random.default_rng(0), len(jobs), strengths=True)

    monkeypatch.setattr(calibration, "run_jobs", listen)
    calibrated(PROBE, "iid", View(), 40, cases=16)
    dev = [j.index for j in asked if j.split == "dev"]
    assert dev == list(range(60))
    assert [j.index for j in asked if j.split == "eval"] == list(range(16))
    assert all(bool(j.strengths) == (j.split == "dev" and j.index >= 40) for j in asked)


def test_questions_that_cannot_be_asked() -> None:
    with pytest.raises(UsageError, match="its tags are iid"):
        calibrated(PROBE, "ood-colour", View(), 100)
    with pytest.raises(UsageError, match="--n 100"):
        calibrated(PROBE, "iid", View(), 5)


def store(folder: Path, anchor: Anchor) -> Suite:
    made = Calibration(
        anchor, (Grade(0.5, 1.0, 1.0, 0.5),), 20, {"median": 0.0, "p90": 0.0, "p95": 0.0, "worst": 0}
    )
    text = json.dumps({"schema": 1, "suite": "mine@1", "calibrations": [made.to_json()]})
    (folder / disk.view_file(anchor.view)).write_text(text)
    return Suite("mine", "1", ("gravity",), (), 16, anchors=folder)


def test_a_stored_anchor_is_for_one_version_tag_and_view(tmp_path: Path) -> None:
    anchor = Anchor(PROBE.key, "iid", View(), 1.0, 0.02, 1000, 0.1, 0.05, {"oracle": {"skill": 1.0}})
    suite = store(tmp_path, anchor)
    assert disk.stored_anchor(suite, PROBE, "iid", View()) == replace(anchor, source="stored")
    assert disk.find_anchor(suite, PROBE, "iid", View()).source == "stored"
    assert disk.stored_anchor(suite, PROBE, "ood-size", View()) is None
    assert disk.stored_anchor(suite, replace(PROBE, version="0.2"), "iid", View()) is None
    assert disk.stored_anchor(suite, PROBE, "iid", View(fps=12)) is None
    assert disk.stored_anchor(suite, PROBE, "iid", View(supersample=1)) is None
    assert disk.stored_anchor(replace(suite, anchors=None), PROBE, "iid", View()) is None


def test_a_local_anchor_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WMEVAL_CACHE", str(tmp_path))
    calls = []

    def make(probe: object, tag: str, view: View, n: int, *args: object, **more: object) -> Calibration:
        calls.append(n)
        return Calibration(Anchor(PROBE.key, tag, view, 1.0, 0.1, n), (), 0, {})

    monkeypatch.setattr(disk, "calibration", make)
    suite = Suite("mine", "1", ("gravity",), (), 16)
    one = disk.find_anchor(suite, PROBE, "iid", View())
    assert one.source == "local"
    assert disk.find_anchor(suite, PROBE, "iid", View()) == one
    assert calls == [100]
    next(tmp_path.rglob("*.json")).write_text("{broken")
    assert disk.find_anchor(suite, PROBE, "iid", View()) == one
    assert disk.find_anchor(suite, PROBE, "iid", View(fps=5)) != one
    assert calls == [100] * 3


def test_calibrate_writes_json_and_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(probe: object, tag: str, view: View, n: int, *args: object, **more: object) -> Calibration:
        made = rows(np.random.default_rng(0), n, strengths=True)
        return summed(PROBE, tag, view, made, made, made[:16])

    monkeypatch.setattr(disk, "calibration", make)
    suite = load_suite("quick")
    path = disk.calibrate(suite, tmp_path, 40, 1, probes=("gravity",), stressed=0)
    again = disk.calibrate(suite, tmp_path, 40, 1, probes=("gravity",), stressed=0)
    assert path == again == tmp_path / "64x64-10fps.json"
    data = json.loads(path.read_text())
    assert data["suite"] == suite.key
    assert [c["anchor"]["probe"] for c in data["calibrations"]] == ["gravity@0.1"]
    assert data["calibrations"][0]["anchor"]["source"] == "stored"
    page = path.with_suffix(".md").read_text()
    assert "| oracle |" in page
    assert "gravity@0.1, iid, 64 px" in page


def test_shipped_anchors_fit_the_shipped_suite() -> None:
    suite = load_suite("quick")
    for name in suite.probes:
        probe = load_probe(name)
        for tag in suite.tags:
            anchor = disk.stored_anchor(suite, probe, tag, View())
            assert anchor is not None, f"no stored anchor for {probe.key} {tag}: run `wmeval calibrate`"
            assert anchor.ceiling <= anchor.null / 5
            assert anchor.detectable is not None
            assert anchor.rows["oracle"]["skill"] >= 0.95
            for lazy in ("freeze", "vanish", "blur", "noise"):
                assert anchor.rows[lazy]["skill"] <= 0.05
            assert anchor.rows["oracle"]["n"] >= suite.cases


@pytest.mark.slow
def test_processes_find_what_this_process_finds() -> None:
    jobs = [Job("dev", "iid", i, View(), ("oracle", "noise"), (0.5,)) for i in range(3)]
    assert list(run_jobs(PROBE, jobs, 2)) == list(run_jobs(PROBE, jobs, 1))
