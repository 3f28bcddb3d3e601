"""Comparisons of runs: verdicts over the whole table, ranks with ties, gates, and what cannot be paired."""

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binom

from wmeval.errors import UsageError
from wmeval.report import contest
from wmeval.report.compare import compare
from wmeval.report.power import powers
from wmeval.stats import bounded_mean

VIEW = {"fps": 10.0, "height": 64, "width": 64, "supersample": 2, "shadows": False}
PROBES = ("gravity@0.1", "permanence@0.1")


def made(path, values, *, suite="core@0.1", view=VIEW, null=0.5, ceiling=0.0, psnr=None, classes=("clip",)):
    """A run whose cases have the given skills {probe: values}, in the place of one on disk."""
    units = [SimpleNamespace(probe=p, given=p.partition("@")[0]) for p in values]
    records = [
        {
            "probe": probe, "instrument": "rollout", "tag": "iid", "case_id": f"{i}", "replicate": 0,
            "value": float(v), "status": "ok",
            "metrics": {} if psnr is None else {"psnr": {"mean": float(psnr[i])}},
        }
        for probe, cases in values.items()
        for i, v in enumerate(cases)
    ]  # fmt: skip
    scores = [
        {"probe": p, "instrument": "rollout", "tag": "iid", "skill": float(np.mean(v)), "null": null,
         "ceiling": ceiling}
        for p, v in values.items()
    ]  # fmt: skip
    results = {
        "scores": scores, "samples": len(records), "complete": True, "partial": False,
        "card": {"classes": list(classes), "reference": False}, "model": {"name": path},
    }  # fmt: skip
    return SimpleNamespace(
        path=Path(path), manifest={"suite": suite, "view": view}, units=units, results=results,
        records=lambda: iter(records),
    )  # fmt: skip


def skills(seed, mean, n=64, spread=0.2, probes=PROBES):
    rng = np.random.default_rng(seed)
    return {p: np.clip(rng.normal(mean, spread, n), -1, 1) for p in probes}


def test_a_difference_is_paired_and_its_verdict_is_of_the_whole_table():
    scene = np.random.default_rng(0).normal(0, 0.3, 64)
    base = made("a", {p: np.clip(0.5 + scene, -1, 1) for p in PROBES})
    worse = made("b", {PROBES[0]: np.clip(0.3 + scene, -1, 1), PROBES[1]: np.clip(0.5 + scene, -1, 1)})
    told = compare([base, worse])
    one, other = told.differences
    d = base_minus(worse, base)
    expected = bounded_mean(d, -2, 2)
    assert (one.difference, one.lo, one.hi) == (expected.mean, expected.lo, expected.hi)
    assert one.worse
    assert not one.better
    assert one.p_holm == pytest.approx(2 * one.p)  # two rows
    assert (other.difference, other.p, other.worse) == (0.0, 1.0, False)
    (back,) = [r for r in compare([worse, base]).differences if r.probe == PROBES[0]]
    assert back.better


def base_minus(run, base):
    pick = [[r["value"] for r in x.records() if r["probe"] == PROBES[0]] for x in (run, base)]
    return np.array(pick[0]) - np.array(pick[1])


def test_one_row_of_many_is_no_verdict_by_itself():
    names = [f"{p}@0.1" for p in ("gravity", "permanence", "interpenetration")]
    base = made("a", {p: np.full(16, 0.5) for p in names})
    row = np.full(16, -0.4)
    others = [made("b", {**{p: np.full(16, 0.5) for p in names}, names[0]: row})]
    others += [made(f"c{i}", {p: np.full(16, 0.5) for p in names}) for i in range(5)]
    alone, among = compare([base, others[0]]), compare([base, *others])
    first = among.differences[0]
    assert first.p == alone.differences[0].p
    assert first.p_holm == pytest.approx(min(1, 18 * first.p))
    assert alone.differences[0].p_holm == pytest.approx(3 * first.p)
    assert first.hi < 0  # its own interval leaves out 0
    assert alone.differences[0].worse
    assert not first.worse


def test_ranks_are_ranges_and_ties_are_shown():
    runs = [made("low", skills(1, 0.1)), made("high", skills(2, 0.8)), made("high too", skills(3, 0.8))]
    told = compare(runs).ranks
    assert [(r.run, r.best, r.worst) for r in told[:3]] == [("low", 3, 3), ("high", 1, 2), ("high too", 1, 2)]
    out = io.StringIO()
    contest.ranks(told, out)
    assert "1–2 high, 1–2 high too, 3 low" in out.getvalue().replace(
        "high too, 1–2 high,", "high, 1–2 high too,"
    )


