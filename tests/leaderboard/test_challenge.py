"""A challenge from end to end: taken, answered by a model, measured by the worker; and what is refused."""

import io
import shutil
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

import wmeval
from wmeval import registry
from wmeval.camera import View
from wmeval.cli.main import main
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.pack import layout
from wmeval.pack.picture import read_png, write_pngs
from wmeval.run.hidden import hidden
from wmeval.run.plan import draw
from wmeval.run.request import Request
from wmeval.run.truths import truth_of
from wmeval.submission.parts import Part as Listed
from wmeval.submission.parts import root_of
from wmeval.submission.signing import new_key, public_key, sign
from wmeval.world import observe
from wmeval_leaderboard import accounts, seasons
from wmeval_leaderboard.app import create_app
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.challenges import Answers, promise
from wmeval_leaderboard.client import challenge as theirs
from wmeval_leaderboard.client.sending import Sent
from wmeval_leaderboard.client.server import Server
from wmeval_leaderboard.database import open_database, reading, upgrade, writing
from wmeval_leaderboard.limited import Died
from wmeval_leaderboard.preparing import GIVEN_UP, Preparing, prepare
from wmeval_leaderboard.settings import Settings
from wmeval_leaderboard.tables import Challenge, Ledger, Score, Season, Submission, Team
from wmeval_leaderboard.worker import work

MODEL = "linear-latent"
STILL = '''
"""A model that shows the last frame again, and is surprised by whatever changes."""
import numpy as np

from wmeval.camera import View
from wmeval.model import ActionSpace, Adapter, Card, Prediction

CARD = Card("still", "test", "1", "Apache-2.0", "here", frozenset({"generates", "scores"}), View(),
            (2, 64), None, ActionSpace("none"), ("clip", "never"), max_batch=3)


class Still:
    card = CARD

    def generate(self, batch, seeds):
        return [Prediction(frames=np.repeat(o.frames[-1:], o.horizon, axis=0)) for o in batch]

    def score(self, batch):
        change = [np.abs(np.diff(c.frames.astype(float), axis=0)).mean((1, 2, 3)) for c in batch]
        return [Prediction(surprise=np.r_[np.nan, c]) for c in change]


ADAPTER = Adapter(CARD, lambda weights, device, options: Still())
'''


@pytest.fixture
def key(engine, team):
    made = new_key()
    with writing(engine) as session:
        accounts.add_key(session, team, public_key(made))
    return made


@pytest.fixture
def asked():
    return Request(MODEL, device="cpu")


@pytest.fixture
def unmade(monkeypatch):
    """Let no questions be made, for tests that ask none."""
    monkeypatch.setattr(Preparing, "begin", lambda self, slug: None)


@dataclass(frozen=True)
class Done:
    """A server on which a model has answered a challenge that was then measured."""

    settings: Settings
    engine: Any
    client: TestClient
    token: str
    key: str
    sent: Sent
    folder: Path

    @property
    def server(self):
        return Server("http://testserver", self.token, client=self.client, wait=lambda s: time.sleep(0.1))

    @property
    def secret(self):
        with reading(self.engine) as session:
            return seasons.secret_of(session.scalars(select(Season)).one())

    def one(self, table):
        """Return the first row of a table."""
        with reading(self.engine) as session:
            return session.scalars(select(table).limit(1)).one()


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("challenge")
    settings = Settings.in_folder(folder / "server")
    engine, key = open_database(settings.url), new_key()
    upgrade(engine)
    with writing(engine) as session:
        team = accounts.add_team(session, "north")
        token = accounts.issue_token(session, team)
        accounts.add_key(session, team, public_key(key))
        seasons.open_season(session, "first", str(Path(__file__).with_name("tiny_suite.py")))
    with TestClient(create_app(settings)) as client:
        server = Server("http://testserver", token, client=client, wait=lambda s: time.sleep(0.1))
        (folder / "still.py").write_text(STILL)
        sent = theirs.answer(server, key, Request(str(folder / "still.py")), folder / "mine")
        assert work(engine, Blobs(settings.files), settings, once=True) == 1
        yield Done(settings, engine, client, token, key, sent, folder)
    engine.dispose()


def wish(asked, nonce="0" * 32, form="arrays", **changed):
    card = registry.load_adapter(asked.model).card.to_json()
    told = {"name": card["name"], "version": card["version"], "weights": None, "options": {}}
    return {"model": told, "card": {**card, **changed}, "form": form, "nonce": nonce}


