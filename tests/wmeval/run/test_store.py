import json
import resource
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wmeval.errors import EnvironmentFault, UsageError
from wmeval.run.store import Store, content_digest, untimed


def test_first_commit_wins_and_a_different_second_is_an_event(tmp_path):
    store = Store(tmp_path)
    assert store.commit("ab12", {"error": 1.0, "seconds": 1})
    assert not store.commit("ab12", {"error": 1.0, "seconds": 2})
    assert store.events("nondeterminism") == []
    assert not store.commit("ab12", {"error": 2.0, "seconds": 1})
    (event,) = store.events("nondeterminism")
    assert event["key"] == "ab12"
    assert store.read("ab12")["error"] == 1.0


def test_blobs_come_back_as_they_were(tmp_path):
    store = Store(tmp_path)
    arrays = {"frames": np.arange(24, dtype=np.uint8).reshape(2, 3, 4), "times": np.array([0.0, np.nan])}
    name = store.put(arrays)
    assert store.put(arrays) == name == content_digest(arrays)
    for key, array in store.get(name).items():
        np.testing.assert_array_equal(array, arrays[key])
        assert array.dtype == arrays[key].dtype


@given(hnp.arrays(np.uint8, hnp.array_shapes(max_side=4)), st.integers(0, 255))
def test_digest_knows_content_shape_and_name(array, value):
    changed = array.copy()
    changed.flat[0] = value
    same = np.array_equal(array, changed)
    assert (content_digest({"a": array}) == content_digest({"a": changed})) == same
    assert content_digest({"a": array}) != content_digest({"a": array.astype(np.int8)})
    assert content_digest({"a": array}) != content_digest({"b": array})
    assert content_digest({"a": array}) != content_digest({"a": array[None]})


def test_nan_never_gets_into_a_record(tmp_path):
    with pytest.raises(ValueError, match="Out of range"):
        Store(tmp_path).commit("ab", {"error": float("nan")})
    assert not Store(tmp_path).has("ab")


def test_damaged_files_are_told(tmp_path):
    store = Store(tmp_path)
    store.commit("ab", {"error": 1})
    (tmp_path / "units" / "ab" / "ab.json").write_text('{"error": ')
    with pytest.raises(EnvironmentFault, match="damaged"):
        store.read("ab")
    name = store.put({"a": np.zeros(3)})
    (tmp_path / "blobs" / name[:2] / f"{name}.npz").write_bytes(b"no zip")
    with pytest.raises(EnvironmentFault, match="cannot be read"):
        store.get(name)
    with pytest.raises(UsageError, match="folder of a run"):
        store.read("cd")


def test_a_pickle_in_a_blob_is_refused(tmp_path):
    path = tmp_path / "blobs" / "ee" / "ee.npz"
    path.parent.mkdir(parents=True)
    np.savez(path, a=np.array([{"a": 1}], dtype=object))
    with pytest.raises(EnvironmentFault, match="allow_pickle"):
        Store(tmp_path).get("ee")


def test_a_full_disk_is_a_sentence_and_leaves_the_folder_readable(tmp_path):
    """The limit on file size makes the kernel refuse the write, as a full disk does."""
    code = f"""
import numpy as np
from pathlib import Path
from wmeval.errors import EnvironmentFault
from wmeval.run.store import Store
store = Store(Path({str(tmp_path)!r}))
store.commit("aa", {{"error": 1}})
try:
    store.put({{"noise": np.random.default_rng(0).integers(0, 256, 1 << 20)}})
except EnvironmentFault as fault:
    print(fault)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16)),
    )  # fmt: skip
    assert "is full" in done.stdout
    assert "same command again" in done.stdout
    files = [p.name for p in tmp_path.rglob("*") if p.is_file()]
    assert files == ["aa.json"]
    assert json.loads((tmp_path / "units" / "aa" / "aa.json").read_text()) == {"error": 1}


def test_a_half_written_event_is_skipped(tmp_path):
    store = Store(tmp_path)
    store.event("session", wall_s=1.0)
    with open(tmp_path / "events.jsonl", "a") as log:
        log.write('{"event": "sess')
    assert [e["wall_s"] for e in store.events()] == [1.0]


def test_untimed_leaves_results_alone():
    assert untimed([{"seconds": {"model": 1}, "error": 2}]) == [{"error": 2}]
