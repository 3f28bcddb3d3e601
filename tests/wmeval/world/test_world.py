"""The world's promises: same bytes every time, pictures where the camera says, edits that keep the past."""

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wmeval.camera import Camera, View
from wmeval.scene import (
    Body,
    Case,
    Hidden,
    Push,
    Scene,
    ball,
    box,
    floor,
    occluder,
    scene_from_json,
    side_camera,
)
from wmeval.seeds import canonical_json, scene_rng
from wmeval.world import (
    absent,
    clip,
    distances,
    exact_tracks,
    make_futures,
    observe,
    render,
    resume,
    simulate,
)
from wmeval.world.dataset import sample
from wmeval.world.simulate import simulate as run
from wmeval_probes.suites.train import SPLIT

HASH = """
import hashlib
from wmeval.seeds import scene_rng
from wmeval.world import render, simulate
from wmeval_probes.suites.train import SPLIT
truth = simulate(SPLIT.scene(scene_rng("train", SPLIT.key, "iid", 3)))
pictures = render(truth, SPLIT.view)
print(hashlib.sha256(truth.position.tobytes() + truth.spin.tobytes() + pictures.frames.tobytes()).hexdigest())
"""


def two_bodies(**more):
    given_ = {"profile": "impact", "duration_s": 2.0, "cut_s": 0.5, "needs_s": 0.3, **more}
    return Scene(
        (
            floor(restitution=1.0),
            ball("a", radius=0.3, position=(-1, 0, 2), hue="red", velocity=(0.8, 0, 0), restitution=0.7),
            box("b", half=(0.3, 0.3, 0.3), position=(1, 0, 0.3), hue="blue"),
        ),
        side_camera(),
        **given_,
    )


def test_same_seed_same_bytes_in_this_process_and_in_two_others_at_once():
    def elsewhere(_):
        return subprocess.run(
            [sys.executable, "-c", HASH], capture_output=True, text=True, check=True
        ).stdout.strip()

    truth = simulate(SPLIT.scene(scene_rng("train", SPLIT.key, "iid", 3)))
    pictures = render(truth, SPLIT.view)
    simulate(two_bodies())  # another scene in between leaves no trace
    again = simulate(truth.scene)
    here = hashlib.sha256(
        again.position.tobytes() + again.spin.tobytes() + pictures.frames.tobytes()
    ).hexdigest()
    with ThreadPoolExecutor(2) as pool:
        assert [here, here] == list(pool.map(elsewhere, range(2)))


def test_scene_survives_json_and_rounds_what_is_drawn():
    scene = two_bodies(hidden=(Hidden("a.restitution", 0.1 + 0.2, 0.9),))
    assert scene_from_json(scene.to_json()) == scene
    assert scene_from_json(scene.to_json()).digest == scene.digest
    assert scene.hidden[0].low == 0.3
    assert "0.30000000000000004" not in canonical_json(scene.to_json())


def test_case_id_ignores_provenance():
    scene = two_bodies()
    assert Case({"main": scene}, {"index": 1}).case_id == Case({"main": scene}, {"index": 2}).case_id


def test_splits_are_disjoint_by_construction():
    drawn = {
        split: {scene_rng(split, "gravity@0.1", "iid", i).bytes(16) for i in range(200)}
        for split in ("eval", "dev", "train")
    }
    assert len(drawn["eval"] | drawn["dev"] | drawn["train"]) == 600
    with pytest.raises(ValueError, match="secret"):
        scene_rng("hidden", "gravity@0.1", "iid", 0)
    hidden = scene_rng("hidden", "gravity@0.1", "iid", 0, secret=b"x" * 32).bytes(16)
    assert hidden not in drawn["eval"]


@pytest.mark.parametrize("size", [64, 128, 256])
def test_bodies_are_drawn_where_the_camera_projects_them(size):
    view = View(height=size, width=size, supersample=1)
    misses = []
    for x, z in [(-1.3, 3.1), (0.02, 1.9), (0.7, 0.9), (1.4, 2.7)]:
        one = ball("a", radius=0.35, position=(x, 0, z), hue="red")
        scene = Scene((one,), side_camera(), 0.5, 0.1, 0.1, "flight", gravity=0.0)
        pictures = render(simulate(scene), view, np.array([0.0]))
        v, u = np.nonzero(pictures.bodies[0] == 1)
        pixel, _ = scene.camera.project(np.array([x, 0, z]), 0.0, view)
        misses.append([u.mean() + 0.5 - pixel[0], v.mean() + 0.5 - pixel[1]])
    assert np.abs(np.mean(misses, 0)).max() < 0.12  # a half-pixel convention error would read 0.5


def test_frames_do_not_depend_on_other_frames_and_any_rate_is_possible():
    truth = simulate(two_bodies())
    alone = render(truth, View(fps=10), np.array([0.7])).frames[0]
    assert np.array_equal(alone, render(truth, View(fps=10)).frames[7])
    assert len(render(truth, View(fps=24, height=32, width=48)).frames) == 49


def test_depth_is_in_metres():
    pictures = render(simulate(two_bodies()), View(supersample=1), np.array([0.0]))
    on_box = pictures.bodies[0] == 2
    assert np.median(pictures.depth[0][on_box]) == pytest.approx(14.0 - 0.3, abs=0.05)


@settings(max_examples=40, deadline=None)
@given(st.floats(-2, 2), st.floats(-0.2, 4), st.floats(0, 3))
def test_unprojecting_a_projection_returns_the_point(x, z, t):
    camera = Camera((0, -14, 2), (0.2, 0, 1.5), 20.0, path=((2.0, (1, -13, 2.5), (0, 0, 1.9)),))
    view = View(height=96, width=64)
    pixel, depth = camera.project(np.array([x, 0.5, z]), t, view)
    assert depth > 0
    assert camera.on_plane(pixel, t, view, y=0.5) == pytest.approx([x, 0.5, z], abs=1e-9)


