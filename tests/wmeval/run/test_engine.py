import json

import numpy as np
import pytest

from wmeval import Run, run
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.run import exit_code, score, summary

pytestmark = pytest.mark.usefixtures("anchored")


@pytest.fixture
def ask(kit):
    def go(out, model=None, **asked):
        asked = {"suite": str(kit / "mini.py"), "executor": "inline", **asked}
        return run(model or str(kit / "mimic.py"), out=out, **asked)

    return go


def test_the_oracle_is_right_and_freeze_is_not(ask, tmp_path):
    oracle, freeze = ask(tmp_path / "o", "oracle"), ask(tmp_path / "f", "freeze")
    (right,), (wrong,) = oracle.results["scores"], freeze.results["scores"]
    assert right["error"] < 0.02 < 0.2 < wrong["error"]
    assert right["found"] == wrong["found"] == 1.0
    assert (right["n"], right["failed"], right["lo"], right["skill"]) == (6, 0, None, 1.0)
    assert "n = 6" in right["reason"]
    assert oracle.results["complete"]
    assert exit_code(oracle) == 0


def test_a_model_that_shows_the_last_frame_scores_as_freeze(ask, tmp_path):
    mimic, freeze = ask(tmp_path / "m"), ask(tmp_path / "f", "freeze")
    assert mimic.results["scores"][0]["error"] == freeze.results["scores"][0]["error"]


def test_records_frame_clips_and_status_tell_of_each_sample(ask, tmp_path):
    done = ask(tmp_path, "oracle")
    records = list(done.records())
    assert [r["index"] for r in records] == list(range(6))
    assert records[0]["value"] == pytest.approx(min(1, (1 - records[0]["error"]) / 0.95))
    assert set(records[0]["seconds"]) == {"simulate", "render", "model", "perceive", "measure"}
    table = done.frame()
    assert len(table) == 6
    assert (table["implied.height"] > 0).all()
    clips = done.clips(records[0])
    assert clips.truth.shape == (7, 64, 64, 3)
    np.testing.assert_array_equal(clips.predicted, clips.truth[clips.cut :])
    np.testing.assert_allclose(clips.tracks.pixel, clips.true_tracks.pixel, atol=0.4)
    assert done.status()["state"] == "complete"
    assert done.case(records[3]).case_id == records[3]["case_id"]


