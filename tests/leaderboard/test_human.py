"""The human study: pairs of stored samples, raters without names, votes that count once, honest intervals."""

import csv
import io
import json
import math
import re
import time

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from wmeval_leaderboard import accounts
from wmeval_leaderboard.database import reading, writing
from wmeval_leaderboard.human import asking, clips, counting
from wmeval_leaderboard.media import film
from wmeval_leaderboard.tables import Model, Pair, Rater, Sample, Submission, Vote

COUNT, CUT, FPS = 26, 6, 10


def video(seed):
    """Frames of a square that goes to the right at a height of its own."""
    frames = np.full((COUNT, 32, 32, 3), 90, np.uint8)
    for t in range(COUNT):
        frames[t, 5 + seed : 9 + seed, t : t + 4] = (200, 30, 30)
    return frames


def sample(of, case, position, media):
    return Sample(
        submission_id=of.id, name="gravity@0.1", instrument="rollout", tag="iid", case_id=case,
        position=position, error=0.5, media=media, about={},
    )  # fmt: skip


@pytest.fixture
def model(engine, blobs, team, season):
    """A published model with three samples whose prediction freezes, and one that failed."""

    def shape(frames):
        return {"count": len(frames), "columns": math.ceil(math.sqrt(len(frames)))}

    with writing(engine) as session:
        key = accounts.add_key(session, team, "ab" * 32)
        row = Model(
            team_id=team.id, slug="still-1", name="<b>still</b>", family="still", identity="x", card={}
        )
        session.add(row)
        session.flush()
        made = Submission(
            slug="s1", team_id=team.id, model_id=row.id, season_id=season.id, kind="run", suite=season.suite,
            tier="re-scored", state="published", root="r", signature="", key_id=key.id, about={}, classes=[],
            gap=None, created=0.0, published=1.0, withdrawn=None,
        )  # fmt: skip
        session.add(made)
        session.flush()
        for i in range(3):
            real = video(i)
            predicted = np.repeat(real[CUT - 1 : CUT], COUNT - CUT, 0)  # of what comes after the cut
            data = {"fps": FPS, "cut": CUT, "width": 32, "height": 32, "truth": shape(real),
                    "prediction": shape(predicted)}  # fmt: skip
            media = {"truth": blobs.put(film(real)), "prediction": blobs.put(film(predicted)),
                     "data": blobs.put(json.dumps(data).encode())}  # fmt: skip
            for position in ("drawn", "best"):
                session.add(sample(made, f"case {i}", position, media))
        session.add(sample(made, "failed", "drawn", {}))
    return made


@pytest.fixture
def pairs(model, engine, blobs):
    clips.make(engine, blobs)
    with reading(engine) as session:
        return list(session.scalars(select(Pair)))


def test_pairs_are_the_frames_after_the_cut_and_made_once(pairs, engine, blobs):
    shown = [p for p in pairs if not p.check]
    assert len(shown) == 3 * clips.PIECES
    assert {p.case_id for p in shown} == {"case 0", "case 1", "case 2"}
    for pair in shown:
        with Image.open(io.BytesIO(blobs.read(pair.real))) as picture:
            frames = [
                np.asarray(picture.convert("RGB")) for i in range(picture.n_frames) if not picture.seek(i)
            ]
        first = CUT + round(pair.age_s * FPS)
        wanted = video(int(pair.case_id[-1]))[first : first + round(pair.length_s * FPS)]
        assert np.array_equal(np.stack(frames), wanted)
        assert first + len(wanted) <= COUNT
        with Image.open(io.BytesIO(blobs.read(pair.generated))) as picture:
            assert np.array_equal(np.asarray(picture.convert("RGB")), video(int(pair.case_id[-1]))[CUT - 1])
    assert clips.make(engine, blobs) == 0


def test_checks_are_noise_and_the_truth_twice(pairs):
    by = {kind: [p for p in pairs if p.check == kind] for kind in clips.CHECK_KINDS}
    assert all(by.values())
    assert all(p.real == p.generated for p in by["impossible"])
    assert all(p.real != p.generated for p in by["plain"])
    assert all(p.submission_id is None for kind in by.values() for p in kind)


