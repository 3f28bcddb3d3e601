"""A set of files that is no whole run, or says so falsely, is refused by a sentence that names the file."""

import json
from pathlib import Path

import numpy as np
import pytest

import wmeval
from wmeval import registry
from wmeval.errors import UsageError
from wmeval.run.code import file_digest
from wmeval.submission.check import check
from wmeval.submission.documents import read_documents
from wmeval.submission.fit import check_finished, mixed, unfit
from wmeval.submission.limits import Limits
from wmeval.submission.parts import Part, blob_path, made, root_of
from wmeval.submission.shapes import read

SUITE = Path(__file__).parents[2] / "leaderboard" / "tiny_suite.py"


def edit(path, change):
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))


def record_of(run):
    """Return the path of the record of a unit that predicted frames."""
    unit = next(u for u in run.units if u.instrument == "rollout")
    return run.path / "units" / unit.key[:2] / f"{unit.key}.json"


def refused(run, listed, limits=None):
    with pytest.raises(UsageError) as told:
        check(*listed(run), limits or Limits())
    return str(told.value)


def put(run, path, arm, arrays):
    """Name other arrays as what the model predicted in the first sample of a record."""
    digest = run.store.put(arrays)
    edit(path, lambda told: told["samples"][0]["arms"][arm].update(prediction=digest))


def test_a_whole_run_passes(whole, listed):
    seen = []
    documents = check(*listed(whole), Limits(), lambda done, total: seen.append((done, total)))
    assert documents.units == whole.units
    assert seen[-1][0] == seen[-1][1] == len({d for u in whole.units for d in made(whole.store.read(u.key))})
    assert unfit(documents, registry.load_suite(str(SUITE))) == []
    assert mixed(whole) == []


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"frames": np.zeros((3, 64, 64, 3), np.uint8)}, "expected uint8"),
        ({"frames": np.zeros((3, 8, 8, 3), np.uint8)}, "expected uint8"),
        ({"latents": np.zeros((3, 8, 8), np.float32)}, "expected frames and no more"),
        ({"frames": np.zeros((3, 64, 64, 3), np.float32)}, "expected uint8"),
    ],
)
def test_predictions_are_what_was_asked_for(arrays, sentence, run, listed):
    path = record_of(run)
    put(run, path, next(iter(json.loads(path.read_text())["samples"][0]["arms"])), arrays)
    assert sentence in refused(run, listed)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r.update(stage="measure"), 'expected "generate"'),
        (lambda r: r["samples"].pop(), "are not the 2 planned ones"),
        (lambda r: r["samples"].append(r["samples"][0]), "are not the 2 planned ones"),
        (lambda r: r["samples"][0].update(case_id="0" * 64), "are not the 2 planned ones"),
        (lambda r: r["unit"].update(tag="ood-speed"), "another unit"),
        (lambda r: next(iter(r["samples"][0]["arms"].values())).update(asked=10**5), "at most 4096"),
        (lambda r: next(iter(r["samples"][0]["arms"].values())).update(status="good"), '"refused"'),
        (lambda r: next(iter(r["samples"][0]["arms"].values())).update(codec="../../x"), "a blob '../../x'"),
        (lambda r: r["samples"][0].update(readout=["x"]), "hexadecimal"),
        (lambda r: r["samples"][0]["seconds"].update(model=-1), "a number from 0"),
        (lambda r: r["samples"][0].update(fault="\x1b[31m"), "control character U+001B"),
    ],
)
def test_records_are_those_of_the_plan(change, sentence, run, listed):
    parts, _, opening = listed(run)
    path = record_of(run)
    before = {p.path: p for p in parts}
    edit(path, change)
    name = str(path.relative_to(run.path))
    changed = Part(name, file_digest(path), path.stat().st_size)
    parts = [changed if p.path == name else p for p in before.values()]
    with pytest.raises(UsageError) as told:
        check(parts, root_of(parts), opening, Limits())
    assert sentence in str(told.value)
    assert name in str(told.value)


