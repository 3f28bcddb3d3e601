"""surprise.csv: what it says, and a sentence for everything that it does not."""

from pathlib import Path

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.pack import surprise
from wmeval.pack.footage import Unreadable
from wmeval.pack.layout import Pack, Shown
from wmeval.pack.place import Placement

IDS = ("a" * 12, "b" * 12)


@pytest.fixture
def write(tmp_path):
    clips = {i: Shown(i, 3, "") for i in IDS}
    pack = Pack(Path(tmp_path), {}, View(), (64, 64), Placement(0, 0, 64, 64), b"s", {}, clips)

    def made(text):
        (tmp_path / "surprise.csv").write_text(text)
        return surprise.read(pack)

    return made


def rows(name, values, start=0):
    return "".join(f"{name},{t},{v}\n" for t, v in enumerate(values, start))


def test_every_frame_in_any_order(write):
    told = write(
        "id,frame,surprise\n" + rows(IDS[1], (1, 2, 3)) + f"{IDS[0]},2,9\n" + rows(IDS[0], ("nan", ""))
    )
    assert told.told[IDS[1]].tolist() == [1, 2, 3]
    assert np.array_equal(told.told[IDS[0]], [np.nan, np.nan, 9], equal_nan=True)
    assert not told.bad
    assert not told.whole_clips


def test_one_number_a_clip(write):
    told = write(f"\ufeffID, Surprise\n{IDS[0]},0.5\n{IDS[1]},-1e3\n\n")
    assert told.told[IDS[0]].tolist() == [0.5] * 3
    assert told.told[IDS[1]].tolist() == [-1000] * 3
    assert told.whole_clips


BROKEN = {
    "a word": (("1", "much", "3"), "line 3: 'much' is no number"),
    "infinite": (("1", "inf", "3"), "is infinite"),
    "short": (("1", "2"), "lacks frame 2 of 3"),
    "long": (("1", "2", "3", "4"), "frame '3' is none of 0 to 2"),
    "nothing": (("nan", "", "nan"), "no number at all"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_clip_that_cannot_be_used_says_why(write, kind):
    values, sentence = BROKEN[kind]
    told = write("id,frame,surprise\n" + rows(IDS[0], values) + rows(IDS[1], (1, 2, 3)))
    assert sentence in told.bad[IDS[0]]
    assert set(told.told) == {IDS[1]}


def test_doubled_unknown_missing_and_ragged_rows(write):
    told = write(f"id,frame,surprise\n{IDS[0]},0,1\n{IDS[0]},0,1\nzzz,0,1\n{IDS[0]},1\n")
    assert "frame 0 is there twice" in told.bad[IDS[0]]
    assert "says nothing of this clip" in told.bad[IDS[1]]
    assert told.stray == ("line 4: no clip is called 'zzz'", "line 5: 2 values; expected 3")


@pytest.mark.parametrize("text", ["", "clip,value\n", "\x00\x01", "id;frame;surprise\n"])
def test_another_file_is_told_from_a_csv(write, text):
    with pytest.raises(Unreadable, match=r"surprise\.csv"):
        write(text)
