"""A submission is worth what the server measures in it, whatever was reported."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

import wmeval
from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.run.instruments import measuring
from wmeval.run.plan import Plan, make_plan
from wmeval.run.request import Request
from wmeval.run.store import Store
from wmeval.submission.check import check
from wmeval.submission.limits import Limits
from wmeval.submission.parts import parts_of, root_of
from wmeval_leaderboard import asked, ledger, rescoring, scores
from wmeval_leaderboard.asked import questions
from wmeval_leaderboard.database import reading
from wmeval_leaderboard.samples import drawn
from wmeval_leaderboard.tables import Job, Ledger, Sample, Score, Submission
from wmeval_leaderboard.worker import work

TINY = str(Path(__file__).with_name("tiny_suite.py"))


@pytest.fixture
def copied(finished_run, tmp_path):
    """A run to falsify."""
    shutil.copytree(finished_run.path, tmp_path / "run")
    return tmp_path / "run"


def change(folder, name, edit):
    path = folder / name
    value = json.loads(path.read_text())
    edit(value)
    path.write_text(json.dumps(value))


def change_record(folder, edit):
    """Change the generate record of the first unit, and everything that must agree with it."""
    unit = wmeval.Run(folder).units[0]
    change(folder, f"units/{unit.key[:2]}/{unit.key}.json", edit)


def measured(folder, tmp_path):
    run = wmeval.Run(folder)
    parts = parts_of(run)
    documents = check(parts, root_of(parts), lambda p: (folder / p.path).open("rb"), Limits())
    return rescoring.measure(documents, Store(folder), TINY, tmp_path / "measured")


def skill(run, probe="gravity@0.1"):
    return next(s["skill"] for s in run.results["scores"] if s["probe"] == probe)


def test_a_whole_run_is_measured_again_and_published(engine, blobs, settings, store_run, finished_run):
    row = store_run(finished_run)
    assert work(engine, blobs, settings, once=True) == 1
    with reading(engine) as session:
        job = session.scalars(select(Job)).one()
        assert (job.state, job.reason) == ("done", "")
        submission = session.get_one(Submission, row.id)
        assert (submission.state, submission.tier) == ("published", "re-scored")
        of = {(s.source, s.section, s.name): s for s in session.scalars(select(Score))}
        for name in ("gravity@0.1", "bounce@0.1"):
            reported, again = (of[source, "scores", name] for source in ("reported", "rescored"))
            assert reported.value == again.value
            assert len(again.cases) == 2
        assert len(of["rescored", "fidelity", "psnr"].cases) == 4
        assert ledger.verify(session) > 0
        told = session.scalars(select(Ledger).where(Ledger.kind == "measured")).one()
        assert all(d["difference"] == 0 for d in told.body["differences"])
        for sample in session.scalars(select(Sample)):
            assert set(sample.media) == {"truth", "prediction", "data"}
            assert all(blobs.has(digest) for digest in sample.media.values())
            assert str(settings.scratch) not in str(sample.about)
        shown = session.scalars(select(Sample).where(Sample.name == "gravity@0.1")).all()
        assert [s.position for s in shown] == ["best", "worst", "drawn"]  # of two cases
        assert shown[-1].case_id == drawn([s.case_id for s in shown])


def test_a_forged_report_is_told_and_not_believed(copied, tmp_path):
    def forge(results):
        for row in results["scores"]:
            row["skill"] = 1.0

    change(copied, "results.json", forge)
    run = measured(copied, tmp_path)
    assert skill(run) == 0.0
    told = scores.differences(scores.lines(wmeval.Run(copied).results), scores.lines(run.results, run))
    assert [(d["name"], d["reported"], d["measured"]) for d in told[:2]] == [
        ("gravity@0.1", 1.0, 0.0), ("bounce@0.1", 1.0, 0.0),
    ]  # fmt: skip


def test_a_reported_row_that_nobody_asked_for_is_dropped(copied, tmp_path):
    def forge(results):
        row = results["scores"][0]
        results["scores"] += [{**row, "matching": "mine"}, {**row, "tag": "ood-mine"}, {**row, "skill": 1.0}]

    change(copied, "results.json", forge)
    run = measured(copied, tmp_path)
    told, reported = scores.lines(run.results, run), scores.lines(wmeval.Run(copied).results)
    kept = rescoring.asked_of(run, told, reported)
    assert {line.key for line in kept} == {line.key for line in told}
    assert len(reported) - len(kept) == 2


def test_better_answers_score_better_though_nothing_says_so(copied, tmp_path):
    store = Store(copied)

    def improve(record):
        for sample in record["samples"]:
            for arm in sample["arms"].values():
                arm["prediction"] = store.put({"frames": store.get(arm["truth"])["frames"][arm["shown"] :]})

    change_record(copied, improve)
    assert skill(measured(copied, tmp_path)) > 0.9


def test_an_answer_that_failed_is_the_worst(copied, tmp_path):
    def fail(record):
        arm = next(iter(record["samples"][0]["arms"].values()))
        arm.update(status="failed", detail="out of memory", prediction=None)

    change_record(copied, fail)
    run = measured(copied, tmp_path)
    record = next(iter(run.records()))
    assert (record["status"], record["detail"]) == ("failed", "out of memory")
    assert record["error"] == 1.0


def test_truths_that_were_sent_are_never_used(copied, tmp_path):
    unit = wmeval.Run(copied).units[0]
    before = skill(measured(copied, tmp_path / "one"))

    def lie(record):
        for sample in record["samples"]:
            for arm in sample["arms"].values():
                arm["truth"] = arm["prediction"]

    change_record(copied, lie)
    run = measured(copied, tmp_path / "two")
    assert skill(run) == before
    arms = [a for s in run.store.read(unit.key)["samples"] for a in s["arms"].values()]
    assert all(arm["truth"] != arm["prediction"] for arm in arms)


def test_other_frames_than_were_asked_for_are_refused(copied, tmp_path):
    def shorten(record):
        for sample in record["samples"]:
            for arm in sample["arms"].values():
                arm["asked"] -= 1
                frames = Store(copied).get(arm["prediction"])["frames"][:-1]
                arm["prediction"] = Store(copied).put({"frames": frames})

    change_record(copied, shorten)
    with pytest.raises(UsageError, match=r"asked for .* expected"):
        measured(copied, tmp_path)


def test_a_run_that_leaves_questions_out_is_refused(copied, tmp_path):
    change(copied, "manifest.json", lambda m: m["units"].pop())
    change(copied, "results.json", lambda r: r.update(samples=r["samples"] - 2))
    with pytest.raises(UsageError, match=r"does not answer bounce@0\.1"):
        measured(copied, tmp_path)


def test_a_run_of_other_code_is_refused(copied, tmp_path):
    unit = wmeval.Run(copied).units[0]
    other = "0" * 64
    place = copied / "units" / "00"
    place.mkdir(exist_ok=True)
    change_record(copied, lambda r: r["unit"].update(key=other))
    (copied / "units" / unit.key[:2] / f"{unit.key}.json").rename(place / f"{other}.json")
    change(copied, "manifest.json", lambda m: m["units"][0].update(key=other))
    with pytest.raises(UsageError, match="another version of wmeval"):
        measured(copied, tmp_path)


def test_only_the_servers_own_references_are_references(copied, tmp_path):
    def rename(manifest):
        manifest["request"]["model"] = "genie"

    change(copied, "manifest.json", rename)
    with pytest.raises(UsageError, match="says that it is a reference"):
        measured(copied, tmp_path)
    change(copied, "manifest.json", lambda m: m["request"].update(model="freeze"))
    with pytest.raises(UsageError, match="is not the one of this server"):
        measured(copied, tmp_path)


def test_no_file_is_imported_because_a_manifest_names_it(copied, tmp_path):
    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\nADAPTER = PROBE = SUITE = None\n")

    def point(manifest):
        manifest["request"] |= {"model": str(trap), "probes": [str(trap)], "suite": str(trap)}
        manifest["card"]["reference"] = False
        for unit in manifest["units"]:
            unit["given"] = str(trap)

    change(copied, "manifest.json", point)
    change(copied, "results.json", lambda r: r["model"].update(reference=False))
    for unit in wmeval.Run(copied).units:
        change(copied, f"units/{unit.key[:2]}/{unit.key}.json", lambda r: r["unit"].update(given=str(trap)))
    run = measured(copied, tmp_path)
    assert skill(run) == 0.0
    assert not (tmp_path / "sprung").exists()
    assert str(tmp_path) not in json.dumps(run.manifest["request"])


def test_a_view_without_stored_anchors_is_refused():
    plan = make_plan(Request("blur", suite=TINY, view=View(fps=10, height=48, width=48)))
    with pytest.raises(UsageError, match=r"no anchors of gravity@0\.1"):
        rescoring.check_anchors(plan)


def test_what_only_the_model_can_tell_is_left_with_the_reason(finished_run):
    plan = Plan.from_json(finished_run.manifest)
    one, two, three = (replace(plan.units[0], key=k) for k in "abc")
    one, two = replace(one, instrument="imagination"), replace(two, instrument="control", arm="model|state|8")
    left = rescoring.measurable(replace(plan, units=(one, two, three), na=()))
    assert left.units == (three,)
    assert [row["reason"] for row in left.na] == [rescoring.LATENT, rescoring.ACTED]


def test_surprise_is_taken_for_the_clips_that_the_server_draws(tmp_path):
    plan = make_plan(Request("linear-latent", suite=TINY, instruments=("surprise",)))
    unit, store = plan.units[0], Store(tmp_path)
    asks = wmeval.load_probe(unit.given)
    own = questions(plan, unit, store)
    theirs = json.loads(json.dumps(own))
    for sample in theirs["samples"]:
        for arm in sample["arms"].values():
            told = np.linspace(0, 1 + (not arm["possible"]), arm["shown"])
            arm |= {"status": "ok", "prediction": store.put({"surprise": told})}
    made = rescoring.answered(unit, own, theirs, store, store)
    judged = measuring("surprise")(unit, asks, plan.view, (), made, store)
    assert [row["error"] for row in judged["samples"]] == [0.0, 0.0]
    next(iter(theirs["samples"][0]["arms"].values()))["truth"] = "0" * 64
    with pytest.raises(UsageError, match="other clips"):
        rescoring.answered(unit, own, theirs, store, store)


def test_what_is_asked_is_made_once_for_all_who_are_asked_alike(finished_run, tmp_path, monkeypatch):
    monkeypatch.setenv("WMEVAL_CACHE", str(tmp_path / "cache"))
    plan = Plan.from_json(finished_run.manifest)
    questions(plan, plan.units[0], Store(tmp_path / "none"))
    next((tmp_path / "cache" / "asked" / "blobs").glob("*/*.npz")).unlink()  # as anyone may
    first = questions(plan, plan.units[0], Store(tmp_path / "one"))
    monkeypatch.setattr(asked, "generating", None)
    again = replace(plan.units[0], key="0" * 64, replicate=1)
    second = questions(plan, again, Store(tmp_path / "two"))
    assert second["samples"] == first["samples"]
    assert second["unit"]["key"] == "0" * 64
    truth = next(iter(first["samples"][0]["arms"].values()))["truth"]
    assert "frames" in Store(tmp_path / "two").get(truth)
    with pytest.raises(TypeError):  # at another View it is made anew
        questions(replace(plan, view=View(fps=5)), again, Store(tmp_path / "two"))
