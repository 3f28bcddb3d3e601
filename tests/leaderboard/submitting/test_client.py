"""What a submitter's machine does: asks again where it helps, keeps tokens to itself, says what to do."""

import json
import stat

import httpx2
import pytest

from wmeval.cli.main import main
from wmeval.errors import EnvironmentFault, UsageError
from wmeval_leaderboard.client import credentials
from wmeval_leaderboard.client.server import TRIES, Server, normal

ADDRESS = "https://board.example"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A configuration folder of the test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in (credentials.TOKEN, credentials.KEY, "WMEVAL_SERVER"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "config"


def asking(*answers):
    """Return a server that gives these answers one after another, what was asked of it, and the waits."""
    asked, waits, left = [], [], list(answers)

    def answer(request):
        asked.append(request)
        told = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(told, Exception):
            raise told
        return told

    client = httpx2.Client(transport=httpx2.MockTransport(answer))
    return Server(ADDRESS, "wml_secret", client=client, wait=waits.append), asked, waits


def test_a_cut_is_asked_again():
    server, asked, waits = asking(
        httpx2.ConnectError("refused"), httpx2.ReadError("cut"), httpx2.Response(200, json={"a": 1})
    )
    assert server.json("GET", "/x") == {"a": 1}
    assert len(asked) == 3
    assert waits == [0.5, 1.0]
    assert asked[0].headers["Authorization"] == "Bearer wml_secret"


def test_a_server_that_stays_away_is_told_in_one_sentence():
    server, asked, _ = asking(httpx2.ConnectError("refused"))
    with pytest.raises(EnvironmentFault, match=r"cannot be reached \(refused\); the same command goes on"):
        server.ask("GET", "/x")
    assert len(asked) == TRIES


def test_a_busy_server_is_given_the_time_it_asks_for():
    busy = httpx2.Response(503, json={"error": "the disk is full"}, headers={"Retry-After": "7"})
    server, _, waits = asking(busy, httpx2.Response(200, json={}))
    server.json("GET", "/x")
    assert waits == [7.0]


def test_who_is_asked_to_come_back_in_an_hour_is_told_so_at_once():
    quota = httpx2.Response(429, json={"error": "10 is the most"}, headers={"Retry-After": "3600"})
    server, asked, waits = asking(quota)
    with pytest.raises(EnvironmentFault, match=r"^10 is the most$"):
        server.ask("POST", "/x")
    assert (len(asked), waits) == (1, [])


@pytest.mark.parametrize(("status", "kind"), [(400, UsageError), (403, UsageError), (500, EnvironmentFault)])
def test_a_refusal_is_the_servers_own_sentence(status, kind):
    server, asked, _ = asking(httpx2.Response(status, json={"error": "because"}))
    with pytest.raises(kind, match=r"^because$"):
        server.ask("POST", "/x")
    assert len(asked) == 1


def test_the_token_follows_no_redirection():
    server, asked, _ = asking(httpx2.Response(302, headers={"Location": "https://elsewhere.example/"}))
    with pytest.raises(UsageError, match="answered 302"):
        server.ask("GET", "/x")
    assert [r.url.host for r in asked] == ["board.example"]


def test_something_else_than_a_leaderboard_is_told():
    server, _, _ = asking(httpx2.Response(200, text="<html>"))
    with pytest.raises(EnvironmentFault, match="is it a leaderboard"):
        server.json("GET", "/x")


@pytest.mark.parametrize(
    "address", ["ftp://x", "https://", "https://user:pw@host", "https://host/?q=1", ""]
)  # fmt: skip
def test_addresses_that_are_none_are_refused(address):
    with pytest.raises(UsageError, match="--server was given as"):
        normal(address)


def test_a_token_over_an_open_line_is_noticed():
    assert Server("http://board.example", "x").open_to_all
    assert not Server("http://localhost:8000", "x").open_to_all
    assert not Server("https://board.example", "x").open_to_all


def test_token_and_key_are_for_their_owner_alone(home):
    credentials.keep(ADDRESS, credentials.Credentials("wml_a", "00" * 32))
    credentials.keep("https://other.example", credentials.Credentials("wml_b", "11" * 32))
    assert credentials.credentials(ADDRESS).token == "wml_a"
    assert stat.S_IMODE(credentials.file().stat().st_mode) == 0o600
    assert [p.name for p in credentials.file().parent.iterdir()] == ["servers.json"]
    credentials.file().chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        credentials.credentials(ADDRESS)


def test_the_environment_comes_before_the_file_and_stays_out_of_it(monkeypatch):
    monkeypatch.setenv(credentials.TOKEN, "wml_env")
    told = credentials.credentials(ADDRESS)
    assert told.token == "wml_env"
    assert credentials.credentials(ADDRESS).key == told.key  # a new key is kept
    assert "wml_env" not in credentials.file().read_text()
    monkeypatch.delenv(credentials.TOKEN)
    with pytest.raises(UsageError, match="wmeval leaderboard login"):
        credentials.credentials(ADDRESS)


def test_submit_needs_a_run_and_a_server(tmp_path, capsys, finished_run):
    assert main(["submit", str(tmp_path)]) == 2
    assert "--server URL" in capsys.readouterr().err
    assert main(["submit", str(tmp_path / "none"), "--dry-run"]) == 2
    assert "expected the folder of a run" in capsys.readouterr().err
    assert main(["submit", str(finished_run.path), "--server", ADDRESS]) == 2
    assert "login" in capsys.readouterr().err


def test_a_dry_run_tells_what_would_be_sent_and_needs_no_server(capsys, finished_run):
    assert main(["submit", str(finished_run.path), "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["model"], told["suite"], told["files"]) == ("blur", "tiny@1", len(told["parts"]))
    assert len(told["root"]) == 64
    assert main(["submit", str(finished_run.path), "--dry-run"]) == 0
    assert f"root {told['root'][:12]}; nothing was sent" in capsys.readouterr().out


def test_a_partial_run_is_refused_with_the_reason(tmp_path, capsys, finished_run):
    import wmeval

    suite = finished_run.manifest["request"]["suite"]
    wmeval.run("blur", suite=suite, executor="inline", out=tmp_path / "less", limit=1)
    assert main(["submit", str(tmp_path / "less"), "--dry-run"]) == 2
    assert "cannot be handed in: the run is partial" in capsys.readouterr().err


def test_help_is_quick_and_names_the_options(capsys):
    assert main(["submit", "--help"]) == 0
    told = capsys.readouterr().out
    assert "--dry-run" in told
