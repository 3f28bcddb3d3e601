"""A case through an eye: each video is looked at once, and nobody spoils what was seen."""

import numpy as np

from wmeval.camera import View
from wmeval.perceive import track
from wmeval.registry import load_probe
from wmeval.seeds import scene_rng
from wmeval.trial import prepare


def test_a_video_is_looked_at_once_and_what_was_seen_stays():
    looked = []

    def eye(video, scene, view, times):
        looked.append(len(video))
        return track(video, scene, view, times)

    probe = load_probe("causality")
    case = probe.case(scene_rng("dev", probe.key, "iid", 0), "iid")
    trial = prepare(probe, case, View(), eye=eye)
    clean = trial.reference("oracle")
    assert len(looked) == len(case.arms) == 2
    assert trial.judge({arm: video.copy() for arm, video in trial.frames.items()}) == clean
    assert len(looked) == 2
    for arm, video in trial.frames.items():
        trial._seen(arm, video).position[:] = 0
    assert trial.reference("oracle") == clean
    trial.violated(max(probe.strengths), np.random.default_rng(0))
    assert 2 < len(looked) <= 4
