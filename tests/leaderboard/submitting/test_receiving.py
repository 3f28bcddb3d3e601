"""Runs are taken whole, signed, once, and only from whom may hand them in."""

import hashlib
import json
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from wmeval.errors import UsageError
from wmeval.run import Run
from wmeval.submission import signing
from wmeval.submission.limits import Limits
from wmeval.submission.parts import root_of
from wmeval_leaderboard import accounts, receiving, uploads
from wmeval_leaderboard.api.submissions import HEAD
from wmeval_leaderboard.client import sending
from wmeval_leaderboard.client.server import Server
from wmeval_leaderboard.database import reading, writing
from wmeval_leaderboard.tables import Blob, Job, Ledger, Part, PublicKey, Submission


def count(engine, table):
    with reading(engine) as session:
        return session.scalar(select(func.count()).select_from(table))


def test_a_run_is_sent_and_waits_to_be_scored(run_packed, server, engine, season, operator, key):
    sent = sending.send(run_packed, server, key)
    assert sent.state == "queued"
    assert sent.files == len(run_packed.parts) - 2  # manifest and results come with the announcement
    assert sent.url == f"http://testserver/submissions/{sent.slug}"
    with reading(engine) as session:
        submission = session.scalars(select(Submission)).one()
        assert (submission.tier, submission.suite) == ("self-reported", "tiny@1")
        assert submission.about["model"]["name"] == "blur"
        assert "scores" not in submission.about
        assert session.scalars(select(Job)).one().kind == "rescore"
        assert [e.kind for e in session.scalars(select(Ledger))].count("submitted") == 1
        assert set(session.scalars(select(Blob.digest))) == {p.digest for p in run_packed.parts}


def test_sending_again_sends_nothing_and_changes_nothing(run_packed, server, engine, season, operator, key):
    first = sending.send(run_packed, server, key)
    again = sending.send(run_packed, server, key)
    assert (again.slug, again.state, again.files, again.bytes) == (first.slug, "queued", 0, 0)
    assert [count(engine, t) for t in (Submission, Job)] == [1, 1]


def test_what_another_team_sent_need_not_be_sent(run_packed, server, engine, season, operator, client, key):
    sending.send(run_packed, server, key)
    with writing(engine) as session:
        token = accounts.issue_token(session, accounts.add_team(session, "south", admin=True))
    other = Server("http://testserver", token, client=client)
    sent = sending.send(run_packed, other, signing.new_key())
    assert (sent.files, sent.state) == (0, "queued")
    assert count(engine, Submission) == 2


def test_twenty_at_once_store_it_once(run_packed, server, engine, season, operator, key):
    with ThreadPoolExecutor(20) as pool:
        told = list(pool.map(lambda _: sending.send(run_packed, server, key), range(20)))
    assert len({t.slug for t in told}) == 1
    assert {t.state for t in told} == {"queued"}
    assert [count(engine, t) for t in (Submission, Job)] == [1, 1]
    assert count(engine, Blob) == len({p.digest for p in run_packed.parts})


def test_who_is_no_operator_hands_in_no_reference(run_packed, server, engine, season, key):
    with pytest.raises(UsageError, match="references stand on the board already"):
        sending.send(run_packed, server, key)
    assert [count(engine, t) for t in (Submission, PublicKey, Blob)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"signature": "00" * 64}, "signature is not that of the key"),
        ({"root": "00" * 32}, "the root of the submission's files"),
        ({"manifest": "{}"}, "manifest.json is not the one that the list"),
        ({"parts": [["../../etc/passwd", "00" * 32, 1]]}, "a file named '../../etc/passwd'"),
        ({"parts": [["/etc/passwd", "00" * 32, 1]]}, "expected manifest.json"),
        ({"parts": [["manifest.json", "00" * 32, True]]}, "a whole number"),
        ({"parts": []}, "has no manifest.json"),
        ({"more": 1}, "more"),
    ],
)
def test_a_false_announcement_is_refused_with_the_reason(
    change, sentence, run_packed, client, bearer, engine, season, operator, key, announcement
):
    told = announcement(run_packed, key, **change)
    answer = client.post("/api/v1/submissions", json=told, headers=bearer)
    assert answer.status_code in (400, 422)
    assert sentence in answer.json()["error"]
    assert count(engine, Submission) == 0


