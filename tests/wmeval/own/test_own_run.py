"""Whole runs on recordings: models of known skill get the numbers that follow, and nothing is asked twice."""

import json
import subprocess
import sys

import numpy as np
import pytest

from wmeval import Run
from wmeval.errors import Interrupted, UsageError
from wmeval.report.read import kept
from wmeval.report.table import show
from wmeval.run import exit_code, score, summary


@pytest.fixture(scope="module")
def knowing(kit, tmp_path_factory):
    from wmeval import run

    folder = tmp_path_factory.mktemp("knowing")
    return run(
        str(kit / "pusher.py"), suite=str(kit / "mini.py"), truth=str(kit / "world"), out=folder / "run"
    )


def test_a_model_that_knows_the_rule_is_right_everywhere(knowing):
    own = knowing.results["own"]
    (row,) = own["drift"]
    assert row["metric"] == "psnr"
    assert row["curve"] == [50.0] * 26
    assert [a["frame"] for a in row["at"]] == [1, 4, 16]
    assert row["at"][0]["rows"]["freeze"] < 50.0
    assert own["surprise"]["value"] == 1.0
    assert own["surprise"]["rows"]["copy-last"] == 0.5  # both ways hold the same steps
    told = {r["name"]: r for r in own["reward"]["rows"]}
    assert told["reward above 0"]["value"] == told["no reward"]["value"] == 1.0
    assert (told["end"]["value"], told["end"]["steps"]) == (0.0, 9)
    assert told["reward below 0"]["reason"] == "it does not happen in these recordings"
    assert own["pace"]["how"] == "steps"
    assert own["pace"]["n"] == 64
    assert own["pace"]["p50_ms"] <= own["pace"]["p95_ms"]


def test_it_follows_actions_and_one_that_is_deaf_does_not(ask, knowing, tmp_path):
    follows = knowing.results["own"]["actions"]
    assert follows["n"] == 9
    assert 0 < follows["lo"] < follows["value"] < follows["hi"]
    assert 0.3 < follows["differs"] < 1
    deaf = ask(tmp_path, options={"deaf": "yes"}).results["own"]
    assert deaf["actions"]["value"] == 0.0
    assert deaf["surprise"]["value"] == 0.5
    freeze = deaf["drift"][0]["rows"]["freeze"]
    np.testing.assert_allclose(deaf["drift"][0]["curve"], freeze)


def test_delta_psnr_is_the_difference_of_two_psnrs(knowing):
    """Recomputed from the blobs of both ways of asking."""
    own = json.loads((knowing.path / "own.json").read_text())
    store, gains = knowing.store, {}
    asked = {u["ask"]: [] for u in own["units"]}
    for unit in own["units"]:
        asked[unit["ask"]] += store.read(unit["key"])["samples"]
    for right, wrong in zip(asked["rollout"], asked["other"], strict=True):
        truth = store.get(right["truth"])["frames"][right["shown"] :].astype(float)
        both = [store.get(s["prediction"])["frames"] for s in (right, wrong)]
        mse = [((truth - b) ** 2).mean((1, 2, 3)) for b in both]
        with np.errstate(divide="ignore"):
            right_db, wrong_db = (np.minimum(50, 10 * np.log10(255**2 / m)) for m in mse)
        episode = own["windows"][right["place"]]["episode"]
        gains.setdefault(episode, []).append((right_db - wrong_db).mean())
    value = np.mean([np.mean(g) for g in gains.values()])
    assert knowing.results["own"]["actions"]["value"] == pytest.approx(value)


def test_what_recordings_cannot_say_is_told(knowing):
    results = knowing.results
    reasons = {r["metric"]: r["reason"] for r in results["fidelity"]}
    assert "body" in reasons["body-psnr"]
    assert "sets of" in next(v for k, v in reasons.items() if k.startswith("fvd"))
    assert results["scores"] == []
    assert [(r["probe"], r["reason"]) for r in results["na"]] == [
        ("gravity@0.1", "the truth is recordings, of whose bodies and laws nothing is known")
    ]
    assert exit_code(knowing) == 0


def test_report_table_status_and_scoring_know_such_a_run(knowing, capsys):
    page = kept(knowing).read_text()
    for part in ('id="own"', 'id="drift"', "action following", "GameNGen", "data:image/png"):
        assert part in page
    show(knowing.results, {"run": knowing.path})
    assert "PSNR goes from 50.0 dB" in capsys.readouterr().out
    status = Run(knowing.path).status()
    assert status["state"] == "complete"
    assert status["samples"] == "37 of 37"  # 9 windows in four ways, and one that is timed
    before = knowing.results
    assert score(knowing.path).results == before


