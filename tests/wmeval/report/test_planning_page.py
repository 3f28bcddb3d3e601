"""What a table and a page say of planning, of rows whose numbers are known."""

import json

import pytest

from wmeval.report import planning
from wmeval.report.html import lead, page
from wmeval.report.sections import About
from wmeval.report.table import show
from wmeval.stats import wilson

UNPOSED = "no picture can tell this goal"


def row(protocol, dynamics="model", cost="state", budget=None, success=0.5, **more):
    told = wilson(round(32 * (success or 0.0)), 32)
    made = {
        "task": "push@0.1", "protocol": protocol, "tag": "iid", "dynamics": dynamics, "cost": cost,
        "budget": budget, "n": 32, "failed": 0, "success": success, "lo": told.lo, "hi": told.hi, "any": 0.6,
        "skill": 0.4, "skill_lo": 0.2, "skill_hi": 0.6, "random": 0.125, "oracle": 1.0, "regret": None,
        "kendall": None, "auccess": None, "elite_regret": 0.12, "optimism": 0.3, "rank": 0.61, "calls": 2304,
        "seconds": 0.84, "unit": "m", "verdict": "", "reason": "",
    }  # fmt: skip
    return made | more


@pytest.fixture
def planned(results):
    """Return results of planning alone: one choice, and the 2 x 2 at two budgets."""
    choice = row(
        "choose", read="frames", regret=0.3, kendall=0.5, auccess=0.7, auccess_random=0.58, found=0.9,
        rows={"still": {"success": 0.0, "regret": 1.5}, "largest": {"success": 0.125, "regret": 1.0}},
        verdict="better than chance",
    )  # fmt: skip
    cells = [
        row("control", who, how, budget, share)
        for budget in (16, 64)
        for who, how, share in [
            ("model", "state", 0.5), ("simulator", "state", 1.0), ("model", "goal", 0.25),
            ("simulator", "goal", 0.75),
        ]
    ]  # fmt: skip
    beside = [row("control", who, "", None, 0.0, skill=None) for who in ("random", "still")]
    next(c for c in cells if c["dynamics"] == "model")["verdict"] = "bad model"
    cells[4]["verdict"] = "bad model"
    return {
        **results,
        "scores": [],
        "implied": [],
        "fidelity": [],
        "na": [],
        "planning": [choice, *cells, *beside],
    }


def test_the_sentences_that_open_a_report_say_what_intervals_hold(planned):
    told = lead(planned)
    assert "was asked to plan in 1 task" in told
    assert "chooses better than at random in push" in told
    planned["planning"][0] |= {"skill_lo": -0.1}
    assert "That it chooses better than at random is not shown in any." in lead(planned)


def test_the_two_by_two_is_that_of_the_largest_budget(planned):
    (section,) = planning.sections(planned, {})
    (grid,) = section["grids"]
    assert grid["budget"] == 64
    assert [(who, [c["text"].split()[0] for c in cells]) for who, cells in grid["grid"]] == [
        ("The simulator", ["100", "75"]),
        ("The model", ["50", "25"]),
    ]
    assert [who for who, _ in grid["beside"]] == ["Random actions", "No action"]
    assert [t["text"] for t in grid["curve"]["ticks"]] == ["16", "64"]
    assert grid["verdict"] == "bad model"


def test_a_cell_without_a_number_has_its_reason(planned):
    rows = [r for r in planned["planning"] if r["cost"] != "goal"]
    empty = row("control", "model", "goal", 64, None, n=0, lo=None, hi=None, reason=UNPOSED)
    (section,) = planning.sections({**planned, "planning": [*rows, empty]}, {})
    cell = section["grids"][0]["grid"][1][1][1]
    assert (cell["text"], cell["small"]) == ("–", UNPOSED)


def test_defaults_that_look_at_nothing_stand_on_the_axis_of_skill(planned):
    (section,) = planning.sections(planned, {})
    (choice,) = section["choices"]
    assert "the largest 0.00" in choice["plot"]  # as good as random
    assert "doing nothing -0.14" in choice["plot"]
    assert ("at random", "12\u00a0%") in choice["facts"]


def test_the_page_and_the_table_hold_every_row(planned, tmp_path):
    text = page(planned, [], About("0.1", summaries={"push@0.1": "push a <b>block</b>"}))
    assert 'id="planning"' in text
    assert 'id="profile"' not in text
    assert "Push a &lt;b&gt;block&lt;/b&gt;." in text
    assert text.count("<td>simulator</td>") == 4
    with (tmp_path / "table").open("w") as stream:
        show(planned, {}, stream)
    told = (tmp_path / "table").read_text()
    assert told.count("push@0.1") == len(planned["planning"])
    assert "better than chance" in told


def test_a_task_is_listed_and_described_as_what_it_is(capsys):
    from wmeval.cli.main import main

    assert main(["list", "tasks", "--json"]) == 0
    rows = {r["name"]: r for r in json.loads(capsys.readouterr().out)["tasks"]}
    assert rows["push"]["asked"] == ["choose", "control"]
    assert main(["describe", "push"]) == 0
    told = capsys.readouterr().out
    assert "force along x, 1 is 6 m/s2, one a block of 0.2 s" in told
    assert main(["describe", "planning-quick", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["tasks"] == ["push", "catch"]
