"""Whole runs through the command line: a reference and a model that breaks, on two scenes of gravity."""

import json
import re
import time

import pytest

from wmeval.anchor import Anchor
from wmeval.camera import View
from wmeval.cli.main import main
from wmeval.registry import load_probe

SUITE = """
from pathlib import Path
from wmeval.suite import Suite

SUITE = Suite("mini", "0.1", ("gravity",), ("psnr",), 2, anchors=Path(__file__).parent / "anchors")
"""
BROKEN = """
from wmeval.camera import View
from wmeval.model import ActionSpace, Adapter, Card

CARD = Card(
    "broken", "broken", "1", "Apache-2.0", "a test", frozenset({"generates"}), View(), (1, 8), None,
    ActionSpace("none"), ("clip", "never"), notes=("<b>never</b> works",),
)


class Broken:
    card = CARD

    def generate(self, batch, seeds):
        raise RuntimeError("it fell over <script>")


ADAPTER = Adapter(CARD, lambda weights, device, options: Broken())
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with a suite whose anchors are made up, a broken model and a cache of its own."""
    folder = tmp_path_factory.mktemp("place")
    anchor = Anchor(load_probe("gravity").key, "iid", View(), 0.85, 0.06, 1000, 0.1, 0.03, {}, "stored")
    stored = {"schema": 1, "calibrations": [{"anchor": anchor.to_json()}]}
    (folder / "anchors").mkdir()
    (folder / "anchors" / "64x64-10fps.json").write_text(json.dumps(stored))
    (folder / "mini.py").write_text(SUITE)
    (folder / "broken.py").write_text(BROKEN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WMEVAL_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        yield folder


def wmeval(capsys, *argv):
    code = main([*argv])
    told = capsys.readouterr()
    return code, told.out, told.err


RUN = ("run", "--model", "linear", "--suite", "mini.py", "--executor", "inline", "--out", "linear")


def test_a_run_prints_its_table_and_leaves_its_report(place, capsys):
    code, out, err = wmeval(capsys, *RUN)
    assert code == 0
    for word in ("linear", "mini@0.1", "gravity@0.1", "ceiling", "detects", "psnr", "inside the model"):
        assert word in out
    assert "linear/report.html" in out
    assert "asking" in err
    html = (place / "linear" / "report.html").read_text()
    assert html.count('<canvas class="true"') == 2
    assert "Content-Security-Policy" in html


def test_the_same_command_again_does_nothing_and_quickly(place, capsys):
    wmeval(capsys, *RUN)
    before = {p: p.stat().st_mtime_ns for p in (place / "linear" / "units").rglob("*.json")}
    begun = time.perf_counter()
    code, out, _ = wmeval(capsys, *RUN, "--json")
    assert code == 0
    assert time.perf_counter() - begun < 3
    assert json.loads(out)["scores"][0]["probe"] == "gravity@0.1"
    assert {p: p.stat().st_mtime_ns for p in (place / "linear" / "units").rglob("*.json")} == before


def test_what_can_be_asked_of_a_run(place, capsys, monkeypatch):
    wmeval(capsys, *RUN)
    code, out, _ = wmeval(capsys, "status", "linear", "--json")
    assert (code, json.loads(out)["state"]) == (0, "complete")
    code, out, _ = wmeval(capsys, "score", "linear", "--json")
    assert (code, json.loads(out)["samples"]) == (0, 2)
    (place / "linear" / "report.html").unlink()
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    assert wmeval(capsys, "view", "linear")[0] == 0
    assert opened == [(place / "linear" / "report.html").as_uri()]
    code, out, _ = wmeval(capsys, "compare", "linear", "linear", "--gate", "--json")
    (row,) = json.loads(out)["differences"]
    assert (code, row["difference"], row["lo"], row["n"]) == (0, 0.0, None, 2)
    wmeval(capsys, *RUN[:2], "oracle", *RUN[3:-1], "oracle")
    code, out, _ = wmeval(capsys, "compare", "linear", "oracle", "--json")
    (psnr,) = json.loads(out)["metrics"]
    assert (psnr["probe"], psnr["n"]) == ("psnr", 2)
    assert psnr["difference"] == pytest.approx(psnr["other_skill"] - psnr["base_skill"])
    assert psnr["difference"] > 5
    code, out, _ = wmeval(capsys, "compare", "linear", "oracle", "--gate")
    assert code == 0
    for word in ("gravity@0.1", "ranks, best first", "1–2", "no row has 8 cases in common"):
        assert word in out
    code, out, _ = wmeval(capsys, "power", "linear", "--delta", "0.1", "--json")
    (row,) = json.loads(out)["rows"]
    assert (code, row["n"], row["sees"]) == (0, 2, None)
    code, out, _ = wmeval(capsys, "power", "linear", "--against", "oracle")
    assert (code, "fewer than 8 cases" in out) == (0, True)
    assert wmeval(capsys, "power", "linear", "--delta", "0")[0] == 2
    code, _, err = wmeval(capsys, "compare", "linear")
    assert (code, "was given 1 run" in err) == (2, True)


def test_the_line_that_reproduces_a_scene_reproduces_it(place, capsys):
    wmeval(capsys, *RUN)
    html = (place / "linear" / "report.html").read_text()
    lines = re.findall(r"<code>(wmeval run [^<]*)</code>", html)
    assert len(lines) == 2
    argv = next(line for line in lines if "--limit 1" in line).split()[1:]
    code, out, _ = wmeval(capsys, *argv, "--json")
    assert code == 0
    first = json.loads(out)["scores"][0]["error"]
    errors = re.findall(r'<p class="error[^"]*"><b>([\d.]+)</b>', html)
    assert any(abs(float(e) - first) < 0.005 for e in errors)


def test_a_dry_run_computes_and_writes_nothing(place, capsys):
    command = ("run", "--model", "freeze", "--suite", "mini.py", "--out", "dry", "--dry-run", "--limit", "1")
    code, out, _ = wmeval(capsys, *command)
    assert code == 0
    assert "1 of 1 units to run" in out
    assert "partial" in out
    assert not (place / "dry").exists()


def test_another_run_does_not_enter_a_folder(place, capsys):
    wmeval(capsys, *RUN)
    code, _, err = wmeval(capsys, "run", "--model", "freeze", "--suite", "mini.py", "--out", "linear")
    assert code == 2
    assert "give another folder with --out" in err


def test_a_model_that_breaks_is_scored_as_worst_and_told(place, capsys):
    command = ("run", "--model", "broken.py", "--suite", "mini.py", "--executor", "inline", "--out", "broken")
    code, out, _ = wmeval(capsys, *command)
    assert code == 1
    (score,) = json.loads((place / "broken" / "results.json").read_text())["scores"]
    assert (score["failed"], score["error"]) == (2, load_probe("gravity").worst)
    assert "2 failed" in out
    html = (place / "broken" / "report.html").read_text()
    assert "it fell over &lt;script&gt;" in html
    assert "&lt;b&gt;never&lt;/b&gt; works" in html
    assert wmeval(capsys, *command, "--fail-on-error", "2")[0] == 0
