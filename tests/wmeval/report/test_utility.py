"""Fidelity against utility: known relations come out, families are the unit, little evidence is told."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau, spearmanr

from wmeval.cli.utility import command
from wmeval.errors import UsageError
from wmeval.report.relation import FEWEST, kendall, relation, spearman
from wmeval.report.utility import COST, VALUE, utility
from wmeval.report.utility_sheet import picture, says
from wmeval.run import Run

points = st.lists(
    st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(1, 3)), min_size=3, max_size=9
)


@settings(max_examples=150, deadline=None)
@given(points)
def test_both_correlations_are_those_of_scipy_for_points_that_are_repeated(rows):
    x, y, w = (np.array(v, float) for v in zip(*rows, strict=True))
    many = [np.repeat(v, w.astype(int)) for v in (x, y)]
    if len(set(x)) < 2 or len(set(y)) < 2:
        assert np.isnan(kendall(x, y, w[None])[0])
        return
    assert kendall(x, y, w[None])[0] == pytest.approx(kendalltau(*many).statistic, abs=1e-9)
    assert spearman(x, y, w[None])[0] == pytest.approx(spearmanr(*many).statistic, abs=1e-9)


def test_a_known_order_has_tau_one_and_its_exact_chance():
    told = relation([1, 2, 3, 4, 5], [1, 4, 9, 16, 25], list("abcde"))
    assert (told.kendall, told.spearman) == (1.0, pytest.approx(1.0))
    assert told.kendall_lo == told.kendall_hi == 1.0
    assert told.p == pytest.approx(2 / 120)
    assert relation([1, 2, 3, 4], [4, 3, 2, 1], list("abcd")).kendall == -1.0


@pytest.mark.parametrize("k", [1, 2, 3])
def test_few_families_have_no_interval_and_no_p_value_however_many_stages_they_have(k):
    n = 6 * k
    told = relation(np.arange(n), np.arange(n), [f"f{i % k}" for i in range(n)])
    assert told.kendall == 1.0
    assert (told.kendall_lo, told.spearman_lo, told.p) == (None, None, None)
    assert f"below {FEWEST}" in told.reason
    assert told.within == {f"f{i}": 1.0 for i in range(k)}


def test_stages_of_one_family_are_no_more_evidence_than_one_model():
    rng = np.random.default_rng(0)
    level = rng.normal(size=(6, 2))
    alone = relation(level[:, 0], level[:, 1], list("abcdef"))
    copied = np.repeat(level, 5, axis=0)
    stages = relation(copied[:, 0], copied[:, 1], list(np.repeat(list("abcdef"), 5)))
    assert stages.kendall == pytest.approx(alone.kendall)
    assert (stages.kendall_lo, stages.kendall_hi) == pytest.approx((alone.kendall_lo, alone.kendall_hi))
    assert stages.p == alone.p
    naive = relation(copied[:, 0], copied[:, 1], [str(i) for i in range(30)])
    assert naive.kendall_hi - naive.kendall_lo < 0.7 * (stages.kendall_hi - stages.kendall_lo)


def test_the_interval_holds_zero_where_there_is_no_relation():
    rng = np.random.default_rng(1)
    held = []
    for _ in range(25):
        level = np.repeat(rng.normal(size=(8, 2)), 3, axis=0) + 0.2 * rng.normal(size=(24, 2))
        told = relation(level[:, 0], level[:, 1], list(np.repeat(list("abcdefgh"), 3)))
        held.append(told.kendall_lo <= 0 <= told.kendall_hi)
    assert np.mean(held) >= 0.8


def test_no_spread_and_no_models_are_told():
    assert "all models are the same" in relation([1, 1, 1], [1, 2, 3], list("abc")).reason
    assert relation([], [], []).reason == "no correlation: no model has both"


def results(name, family, x, skill, *, version="0.1", reference=False, suite="planning@0.1", **more):
    def score(value):
        return {"probe": "gravity@0.1", "instrument": "rollout", "tag": "iid", "skill": value,
                "lo": value - 0.1, "hi": value + 0.1}  # fmt: skip

    def metric(of, value, better, n=300):
        return {"metric": f"{of}@0.1", "tag": "iid", "value": value, "lo": value - 0.5, "hi": value + 0.5,
                "n": n, "unit": "", "better": better}  # fmt: skip

    def row(protocol, **of):
        return {"task": "push@0.1", "protocol": protocol, "tag": "iid", "dynamics": "model", "cost": "state",
                "budget": None, "skill": skill, "skill_lo": skill - 0.1, "skill_hi": skill + 0.1,
                "kendall": None, **of}  # fmt: skip

    return {
        "model": {"name": name, "version": version, "weights": f"{name}{version}", "options": {},
                  "reference": reference},
        "card": {"family": family, "reference": reference},
        "suite": suite, "complete": True, "partial": False,
        "scores": [score(x / 10)],
        "fidelity": [metric("psnr", 10 + x, "higher"), metric("fvd[enc]", 100 - x, "lower")],
        "planning": [
            row("choose", read="frames", kendall=x / 10),
            row("control", budget=16, skill=-1.0), row("control", budget=64),
            row("control", budget=64, cost="goal", skill=-1.0),
            row("control", budget=64, dynamics="random", cost="", skill=None),
        ],
        **more,
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Makes folders of runs from results; their records say that predicted costs are off by 1 / x."""

    def make(told, off=None):
        path = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        path.mkdir()
        (path / "manifest.json").write_text("{}")
        (path / "results.json").write_text(json.dumps(told))
        records = [
            {"probe": "push@0.1", "tag": "iid", "arm": "frames", "case_id": str(i),
             "choice": {"predicted": [off, 2.0], "true": [0.0, 2.0]}}
            for i in range(9)
        ]  # fmt: skip
        (path / "records.json").write_text(json.dumps(records if off is not None else []))
        return Run(path)

    monkeypatch.setattr(Run, "records", lambda run: iter(json.loads((run.path / "records.json").read_text())))
    return make


