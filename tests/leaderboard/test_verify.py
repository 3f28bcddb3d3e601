"""The operator runs a submission's model on hidden scenes; what cannot be run changes nothing."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from wmeval_leaderboard import gap, jobs
from wmeval_leaderboard.database import reading, writing
from wmeval_leaderboard.tables import Job, Ledger, Score, Submission
from wmeval_leaderboard.worker import work


@pytest.fixture
def published(store_run, finished_run, engine, blobs, settings):
    """A submission of a null model that was measured again."""
    row = store_run(finished_run, about={"model": finished_run.results["model"]})
    assert work(engine, blobs, settings, once=True) == 1
    return row


def verified(engine, blobs, settings, row):
    with writing(engine) as session:
        jobs.add(session, "verify", row.id)
    work(engine, blobs, settings, kinds=("verify",), once=True)
    with reading(engine) as session:
        return session.get_one(Submission, row.id), session.scalars(
            select(Job).where(Job.kind == "verify")
        ).one()


def test_a_verified_submission_has_rows_on_other_cases_and_a_gap(published, engine, blobs, settings):
    row, job = verified(engine, blobs, settings, published)
    assert (row.tier, row.state, job.state) == ("verified", "published", "done")
    with reading(engine) as session:
        told = list(session.scalars(select(Score).where(Score.section == "scores")))
    by = {source: {r.name: r for r in told if r.source == source} for source in ("rescored", "verified")}
    assert (
        set(by["rescored"]) == set(by["verified"]) == {"gravity@0.1", "bounce@0.1"}
        or len(by["verified"]) == 2
    )
    for name, one in by["verified"].items():
        assert one.n == by["rescored"][name].n == 2
        assert not set(one.cases) & set(by["rescored"][name].cases)
    public = [by["rescored"][n].value for n in by["rescored"]]
    hidden = [by["verified"][n].value for n in by["rescored"]]
    assert row.gap == pytest.approx(sum(public) / len(public) - sum(hidden) / len(hidden))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"version": "0.0"}, "was submitted"), ({"weights": "ab" * 32}, "was submitted")],
    ids=["version", "weights"],
)  # fmt: skip
def test_another_model_than_the_submitted_one_verifies_nothing(
    store_run, finished_run, engine, blobs, settings, changed, reason
):
    row = store_run(
        finished_run, about={"model": {**finished_run.results["model"], **changed}}, state="published"
    )
    row, job = verified(engine, blobs, replace(settings, attempts=1), row)
    assert (row.tier, row.state, job.state) == ("self-reported", "published", "failed")
    assert reason in job.reason
    with reading(engine) as session:
        assert session.scalars(select(Ledger).where(Ledger.kind == "not verified")).one().subject == row.slug


def test_a_gap_compares_what_was_asked_both_ways(store_run, finished_run, engine):
    row = store_run(finished_run)
    values = {
        ("reported", "a@1"): 0.9, ("rescored", "a@1"): 0.8, ("rescored", "b@1"): 0.6,
        ("rescored", "c@1"): 0.1, ("challenged", "a@1"): 0.5, ("challenged", "b@1"): 0.4,
        ("verified", "b@1"): 0.2,
    }  # fmt: skip
    with writing(engine) as session:
        for (source, name), value in values.items():
            session.add(
                Score(submission_id=row.id, source=source, section="scores", name=name, instrument="rollout",
                      tag="iid", value=value, lo=None, hi=None, n=8, row={}, cases={})
            )  # fmt: skip
        mine = session.get_one(Submission, row.id)
        gap.settle(session, mine)
        assert mine.gap == pytest.approx(((0.8 - 0.5) + (0.6 - 0.2)) / 2)