def test_visibility_agrees_with_what_is_drawn():
    screen = occluder("screen", half=(0.5, 0.05, 0.9), position=(0, -1, 0.9))
    one = ball("a", radius=0.35, position=(-1.6, 0, 0.8), hue="red", velocity=(1, 0, 0))
    scene = Scene((floor(), screen, one), side_camera(), 3.0, 0.3, 0.3, "flight", gravity=0.0)
    truth, view = simulate(scene), View(height=128, width=128)
    drawn = (render(truth, view).bodies == 1).sum((1, 2))
    tracks = exact_tracks(truth, view)
    assert np.abs(drawn / drawn.max() - tracks.visible[:, 0]).max() < 0.08
    hidden = tracks.visible[:, 0] < 0.1
    assert hidden.any()
    assert np.isnan(tracks.position[hidden]).all()
    assert not tracks.found[hidden].any()


def test_observation_ends_at_the_cut_and_carries_no_truth():
    scene = two_bodies(pushes=(Push("b", 1.0, 1.0, impulse=(3, 0, 0)),), actuated="b")
    truth, view = simulate(scene), View()
    seen, whole = observe(truth, view, 1.0), clip(truth, view)
    assert seen.frames.shape == (6, 64, 64, 3)
    assert seen.horizon == 10
    assert seen.actions.shape == (15, 12)
    assert seen.actions[10, 0] == 3.0
    assert np.count_nonzero(seen.actions) == 1
    assert np.array_equal(seen.frames, whole.frames[:6])
    fields = {"frames", "fps", "actions", "horizon", "caption", "intrinsics", "native"}
    assert set(vars(seen)) == fields
    assert not seen.native


def test_resume_keeps_the_past_and_goes_on_lawfully():
    truth = simulate(two_bodies())
    edited = resume(truth, 0.2, velocity={"a": (0.0, 0.0, 2.0)}, gravity=4.0)
    assert np.array_equal(edited.position[:48], truth.position[:48])
    t = np.arange(60) / 240
    z = truth.position[48, 0, 2] + 2 * t - 4 * t**2 / 2
    assert np.abs(edited.position[48:108, 0, 2] - z).max() < 1e-9
    untouched = resume(truth, 0.2)
    assert np.abs(untouched.position - truth.position).max() < 1e-9
    gone = resume(truth, 0.2, remove=["a"])
    assert np.isnan(gone.position[48:, 0]).all()
    assert np.isfinite(gone.position[:, 1]).all()
    with pytest.raises(KeyError, match="no moving body 'floor'"):
        resume(truth, 0.2, remove=["floor"])


def test_an_absent_body_is_not_drawn_and_comes_back():
    truth = absent(simulate(two_bodies()), "a", 0.5, 1.0)
    drawn = (render(truth, View()).bodies == 1).any((1, 2))
    assert drawn[:5].all()
    assert not drawn[5:10].any()
    assert drawn[10:].any()


def test_distances_are_signed_and_symmetric():
    scene = two_bodies()
    upright = np.tile([0.0, 0.0, 0.0, 1.0], (2, 2, 1))
    position = np.array([[[0, 0, 0.25], [2, 0, 0.3]], [[0.55, 0, 0.3], [1, 0, 0.3]]], dtype=float)
    d = distances(scene, position, upright)
    assert d[0, 0, 0] == pytest.approx(-0.05, abs=1e-6)  # 5 cm into the floor
    assert d[1, 0, 2] == pytest.approx(1 - 0.3 - 0.55 - 0.3, abs=1e-3)
    assert d[1, 0, 2] == d[1, 1, 1]
    position[1, 0] = np.nan
    assert np.isinf(distances(scene, position, upright)[1, 1, 1])


def test_futures_are_the_same_every_time_and_spread_what_is_hidden():
    scene = two_bodies(hidden=(Hidden("a.restitution", 0.2, 0.9),))
    futures = make_futures(scene, 4)
    again = make_futures(scene, 4)
    assert all(np.array_equal(f.position, g.position) for f, g in zip(futures, again, strict=True))
    heights = np.array([f.position[10, 0, 2] for f in futures])
    known = np.array([f.position[10, 0, 2] for f in make_futures(two_bodies(), 4)])
    assert heights.std() > 3 * known.std()


def test_scenes_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="needs a hue"):
        Body("a", "sphere", (0.2,), (0, 0, 0), mass=1.0)
    with pytest.raises(ValueError, match="told apart by hue"):
        Scene(
            tuple(ball(n, radius=0.2, position=(i, 0, 1), hue="red") for i, n in enumerate("ab")),
            side_camera(), 1.0, 0.5, 0.5, "flight",
        )  # fmt: skip
    with pytest.raises(ValueError, match="cut_s"):
        two_bodies(cut_s=3.0)
    with pytest.raises(ValueError, match="rest profile cannot bounce"):
        run(two_bodies(profile="rest"))


@pytest.mark.parametrize("index", range(4))
def test_training_clips_have_the_layout_they_promise(index):
    made = sample(SPLIT, index, SPLIT.view)
    assert made["frames"].shape == (40, 64, 64, 3)
    assert made["actions"].shape == (39, 12)
    present = np.isfinite(made["state"][0, :, 0])
    drawn = {int(s) for s in np.unique(made["bodies"]) if s}
    assert drawn <= {int(i) + 1 for i in np.flatnonzero(present)}
    assert (made["contacts"] >= 0).all()
    assert np.isfinite(made["state"][:, present]).all()
