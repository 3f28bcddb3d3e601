"""The server on the page of remote models is run as it is written, and passes as an adapter."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from wmeval.check_adapter import check_adapter, observations
from wmeval.remote.answer import PATHS
from wmeval_adapters import remote

PAGE = Path(__file__).parents[2] / "docs" / "remote.md"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """Write the page's server out, run it, and return where it listens."""
    (block,) = re.finditer(r"^```python still.py\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    file = tmp_path_factory.mktemp("page") / "still.py"
    file.write_text(block[1])
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    # isolated: it finds numpy and the standard library, and neither wmeval nor this folder
    child = subprocess.Popen([sys.executable, "-I", str(file), str(port)], stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        child.kill()
        child.wait()


def test_the_pages_server_keeps_the_contract(url):
    found = check_adapter("remote", options={"url": url})
    assert {f.name for f in found} >= {"shapes", "seeds", "batch against single", "fresh process"}
    assert [(f.name, f.sentence) for f in found if not f.ok] == []


def test_the_pages_server_shows_the_last_frame_again(url):
    far = remote.load(None, "auto", {"url": url})
    assert (far.card.name, far.card.licence) == ("remote:still", "CC0-1.0")
    for seen, told in zip(observations(far.card), far.generate(observations(far.card), [1, 2]), strict=True):
        assert np.array_equal(told.frames, np.repeat(seen.frames[-1:], seen.horizon, 0))


def test_the_page_has_a_row_for_every_path_and_option():
    text = PAGE.read_text()
    for path, (capability, _) in PATHS.items():
        assert re.search(rf"^\| `{path}` \| {capability} \|", text, re.MULTILINE), path
    for option in remote.OPTIONS:
        assert f"| `{option}` |" in text, option


def test_the_pages_commands_are_commands():
    from wmeval.cli.serve_model import command

    told = CliRunner().invoke(command, ["--help"]).output
    for option in ("--host", "--port", "--max-mb", "--weights", "--set", "--device"):
        assert option in told
