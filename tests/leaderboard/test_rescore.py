"""A submission is worth what the server measures in it, whatever was reported."""

from sqlalchemy import select

from wmeval_leaderboard import ledger
from wmeval_leaderboard.database import reading
from wmeval_leaderboard.tables import Job, Ledger, Sample, Score, Submission
from wmeval_leaderboard.worker import work


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
        assert session.scalars(select(Sample)).all()
        assert ledger.verify(session) > 0
        told = session.scalars(select(Ledger).where(Ledger.kind == "measured")).one()
        assert all(d["difference"] == 0 for d in told.body["differences"])
