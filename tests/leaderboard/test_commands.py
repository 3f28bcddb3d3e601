"""`wmeval leaderboard` from the command line: what an operator types, and what comes back."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from wmeval.cli.main import main
from wmeval_leaderboard import accounts
from wmeval_leaderboard.cli import COMMANDS, leaderboard
from wmeval_leaderboard.database import open_database, reading, writing
from wmeval_leaderboard.settings import Settings
from wmeval_leaderboard.tables import Job, Submission, Team, Token

TINY = str(Path(__file__).with_name("tiny_suite.py"))


@pytest.fixture
def admin(settings, capsys):
    """A function that types `wmeval leaderboard admin ...` and returns exit code, stdout and stderr."""

    def run(*words):
        code = main(["leaderboard", "admin", *words, "--database", settings.url, "--files", settings.files])
        told = capsys.readouterr()
        return code, told.out.strip(), told.err.strip()

    return run


def test_help_names_every_command_and_imports_none():
    code = (
        "import sys; from wmeval.cli.main import main\n"
        "try: main(['leaderboard', '--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('fastapi', 'sqlalchemy', 'numpy', 'alembic') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip().endswith("[]")
    for name, (_, line) in COMMANDS.items():
        assert re.search(rf"{name}\s+{re.escape(line[:30])}", told)


def test_every_command_of_the_table_is_there():
    for name in COMMANDS:
        assert CliRunner().invoke(leaderboard, [name, "--help"]).exit_code == 0, name


def test_a_missing_extra_is_one_sentence(monkeypatch, capsys):
    for name in [m for m in sys.modules if m.startswith("wmeval_leaderboard.commands")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    assert main(["leaderboard", "admin", "seasons"]) == 3
    assert capsys.readouterr().err == (
        "wmeval: the leaderboard needs sqlalchemy, which is not installed: pip install "
        '"wmeval[leaderboard]"\n'
    )


def test_teams_and_tokens(admin, settings):
    code, token, _ = admin("team", "north")
    assert code == 0
    engine = open_database(settings.url)
    with reading(engine) as session:
        assert accounts.team_of(session, token).name == "north"
    assert admin("team", "north")[0] == 2
    assert admin("token", "south")[2] == "wmeval: no team is called 'south'; known: north"
    assert admin("token", "north", "--label", "robot", "--days", "1")[0] == 0
    listed = admin("tokens")[1]
    assert "robot" in listed
    assert token not in listed
    assert admin("revoke", "1")[0] == 0
    with reading(engine) as session:
        assert accounts.team_of(session, token) is None
        assert len(session.scalars(select(Team)).all()) == 1
        assert [t.revoked is None for t in session.scalars(select(Token).order_by(Token.id))] == [False, True]
    assert admin("revoke", "9")[0] == 2


def test_seasons_are_opened_and_closed(admin):
    commitment = admin("open", "first", "--suite", TINY)[1]
    assert re.fullmatch("[0-9a-f]{64}", commitment)
    assert commitment in admin("seasons")[1]
    assert "no suite is called 'cor'; did you mean 'core'" in admin("open", "second", "--suite", "cor")[2]
    for name in ("", "../first", "a/b", "n" * 300, "first-"):
        code, _, err = admin("open", name, "--suite", TINY)
        assert code == 2
        assert "expected 1 to 48 letters" in err
    secret = admin("close", "first")[1]
    assert re.fullmatch("[0-9a-f]{64}", secret)
    assert admin("close", "first")[0] == 2
    assert "entries of the ledger" in admin("check")[1]


def test_jobs_are_listed_and_put_up_again(admin, engine, store_run, finished_run):
    row = store_run(finished_run)
    assert row.slug in admin("jobs")[1]
    code, _, err = admin("again", "1")
    assert (code, err) == (2, "wmeval: no job 1 was given up; `wmeval leaderboard admin jobs` lists them")
    assert "is queued; only what is published is verified" in admin("verify", row.slug)[2]
    with writing(engine) as session:
        session.get_one(Submission, row.id).state = "published"
    assert admin("verify", row.slug)[0] == 0
    with reading(engine) as session:
        assert session.scalars(select(Job.kind).order_by(Job.id)).all() == ["rescore", "verify"]
    for job_state, sentence in (
        ("waiting", "waits to be verified already"), ("done", "was verified before"),
        ("failed", "`wmeval leaderboard admin again 2` tries again"),
    ):  # fmt: skip
        with writing(engine) as session:
            session.get_one(Job, 2).state = job_state
        code, _, err = admin("verify", row.slug)
        assert code == 2
        assert sentence in err
    assert admin("withdraw", row.slug, "--reason", "trained on the cases")[0] == 0
    with reading(engine) as session:
        kept = session.get_one(Submission, row.id)
        assert (kept.state, kept.reason) == ("withdrawn", "trained on the cases")
    assert admin("withdraw", "nothing", "--reason", "x")[0] == 2
    with writing(engine) as session:
        session.get_one(Submission, row.id).kind = "challenge"
    assert "answers a challenge; verify the run of its model" in admin("verify", row.slug)[2]


def test_check_finds_a_damaged_file(admin, blobs, engine, store_run, finished_run):
    from wmeval_leaderboard.tables import Blob

    digest = blobs.put(b"whole")
    with writing(engine) as session:
        session.add(Blob(digest=digest, size=5, created=0.0))
    assert admin("check")[0] == 0
    (Path(blobs.root) / digest[:2] / digest).write_bytes(b"damaged")
    code, _, err = admin("check")
    assert code == 3
    assert "is damaged" in err


def test_settings_are_given_in_words(capsys, tmp_path):
    with pytest.raises(Exception, match="no setting 'speed'"):
        Settings.in_folder(tmp_path).changed({"speed": "1"})
    with pytest.raises(Exception, match="expected a number"):
        Settings.in_folder(tmp_path).changed({"attempts": "many"})
    assert Settings.in_folder(tmp_path).changed({"lease_s": "5", "attempts": "2"}).lease_s == 5.0


def serve(folder):
    return [
        sys.executable, "-m", "wmeval.cli.main", "leaderboard", "serve", "--port", "0", "--dir", str(folder),
    ]  # fmt: skip


def test_serve_needs_nothing_but_a_folder_and_ends_with_its_workers(tmp_path, until):
    server = subprocess.Popen(serve(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    address = re.match(r"http://127\.0\.0\.1:\d+", server.stdout.readline())[0]
    with urllib.request.urlopen(f"{address}/api/v1/openapi.json", timeout=20) as answer:
        assert answer.status == 200
        assert "server" not in answer.headers
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    assert len(children) == 1
    server.send_signal(signal.SIGTERM)
    assert server.wait(20) == 0
    assert "No season is open yet" in server.stderr.read()
    assert not Path(f"/proc/{children[0]}").exists()


def test_a_worker_does_not_outlive_a_server_that_was_killed(tmp_path, until):
    server = subprocess.Popen(serve(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    address = re.match(r"http://127\.0\.0\.1:\d+", server.stdout.readline())[0]
    with urllib.request.urlopen(f"{address}/api/v1/openapi.json", timeout=20):
        pass
    (child,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    until(lambda: not Path(f"/proc/{child}").exists(), "the worker's end")


def test_a_taken_port_is_told(tmp_path, capsys):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["leaderboard", "serve", "--port", port, "--dir", str(tmp_path)]) == 3
    assert "give another with --port" in capsys.readouterr().err
