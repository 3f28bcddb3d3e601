"""Instruments through the command: what is asked by which, what is not and why; answers that are known."""

import json

import numpy as np
import pytest

from wmeval.cli.main import main
from wmeval.errors import UsageError
from wmeval.run import Run
from wmeval.run.instruments import generating, lacking
from wmeval.run.plan import make_plan
from wmeval.run.request import Request
from wmeval.stats import wilson

HIDES = '''
"""A ball passes behind a screen and is what it was: red stays red, blue stays blue."""
from dataclasses import replace
from falls import PROBE as FALLS
from wmeval.probe import Twin
from wmeval.scene import Case, Scene, ball, floor, occluder, side_camera


def veiled(hue, start, tag):
    body = ball("a", radius=.25, position=(start, 0, 1), hue=hue, velocity=(1.6, 0, 0))
    screen = occluder("screen", half=(.55, .05, .6), position=(0, -.6, 1))
    return Scene((body, screen, floor()), side_camera(), 2.0, .5, .3, "flight", gravity=0.0, tag=tag)


def twin(rng, tag):
    start = float(rng.uniform(-1.7, -1.5))
    return Twin("swap", veiled("red", start, tag), veiled("blue", start, tag), SPLICE, (1.2, 1.9))


def case(rng, tag):
    if tag != "control":
        return FALLS.case(rng, tag)
    scene = next(iter(FALLS.case(rng, tag).arms.values()))
    return Case.single(replace(scene, gravity=0.0))


PROBE = replace(FALLS, name="hides", twin=TWIN, case=case, tags=("iid", "control"), must_see=.5)
'''
JUDGE = '''
"""A model that judges clips in a stated way."""
import numpy as np
from wmeval.camera import View
from wmeval.model import ActionSpace, Adapter, Card, Prediction, Status

CARD = Card("judge", "test", "1", "Apache-2.0", "here", frozenset({"scores"}), View(), (1, 64), None,
            ActionSpace("none"), ("clip", "never"), max_batch=3)


class Judge:
    card = CARD

    def __init__(self, options):
        self.how, self.asked = options.get("how", "knows"), 0

    def score(self, batch):
        self.asked += 1
        return [self.one(c.frames.astype(float)) for c in batch]

    def one(self, f):
        red = ((f[..., 0] - f[..., 2]) > 60).sum((1, 2)) - ((f[..., 2] - f[..., 0]) > 60).sum((1, 2))
        told = (red * red[0] < 0).astype(float)   # of another colour than at the start
        if self.how == "inverted":
            told = -told
        if self.how == "constant":
            told = np.full(len(f), .25)
        if self.how == "changes":
            told = np.concatenate([[np.nan], np.abs(np.diff(f, axis=0)).mean((1, 2, 3))])
        if self.how == "looks ahead":
            told = told + told.sum()
        if self.how == "infinite":
            told = np.where(np.arange(len(f)) > 3, np.inf, told)
        if self.how == "short":
            told = told[1:]
        if self.how == "blind":
            told = np.full(len(f), np.nan)
        if self.how == "refuses":
            return Prediction(status=Status("refused", "no clips, thank you"))
        if self.how == "raises":
            raise ValueError("this is beyond me")
        return Prediction(surprise=told)


ADAPTER = Adapter(CARD, lambda weights, device, options: Judge(options), {"how": "it judges"})
'''
SUITE = """
from pathlib import Path
from wmeval.suite import Suite
HERE = Path(__file__).parent
SUITE = Suite("asks", "0.1", (str(HERE / "hides.py"), str(HERE / "falls.py")), (), 8,
              instruments=("rollout", "imagination", "surprise"), controls=10)
"""


