"""Tasks are Gymnasium environments: checked by gymnasium, vectorised, gone back in bit for bit."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from wmeval.errors import UsageError
from wmeval.registry import entries, load_task
from wmeval.world.env import TaskEnv, env_id

DRIVEN = [name for name in sorted(entries("tasks")) if load_task(name).drive]


@pytest.mark.parametrize("name", DRIVEN)
def test_gymnasium_finds_nothing_wrong(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make(env_id(name), obs="both", size=32, render_mode="rgb_array")
        check_env(env.unwrapped)
        env.close()


@pytest.mark.parametrize("obs", ["pixels", "state", "both"])
def test_what_is_observed_is_what_was_asked_for(obs):
    env = gymnasium.make(env_id("push"), obs=obs, tag="obstacle")
    seen, info = env.reset(options={"index": 3, "split": "eval"})
    assert info["context"].shape == (5, 64, 64, 3)
    made = env.unwrapped.instance
    task = env.unwrapped.task
    if obs != "state":
        pixels = seen["pixels"] if obs == "both" else seen
        assert pixels.dtype == np.uint8
        assert np.array_equal(pixels, info["context"][-1])
    if obs != "pixels":
        state = seen["state"] if obs == "both" else seen
        block, other = made.scene.moving
        assert state[[0, 4]] == pytest.approx([block.position[0], other.position[0]], abs=1e-3)
        assert state[-1] == pytest.approx(made.goal["x"], abs=1e-6)
    _, reward, terminated, truncated, info = env.step(np.ones(1, np.float32))
    now = env.unwrapped.live.poses_at(np.array([env.unwrapped.live.tick]))[0][0, 0, 0]
    assert reward == -info["cost"]
    assert info["cost"] == pytest.approx(1.3 * abs(now - made.goal["x"]))  # of one moment: no pace
    assert not terminated
    assert not truncated
    count = 1
    while not truncated:
        truncated = env.step(np.zeros(1, np.float32))[3]
        count += 1
    assert count == task.decisions(made)
    with pytest.raises(UsageError, match="over after 12 decisions"):
        env.step(np.zeros(1, np.float32))
    env.close()


@pytest.mark.parametrize("name", DRIVEN)
def test_a_hundred_restored_branches_are_the_same_bit_for_bit(name):
    env = TaskEnv(name, obs="state")
    rng = np.random.default_rng(1)
    env.reset(options={"index": 0})
    if env.task.decisions(env.instance) > 2:
        env.step(rng.uniform(-1, 1, env.drive.size))
    here = env.save_state()
    action = rng.uniform(-1, 1, env.drive.size)
    wanted, reward, *_ = env.step(action)
    exact = env.live.truth().position
    there = env.save_state()
    for branch in range(100):
        if branch % 5 == 0:
            env.restore_state(here)
            env.step(rng.uniform(-1, 1, env.drive.size))
        env.restore_state(here)
        again, same, *_ = env.step(action)
        assert np.array_equal(again, wanted)
        assert same == reward
        assert np.array_equal(env.live.truth().position, exact)
    env.restore_state(here)
    ahead, info = env.restore_state(there)  # forth as well as back
    assert np.array_equal(ahead, wanted)
    assert -info["cost"] == reward
    env.reset()
    with pytest.raises(UsageError, match="another episode"):
        env.restore_state(here)
    env.close()


def test_a_single_decision_ends_the_episode():
    env = TaskEnv("topple", obs="state")
    env.reset(options={"index": 1})
    _, _, terminated, truncated, _ = env.step(np.zeros(2))
    assert terminated
    assert not truncated


def test_the_same_seed_begins_the_same_episode_and_a_vector_of_them_runs():
    envs = gymnasium.make_vec(
        env_id("steer"), num_envs=2, vectorization_mode="sync", obs="state", split="train"
    )
    one, info = envs.reset(seed=7)
    two, _ = envs.reset(seed=7)
    assert np.array_equal(one, two)
    assert info["instance"][0] != info["instance"][1]
    _, rewards, *_ = envs.step(np.zeros(envs.action_space.shape, np.float32))
    assert rewards.shape == (2,)
    assert (rewards < 0).all()
    envs.close()


@pytest.mark.parametrize(
    ("action", "told"), [([1.5], "from -1 to 1"), ([np.nan], "finite"), ([0.1, 0.1], "1 finite numbers")]
)
def test_a_wrong_action_is_a_sentence(action, told):
    env = TaskEnv("push", obs="state")
    env.reset(options={"index": 0})
    with pytest.raises(UsageError, match=told):
        env.step(np.array(action))
    env.close()


def test_a_wrong_wish_is_a_sentence():
    with pytest.raises(UsageError, match="nothing to steer"):
        TaskEnv("keep")
    with pytest.raises(UsageError, match="obs was given as 'sound'"):
        TaskEnv("push", obs="sound")
    env = TaskEnv("push", obs="state")
    with pytest.raises(UsageError, match="no episode has begun"):
        env.step(np.zeros(1))
    with pytest.raises(UsageError, match="no options"):
        env.reset(options={"indx": 1})
    with pytest.raises(UsageError, match="tag was given as 'crowd'"):
        env.reset(options={"tag": "crowd"})
    with pytest.raises(UsageError, match="index"):
        env.reset(options={"index": -1})
