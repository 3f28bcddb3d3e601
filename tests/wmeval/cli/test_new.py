"""What `wmeval new` writes runs, is short, passes the checks, and never takes the place of anything."""

import ast
import io
import json
import tokenize

import pytest

from wmeval.cli.main import main


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def code_lines(text):
    """Return how many lines hold code: no comments, no docstrings, no blank lines."""
    docstrings = set()
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            docstrings |= set(range(body[0].lineno, body[0].end_lineno + 1))
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    held = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in (*skipped, tokenize.ENDMARKER):
            held |= set(range(token.start[0], token.end[0] + 1))
    return len(held - docstrings)


@pytest.mark.parametrize("kind", ["probe", "adapter"])
def test_it_is_one_short_file_under_its_own_name(kind, here, capsys):
    assert main(["new", kind, "slow-fall"]) == 0
    told = capsys.readouterr().out
    assert f"wmeval check {kind} ./slow-fall.py" in told
    text = (here / "slow-fall.py").read_text()
    assert "starter" not in text.lower()
    assert code_lines(text) <= 40
    assert text.count("#") >= 6


def test_the_probe_passes_its_check(here, capsys):
    assert main(["new", "probe", "toss"]) == 0
    capsys.readouterr()
    code = main(["check", "probe", "./toss.py", "--n", "20", "--workers", "1", "--out", "page.md", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert code == 0, found["verdict"]
    assert {"oracle", "freeze", "vanish", "blur", "noise"} == set(found["references"])
    assert len(found["calibration"]["curve"]) == 5
    page = (here / "page.md").read_text()
    for part in (
        "**toss@0.1 passes all",
        "| what must be seen | ok |",
        "| 0.05 (must be seen) |",
        "| oracle |",
    ):
        assert part in page


def test_the_adapter_passes_its_check_and_is_asked(here, capsys, monkeypatch):
    monkeypatch.setenv("WMEVAL_CACHE", str(here / "cache"))
    assert main(["new", "adapter", "echo"]) == 0
    assert main(["check", "adapter", "./echo.py"]) == 0
    asked = ["--suite", "quick", "--probe", "gravity", "--limit", "1", "--executor", "inline", "--out", "run"]
    assert main(["run", "--model", "./echo.py", *asked]) == 0
    capsys.readouterr()
    assert json.loads((here / "run" / "results.json").read_text())["failed"] == 0


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["probe", "gravity"], "the name 'gravity' is taken"),
        (["adapter", "oracle"], "the name 'oracle' is taken"),
        (["probe", "Free Fall"], "expected small letters, digits and hyphens"),
        (["probe", "../up"], "expected small letters"),
        (["metric", "m"], "no such command 'metric'"),
    ],
)
def test_a_name_that_cannot_be_is_a_sentence(argv, says, here, capsys):
    assert main(["new", *argv]) == 2
    assert says in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_nothing_is_overwritten(here, capsys):
    (here / "mine.py").write_text("precious\n")
    assert main(["new", "probe", "mine.py"]) == 2
    assert "is left as it is" in capsys.readouterr().err
    assert (here / "mine.py").read_text() == "precious\n"
