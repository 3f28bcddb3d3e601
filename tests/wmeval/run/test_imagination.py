"""Imagination through the command line: what is read, what it is measured against, and what goes wrong."""

import json

import numpy as np
import pytest

from wmeval.cli.main import main
from wmeval.run import Run, grounds, readouts
from wmeval.run import imagination as imagined

SPLIT = '''
"""Two balls hang in view for a moment, so that a readout is fitted in seconds."""
from wmeval.scene import HUES, Scene, ball, floor, side_camera
from wmeval.suite import Split


def scene(rng):
    hues = rng.choice(sorted(HUES.values()), size=2, replace=False)
    bodies = tuple(
        ball(f"b{i}", radius=float(rng.uniform(.25, .4)), hue=float(h),
             position=(float(side * rng.uniform(.4, 1.6)), 0, float(rng.uniform(.9, 3.5))))
        for i, (h, side) in enumerate(zip(hues, (-1, 1)))
    )
    return Scene((*bodies, floor()), side_camera(), .3, .1, .1, "flight", gravity=float(rng.uniform(1, 10)))


SPLIT = Split("train", "test", scene)
'''
LATENT = '''
"""linear-latent with something wrong."""
from dataclasses import replace

import numpy as np

from wmeval.model import Adapter, Prediction
from wmeval_adapters.linear_latent import ADAPTER as PLAIN

OPTIONS = {"fault": "what goes wrong"}
CARD = replace(PLAIN.card, name="odd")


class Odd:
    def __init__(self, options):
        self.card, self.fault, self.plain = CARD, options.get("fault", ""), PLAIN.load(None, "cpu", {})

    def encode(self, batch):
        if self.fault == "blind encoder":
            return [Prediction(latents=np.ones((len(c.frames), 2, 3), np.float32)) for c in batch]
        return self.plain.encode(batch)

    def imagine(self, batch, seeds):
        out = self.plain.imagine(batch, seeds)
        if self.fault == "blind encoder":
            return [Prediction(latents=np.ones((o.horizon, 2, 3), np.float32)) for o in batch]
        if self.fault == "nan":
            return [Prediction(latents=np.full_like(p.latents, np.nan)) for p in out]
        if self.fault == "short":
            return [Prediction(latents=p.latents[1:]) for p in out]
        return out


ADAPTER = Adapter(CARD, lambda weights, device, options: Odd(options), OPTIONS)
'''


@pytest.fixture
def small(kit, monkeypatch):
    """Fit readouts on a small split, and stand scores on few scenes; both are kept in the kit's cache."""
    (kit / "hang.py").write_text(SPLIT)
    (kit / "odd.py").write_text(LATENT)
    monkeypatch.setattr(readouts, "SPLIT", str(kit / "hang.py"))
    monkeypatch.setattr(readouts, "CLIPS", 72)
    for name, count in (("SCENES", 20), ("TESTED", 6), ("ROWS", 8)):
        monkeypatch.setattr(grounds, name, count)
    return kit


def asked(kit, out, *more, model="linear-latent"):
    words = ["run", "--model", model, "--suite", str(kit / "mini.py"), "--instrument", "imagination"]
    code = main([*words, "--executor", "inline", "--out", str(out), "--limit", "3", *more])
    return code, json.loads((out / "results.json").read_text())


def test_a_latent_model_is_asked_and_its_encoded_truth_has_skill_one(small, tmp_path, capsys):
    code, results = asked(small, tmp_path / "run")
    told = capsys.readouterr()
    assert code == 0
    assert "training clips encoded by linear-latent, for its readout" in told.out + told.err
    (row,) = results["scores"]
    assert (row["instrument"], row["n"], row["failed"]) == ("imagination", 3, 0)
    assert row["rows"]["oracle"]["skill"] > 0.95
    assert row["rows"]["freeze"]["skill"] < 0.05
    assert row["ceiling"] < 0.2 * row["null"]
    assert row["readout"]["median px"] < 0.5
    assert row["found"] == 1.0
    assert not results["na"]
    assert [i["name"] for i in results["implied"]] == ["height"]


def test_scoring_needs_no_model_and_asking_again_does_nothing(small, tmp_path, monkeypatch, plain_results):
    asked(small, tmp_path / "run")
    before = plain_results(tmp_path / "run")
    for name in ("encoded", "readout_of", "ground_of"):
        monkeypatch.setattr(imagined if name != "encoded" else readouts, name, None)
    assert main(["score", str(tmp_path / "run")]) == 0
    asked(small, tmp_path / "run")
    assert plain_results(tmp_path / "run") == before


def test_the_readout_of_the_context_and_of_the_imagination_are_one_track(small, tmp_path):
    asked(small, tmp_path / "run")
    run = Run(tmp_path / "run")
    record = next(run.records())
    clips = run.clips(record)
    assert clips.predicted is None
    assert len(clips.tracks.times) == len(clips.true_tracks.times) == 7
    seen = clips.tracks.times <= 0.3 + 1e-9
    gap = np.abs(clips.tracks.pixel - clips.true_tracks.pixel)[seen]
    assert gap.max() < 0.5, "what is encoded is where it is"


def test_an_encoder_that_loses_the_bodies_makes_the_probe_not_applicable(small, tmp_path):
    code, results = asked(
        small, tmp_path / "run", "--set", "fault=blind encoder", model=str(small / "odd.py")
    )
    assert code == 0
    assert results["scores"] == []
    assert results["implied"] == []
    (na,) = results["na"]
    assert (na["probe"], na["instrument"], na["tag"]) == ("falls@0.1", "imagination", "iid")
    assert "the true future costs 1 and the null model 1" in na["reason"]


@pytest.mark.parametrize(
    ("fault", "says"), [("nan", "NaN or infinite"), ("short", r"returned latents (2, 6, 13)")]
)
def test_imagined_latents_are_checked_like_frames(small, tmp_path, fault, says):
    out = tmp_path / "run"
    code, results = asked(small, out, "--set", f"fault={fault}", model=str(small / "odd.py"))
    (row,) = results["scores"]
    assert (code, row["failed"], row["error"], row["skill"]) == (1, 3, 1.0, 0.0)
    assert all(says in r["detail"] for r in Run(out).records())


def test_a_readout_is_fitted_once_for_what_a_model_encodes(small, monkeypatch):
    from wmeval.registry import load_model

    model = load_model("linear-latent")
    first = readouts.readout_of(model, model.card.view)
    monkeypatch.setattr(readouts, "fit", None)
    again = readouts.readout_of(model, model.card.view)
    assert np.array_equal(first.place, again.place, equal_nan=True)
    odd = load_model(str(small / "odd.py"), options={"fault": "blind encoder"})
    assert readouts.name_of(odd, odd.card.view) != readouts.name_of(model, model.card.view)
