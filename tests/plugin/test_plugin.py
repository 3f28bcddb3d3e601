"""A package of somebody else's, built and installed as theirs would be, and used through the command line.

It is installed into a folder of its own that PYTHONPATH names, beside a second package that cannot be
imported: whoever installed that must be told in a sentence and lose nothing else.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
Wmeval = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def wmeval(tmp_path_factory: pytest.TempPathFactory) -> Wmeval:
    """Return `wmeval ARGUMENTS` as a process that finds both packages."""
    site, work = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("work")
    for package in ("good", "broken"):
        source = tmp_path_factory.mktemp("source") / package
        shutil.copytree(HERE / package, source, ignore=shutil.ignore_patterns("__pycache__"))
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        offline = ["--no-deps", "--no-index", "--no-build-isolation", "--target", str(site), str(source)]
        subprocess.run([*pip, *offline], check=True, capture_output=True, text=True)
    surroundings = {**os.environ, "PYTHONPATH": str(site), "WMEVAL_CACHE": str(work / "cache")}

    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "wmeval.cli.main", *argv]
        return subprocess.run(command, cwd=work, env=surroundings, capture_output=True, text=True)

    return run


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line of a mistake."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("wmeval: ")]
    return line


def test_all_that_it_brings_is_listed_beside_ours(wmeval: Wmeval) -> None:
    listing = json.loads(wmeval("list", "--json").stdout)
    names = {kind: {r["name"]: r["from"] for r in rows} for kind, rows in listing.items()}
    for kind, name in [
        ("probes", "coasting"), ("models", "shift"), ("metrics", "brightness"), ("suites", "coasting"),
        ("tasks", "drift"),
    ]:  # fmt: skip
        assert names[kind][name] == "wmeval-coasting 0.3"
    assert names["probes"]["gravity"].startswith("wmeval ")
    told = wmeval("list", "tasks")
    assert told.returncode == 1  # what the other package offers cannot be told
    assert "cannot be imported from wmeval_rusty:" in told.stdout
    assert "send a ball that nothing else acts on to a place" in told.stdout


@pytest.mark.parametrize(
    ("name", "kinds", "says"),
    [
        ("coasting", ["probe", "suite"], "A ball on which nothing acts"),
        ("shift", ["model"], "pixels a frame"),
        ("brightness", ["metric"], "grey levels"),
        ("drift", ["task"], "choose, control"),
    ],
)
def test_what_it_brings_is_described(wmeval: Wmeval, name: str, kinds: list[str], says: str) -> None:
    told = wmeval("describe", name)
    assert told.returncode == 0, told.stderr
    assert says in told.stdout
    assert [f["kind"] for f in json.loads(wmeval("describe", name, "--json").stdout)] == kinds


def test_its_model_and_its_probe_pass_the_checks_that_ours_pass(wmeval: Wmeval) -> None:
    told = wmeval("check", "adapter", "shift")
    assert told.returncode == 0, told.stdout
    told = wmeval("check", "probe", "coasting", "--n", "20", "--workers", "1", "--json")
    found = json.loads(told.stdout)
    assert told.returncode == 0, found["verdict"]
    assert found["probe"] == "coasting@0.3"


def test_its_model_is_asked_its_own_questions(wmeval: Wmeval) -> None:
    run = (
        "run",
        "--model",
        "shift",
        "--suite",
        "coasting",
        "--limit",
        "4",
        "--workers",
        "1",
        "--out",
        "still",
    )
    told = wmeval(*run, "--set", "columns=0", "--json")
    assert told.returncode == 0, told.stderr
    results = json.loads(told.stdout)
    (score,) = results["scores"]
    assert (score["probe"], score["anchors"], score["n"]) == ("coasting@0.3", "local", 4)
    assert score["skill"] == pytest.approx(0.0, abs=0.05)  # it stands still, as the null model does
    (implied,) = results["implied"]
    assert (implied["name"], implied["value"]) == ("v / true v", pytest.approx(0.0, abs=0.02))
    values = {m["metric"]: m["value"] for m in results["fidelity"]}
    assert values["brightness"] < 1.0 < values["psnr"]


@pytest.mark.parametrize(("model", "success"), [("oracle", 1.0), ("shift", 0.0)])
def test_its_task_is_planned(wmeval: Wmeval, model: str, success: float) -> None:
    """Standing still, the fastest ball looks nearest to its place, and it flies past."""
    run = ("run", "--task", "drift", "--instrument", "choose", "--limit", "8", "--workers", "1", "--json")
    still = ("--set", "columns=0") if model == "shift" else ()
    told = wmeval(*run, "--model", model, *still, "--out", f"drift-{model}")
    assert told.returncode == 0, told.stderr
    results = json.loads(told.stdout)
    (row,) = results["planning"]
    assert (row["task"], row["n"], row["failed"], row["random"]) == ("drift@0.3", 8, 0, 0.25)
    assert row["success"] == success
    assert not results["scores"]


def test_the_broken_one_is_a_sentence_wherever_it_is_asked_for(wmeval: Wmeval) -> None:
    says = "cannot be imported from wmeval_rusty:"
    for argv in [
        ("describe", "rusty"), ("check", "probe", "rusty"), ("check", "adapter", "rusty"), ("rusty",),
        ("run", "--model", "rusty"), ("run", "--model", "shift", "--probe", "rusty"),
    ]:  # fmt: skip
        line = sentence(wmeval(*argv))
        assert says in line
        assert "wmeval-rusty" in line
        assert "reinstall or uninstall that package" in line
    told = wmeval("list", "--check", "--json")
    assert told.returncode == 1
    problems = {r["name"]: r["problem"] for rows in json.loads(told.stdout).values() for r in rows}
    assert says in problems.pop("rusty")
    assert not any(problems[name] for name in ("gravity", "genie", "psnr", "coasting", "shift", "drift"))


def test_help_names_the_command_of_a_package_without_importing_it(wmeval: Wmeval) -> None:
    told = wmeval("--help")
    assert (told.returncode, "From the package wmeval-rusty" in told.stdout) == (0, True)
