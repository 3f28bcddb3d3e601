"""What stands before every request, and how mistakes are told."""

import asyncio

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from wmeval.errors import EnvironmentFault, UsageError
from wmeval_leaderboard.app import create_app
from wmeval_leaderboard.settings import Settings
from wmeval_leaderboard.web import AdminOf, TeamOf

PAGE = {"accept": "text/html,*/*"}


@pytest.fixture
def small(tmp_path, engine, monkeypatch):
    """A server that takes little, with a few addresses for trying it."""
    kept = Settings.in_folder(tmp_path / "server")
    app = create_app(
        kept.changed({"largest_form": "1000", "largest_part": "2000", "requests_a_minute": "20"})
    )

    @app.get("/api/v1/who")
    def who(team: TeamOf) -> str:
        return team.name

    @app.get("/api/v1/operator")
    def operator(team: AdminOf) -> str:
        return team.name

    @app.post("/api/v1/echo")
    def echo(body: dict) -> dict:
        return body

    @app.get("/fails/{how}")
    def fails(how: str) -> str:
        faults = {
            "usage": UsageError("<b>no such thing</b>"), "lacking": EnvironmentFault("the disk is full"),
            "busy": OperationalError("SELECT secret", {}, Exception("locked")),
            "bug": RuntimeError("a secret"),
        }  # fmt: skip
        raise faults[how]

    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened


@pytest.mark.parametrize(
    "path", ["/api/v1/openapi.json", "/nothing", "/fails/bug", "/fails/usage", "/api/v1/who"]
)
def test_every_answer_tells_browsers_to_load_nothing_from_elsewhere(small, path):
    headers = small.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("how", "status", "sentence"),
    [
        ("usage", 400, "<b>no such thing</b>"), ("lacking", 503, "the disk is full"),
        ("busy", 503, "the database is busy and nothing was changed; send the same request again"),
        ("bug", 500, "the server failed at this; its operator finds the reason in its log"),
    ],
)  # fmt: skip
def test_mistakes_are_sentences_and_never_more(small, how, status, sentence):
    told = small.get(f"/fails/{how}")
    assert (told.status_code, told.json()) == (status, {"error": sentence})
    page = small.get(f"/fails/{how}", headers=PAGE)
    assert page.status_code == status
    assert "<b>" not in page.text
    assert "secret" not in told.text + page.text


def test_what_is_not_there_is_told_in_both_ways(small):
    assert small.get("/nothing").json() == {"error": "GET /nothing: not found; the board is at /"}
    page = small.get("/<script>", headers=PAGE)
    assert page.status_code == 404
    assert "<script>" not in page.text
    assert small.get("/api/v1/nothing", headers=PAGE).headers["content-type"] == "application/json"


def test_only_who_has_a_token_is_let_in(small, token):
    refused = small.get("/api/v1/who")
    assert refused.status_code == 401
    assert "Authorization: Bearer TOKEN" in refused.json()["error"]
    assert refused.headers["www-authenticate"] == "Bearer"
    for wrong in ("Bearer x", f"Basic {token}", f"Bearer {token}x", "Bearer "):
        assert small.get("/api/v1/who", headers={"Authorization": wrong}).status_code == 401
    right = {"Authorization": f"Bearer {token}"}
    assert small.get("/api/v1/who", headers=right).json() == "north"
    assert small.get("/api/v1/operator", headers=right).status_code == 403


def test_a_body_has_a_most_whether_it_says_its_length_or_not(small):
    assert small.post("/api/v1/echo", json={"a": "b"}).json() == {"a": "b"}
    announced = small.post("/api/v1/echo", content=b"x" * 1001)
    streamed = small.post("/api/v1/echo", content=(b"x" * 100 for _ in range(11)))
    for told in (announced, streamed):
        assert (told.status_code, told.json()["error"]) == (
            413, "the request's body is larger than 1000 bytes, which is the most that is taken here",
        )  # fmt: skip
    lied = small.post(
        "/api/v1/echo", content=(b"x" * 1100 for _ in range(1)), headers={"content-length": "5"}
    )
    assert lied.status_code == 413


def test_a_body_that_does_not_go_on_is_not_waited_for(settings, token):
    app, said = create_app(settings.changed({"patience_s": "0.05"})), []
    scope = {
        "type": "http", "method": "POST", "path": "/api/v1/submissions", "raw_path": b"", "query_string": b"",
        "headers": [(b"authorization", f"Bearer {token}".encode())], "client": ("10.0.0.1", 1),
        "http_version": "1.1",
        "scheme": "http", "server": ("here", 80), "root_path": "",
    }  # fmt: skip
    pieces = [{"type": "http.request", "body": b"{", "more_body": True}]

    async def receive():
        return pieces.pop() if pieces else await asyncio.sleep(60)

    async def send(message):
        said.append(message)

    asyncio.run(app(scope, receive, send))
    assert said[0]["status"] == 408
    assert b"nothing came for 0.05 s" in said[1]["body"]


def test_who_asks_too_often_waits(small):
    answers = [small.get("/nothing") for _ in range(21)]
    assert [a.status_code for a in answers] == [404] * 20 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert "nosniff" in answers[-1].headers["x-content-type-options"]


def test_a_database_that_is_locked_changes_nothing_and_says_so(client, app, bearer):
    def locked(*_):
        raise OperationalError("BEGIN", {}, Exception("database is locked"))

    event.listen(app.state.engine, "before_cursor_execute", locked)
    told = client.get("/api/v1/openapi.json")
    assert told.status_code == 200
    told = client.post("/api/v1/submissions", json={}, headers=bearer)
    assert told.status_code == 503
    assert told.headers["retry-after"]