def test_files_that_are_here_are_not_handed_in_as_smaller_than_they_are(
    run_packed, server, engine, season, operator, client, bearer, key, announcement
):
    sending.send(run_packed, server, key)
    small = [
        p if p.path in ("manifest.json", "results.json") else replace(p, size=1) for p in run_packed.parts
    ]
    lying = replace(run_packed, parts=tuple(small), root=root_of(small))
    told = client.post("/api/v1/submissions", json=announcement(lying, key), headers=bearer).json()
    assert set(told["lacking"]) == {p.digest for p in small if p.size == 1}
    digest = told["lacking"][0]
    assert client.put(f"/api/v1/blobs/{digest}", content=b"x", headers=bearer).status_code == 200
    done = client.post(f"/api/v1/submissions/{told['slug']}/complete", headers=bearer)
    assert done.status_code == 409


def test_what_never_came_whole_is_forgotten_after_a_day_and_may_be_announced_anew(
    run_packed, another, engine, season, settings, operator, client, server, bearer, key, announcement
):
    stale = another(1)
    client.post("/api/v1/submissions", json=announcement(stale, key), headers=bearer)
    left = uploads.folder_of(settings) / f"1-{'0' * 64}"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"half")
    yesterday = time.time() - 1.1 * 86_400
    os.utime(left, (yesterday, yesterday))
    with writing(engine) as session:
        session.scalars(select(Submission)).one().created = yesterday
    sent = sending.send(run_packed, server, key)
    with reading(engine) as session:
        assert [s.slug for s in session.scalars(select(Submission))] == [sent.slug]
        assert session.scalar(select(func.count()).select_from(Part)) == len(run_packed.parts)
    assert not left.exists()
    assert sending.send(stale, server, key).state == "queued"


def test_a_file_that_two_requests_sent_is_kept_by_the_second_too(settings, blobs):
    digest = hashlib.sha256(b"content").hexdigest()
    with uploads.upload(settings, 1, digest, 7) as one:
        one.write(b"content")
        one.path.unlink()  # as the first does when it has kept it
        one.keep(blobs)
    assert blobs.read(digest) == b"content"


def test_without_a_token_nothing_is_taken(run_packed, client, season, key, announcement):
    for method, path in (
        ("POST", "/api/v1/submissions"), ("PUT", f"/api/v1/blobs/{'0' * 64}"), ("POST", "/api/v1/blobs"),
        ("HEAD", f"/api/v1/blobs/{'0' * 64}"), ("POST", "/api/v1/submissions/x/complete"),
        ("GET", "/api/v1/me"), ("GET", "/api/v1/submissions/x/status"),
    ):  # fmt: skip
        body = announcement(run_packed, key) if path.endswith("submissions") else None
        assert client.request(method, path, json=body).status_code == 401, path


def test_nothing_of_a_stranger_is_read(client, season):
    answer = client.post("/api/v1/submissions", content=b"[" * (1 << 20))
    assert answer.status_code == 401
    assert client.post("/api/v1/blobs", content=b"short").status_code == 401
    answers = f"/api/v1/challenges/{'0' * 16}/answers"  # a list as large as that of a run
    assert client.post(answers, content=b"[" * (1 << 20)).status_code == 401


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b'{"parts": ' + b"[[]," * 10 + b"[]]}", b"\xff"])
def test_what_is_no_announcement_is_told_so(body, client, bearer, season):
    answer = client.post("/api/v1/submissions", content=body, headers=bearer)
    assert answer.status_code == 422
    assert "is not as expected" in answer.json()["error"]


def test_a_run_of_no_open_season_is_refused(run_packed, server, operator, key):
    with pytest.raises(UsageError, match="no season of it is open here; open: none"):
        sending.send(run_packed, server, key)


