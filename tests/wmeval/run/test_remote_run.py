"""Whole runs of a model in another process: the same records, whatever dies, never of another model."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from wmeval import run
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.run import exit_code
from wmeval.run.plan import make_plan
from wmeval.run.request import Request

pytestmark = pytest.mark.usefixtures("anchored")


@pytest.fixture
def serve(kit, monkeypatch):
    """Return a function that serves the kit's model in a process of its own: (process, url)."""
    monkeypatch.delenv("WMEVAL_TOKEN", raising=False)
    children = []

    def start(port=0, **options):
        words = [sys.executable, "-m", "wmeval.cli.main", "serve-model", "--model", str(kit / "mimic.py")]
        for key, value in options.items():
            words += ["--set", f"{key}={value}"]
        child = subprocess.Popen([*words, "--port", str(port)], stdout=subprocess.PIPE, text=True)
        children.append(child)
        told = child.stdout.readline()
        assert "is served at http://127.0.0.1:" in told
        return child, told.partition(" served at ")[2].split()[0]

    yield start
    for child in children:
        child.kill()
        child.wait()
        child.stdout.close()


@pytest.fixture
def ask(kit):
    def go(out, url, **asked):
        options = {"url": url, "patience": "30", **asked.pop("options", {})}
        asked = {"suite": str(kit / "mini.py"), "executor": "inline", **asked}
        return run("remote", out=out, options=options, **asked)

    return go


def judged(done):
    return {r["case_id"]: (r["status"], r["error"], r["evidence"]) for r in done.records()}


def test_a_run_from_afar_is_the_run_and_may_move_to_another_port(ask, serve, kit, tmp_path):
    first, url = serve()
    near = run(str(kit / "mimic.py"), str(kit / "mini.py"), executor="inline", out=tmp_path / "near")
    ask(tmp_path / "far", url, limit=2)
    first.kill()
    _, other = serve()
    assert other != url
    far = ask(tmp_path / "far", other)
    assert far.results["complete"]
    assert judged(far) == judged(near)
    assert far.results["model"]["name"] == "remote:mimic"
    keys = {p.stem for p in (tmp_path / "far" / "units").rglob("*.json")}
    assert len(keys) == 6, "three units generated and measured, the first of them by the server that died"
    assert {json.loads(p.read_text())["stage"] for p in (tmp_path / "far" / "units").rglob("*.json")} == {
        "generate", "measure",
    }  # fmt: skip


def test_a_server_that_is_killed_and_comes_back_costs_nothing(ask, serve, kit, tmp_path):
    """SIGKILL while a question is being answered, then the same command on the same port."""
    marks = tmp_path / "marks"
    marks.mkdir()
    first, url = serve(nap="0.3", marks=str(marks))

    def murder():
        while len(list(marks.iterdir())) < 2:
            time.sleep(0.01)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        serve(port=int(url.rpartition(":")[2]), nap="0.3", marks=str(marks))

    killer = threading.Thread(target=murder)
    killer.start()
    far = ask(tmp_path / "far", url, executor="local", workers=1)
    killer.join()
    assert first.returncode == -signal.SIGKILL
    assert len(list(marks.iterdir())) == 4, "three questions, and the second of them again"
    assert far.results["complete"]
    assert far.results["failed"] == 0
    assert exit_code(far) == 0
    assert judged(far) == judged(ask(tmp_path / "calm", url))


def test_a_server_that_stays_away_stops_the_run_and_the_same_command_continues(ask, serve, kit, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    first, url = serve(nap="0.2", marks=str(marks))

    def murder():
        while len(list(marks.iterdir())) < 2:
            time.sleep(0.01)
        first.kill()

    killer = threading.Thread(target=murder)
    killer.start()
    with pytest.raises(EnvironmentFault, match="issue the same command again"):
        ask(tmp_path / "far", url, options={"patience": "0.3"})
    killer.join()
    with pytest.raises(EnvironmentFault, match="no model answers"):
        ask(tmp_path / "far", url, options={"patience": "0.3"})
    _, other = serve(nap="0.2", marks=str(marks))
    far = ask(tmp_path / "far", other)
    assert (far.results["complete"], far.results["failed"]) == (True, 0)
    assert len(list(marks.iterdir())) == 4


def test_results_of_two_servers_are_never_mixed(ask, serve, kit, tmp_path):
    _, one = serve()
    _, two = serve(fault="short")

    def keys(url):
        return {u.key for u in make_plan(Request("remote", str(kit / "mini.py"), options={"url": url})).units}

    assert not keys(one) & keys(two)
    ask(tmp_path / "far", one, limit=2)
    mixed = ask(tmp_path / "far", two)
    assert mixed.results["failed"] == 6, "every answer is of the second server"
    assert Path(tmp_path / "far" / "manifest.json").read_text().count('"version": "1+') >= 1


def test_a_model_that_raises_or_answers_nonsense_is_scored_as_it_would_be_here(ask, serve, kit, tmp_path):
    for fault in ("raise", "nan"):
        _, url = serve(fault=fault)
        far = ask(tmp_path / f"far-{fault}", url)
        near = run(str(kit / "mimic.py"), str(kit / "mini.py"), executor="inline", out=tmp_path / fault,
                   options={"fault": fault})  # fmt: skip
        bad = {k for k, v in judged(far).items() if v[0] != "ok"}
        assert bad
        assert far.results["failed"] == len(bad)
        # seeds do not depend on where a model is, so the same samples fail, with the same error
        assert judged(far) == judged(near)


def test_a_run_without_an_address_or_a_server_is_told_at_once(ask, kit, tmp_path):
    with pytest.raises(UsageError, match="needs to know where the model is"):
        run("remote", str(kit / "mini.py"), out=tmp_path / "far")
    with pytest.raises(EnvironmentFault, match=r"no model answers at http://127\.0\.0\.1:9 "):
        ask(tmp_path / "far", "http://127.0.0.1:9", options={"patience": "0.1"})
    assert not (tmp_path / "far").exists()
