"""A file is kept whole and as announced, or not at all."""

import errno
import hashlib
import io
from pathlib import Path

import pytest

from wmeval.errors import EnvironmentFault, UsageError
from wmeval_leaderboard.blobs import Blobs

DATA = b"frames" * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(params=["file", "memory"])
def store(request, tmp_path):
    return Blobs(f"file://{tmp_path}/files" if request.param == "file" else f"memory://{tmp_path}")


def names(store):
    return store.files.find(store.root) if store.files.exists(store.root) else []


def test_what_is_kept_is_read_back(store):
    store.keep(DIGEST, io.BytesIO(DATA), len(DATA))
    store.keep(DIGEST, io.BytesIO(b"not looked at"), len(DATA))
    with pytest.raises(UsageError, match="announced with 3 bytes and has 6000"):
        store.keep(DIGEST, io.BytesIO(DATA[:3]), 3)
    assert store.has(DIGEST)
    assert store.size(DIGEST) == len(DATA)
    assert store.read(DIGEST) == DATA
    with store.open(DIGEST) as file:
        file.seek(6)
        assert file.read(6) == b"frames"
    assert store.put(DATA) == DIGEST
    assert len(names(store)) == 1


@pytest.mark.parametrize(
    ("data", "size"), [(DATA[:-1] + b"x", len(DATA)), (DATA[:-1], len(DATA)), (DATA, len(DATA) - 1)]
)
def test_what_is_not_as_announced_leaves_nothing(store, data, size):
    with pytest.raises(UsageError, match="announced with"):
        store.keep(DIGEST, io.BytesIO(data), size)
    assert not store.has(DIGEST)
    assert names(store) == []


def test_no_more_is_read_than_was_announced(store):
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size=-1):
            assert size > 0
            self.given += size
            return b"0" * size

    endless = Endless()
    with pytest.raises(UsageError, match="more than 10"):
        store.keep(DIGEST, endless, 10)
    assert endless.given == 11


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    store = Blobs(f"file://{tmp_path}/files")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(EnvironmentFault, match="full"):
        store.put(DATA)
    assert [p for p in Path(tmp_path).rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("name", ["../../etc/passwd", DIGEST.upper(), DIGEST + "0", "", "a" * 63 + "\n"])
def test_only_digests_are_names(store, name):
    for ask in (store.has, store.read, store.size):
        with pytest.raises(UsageError, match="64 hexadecimal digits"):
            ask(name)


def test_a_missing_or_damaged_file_is_found(store):
    with pytest.raises(EnvironmentFault, match="is not here"):
        store.read(DIGEST)
    store.put(DATA)
    store.check(DIGEST)
    with store.files.open(f"{store.root}/{DIGEST[:2]}/{DIGEST}", "wb") as file:
        file.write(b"damaged")
    with pytest.raises(EnvironmentFault, match="damaged"):
        store.check(DIGEST)


def test_what_a_process_that_died_left_is_swept(store):
    store.put(DATA)
    store.files.makedirs(f"{store.root}/incoming", exist_ok=True)
    with store.files.open(f"{store.root}/incoming/half", "wb") as file:
        file.write(DATA[:10])
    store.sweep()
    assert len(names(store)) == 2
    store.sweep(older_s=-1.0)
    assert len(names(store)) == 1