def test_a_file_that_no_record_names_is_refused(run, listed):
    parts, _, opening = listed(run)
    name = blob_path(run.store.put({"x": np.zeros(3)}))
    more = Part(name, file_digest(run.path / name), (run.path / name).stat().st_size)
    parts = sorted([*parts, more], key=lambda p: p.path)
    with pytest.raises(UsageError, match="which no record names"):
        check(parts, root_of(parts), opening, Limits())


def test_a_file_that_a_record_names_must_be_there(run, listed):
    parts, _, opening = listed(run)
    for gone in ("blobs/", "units/"):
        left = [p for p in parts if p is not next(q for q in parts if q.path.startswith(gone))]
        with pytest.raises(UsageError, match=r"does not hold|has no units/"):
            check(left, root_of(left), opening, Limits())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r.update(suite="core@0.1"), "suite is 'tiny@1' in manifest.json and 'core@0.1'"),
        (lambda r: r["model"].update(name="genie"), "name of the model is 'freeze'"),
        (lambda r: r["model"].update(reference=False), "word on whether it is a reference"),
        (lambda r: r["model"].update(options={"k": "v"}), "options of the model"),
        (lambda r: r.update(samples=7), "number of samples"),
        (lambda r: r["scores"][0].update(skill=1.5), "scores[0].skill is 1.5; expected a number from 0 to 1"),
        (lambda r: r["scores"][0].update(lo="0"), 'scores[0].lo is "0"'),
        (lambda r: r["scores"][0].pop("n"), "scores[0] has no 'n'"),
        (lambda r: r["scores"][0].update(probe="<img src=x onerror=alert(1)>@1"), "scores[0].probe"),
        (lambda r: r["scores"][0].update(tag="iid\"onload='x'"), "scores[0].tag"),
        (lambda r: r["card"].update(name="a" * 200), "card.name"),
        (lambda r: r["card"].update(notes=["a" * 3000]), "card.notes[0]"),
        (lambda r: r["card"].update(source="\u202egnp.exe"), "control character U+202E"),
        (lambda r: r["fidelity"][0].update(better="sideways"), '"higher" or "lower"'),
        (lambda r: r.update(failed=True), "a whole number"),
    ],
)
def test_results_say_what_they_must_and_nothing_else(change, sentence, run, listed):
    edit(run.path / "results.json", change)
    assert sentence in refused(run, listed)


def test_metrics_may_name_their_features(run, listed):
    edit(run.path / "results.json", lambda r: r["fidelity"][0].update(metric="fvd[r3d18-0f1e]"))
    assert check(*listed(run), Limits()).results["fidelity"][0]["metric"] == "fvd[r3d18-0f1e]"


@pytest.mark.parametrize("name", [*registry.entries("models"), *registry.REFERENCE_NAMES])
def test_every_card_of_this_release_can_be_handed_in(name, run, listed):
    known = registry.is_reference(name)
    card = (registry.load_reference(name) if known else registry.load_adapter(name)).card
    edit(run.path / "manifest.json", lambda m: m.update(card={**card.to_json(), "reference": True}))
    about = {"name": card.name, "version": card.version}

    def say(results):
        results["model"].update(about)
        results["card"].update(about)

    edit(run.path / "results.json", say)
    assert check(*listed(run), Limits()).manifest["card"]["name"] == card.name


@pytest.mark.parametrize(
    "text",
    [
        '{"a": NaN}', '{"a": Infinity}', '{"a": 1e999}', "[" * 5000 + "]" * 5000, "", "{", "\xff",
        '"' + "a" * 20_000 + '"', '{"' + "a" * 20_000 + '": 1}', "[" + "1," * 1_000_001 + "1]",
        '{"a": ' + "9" * 5000 + "}",
    ],
)  # fmt: skip
def test_json_is_bounded(text):
    with pytest.raises(UsageError, match=r"results\.json"):
        read(text.encode("latin-1"), "results.json", Limits())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"limit": 1}, "the run is partial"),
        ({"seed": 1}, "seeds are dictated"),
        ({"instruments": ["rollout"]}, "asked by rollout only"),
        ({"probes": ["gravity"]}, "asked with --probe"),
    ],
)
def test_what_is_not_all_of_a_suite_is_not_handed_in(options, sentence, tmp_path, listed):
    out = tmp_path / "less"
    wmeval.run("freeze", suite=str(SUITE), executor="inline", out=out, **options)
    run = wmeval.Run(out)
    documents = check(*listed(run), Limits())
    assert any(sentence in why for why in unfit(documents, registry.load_suite(str(SUITE))))


