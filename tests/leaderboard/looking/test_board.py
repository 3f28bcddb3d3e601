"""The board as data: who stands where, by what, and what is never said."""

import csv
import dataclasses
import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from wmeval.errors import UsageError
from wmeval_leaderboard import tables
from wmeval_leaderboard.board import export
from wmeval_leaderboard.board.columns import Column, mean, planned
from wmeval_leaderboard.board.entry import Cell
from wmeval_leaderboard.board.query import Query
from wmeval_leaderboard.board.ranks import by_intervals, order, ties, widening
from wmeval_leaderboard.board.snapshot import Snapshots
from wmeval_leaderboard.board.table import board
from wmeval_leaderboard.database import writing
from wmeval_leaderboard.pages import front, model
from wmeval_leaderboard.pages.front import loader
from wmeval_leaderboard.pages.links import Links


@pytest.fixture
def shown(board_to_read):
    made, snapshot = board_to_read
    return lambda query=Query(), **more: board(snapshot, query, loader(made.engine), **more)  # noqa: B008


PROBES = (
    "permanence@0.1",
    "continuity@0.1",
    "interpenetration@0.1",
    "gravity@0.1",
    "collision@0.1",
    "control@0.1",
)


def lines(told):
    return [line for section in told.sections for line in section.lines]


def names(told):
    return [line.ranked.entry.name.split(" ")[0] for line in lines(told)]


def test_classes_never_share_a_ranking(shown):
    told = shown()
    assert len(told.sections) == 3
    for section in told.sections:
        assert {line.ranked.entry.classes for line in section.lines} == {section.classes}
        ranks = [line.ranked.rank for line in section.lines if line.ranked.rank]
        assert min(best for best, _ in ranks) == 1
        assert max(worst for _, worst in ranks) == len(ranks)


def test_what_was_made_far_better_is_ranked_above_on_paired_scenes(shown):
    (first, *_) = [s for s in shown().sections if s.total == 7]
    assert first.method == "paired"
    told = {line.ranked.entry.name.split(" ")[0]: line.ranked.rank for line in first.lines}
    assert told["Aurora-M"][1] < told["Basalt"][0] < told["Evil"][0]
    assert told["Delta"] is None  # it lacks two probes that others have


def test_a_number_is_that_of_the_most_trusted_source(shown):
    told = shown(Query(view="physics"))
    entry = next(line.ranked.entry for line in lines(told) if line.ranked.entry.tier == "verified")
    assert {c.tier for k, c in entry.cells.items() if k[0] == "scores" and k[3] == "iid"} == {"verified"}


def test_withdrawn_entries_stay_but_stand_nowhere(shown, snapshot):
    basalt = next(line.ranked.entry for line in lines(shown()) if line.ranked.entry.name.startswith("Basalt"))
    assert basalt.state == "published"
    assert [e.state for e in snapshot.of_model(basalt.model)] == ["published", "withdrawn"]
    assert snapshot.submissions("made-up-2026")["no such group"] == 5


def test_what_a_challenge_lacks_is_of_the_run_beside_it_and_says_so(made_up):
    made_up.season("s")
    made_up.team("lab")
    made_up.model("s", "lab", "one", 0.5, tier="re-scored", at=1.70e9)
    made_up.model(
        "s", "lab", "one", 0.4, tier="challenged", seed=1, plans=False, probes=PROBES[:2], kind="challenge"
    )
    snapshot = Snapshots(made_up.engine).now()
    (entry,) = snapshot.standing("s")
    assert entry.tier == "challenged"
    assert len(entry.plans) == 4
    tiers = {k[1]: c.tier for k, c in entry.cells.items() if k[::2] == ("scores", "rollout")}
    assert tiers == {p: "challenged" if p in PROBES[:2] else "re-scored" for p in PROBES}
    (column,) = [c for c in board(snapshot, Query(), loader(made_up.engine)).columns if c.key == "physics"]
    assert column.read(entry).tier == "re-scored"  # a mean is as trusted as the least of its parts


def test_one_model_in_two_classes_has_a_line_in_each_and_shares_no_number(made_up):
    made_up.season("s")
    made_up.team("lab")
    classes = [("clip", "never"), ("one frame", "never")]
    made_up.model("s", "lab", "one", 0.5, tier="re-scored", classes=classes[0])
    made_up.model(
        "s", "lab", "one", 0.4, tier="challenged", seed=1, classes=classes[1], probes=PROBES[:2], plans=False
    )
    entries = {e.classes: e for e in Snapshots(made_up.engine).now().standing("s")}
    assert {c: e.tier for c, e in entries.items()} == dict(
        zip(classes, ("re-scored", "challenged"), strict=True)
    )
    assert not entries[classes[1]].plans
    assert {k[1] for k in entries[classes[1]].cells if k[0] == "scores"} == set(PROBES[:2])