def test_metrics_are_paired_by_case_and_know_which_way_is_better():
    scene = np.random.default_rng(4).normal(20, 4, 32)
    some = skills(5, 0.5, 32, probes=PROBES[:1])
    noise = np.random.default_rng(5).normal(0, 0.1, 32)
    base, better = made("a", some, psnr=scene), made("b", some, psnr=scene + 1 + noise)
    (row,) = compare([base, better]).metrics
    assert row.difference == pytest.approx(1 + noise.mean())
    assert (row.n, row.better, row.worse) == (32, True, False)
    replicated = made("c", some, psnr=scene + 1 + noise)
    twice = [*replicated.records(), *replicated.records()]
    replicated.records = lambda: iter(twice)
    (same,) = compare([base, replicated]).metrics
    assert (same.n, same.lo, same.hi) == (32, row.lo, row.hi)  # replicates are no further cases


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"suite": "core@0.2"}, "a is of suite core@0.1 and b of core@0.2"),
        ({"view": {**VIEW, "height": 128, "width": 128}}, "128 x 128 px at 10 fps"),
        ({"null": 0.6}, "scored against other anchors of gravity@0.1"),
    ],
)
def test_what_cannot_be_paired_is_told(other, says):
    with pytest.raises(UsageError, match=says.replace("(", r"\(")):
        compare([made("a", skills(1, 0.5)), made("b", skills(2, 0.5), **other)])


def test_another_version_of_a_probe_asks_other_scenes():
    with pytest.raises(UsageError, match=r"answers gravity@0.1 and b gravity@0.2, whose scenes are others"):
        compare([made("a", skills(1, 0.5)), made("b", skills(2, 0.5, probes=("gravity@0.2",)))])
    with pytest.raises(UsageError, match="share no probe or task and tag"):
        compare([made("a", skills(1, 0.5, probes=PROBES[:1])), made("b", skills(2, 0.5, probes=PROBES[1:]))])
    with pytest.raises(UsageError, match="was given 1 run"):
        compare([made("a", skills(1, 0.5))])


def test_notes_tell_what_to_mind():
    few = compare([made("a", skills(1, 0.5, 7)), made("b", skills(2, -0.5, 7), classes=("frame",))])
    assert any("no row has 8 cases in common" in n for n in few.notes)
    assert any("different classes" in n for n in few.notes)
    assert not any(row.worse for row in few.differences)


def test_power_is_of_the_runs_own_cases():
    calm, wild = made("a", skills(1, 0.5, spread=0.05)), made("b", skills(2, 0.3, spread=0.3))
    steady, wide = powers(calm, 0.05)[0], powers(wild, 0.05)[0]
    values = np.array([r["value"] for r in wild.records() if r["probe"] == PROBES[0]])
    assert wide.spread == pytest.approx(np.sqrt(2) * values.std(ddof=1), rel=0.01)
    assert steady.sees < wide.sees
    assert steady.needs < wide.needs
    assert wide.needs > wide.needs_normal > 64
    assert powers(wild, 0.05, tests=36)[0].needs > wide.needs
    again = made("c", {p: np.clip(v - 0.05, -1, 1) for p, v in skills(2, 0.3, spread=0.3).items()})
    paired = powers(wild, 0.05, against=again)[0]  # the same model but for a shift: scenes hardly matter
    assert paired.spread < 0.03
    assert paired.needs < wide.needs / 3
    few = powers(made("d", skills(1, 0.5, 7)), 0.05)[0]
    assert (few.sees, few.needs, few.reason) == (None, None, "fewer than 8 cases say nothing of the rest")


def test_powers_mistakes():
    run = made("a", skills(1, 0.5))
    with pytest.raises(UsageError, match="--delta was given as 2"):
        powers(run, 2.0)
    with pytest.raises(UsageError, match="--tests was given as 0"):
        powers(run, 0.1, tests=0)
    with pytest.raises(UsageError, match="no row with skill"):
        powers(made("a", {}), 0.1)


