"""Every page over HTTP: it is there, it leads somewhere, it runs nothing of a team's, it tells no secret."""

import html
import re
from html.parser import HTMLParser

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from wmeval_leaderboard import tables
from wmeval_leaderboard.app import create_app
from wmeval_leaderboard.database import reading, writing
from wmeval_leaderboard.ledger import record

LINK = re.compile(r'(?:href|src|hx-get)="([^"]*)"')


@pytest.fixture
def client(filled):
    with TestClient(create_app(filled.settings), headers={"accept": "text/html"}) as client:
        yield client


class Marks(HTMLParser):
    """The tags of a page as a browser sees them, with their attributes."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))


def marks(text):
    parser = Marks()
    parser.feed(text)
    return parser.seen


def crawl(client):
    """Return every page that can be reached from the board, one sort and filter of it each."""
    seen, todo = {}, ["/"]
    while todo:
        address = todo.pop()
        if address in seen or address.startswith(("#", "/human", "/static/vega")):
            continue
        answer = client.get(address)
        seen[address] = answer
        if "text/html" not in answer.headers.get("content-type", ""):
            continue
        for found in map(html.unescape, LINK.findall(answer.text)):
            # one more question of the board is enough, not every mixture of two
            if not (address.startswith("/?") and found.startswith(("/?", "/api/"))):
                todo.append(found)
    return seen


@pytest.fixture(scope="session")
def everything(board_to_read):
    made, _ = board_to_read
    with TestClient(create_app(made.settings), headers={"accept": "text/html"}) as client:
        return crawl(client)


def test_every_link_leads_to_a_page_that_runs_nothing_and_tells_no_secret(everything):
    kinds = {re.sub(r"[^a-z/].*", "", a[1:]) for a in everything}
    assert {
        "",
        "models/m",
        "probes/gravity",
        "tasks/push",
        "samples/",
        "utility",
        "method",
        "ledger",
        "media/",
    } <= kinds
    for address, answer in everything.items():
        assert answer.status_code == 200, (address, answer.text)
        assert b"SEALED-SECRET" not in answer.content, address
        assert b"sealed" not in answer.content.replace(b"unsealed", b""), address
        if "text/html" not in answer.headers["content-type"]:
            continue
        text = answer.text
        assert "<script>alert" not in text, address
        assert "<img src=x" not in text, address
        for tag, given in marks(text):
            assert tag not in ("style", "iframe", "object", "embed", "base"), address
            assert not [k for k in given if k.startswith("on") or k == "style"], (address, tag, given)
            assert tag != "script" or "src" in given or given["type"] == "application/json", address
        assert not [u for u in LINK.findall(text) if re.match(r"(?:[a-z]+:)?//", u)], address
        assert len(answer.content) <= 200_000, (address, len(answer.content))
        assert text.count("<h1") == 1, address
        assert "<title>" in text, address


def test_no_value_of_a_case_leaves_the_server(board_to_read, everything):
    with reading(board_to_read[0].engine) as session:
        cases = session.scalars(select(tables.Score.cases).where(tables.Score.source == "challenged")).first()
    for address, answer in everything.items():
        for case in list(cases)[:5]:
            assert case.encode() not in answer.content, address


def test_who_has_a_page_is_told_so_and_a_new_entry_makes_a_new_page(client, filled):
    first = client.get("/")
    tag = first.headers["etag"]
    again = client.get("/", headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/", headers={"accept-encoding": "identity"}).text == first.text
    filled.model("made-up-2026", "made-up lab", "Iris (made up)", 0.6)
    other = client.get("/", headers={"if-none-match": tag})
    assert other.status_code == 200
    assert "Iris (made up)" in other.text


def test_static_files_keep_for_ever_under_the_digest_of_what_they_hold(client):
    (style,) = re.findall(r'href="(/static/board-[^"]*css)"', client.get("/").text)
    answer = client.get(style)
    assert "immutable" in answer.headers["cache-control"]
    assert client.get(style.replace("board-", "board-0")).status_code == 404
    assert client.get("/static/..%2f..%2fsettings.py").status_code == 404


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/models/nobody", 404, "no model"),
        ("/probes/gravity", 404, "gravity@0.1"),
        ("/probes/..%2f..%2fetc", 404, ""),
        ("/tasks/push", 404, "push@0.2"),
        ("/samples/99999", 404, "not here"),
        ("/samples/1?with=2", 404, "not of the case"),
        ("/submissions/nothing", 404, "no submission"),
        ("/?view=nonsense", 400, "profile"),
        ("/?season=never", 404, "no season"),
        ("/utility?task=flying", 400, "push@0.2"),
        (f"/media/{'0' * 64}.png", 404, "no sample"),
    ],
)
def test_what_is_not_there_is_answered_with_a_sentence(client, address, status, said):
    answer = client.get(address)
    assert answer.status_code == status
    assert said in html.unescape(answer.text)


def test_a_task_says_what_may_be_done_how_models_stand_and_what_is_at_fault(client):
    text = html.unescape(client.get("/tasks/push@0.2").text)
    for said in (
        "a force along x, of at most 6 m/s²",
        "How models choose",
        "How models control",
        "64 plans a round",
    ):
        assert said in text
    assert "Aurora-M" in text
    assert 'href="/tasks/push@0.2"' in client.get("/probes").text


def test_the_arms_of_control_stand_side_by_side_most_trusted_and_at_the_largest_budget():
    from wmeval_leaderboard.pages.task import _standing_row

    arm = {"tag": "iid", "dynamics": "model", "cost": "state", "tier": "verified"}
    rows = [{**arm, "budget": 16, "success": 0.25}, {**arm, "budget": 64, "success": 0.5},
            {**arm, "budget": 256, "success": None}, {**arm, "dynamics": "random", "cost": "", "success": 0.0,
             "budget": None}, {**arm, "tier": "self-reported", "budget": 512, "success": 1.0}]  # fmt: skip
    assert _standing_row(rows, "iid", "model", "state") is rows[1]
    assert _standing_row(rows, "iid", "random", "") is rows[3]
    assert _standing_row(rows, "iid", "model", "goal") is None


def test_only_files_of_samples_are_sent_and_nothing_else_of_a_submission(client, filled):
    secret = filled.blobs.put(b"a file of a submission")
    assert client.get(f"/media/{secret}.png").status_code == 404
    with writing(filled.engine) as session:
        media = session.scalars(select(tables.Sample.media)).first()
    assert client.get(f"/media/{media['truth']}.png").headers["content-type"] == "image/png"
    assert client.get(f"/media/{media['truth']}.json").status_code == 404
    assert client.get(f"/media/{media['data']}.json").json()["width"] == 64


def test_samples_of_hidden_scenes_are_shown_when_the_season_has_told_its_secret(client, filled):
    with writing(filled.engine) as session:
        session.execute(update(tables.Submission).values(kind="challenge"))
        media = session.scalars(select(tables.Sample.media)).first()
        record(session, "changed", "test", {})
    assert client.get("/samples/1").status_code == 404
    assert client.get(f"/media/{media['truth']}.png").status_code == 404
    assert "/samples/" not in client.get("/probes/gravity@0.1").text
    with writing(filled.engine) as session:
        session.execute(update(tables.Season).values(secret="5ec4e7", sealed=None))
        record(session, "season closed", "made-up-2026", {})
    assert client.get("/samples/1").status_code == 200
    assert "5ec4e7" in client.get("/method").text


def test_the_ledger_s_page_says_where_its_chain_is_broken(client, filled):
    assert "follow from one another" in client.get("/ledger").text
    with writing(filled.engine) as session:
        session.execute(update(tables.Ledger).where(tables.Ledger.seq == 3).values(kind="forged"))
        record(session, "changed", "test", {})
    assert "entry 3 of the ledger does not follow" in client.get("/ledger").text


def test_a_page_behind_the_last_of_the_ledger_is_not_made(client):
    answer = client.get("/ledger?page=99")
    assert (answer.status_code, "behind the last" in answer.text) == (404, True)


def test_a_withdrawn_submission_keeps_its_page_with_the_reason(client, snapshot):
    (entry,) = [e for e in snapshot.entries if e.state == "withdrawn"]
    assert "the weights were trained on evaluation scenes" in client.get(f"/submissions/{entry.slug}").text
    assert entry.slug in client.get(f"/models/{entry.model}").text
    assert entry.slug not in client.get("/").text


def test_a_board_without_a_season_says_how_one_is_opened(made_up):
    with TestClient(create_app(made_up.settings), headers={"accept": "text/html"}) as client:
        answer = client.get("/")
        assert (answer.status_code, "No season is open yet" in answer.text) == (200, True)
        assert client.get("/method").status_code == 200


def test_the_api_gives_the_view_as_files(client):
    told = client.get("/api/v1/board.json?view=physics").json()
    assert {r["column"] for r in told["rows"]} >= {"gravity", "control"}
    assert client.get("/api/v1/board.csv").headers["content-disposition"].endswith('"board.csv"')
    assert client.get("/api/v1/board.parquet").content[:4] == b"PAR1"
    (season,) = client.get("/api/v1/seasons").json()
    assert season["commitment"]
    assert "sealed" not in season
    assert client.get("/api/v1/ledger").json()["total"] == 12