def test_a_team_hands_in_no_more_than_it_may_in_a_day(
    client, bearer, engine, season, settings, key, app, as_a_model, announcement
):
    app.state.settings = type(settings)(settings.url, settings.files, submissions_a_day=0)
    told = announcement(as_a_model(), key)
    answer = client.post("/api/v1/submissions", json=told, headers=bearer)
    assert answer.status_code == 429
    assert "0 is the most" in answer.json()["error"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"partial": True}, "partial is 'False' in manifest.json and 'True' in results.json"),
        ({"complete": False}, "samples are missing"),
        ({"suite": "core@0.1"}, "suite is 'tiny@1'"),
        ({"scores": [{"probe": "<script>"}]}, "scores[0].probe"),
        ({"scores": "x" * 20_000}, "a text of 20000 characters"),
        ({"deep": json.loads("[" * 60 + "]" * 60)}, "deeper than"),
    ],
)
def test_results_that_are_none_are_refused(
    change, sentence, client, bearer, engine, season, key, as_a_model, announcement
):
    told = announcement(as_a_model(**change), key)
    answer = client.post("/api/v1/submissions", json=told, headers=bearer)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]
    assert count(engine, Submission) == 0


def test_only_what_was_announced_is_taken(run_packed, client, bearer, season, operator, key, announcement):
    told = client.post("/api/v1/submissions", json=announcement(run_packed, key), headers=bearer).json()
    stray = b"of no submission"
    name = hashlib.sha256(stray).digest()
    answer = client.put(f"/api/v1/blobs/{name.hex()}", content=stray, headers=bearer)
    assert answer.status_code == 404
    many = HEAD.pack(name, len(stray)) + stray
    assert client.post("/api/v1/blobs", content=many, headers=bearer).status_code == 404
    part = next(p for p in run_packed.parts if p.digest in told["lacking"])
    right = (run_packed.folder / part.path).read_bytes()
    wrong = right[:-1] + bytes([right[-1] ^ 1])
    answer = client.put(f"/api/v1/blobs/{part.digest}", content=wrong, headers=bearer)
    assert answer.status_code == 400
    assert "damaged on its way" in answer.json()["error"]
    answer = client.put(f"/api/v1/blobs/{part.digest}", content=right + b"more", headers=bearer)
    assert answer.status_code == 400
    assert client.head(f"/api/v1/blobs/{part.digest}", headers=bearer).headers["Upload-Offset"] == "0"
    assert client.put(f"/api/v1/blobs/{part.digest}", content=right, headers=bearer).status_code == 201
    assert client.post("/api/v1/blobs", content=b"short", headers=bearer).status_code == 400


def test_a_file_goes_on_where_it_was_cut(
    run_packed, client, bearer, season, operator, key, engine, announcement
):
    client.post("/api/v1/submissions", json=announcement(run_packed, key), headers=bearer)
    part = max(run_packed.parts[:-2], key=lambda p: p.size)
    data, path = (run_packed.folder / part.path).read_bytes(), f"/api/v1/blobs/{part.digest}"
    half = len(data) // 2
    assert client.put(path, content=data[:half], headers=bearer).status_code == 202
    assert client.head(path, headers=bearer).headers["Upload-Offset"] == str(half)
    gap = client.put(path, content=data[-1:], headers={**bearer, "Upload-Offset": str(len(data) - 1)})
    assert gap.status_code == 409
    assert f"send it from {half}" in gap.json()["error"]
    rest = client.put(path, content=data[half:], headers={**bearer, "Upload-Offset": str(half)})
    assert rest.status_code == 201
    assert client.put(path, content=b"", headers=bearer).status_code == 200
    with reading(engine) as session:
        assert session.get(Blob, part.digest).size == len(data)