def test_tables_say_it():
    out = io.StringIO()
    told = compare([made("a", skills(1, 0.8)), made("b", skills(2, 0.1))])
    contest.differences(told.differences, out)
    contest.powers(powers(made("a", skills(1, 0.8)), 0.1), 0.1, out)
    for word in ("p, Holm", "< 0.001", "worse", "sees now", "cases to see 0.1"):
        assert word in out.getvalue()


def surprised(path, matched, pairs, unasked=0):
    """A run that scored clips of one probe, some matched and some only paired, and some not asked at all."""
    run = made(path, {PROBES[0]: matched})
    records = [{**r, "instrument": "surprise", "matching": "matched"} for r in run.records()]
    other = [{**r, "matching": "pairs", "case_id": f"p{i}", "value": v}
             for i, (r, v) in enumerate(zip(records, pairs, strict=True))]  # fmt: skip
    none = [{**r, "matching": None, "status": "unasked", "value": -1.0} for r in records[:unasked]]
    run.records = lambda: iter([*records, *other, *none])
    (score,) = run.results["scores"]
    run.results["scores"] = [{**score, "instrument": "surprise", "matching": m} for m in ("matched", "pairs")]
    return run


def test_matched_clips_and_pairs_never_share_a_row_and_what_was_not_asked_has_none():
    base = surprised("a", np.zeros(16), np.ones(16))
    told = compare([base, surprised("b", np.full(16, 0.5), np.full(16, 0.25), unasked=5)])
    rows = [(r.instrument, r.difference, r.n) for r in told.differences]
    assert rows == [("surprise, matched", 0.5, 16), ("surprise, pairs", -0.75, 16)]
    share = powers(base, 0.2)[0].share
    # 13 of 16 twins are more than chance: 2 P(X >= 13) = .021, 2 P(X >= 12) = .077
    assert binom.sf(12, 16, share) == pytest.approx(0.8, abs=0.001)


def planned(path, solved, *, chosen=(), lost=()):
    """A run of one task: episodes solved or not, choices of two candidates, episodes that broke off."""
    one = {"probe": "push@0.1", "tag": "iid", "status": "ok", "value": None, "metrics": {}, "replicate": 0}
    play = {**one, "instrument": "control", "arm": "model|state|16"}
    records = [{**play, "case_id": f"{i}", "control": {"success": bool(s)}} for i, s in enumerate(solved)]
    records += [{**play, "case_id": f"lost {i}"} for i in lost]
    records += [{**play, "arm": "random||", "case_id": f"{i}", "control": {"success": False}}
                for i in range(len(solved))]  # fmt: skip
    records += [
        {**one, "instrument": "choose", "arm": "frames", "case_id": f"c{i}",
         "choice": {"predicted": [0.0, 1.0] if right else [1.0, 0.0], "true": [0.0, 1.0],
                    "good": [True, False]}}
        for i, right in enumerate(chosen)
    ]  # fmt: skip
    run = made(path, {})
    run.units, run.records = [SimpleNamespace(probe="push@0.1", given="push")], lambda: iter(records)
    run.results["samples"] = len(records)
    return run


def test_plans_are_paired_by_problem_and_neither_random_nor_another_way_of_planning_is_among_them():
    good, bad = [1] * 30 + [0] * 2, [1] * 8 + [0] * 24
    told = compare([planned("a", good, chosen=[1] * 16), planned("b", bad, chosen=[1] * 8 + [0] * 8)])
    rows = {r.instrument: r for r in told.planning}
    assert set(rows) == {"control, model, state, 16", "choose, frames"}
    control = rows["control, model, state, 16"]
    assert (control.base_skill, control.other_skill, control.n) == (30 / 32, 8 / 32, 32)
    assert control.worse
    assert control.difference == pytest.approx(-22 / 32)
    assert rows["choose, frames"].difference == -0.5
    assert [(r.run, r.best) for r in told.ranks[:2]] == [("a", 1), ("b", 2)]


def test_an_episode_that_broke_off_was_not_solved():
    told = compare([planned("a", [1] * 8, lost=[8]), planned("b", [1] * 9)])
    assert told.planning[0].reason == "not all cases are shared"
    run = planned("c", [1] * 8, lost=[8])
    (row,) = powers(run, 0.2)
    assert (row.n, row.instrument) == (9, "control, model, state, 16")
    assert row.spread == pytest.approx(np.sqrt(2 * 8 / 81), rel=0.1)
