import os

import numpy as np

from wmeval import load_probe
from wmeval.run import truths
from wmeval.run.plan import draw
from wmeval.world import simulate


def same(a, b):
    for name in ("position", "orientation", "velocity", "spin"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    np.testing.assert_array_equal(a.contacts.impulse, b.contacts.impulse)
    assert a.realised == b.realised
    assert len(a.futures) == len(b.futures)
    for one, two in zip(a.futures, b.futures, strict=True):
        np.testing.assert_array_equal(one.visible, two.visible)


def test_a_cached_truth_is_the_simulated_one(kit, tmp_path, monkeypatch):
    monkeypatch.setenv("WMEVAL_CACHE", str(tmp_path))
    scene = draw(load_probe(kit / "falls.py"), "iid", 0).arms["main"]
    fresh = simulate(scene, futures=2)
    for _ in range(2):
        same(truths.truth_of(scene, 2), fresh)
    assert len(list(tmp_path.rglob("*.npz"))) == 1
    assert len(truths.truth_of(scene, 0).futures) == 0


def test_a_damaged_or_unwritable_cache_is_only_slow(kit, tmp_path, monkeypatch):
    monkeypatch.setenv("WMEVAL_CACHE", str(tmp_path))
    scene = draw(load_probe(kit / "falls.py"), "iid", 1).arms["main"]
    truths.truth_of(scene)
    (file,) = tmp_path.rglob("*.npz")
    file.write_bytes(b"")
    same(truths.truth_of(scene), simulate(scene))
    monkeypatch.setenv("WMEVAL_CACHE", "/proc/nowhere")
    same(truths.truth_of(scene), simulate(scene))


def test_the_cache_forgets_what_was_not_read_for_longest(tmp_path, monkeypatch):
    monkeypatch.setenv("WMEVAL_CACHE", str(tmp_path))
    for i in range(4):
        file = tmp_path / "truths" / "aa" / f"{i}.npz"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * 100)
        os.utime(file, (1000 + i, 1000 + i))
    truths.trim(limit_bytes=250)
    assert sorted(p.stem for p in tmp_path.rglob("*.npz")) == ["2", "3"]
