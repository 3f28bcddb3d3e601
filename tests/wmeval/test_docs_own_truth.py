"""The page of one's own truth is followed: its recordings are made, its commands run in this process."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from wmeval.own.folder import KEYS

PAGE = Path(__file__).parents[2] / "docs" / "own-truth.md"
BLOCK = re.compile(r"^```(python (?P<file>\S+)|sh)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """Run the page's file and commands from top to bottom in a folder, and return it."""
    folder = tmp_path_factory.mktemp("page")
    around = {**os.environ, "OMP_NUM_THREADS": "1"}
    for block in BLOCK.finditer(PAGE.read_text()):
        if block["file"]:
            commands = [[sys.executable, "-c", block["body"]]]
        else:
            commands = [
                [sys.executable, "-m", "wmeval.cli.main", *shlex.split(line)[1:]]
                for line in block["body"].splitlines()
            ]
        for command in commands:
            done = subprocess.run(command, cwd=folder, env=around, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
    return folder


def test_genie_goes_on_from_recordings_of_scene_actions(followed):
    results = json.loads((followed / "genie-own" / "results.json").read_text())
    own = results["own"]
    assert (results["failed"], own["truth"]["episodes"], own["truth"]["space"]) == (0, 8, "scene")
    assert own["actions"]["n"] == 8
    assert own["drift"][0]["n"][0] == 8
    first = own["drift"][0]["at"][0]
    assert first["lo"] is not None
    assert first["value"] > first["rows"]["freeze"] + 1  # dB; it was trained on such scenes
    assert own["surprise"]["value"] > 0.5
    assert own["reward"]["reason"] == "the model predicts no rewards"
    assert 'id="own"' in (followed / "genie-own" / "report.html").read_text()


def test_the_page_names_what_is_read_and_asked():
    from wmeval.cli.run import command

    text = PAGE.read_text()
    for key in KEYS:
        assert f"| `{key}` |" in text
    assert "--truth" in CliRunner().invoke(command, ["--help"]).output
