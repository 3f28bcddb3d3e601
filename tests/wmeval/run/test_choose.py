"""Choosing through whole runs: on the command line, stopped and continued, and with tasks that misbehave."""

import json
import re
import signal
import time
from dataclasses import replace

import numpy as np
import pytest

from wmeval import registry
from wmeval.errors import UsageError
from wmeval.run import Run, run
from wmeval.run.plan import Plan, make_plan
from wmeval.run.request import Request
from wmeval.run.store import untimed
from wmeval.run.units import Unit

TASK = '''
"""Which push sends a ball to a place?"""
import numpy as np

from wmeval.scene import Push, Scene, ball, side_camera
from wmeval.task import Choice, Drive, Instance, Task


def instance(rng, tag, speed=0.0):
    body = ball("ball", radius=0.3, position=(-1.5, 0, rng.uniform(1, 3)), hue="green")
    pushes = (Push("ball", 0.1, 0.1, impulse=(body.mass * speed, 0, 0)),) if speed else ()
    scene = Scene((body,), side_camera(), .8, 0.3, 0.2, "flight", gravity=0.0, pushes=pushes,
                  actuated="ball", tag=tag)
    return Instance(scene, {"x": -0.1})


def cost(states, instance):
    FAULT
    return np.abs(states["ball"][..., -1, 0] - instance.goal["x"])


def success(states, instance):
    return np.abs(states["ball"][..., 0] - instance.goal["x"]) < 0.3


def choice(rng, tag):
    height, speeds = rng.integers(1 << 30), rng.permutation([0.0, 1.0, 2.0, 3.0])
    made = [instance(np.random.default_rng(height), tag, speed) for speed in speeds]
    return Choice(tuple(made), tuple(speeds))


TASK = Task("drift", "0.1", "m", 3.0, ("iid",), instance, cost, success, choice,
            Drive("force", ("x",), 8.0), dwell_s=0.0)
'''
SUITE = """
from pathlib import Path
from wmeval.suite import Suite

HERE = Path(__file__).parent
TASKS = (str(HERE / "drift.py"),)
SUITE = Suite("drifting", "0.1", (), (), 8, instruments=("choose",), tasks=TASKS, instances=8)
"""


@pytest.fixture
def task(kit, tmp_path):
    """Return a function: the file of a task with a fault in its cost."""

    def written(fault="pass"):
        file = tmp_path / "drift.py"
        file.write_text(TASK.replace("FAULT", fault))
        (tmp_path / "drifting.py").write_text(SUITE)
        return str(file)

    return written


def chosen(folder, model, file, **more):
    asked = {"tasks": [file], "instruments": ["choose"], "limit": 2, "executor": "inline", **more}
    return run(model, out=folder, **asked)


@pytest.mark.parametrize(
    ("model", "success", "regret"),
    [("oracle", 1.0, 0.0), ("linear", 1.0, 0.0), ("freeze", 0.0, None)],
)
def test_references_go_through_the_same_protocol(task, tmp_path, model, success, regret):
    """Without weight a ball goes on at constant velocity; standing still, the fastest looks nearest."""
    done = chosen(tmp_path / "run", model, task())
    (row,) = done.results["planning"]
    assert (row["n"], row["failed"], row["random"], row["oracle"]) == (2, 0, 0.25, 1.0)
    assert row["success"] == pytest.approx(success)
    if regret is not None:
        assert row["regret"] == pytest.approx(regret, abs=1e-6)
    assert row["found"] == 1.0
    assert row["rows"]["still"]["success"] == row["rows"]["largest"]["success"] == 0.0
    assert (row["skill"], row["lo"], row["verdict"]) == (
        pytest.approx((success - 0.25) / 0.75), None, "too few choices to tell",
    )  # fmt: skip


def test_a_page_shows_what_came_of_the_pick_beside_what_was_foreseen(task, tmp_path):
    from wmeval.report.read import sample, write

    done = chosen(tmp_path / "run", "freeze", task(), limit=1)
    record = next(iter(done.records()))
    made = sample(done, record)
    true, predicted = made.motion.videos()
    assert len(true) == made.motion.cut + len(predicted)
    assert (predicted == true[made.motion.cut - 1]).all()
    assert made.evidence["reaches the goal"] is False
    text = write(done).read_text()
    assert 'id="planning"' in text
    assert text.count("Best choice") == 1
    assert done.case(record).arms["0"].tag == "iid"
    assert [u.probe for u in done.units] == ["drift@0.1"]


