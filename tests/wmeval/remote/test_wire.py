"""What arrives over the wire is not trusted: nothing hostile is unpickled, inflated or allocated."""

import io
import json
import pickle
import tracemalloc
import zipfile
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wmeval.model import Card, Clip, Observation, Prediction
from wmeval.remote import asked
from wmeval.remote.card import _OPTIONAL, _REQUIRED, read_card
from wmeval.remote.wire import DTYPES, Malformed, Message, TooLarge, pack, unpack

ARRAYS = hnp.arrays(st.sampled_from(DTYPES), hnp.array_shapes(max_dims=4, max_side=4, min_side=0))
GOOD = {
    "name": "m", "version": "1", "licence": "MIT", "capabilities": ["generates"], "context": [1, 8],
    "view": {"fps": 10, "height": 64, "width": 64}, "actions": {"kind": "none"}, "classes": ["clip", "never"],
}  # fmt: skip


def header(**told):
    return np.frombuffer(json.dumps({"protocol": 1, **told}).encode(), np.uint8)


def npz(**members):
    """Return a stored archive of raw .npy bytes, as a hostile sender would write them."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return out.getvalue()


def npy(array):
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def claiming(shape, descr="|u1"):
    """Return a .npy file whose header claims a shape, and that holds nothing."""
    return headed(f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}")


def headed(text):
    """Return a .npy file whose header is any text."""
    raw = text.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(raw).to_bytes(2, "little") + raw


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from("abcdef"), ARRAYS, max_size=3), st.text(), st.integers(0, 2**64 - 1))
def test_a_message_comes_back_to_the_bit(arrays, text, seed):
    told = unpack(pack(Message({"text": text, "seed": seed}, arrays)))
    assert told.header == {"protocol": 1, "text": text, "seed": seed}
    assert set(told.arrays) == set(arrays)
    for name, array in arrays.items():
        back = told.arrays[name]
        assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())
        assert back.flags.writeable


def test_what_numpy_writes_is_read_whatever_its_order():
    order = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    out = io.BytesIO()
    np.savez(out, header=header(), a=order)
    assert np.array_equal(unpack(out.getvalue()).arrays["a"], order)


class Trap:
    """Would tell that it was unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


def bomb():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.npy", bytes(50 << 20))
    return out.getvalue()


def lying(data, size):
    """Return an archive whose directory claims that its member has another size."""
    made = bytearray(data)
    at = made.rindex(b"PK\x01\x02")
    made[at + 24 : at + 28] = size.to_bytes(4, "little")
    return bytes(made)


HOSTILE = {
    "nothing": b"",
    "garbage": b"\x00garbage" * 99,
    "html": b"<html>It works!</html>",
    "a pickle": pickle.dumps([1]),
    "a bare pickle as an array": npz(header=npy(header()), a=pickle.dumps([Trap()])),
    "object dtype": npz(header=npy(header()), a=npy(np.array([Trap()], dtype=object))),
    "structured dtype": npz(header=npy(header()), a=npy(np.zeros(2, [("x", "O"), ("y", "<f8")]))),
    "text dtype": npz(header=npy(header()), a=npy(np.array(["x" * 99]))),
    "big-endian": npz(header=npy(header()), a=npy(np.zeros(3, ">f8"))),
    "a compressed bomb": bomb(),
    "a directory that lies": lying(npz(header=npy(header())), 1 << 31),
    "cut off": npz(header=npy(header()), a=npy(np.zeros(99)))[:-40],
    "no header": npz(a=npy(np.zeros(3))),
    "a header that is no JSON": npz(header=npy(np.frombuffer(b"{]", np.uint8))),
    "a header that is deep": npz(header=npy(np.frombuffer(b"[" * 200_000, np.uint8))),
    "a header that is a list": npz(header=npy(np.frombuffer(b"[1]", np.uint8))),
    "NaN in the header": npz(header=npy(np.frombuffer(b'{"protocol": 1, "x": NaN}', np.uint8))),
    "a huge shape": npz(header=npy(header()), a=claiming("(9999999, 9999999)", "<f8")),
    "a shape beyond 64 bits": npz(header=npy(header()), a=claiming("(4294967296, 4294967296)")),
    "a negative shape": npz(header=npy(header()), a=claiming("(-1, -0)")),
    "code for a shape": npz(header=npy(header()), a=claiming("(exit(),)")),
    "a deep npy header": npz(header=npy(header()), a=headed("(" * 900)),
    "a name that is no array": npz(header=npy(header())).replace(b"header.npy", b"header.exe"),
}  # fmt: skip


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes_are_refused_before_they_cost_anything(data):
    tracemalloc.start()
    try:
        with pytest.raises(Malformed):
            unpack(data)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_flipped_byte_is_refused_or_changes_nothing(data):
    good = pack(Message({"items": []}, {"frames.0": np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)}))
    at, to = data.draw(st.integers(0, len(good) - 1)), data.draw(st.integers(0, 255))
    try:
        told = unpack(good[:at] + bytes([to]) + good[at + 1 :])
    except Malformed:
        return
    assert all(a.dtype in DTYPES for a in told.arrays.values())