def test_planning_that_was_only_reported_says_so_beside_what_was_measured_again(made_up):
    made_up.season("s")
    made_up.team("lab")
    made_up.model("s", "lab", "one", 0.5, tier="re-scored")
    with writing(made_up.engine) as session:
        for row in session.scalars(select(tables.Score).where(tables.Score.section == "planning")):
            row.source = "reported" if row.instrument == "control" else "rescored"
    snapshot = Snapshots(made_up.engine).now()
    told = board(snapshot, Query(view="planning"), loader(made_up.engine))
    (line,) = lines(told)
    tiers = {c.key: cell.tier for c, cell in zip(told.columns, line.cells, strict=True)}
    assert tiers["push-choose"] == "re-scored"
    assert tiers["push-control"] == "self-reported"


def test_which_planning_stands_does_not_rest_on_the_order_of_rows(made_up):
    made_up.season("s")
    made_up.team("lab")
    made_up.model("s", "lab", "one", 0.5, tier="re-scored")
    with writing(made_up.engine) as session:
        for row in session.scalars(select(tables.Score).where(tables.Score.section == "planning")):
            more = {"source": "reported", "section": "planning", "lo": None, "hi": None, "n": 8, "cases": {}}
            for read, budget in (("a", 4096), ("latents", row.row["budget"])):
                forged = {**row.row, "read": read, "budget": budget, "skill": 0.99}
                session.add(tables.Score(
                    submission_id=row.submission_id, name=row.name, instrument=row.instrument, tag=row.tag,
                    value=0.99, row=forged, **more,
                ))  # fmt: skip
    entry = Snapshots(made_up.engine).now().standing("s")[0]
    for plans in (entry.plans, entry.plans[::-1]):
        turned = dataclasses.replace(entry, plans=plans)
        assert {c.tier for c in planned(turned, "iid").values()} == {"re-scored"}
        assert 0.99 not in {c.value for c in planned(turned, "iid").values()}
    assert [r["tier"] for r in entry.plans] == ["re-scored"] * 4 + ["self-reported"] * 8


def test_what_one_sender_alone_lists_is_no_column_and_unranks_nobody(made_up):
    asked = list(PROBES)
    fixed = {"probes": asked, "tasks": ["push@0.2"], "metrics": {"lpips": "", "psnr": "", "body-psnr": ""}}
    made_up.season("s", versions=fixed)
    made_up.team("lab")
    for name in ("one", "two"):
        made_up.model("s", "lab", name, 0.5, probes=asked)
    junk = (*asked, "nonsense@0.1", "gravity@9.9", "/etc/passwd.py")
    made_up.model("s", "lab", "three", 0.5, tier="self-reported", probes=junk)
    snapshot = Snapshots(made_up.engine).now()
    told = board(snapshot, Query(view="physics"), loader(made_up.engine))
    assert {c.key for c in told.columns} == {p.partition("@")[0] for p in asked}
    tasks = board(snapshot, Query(view="planning"), loader(made_up.engine)).columns
    assert [c.key for c in tasks] == ["push-choose", "push-control"]
    profile = board(snapshot, Query(), loader(made_up.engine))
    assert [line.ranked.entry.name for line in lines(profile) if line.ranked.rank is None] == []


def test_what_a_sender_says_of_references_anchors_and_speed_is_not_looked_at(made_up):
    made_up.season("s")
    made_up.team("lab")
    made_up.model("s", "lab", "one", 0.5, tier="self-reported")
    made_up.model("s", "lab", "two", 0.5)
    with writing(made_up.engine) as session:
        for row in session.scalars(select(tables.Score).where(tables.Score.section == "scores")):
            if row.source == "reported":
                forged = {"freeze": {"skill": 0.99, "lo": 0.9, "hi": 1.0}, "oracle": 3}
                row.row = {**row.row, "null": "1", "ceiling": {}, "rows": forged}
        for one in session.scalars(select(tables.Submission)):
            one.about = {**one.about, "speed": {"frames_per_s": {"a": 1}}}
    told = board(Snapshots(made_up.engine).now(), Query(), loader(made_up.engine))
    freeze = next(r for r in told.references if r.name == "freeze")
    assert {c.value for c in freeze.cells if c is not None} == {0.0}
    assert {line.ranked.entry.speed for line in lines(told)} == {None}


