"""Breakout by a script, and a diamond in the published layout with untrained weights: does the command work?

What such a model predicts is nothing; these tests hold the way from the emulator to the numbers.
"""

import numpy as np
import pytest
import torch

from wmeval import run
from wmeval.errors import UsageError
from wmeval.own.sources import recordings
from wmeval_adapters.diamond.inner import Denoiser, Layout
from wmeval_adapters.diamond.reward_end import RewardEnd
from wmeval_adapters.diamond.unet import Shape

GAME = "gym:ALE/Breakout-v5?episodes=2&frames=20"


def untrained(path, actions):
    """Write a tiny Atari agent of random weights at 64 px."""
    torch.manual_seed(0)
    denoiser = Denoiser(Layout(Shape(32, (1, 1, 1, 1), (16,) * 4, (False,) * 4), 4, actions))
    rewards = RewardEnd(Shape(16, (1, 1, 1, 1), (8,) * 4, (False,) * 4), actions, 64, 16)
    tensors = {}
    for name, part in (("denoiser", denoiser), ("rew_end_model", rewards)):
        for key, value in part.state_dict().items():
            tensors[f"{name}.{key}"] = 0.05 * torch.randn(value.shape)
    torch.save(tensors, path)
    return path


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    file = tmp_path_factory.mktemp("suite") / "mini.py"
    file.write_text(
        "from wmeval.suite import Suite\n\nSUITE = Suite('mini', '0.1', ('gravity',), ('psnr',), 2)\n"
    )
    return str(file)


def test_a_script_plays_the_same_game_twice():
    one, two = recordings(GAME), recordings(GAME)
    assert one.digest == two.digest != recordings(GAME + "&seed=1").digest
    first, second = one.episodes
    assert (one.fps, one.size, first.frames.shape[0]) == (15.0, (210, 160), 20)
    assert not np.array_equal(first.frames, second.frames)
    assert set(np.unique(np.concatenate([first.actions, second.actions]))) <= {0, 1, 2, 3}
    assert first.rewards.shape == first.ends.shape == (19,)
    assert (first.frames[1:] != first.frames[:-1]).any()
    assert len(recordings(GAME, 1).episodes) == 1


def test_frames_are_the_maximum_of_the_last_two_of_four():
    """Stepped again by hand, from the actions that were recorded."""
    import hashlib

    import ale_py
    import gymnasium

    gymnasium.register_envs(ale_py)
    game = gymnasium.make(
        "ALE/Breakout-v5", frameskip=1, repeat_action_probability=0.0, full_action_space=False
    )
    (one,) = recordings(GAME, 1).episodes
    seed = int.from_bytes(hashlib.sha256(b"own|gym|ALE/Breakout-v5|0|0").digest()[:16], "big")
    rng = np.random.Generator(np.random.PCG64(seed))
    frame, _ = game.reset(seed=int(rng.integers(1 << 31)))
    for _ in range(int(rng.integers(31))):
        frame, *_ = game.step(0)
    np.testing.assert_array_equal(one.frames[0], frame)
    for t, action in enumerate(one.actions[:6, 0]):
        held = [game.step(int(action))[0] for _ in range(4)]
        np.testing.assert_array_equal(one.frames[t + 1], np.maximum(held[2], held[3]))
    game.close()


def test_an_untrained_diamond_is_asked_about_breakout(suite, tmp_path):
    weights = untrained(tmp_path / "UntrainedBreakout.pt", 4)
    done = run("diamond", suite=suite, weights=weights, truth=GAME, out=tmp_path / "run")
    results, own = done.results, done.results["own"]
    assert (results["failed"], results["complete"], results["scores"]) == (0, True, [])
    assert own["truth"]["recorded_size"] == [210, 160]
    assert own["truth"]["size"] == [64, 64]
    assert len(own["drift"][0]["curve"]) == 12
    assert own["drift"][0]["at"][0]["value"] < own["drift"][0]["at"][0]["rows"]["freeze"]  # it knows nothing
    assert own["actions"]["value"] is not None
    assert own["actions"]["reason"] == "n = 2: no interval below n = 8"
    assert own["surprise"]["windows"] == 2
    assert {r["name"] for r in own["reward"]["rows"]} >= {"no reward", "no end"}
    assert own["pace"]["how"] == "steps"
    assert [r["fps"] for r in own["pace"]["real_time"]] == [20.0, 15.0]


def test_a_checkpoint_of_another_game_is_refused(suite, tmp_path):
    weights = untrained(tmp_path / "Untrained.pt", 3)
    with pytest.raises(UsageError, match="choices 0 to 2"):
        run("diamond", suite=suite, weights=weights, truth=GAME, out=tmp_path / "run")


def test_a_game_that_there_is_not_is_told():
    with pytest.raises(UsageError, match="gymnasium cannot make"):
        recordings("gym:ALE/Nothing-v5")