def test_sizes_and_counts_have_limits():
    one = pack(Message({}, {"a": np.zeros(1000)}))
    with pytest.raises(TooLarge, match="at most 4096 are taken"):
        unpack(one, 4096)
    many = pack(Message({}, {str(i): np.zeros(1) for i in range(1025)}))
    with pytest.raises(TooLarge, match="1026 arrays"):
        unpack(many)
    with pytest.raises(Malformed, match="expected one of"):
        pack(Message({}, {"a": np.zeros((1,) * 6)}))
    with pytest.raises(Malformed, match="object"):
        pack(Message({}, {"a": np.array([None])}))


def test_another_version_is_refused_with_the_line_that_mends_it():
    other = npz(header=npy(np.frombuffer(b'{"protocol": 2}', np.uint8)))
    with pytest.raises(Malformed, match=r"of protocol 2 and this side speaks 1; install the same version"):
        unpack(other)


def test_the_wire_knows_every_field_of_the_boundary():
    """A field that the boundary gains must be sent, or a remote model would be asked something else."""
    assert {f.name for f in fields(Card)} == {*_REQUIRED, *_OPTIONAL}
    assert {f.name for f in fields(Observation)} == {
        "frames", "fps", "actions", "horizon", "caption", "intrinsics", "native",
    }  # fmt: skip
    assert {f.name for f in fields(Clip)} == {"frames", "fps", "actions", "native"}
    assert {f.name for f in fields(Prediction)} == {"frames", "latents", "surprise", "status", "seconds"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"capabilities": ["reads minds"]}, "expected some of generates"),
        ({"capabilities": []}, "expected some of"),
        ({"view": {"fps": 0, "height": 64, "width": 64}}, "frames per second"),
        ({"view": {"fps": 10, "height": 1 << 20, "width": 64}}, "from 1 to 4096"),
        ({"context": [4, 2]}, "fewest, most"),
        ({"context": [True, 2]}, "fewest, most"),
        ({"actions": {"kind": "telepathy"}}, "kinds are none"),
        ({"classes": ["clip"]}, "training class"),
        ({"max_batch": 0}, "from 1 to 1024"),
        ({"name": "x\x1b[2J"}, "printable"),
        ({"version": 3}, "printable"),
        ({"reference": True}, "never served"),
        ({"mood": "fine"}, "no card has here"),
        ({"horizon": 0}, "from 1"),
        ({"deterministic": 1}, "true or false"),
        ({"notes": "all good"}, "list of at most 50"),
    ],
)
def test_a_card_is_looked_at_field_by_field(change, sentence):
    with pytest.raises(Malformed, match=sentence):
        read_card({**GOOD, **change})


def test_a_card_of_few_words_is_enough_and_each_of_them_is_needed():
    card = read_card(GOOD)
    assert (card.family, card.max_batch, card.horizon, card.view.fps) == ("m", 1, None, 10.0)
    again = read_card(json.loads(json.dumps(card.to_json())))
    assert again == card
    for name in GOOD:
        with pytest.raises(Malformed, match=f"no '{name}'"):
            read_card({k: v for k, v in GOOD.items() if k != name})


def test_what_a_model_may_not_answer_is_a_failed_item():
    told = asked.told(unpack(pack(asked.tell([None, Prediction(surprise=np.zeros(3))], 2))), 2)
    assert told[0].status.detail == "the model returned a NoneType instead of a Prediction"
    assert told[1].surprise.shape == (3,)
    with pytest.raises(TypeError, match="answered 2 samples with 1"):
        asked.tell([Prediction()], 2)
    with pytest.raises(Malformed, match="answered 3 samples with 1"):
        asked.told(Message({"items": [{"state": "ok"}]}), 3)
    with pytest.raises(Malformed, match="expected a state"):
        asked.told(Message({"items": [{"state": "great"}]}), 1)