def test_the_same_pieces_are_taken_of_every_model():
    assert clips.pieces("a", 10, 34) == clips.pieces("a", 10, 34)
    taken = [piece for i in range(40) for piece in clips.pieces(str(i), 10, 34)]
    assert {p.length_s for p in taken} == set(clips.LENGTHS_S)
    assert {p.age_s for p in taken} == set(clips.AGES_S) - {3.2}
    assert all(p.frames(10).stop <= 34 for p in taken)
    assert clips.pieces("a", 10, 3) == []


def form(client):
    page = client.get("/human/vote").text
    return {name: re.search(f'name="{name}" value="([^"]+)"', page)[1] for name in ("pair", "mark")}


def test_a_vote_counts_once_and_goes_on_to_another_question(pairs, client, engine):
    assert client.get("/human/vote", follow_redirects=False).headers["location"] == "/human"
    begun = client.post("/human/begin", follow_redirects=False)
    kept = begun.headers["set-cookie"]
    assert all(word in kept for word in ("HttpOnly", "SameSite=strict", "Path=/human"))
    first = form(client)
    told = client.post("/human/vote", data={**first, "side": "left"}, follow_redirects=False)
    assert (told.status_code, told.headers["location"]) == (303, "/human/vote")
    client.post("/human/vote", data={**first, "side": "right"})
    assert form(client)["pair"] != first["pair"]
    with reading(engine) as session:
        vote = session.scalars(select(Vote)).one()
        rater = session.scalars(select(Rater)).one()
        assert session.get_one(Pair, vote.pair_id).slug == first["pair"]
    assert vote.chosen == vote.left  # the left clip was called real
    assert rater.sha256 not in kept
    assert 0 <= vote.seconds < 60


def test_what_stands_left_is_told_by_nothing_but_the_pictures(pairs, client, blobs):
    client.post("/human/begin")
    page = client.get("/human/vote")
    assert page.headers["cache-control"] == "private, no-store"
    asked = form(client)
    pair = next(p for p in pairs if p.slug == asked["pair"])
    for word in (pair.real, pair.generated, "generated", "case ", "gravity", "&lt;b&gt;", pair.check or "s1"):
        assert word not in page.text.replace("generated clip", "")
    left, right = (client.get(f"/human/clips/{pair.slug}/{side}.png") for side in ("left", "right"))
    assert {left.content, right.content} == {blobs.read(pair.real), blobs.read(pair.generated)}
    assert left.headers["cache-control"] == "private, no-store"
    assert "etag" not in left.headers
    sides = {asking.real_is_left(asking.new_cookie(), pair.slug) for _ in range(64)}
    assert sides == {True, False}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"mark": "1.00.abc"}, 403), ({"mark": ""}, 403), ({"side": "both"}, 400), ({"pair": "0" * 16}, 403),
        ({"mark": "9" * 12 + ".00." + "0" * 64}, 403),
    ],
    ids=str,
)  # fmt: skip
def test_forms_that_were_not_given_are_refused(pairs, client, engine, change, status):
    client.post("/human/begin")
    told = client.post("/human/vote", data={**form(client), "side": "left", **change})
    assert told.status_code == status
    with reading(engine) as session:
        assert not list(session.scalars(select(Vote)))
        assert not list(session.scalars(select(Rater)))


def test_a_form_of_another_rater_or_of_an_hour_ago_is_refused(pairs, client):
    client.post("/human/begin")
    mine = form(client)
    cookie = client.cookies["wmeval_rater"]
    old = asking.mark(cookie, mine["pair"], time.time() - asking.LONGEST_S - 5)
    assert client.post("/human/vote", data={**mine, "mark": old, "side": "left"}).status_code == 403
    client.cookies.clear()
    assert client.post("/human/vote", data={**mine, "side": "left"}).status_code == 403
    client.post("/human/begin")
    assert client.post("/human/vote", data={**mine, "side": "left"}).status_code == 403


