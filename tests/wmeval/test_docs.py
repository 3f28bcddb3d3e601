"""The page that teaches probes is run as it is written: its files are written, its commands are run."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "custom-probes.md"
BLOCK = re.compile(r"^```(python (?P<file>\S+)|sh)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, subprocess.CompletedProcess[str]]:
    """Follow the page from top to bottom; return what each command did, and as "folder" where."""
    folder = tmp_path_factory.mktemp("page")
    around = {**os.environ, "WMEVAL_CACHE": str(folder / "cache")}
    done: dict[str, subprocess.CompletedProcess[str]] = {}
    for block in BLOCK.finditer(PAGE.read_text()):
        if block["file"]:
            with open(folder / block["file"], "a") as file:
                file.write(("\n\n" if file.tell() else "") + block["body"])
            continue
        for line in block["body"].splitlines():
            name, *argv = shlex.split(line)
            assert name == "wmeval"
            command = [sys.executable, "-m", "wmeval.cli.main", *argv]
            done[line] = subprocess.run(command, cwd=folder, env=around, capture_output=True, text=True)
    done["folder"] = subprocess.CompletedProcess(str(folder), 0)
    return done


def test_every_command_of_the_page_works(followed: dict[str, subprocess.CompletedProcess[str]]) -> None:
    assert len(followed) > 4
    for line, told in followed.items():
        assert told.returncode == 0, f"{line}\n{told.stdout}\n{told.stderr}"


def test_its_probe_passes_and_is_asked(followed: dict[str, subprocess.CompletedProcess[str]]) -> None:
    folder = Path(str(followed["folder"].args))
    assert "passes all" in (folder / "galileo.md").read_text()
    results = json.loads((folder / "genie-galileo" / "results.json").read_text())
    (score,) = results["scores"]
    assert (score["probe"], score["n"], score["failed"]) == ("galileo@0.1", 2, 0)
    assert [row["name"] for row in results["implied"]] == ["g / true g"]


def test_its_probe_keeps_our_style(followed: dict[str, subprocess.CompletedProcess[str]]) -> None:
    file = Path(str(followed["folder"].args)) / "galileo.py"
    ruff = [sys.executable, "-m", "ruff"]
    rules = ["--config", str(PAGE.parents[1] / "pyproject.toml")]
    for how in (["check"], ["format", "--check"]):
        told = subprocess.run([*ruff, *how, *rules, str(file)], capture_output=True, text=True)
        assert told.returncode == 0, told.stdout