def test_a_finished_run_does_nothing_more(ask, tmp_path):
    ask(tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    told = []
    ask(tmp_path, progress=told.append)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before
    assert [p.phase for p in told] == ["plan", "done"]


def test_a_larger_limit_continues_a_smaller_one(ask, tmp_path):
    assert ask(tmp_path, limit=2).results["partial"]
    told = []
    done = ask(tmp_path, progress=told.append)
    assert not done.results["partial"]
    assert max(p.units_cached for p in told) == 1
    assert done.results["scores"][0]["n"] == 6


@pytest.mark.parametrize(
    ("fault", "failed", "sentence"),
    [
        ("raise", None, "no idea what comes next"),
        ("nan", None, "of its values NaN or infinite; expected frames (3, 64, 64, 3) uint8"),
        ("short", 6, "the model returned frames (2, 64, 64, 3); expected frames (3, 64, 64, 3) uint8"),
        ("refuse", 6, "this is not for me"),
    ],
)
def test_a_failure_is_the_worst_case_and_does_not_stop_the_rest(ask, tmp_path, fault, failed, sentence):
    done = ask(tmp_path / "bad", options={"fault": fault})
    good = {r["case_id"]: r["error"] for r in ask(tmp_path / "good").records()}
    records = list(done.records())
    bad = [r for r in records if r["status"] != "ok"]
    assert len(bad) == failed or 0 < len(bad) < 6
    for r in records:
        assert r["error"] == (1.0 if r in bad else good[r["case_id"]])
    assert all(sentence in r["detail"] and r["found"] == 0.0 for r in bad)
    row = done.results["scores"][0]
    assert (row["n"], row["failed"], done.results["failed"]) == (6, len(bad), len(bad))
    assert row["error"] == pytest.approx(np.mean([r["error"] for r in records]))
    assert exit_code(done) == 1
    assert exit_code(ask(tmp_path / "bad", options={"fault": fault}, fail_on_error=6)) == 0


def test_the_exit_code_policy_reads_shares_and_counts(ask, tmp_path):
    def code(threshold):
        return exit_code(ask(tmp_path, options={"fault": "raise"}, fail_on_error=threshold))

    failed = ask(tmp_path, options={"fault": "raise"}).results["failed"]
    assert [code(failed / 6 - 0.01), code(failed / 6 + 0.01), code(failed)] == [1, 0, 0]


def test_a_folder_of_another_run_is_refused(ask, tmp_path):
    ask(tmp_path / "a", limit=2)
    with pytest.raises(UsageError, match="holds a run with seed 0, and 1 was asked for"):
        ask(tmp_path / "a", limit=2, seed=1)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.tex").touch()
    with pytest.raises(UsageError, match="is not empty and holds no run"):
        ask(tmp_path / "b")
    with pytest.raises(UsageError, match="folder of a run"):
        Run(tmp_path / "c")


def test_a_dry_run_computes_and_writes_nothing(ask, tmp_path):
    planned = summary(ask(tmp_path / "dry", dry_run=True))
    assert (planned["units"], planned["to_run"], planned["samples"]) == (3, 3, 6)
    assert not (tmp_path / "dry").exists()


def test_score_measures_again_what_is_missing_and_asks_no_model(ask, tmp_path, kit):
    marks = tmp_path / "marks"
    marks.mkdir()
    done = ask(tmp_path / "run", options={"marks": str(marks)})
    asked = len(list(marks.iterdir()))
    first = done.results["scores"]
    for unit in done.units:
        for path in (tmp_path / "run" / "units").rglob("*.json"):
            if path.stem != unit.key and json.loads(path.read_text())["stage"] == "measure":
                path.unlink()
    assert Run(tmp_path / "run").status()["state"] == "unfinished"
    assert score(tmp_path / "run").results["scores"] == first
    assert len(list(marks.iterdir())) == asked


def test_an_edited_probe_is_measured_again_but_not_generated(kit, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    probe = tmp_path / "mine.py"
    probe.write_text((kit / "falls.py").read_text())

    def go():
        return run(
            str(kit / "mimic.py"), str(kit / "mini.py"), [str(probe)], options={"marks": str(marks)},
            executor="inline", out=tmp_path / "run", limit=2,
        )  # fmt: skip

    first = go().results["scores"][0]["error"]
    asked = len(list(marks.iterdir()))
    probe.write_text(probe.read_text().replace("Measurement(gap,", "Measurement(0.25,"))
    assert go().results["scores"][0]["error"] == 0.25 != first
    assert len(list(marks.iterdir())) == asked


def test_a_probe_that_raises_is_told_and_is_the_worst(kit, tmp_path):
    probe = tmp_path / "broken.py"
    probe.write_text(
        (kit / "falls.py").read_text().replace("    last = tracks", "    1 / 0\n    last = tracks")
    )
    done = run("oracle", str(kit / "mini.py"), [str(probe)], executor="inline", out=tmp_path / "run", limit=1)
    (record,) = done.records()
    assert "ZeroDivisionError" in record["detail"]
    assert (record["status"], record["error"]) == ("failed", 1.0)


def test_a_scene_that_cannot_be_made_is_told(kit, tmp_path):
    probe = tmp_path / "torn.py"
    text = (kit / "falls.py").read_text()
    probe.write_text(text.replace("floor())", "floor(path=((1.0, (0, 0, 0)),)))"))
    done = run("oracle", str(kit / "mini.py"), [str(probe)], executor="inline", out=tmp_path / "run", limit=1)
    (record,) = done.records()
    assert "`case` on case 0 (eval, iid): its scene cannot be simulated" in record["detail"]
    assert record["status"] == "failed"


def test_replicates_are_averaged_within_a_case(ask, tmp_path):
    done = ask(tmp_path, "noise", replicates=2, limit=2)
    assert done.results["scores"][0]["n"] == 2
    assert len(done.frame()) == 4


def test_workers_refuse_cases_that_are_not_the_planned_ones(kit, tmp_path):
    """A probe that draws otherwise in another process (here: by its number) must not be measured."""
    probe = tmp_path / "pid.py"
    text = (kit / "falls.py").read_text()
    probe.write_text("import os\n" + text.replace("rng.uniform(-1, 1)", "os.getpid() % 1000 / 1000"))
    with pytest.raises(EnvironmentFault, match="in the plan"):
        run("oracle", str(kit / "mini.py"), [str(probe)], workers=1, out=tmp_path / "run", limit=1)


def test_a_probe_that_draws_by_the_clock_is_not_asked_and_told(kit, tmp_path):
    probe = tmp_path / "clock.py"
    text = (kit / "falls.py").read_text()
    probe.write_text("import time\n" + text.replace("rng.uniform(-1, 1)", "time.time_ns() % 1000 / 1000"))
    done = run("oracle", str(kit / "mini.py"), [str(probe)], executor="inline", out=tmp_path / "run", limit=1)
    (row,) = done.results["na"]
    assert "`case` on case 0 (eval, iid): drew two cases from one generator" in row["reason"]
    assert done.results["scores"] == []
    assert exit_code(done) == 1