def test_the_command_line_asks_a_suite_and_says_so_again(task, tmp_path, capsys):
    from wmeval.cli.main import main

    task()
    words = ["run", "--model", "freeze", "--suite", str(tmp_path / "drifting.py"), "--limit", "1",
             "--executor", "inline", "--out", str(tmp_path / "run"), "--json"]  # fmt: skip
    assert main(words) == 0
    results = json.loads(capsys.readouterr().out)
    assert {r["tag"] for r in results["planning"]} == {"iid"}
    assert (results["scores"], results["complete"], results["partial"]) == ([], True, True)
    assert main([w for w in words if w != "--json"]) == 0
    told = capsys.readouterr().out
    assert "Choose" in told
    assert "drift@0.1" in told


def test_a_run_that_was_killed_is_continued_to_the_one_result(task, tmp_path, kit, drive, plain_results):
    file = task()
    asked = {"tasks": [file], "instruments": ["choose"], "limit": 5, "executor": "inline",
             "options": {"nap": ".4"}}  # fmt: skip
    whole = tmp_path / "whole"
    assert drive(out=str(whole), **asked)[0] == 0
    stopped = tmp_path / "stopped"
    process = drive(wait=False, out=str(stopped), **asked)
    for _ in range(600):
        if list(stopped.glob("units/*/*.json")):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (stopped / "results.json").exists()
    assert drive(out=str(stopped), **asked)[0] == 0
    one, other = (untimed(json.loads(plain_results(folder))) for folder in (stopped, whole))
    assert one == other
    assert Run(stopped).status()["state"] == "complete"


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("raise ValueError('no idea')", "it raised ValueError: no idea"),
        ("return np.full(states.position.shape[:-3], np.nan)", "returned NaN of exact states"),
        ("return -np.ones(states.position.shape[:-3])", "returned -1; expected at least 0"),
        ("return np.ones(3)", r"returned the shape \(3,\) of futures \(\)"),
        ("return np.ones(states.position.shape[:-3])", "4 candidates that all cost 1"),
    ],
)
def test_a_task_that_misbehaves_is_a_sentence(task, tmp_path, fault, says):
    file = task(fault)
    done = chosen(tmp_path / "run", "freeze", file, limit=1)
    record = next(iter(done.records()))
    assert record["status"] == "failed"
    assert "drift.py:" in record["detail"]
    assert "`cost`" in record["detail"] or "`choice`" in record["detail"]
    assert "problem 0 (eval, iid)" in record["detail"]
    row = done.results["planning"][0]
    assert (row["n"], row["failed"]) == (0, 1)
    assert re.search(says, row["reason"])


def test_a_fault_costs_its_own_problem_only(task, tmp_path):
    height = "instance.scene['ball'].position[2]"
    first = registry.load_task(task()).choice  # the same draws, to know which problem to spoil
    from wmeval.seeds import scene_rng

    spoilt = first(scene_rng("eval", "drift@0.1", "iid", 1), "iid").candidates[0].scene["ball"].position[2]
    file = task(f"assert abs({height} - {spoilt}) > 1e-9, 'this one'")
    done = chosen(tmp_path / "run", "oracle", file, limit=3)
    states = [r["status"] for r in done.records() if r["tag"] == "iid"]
    assert states == ["ok", "failed", "ok"]
    row = done.results["planning"][0]
    assert (row["n"], row["failed"], row["success"]) == (2, 1, 1.0)
    assert "this one" in row["reason"]


def test_a_model_that_fails_on_a_candidate_has_failed(task, tmp_path, kit):
    done = chosen(tmp_path / "run", str(kit / "mimic.py"), task(), options={"fault": "refuse"}, limit=1)
    row = done.results["planning"][0]
    assert (row["n"], row["failed"], row["success"]) == (1, 1, 0.25)
    assert "this is not for me" in row["reason"]


