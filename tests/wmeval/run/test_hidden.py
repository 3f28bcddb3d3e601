"""Hidden scenes stand in the place of public ones while a secret is there, and nothing written holds it."""

import json
from pathlib import Path

import pytest

from wmeval import registry
from wmeval.errors import UsageError
from wmeval.run import problems
from wmeval.run.engine import run, score
from wmeval.run.folder import Run
from wmeval.run.hidden import hidden
from wmeval.run.plan import draw, make_plan
from wmeval.run.request import Request
from wmeval.seeds import commitment, scene_rng

SECRET, OTHER = bytes(range(32)), bytes(32)


def test_what_is_asked_is_drawn_by_the_secret_while_it_is_there():
    public = scene_rng("eval", "gravity@0.1", "iid", 0).bytes(16)
    with hidden(SECRET):
        drawn = scene_rng("eval", "gravity@0.1", "iid", 0).bytes(16)
        assert scene_rng("dev", "gravity@0.1", "iid", 0).bytes(16) != drawn
    assert drawn == scene_rng("hidden", "gravity@0.1", "iid", 0, secret=SECRET).bytes(16) != public
    assert scene_rng("eval", "gravity@0.1", "iid", 0).bytes(16) == public
    with hidden(OTHER):
        assert scene_rng("eval", "gravity@0.1", "iid", 0).bytes(16) not in (public, drawn)
    with pytest.raises(ValueError, match="expected 16"), hidden(b"short"):
        pass


def test_cases_and_problems_are_other_ones_and_public_again_afterwards():
    probe, task = registry.load_probe("gravity"), registry.load_task("push")
    before = draw(probe, "iid", 0).case_id, problems.instance(task, "iid", 0).digest
    with hidden(SECRET):
        case = draw(probe, "iid", 0)
        within = case.case_id, problems.instance(task, "iid", 0).digest
    assert case.provenance["split"] == "hidden"
    assert not set(within) & set(before)
    assert (draw(probe, "iid", 0).case_id, problems.instance(task, "iid", 0).digest) == before


def test_plans_of_other_secrets_share_no_case(kit):
    suite, model = str(kit / "mini.py"), str(kit / "mimic.py")
    ids = [{c for u in make_plan(Request(model, suite)).units for c in u.case_ids}]
    for secret in (SECRET, OTHER):
        with hidden(secret):
            asked = Request(model, suite, executor="inline", hidden=commitment(secret))
            ids.append({c for u in make_plan(asked).units for c in u.case_ids})
    assert [len(i) for i in ids] == [6, 6, 6]
    assert len(set.union(*ids)) == 18


def test_a_hidden_run_holds_no_secret_and_opens_only_within_it(kit, anchored, tmp_path):
    asked = {"model": str(kit / "mimic.py"), "suite": str(kit / "mini.py"), "limit": 2}
    with hidden(SECRET):
        with pytest.raises(UsageError, match="executor='inline'"):
            run(**asked, out=tmp_path / "no")
        done = run(**asked, executor="inline", out=tmp_path / "run")
        record = next(done.records())
        assert done.case(record).case_id == record["case_id"]
    assert done.results["scores"][0]["n"] == 2
    for path in Path(tmp_path / "run").rglob("*"):
        if path.is_file():
            assert SECRET.hex().encode() not in path.read_bytes().lower()
            assert SECRET not in path.read_bytes()
    told = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert told["request"]["hidden"] == commitment(SECRET)
    with pytest.raises(UsageError, match="public ones are drawn now"):
        Run(tmp_path / "run").case(record)
    with pytest.raises(UsageError, match="public ones are drawn now"):
        score(tmp_path / "run")
    with hidden(OTHER), pytest.raises(UsageError, match="those of"):
        score(tmp_path / "run")
    with pytest.raises(UsageError, match="holds a run with hidden"):
        run(**asked, executor="inline", out=tmp_path / "run")


def test_a_public_request_says_nothing_of_hidden_scenes():
    asked = Request("freeze", executor="inline")
    assert "hidden" not in asked.to_json()
    assert "hidden" not in asked.identity
    with hidden(SECRET), pytest.raises(UsageError, match="are public, and those of"):
        make_plan(asked)
