"""A served model is the model: the same bytes, the same card, and every fault of the wire told as it is."""

import http.server
import json
import threading
import time
from dataclasses import dataclass, replace

import numpy as np
import pytest

from wmeval import View, registry
from wmeval.check_adapter import PROTOCOLS, check_adapter, clips, findings, observations
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.model import ActionSpace, Card, Clip, Prediction, Status
from wmeval.remote.answer import Served
from wmeval.remote.server import ModelServer
from wmeval.remote.wire import Malformed, Message, pack
from wmeval_adapters import remote
from wmeval_adapters.remote.reach import RemoteFault

TOKEN = "a-token-of-some-letters"
CARD = Card(
    "all", "test", "3", "MIT", "here", frozenset(PROTOCOLS), View(height=16, width=16), (2, 8), None,
    ActionSpace("continuous", 12, "exact"), ("clip", "never"), parameters=7, notes=("knows nothing",),
    context_step=2,
)  # fmt: skip


@dataclass
class All:
    """Can everything, and draws every answer from all that it was given, so that nothing lost goes unseen."""

    card: Card = CARD

    def _rng(self, one, seed=0, batch=1):
        of = [
            one.frames,
            one.actions,
            getattr(one, "intrinsics", np.zeros(1)),
            np.array([one.fps, seed, batch]),
        ]
        text = f"{getattr(one, 'caption', '')}{one.native}{seed}".encode()
        return np.random.default_rng(np.frombuffer(b"".join(a.tobytes() for a in of) + text, np.uint8))

    def generate(self, batch, seeds):
        made = []
        for one, seed in zip(batch, seeds, strict=True):
            size = (one.horizon, *one.frames.shape[1:])
            made.append(Prediction(frames=self._rng(one, seed, len(batch)).integers(0, 256, size, np.uint8)))
        return made

    def imagine(self, batch, seeds):
        return [
            Prediction(
                latents=self._rng(o, s).normal(size=(o.horizon, 3, 5)).astype(np.float32), seconds=0.25
            )
            for o, s in zip(batch, seeds, strict=True)
        ]

    def score(self, batch):
        told = [self._rng(c).normal(size=len(c.frames)) for c in batch]
        told[0][0] = np.nan
        return [Prediction(surprise=t) for t in told]

    def encode(self, batch):
        return [
            Prediction(latents=self._rng(c).normal(size=(len(c.frames), 3, 5)).astype(np.float32))
            for c in batch
        ]

    def reconstruct(self, batch):
        return [
            Prediction(frames=255 - batch[0].frames),
            *[Prediction(status=Status("refused", "not märchen")) for _ in batch[1:]],
        ]

    def infer_actions(self, batch):
        return [self._rng(c).normal(size=(len(c.frames) - 1, 2)) for c in batch]

    def rewards(self, batch):
        return [tuple(self._rng(c).normal(size=(2, len(c.frames) - 1))) for c in batch]

    def reset(self, batch, seeds):
        return [o.frames[-1] for o in batch]

    def step(self, state, actions):
        state = [np.roll(f, int(a[0]), 0) for f, a in zip(state, actions, strict=True)]
        return state, np.stack(state)


@pytest.fixture
def serve(monkeypatch):
    """Return a function that serves a model in a thread and returns the options that reach it."""
    monkeypatch.delenv("WMEVAL_TOKEN", raising=False)
    running = []

    def start(model, identity="1", token="", port=0, **options):
        one = ModelServer(Served(model, identity), "127.0.0.1", port, token)
        thread = threading.Thread(target=one.serve_forever, args=(0.02,))
        thread.start()
        running.append((one, thread))

        def stop():
            one.shutdown()
            thread.join()
            one.server_close()

        start.stop = stop
        return {"url": one.url, **options}

    yield start
    for one, thread in running:
        if thread.is_alive():
            one.shutdown()
            thread.join()
            one.server_close()


