"""The operator runs a submission's model on hidden scenes; what cannot be run changes nothing."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from wmeval.errors import EnvironmentFault, UsageError
from wmeval_leaderboard import challenged, gap, jobs, receiving, verify
from wmeval_leaderboard.board.snapshot import Snapshots
from wmeval_leaderboard.database import reading, writing
from wmeval_leaderboard.scores import Line
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


def test_a_model_that_answers_from_elsewhere_is_never_asked():
    assert verify._installed("dreamer") == "dreamer"
    for name in ("remote", "recorded"):
        with pytest.raises(UsageError, match="what another machine answers"):
            verify._installed(name)


@pytest.mark.parametrize(
    "options",
    [{"tokenizer": "magvit2"}, {"allow-pickle": "yes"}, {"allow_pickle": "1"}, {"config": "../a"},
     {"pipeline": "a.safetensors"}, {"x": "~root"}, {"x": "C:\\a"}],
    ids=str,
)  # fmt: skip
def test_no_option_of_a_sender_opens_a_file_here(options):
    with pytest.raises(UsageError, match="names a file or allows code in one"):
        verify.check_options(options)


def test_plain_options_and_where_weights_lie_are_nobodys_harm(tmp_path):
    verify.check_options({"steps": "3", "temperature": "0.5", "heads": "22,16", "allow-pickle": "no"})
    with pytest.raises(EnvironmentFault) as told_:
        verify._weights("dreamer", "ab" * 32, str(tmp_path))
    assert str(tmp_path) not in str(told_.value)


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


def challenge(engine, run, model_id, value, *, slug="c1", **changed):
    """Put up the answers to a challenge, measured, of a model."""
    with writing(engine) as session:
        like = session.get_one(Submission, run.id)
        names = ("team_id", "season_id", "suite", "signature", "key_id", "about", "classes", "gap", "created")
        row = Submission(
            **{n: getattr(like, n) for n in names} | changed, model_id=model_id, kind="challenge",
            slug=slug, root=slug, tier="self-reported", state="scoring", reason="", published=None,
            withdrawn=None,
        )  # fmt: skip
        session.add(row)
        session.flush()
        said = {"probe": "gravity@0.1", "instrument": "rollout", "tag": "iid", "skill": value, "lo": None,
                "hi": None}  # fmt: skip
        line = Line(
            "scores", "gravity@0.1", "rollout", "iid", value, None, None, 2, said, {"hidden-1": value}
        )
        challenged.keep(session, row, "challenged", [line], {"answers": {"ok": 1}})
        return row.id


def told(engine, id_):
    with reading(engine) as session:
        row = session.get_one(Submission, id_)
        sources = set(session.scalars(select(Score.source).where(Score.submission_id == id_)))
        return row.tier, sources, row.gap


def test_a_challenge_raises_the_run_of_its_model(published, engine):
    made = challenge(engine, published, published.model_id, 0.25)
    tier, sources, gap_ = told(engine, published.id)
    with reading(engine) as session:
        public = session.scalars(
            select(Score.value).where(
                Score.source == "rescored", Score.name == "gravity@0.1", Score.section == "scores"
            )
        ).one()
    assert (tier, sources) == ("challenged", {"reported", "rescored", "challenged"})
    assert gap_ == pytest.approx(public - 0.25)
    assert told(engine, made)[:2] == ("self-reported", set())


def hidden_values(engine, id_):
    with reading(engine) as session:
        asked = select(Score.value).where(Score.submission_id == id_, Score.source == "challenged")
        return list(session.scalars(asked))


def rerun(store_run, finished_run, engine, before):
    """Hand in another run of a model; its answers may be the same here, so the earlier root is changed."""
    with writing(engine) as session:
        session.get_one(Submission, before.id).root = "before"
    return store_run(finished_run, about=before.about, model_id=before.model_id)


def test_the_first_challenge_of_a_model_stands(published, engine):
    challenge(engine, published, published.model_id, 0.25)
    later = challenge(engine, published, published.model_id, 0.9, slug="c2")
    assert hidden_values(engine, published.id) == [0.25]
    assert told(engine, later)[:2] == ("self-reported", set())
    with reading(engine) as session:
        (entry,) = session.scalars(select(Ledger).where(Ledger.subject == "c2"))
    assert entry.body["counts"] == "no, an earlier challenge stands"


def test_withdrawing_a_run_sheds_no_challenge(published, store_run, finished_run, engine, blobs, settings):
    challenge(engine, published, published.model_id, 0.25)
    with writing(engine) as session:
        receiving.withdraw(session, session.get_one(Submission, published.id), "a mistake")
    later = challenge(engine, published, published.model_id, 0.9, slug="c2")
    assert hidden_values(engine, later) == []
    again = rerun(store_run, finished_run, engine, published)
    assert work(engine, blobs, settings, once=True) == 1
    assert hidden_values(engine, again.id) == [0.25]
    assert told(engine, again.id)[0] == "challenged"
    (entry,) = Snapshots(engine).now().standing("first")  # the answers alone are no line of the board
    assert entry.slug == again.slug


def test_an_older_run_takes_over_what_a_withdrawn_one_was_worth(
    published, store_run, finished_run, engine, blobs, settings
):
    newer = rerun(store_run, finished_run, engine, published)
    assert work(engine, blobs, settings, once=True) == 1
    challenge(engine, newer, published.model_id, 0.25)
    assert hidden_values(engine, newer.id) == [0.25]
    with writing(engine) as session:
        receiving.withdraw(session, session.get_one(Submission, newer.id), "a mistake")
    assert hidden_values(engine, published.id) == [0.25]
    assert told(engine, published.id)[0] == "challenged"


@pytest.mark.parametrize("state", ["quarantined", "withdrawn", "queued"])
def test_only_what_is_published_is_verified(store_run, finished_run, engine, blobs, settings, state):
    row = store_run(finished_run, about={"model": finished_run.results["model"]}, state=state)
    row, job = verified(engine, blobs, settings, row)
    assert (row.tier, row.state, job.state) == ("self-reported", state, "failed")
    assert f"is {state}; only what is published is verified" in job.reason


def test_a_challenge_of_another_class_raises_no_run(published, engine):
    made = challenge(engine, published, published.model_id, 0.25, classes=["another", "never"])
    assert told(engine, made)[:2] == ("challenged", {"challenged"})
    assert told(engine, published.id)[:2] == ("re-scored", {"reported", "rescored"})


def test_a_run_that_comes_after_its_challenge_takes_over_what_that_was_worth(
    store_run, finished_run, engine, blobs, settings
):
    run = store_run(finished_run, state="uploading")
    made = challenge(engine, run, run.model_id, 0.25)
    assert told(engine, made)[:2] == ("challenged", {"challenged"})
    with writing(engine) as session:
        session.get_one(Submission, run.id).state = "queued"
    assert work(engine, blobs, settings, once=True) == 1
    tier, sources, gap_ = told(engine, run.id)
    assert (tier, sources) == ("challenged", {"reported", "rescored", "challenged"})
    assert gap_ is not None
