"""Recordings are read from each of their sources, and what is malformed is told in a sentence."""

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.model import ActionSpace, Card
from wmeval.own.ask import backwards, judged
from wmeval.own.episode import Episode, Recordings
from wmeval.own.fit import fitted, resized
from wmeval.own.gym_env import played
from wmeval.own.sources import recordings
from wmeval.own.windows import frames_shown, swapped, windows


def arrays(count=12, size=16, width=1, seed=0):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return {"frames": frames, "actions": rng.integers(0, 3, (count - 1, width)).astype(float), "fps": 15.0}


def episode(name="a", **how):
    return Episode(name, **arrays(**how))


def card(kind="discrete", size=3, **more):
    about = {"context": (2, 8), "horizon": None, **more}
    return Card("it", "test", "1", "x", "here", frozenset({"generates"}), View(15.0, 16, 16),
                actions=ActionSpace(kind, size), classes=("clip", "never"), **about)  # fmt: skip


def test_a_folder_of_npz_is_read_as_it_was_written(tmp_path):
    wanted = arrays()
    more = {"rewards": np.arange(11.0), "ends": np.arange(11) == 10}
    np.savez_compressed(tmp_path / "b.npz", **wanted, **more)
    np.savez(tmp_path / "a.npz", **{**wanted, "actions": wanted["actions"][:, 0]})
    got = recordings(str(tmp_path))
    assert [e.name for e in got.episodes] == ["a", "b"]
    for one in got.episodes:
        np.testing.assert_array_equal(one.frames, wanted["frames"])
        np.testing.assert_array_equal(one.actions, wanted["actions"])
    assert got.episodes[1].ends.tolist() == [False] * 10 + [True]
    assert (got.space, got.fps, got.size, got.width) == ("native", 15.0, (16, 16), 1)
    assert len(recordings(str(tmp_path), 1).episodes) == 1


def test_hdf5_holds_the_same_recordings(tmp_path):
    wanted = arrays(width=2)
    folder = tmp_path / "npz"
    folder.mkdir()
    np.savez(folder / "one.npz", **wanted)
    with h5py.File(tmp_path / "it.h5", "w") as file:
        file.attrs["fps"] = 15.0
        group = file.create_group("one")
        group.create_dataset("frames", data=wanted["frames"], compression="gzip")
        group["actions"] = wanted["actions"]
    assert recordings(str(tmp_path / "it.h5")).digest == recordings(str(folder)).digest