@pytest.fixture
def answering():
    """Return a function: a server that answers with one after another of some raw bytes; None dies of it."""
    running = []

    def start(*answers):
        left = list(answers)

        class Raw(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.server.asked += 1
                answer = left.pop(0) if len(left) > 1 else left[0]
                if answer is not None:
                    self.wfile.write(answer)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        one = http.server.HTTPServer(("127.0.0.1", 0), Raw)
        one.asked = 0
        thread = threading.Thread(target=one.serve_forever, args=(0.02,))
        thread.start()
        running.append((one, thread))
        return one, {"url": f"http://127.0.0.1:{one.server_port}", "patience": "0.5"}

    yield start
    for one, thread in running:
        one.shutdown()
        thread.join()
        one.server_close()


def load(options):
    return remote.load(None, "auto", options)


def http_of(body, code=200):
    return b"HTTP/1.0 %d x\r\nContent-Length: %d\r\n\r\n" % (code, len(body)) + body


def card_of(model, identity="1", protocol=1):
    told = {"protocol": protocol, "identity": identity, "card": model.card.to_json()}
    return http_of(json.dumps(told).encode())


def seen(model, native=False):
    both = observations(model.card)
    actions = np.random.default_rng(0).normal(size=(2, len(both[0].actions), 3 if native else 12))
    return [
        replace(o, actions=a, caption=f"Märchen {i}", native=native)
        for i, (o, a) in enumerate(zip(both, actions, strict=True))
    ]


def same(one, other):
    """Whether predictions are alike to the bit, but for the time they took."""
    for a, b in zip(one, other, strict=True):
        assert a.status == b.status
        for name in ("frames", "latents", "surprise"):
            x, y = getattr(a, name), getattr(b, name)
            assert (x is None) == (y is None)
            assert x is None or (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes())


def asked_alike(local, far):
    """Ask both everything that the card declares, and find the same bytes."""
    batch, whole, seeds = observations(local.card), clips(local.card), [3, 2**64 - 1]
    can = local.card.capabilities
    for capability, method in (("generates", "generate"), ("imagines", "imagine")):
        if capability in can:
            same(getattr(local, method)(batch, seeds), getattr(far, method)(batch, seeds))
    for capability, method in (("scores", "score"), ("encodes", "encode"), ("reconstructs", "reconstruct")):
        if capability in can:
            same(getattr(local, method)(whole), getattr(far, method)(whole))
    if "steps" in can:
        state, away = local.reset(batch, seeds), far.reset(batch, seeds)
        for push in (0.0, 30.0, -5.0):
            state, one = local.step(state, np.full((2, 12), push))
            away, other = far.step(away, np.full((2, 12), push))
            assert np.array_equal(one, other)


def test_every_capability_gives_the_same_bytes(serve):
    local = All()
    far = load(serve(local))
    asked_alike(local, far)
    for native in (False, True):
        batch = seen(local, native)
        same(local.generate(batch, [5, 6]), far.generate(batch, [5, 6]))
        whole = [Clip(o.frames, 12.5, o.actions[: len(o.frames) - 1], native) for o in batch]
        for one, other in zip(local.infer_actions(whole), far.infer_actions(whole), strict=True):
            assert np.array_equal(one, other)
        for one, other in zip(local.rewards(whole), far.rewards(whole), strict=True):
            assert np.array_equal(one[0], other[0])
            assert np.array_equal(one[1], other[1])
    assert far.imagine(seen(local), [1, 2])[0].seconds == 0.25


def test_a_batch_may_hold_videos_of_any_lengths(serve):
    far = load(serve(All()))
    long, short = clips(CARD)
    short = replace(short, frames=short.frames[:5], actions=short.actions[:4])
    same(All().encode([long, short]), far.encode([long, short]))


def test_the_served_card_is_the_card(serve):
    options = serve(All(), identity="abcdef0123456789abcdef")
    card = remote.completed(None, options)
    assert card == load(options).card
    assert replace(card, name="all", version="3", notes=("knows nothing",)) == CARD
    assert (card.name, card.version) == ("remote:all", "3+abcdef0123456789")
    assert "over HTTP" in card.notes[-1]


def test_it_has_the_methods_that_its_card_declares_and_no_others(serve):
    for name, protocol in PROTOCOLS.items():
        far = load(serve(All(replace(CARD, capabilities=frozenset({name})))))
        assert isinstance(far, protocol)
        assert [n for n, p in PROTOCOLS.items() if isinstance(far, p)] == [name]


def test_linear_latent_is_the_same_from_afar(serve):
    local = registry.load_model("linear-latent")
    far = load(serve(local))
    asked_alike(local, far)
    assert [f.sentence for f in findings(far) if not f.ok] == []


def test_genie_is_the_same_from_afar(serve, tiny_genie):
    from wmeval_adapters.genie import CARD_STATIC
    from wmeval_adapters.genie.model import GenieModel

    local = GenieModel(CARD_STATIC, tiny_genie, temperature=0.5)
    far = load(serve(local))
    batch, whole = observations(CARD_STATIC, 2, 2), clips(CARD_STATIC, 1, 1)
    same(local.generate(batch, [3, 2**64 - 1]), far.generate(batch, [3, 2**64 - 1]))
    same(local.score(whole), far.score(whole))


def test_the_checks_of_adapters_reach_it_by_name(serve):
    class Still(All):
        def generate(self, batch, seeds):
            return [Prediction(frames=np.repeat(o.frames[-1:], o.horizon, 0)) for o in batch]

    can = frozenset({"generates", "steps"})
    found = check_adapter("remote", options=serve(Still(replace(CARD, capabilities=can))))
    assert {f.name for f in found} >= {"shapes", "fresh process", "steps"}
    assert [f for f in found if not f.ok] == []


def test_a_question_waits_for_a_server_that_comes_back(serve):
    options = serve(All(), patience="20")
    far = load(options)
    serve.stop()
    port = int(options["url"].rpartition(":")[2])
    later = threading.Timer(0.4, lambda: serve(All(), port=port))
    later.start()
    same(All().generate(seen(All()), [1, 2]), far.generate(seen(All()), [1, 2]))
    later.join()


def test_a_server_that_stays_away_stops_the_run(serve):
    far = load(serve(All(), patience="0.3"))
    serve.stop()
    begun = time.monotonic()
    with pytest.raises(
        EnvironmentFault, match=r"0\.3 s were waited; start `wmeval serve-model` there and issue"
    ):
        far.encode(clips(CARD))
    assert time.monotonic() - begun < 3


def test_another_model_at_the_same_place_stops_the_run(serve):
    options = serve(All(), identity="one")
    far = load(options)
    serve.stop()
    serve(All(), identity="two", port=int(options["url"].rpartition(":")[2]))
    with pytest.raises(EnvironmentFault, match="serves another model than when 'remote:all' was opened"):
        far.encode(clips(CARD))


def test_a_session_of_a_server_that_died_is_told(serve):
    options = serve(All())
    far = load(options)
    state = far.reset(seen(All()), [1, 2])
    serve.stop()
    serve(All(), port=int(options["url"].rpartition(":")[2]))
    with pytest.raises(RemoteFault, match=r"410: no session .* reset again"):
        far.step(state, np.zeros((2, 12)))


def test_a_model_that_raises_fails_that_question_alone(serve):
    class Moody(All):
        def score(self, batch):
            if batch[0].fps > 20:
                raise ZeroDivisionError("fps")
            if batch[0].fps > 15:
                raise EnvironmentFault("the disk is full; empty it")
            return All.score(self, batch)

    far = load(serve(Moody()))
    whole = clips(CARD)
    with pytest.raises(RemoteFault, match="500: ZeroDivisionError: fps"):
        far.score([replace(whole[0], fps=30.0)])
    with pytest.raises(EnvironmentFault, match="the disk is full"):
        far.score([replace(whole[0], fps=16.0)])
    same(All().score(whole), far.score(whole))


def test_the_token_comes_from_the_environment(serve, monkeypatch):
    options = serve(All(), token=TOKEN)
    for given in ("", "another-token-of-letters"):
        monkeypatch.setenv("WMEVAL_TOKEN", given)
        with pytest.raises(
            EnvironmentFault, match="refused: the token is missing or another; set WMEVAL_TOKEN"
        ):
            load(options)
    monkeypatch.setenv("WMEVAL_TOKEN", TOKEN)
    assert load(options).card.name == "remote:all"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            card_of(All(), protocol=2),
            "of protocol 2 and this side speaks 1; install the same version of wmeval",
        ),
        (http_of(b"<html>It works!</html>"), "expected JSON and got b'<html>It works!</html>'"),
        (http_of(b"nothing here", 404), "answered 404: b'nothing here'"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "speaks no HTTP"),
        (b"HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "answered 302"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "answer has 99999999999 bytes; at most"),
        (http_of(b'{"protocol": 1, "card": {}}'), "'identity' is"),
        (http_of(b'{"protocol": 1, "identity": "x"}'), "the card is NoneType; expected a JSON object"),
        (http_of(b"[" * 100000), "expected JSON"),
    ],
)
def test_what_is_no_server_of_the_protocol_is_told_at_once(answering, answer, sentence):
    _, options = answering(answer)
    with pytest.raises(UsageError, match="serves no model that can be asked") as told:
        remote.completed(None, options)
    assert sentence in str(told.value)