def test_three_checks_come_first_then_one_in_five_and_nobody_is_asked_twice(pairs, engine):
    cookie, kinds = asking.new_cookie(), []
    with writing(engine) as session:
        while (asked := asking.question(session, cookie)) is not None:
            asking.vote(session, cookie, asked.slug, "left", asked.mark)
            session.flush()
            kinds.append(session.scalars(select(Pair.check).where(Pair.slug == asked.slug)).one())
    assert [i for i, kind in enumerate(kinds, 1) if kind == "plain"] == [1, 2, 4]
    assert [i for i, kind in enumerate(kinds, 1) if kind == "impossible"] == [8]
    assert kinds.count("") == 3 * clips.PIECES


def told(rater, fooled, check="", model="m"):
    return counting.Told(rater, 0, fooled, check, 1.6, 0.0, model, model, "s", True, 1.0, 0.0)


def test_raters_who_fail_the_checks_are_not_counted():
    asked = {1: [True] * 3, 2: [True, True, False], 3: [], 4: [True] * 2, 5: [True] * 4 + [False]}
    votes = [told(rater, not right, "plain") for rater, rights in asked.items() for right in rights]
    assert counting.attentive([*votes, told(3, False)]) == {1, 5}


def test_votes_on_what_was_withdrawn_do_not_count(pairs, model, engine):
    with writing(engine) as session:
        cookie = asking.new_cookie()
        while (asked := asking.question(session, cookie)) is not None:
            asking.vote(session, cookie, asked.slug, "left", asked.mark)
            session.flush()
        assert {one.submission for one in counting.votes(session)} == {"", "s1"}
        session.get_one(Submission, model.id).state = "withdrawn"
        session.flush()
        assert {one.submission for one in counting.votes(session)} == {""}


def test_shares_have_both_intervals_and_the_clustered_one_is_wider_where_raters_differ():
    alike = [told(r, bool(i % 2)) for r in range(10) for i in range(20)]
    apart = [told(r, r < 5) for r in range(10) for i in range(20)]
    one, two = counting.fooled(alike), counting.fooled(apart)
    assert one.share == two.share == 0.5
    assert (one.votes, one.raters) == (200, 10)
    assert one.lo == pytest.approx(two.lo)
    assert two.clustered_hi - two.clustered_lo > 3 * (two.hi - two.lo)
    assert one.clustered_lo <= one.lo < one.hi <= one.clustered_hi
    assert counting.fooled(alike[:100]).clustered_lo is None  # five raters
    assert counting.fooled([]).share is None


def test_the_clustered_interval_covers():
    rng, covered, rounds = np.random.default_rng(3), 0, 400
    for _ in range(rounds):
        habits = rng.beta(4, 6, 12)  # raters differ: a mean of .4
        lo, hi = counting.clustered([list(rng.random(15) < h) for h in habits])
        covered += lo <= 0.4 <= hi
    assert covered / rounds >= 0.93


def test_what_came_of_it_is_shown_and_exported_with_the_published_reference(pairs, client, engine):
    with writing(engine) as session:
        for _ in range(9):
            cookie = asking.new_cookie()
            while (asked := asking.question(session, cookie)) is not None:
                left = asking.real_is_left(cookie, asked.slug)
                asking.vote(session, cookie, asked.slug, "left" if left else "right", asked.mark)
                session.flush()
    page = client.get("/human").text
    assert "&lt;b&gt;still&lt;/b&gt;" in page
    assert "<b>still</b>" not in page
    assert "58" in page
    assert "130" in page
    rows = list(csv.DictReader(io.StringIO(client.get("/human/votes.csv").text)))
    whole = client.get("/human/votes.json").json()
    assert len(rows) == len(whole["votes"]) == 9 * (9 + 4)  # every pair and four checks each
    assert {r["fooled"] for r in rows if r["check"] != "impossible"} == {"False"}
    assert [p["fooled"] for p in whole["published"]] == [0.42, 0.4]
    with reading(engine) as session:
        for rater in session.scalars(select(Rater)):
            assert rater.sha256 not in json.dumps(whole)