def test_a_filter_hides_rows_and_changes_no_rank(shown):
    everyone = {line.ranked.entry.slug: line.ranked.rank for line in lines(shown())}
    told = lines(shown(Query(tier="challenged")))
    assert sorted(line.ranked.entry.name[:8] for line in told) == ["Aurora-M", "Aurora-S"]
    assert all(everyone[line.ranked.entry.slug] == line.ranked.rank for line in told)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(q="BASALT"), {"Basalt"}),
        (Query(context="one frame"), {"Halo"}),
        (Query(size="large"), {"Fjord"}),
        (Query(training="never", context="clip"), {"Fjord", "Gneiss"}),
        (Query(actions="text"), set()),
    ],
)
def test_filters_find_what_they_say(shown, query, found):
    assert set(names(shown(query))) == found


def test_pages_hold_every_model_once_and_in_order(shown):
    whole = names(shown(per_page=None))
    parts = [names(shown(Query(page=p), per_page=3)) for p in (1, 2, 3, 4)]
    assert [n for part in parts for n in part] == whole
    assert [len(p) for p in parts] == [3, 3, 3, 1]


def test_a_column_orders_by_what_is_better(shown):
    told = shown(Query(sort="lpips"))
    for section in told.sections:
        values = [line.ranked.cell.value for line in section.lines]
        assert values == sorted(values)
    assert told.sorted_by.key == "lpips"


def test_references_stand_beside_every_skill_and_in_no_class(shown):
    told = shown()
    (oracle,) = [r for r in told.references if r.name == "oracle"]
    at = [c.key for c in told.columns].index("physics")
    assert oracle.cells[at].value == pytest.approx(0.98)
    assert not any(line.ranked.entry.name == "oracle" for line in lines(told))


def test_surprise_in_the_profile_is_of_matched_clips_alone(shown):
    (column,) = [c for c in shown().columns if c.key == "surprise"]
    assert {part[2] for part in column.parts} == {"surprise, matched"}


def test_what_is_not_there_is_told_with_what_there_is(shown):
    for query, said in ((Query(sort="nonsense"), "physics"), (Query(tag="ood"), "ood-speed"),
                        (Query(season="made-up-2025"), "made-up-2026")):  # fmt: skip
        with pytest.raises(UsageError, match=said):
            shown(query)


def test_an_empty_board_keeps_nothing_of_what_it_was_asked(made_up):
    made_up.season("s")
    snapshot = Snapshots(made_up.engine).now()
    assert lines(board(snapshot, Query(), loader(made_up.engine))) == []
    before = len(snapshot.memo)
    for i in range(3):
        with pytest.raises(UsageError, match="expected iid"):
            board(snapshot, Query(tag=f"junk-{i}"), loader(made_up.engine))
    assert len(snapshot.memo) == before


@pytest.mark.parametrize(
    "given_",
    [
        {"view": "nope"}, {"page": "0"}, {"page": "1e3"}, {"page": "²"}, {"x": "1"}, {"q": "a" * 101},
        {"tier": "best"},
    ],
)  # fmt: skip
def test_a_query_that_is_none_is_refused(given_):
    with pytest.raises(UsageError, match="expected"):
        Query.parse(given_)


@given(
    st.builds(
        Query,
        view=st.sampled_from(["profile", "physics", "planning"]),
        q=st.text(max_size=20).map(str.strip),
        tier=st.sampled_from(["", "re-scored", "verified"]),
        page=st.integers(1, 99),
    )
)
def test_an_address_says_the_query_again(query):
    from urllib.parse import parse_qsl

    address = query.address(page=query.page)
    assert Query.parse(dict(parse_qsl(address.removeprefix("?"), strict_parsing=bool(address)))) == query


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)).map(lambda t: tuple(sorted(t))), min_size=1))
def test_ranks_by_intervals_count_who_is_wholly_above_and_below(bounds):
    for (lo, hi), (best, worst) in zip(bounds, by_intervals(bounds), strict=True):
        assert best == 1 + sum(other > hi for other, _ in bounds)
        assert worst == len(bounds) - sum(other < lo for _, other in bounds)