def test_known_relations_of_synthetic_runs_come_out(folder):
    runs = [folder(results(f"m{i}", f"f{i}", i, i / 5), off=10.0 - i) for i in range(5)]
    told = utility(runs)
    by = {(r.protocol, r.column): r for r in told.rows}
    for protocol in ("choose", "control"):
        for column in ("psnr", "fvd[enc]", "physics", VALUE, COST):
            assert by[protocol, column].relation.kendall == 1.0, column
            assert by[protocol, column].relation.families == 5
    assert told.questions == [("push@0.1", "choose"), ("push@0.1", "control")]
    (first, *_) = told.models
    assert first.of_task["push@0.1", COST].value == pytest.approx(5.0)
    assert first.skills["push@0.1", "control"].value == 0.0  # of the largest budget, on the state
    # five families in perfect order are p = .017 once, and nothing among ten questions
    assert by["choose", "psnr"].relation.p == pytest.approx(2 / 120)
    assert says(by["choose", "psnr"]) == "no relation can be told"
    assert says(replace(by["choose", "psnr"], p_holm=0.04)) == "better goes with better"
    assert by["choose", "psnr"].p_holm > by["choose", "psnr"].relation.p


def test_runs_of_one_model_are_put_together_and_the_first_word_counts(folder):
    whole = results("a", "f", 1, 0.5)
    planning = folder({**whole, "scores": [], "fidelity": []})
    core = folder({**whole, "planning": [], "suite": "core@0.1"})
    again = folder({**whole, "planning": [], "suite": "quick@0.1"})
    told = utility([planning, core, again])
    (model,) = told.models
    assert set(model.numbers) == {"psnr", "fvd[enc]", "physics"}
    assert model.numbers["psnr"].basis == "core@0.1"
    assert any("left out, an earlier run has it" in note for note in told.notes)


