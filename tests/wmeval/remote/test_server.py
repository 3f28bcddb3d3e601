"""The server says no to whoever and whatever it should, before it has cost anything."""

import http.client
import io
import json
import os
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest

from wmeval import View
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.model import ActionSpace, Card, Observation, Prediction
from wmeval.remote import server as serving
from wmeval.remote.answer import Served
from wmeval.remote.asked import ask_to_continue
from wmeval.remote.serve import served
from wmeval.remote.server import ModelServer
from wmeval.remote.sessions import Gone, OutOfStep, Sessions
from wmeval.remote.wire import MEDIA, Message, pack, unpack

TOKEN = "a token of twenty-odd letters".replace(" ", "-")
CARD = Card(
    "echo", "test", "1", "MIT", "here", frozenset({"generates", "steps"}), View(height=8, width=8), (1, 8),
    None, ActionSpace("none"), ("clip", "never"),
)  # fmt: skip


class Echo:
    """Shows the last frame again, and fails as its caption tells it to."""

    card = CARD

    def generate(self, batch, seeds):
        if batch[0].caption == "raise":
            raise RuntimeError("no idea")
        if batch[0].caption == "disk":
            raise EnvironmentFault("the disk is full; empty it")
        if batch[0].caption == "object":
            return [Prediction(frames=np.array([object()]))]
        if batch[0].caption == "much":
            return [Prediction(frames=np.zeros((64, 8, 8, 3), np.float64)) for _ in batch]
        return [Prediction(frames=np.repeat(o.frames[-1:], o.horizon, 0)) for o in batch]

    def reset(self, batch, seeds):
        return 0

    def step(self, state, actions):
        return state + 1, np.full((len(actions), 8, 8, 3), state, np.uint8)


def seen(caption=""):
    frames = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    return Observation(frames, 10.0, np.zeros((4, 12)), 3, caption, np.eye(3))


def question(caption=""):
    return pack(ask_to_continue([seen(caption)], [1]))


@pytest.fixture
def serve():
    """Return a function that starts a server of Echo in a thread and returns how to ask it."""
    running = []

    def start(token="", most=64 << 10, **changed):
        one = ModelServer(Served(Echo(), "echo-1"), "127.0.0.1", 0, token, most)
        thread = threading.Thread(target=one.serve_forever, args=(0.02,))
        thread.start()
        running.append((one, thread))

        def ask(method, path, body=None, **headers):
            connection = http.client.HTTPConnection(*one.server_address, timeout=10)
            given = {"Content-Type": MEDIA, **{k.replace("_", "-"): v for k, v in headers.items()}}
            try:
                connection.request(method, path, body, {k: v for k, v in given.items() if v is not None})
                answer = connection.getresponse()
                return answer.status, answer.read()
            finally:
                connection.close()

        ask.server = one
        return ask

    yield start
    for one, thread in running:
        one.shutdown()
        thread.join()
        one.server_close()


def test_it_tells_its_card_and_answers(serve):
    ask = serve()
    code, told = ask("GET", "/card")
    assert code == 200
    assert json.loads(told)["identity"] == "echo-1"
    code, told = ask("POST", "/generate", question())
    message = unpack(told)
    assert (code, message.header["identity"], message.items[0]["state"]) == (200, "echo-1", "ok")
    assert message.arrays["frames.0"].shape == (3, 8, 8, 3)


@pytest.mark.parametrize("given", [None, "Bearer wrong", f"Basic {TOKEN}", "Bearer ", "Bearer \xe9"])
def test_without_the_token_nothing_is_told(serve, given):
    ask = serve(TOKEN)
    for method, path, body in (("GET", "/card", None), ("POST", "/generate", question())):
        code, told = ask(method, path, body, Authorization=given)
        assert (code, json.loads(told)["kind"]) == (401, "token")
        assert b"echo" not in told
    assert ask("GET", "/card", Authorization=f"Bearer {TOKEN}")[0] == 200


def stored(data, how=zipfile.ZIP_STORED):
    """Return an archive with a header of any bytes."""
    out, array = io.BytesIO(), io.BytesIO()
    np.save(array, np.frombuffer(data, np.uint8))
    with zipfile.ZipFile(out, "w", how) as archive:
        archive.writestr("header.npy", array.getvalue())
    return out.getvalue()


