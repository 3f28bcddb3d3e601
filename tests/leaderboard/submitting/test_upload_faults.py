"""A server is killed, a disk is full, a database is locked: nothing is lost, and all is told."""

import hashlib
import resource
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from sqlalchemy import func, select

from wmeval.errors import EnvironmentFault
from wmeval.submission.parts import root_of
from wmeval_leaderboard import database, uploads
from wmeval_leaderboard.app import create_app
from wmeval_leaderboard.client import sending
from wmeval_leaderboard.client.server import Server
from wmeval_leaderboard.database import reading
from wmeval_leaderboard.tables import Blob, Job, Part, Submission


def rows(engine, table):
    with reading(engine) as session:
        return session.scalar(select(func.count()).select_from(table))


def whole(engine, blobs):
    """Return how many contents are here, each with the bytes that its name says."""
    with reading(engine) as session:
        told = dict(session.execute(select(Blob.digest, Blob.size)).all())
    for digest, size in told.items():
        data = blobs.read(digest)
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (digest, size)
    return len(told)


def test_a_server_killed_between_two_files_loses_none(
    run_packed, serving, token, key, engine, blobs, monkeypatch
):
    monkeypatch.setattr(sending, "TOGETHER", 4096)  # bytes: several requests, so that there is a between
    first = serving()
    sent = []

    class Cutting(httpx2.HTTPTransport):
        def handle_request(self, request):
            if request.url.path == "/api/v1/blobs":
                if len(sent) == 2:
                    first.kill()
                sent.append(request)
            return super().handle_request(request)

    client = httpx2.Client(transport=Cutting())
    with pytest.raises(EnvironmentFault, match="the same command goes on where it stopped"):
        sending.send(run_packed, Server(first.address, token, client=client, wait=lambda s: None), key)
    stored = whole(engine, blobs)
    assert stored >= 4  # the two documents, and what the two answered requests held
    again = serving(first.port)
    told = sending.send(run_packed, Server(again.address, token), key)
    assert told.state == "queued"
    assert told.files == len({p.digest for p in run_packed.parts}) - stored
    assert whole(engine, blobs) == len({p.digest for p in run_packed.parts})
    assert [rows(engine, t) for t in (Submission, Job)] == [1, 1]


def test_a_server_killed_within_a_file_goes_on_from_there(
    larger, serving, token, key, engine, blobs, settings, team, until, announcement
):
    first = serving()
    server = Server(first.address, token)
    server.json("POST", "/api/v1/submissions", announcement(larger, key))
    part = max(larger.parts, key=lambda p: p.size)
    data = (larger.folder / part.path).read_bytes()
    with socket.create_connection(("127.0.0.1", first.port)) as line:
        head = f"PUT /api/v1/blobs/{part.digest} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        line.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data[: len(data) // 2])
        until(lambda: uploads.come_so_far(settings, team.id, part.digest) > 1 << 20, "a megabyte")
        first.kill()
    assert rows(engine, Blob) == 2
    again = Server(serving(first.port).address, token)
    came = int(again.ask("HEAD", f"/api/v1/blobs/{part.digest}").headers["Upload-Offset"])
    assert 1 << 20 < came <= len(data) // 2
    sending.send_parts(larger.folder, [part], again, lambda done, total: None)
    assert blobs.read(part.digest) == data
    assert not list(uploads.folder_of(settings).iterdir())


