"""A model that answers a hidden pack of arrays scores as it would in a hidden run, and no file tells why."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from wmeval import registry
from wmeval.errors import UsageError
from wmeval.model import Prediction, Status
from wmeval.pack import layout, shown
from wmeval.pack.answering import answer
from wmeval.pack.export import export, export_arrays
from wmeval.run.engine import carry_out, run
from wmeval.run.hidden import hidden
from wmeval.run.plan import draw, plan_of
from wmeval.run.request import Request
from wmeval.seeds import commitment

SECRET = bytes(range(32))
SUITE = """
from wmeval.suite import Suite
from wmeval_probes.suites.quick import SUITE as QUICK

SUITE = Suite("tiny", "0.1", ("gravity",), (), 2, instruments=("rollout", "surprise"), anchors=QUICK.anchors)
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    path = tmp_path_factory.mktemp("suite") / "tiny.py"
    path.write_text(SUITE)
    return str(path)


@pytest.fixture(scope="module")
def model():
    return registry.load_model("linear-latent", device="cpu")


def asked(suite, **more):
    return Request("recorded", suite, executor="inline", hidden=commitment(SECRET), **more)


class Still:
    """Repeats the last frame, and counts how often it is asked."""

    def __init__(self, card, fault=""):
        self.card = replace(card, capabilities=frozenset({"generates", "scores"}), max_batch=1)
        self.fault, self.count = fault, 0

    def generate(self, batch, seeds):
        self.count += 1
        if self.fault == "stop" and self.count > 1:
            raise KeyboardInterrupt
        if self.fault == "refuse":
            return [Prediction(status=Status("refused", "not this")) for _ in batch]
        return [Prediction(frames=np.repeat(o.frames[-1:], o.horizon, 0)) for o in batch]

    def score(self, batch):
        return [Prediction(surprise=np.r_[np.nan, np.arange(len(c.frames) - 1) / 3]) for c in batch]


@pytest.fixture(scope="module")
def answered(suite, model, tmp_path_factory):
    """Return a hidden pack with its answers by a model that freezes."""
    still = Still(model.card)
    with hidden(SECRET):
        pack = export_arrays(still.card, asked(suite), tmp_path_factory.mktemp("hidden") / "pack")
    answer(pack, still)
    return pack


def test_answers_score_as_a_run_of_the_same_model(answered, suite, tmp_path):
    options = {"folder": str(answered.folder), "overlap": "none"}
    given = registry.load_adapter("recorded").completed(None, options)
    with hidden(SECRET):
        plan = plan_of(asked(suite, options=options), given, None)
        told = carry_out(plan, tmp_path / "told").results["scores"]
        ran = run("freeze", suite, executor="inline", instruments=["rollout"], out=tmp_path / "ran")
    by = {row["instrument"]: row for row in told}
    assert by["rollout"]["error"] == ran.results["scores"][0]["error"]
    assert by["rollout"]["failed"] == by["surprise"]["failed"] == 0
    assert by["surprise"]["n"] == 2


def test_what_is_handed_out_tells_no_seed_salt_or_case(answered, suite):
    given = answered.unlabelled()
    told = json.dumps(given.to_json()).encode()
    for path in answered.folder.rglob("*"):
        if path.is_file() and path.name != layout.MANIFEST:
            told += path.read_bytes()
            if path.suffix == ".npz":
                with zipfile.ZipFile(path) as archive:
                    told += b"".join(archive.read(name) for name in archive.namelist())
    forbidden = [SECRET, SECRET.hex().encode(), commitment(SECRET).encode(), answered.salt.hex().encode()]
    with hidden(SECRET):
        probe = registry.load_probe("gravity")
        cases = [draw(probe, "iid", i) for i in range(2)]
    forbidden += [c.case_id[:12].encode() for c in cases]
    forbidden += [s.digest[:12].encode() for c in cases for s in c.arms.values()]
    for word in (*forbidden, b"gravity", b"iid", b"possible", b"window", b"velocity"):
        assert word not in told, word
    assert not {p.name for p in answered.folder.rglob("*") if "gravity" in p.name}


def test_what_is_handed_out_can_be_answered_without_salt(answered, model, tmp_path):
    import shutil

    shutil.copytree(answered.folder, tmp_path / "pack", ignore=shutil.ignore_patterns("answers", "surprise*"))
    (tmp_path / "pack" / layout.MANIFEST).write_text(json.dumps(answered.unlabelled().to_json()))
    pack = layout.read(tmp_path / "pack")
    answer(pack, Still(model.card))
    for name in ("surprise.csv", *(f"answers/{n}.npz" for q in pack.questions.values() for n in q.names)):
        assert (pack.folder / name).read_bytes() == (answered.folder / name).read_bytes()


def test_questions_are_shown_bit_by_bit(answered, suite, tmp_path):
    with hidden(SECRET):
        again = export_arrays(
            Still(registry.load_model("linear-latent", device="cpu").card).card, asked(suite), tmp_path / "p"
        )
    one = {
        bytes(shown.observation(p, q).frames.tobytes())
        for p in (again, answered)
        for q in p.questions.values()
    }
    assert len(one) == len(answered.questions)
    assert not set(again.questions) & set(answered.questions)


def test_what_was_stopped_goes_on_and_a_refusal_is_told(suite, model, tmp_path):
    stopping = Still(model.card, "stop")
    with hidden(SECRET):
        pack = export_arrays(stopping.card, asked(suite, instruments=("rollout",)), tmp_path / "pack")
    with pytest.raises(KeyboardInterrupt):
        answer(pack, stopping)
    first = {p.name: p.stat().st_mtime_ns for p in pack.answers.iterdir()}
    assert len(first) == 1
    going_on, told = Still(model.card, "refuse"), []
    answer(pack, going_on, lambda done, total: told.append((done, total)))
    assert going_on.count == 1
    assert told[-1] == (2, 2)
    assert sorted(p.suffix for p in pack.answers.iterdir()) == [".npz", ".txt"]
    assert first.items() <= {p.name: p.stat().st_mtime_ns for p in pack.answers.iterdir()}.items()


def test_packs_for_people_and_references_are_refused(suite, model, tmp_path):
    pack = export(suite, tmp_path / "people", size=64, limit=1, instruments=["rollout"])
    with pytest.raises(UsageError, match="pictures for people"):
        answer(pack, model)
    with pytest.raises(UsageError, match="needs the truth"):
        answer(pack, registry.load_model("freeze"))
