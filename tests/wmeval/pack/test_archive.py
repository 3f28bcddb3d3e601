import json
import zipfile

import pytest

from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.pack.archive import packed, unpacked
from wmeval.pack.layout import Pack
from wmeval.pack.place import Placement


@pytest.fixture
def folder(tmp_path):
    made = Pack(tmp_path / "pack", {}, View(), (64, 64), Placement(0, 0, 64, 64), b"", {}, {})
    (made.folder / "questions" / ("0" * 12) / "context").mkdir(parents=True)
    (made.folder / "questions" / ("0" * 12) / "context" / "0000.png").write_bytes(b"picture")
    (made.folder / "answers").mkdir()
    (made.folder / "answers" / "x.mp4").write_bytes(b"mine")
    (made.folder / ".export.json").write_text("salt")
    (made.folder / "pack.json").write_text(json.dumps(made.to_json()))
    return made.folder


def test_a_pack_goes_through_a_zip_without_answers_and_to_the_same_bytes(folder, tmp_path):
    for name in ("one.zip", "two.zip"):
        packed(folder, tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    pack = unpacked(tmp_path / "one.zip", tmp_path / "there")
    files = sorted(p.relative_to(pack.folder).as_posix() for p in pack.folder.rglob("*") if p.is_file())
    assert files == ["pack.json", f"questions/{'0' * 12}/context/0000.png"]


@pytest.mark.parametrize(
    "name", ["../pack.json", "/etc/passwd", "questions/../../x.py", "answers/a.mp4", ".x"]
)
def test_nothing_is_written_elsewhere(folder, tmp_path, name):
    packed(folder, tmp_path / "pack.zip")
    with zipfile.ZipFile(tmp_path / "pack.zip", "a") as archive:
        archive.writestr(name, "x")
    with pytest.raises(UsageError, match="which is in no pack"):
        unpacked(tmp_path / "pack.zip", tmp_path / "there")
    assert not (tmp_path / "there").exists()
    assert not (tmp_path / "x.py").exists()


def test_what_claims_too_much_is_refused_before_it_is_read(folder, tmp_path, monkeypatch):
    packed(folder, tmp_path / "pack.zip")
    monkeypatch.setattr("wmeval.pack.archive.MOST_BYTES", 100)
    with pytest.raises(UsageError, match="more than any pack"):
        unpacked(tmp_path / "pack.zip", tmp_path / "there")
    (tmp_path / "junk.zip").write_bytes(b"junk")
    with pytest.raises(UsageError, match="no zip file"):
        unpacked(tmp_path / "junk.zip", tmp_path / "there")
