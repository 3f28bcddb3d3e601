"""Whatever dies, nothing is lost and nothing counted twice: done, not mocked."""

import json
import os
import signal
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from wmeval import View
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.run.executors import Inline, Local
from wmeval.run.plan import make_plan
from wmeval.run.request import Request
from wmeval.run.store import Store
from wmeval.run.worker import Setup


def wait_for(true, seconds=60):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def records(folder):
    found = {}
    for path in Path(folder).glob("units/*/*.json"):
        record = json.loads(path.read_text())
        found.setdefault(record["stage"], []).append(tuple(record["unit"]["indices"]))
    return {stage: sorted(indices) for stage, indices in found.items()}


def units(kit, folder, **options):
    plan = make_plan(Request(str(kit / "mimic.py"), str(kit / "mini.py")))
    setup = Setup(str(folder), str(kit / "mimic.py"), None, "cpu", options, 1, 0, asdict(View()), ())
    return setup, plan.units


def do(executor, setup, todo, stopping=lambda: False):
    cards = []
    outcomes = list(executor.run(setup, todo, opened=cards.append, stopping=stopping))
    return outcomes, cards


BLOCKS = [(0, 1), (2, 3), (4, 5)]
EVERYTHING = {"generate": BLOCKS, "measure": BLOCKS}


def test_local_and_inline_give_the_same_bytes(drive, tmp_path, plain_results):
    assert drive(out=str(tmp_path / "a"), executor="inline")[0] == 0
    code, told, wrong = drive(out=str(tmp_path / "b"), workers=2, options={"fault": "print"})
    assert (code, wrong) == (0, "")
    drive(out=str(tmp_path / "c"), workers=2)
    assert plain_results(tmp_path / "a") == plain_results(tmp_path / "c")
    assert "a line that is no answer" in (tmp_path / "b" / "logs" / "workers.txt").read_text()

    code, told, _ = drive(out=str(tmp_path / "c"), workers=2)
    assert told.splitlines() == ["plan 0", "done 3", "heavy []"], "a finished run opens nothing heavy"
    assert code == 0


def test_a_killed_worker_loses_nothing(drive, tmp_path, plain_results):
    drive(out=str(tmp_path / "whole"), executor="inline")
    marks = tmp_path / "marks"
    marks.mkdir()
    code, _, _ = drive(out=str(tmp_path / "a"), workers=2, options={"fault": "die once", "marks": str(marks)})
    assert code == 0
    assert (marks / "died").exists()
    assert records(tmp_path / "a") == EVERYTHING
    one, two = (json.loads(plain_results(tmp_path / f)) for f in ("a", "whole"))
    assert one["scores"] == two["scores"]


def test_a_killed_driver_loses_and_doubles_nothing(drive, tmp_path, plain_results):
    """SIGKILL in the middle, then the same command: equal to a run that was left alone."""
    marks = tmp_path / "marks"
    marks.mkdir()
    asked = {"workers": 1, "options": {"nap": "0.3", "marks": str(marks)}, "out": "run"}
    (tmp_path / "cut").mkdir(), (tmp_path / "whole").mkdir()
    cut, whole = str(tmp_path / "cut" / "run"), str(tmp_path / "whole" / "run")
    driver = drive(wait=False, **{**asked, "out": cut})
    wait_for(lambda: len(list(Path(cut).glob("units/*/*.json"))) >= 2)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    before = records(cut)
    assert 1 <= len(before["generate"]) < 3, "it was killed in the middle"
    kept = {p: p.stat().st_mtime_ns for p in Path(cut).glob("units/*/*.json")}

    code, _, wrong = drive(**{**asked, "out": cut})
    assert (code, wrong) == (0, "")
    assert records(cut) == EVERYTHING
    assert all(p.stat().st_mtime_ns == stamp for p, stamp in kept.items()), "what was done was done again"
    assert drive(**{**asked, "out": whole})[0] == 0
    assert plain_results(cut) == plain_results(whole)