@pytest.mark.parametrize(
    ("answer", "fault", "sentence"),
    [
        (http_of(b"\x00garbage"), Malformed, "no npz archive"),
        (http_of(pack(Message({"identity": "1", "items": []}))), Malformed, "the message has 0 items"),
        (http_of(pack(Message({"identity": "1"}))), Malformed, "no list of objects under 'items'"),
        (http_of(pack(Message({"items": []}))), EnvironmentFault, "serves another model"),
        (http_of(b"<h1>Bad</h1>", 500), RemoteFault, "answered 500: b'<h1>Bad</h1>'"),
        (http_of(b'{"error": "too much", "kind": "size"}', 413), RemoteFault, "answered 413: too much"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 999\r\n\r\nx", RemoteFault, "died 3 times over this question"),
        (None, RemoteFault, "died 3 times over this question"),
        (http_of(b"", 503), EnvironmentFault, r"answered 503\), and 0.5 s were waited"),
    ],
)
def test_what_a_server_answers_amiss_is_told_for_what_it_is(answering, answer, fault, sentence):
    _, options = answering(card_of(All()), answer)
    far = load(options)
    with pytest.raises(fault, match=sentence):
        far.encode(clips(CARD))


def test_a_refused_step_is_no_frame(answering):
    wrong = http_of(pack(Message({"identity": "1"}, {"frames": np.zeros((1, 16, 16, 3))})))
    _, options = answering(card_of(All()), http_of(pack(Message({"identity": "1", "session": "s"}))), wrong)
    far = load(options)
    state = far.reset(seen(All())[:1], [1])
    with pytest.raises(Malformed, match="expected uint8"):
        far.step(state, np.zeros((1, 12)))


def test_a_slow_answer_stops_the_run_with_the_line_that_waits_longer(serve):
    class Slow(All):
        def encode(self, batch):
            time.sleep(0.5)
            return All.encode(self, batch)

    far = load(serve(Slow(), timeout="0.1"))
    with pytest.raises(EnvironmentFault, match=r"not answered /encode for 0\.1 s; `--set timeout=SECONDS`"):
        far.encode(clips(CARD))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, r"`--set url=http://127\.0\.0\.1:8765` gives it"),
        ({"url": "127.0.0.1:8765"}, "expected one like http"),
        ({"url": "file:///etc/passwd"}, "expected one like http"),
        ({"url": "http://x:99999"}, "expected one like http"),
        ({"url": "http://me:secret@there:1"}, "set WMEVAL_TOKEN in place of it"),
        ({"url": "http://x", "patience": "long"}, "patience=long; expected a number above 0"),
        ({"url": "http://x", "timeout": "-1"}, "timeout=-1; expected"),
        ({"url": "http://x", "max_mb": "nan"}, "max_mb=nan; expected"),
    ],
)
def test_wrong_options_are_told(options, sentence):
    with pytest.raises(UsageError, match=sentence) as told:
        load(options)
    assert "secret" not in str(told.value)


def test_weights_and_devices_are_the_servers(tmp_path):
    with pytest.raises(UsageError, match="serve-model --model NAME --weights"):
        remote.load(tmp_path, "cpu", {"url": "http://x"})
    with pytest.raises(UsageError, match="serve-model --device cuda"):
        remote.load(None, "cuda", {"url": "http://x"})


def test_a_question_above_the_limit_is_not_sent(serve):
    far = load(serve(All(), max_mb="0.01"))
    with pytest.raises(Malformed, match="at most 10485 "):
        far.encode(clips(CARD))
