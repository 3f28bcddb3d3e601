"""Exported clips are what was rendered: PNG exactly, H.264 nearly, with the actions and tracks beside."""

import json

import numpy as np
from PIL import Image

from wmeval.seeds import scene_rng
from wmeval.world import clip, simulate
from wmeval.world.export import export
from wmeval_probes.suites.train import SPLIT


def test_both_kinds_hold_the_rendered_frames(tmp_path):
    import av

    lines = export(SPLIT, 2, tmp_path / "png", kind="png").read_text().splitlines()
    export(SPLIT, 2, tmp_path / "mp4", kind="mp4")
    for index, line in enumerate(map(json.loads, lines)):
        true = clip(simulate(SPLIT.scene(scene_rng("train", SPLIT.key, "iid", index))), SPLIT.view)
        png = np.stack(
            [np.asarray(Image.open(p)) for p in sorted((tmp_path / "png" / line["file"]).iterdir())]
        )
        assert np.array_equal(png, true.frames)
        assert np.array_equal(np.array(line["actions"]), true.actions)
        assert all(len(track) == len(true.frames) for track in line["tracks"].values())
        with av.open(str(tmp_path / "mp4" / f"{line['id']}.mp4")) as file:
            assert file.streams.video[0].average_rate == 10
            mp4 = np.stack([f.to_ndarray(format="rgb24") for f in file.decode(video=0)])
        assert mp4.shape == true.frames.shape
        assert np.abs(mp4.astype(int) - true.frames).mean() < 2


def test_captions_tell_no_outcome():
    from wmeval.caption import caption

    scene = SPLIT.scene(scene_rng("train", SPLIT.key, "iid", 5))
    assert caption(scene.bodies, scene.pushes).startswith("Seen from the side: a ")