def test_references_are_shown_and_not_counted(folder):
    runs = [folder(results(f"m{i}", f"f{i}", i, i / 5)) for i in range(4)]
    runs.append(folder(results("oracle", "reference", -9, 5.0, reference=True)))
    told = utility(runs)
    assert all(r.relation.n in (0, 4) for r in told.rows)
    assert {r.relation.kendall for r in told.rows if r.column == "psnr"} == {1.0}
    assert "references and organisms are shown" in " ".join(told.notes)
    assert "no cost error of push@0.1" in told.notes[0]


def test_set_metrics_of_other_numbers_of_clips_are_not_compared(folder):
    one, two = results("a", "f", 1, 0.5), results("b", "g", 2, 0.6)
    two["fidelity"][1]["n"] = 299
    told = utility([folder(one), folder(two)])
    (row, _) = [r for r in told.rows if r.column == "fvd[enc]"]
    assert "n = 299" in row.relation.reason
    assert row.relation.kendall is None


def test_without_planning_it_says_what_makes_it(folder):
    with pytest.raises(UsageError, match="wmeval run --suite planning"):
        utility([folder({**results("a", "f", 1, 0.5), "planning": []})])


def test_the_command_writes_tables_and_a_picture_that_holds_every_point(folder, tmp_path):
    runs = [folder(results("<a>", f"f{i % 4}", i, i / 9, version=f"0.{i}"), off=1.0 + i) for i in range(8)]
    out = tmp_path / "out"
    printed = CliRunner().invoke(command, [*(str(r.path) for r in runs), "--out", str(out)])
    assert printed.exit_code == 0, printed.output
    assert "push@0.1, control" in printed.output
    drawn = (out / "utility.svg").read_text()
    assert "<a>" not in drawn
    width, height = map(int, re.search(r'width="(\d+)" height="(\d+)"', drawn).groups())
    dots = re.findall(r'cx="(-?[\d.]+)" cy="(-?[\d.]+)"', drawn)
    assert len(dots) == 4 + 8 * 2 * 5  # a legend of four families; 8 models, 2 questions, 5 columns
    assert all(0 < float(x) < width and 0 < float(y) < height for x, y in dots)
    assert "better with better" not in (out / "utility.md").read_text().splitlines()[0]
    as_json = json.loads((out / "utility.json").read_text())
    assert len(as_json["models"]) == 8


def test_points_of_the_picture_go_up_where_planning_is_better(folder):
    runs = [folder(results(f"m{i}", f"f{i}", i, i / 5)) for i in range(5)]
    drawn = str(picture(utility(runs)))
    found = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"[^>]*><title>m(\d) 0.1: [\d.]+, skill', drawn)
    by_model = {int(m): [] for _, _, m in found}
    for x, y, m in found:
        by_model[int(m)].append((float(x), float(y)))
    for better, worse in zip(range(1, 5), range(4), strict=True):
        for (x1, y1), (x0, y0) in zip(by_model[better], by_model[worse], strict=True):
            assert x1 > x0
            assert y1 < y0


def test_plans_of_other_budgets_are_not_compared(folder):
    one, two = results("a", "f", 1, 0.5), results("b", "g", 2, 0.6)
    two["planning"] = [{**r, "budget": 256} if r["budget"] == 64 else r for r in two["planning"]]
    told = utility([folder(one), folder(two)])
    by = {(r.protocol, r.column): r.relation for r in told.rows}
    assert (
        by["control", "psnr"].reason == "not compared: models plan with 256 candidates and with 64 candidates"
    )
    assert by["choose", "psnr"].n == 2


def test_it_says_what_so_few_families_cannot_show_and_what_is_left_out(folder):
    runs = [folder(results(f"m{i}", f"f{i}", i, i / 5)) for i in range(5)]
    (note,) = [n for n in utility(runs).notes if "families" in n]
    lines = sum(r.relation.p is not None for r in utility(runs).rows)
    assert f"with 5 families and {lines} lines" in note
    assert f"{2 * lines / 120:.2g}" in note
    keeps = results("m", "f", 1, 0.5)
    keeps["planning"].append({**keeps["planning"][0], "task": "keep@0.1", "tag": "place"})
    assert "not asked at 'iid', so not here: keep@0.1 (place)" in utility([folder(keeps)]).notes