def test_a_finished_run_does_nothing_more(ask, knowing):
    before = {p: p.stat().st_mtime_ns for p in knowing.path.rglob("*")}
    again = ask(knowing.path)
    assert {p: p.stat().st_mtime_ns for p in knowing.path.rglob("*")} == before
    assert again.results == knowing.results


def test_what_fails_is_counted_and_the_rest_goes_on(ask, tmp_path):
    done = ask(tmp_path, options={"fault": "raise"})
    own, results = done.results["own"], done.results
    assert 0 < results["failed"] < results["samples"]
    assert len(own["failures"]) == results["failed"]
    assert "no idea" in own["failures"][0]["detail"]
    assert results["fidelity"][0]["failed"] == sum(f["ask"] == "rollout" for f in own["failures"])
    assert exit_code(done) == 1
    assert "no idea" in kept(done).read_text()


def test_a_run_that_died_goes_on_and_asks_nothing_twice(ask, kit, tmp_path, knowing):
    marks = tmp_path / "marks"
    marks.mkdir()
    asked = {
        "model": str(kit / "pusher.py"), "suite": str(kit / "mini.py"), "truth": str(kit / "world"),
        "out": str(tmp_path / "run"), "options": {"fault": "die", "marks": str(marks)},
    }  # fmt: skip
    code = "import sys, json; from wmeval import run; run(**json.loads(sys.argv[1]))"
    command = [sys.executable, "-c", code, json.dumps(asked)]
    assert subprocess.run(command, capture_output=True).returncode == 9
    assert Run(tmp_path / "run").status()["state"] == "unfinished"
    asked.pop("out")
    done = ask(tmp_path / "run", **{k: v for k, v in asked.items() if k == "options"})
    assert len(list(marks.iterdir())) == 11  # ten blocks, one of which was lost with its process
    mine, whole = done.results["own"], knowing.results["own"]
    assert {k: mine[k] for k in ("drift", "actions", "surprise")} == {
        k: whole[k] for k in ("drift", "actions", "surprise")
    }


def test_ctrl_c_finishes_the_block_under_way(ask, kit, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    options = {"fault": "interrupt", "marks": str(marks)}
    with pytest.raises(Interrupted, match=f"interrupted with 2 of 21 units done.*--truth {kit / 'world'}"):
        ask(tmp_path / "run", options=options)
    assert Run(tmp_path / "run").status()["units"] == "2 of 21"
    assert ask(tmp_path / "run", options=options).results["complete"]
    assert len(list(marks.iterdir())) == 10


def test_references_that_need_no_scene_are_asked_and_others_refused(ask, tmp_path):
    oracle = ask(tmp_path / "o", "oracle", limit=2).results
    assert oracle["own"]["drift"][0]["curve"] == [50.0] * len(oracle["own"]["drift"][0]["curve"])
    assert oracle["partial"]
    assert oracle["own"]["drift"][0]["at"][0]["reason"] == "n = 2: no interval below n = 8"
    with pytest.raises(UsageError, match="needs scenes"):
        ask(tmp_path / "l", "linear")


def test_recordings_that_changed_are_refused(ask, kit, tmp_path):
    world = tmp_path / "world"
    world.mkdir()
    for name in ("e0.npz", "e1.npz"):
        (world / name).write_bytes((kit / "world" / name).read_bytes())
    ask(tmp_path / "run", "freeze", truth=str(world))
    (world / "e1.npz").write_bytes((kit / "world" / "e2.npz").read_bytes())
    with pytest.raises(UsageError, match="not those that"):
        ask(tmp_path / "run", "freeze", truth=str(world))


def test_a_dry_run_writes_nothing(ask, tmp_path):
    planned = summary(ask(tmp_path / "run", dry_run=True))
    assert (planned["samples"], planned["to_run"], planned["workers"]) == (37, 21, 1)
    assert not (tmp_path / "run").exists()


def test_the_truth_is_part_of_what_a_run_is(ask, kit, tmp_path):
    ask(tmp_path / "run", "freeze", limit=1)
    with pytest.raises(UsageError, match="truth"):
        ask(tmp_path / "run", "freeze", truth="gym:ALE/Pong-v5")