def test_intervals_of_many_models_are_corrected_for_all_pairs(made_up):
    rng, few, many = np.random.default_rng(0), 2, 100
    assert widening(few) == 1
    column = Column("x", "x", "x", lambda e: e.cells["x"])
    entry = made_entry(made_up)
    wrong = 0
    for _ in range(100):
        cells = [Cell(v, v - 0.196, v + 0.196, 16) for v in rng.normal(0.5, 0.1, many)]
        alike = [dataclasses.replace(entry, id=i, slug=str(i), cells={"x": c}) for i, c in enumerate(cells)]
        told = order(alike, column, {})
        assert told.method == "intervals"
        wrong += any(r.rank != (1, many) for r in told.rows)
    assert wrong <= 10


def made_entry(made_up):
    made_up.season("s")
    made_up.team("lab")
    made_up.model("s", "lab", "one", 0.5)
    return Snapshots(made_up.engine).now().standing("s")[0]


def test_a_gap_says_over_how_many_probes_it_is_and_how_sure(made_up):
    made_up.season("s")
    made_up.team("lab")
    made_up.model("s", "lab", "one", 0.5, tier="challenged", probes=PROBES[:3], tags=("iid",), gap=0.02)
    snapshot = Snapshots(made_up.engine).now()
    (entry,) = snapshot.standing("s")
    (column,) = [c for c in board(snapshot, Query(), loader(made_up.engine)).columns if c.key == "gap"]
    cell = column.read(entry)
    # the public rows are the hidden ones shifted, so both halves are the same
    halves = [
        (c.hi - c.lo) / 2 for k, c in entry.cells.items() if k[::2] == ("scores", "rollout") and k[3] == "iid"
    ]
    assert (cell.value, cell.of, len(halves)) == (0.02, 3, 3)
    wanted = np.sqrt(2 * sum(h**2 for h in halves)) / 3
    assert (cell.hi - cell.lo) / 2 == pytest.approx(wanted)
    page = model.page(snapshot, made_up.engine, made_up.blobs, Links(), entry.model)
    assert f"0.02 skill ± {wanted:.2f}, over 3 probes" in page
    assert "<small>over 3 probes</small>" in front.page(snapshot, made_up.engine, Links(), Query())


def test_ties_are_chains_of_ranges_that_overlap():
    assert ties([(1, 1), (2, 2), (3, 4), (3, 5), (4, 5), (6, 6)]) == [0, 1, 2, 2, 2, 3]
    assert ties([]) == []


def test_the_interval_of_a_mean_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        values = rng.normal(0.5, 0.1, 6)
        told = mean([Cell(v, v - 0.196, v + 0.196, 16) for v in values], 6)
        held += told.lo <= 0.5 <= told.hi
    assert 0.935 <= held / 2000 <= 0.965


def test_a_mean_says_of_how_many_it_is_and_needs_all_to_be_whole():
    told = mean([Cell(0.5, 0.4, 0.6, 8), Cell(None, n=8)], 3)
    assert (told.of, told.out_of, told.whole) == (1, 3, False)
    assert mean([], 3) is None
    assert mean([Cell(0.5, 0.4, 0.6, 8), Cell(0.5, n=4)], 2).lo is None


def test_csv_json_and_parquet_say_the_same(shown):
    told = shown(Query(view="physics"), per_page=None)
    plain = export.rows(told)
    assert json.loads(export.as_json(told))["rows"] == plain
    assert pq.read_table(io.BytesIO(export.as_parquet(told))).to_pylist() == plain
    read = list(csv.DictReader(io.StringIO(export.as_csv(told).decode())))
    assert [r["value"] for r in read] == [str(r["value"]) if r["value"] is not None else "" for r in plain]
    assert len(plain) == 10 * 6 - 2 + 6 * 6


def test_no_cell_of_a_csv_is_a_formula(shown):
    told = shown(per_page=None)
    section = told.sections[0]
    line = section.lines[0]
    bad = dataclasses.replace(line.ranked.entry, name='=HYPERLINK("http://x")')
    line = dataclasses.replace(line, ranked=dataclasses.replace(line.ranked, entry=bad))
    told = dataclasses.replace(told, sections=(dataclasses.replace(section, lines=(line,)),))
    (row, *_) = csv.DictReader(io.StringIO(export.as_csv(told).decode()))
    assert row["name"].startswith("'=")


def test_a_season_without_iid_scenes_opens_on_the_tags_that_it_has(made_up):
    made_up.season("s")
    made_up.team("lab")
    made_up.model("s", "lab", "one", 0.5, tags=("ood-speed",), plans=False, surprise=False, metrics=False)
    told = board(Snapshots(made_up.engine).now(), Query(), loader(made_up.engine))
    assert told.query.tag == "ood-speed"
    assert lines(told)[0].cells
