"""Files of arrays that are not what was asked for are refused before they are unpacked."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from wmeval.errors import UsageError
from wmeval.run.store import content_digest
from wmeval.submission.arrays import Expected, read
from wmeval.submission.limits import Limits

FRAMES = {"frames": Expected(("uint8",), (5, 8, 8, 3))}
SURPRISE = {"surprise": Expected(("float64",), (5,), nan=True)}
LATENTS = {"latents": Expected(("float32",), (5, None, None))}
GOOD = np.arange(5 * 8 * 8 * 3, dtype=np.uint8).reshape(5, 8, 8, 3)


def packed(**arrays):
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def name_of(**arrays):
    digest = content_digest(arrays)
    return f"blobs/{digest[:2]}/{digest}.npz"


def npy(array):
    out = io.BytesIO()
    np.lib.format.write_array(out, array)
    return out.getvalue()


def zipped(members, how=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def refused(data, expected=FRAMES, limits=None, name="blobs/00/" + "0" * 64 + ".npz"):
    with pytest.raises(UsageError) as told:
        read(io.BytesIO(data), name, expected, limits or Limits())
    assert str(told.value).startswith(name)
    return str(told.value)


def test_what_was_asked_for_is_read():
    made = read(io.BytesIO(packed(frames=GOOD)), name_of(frames=GOOD), FRAMES, Limits())
    assert np.array_equal(made["frames"], GOOD)


def test_another_content_than_its_name_says_is_refused():
    assert "is the digest of" in refused(packed(frames=GOOD))


@pytest.mark.parametrize(
    "array",
    [
        GOOD[:4], GOOD[..., :2], GOOD.astype(np.float32), GOOD[:, :4], GOOD[None],
        np.zeros((5, 8, 8, 3), ">i4"), np.zeros((5, 8, 8, 3), "U4"), np.zeros((0, 8, 8, 3), np.uint8),
    ],
)  # fmt: skip
def test_another_shape_or_type_is_refused(array):
    assert "frames" in refused(packed(frames=array))


def test_fewer_frames_are_taken_only_where_some_may_be_missing():
    fewer = {"frames": Expected(("uint8",), (5, 8, 8, 3), fewest=1)}
    part = np.ascontiguousarray(GOOD[:2])
    assert len(read(io.BytesIO(packed(frames=part)), name_of(frames=part), fewer, Limits())["frames"]) == 2
    assert "at least 1" in refused(packed(frames=np.concatenate([GOOD, GOOD])), fewer)


def test_nan_and_infinity_are_taken_only_where_they_mean_something():
    undefined = np.array([np.nan, 1, 2, 3, 4])
    read(io.BytesIO(packed(surprise=undefined)), name_of(surprise=undefined), SURPRISE, Limits())
    assert "infinite" in refused(packed(surprise=np.array([np.inf, 1, 2, 3, 4])), SURPRISE)
    assert "NaN" in refused(packed(latents=np.full((5, 2, 2), np.nan, np.float32)), LATENTS)


def test_a_bomb_is_refused_by_its_claim():
    bomb = packed(frames=np.zeros((400, 512, 512, 3), np.uint8))  # 300 MB in 300 kB
    assert len(bomb) < 1 << 20
    assert "expected uint8 (5, 8, 8, 3)" in refused(bomb)
    assert "at most 1000 are taken" in refused(bomb, None, Limits(unpacked=1000))


def test_a_head_that_lies_about_its_values_is_refused():
    data = bytearray(npy(GOOD))
    longer = bytes(data) + b"\0" * (1 << 20)
    assert "bytes, in a file of" in refused(zipped([("frames.npy", longer)]))
    assert "bytes, in a file of" in refused(zipped([("frames.npy", bytes(data[:-10]))]))


def test_a_size_that_lies_about_the_packed_bytes_is_refused():
    data = zipped([("frames.npy", npy(GOOD) + b"\0" * (8 << 20))])
    true, claimed = struct.pack("<L", len(npy(GOOD)) + (8 << 20)), struct.pack("<L", len(npy(GOOD)))
    assert data.count(true) >= 1
    refused(data.replace(true, claimed))


def test_nothing_is_unpickled():
    class Evil:
        def __reduce__(self):
            return (print, ("unpickled",))

    objects = np.array([Evil()], dtype=object)
    out = io.BytesIO()
    np.lib.format.write_array(out, objects, allow_pickle=True)
    assert "|O with 1 axes" in refused(zipped([("frames.npy", out.getvalue())]))
    refused(zipped([("frames.npy", pickle.dumps(Evil()))]))
    refused(zipped([("frames.pkl", pickle.dumps(Evil()))]), None)


@pytest.mark.parametrize(
    "members",
    [
        [("../frames.npy", npy(GOOD))], [("frames.npy", npy(GOOD)), ("more.npy", npy(GOOD))], [],
        [("/frames.npy", npy(GOOD))], [("frames.npy", b"")], [("frames.npy", b"\x93NUMPY\1\0\xff\xff")],
        [("frames.npy", npy(GOOD)[:60])],
    ],
)  # fmt: skip
def test_other_members_are_refused(members):
    refused(zipped(members))


def test_strange_names_are_refused_where_any_arrays_are_taken():
    refused(zipped([("../x.npy", npy(GOOD))]), None)
    refused(zipped([("x", npy(GOOD))]), None)


def test_a_readout_is_taken_as_it_is():
    from wmeval.camera import View
    from wmeval.perceive.readout import Readout, from_arrays

    maps, single = np.full((6, 4), np.nan), np.zeros((8, 3), np.float32)
    given = Readout(
        (2, 4), View(), single[:, 0], single, np.zeros((6, 4, 2)), maps, maps, maps, np.zeros((6, 2, 2)),
        {"median px": 1.5, "share of presence told": 0.9},
    ).to_arrays()  # fmt: skip
    made = read(io.BytesIO(packed(**given)), name_of(**given), None, Limits())
    assert from_arrays(made).fitted == {"median px": 1.5, "share of presence told": 0.9}


def test_other_archives_are_refused():
    good = zipped([("frames.npy", npy(GOOD))])
    refused(b"")
    refused(b"PK\5\6" + b"\0" * 18)
    refused(good + b"\0")  # bytes behind the directory
    refused(b"\0" * 100 + good)  # and before it
    refused(good[:-30])
    refused(zipped([("frames.npy", npy(GOOD))], zipfile.ZIP_BZIP2))
    out = io.BytesIO(good)
    with zipfile.ZipFile(out, "a") as archive:
        archive.comment = b"a comment"
    refused(out.getvalue())


def test_a_directory_of_very_many_is_not_read():
    many = zipped([(f"a{i}.npy", b"x") for i in range(2000)])
    assert "names 2000 arrays" in refused(many, None)


def test_two_of_one_name_are_refused():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("frames.npy", npy(GOOD))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("frames.npy", npy(GOOD))
    refused(out.getvalue())
    assert "two arrays of one name" in refused(out.getvalue(), None)


@pytest.mark.parametrize("seed", range(60))
def test_damage_anywhere_never_raises_anything_else(seed):
    rng = np.random.default_rng(seed)
    data = bytearray(packed(frames=GOOD))
    for at in rng.integers(0, len(data), 1 + seed % 5):
        data[at] = rng.integers(0, 256)
    cut = bytes(data[: rng.integers(1, len(data))]) if seed % 3 == 0 else bytes(data)
    try:
        made = read(io.BytesIO(cut), name_of(frames=GOOD), FRAMES, Limits())
    except UsageError:
        return
    assert np.array_equal(made["frames"], GOOD)