def test_what_is_planned(task, kit):
    file = task()
    asked = Request("freeze", tasks=(file,), instruments=("choose",), limit=6)
    plan = make_plan(asked)
    assert {u.arm for u in plan.units} == {"frames"}
    assert [u.indices for u in plan.units if u.tag == "iid"] == [(0, 1, 2, 3), (4, 5)]
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert plan.units[0] == Unit.from_json(json.loads(json.dumps(plan.units[0].to_json())))
    assert make_plan(replace(asked, instruments=None)).na[0]["instrument"] == "control"
    assert plan.short_key != make_plan(replace(asked, budgets=(16,))).short_key
    words = replace(asked, budgets=(16, 64)).command(kit)
    for part in (f"--task {file}", "--budget 16 --budget 64", "--instrument choose"):
        assert part in words


def test_probes_keep_their_keys_and_units_their_json(kit):
    unit = make_plan(Request(str(kit / "mimic.py"), str(kit / "mini.py"))).units[0]
    assert "arm" not in unit.to_json()
    assert {"tasks", "budgets"}.isdisjoint(Request("freeze").identity)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"instruments": ("choose",)}, "--instrument choose asks tasks, and there are none"),
        ({"tasks": ("psh",)}, "no task is called 'psh'; did you mean 'push'"),
        ({"tasks": ("push", "push")}, "the task push@0.2 is asked for twice"),
    ],
)  # fmt: skip
def test_mistakes_are_sentences(asked, says):
    with pytest.raises(UsageError, match=says):
        make_plan(Request("freeze", **asked))


def test_states_hold_what_was_found_after_the_cut(task):
    from wmeval.run.choose import foreseen_states, true_states
    from wmeval.world import exact_tracks, simulate

    loaded = registry.load_task(task())
    scene = loaded.instance(np.random.default_rng(0), "iid", 2.0).scene
    truth = simulate(scene)
    exact = true_states(truth)
    np.testing.assert_allclose(exact.times, [0.4, 0.5, 0.6, 0.7, 0.8])
    np.testing.assert_allclose(exact["ball"][:, 0], -1.5 + 2.0 * (exact.times - 0.1), atol=1e-3)
    tracks = exact_tracks(truth, registry.load_model("freeze").card.view, np.arange(9) / 10)
    seen = foreseen_states(replace(tracks, found=tracks.found & (np.arange(9) != 6)[:, None]), scene)
    assert np.isnan(seen["ball"][2]).all()
    assert np.isfinite(np.delete(seen["ball"], 2, axis=0)).all()


STEERED = (
    "from dataclasses import replace as new\n"
    "CARD = new(CARD, actions=ActionSpace('continuous', 12, 'exact'))\n"
    "Mimic.card = CARD\n"
    "ADAPTER = new(ADAPTER, card=CARD)\n"
)


def test_control_is_planned_resumed_scored_and_shown_as_all_else_is(task, tmp_path, kit):
    from wmeval.report.read import write

    model = tmp_path / "steered.py"
    model.write_text((kit / "mimic.py").read_text() + STEERED)
    asked = {"tasks": [task()], "limit": 1, "budgets": [2, 3], "executor": "inline"}
    done = run(str(model), instruments=["control"], out=tmp_path / "run", **asked)
    arms = {u.arm for u in done.units}
    assert arms == {
        *(f"{w}|state|{b}" for w in ("model", "simulator") for b in (2, 3)),
        "random||",
        "still||",
    }
    rows = [r for r in done.results["planning"] if r["n"]]
    named = {f"{r['dynamics']}|{r['cost']}|{r['budget'] or ''}" for r in rows}
    assert named == arms
    (still,) = (r for r in rows if r["dynamics"] == "still")
    assert still["success"] == 0.0
    assert done.results["complete"]
    text = write(done).read_text()
    assert "Best episode" in text
    assert len(re.findall(r'"truth": ?\{', text)) == 1  # one budget's episode, once
    told = make_plan(Request("freeze", tasks=(task(),), instruments=("control",)))
    assert not told.units
    assert "a reference is not planned with" in told.na[0]["reason"]
    worded = STEERED.replace("'continuous', 12, 'exact'", "'text', 0, 'lossy'")
    model.write_text((kit / "mimic.py").read_text() + worded)
    told = make_plan(Request(str(model), tasks=(task(),), instruments=("control",)))
    assert "takes its actions as words" in told.na[0]["reason"]