def test_answers_are_measured_as_a_hidden_run_and_published(done, tmp_path):
    assert done.sent.state == "queued"
    mine = done.one(Submission)
    with reading(done.engine) as session:
        first = select(Score).where(Score.submission_id == mine.id, Score.section == "scores")
        rows = {(r.name, r.instrument): r for r in session.scalars(first)}
        told = [e.body for e in session.scalars(select(Ledger)) if e.kind == "measured"]
    assert (mine.state, mine.tier, mine.kind) == ("published", "challenged", "challenge")
    assert told[0]["wrong"] == 0
    assert {r.source for r in rows.values()} == {"challenged"}
    suite = done.one(Season).versions["given"]
    with hidden(done.secret):
        still = str(done.folder / "still.py")
        ran = wmeval.run(still, suite, executor="inline", out=tmp_path / "ran")
    assert len(ran.results["scores"]) == 4
    for row in ran.results["scores"]:
        kept = rows[row["probe"], row["instrument"]]
        assert kept.row["error"] == pytest.approx(row["error"], abs=1e-9)
        assert kept.n == row["n"] == 2
    assert all(name.startswith("hidden-") for r in rows.values() for name in r.cases)


def test_no_response_tells_a_secret_a_salt_or_a_case(done):
    made = done.one(Challenge)
    with hidden(done.secret):
        cases = [draw(registry.load_probe(p), "iid", i) for p in ("gravity", "bounce") for i in range(2)]
    forbidden = [done.secret.hex(), made.salt.hex(), *(c.case_id[:16] for c in cases)]
    forbidden += [s.digest[:16] for c in cases for s in c.arms.values()]
    slug = done.sent.slug
    known = [f"/api/v1/challenges/{made.slug}", f"/api/v1/challenges/{made.slug}/pack"]
    known += ["/", "/ledger", f"/submissions/{slug}", f"/api/v1/submissions/{slug}/status"]
    known += [path for path in done.client.get("/api/v1/openapi.json").json()["paths"] if "{" not in path]
    for path in known:
        data = done.client.get(path, headers={"Authorization": f"Bearer {done.token}"}).content
        if path.endswith("/pack"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                data = b"".join(archive.read(name) for name in archive.namelist())
        for word in forbidden:
            assert word.encode() not in data.lower(), (path, word)
        assert done.secret not in data, path
        assert made.salt not in data, path


def test_the_secret_lies_in_no_file_of_the_server_but_its_database(done):
    for path in (done.folder / "server").rglob("*"):
        if path.is_file() and "sqlite" not in path.name:
            data = path.read_bytes()
            assert done.secret not in data, path
            assert done.secret.hex().encode() not in data, path
    assert not list(Path(done.settings.scratch).iterdir())


def test_the_same_call_goes_on_and_sends_nothing_twice(done):
    again = theirs.answer(done.server, done.key, Request(str(done.folder / "still.py")), done.folder / "mine")
    assert (again.slug, again.files, again.state) == (done.sent.slug, 0, "published")
    assert done.one(Challenge).submission_id == done.one(Submission).id


def test_a_challenge_is_answered_once(done):
    told = promised("surprise.csv", done.key)
    with pytest.raises(UsageError, match="the first answer counts"):
        done.server.json("POST", f"/api/v1/challenges/{done.one(Challenge).slug}/answers", told)


def promised(name, key):
    root = root_of([Listed(name, "ab" * 32, 3)])
    return {
        "parts": [[name, "ab" * 32, 3]],
        "root": root,
        "key": public_key(key),
        "signature": sign(key, root),
    }


def test_a_deadline_is_a_deadline(season, asked, engine, client, bearer, key, blobs, unmade):
    made = client.post("/api/v1/challenges", headers=bearer, json=wish(asked)).json()
    path = f"/api/v1/challenges/{made['challenge']}"
    early = client.post(path + "/answers", headers=bearer, json=promised("surprise.csv", key))
    assert (early.status_code, client.get(path + "/pack", headers=bearer).status_code) == (409, 409)
    with writing(engine) as session:
        row = session.scalars(select(Challenge)).one()
        row.pack, row.deadline = blobs.put(b"pack"), time.time() - 1
    assert client.get(path, headers=bearer).json()["state"] == "over"
    late = client.post(path + "/answers", headers=bearer, json=promised("surprise.csv", key))
    assert late.status_code == 410
    assert "deadline" in late.json()["error"]


def test_nothing_is_answered_once_the_secret_is_told(
    season, asked, engine, client, bearer, key, blobs, unmade
):
    made = client.post("/api/v1/challenges", headers=bearer, json=wish(asked)).json()
    with writing(engine) as session:
        session.scalars(select(Challenge)).one().pack = blobs.put(b"pack")
        seasons.close_season(session, season.name)
    path = f"/api/v1/challenges/{made['challenge']}/answers"
    late = client.post(path, headers=bearer, json=promised("surprise.csv", key))
    assert late.status_code == 410
    assert "hidden scenes are told" in late.json()["error"]
    assert client.post("/api/v1/challenges", headers=bearer, json=wish(asked, "2" * 32)).status_code == 400


def test_quotas_and_what_is_asked_again(season, asked, client, bearer, unmade):
    answers = [
        client.post("/api/v1/challenges", headers=bearer, json=wish(asked, f"{i:032x}")) for i in range(4)
    ]
    assert [a.status_code for a in answers] == [201, 201, 201, 429]
    assert "3 is the most" in answers[-1].json()["error"]
    same = client.post("/api/v1/challenges", headers=bearer, json=wish(asked, f"{0:032x}"))
    assert same.json()["challenge"] == answers[0].json()["challenge"]
    assert client.get(f"/api/v1/challenges/{'0' * 16}", headers=bearer).status_code == 403
    assert client.get(f"/api/v1/challenges/{answers[0].json()['challenge']}").status_code == 401


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"capabilities": ["encodes"]}, "no pack can ask it"),
        ({"context": [0, 1]}, "context"),
        ({"reference": True}, "reference"),
    ],
    ids=lambda v: str(v)[:20],
)
def test_cards_are_looked_at_before_anything_is_made(
    season, asked, client, bearer, changed, sentence, unmade
):
    answer = client.post("/api/v1/challenges", headers=bearer, json=wish(asked, **changed))
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


