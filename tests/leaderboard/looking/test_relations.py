"""Fidelity against utility: the front, the points, and planning that another season asked."""

from wmeval_leaderboard.board.relations import relations
from wmeval_leaderboard.board.snapshot import Snapshots


def test_no_other_model_is_at_least_as_good_in_both_as_one_of_the_front(snapshot):
    told = relations(snapshot, "made-up-2026", "iid")
    points = told.points["push@0.2", "choose", "lpips"]
    assert not points[0].x.higher
    for p in points:
        beaten = any(
            o.entry.classes == p.entry.classes
            and o.x.value <= p.x.value
            and o.y.value >= p.y.value
            and (o.x.value, o.y.value) != (p.x.value, p.y.value)
            for o in points
        )
        assert p.front == (not beaten)
    assert 1 <= sum(p.front for p in points) < len(points)


def test_each_point_is_its_own_model_s_number(snapshot):
    told = relations(snapshot, "made-up-2026", "iid")
    for p in told.points["push@0.2", "choose", "lpips"]:
        assert p.x.value == p.entry.cells["fidelity", "lpips", "rollout", "iid"].value
        (row,) = [r for r in p.entry.plans if (r["task"], r["protocol"]) == ("push@0.2", "choose")]
        assert p.y.value == row["skill"]


def test_families_are_what_a_correlation_counts(snapshot):
    row = relations(snapshot, "made-up-2026", "iid").row("push@0.2", "choose", "lpips")
    assert (row.relation.n, row.relation.families) == (9, 7)
    assert row.relation.kendall_lo < row.relation.kendall < row.relation.kendall_hi


def test_planning_of_another_season_is_used_where_a_suite_asks_none(made_up):
    made_up.season("core-1")
    made_up.season("planning-1", suite="planning@0.1")
    made_up.team("made-up lab")
    for name in ("one", "two"):
        made_up.model("core-1", "made-up lab", name, 0.5, plans=False)
        made_up.model("planning-1", "made-up lab", name, 0.6, seed=1)
    told = relations(Snapshots(made_up.engine).now(), "core-1", "iid")
    assert len(told.points["push@0.2", "choose", "lpips"]) == 2
    assert told.notes[:2] == tuple(f"planning of {n} is from season planning-1" for n in ("one", "two"))
    assert relations(Snapshots(made_up.engine).now(), "planning-1", "iid").notes == ()


def test_without_planning_there_is_nothing_to_relate(made_up):
    made_up.season("s")
    made_up.team("made-up lab")
    made_up.model("s", "made-up lab", "one", 0.5, plans=False)
    assert relations(Snapshots(made_up.engine).now(), "s", "iid") is None
