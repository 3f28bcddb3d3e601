import json
from dataclasses import replace

import pytest

from wmeval import View
from wmeval.errors import UsageError
from wmeval.model import ActionSpace
from wmeval.registry import load_adapter
from wmeval.run.plan import Plan, make_plan, plan_of
from wmeval.run.request import Request


@pytest.fixture
def asked(kit):
    return Request(model=str(kit / "mimic.py"), suite=str(kit / "mini.py"))


def keys(request):
    return [u.key for u in make_plan(request).units]


def test_a_plan_is_deterministic_and_blocks_are_aligned(asked):
    plan = make_plan(asked)
    assert plan == make_plan(asked)
    assert [u.indices for u in plan.units] == [(0, 1), (2, 3), (4, 5)]
    assert plan.samples == 6
    assert len(set(keys(asked))) == 3


@pytest.mark.parametrize(
    "how",
    [{"workers": 7}, {"executor": "inline"}, {"device": "cpu"}, {"fail_on_error": 0.5}],
    ids=lambda how: next(iter(how)),
)
def test_keys_do_not_know_how_the_work_is_done(asked, how):
    assert keys(replace(asked, **how)) == keys(asked)


def test_a_limit_takes_a_prefix_and_marks_the_plan_partial(asked):
    plan = make_plan(replace(asked, limit=4))
    assert [u.key for u in plan.units] == keys(asked)[:2]
    assert plan.partial
    assert plan.short_key == make_plan(asked).short_key


@pytest.mark.parametrize(
    "what",
    [{"seed": 1}, {"options": {"fault": "print"}}, {"model": "freeze"}],
    ids=lambda what: next(iter(what)),
)
def test_keys_know_what_determines_the_result(asked, what):
    assert not set(keys(replace(asked, **what))) & set(keys(asked))


def test_only_references_take_any_view(asked):
    with pytest.raises(UsageError, match="sees 64 x 64 px at 10 fps, and 32 x 64 at 10 was asked for"):
        make_plan(replace(asked, view=View(width=32)))
    freeze = replace(asked, model="freeze")
    assert not set(keys(replace(freeze, view=View(fps=20)))) & set(keys(freeze))


def test_a_plan_is_read_back_from_its_manifest(asked):
    plan = make_plan(asked)
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_weights_are_known_by_content(asked, tmp_path):
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    first = keys(replace(asked, weights=str(file)))
    (tmp_path / "copy").write_bytes(b"one")
    assert keys(replace(asked, weights=str(tmp_path / "copy"))) == first
    file.write_bytes(b"two")
    assert not set(keys(replace(asked, weights=str(file)))) & set(first)


def test_replicates_are_units_of_their_own(asked):
    plan = make_plan(replace(asked, replicates=2))
    assert set(keys(asked)) < {u.key for u in plan.units}
    assert plan.samples == 12


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"model": "orcale"}, "did you mean 'oracle'"),
        ({"suite": "quik"}, "did you mean 'quick'"),
        ({"probes": ("gravty",)}, "did you mean 'gravity'"),
        ({"options": {"steps": "3"}}, "has no option 'steps'; it has fault"),
        ({"weights": "/nowhere"}, "no file or folder is there"),
        ({"model": "freeze", "weights": "/nowhere"}, "has no weights"),
    ],
)
def test_mistakes_are_sentences(asked, wrong, sentence):
    with pytest.raises(UsageError, match=sentence):
        make_plan(replace(asked, **wrong))


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"replicates": 0}, {"workers": 0}, {"workers": "many"}])
def test_numbers_are_checked(asked, wrong):
    with pytest.raises(UsageError, match=f"--{next(iter(wrong))} was given as"):
        replace(asked, **wrong)


def test_a_context_that_is_too_short_makes_a_probe_inapplicable(asked, kit, tmp_path):
    text = (kit / "mimic.py").read_text()
    for context, reason in [("(9, 12)", "needs 9 context frames"), ("(1, 2)", "must look for 0.2 s")]:
        file = tmp_path / f"mimic{context[1]}.py"
        file.write_text(text.replace("(2, 8)", context))
        plan = make_plan(replace(asked, model=str(file)))
        assert not plan.units
        assert reason in plan.na[0]["reason"]
    file = tmp_path / "short.py"
    file.write_text(text.replace("(2, 8), None", "(2, 8), 2"))
    assert (
        "predicts 2 frames; the probe asks for 3"
        in make_plan(replace(asked, model=str(file))).na[0]["reason"]
    )


def test_what_commands_actions_is_not_asked_of_a_model_that_takes_none():
    card = replace(load_adapter("genie").card, max_batch=8)
    deaf = replace(card, actions=ActionSpace("discrete", 4, "none"))
    asked = Request("genie", "core", ("control", "gravity"), ("rollout",), limit=1)
    assert not plan_of(asked, card, None).na
    told = plan_of(asked, deaf, None)
    assert {row["probe"] for row in told.na} == {"control@0.1"}
    assert "commands actions" in told.na[0]["reason"]
    assert {u.probe for u in told.units} == {"gravity@0.1"}
    assert not plan_of(asked, replace(deaf, reference=True), None).na  # the truth ignores nothing


def test_the_command_line_asks_the_same_again(asked, tmp_path):
    request = replace(asked, seed=3, options={"fault": "short"}, limit=4, fail_on_error=0.5)
    words = request.command(tmp_path)
    for part in ("--seed 3", "--set fault=short", "--limit 4", "--fail-on-error 0.5", f"--out {tmp_path}"):
        assert part in words
    assert Request.from_json(request.to_json()) == request


def test_a_card_that_depends_on_options_is_asked_when_the_run_is_planned(kit, tmp_path):
    """What says only how a model is reached is no part of a key; what it says of itself is."""
    text = (kit / "mimic.py").read_text() + (
        "from dataclasses import replace as new\n"
        "ADAPTER = new(ADAPTER, reaches=frozenset({'marks'}),\n"
        "    completed=lambda weights, options: new(CARD, version=options.get('fault', '1')))\n"
    )
    (tmp_path / "asked.py").write_text(text)

    def planned(**options):
        return make_plan(Request(str(tmp_path / "asked.py"), str(kit / "mini.py"), options=options))

    assert planned(fault="print").card.version == "print"
    here, there = planned(marks="here"), planned(marks="there")
    assert [u.key for u in here.units] == [u.key for u in there.units]
    assert here.short_key == there.short_key
    assert planned(nap="1").short_key != here.short_key


def test_a_model_that_changed_since_it_was_planned_is_not_asked(kit, tmp_path):
    from wmeval.errors import EnvironmentFault
    from wmeval.run import run

    text = (kit / "mimic.py").read_text() + (
        "from dataclasses import replace as new\n"
        "ADAPTER = new(ADAPTER, completed=lambda weights, options: new(CARD, version='older'))\n"
    )
    (tmp_path / "other.py").write_text(text)
    with pytest.raises(EnvironmentFault, match="planned as version older and is 1 now"):
        run(str(tmp_path / "other.py"), str(kit / "mini.py"), executor="inline", out=tmp_path / "run")