@pytest.mark.parametrize(
    "name",
    ["../x.npz", "answers/../../x.npz", "answers/000000000000.py", "pack.json", "answers/000000000000/a.py",
     "questions/000000000000/asked.npz", "answers/00000000000Z.npz"],
)  # fmt: skip
def test_no_other_name_is_taken(name, season, asked, client, bearer, key, engine, unmade):
    made = client.post("/api/v1/challenges", headers=bearer, json=wish(asked)).json()
    with writing(engine) as session:
        session.scalars(select(Challenge)).one().pack = "ab" * 32
    told = promised(name, key)
    answers = Answers(
        [Listed(*part) for part in told["parts"]], told["root"], told["key"], told["signature"], {}
    )
    with writing(engine) as session:
        team = session.scalars(select(Team)).one()
        with pytest.raises(UsageError, match="an answer is named"):
            promise(session, team, made["challenge"], answers, Settings("", ""))


@pytest.mark.slow
def test_a_model_that_is_not_here_is_asked_by_pictures(done, tmp_path):
    """Freezing by hand scores as freezing: what people save is decoded, brought to the View and measured."""
    asked = Request("recorded", options={"name": "somebody", "context": "clip"})
    told = theirs.answer(done.server, done.key, asked, tmp_path / "closed")
    assert isinstance(told, theirs.Waiting)
    assert (told.questions, told.clips) == (4, 0)
    assert "wmeval submit . --challenge" in (told.folder / "README.md").read_text()
    pack = layout.read(told.folder)
    for name, question in pack.questions.items():
        last = read_png(pack.folder / "questions" / name / "last.png")
        write_pngs(pack.answers / name, np.repeat(last[None], question.horizon, 0))
    (pack.answers / f"{name}.refused.txt").write_text("No.")
    shutil.rmtree(pack.answers / name)
    assert main(["check", "pack", str(pack.folder), "--set", "overlap=none"]) == 0
    seen = observe(truth_of(draw(registry.load_probe("gravity"), "iid", 0).arms["main"]), View())
    model = registry.load_model("recorded", options={"folder": str(pack.folder)})
    with pytest.raises(
        EnvironmentFault, match=r"wmeval submit .* --challenge"
    ):  # without salt nothing is found
        model.generate([seen], [0])
    stated = Request("recorded", options={"overlap": "none"})
    sent = theirs.answer(done.server, done.key, stated, tmp_path / "closed")
    assert sent.state == "queued"
    assert work(done.engine, Blobs(done.settings.files), done.settings, once=True) == 1
    with reading(done.engine) as session:
        mine = session.scalars(select(Submission).where(Submission.slug == sent.slug)).one()
        rows = list(session.scalars(select(Score).where(Score.submission_id == mine.id)))
        (entry,) = [
            e for e in session.scalars(select(Ledger)) if (e.kind, e.subject) == ("measured", sent.slug)
        ]
    assert (mine.state, mine.tier, mine.classes) == ("published", "challenged", ["clip", "not stated"])
    assert entry.body["answers"] == {"ok": 3, "refused": 1}
    with hidden(done.secret):
        froze = wmeval.run("freeze", done.one(Season).versions["given"], executor="inline",
                           instruments=["rollout"], out=tmp_path / "froze")  # fmt: skip
    still = {row["probe"]: row["error"] for row in froze.results["scores"]}
    scored = [row for row in rows if row.section == "scores"]
    assert sum(row.row["failed"] for row in scored) == 1
    assert any(row.row["error"] == pytest.approx(still[row.name], abs=0.02) for row in scored)