def test_workers_end_when_the_driver_is_gone(drive, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    driver = drive(
        wait=False, out=str(tmp_path / "run"), workers=1, options={"nap": "0.2", "marks": str(marks)}
    )
    wait_for(lambda: list(marks.glob("asked-*")))
    pid = int(next(marks.glob("asked-*")).name.split("-")[-1])
    driver.kill()
    driver.communicate()

    def gone():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "Z"  # nobody is left to collect it

    wait_for(gone, 20)


def test_ctrl_c_finishes_what_is_under_way_and_says_how_to_go_on(drive, tmp_path):
    run = tmp_path / "run"
    asked = {"out": str(run), "workers": 1, "options": {"nap": "0.3"}}
    driver = drive(wait=False, **asked)
    wait_for(lambda: list(run.glob("units/*/*.json")))
    driver.send_signal(signal.SIGINT)
    _, wrong = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert f"--out {run}" in wrong
    assert "of 3 units done" in wrong
    done = records(run)
    assert done["generate"] == done["measure"] != BLOCKS, "a unit under way is finished, no other is begun"
    assert drive(**asked)[0] == 0
    assert records(run) == EVERYTHING


def test_a_unit_that_kills_every_worker_is_given_up(drive, tmp_path):
    code, _, _ = drive(out=str(tmp_path / "run"), workers=2, options={"fault": "die"}, limit=2)
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert (code, results["failed"], results["complete"]) == (1, 2, True)
    (event,) = Store(tmp_path / "run").events("quarantine")
    assert event["why"] == "it killed its worker 3 times (signal 9)"
    assert drive(out=str(tmp_path / "run"), workers=2, options={"fault": "die"}, limit=2)[1].startswith(
        "plan 0\ndone"
    )


def test_a_measurement_that_kills_every_worker_is_given_up_too(drive, kit, tmp_path):
    probe = tmp_path / "deadly.py"
    text = (kit / "falls.py").read_text()
    probe.write_text(
        text.replace("    last = tracks", "    import os; os.kill(os.getpid(), 9)\n    last = tracks")
    )
    code, _, _ = drive(out=str(tmp_path / "run"), workers=1, probes=[str(probe)], limit=2)
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert (code, results["failed"], results["complete"], results["nondeterminism"]) == (1, 2, True, 0)


def test_a_unit_that_hangs_is_killed(kit, tmp_path):
    setup, todo = units(kit, tmp_path, fault="hang")
    (outcome,), _ = do(Local(1, timeout_s=1.0, max_deaths=2), setup, todo[:1])
    assert outcome.summary is None
    assert outcome.death == "it killed its worker 2 times (no answer in 1 s, signal 9)"


def test_two_processes_at_once_do_not_disturb_each_other(drive, tmp_path, plain_results):
    both = [drive(wait=False, out=str(tmp_path / "run"), workers=1) for _ in range(2)]
    for process in both:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert records(tmp_path / "run") == EVERYTHING
    assert Store(tmp_path / "run").events("nondeterminism") == []


@pytest.mark.parametrize("executor", [Inline(), Local(1)], ids=["inline", "local"])
def test_a_fault_of_the_machine_reaches_the_caller_as_its_sentence(kit, tmp_path, executor):
    setup, todo = units(kit, tmp_path, wrong="option")
    with pytest.raises(UsageError, match="has no option 'wrong'"):
        do(executor, setup, todo)


def test_workers_that_never_start_stop_the_run(kit, tmp_path):
    model = tmp_path / "stillborn.py"
    model.write_text(
        (kit / "mimic.py").read_text() + "\nif '-m' in __import__('sys').orig_argv: os._exit(7)\n"
    )
    setup, todo = units(kit, tmp_path)
    broken = Setup(**{**setup.to_json(), "model": str(model), "metrics": ()})
    with pytest.raises(EnvironmentFault, match=r"3 workers died before .* \(exit code 7\)"):
        do(Local(1), broken, todo)


def test_stopping_begins_no_more_units(kit, tmp_path):
    setup, todo = units(kit, tmp_path)
    for executor in (Inline(), Local(1)):
        assert do(executor, setup, todo, stopping=lambda: True)[0] == []