def test_two_do_not_write_one_file(settings, run_packed):
    part = run_packed.parts[0]
    with uploads.upload(settings, 1, part.digest, part.size) as one:
        one.write(b"half")
        with (
            pytest.raises(uploads.Busy, match="another request"),
            uploads.upload(settings, 1, part.digest, 9),
        ):
            pass
        with uploads.upload(settings, 2, part.digest, part.size) as other:  # another team's is its own
            assert other.offset == 0


def test_a_submission_is_not_complete_before_all_is_here(
    run_packed, client, bearer, season, operator, key, engine, announcement
):
    told = client.post("/api/v1/submissions", json=announcement(run_packed, key), headers=bearer).json()
    answer = client.post(f"/api/v1/submissions/{told['slug']}/complete", headers=bearer)
    assert answer.status_code == 409
    assert "are not here yet, the first is blobs/" in answer.json()["error"]
    state = client.get(f"/api/v1/submissions/{told['slug']}/status", headers=bearer).json()
    assert (state["state"], state["lacking"]) == ("uploading", len(told["lacking"]))
    assert count(engine, Job) == 0


def test_another_teams_submission_is_nobodys_business(
    run_packed, server, client, engine, season, operator, key
):
    slug = sending.send(run_packed, server, key).slug
    with writing(engine) as session:
        token = accounts.issue_token(session, accounts.add_team(session, "south"))
    bearer = {"Authorization": f"Bearer {token}"}
    for path in ("complete", "withdraw"):
        answer = client.post(
            f"/api/v1/submissions/{slug}/{path}", json={"reason": "mine"}, headers=bearer
        )  # fmt: skip
        assert answer.status_code == 403
    assert client.get(f"/api/v1/submissions/{slug}/status", headers=bearer).status_code == 403


def test_what_is_withdrawn_stays_in_the_ledger(
    run_packed, server, client, bearer, engine, season, operator, key
):
    slug = sending.send(run_packed, server, key).slug
    told = client.post(
        f"/api/v1/submissions/{slug}/withdraw", json={"reason": "a wrong checkpoint"}, headers=bearer
    ).json()
    assert (told["state"], told["reason"]) == ("withdrawn", "a wrong checkpoint")
    with reading(engine) as session:
        assert "withdrawn" in [e.kind for e in session.scalars(select(Ledger))]
    assert sending.send(run_packed, server, key).state == "withdrawn"  # and cannot come back


def test_a_record_that_is_none_sets_the_submission_aside(
    finished_run, tmp_path, client, bearer, engine, season, operator, key
):
    copy = tmp_path / "run"
    shutil.copytree(finished_run.path, copy)
    path = next((copy / "units").glob("*/*.json"))
    record = json.loads(path.read_text())
    keys = {u.key for u in finished_run.units}
    path = next(p for p in (copy / "units").glob("*/*.json") if p.stem in keys)
    record = json.loads(path.read_text())
    record["samples"][0]["case_id"] = "0" * 64
    path.write_text(json.dumps(record))
    run = Run(copy)
    parts = tuple(sending.parts_of(run))
    packed = sending.Packed(copy, parts, root_of(parts), None)
    server = Server("http://testserver", bearer["Authorization"].split()[1], client=client)
    with pytest.raises(UsageError, match="are not the 2 planned ones"):
        sending.send(packed, server, key)
    again = sending.send(packed, server, key)
    assert again.state == "quarantined"
    assert "planned ones" in again.reason
    assert count(engine, Job) == 0


def test_the_documents_of_two_runs_are_read_at_once_and_no_more(run_packed, monkeypatch):
    now, most, lock = 0, 0, threading.Lock()

    def slowly(*_):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.05)
        with lock:
            now -= 1

    monkeypatch.setattr(receiving, "read_documents", slowly)
    monkeypatch.setattr(receiving, "check_records", slowly)
    opening = lambda part: (run_packed.folder / part.path).open("rb")  # noqa: E731
    with ThreadPoolExecutor(6) as pool:
        for _ in pool.map(lambda _: receiving.check_arrived(run_packed.parts, opening, Limits()), range(6)):
            pass
    assert most == 2