@pytest.mark.parametrize(
    ("code", "sentence", "how"),
    [
        (400, "no npz archive", {"body": b"\x00garbage"}),
        (400, "is compressed", {"body": stored(bytes(9999), zipfile.ZIP_DEFLATED)}),
        (413, "claim more than 65536", {"body": stored(bytes(9 << 20), zipfile.ZIP_DEFLATED)}),
        (400, "of protocol 7", {"body": stored(b'{"protocol": 7}')}),
        (400, "expected uint8", {"body": pack(Message({"items": [{"fps": 10, "horizon": 1, "seed": 1}]}))}),
        (400, "no list of objects", {"body": pack(Message({"items": 3}))}),
        (404, "/score is not answered here", {"path": "/score", "body": question()}),
        (404, "/secret is not answered", {"path": "/secret", "body": question()}),
        (404, "GET '/generate'", {"method": "GET", "path": "/generate"}),
        (411, "no Content-Length", {"body": iter([b"x"])}),
        (411, "no Content-Length", {"body": b"x", "Content_Length": "-5"}),
        (413, "at most 65536 are taken", {"body": bytes(65537)}),
        (413, "at most 65536 are taken", {"body": b"x", "Content_Length": "9" * 30}),
        (415, "expected application/x-npz", {"body": question(), "Content_Type": "text/plain"}),
        (403, "only 127.0.0.1 and localhost", {"method": "GET", "path": "/card", "Host": "evil.example"}),
        (403, "only 127.0.0.1", {"method": "GET", "path": "/card", "Host": "evil.example:8765"}),
        (500, "RuntimeError: no idea", {"body": question("raise")}),
        (500, "the disk is full", {"body": question("disk")}),
        (500, "cannot be sent: the array 'frames.0' is object", {"body": question("object")}),
        (500, "at most 65536 are sent", {"body": question("much")}),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_in_a_sentence_and_the_next_is_answered(serve, code, sentence, how):
    ask = serve()
    how = {"method": "POST", "path": "/generate", **how}
    got, told = ask(**how)
    assert got == code, told
    assert sentence in json.loads(told)["error"]
    assert ask("POST", "/generate", question())[0] == 200


def test_only_so_many_questions_wait(serve, monkeypatch):
    ask = serve()
    for _ in range(serving.AT_ONCE):
        assert ask.server.room.acquire(blocking=False)
    code, told = ask("POST", "/generate", question())
    assert (code, json.loads(told)["kind"]) == (503, "busy")
    ask.server.room.release()
    assert ask("POST", "/generate", question())[0] == 200


def test_a_session_goes_forward_and_a_step_is_made_once(serve):
    ask = serve()

    def step(session, at, value=0.0, count=1):
        header = {"session": session, "step": at}
        code, told = ask("POST", "/step", pack(Message(header, {"actions": np.full((count, 12), value)})))
        return code, unpack(told).arrays["frames"].max() if code == 200 else json.loads(told)["error"]

    name = unpack(ask("POST", "/reset", question())[1]).header["session"]
    assert [step(name, 0), step(name, 1), step(name, 1), step(name, 2)] == [(200, i) for i in (0, 1, 1, 2)]
    code, told = step(name, 2, value=1.0)
    assert (code, "goes forward only" in told) == (409, True)
    assert step(name, 0)[0] == 409
    assert step(name, 3, count=2) == (400, "2 actions came for 1 videos")
    code, told = step("0" * 32, 0)
    assert (code, "reset again" in told) == (410, True)


def test_sessions_expire_and_have_a_number():
    now = [0.0]
    kept = Sessions(most=2, idle_s=10, clock=lambda: now[0])
    first, second = kept.open("a", 1), kept.open("b", 1)
    assert first != second
    assert len(first) == 32
    kept.at(first, 0, np.zeros((1, 12)))
    third = kept.open("c", 1)
    with pytest.raises(Gone):
        kept.at(second, 0, np.zeros((1, 12)))
    with pytest.raises(OutOfStep):
        kept.at(first, 5, np.zeros((1, 12)))
    now[0] = 9.0
    kept.at(third, 0, np.zeros((1, 12)))
    now[0] = 12.0
    assert len(kept) == 1
    with pytest.raises(Gone, match="idle for over 10 s"):
        kept.at(first, 0, np.zeros((1, 12)))


@pytest.mark.parametrize(
    ("host", "token", "sentence"),
    [
        ("0.0.0.0", "", "lets other machines ask, and there is no token; `export WMEVAL_TOKEN"),
        ("::", "", "there is no token"),
        ("gpu-machine", "", "there is no token"),
        ("0.0.0.0", "short", "5 characters; expected 16"),
        ("127.0.0.1", "short", "5 characters"),
        ("0.0.0.0", "pässwörter sind so eine sache", "of ASCII"),
    ],
)
def test_others_need_a_token_and_a_good_one(host, token, sentence):
    with pytest.raises(UsageError, match=sentence):
        ModelServer(Served(Echo(), "1"), host, 0, token)


def test_a_taken_port_and_a_reference_are_told(serve):
    with pytest.raises(EnvironmentFault, match="`--port N` takes another"):
        ModelServer(Served(Echo(), "1"), "127.0.0.1", serve().server.server_port)
    for name in ("oracle", "organism:low-gravity"):
        with pytest.raises(UsageError, match="shown the truth"):
            served(name, None, None)


def test_the_command_refuses_before_it_opens_a_model(tmp_path):
    """A token comes from the environment alone, and a host that others reach is refused at once."""
    around = {k: v for k, v in os.environ.items() if k != "WMEVAL_TOKEN"}
    words = [sys.executable, "-m", "wmeval.cli.main", "serve-model", "--model", "nobody", "--host", "0.0.0.0"]
    told = subprocess.run(words, env=around, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert told.returncode == 2
    assert "there is no token" in told.stderr
    told = subprocess.run([*words, "--token", "x"], env=around, capture_output=True, text=True, timeout=60)
    assert "no such option" in told.stderr


def test_identities_tell_models_options_and_weights_apart(tmp_path):
    file, weights = tmp_path / "some.py", tmp_path / "weights.bin"
    file.write_text(
        "from wmeval.starter.adapter import CARD\n"
        "from wmeval.model import Adapter\n"
        "class Some:\n"
        "    card = CARD\n"
        "ADAPTER = Adapter(CARD, lambda *_: Some(), {'steps': '', 'url': ''}, reaches=frozenset({'url'}))\n"
    )

    def identity(options=None, content=None):
        if content is not None:
            weights.write_bytes(content)
        return served(str(file), weights if content is not None else None, options).identity

    ways = [
        identity(),
        identity({"steps": "2"}),
        identity({"steps": "3"}),
        identity(None, b"1"),
        identity(None, b"2"),
    ]
    assert len(set(ways)) == 5
    assert identity() == ways[0] == identity({"url": "elsewhere"})
