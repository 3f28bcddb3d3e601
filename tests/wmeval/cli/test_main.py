"""The command line answers quickly, knows its options, and tells mistakes in a sentence."""

import importlib
import json
import statistics
import subprocess
import sys
import time

import click
import pytest

from wmeval.cli.main import COMMANDS, main

BUDGET_S = 0.3
CARDS_S = 0.6  # where the card of every model is read, which takes numpy
HEAVY = ("numpy", "rich", "torch", "pybullet", "scipy", "pandas", "jinja2", "PIL")


def spent(*argv):
    begun = time.perf_counter()
    subprocess.run([sys.executable, *argv], check=True, capture_output=True)
    return time.perf_counter() - begun


@pytest.mark.parametrize("argv", [["--help"], ["list"], ["list", "models"], ["run", "--help"]])
def test_it_starts_within_the_budget(argv):
    budget = CARDS_S if "models" in argv else BUDGET_S
    pairs = [(spent("-c", "pass"), spent("-m", "wmeval.cli.main", *argv)) for _ in range(5)]
    # a bare start takes 20 ms on an idle machine; where it takes more, everything else does too
    slower = max(1.0, statistics.median(bare for bare, _ in pairs) / 0.02)
    assert statistics.median(whole for _, whole in pairs) < budget * slower


@pytest.mark.parametrize("argv", [["--help"], ["list"], ["list", "probes", "--json"], ["run", "--help"]])
def test_listing_and_help_import_nothing_heavy(argv):
    code = (
        "import sys; from wmeval.cli.main import main; main(sys.argv[1:]); "
        f"print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_help_imports_no_command():
    code = (
        "import sys; from wmeval.cli.main import main; main(['--help']); "
        "print([m for m in sys.modules if m.startswith('wmeval.cli.')], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "['wmeval.cli.main']"
    assert all(f"  {name}" in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_where_the_table_says(name, capsys):
    command = importlib.import_module(COMMANDS[name][0]).command
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help
    assert main([name, "--help"]) == 0
    assert f"wmeval {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["rnu"], "did you mean 'run'"),
        (["run", "--modle", "genie"], "Did you mean '--model'?"),
        (["run"], "missing option '--model'"),
        (["run", "--model", "genei"], "did you mean 'genie'"),
        (["run", "--model", "freeze", "--suite", "quik"], "did you mean 'quick'?"),
        (["run", "--model", "freeze", "--probe", "gravty"], "did you mean 'gravity'?"),
        (["run", "--model", "freeze", "--probe", "mine.py"], "there is no file"),
        (["run", "--model", "freeze", "--set", "steps"], "expected KEY=VALUE"),
        (["run", "--model", "freeze", "--weights", "nowhere.safetensors"], "leave them out"),
        (["run", "--model", "genie", "--weights", "nowhere.safetensors"], "no file or folder is there"),
        (["run", "--model", "freeze", "--workers", "many"], "neither 'auto' nor a whole number"),
        (["run", "--model", "freeze", "--limit", "0"], "'--limit'"),
        (["list", "prboes"], "expected one of models, probes"),
        (["describe", "gravty"], "did you mean 'gravity'"),
        (["status", "nowhere"], "nowhere"),
        (["report", "nowhere"], "nowhere"),
        (["compare", "nowhere", "elsewhere"], "nowhere"),
        (["train", "--out", "x"], "one of --model NAME and --features NAME"),
        (["check", "adapter", "frezee"], "no model is called 'frezee'"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(argv, expected, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 2
    told = capsys.readouterr()
    (sentence,) = [s for s in told.err.splitlines() if s.startswith("wmeval: ")]
    assert expected in sentence
    assert "Traceback" not in told.err
    assert list(tmp_path.iterdir()) == []


def test_interrupting_tells_how_to_go_on(monkeypatch, capsys):
    def stop(*_args, **_named):
        raise KeyboardInterrupt

    monkeypatch.setattr("wmeval.registry.listing", stop)
    assert main(["list"]) == 130
    assert "continues" in capsys.readouterr().err


def test_a_full_disk_is_the_machine_s_fault(monkeypatch, capsys):
    def full(*_args, **_named):
        raise OSError(28, "No space left on device", "runs/x")

    monkeypatch.setattr("wmeval.registry.listing", full)
    assert main(["list"]) == 3
    assert "runs/x" in capsys.readouterr().err


def test_listing_is_also_json(capsys):
    assert main(["list", "--json"]) == 0
    listing = json.loads(capsys.readouterr().out)
    assert "oracle" in [m["name"] for m in listing["models"]]
    assert "gravity" in [p["name"] for p in listing["probes"]]


def test_a_broken_plug_in_is_told_and_the_others_are_listed(monkeypatch, capsys):
    from importlib.metadata import EntryPoint

    from wmeval import registry

    ours = registry.entries("probes")
    broken = registry.Entry("broken", (EntryPoint("broken", "wmeval_nowhere:PROBE", "wmeval.probes"),))
    monkeypatch.setattr(registry, "entries", lambda kind: {**ours, "broken": broken})
    assert main(["list", "probes", "--check", "--json"]) == 1
    rows = {r["name"]: r["problem"] for r in json.loads(capsys.readouterr().out)["probes"]}
    assert "wmeval_nowhere" in rows["broken"]
    assert rows["gravity"] == ""


@pytest.mark.parametrize("name", ["oracle", "gravity", "train", "wmeval-enc", "fvd-i3d"])
def test_describe_knows_every_kind(name, capsys):
    assert main(["describe", name, "--json"]) == 0
    (facts, *_) = json.loads(capsys.readouterr().out)
    assert facts["name"]
    assert main(["describe", name]) == 0
    assert capsys.readouterr().out.startswith(facts["kind"])


def test_a_plug_in_brings_its_own_command(monkeypatch, capsys):
    from wmeval.cli import main as module

    class Point:
        name, value, dist = "leaderboard", "somewhere:group", None

        def load(self):
            return click.Command("leaderboard", callback=lambda: click.echo("it ran"))

    monkeypatch.setattr(module, "_plugins", lambda: {"leaderboard": Point()})
    assert main(["--help"]) == 0
    assert "leaderboard" in capsys.readouterr().out
    assert main(["leaderboard"]) == 0
    assert capsys.readouterr().out == "it ran\n"


@pytest.mark.parametrize("argv", [[], ["data"], ["check"]])
def test_a_bare_group_prints_its_help(argv, capsys):
    assert main(argv) == 2
    told = capsys.readouterr()
    assert "Usage: wmeval" in told.out
    assert told.err == ""