def documents_of(run):
    return read_documents(*((run.path / n).read_bytes() for n in ("manifest.json", "results.json")), Limits())


def test_anchors_made_on_the_spot_are_refused(run):
    edit(run.path / "results.json", lambda r: r["scores"][0].update(anchors="local"))
    (why,) = unfit(documents_of(run), registry.load_suite(str(SUITE)))
    assert "anchors that were made on the spot (the first is of gravity" in why


def test_a_run_that_is_not_finished_is_refused(run, listed):
    path = record_of(run)
    path.unlink()
    with pytest.raises(UsageError, match=r"is not finished; `wmeval run` continues it"):
        listed(run)
    (run.path / "results.json").unlink()
    with pytest.raises(UsageError, match="is not finished"):
        check_finished(wmeval.Run(run.path))


def test_a_run_of_another_version_is_refused(run):
    edit(run.path / "manifest.json", lambda m: m.update(wmeval="0.0.9"))
    assert any("is of wmeval 0.0.9" in why for why in mixed(wmeval.Run(run.path)))


def test_a_run_that_other_code_made_is_refused(run):
    edit(run.path / "manifest.json", lambda m: m["units"][0].update(key="0" * 64))
    (why,) = mixed(wmeval.Run(run.path))
    assert "2 units are asked otherwise" in why


def test_a_run_that_other_code_measured_is_refused(run):
    edit(run.path / "results.json", lambda r: r.update(inputs="0" * 64))
    (why,) = mixed(wmeval.Run(run.path))
    assert f"`wmeval score {run.path}`" in why


def test_recordings_of_ones_own_are_refused(run):
    edit(run.path / "manifest.json", lambda m: m["request"].update(truth="gym:CartPole-v1"))
    with pytest.raises(UsageError, match="asked with --truth"):
        check_finished(wmeval.Run(run.path))


def plan(**changed):
    """Return a row of planning as `wmeval run` writes it where nothing was measured."""
    none = ("success", "lo", "hi", "skill", "skill_lo", "skill_hi", "random", "oracle", "kendall", "budget")
    row = {
        "task": "push@0.1", "protocol": "choose", "tag": "iid", "dynamics": "model", "cost": "state",
        "read": "frames", **dict.fromkeys(none), "n": 0, "failed": 0, "verdict": "", "reason": "",
    }  # fmt: skip
    return {k: v for k, v in {**row, **changed}.items() if v != "gone"}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"read": []}, 'planning[0].read is []; expected "frames" or "latents"'),
        ({"read": "gone"}, "planning[0].read is null"),
        ({"read": [], "protocol": "control"}, "planning[0].read is []"),
        ({"kendall": "gone"}, "planning[0] has no 'kendall'"),
        ({"kendall": "1"}, "planning[0].kendall"),
        ({"random": 2}, "planning[0].random is 2; expected a number from 0 to 1"),
        ({"oracle": "gone"}, "planning[0] has no 'oracle'"),
    ],
    ids=str,
)
def test_rows_of_planning_hold_what_pages_read(changed, sentence, run, listed):
    edit(run.path / "results.json", lambda told: told.update(planning=[plan(**changed)]))
    assert sentence in refused(run, listed)


def test_rows_of_planning_that_are_written_here_are_taken(run, listed):
    rows = [plan(), plan(protocol="control", read="gone", budget=64), plan(read="latents", kendall=-0.5)]
    edit(run.path / "results.json", lambda told: told.update(planning=rows))
    parts, _, opening = listed(run)
    check(parts, root_of(parts), opening, Limits())


def test_values_are_counted_before_any_is_made(monkeypatch):
    monkeypatch.setattr("wmeval.submission.shapes.json.loads", lambda *_, **__: pytest.fail("was read"))
    many = b"[" + b"[]," * 1_000_000 + b"[]]"
    with pytest.raises(UsageError, match="x has more than 1000000 values"):
        read(many, "x", Limits())
