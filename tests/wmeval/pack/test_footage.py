"""Files that people send: each kind of broken one has its sentence, and none is decoded past its limits."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from PIL import Image

from wmeval.pack import footage
from wmeval.pack.footage import Unreadable, find, look
from wmeval.pack.picture import enlarged, on_canvas, write_mp4, write_pngs
from wmeval.pack.place import Placement, psnr


def film(count=6, size=64):
    v, u = np.mgrid[:size, :size] + 0.5
    frames = np.full((count, size, size, 3), 200, np.uint8)
    for t in range(count):
        frames[t][np.hypot(u - 12 - 4 * t, v - 30) < 9] = (200, 30, 30)
    return frames


def read(path, root, count=50, fps=10):
    return np.stack(list(look(path, root).frames(range(count), fps)))


@pytest.mark.parametrize("kind", ["mp4", "png", "npz"])
def test_what_was_written_is_read(tmp_path, kind):
    frames = film(size=128)
    path = tmp_path / ("a" if kind == "png" else f"a.{kind}")
    if kind == "mp4":
        write_mp4(path, frames, 10)
    elif kind == "png":
        write_pngs(path, frames)
    else:
        np.savez(path, frames=frames, fps=24.0)
    head = look(path, tmp_path)
    assert (head.width, head.height, head.count) == (128, 128, 6)
    assert head.fps == {"mp4": 10, "png": None, "npz": 24}[kind]
    got = read(path, tmp_path)
    assert psnr(got, frames) > 38 if kind == "mp4" else np.array_equal(got, frames)
    assert np.abs(got[:, 60, 100].astype(int) - 200).max() <= 2, "a grey keeps its brightness"


def test_a_video_that_says_nothing_of_its_colours_is_read_as_players_do(tmp_path):
    import av

    red = np.full((4, 64, 64, 3), (200, 30, 30), np.uint8)
    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for frame in red:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode())
    assert np.abs(read(tmp_path / "a.mp4", tmp_path)[0].mean((0, 1)) - (200, 30, 30)).max() < 4


def broken_video(path):
    write_mp4(path, film(), 10)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def playlist(path):
    path.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/secret.ts\n")


def npz(path, **arrays):
    np.savez(path, **arrays)


def pickled(path):
    array = np.array([{"a": 1}], dtype=object)
    with zipfile.ZipFile(path, "w") as packed, io.BytesIO() as file:
        np.lib.format.write_array(file, array, allow_pickle=True)
        packed.writestr("frames.npy", file.getvalue())


def bomb(path):
    """A few bytes whose header promises four terabytes."""
    with zipfile.ZipFile(path, "w") as packed, io.BytesIO() as file:
        head = {"descr": "|u1", "fortran_order": False, "shape": (100, 200000, 200000, 3)}
        np.lib.format.write_array_header_1_0(file, head)
        packed.writestr("frames.npy", file.getvalue())


FILES = {
    "empty": ("a.mp4", lambda p: p.write_bytes(b""), "is empty"),
    "cut off": ("a.mp4", broken_video, "is damaged"),
    "text": ("a.mp4", lambda p: p.write_text("no video" * 50), "is damaged"),
    "a playlist of addresses": ("a.mp4", playlist, "is damaged"),
    "a pickle": ("a.npz", lambda p: p.write_bytes(pickle.dumps([1])), "is damaged"),
    "objects": ("a.npz", pickled, "Python objects"),
    "a bomb": ("a.npz", bomb, "at most 4096 a side"),
    "floats": ("a.npz", lambda p: npz(p, frames=np.zeros((3, 8, 8, 3))), "holds float64 frames"),
    "no frames": ("a.npz", lambda p: npz(p, video=np.zeros(3)), "expected `frames`"),
    "too long": ("a.npz", lambda p: npz(p, frames=np.zeros((5000, 1, 1, 3), np.uint8)), "5000 frames"),
    "a bad rate": ("a.npz", lambda p: npz(p, frames=np.zeros((3, 8, 8, 3), np.uint8), fps=-1), "-1 fps"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_broken_file_has_its_sentence(tmp_path, kind):
    name, make, sentence = FILES[kind]
    make(tmp_path / name)
    with pytest.raises(Unreadable, match=sentence):
        read(tmp_path / name, tmp_path)


def pictures(folder, *names, size=(8, 8)):
    folder.mkdir(exist_ok=True)
    for name in names:
        Image.new("RGB", size).save(folder / name, format="PNG")


FOLDERS = {
    "a gap": (("0000.png", "0001.png", "0003.png"), "lacks frame 2"),
    "twice": (("1.png", "01.png", "2.png"), "frame 1 twice"),
    "two series": (("a0.png", "b1.png"), "'a' and 'b'"),
    "no number": (("first.png",), "numbered like 0000.png"),
    "nothing": ((), "holds no frames"),
}


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_broken_folder_has_its_sentence(tmp_path, kind):
    names, sentence = FOLDERS[kind]
    pictures(tmp_path / "a", *names)
    with pytest.raises(Unreadable, match=sentence):
        look(tmp_path / "a", tmp_path)


def test_pictures_of_two_sizes_and_other_files_have_their_sentences(tmp_path):
    pictures(tmp_path / "a", "0.png")
    pictures(tmp_path / "a", "1.png", size=(9, 8))
    with pytest.raises(Unreadable, match="expected one size"):
        look(tmp_path / "a", tmp_path)
    (tmp_path / "a" / "1.png").unlink()
    (tmp_path / "a" / "notes.txt").write_text("")
    with pytest.raises(Unreadable, match=r"holds notes\.txt"):
        look(tmp_path / "a", tmp_path)


def test_numbers_and_not_names_order_the_pictures(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    for i in range(12):
        Image.new("RGB", (4, 4), (i, 0, 0)).save(folder / f"f{i}.png")
    (folder / ".DS_Store").write_bytes(b"x")
    assert read(folder, tmp_path)[:, 0, 0, 0].tolist() == list(range(12))


def test_no_link_leads_out_of_the_pack(tmp_path):
    (tmp_path / "pack").mkdir()
    write_mp4(tmp_path / "secret.mp4", film(), 10)
    (tmp_path / "pack" / "a.mp4").symlink_to(tmp_path / "secret.mp4")
    with pytest.raises(Unreadable, match="leads out of the pack"):
        look(tmp_path / "pack" / "a.mp4", tmp_path / "pack")
    pictures(tmp_path / "pack" / "b", "0.png")
    (tmp_path / "pack" / "b" / "1.png").symlink_to(tmp_path / "secret.mp4")
    with pytest.raises(Unreadable, match="leads out of the pack"):
        look(tmp_path / "pack" / "b", tmp_path / "pack")


def test_a_picture_that_promises_too_much_is_not_decoded(tmp_path, monkeypatch):
    pictures(tmp_path / "a", "0.png", size=(5000, 2))
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(Unreadable, match="5000 x 2 px"):
        look(tmp_path / "a", tmp_path)


def test_uneven_frame_times_are_told(tmp_path):
    import av

    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for t, frame in zip((0, 1, 2, 9, 10, 11), film(), strict=True):
            shown = av.VideoFrame.from_ndarray(frame, format="rgb24")
            shown.pts = t
            file.mux(stream.encode(shown))
        file.mux(stream.encode())
    with pytest.raises(Unreadable, match="constant frame rate"):
        read(tmp_path / "a.mp4", tmp_path)


def test_every_file_that_could_be_the_answer_is_found(tmp_path):
    for name in ("x.mp4", "x.npz", "x-2.mp4"):
        (tmp_path / name).write_bytes(b"")
    assert [p.name for p in find(tmp_path, "x")] == ["x.mp4", "x.npz"]
    assert set(footage.ENDINGS) == {".mp4", ".mov", ".webm", ".npz"}


def test_bars_and_enlarging_change_no_picture():
    frames = film()
    wide = on_canvas(frames, (128, 64), Placement(32, 0, 64, 64))
    assert np.array_equal(wide[:, :, 32:96], frames)
    assert (wide[:, :, :32] == 128).all()
    one, same = enlarged(frames[[0, 0]], 256)
    assert one.shape == (256, 256, 3)
    assert np.array_equal(one, same), "equal frames stay equal"