@pytest.fixture(scope="module")
def room(kit, tmp_path_factory):
    """Return a folder with probes that have a twin, a pair and neither, and a model that judges."""
    folder = tmp_path_factory.mktemp("room")
    (folder / "falls.py").write_text((kit / "falls.py").read_text())
    hides = HIDES.replace("SPLICE", "1.0")
    (folder / "hides.py").write_text(hides.replace("TWIN", "twin"))
    (folder / "pairs.py").write_text(hides.replace("TWIN", "None"))
    (folder / "bare.py").write_text(HIDES.replace("SPLICE", "0.4").replace("TWIN", "twin"))
    (folder / "judge.py").write_text(JUDGE)
    (folder / "asks.py").write_text(SUITE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder


@pytest.fixture
def judged(room, tmp_path, capsys, anchored):
    """Return a function: a judge's score row, run and printed table on a probe, by the command."""

    def go(how, probe="hides.py", model="judge.py", **more):
        out = tmp_path / f"{how}-{probe}".replace(" ", "-")
        words = ["run", "--model", str(room / model), "--suite", str(room / "asks.py")]
        words += ["--probe", str(room / probe), "--instrument", "surprise", "--set", f"how={how}"]
        code = main([*words, "--executor", "inline", "--out", str(out)])
        printed = capsys.readouterr().out
        (row,) = json.loads((out / "results.json").read_text())["scores"]
        return row, Run(out), printed, code

    return go


def test_a_model_that_knows_is_right_and_where_to_look(judged):
    row, run, printed, code = judged("knows")
    assert (row["skill"], row["accuracy"], row["auroc"], row["error"]) == (1.0, 1.0, 1.0, 0.0)
    assert (row["clip_mean"], row["clip_max"], row["localised"]) == (1.0, 1.0, 1.0)
    assert (row["null"], row["ceiling"], row["n"], row["failed"], row["matching"]) == (
        0.5,
        0.0,
        8,
        0,
        "matched",
    )
    assert row["lo"] > 0.2
    assert row["notes"] == []
    for cue in ("pixel-difference", "copy-last", "flow-speed"):
        assert row["rows"][cue]["error"] == 0.5
    assert "surprise" in printed
    assert code == 0
    records = list(run.records())
    assert [r["value"] for r in records] == [1.0] * 8
    assert len(records[0]["arms"]) == 4
    html = (run.path / "report.html").read_text()
    assert "surprise" in html


def test_what_was_judged_is_scored_again_without_the_model_and_compared(judged, capsys):
    _, knows, _, _ = judged("knows")
    _, constant, _, _ = judged("constant")
    before = (knows.path / "results.json").read_text()
    assert main(["score", str(knows.path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"] == json.loads(before)["scores"]
    assert main(["compare", str(constant.path), str(knows.path), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["differences"]
    assert (row["instrument"], row["difference"], row["n"]) == ("surprise, matched", 1.0, 8)
    with pytest.raises(UsageError, match="has whole clips and no case to continue"):
        knows.case(next(knows.records()))


@pytest.mark.parametrize(
    ("how", "accuracy"), [("constant", 0.5), ("inverted", 0.0), ("changes", 0.5)], ids=str
)
def test_constant_and_trivial_answers_have_no_skill(judged, how, accuracy):
    row, *_ = judged(how)
    assert (row["accuracy"], row["skill"], row["failed"]) == (accuracy, 0.0, 0)
    assert row["auroc"] == pytest.approx(accuracy, abs=0.02)
    if how == "constant":
        assert (row["auroc"], row["localised"], row["clip_mean"]) == (0.5, 0.0, 0.5)


def test_a_model_that_looks_ahead_is_told(judged):
    row, _, printed, _ = judged("looks ahead")
    assert row["accuracy"] == 1.0
    assert row["notes"][0].startswith("on 8 of 8 scenes the surprise of frames that two clips share differs")
    assert "looks ahead" in printed


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("infinite", "infinite values; expected surprise (21,), finite or NaN where undefined"),
        ("short", "the model returned surprise (20,); expected surprise (21,)"),
        ("blind", "undefined on all frames of the event window"),
        ("refuses", "no clips, thank you"),
        ("raises", "this is beyond me"),
    ],
)
def test_a_failure_is_the_worst_and_told(judged, how, sentence):
    row, run, _, code = judged(how)
    assert (row["skill"], row["error"], row["failed"], row["n"], code) == (0.0, 1.0, 8, 8, 1)
    assert all(sentence in r["detail"] for r in run.records())
    assert row["rows"]["copy-last"]["error"] == 0.5  # what the clips give away is known all the same


def test_pairs_stand_apart_with_what_cheap_cues_score(judged):
    row, run, printed, _ = judged("changes", "pairs.py")
    assert row["matching"] == "pairs"
    assert row["rows"]["pixel-difference"]["error"] == row["error"] < 0.5  # falling faster changes more
    assert "pairs" in printed
    assert {len(r["arms"]) for r in run.records()} == {2}


def test_what_is_not_exact_is_not_asked_and_is_no_failure_of_the_model(judged):
    row, run, _, code = judged("knows", "bare.py")
    assert (row["n"], row["failed"], row["skill"], code) == (0, 0, None, 0)
    assert "8 of 8 questions could not be asked" in row["notes"][0]
    assert "pixels differ between the two scenes" in row["notes"][0]
    assert {r["status"] for r in run.records()} == {"unasked"}


def test_each_probe_is_asked_by_what_the_model_can_and_the_rest_has_its_reason(room, kit):
    def planned(model, **asked):
        plan = make_plan(Request(str(model), str(room / "asks.py"), **asked))
        units = {(u.probe, u.instrument, u.tag, u.replicate) for u in plan.units}
        return units, {(r["probe"], r["instrument"], r["tag"]): r["reason"] for r in plan.na}

    units, na = planned(kit / "mimic.py", replicates=2)
    assert {u[:3] for u in units} == {
        ("hides@0.1", "rollout", "iid"), ("hides@0.1", "rollout", "control"), ("falls@0.1", "rollout", "iid"),
    }  # fmt: skip
    assert na["hides@0.1", "surprise", ""] == "the model does not score how surprising frames are"
    assert na["hides@0.1", "imagination", ""] == "the model does not imagine in latents or encode frames"
    assert na["falls@0.1", "rollout", "control"] == "the probe draws no control scenes"
    units, na = planned(room / "judge.py", replicates=2)
    assert units == {("hides@0.1", "surprise", "iid", 0)}  # clips are judged once: nothing is drawn
    assert "has no twin and names no violation" in na["falls@0.1", "surprise", ""]
    assert na["falls@0.1", "rollout", ""] == "the model does not generate frames"
    assert not planned(room / "judge.py", instruments=("rollout",))[0]


def test_surprise_never_shows_the_end_of_a_scene_that_is_to_be_continued(room):
    suite = str(room / "asks.py")
    pairs = (str(room / "pairs.py"),)
    rolled = make_plan(Request("oracle", suite, pairs, ("rollout",)))
    from wmeval.registry import load_probe
    from wmeval.twins import question

    shown = {question(load_probe(pairs[0]), "iid", i).case.case_id for i in range(8)}
    assert not shown & {c for u in rolled.units for c in u.case_ids}


def test_control_scenes_are_false_alarms_and_never_skill(room, tmp_path, capsys, anchored):
    words = [
        "run",
        "--suite",
        str(room / "asks.py"),
        "--probe",
        str(room / "hides.py"),
        "--executor",
        "inline",
    ]
    rows = {}
    for model in ("oracle", "noise"):
        out = tmp_path / model
        assert main([*words, "--model", model, "--instrument", "rollout", "--out", str(out)]) == 0
        results = json.loads((out / "results.json").read_text())
        rows[model] = {s["tag"]: s for s in results["scores"]}
        assert {q["tag"] for q in results["implied"]} <= {"iid"}
    quiet, loud = rows["oracle"]["control"], rows["noise"]["control"]
    assert (quiet["alarms"], quiet["n"], quiet["skill"]) == (0.0, 10, None)
    assert loud["alarms"] == 1.0
    assert quiet["reason"] == "control scenes count as false alarms, never in skill"
    assert quiet["hi"] >= wilson(0, 10).hi - 0.03
    assert rows["oracle"]["iid"]["skill"] is not None
    assert "false alarms" in capsys.readouterr().out


def test_a_wrong_instrument_is_a_usage_error(room, capsys):
    assert main(["run", "--model", "oracle", "--instrument", "guess"]) == 2
    assert "guess" in capsys.readouterr().err
    with pytest.raises(Exception, match="expected one of rollout, imagination, surprise"):
        Request("oracle", instruments=("guess",))


def test_a_request_with_instruments_is_said_again(tmp_path):
    request = Request("genie", instruments=("surprise",))
    assert "--instrument surprise" in request.command(tmp_path)
    assert Request.from_json(json.loads(json.dumps(request.to_json()))) == request
    assert request.identity != Request("genie").identity


def test_every_instrument_has_its_stages():
    for name in ("rollout", "surprise"):
        assert callable(generating(name))
    from wmeval.references import REFERENCES

    assert lacking(REFERENCES["oracle"].card, "rollout") == ""
    assert np.isfinite(len(lacking(REFERENCES["oracle"].card, "surprise")))
