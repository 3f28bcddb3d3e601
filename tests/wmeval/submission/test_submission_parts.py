"""Which files are handed in, what names them all, and which lists are refused."""

from dataclasses import replace

import pytest

from wmeval.errors import UsageError
from wmeval.submission import signing
from wmeval.submission.limits import Limits
from wmeval.submission.parts import Part, check_list, made, parts_of, root_of

A, B, C, D, E = (Part(name, name * 64, 1) for name in "abcde")


def test_neither_truths_nor_judgements_are_handed_in(whole):
    paths = {p.path for p in parts_of(whole)}
    units = {u.key: whole.store.read(u.key) for u in whole.units}
    wanted = {d for record in units.values() for d in made(record)}
    truths = {arm["truth"] for r in units.values() for s in r["samples"] for arm in s["arms"].values()}
    assert {p.split("/")[2] for p in paths if "/" in p} == {f"{k}.json" for k in units} | {
        f"{d}.npz" for d in wanted
    }
    assert wanted
    assert not wanted & truths
    assert {p for p in paths if "/" not in p} == {"manifest.json", "results.json"}


def test_the_list_is_the_same_every_time(whole):
    assert parts_of(whole) == parts_of(whole) == sorted(parts_of(whole), key=lambda p: p.path)


@pytest.mark.parametrize("count", range(1, 6))
def test_the_root_tells_every_list_from_every_other(count):
    parts = [A, B, C, D, E][:count]
    others = [
        parts[:-1], [*parts, parts[-1]], [*parts[:-1], replace(parts[-1], size=2)],
        [*parts[:-1], replace(parts[-1], digest="0" * 64)], [*parts[:-1], replace(parts[-1], path="x")],
    ]  # fmt: skip
    assert root_of(reversed(parts)) == root_of(parts)
    assert root_of(parts) not in [root_of(o) for o in others]


@pytest.mark.parametrize(
    "path",
    [
        "../manifest.json", "/etc/passwd", "units/../../x.json", "units/ab/cd.json", "manifest.json\n",
        f"units/ab/{'0' * 64}.json", f"blobs/00/{'0' * 64}.npy", f"blobs/00/{'0' * 64}.npz/x", "events.jsonl",
        f"blobs\\00\\{'0' * 64}.npz", f"BLOBS/00/{'0' * 64}.npz", "logs/worker.log", "", "manifest.json\0",
    ],
)  # fmt: skip
def test_no_other_name_is_taken(path, whole):
    parts = sorted([*parts_of(whole), Part(path, "0" * 64, 1)], key=lambda p: p.path)
    with pytest.raises(UsageError, match="a file named"):
        check_list(parts, root_of(parts), Limits())


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        (Limits(parts=2), "files; at most 2 are taken"),
        (Limits(document=100), "between 1 and 100 are taken"),
        (Limits(record=100), "between 1 and 100 are taken"),
        (Limits(part=100), "between 1 and 100 are taken"),
        (Limits(whole=1000), "bytes; at most 1000 are taken"),
    ],
)
def test_no_more_is_taken_than_the_limits_say(limits, sentence, whole):
    parts = parts_of(whole)
    with pytest.raises(UsageError, match=sentence):
        check_list(parts, root_of(parts), limits)


def test_order_doubles_digests_and_roots_are_checked(whole):
    parts = parts_of(whole)
    for bad, sentence in (
        ([*reversed(parts)], "order of their names"),
        ([parts[0], *parts], "order of their names"),
        ([replace(parts[0], digest="0" * 63 + "G"), *parts[1:]], "64 hexadecimal digits"),
        ([replace(parts[0], size=0), *parts[1:]], "between 1 and"),
        ([p for p in parts if p.path != "results.json"], "has no results.json"),
    ):
        with pytest.raises(UsageError, match=sentence):
            check_list(bad, root_of(bad), Limits())
    with pytest.raises(UsageError, match="the root of the submission's files"):
        check_list(parts, "0" * 64, Limits())


def test_a_signature_holds_for_its_root_and_key_alone():
    key, other = signing.new_key(), signing.new_key()
    made = signing.sign(key, "a" * 64)
    assert signing.signed(signing.public_key(key), made, "a" * 64)
    assert not signing.signed(signing.public_key(other), made, "a" * 64)
    assert not signing.signed(signing.public_key(key), made, "b" * 64)
    assert not signing.signed(signing.public_key(key), made[:-2], "a" * 64)
    assert not signing.signed("nonsense", made, "a" * 64)