def test_a_client_that_hangs_up_loses_nothing_that_came(
    larger, serving, token, key, settings, team, until, announcement
):
    server = Server(serving().address, token)
    server.json("POST", "/api/v1/submissions", announcement(larger, key))
    part = max(larger.parts, key=lambda p: p.size)
    data = (larger.folder / part.path).read_bytes()
    port = int(server.address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as line:
        head = f"PUT /api/v1/blobs/{part.digest} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        line.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data[: 3 << 20])
        until(lambda: uploads.come_so_far(settings, team.id, part.digest) > 2 << 20, "two megabytes")
    time.sleep(0.2)  # the server notices that nobody sends any more
    assert int(server.ask("HEAD", f"/api/v1/blobs/{part.digest}").headers["Upload-Offset"]) > 2 << 20
    sending.send_parts(larger.folder, [part], server, lambda done, total: None)


def test_a_full_disk_is_told_and_what_came_is_kept(
    larger, server, client, bearer, season, operator, key, settings, team, engine, blobs, announcement
):
    client.post("/api/v1/submissions", json=announcement(larger, key), headers=bearer)
    part = max(larger.parts, key=lambda p: p.size)
    data = (larger.folder / part.path).read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, hard))  # the kernel then takes no more of any file
    try:
        answer = client.put(f"/api/v1/blobs/{part.digest}", content=data, headers=bearer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert answer.status_code == 503
    assert "is full" in answer.json()["error"]
    assert answer.headers["Retry-After"]
    assert uploads.come_so_far(settings, team.id, part.digest) == 2 << 20
    sending.send_parts(larger.folder, [part], server, lambda done, total: None)
    assert blobs.read(part.digest) == data


def test_a_disk_that_fills_up_at_the_end_keeps_the_whole_file(
    larger, server, client, bearer, season, operator, key, blobs, announcement, monkeypatch
):
    client.post("/api/v1/submissions", json=announcement(larger, key), headers=bearer)
    part = max(larger.parts, key=lambda p: p.size)
    with monkeypatch.context() as patch:

        def full(*_):
            raise EnvironmentFault("the disk that holds the server's files is full")

        patch.setattr("wmeval_leaderboard.blobs.Blobs.keep", full)
        data = (larger.folder / part.path).read_bytes()
        assert client.put(f"/api/v1/blobs/{part.digest}", content=data, headers=bearer).status_code == 503
    asked = []
    ask = server.ask

    def counted(method, path, **more):
        asked.append((method, len(more.get("content", b""))))
        return ask(method, path, **more)

    server.ask = counted
    sending.send_parts(larger.folder, [part], server, lambda done, total: None)
    assert asked == [("HEAD", 0), ("PUT", 0)]  # nothing is sent twice
    assert blobs.has(part.digest)


def test_a_locked_database_is_told_and_waited_for(
    run_packed, settings, engine, season, operator, token, key, monkeypatch
):
    from fastapi.testclient import TestClient

    monkeypatch.setattr(database, "BUSY_S", 0.2)
    held = sqlite3.connect(settings.url.removeprefix("sqlite:///"), isolation_level=None)
    waited = []

    def wait(seconds):
        waited.append(seconds)
        if held.in_transaction:
            held.execute("ROLLBACK")

    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        server = Server("http://testserver", token, client=client, wait=wait)
        held.execute("BEGIN IMMEDIATE")
        assert sending.send(run_packed, server, key).state == "queued"
    held.close()
    assert waited == [5.0]  # as the server asked
    assert rows(engine, Submission) == 1


@pytest.mark.load
def test_twenty_submitters_of_two_hundred_runs_store_each_once(another, serving, token, key, engine, blobs):
    runs = [another(i) for i in range(200)]
    address = serving().address
    mine = threading.local()

    def hand_in(run):
        if not hasattr(mine, "server"):
            mine.server = Server(address, token)
        return sending.send(run, mine.server, key)

    begun = time.monotonic()
    with ThreadPoolExecutor(20) as pool:  # each run is handed in twice, by two who meet
        told = list(pool.map(hand_in, [run for run in runs for _ in range(2)]))
    spent = time.monotonic() - begun
    assert {t.state for t in told} == {"queued"}
    assert len({t.slug for t in told}) == 200
    with reading(engine) as session:
        assert set(session.scalars(select(Submission.root))) == {run.root for run in runs}
        for submission in session.scalars(select(Submission)):
            parts = session.scalars(select(Part).where(Part.submission_id == submission.id)).all()
            assert root_of(parts) == submission.root
    assert [rows(engine, t) for t in (Submission, Job)] == [200, 200]
    assert whole(engine, blobs) == len({p.digest for run in runs for p in run.parts})
    print(f"400 hand-ins in {spent:.1f} s")
