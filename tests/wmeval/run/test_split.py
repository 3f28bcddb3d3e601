"""The split of an error: what perception, a codec and physics cost is told apart, and adds up."""

import json

import numpy as np
import pytest

from wmeval.run import run
from wmeval.run.split import summed

CODEC = '''
"""A model that repeats the last frame or knows the future, with a codec that shifts, or fails."""
from dataclasses import replace
import numpy as np
from mimic import CARD as MIMIC, Mimic, OPTIONS
from wmeval.model import Adapter, Prediction

CARD = replace(MIMIC, name="codec", capabilities=frozenset({"generates", "reconstructs"}))


class Codec(Mimic):
    card = CARD

    def __init__(self, options):
        super().__init__({})
        self.how, self.shown = options.get("fault", ""), False

    def generate(self, batch, seeds):
        if self.how == "strict" and self.shown:
            raise ValueError("a whole clip was shown before this continuation was asked for")
        return super().generate(batch, seeds)

    def reconstruct(self, batch):
        self.shown = True
        if self.how == "raise":
            raise ValueError("no codec today")
        if self.how == "short":
            return [Prediction(frames=c.frames[1:]) for c in batch]
        down = 6 if self.how == "shift" else 0
        return [Prediction(frames=np.roll(c.frames, down, axis=1)) for c in batch]


ADAPTER = Adapter(CARD, lambda weights, device, options: Codec(options), OPTIONS)
'''


@pytest.fixture
def row(kit, tmp_path, anchored, monkeypatch):
    monkeypatch.syspath_prepend(str(kit))
    (tmp_path / "codec.py").write_text(CODEC)

    def go(model="codec.py", fault="", replicates=2):
        name = str(tmp_path / model) if model.endswith(".py") else model
        options = {"fault": fault} if model.endswith(".py") else None
        done = run(name, str(kit / "mini.py"), executor="inline", out=tmp_path / f"r{model}{fault}",
                   options=options, replicates=replicates, limit=2)  # fmt: skip
        (score,) = json.loads((done.path / "results.json").read_text())["scores"]
        return score, done

    return go


def test_a_lossless_codec_costs_nothing_and_the_rest_is_physics(row):
    score, _ = row()
    split = score["split"]
    assert split["codec"] == pytest.approx(0.0, abs=1e-12)
    assert split["perception"] < 0.02 < 0.2 < split["physics"]
    assert split["perception"] + split["codec"] + split["physics"] == pytest.approx(score["error"])
    assert (split["n"], split["reason"]) == (2, "")


def test_nothing_is_shown_whole_before_it_was_continued(row):
    assert row(fault="strict", replicates=1)[0]["failed"] == 0


def test_what_a_codec_shifts_is_the_codec_s(row):
    split = row(fault="shift")[0]["split"]
    assert split["codec"] == pytest.approx(6 * 4.4 / 64, abs=0.03)  # 6 px of 64, 4.4 m high
    assert split["perception"] < 0.02


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("raise", "could not reconstruct: the model raised"),
        ("short", "reconstructed uint8 frames (6, 64, 64, 3); expected frames (7, 64, 64, 3) uint8"),
    ],
)
def test_a_codec_that_fails_is_told_and_fails_no_sample(row, fault, reason):
    score, _ = row(fault=fault)
    assert (score["failed"], score["split"]["codec"]) == (0, None)
    assert reason in score["split"]["reason"]
    assert score["split"]["physics"] == pytest.approx(score["error"] - score["split"]["perception"])


def test_without_a_codec_its_loss_is_told_to_be_in_physics(row):
    score, _ = row("oracle")
    assert score["split"]["codec"] is None
    assert score["split"]["physics"] == pytest.approx(0.0, abs=1e-12)
    assert "what its codec loses is counted as physics" in score["split"]["reason"]


def test_a_codec_is_asked_once_a_case(row):
    _, done = row()
    blobs = [a.get("codec") for r in done.records() for a in r["arms"].values()]
    assert sum(b is not None for b in blobs) == 2  # of two replicates of two cases
    assert [r.get("lost") is not None for r in done.records()].count(True) == 2


def test_nothing_measured_is_null_with_a_reason():
    told = summed([{"error": 1.0, "lost": None}])
    assert told["physics"] is None
    assert told["reason"] == "no sample could be measured"


def test_parts_add_up_whatever_they_are():
    rng = np.random.default_rng(0)
    records = [
        {"error": e, "lost": {"perception": p, "codec": c, "reason": ""}} for e, p, c in rng.random((20, 3))
    ]
    told = summed(records)
    total = told["perception"] + told["codec"] + told["physics"]
    assert total == pytest.approx(np.mean([r["error"] for r in records]))