def test_a_video_with_a_table_is_an_episode(tmp_path):
    import av

    frames = np.zeros((10, 32, 32, 3), np.uint8)
    frames[:, 8:24, 8:24] = 20 * np.arange(10, dtype=np.uint8)[:, None, None, None]
    with av.open(str(tmp_path / "v.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"crf": "0"})
        stream.width = stream.height = 32
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode())
    rows = "".join(f"{t % 3},{t},{int(t == 8)}\n" for t in range(9))
    (tmp_path / "v.actions.csv").write_text("action0,reward,end\n" + rows)
    (one,) = recordings(str(tmp_path)).episodes
    assert (len(one.frames), one.fps) == (10, 10.0)
    assert np.abs(one.frames.astype(int) - frames).mean() < 3
    assert one.actions[:, 0].tolist() == [t % 3 for t in range(9)]
    assert one.rewards.tolist() == list(range(9))
    assert one.ends.tolist() == [False] * 8 + [True]


BAD = {
    "shape": ({"actions": np.zeros((5, 1))}, r"actions \(5, 1\).*one action between"),
    "pickle": ({"actions": np.array([{}] * 11, object)}, "object"),
    "float frames": ({"frames": np.zeros((12, 16, 16, 3))}, "uint8"),
    "nan": ({"actions": np.full((11, 1), np.nan)}, "NaN"),
    "unknown": ({"state": np.zeros(3)}, "holds 'state'"),
    "space": ({"space": np.array("mine")}, "space 'mine'"),
    "scene": ({"space": np.array("scene")}, "12"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_episode_is_told(tmp_path, name):
    change, told = BAD[name]
    np.savez(tmp_path / "a.npz", **{**arrays(), **change})
    with pytest.raises(UsageError, match=told):
        recordings(str(tmp_path))


def test_what_is_no_truth_is_told(tmp_path):
    with pytest.raises(UsageError, match="nothing is there"):
        recordings(str(tmp_path / "no"))
    with pytest.raises(UsageError, match="holds no episode"):
        recordings(str(tmp_path))
    (tmp_path / "x.h5").write_bytes(b"no")
    with pytest.raises(UsageError, match="no HDF5 file"):
        recordings(str(tmp_path / "x.h5"))
    (tmp_path / "a.npz").write_bytes(b"PK no")
    with pytest.raises(UsageError, match="damaged"):
        recordings(str(tmp_path))
    with pytest.raises(UsageError, match="differ in this"):
        Recordings("it", (episode("a"), episode("b", size=32)))


def test_hdf5_follows_no_link_out_of_the_file(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_group("one")["frames"] = arrays()["frames"]
    with h5py.File(tmp_path / "it.h5", "w") as file:
        file["one"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/one")
    with pytest.raises(UsageError, match="is a link"):
        recordings(str(tmp_path / "it.h5"))


def test_actions_that_a_model_does_not_know_are_refused():
    given = Recordings("it", (episode(),))
    view = View(15.0, 16, 16)
    assert fitted(given, card(), view).native
    for kind, size, told in (
        ("discrete", 2, "choices 0 to 1"), ("continuous", 4, "4 numbers a step; it has 1"),
        ("latent", 8, "nothing recorded tells"), ("multi-binary", 1, "zeros and ones"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=told):
            fitted(given, card(kind, size), view)
    blind = fitted(given, card("none", 0), view)
    assert (blind.acts, blind.native, blind.recordings.width) == (False, False, 12)
    scene = Recordings("it", (episode(width=12),), "scene")
    assert not fitted(scene, card("latent", 8), view).native


def test_another_size_and_rate_are_told():
    fit = fitted(Recordings("it", (episode(size=32),)), card(), View(10.0, 16, 8))
    assert fit.recordings.size == (16, 8)
    assert any(n.startswith("WARNING: recorded at 15 frames") for n in fit.notes)
    assert any("32 x 32 to 8 x 16 px, which changes the aspect" in n for n in fit.notes)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_resizing_by_area_keeps_the_mean_and_whole_blocks(height, width, side, seed):
    frames = np.random.default_rng(seed).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    assert abs(resized(frames, side, side).mean() - frames.mean()) <= 0.5
    big = frames.repeat(3, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(resized(big, height, width), frames)


@given(st.integers(2, 60), st.integers(1, 8), st.integers(1, 20))
def test_windows_do_not_overlap_and_are_as_the_episode(count, shown, ahead):
    one = episode(count=count, size=1)
    made = windows([one], shown, ahead, True)
    assert bool(made) == (count > shown)
    end = 0
    for window in made:
        assert window.start >= end
        end = window.start + len(window.frames)
        assert end <= count
        np.testing.assert_array_equal(window.frames, one.frames[window.start : end])
        np.testing.assert_array_equal(window.actions, one.actions[window.start : end - 1])
    assert len({w.ahead for w in made}) <= 1


def test_a_window_is_named_by_its_content():
    one, two = windows([episode(seed=1)], 2, 4, True)
    (again, _) = windows([episode("other", seed=1)], 2, 4, True)
    assert one.id == again.id != two.id


def test_another_players_actions_come_from_another_episode():
    every = windows([episode("a", seed=1), episode("b", seed=2)], 2, 4, True)
    np.testing.assert_array_equal(swapped(every, 0), every[2].actions[1:])
    assert swapped(every[:2], 0) is None


def test_backwards_holds_the_same_steps_in_the_same_places():
    (window,) = windows([episode(count=12)], 2, 10, True)
    clip, (first, last) = judged(window)
    back = backwards(clip)
    steps = {(t, clip.frames[t - 1].tobytes(), clip.frames[t].tobytes()) for t in range(first, last)}
    length = len(clip.frames)
    mirrored = {
        (length - t, back.frames[t].tobytes(), back.frames[t - 1].tobytes()) for t in range(first, last)
    }
    assert steps == mirrored
    assert min(first, length - last) >= 2 - 1


def test_a_context_keeps_to_the_steps_of_a_model():
    assert frames_shown(card(context=(1, 64))) == 8
    assert frames_shown(card(context=(4, 4))) == 4
    assert frames_shown(card(context=(1, 64), context_step=4)) == 5
    assert frames_shown(card(context=(9, 64))) == 9


def test_a_spec_of_gym_says_how_much_is_played():
    assert played("gym:ALE/Pong-v5?frames=30&seed=2").frames == 30
    for bad in ("gym:", "gym:X?frames=1", "gym:X?speed=3", "gym:X?episodes=many"):
        with pytest.raises(UsageError, match="expected"):
            played(bad)