def test_what_no_anchor_fits_is_refused_and_costs_nothing(season, asked, client, bearer, engine, until):
    view = {"fps": 10.0, "height": 40, "width": 40, "supersample": 2, "shadows": False}
    unseen = {"view": view, "capabilities": ["generates"]}
    made = client.post("/api/v1/challenges", headers=bearer, json=wish(asked, **unseen)).json()
    path = f"/api/v1/challenges/{made['challenge']}"
    until(lambda: client.get(path, headers=bearer).json()["state"] != "preparing", "an answer", 120)
    told = client.get(path, headers=bearer).json()
    assert told["state"] == "refused"
    assert "no anchors of" in told["reason"]
    refused = client.post(path + "/answers", headers=bearer, json=promised("surprise.csv", new_key()))
    assert refused.status_code == 400
    answers = [
        client.post("/api/v1/challenges", headers=bearer, json=wish(asked, f"{i:032x}", **unseen))
        for i in range(1, 4)
    ]
    assert {a.status_code for a in answers} == {201}


def test_only_what_is_known_is_kept_of_a_declaration(season, asked, client, bearer, engine, unmade):
    told = wish(asked)
    told["model"] |= {"secret": "x" * 1000}
    assert client.post("/api/v1/challenges", headers=bearer, json=told).status_code == 201
    with reading(engine) as session:
        kept = session.scalars(select(Challenge)).one().model
    assert set(kept["model"]) == {"name", "version", "weights", "options"}
    for model, sentence in (
        ({"name": "<script>alert(1)</script>"}, "model.name"), ({"options": {"a": 1}}, "model.options.a"),
        ({"options": {"a": "\u202e"}}, "control character"), ({"weights": "x"}, "model.weights"),
    ):  # fmt: skip
        bad = wish(asked, "1" * 32)
        bad["model"] |= model
        answer = client.post("/api/v1/challenges", headers=bearer, json=bad)
        assert answer.status_code == 400
        assert sentence in answer.json()["error"]


def test_what_is_stated_of_answers_is_known(key, settings):
    told = promised("surprise.csv", key)
    parts = [Listed(*part) for part in told["parts"]]
    for stated, sentence in (({"folder": "/etc"}, "was stated"), ({"overlap": "some"}, "overlap was given")):
        answers = Answers(parts, told["root"], told["key"], told["signature"], stated)
        with pytest.raises(UsageError, match=sentence):
            answers.check(settings)


def test_what_keeps_failing_is_given_up(season, asked, client, bearer, app, engine, monkeypatch, until):
    def fail(*_):
        raise Died("the measuring process ended by signal 9")

    monkeypatch.setattr("wmeval_leaderboard.preparing.prepare", fail)
    made = client.post("/api/v1/challenges", headers=bearer, json=wish(asked)).json()
    path = f"/api/v1/challenges/{made['challenge']}"
    until(lambda: client.get(path, headers=bearer).json()["state"] == "refused", "a refusal")
    assert client.get(path, headers=bearer).json()["reason"] == GIVEN_UP


def test_no_refusal_tells_where_packs_are_made(season, asked, client, bearer, app, unmade, monkeypatch):
    made = client.post("/api/v1/challenges", headers=bearer, json=wish(asked)).json()

    def refuse(folder, *_):
        raise UsageError(f"{folder}/pack cannot be made")

    monkeypatch.setattr("wmeval_leaderboard.preparing.hidden.do", refuse)
    with pytest.raises(UsageError, match=r"^the workplace/pack cannot be made$"):
        prepare(app.state.engine, app.state.blobs, app.state.settings, made["challenge"])
