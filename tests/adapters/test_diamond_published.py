"""Published DIAMOND: names and shapes of all tensors, and tiny random checkpoints in that layout.

No published weights were loaded here.
"""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from wmeval.camera import View
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.model import Clip, Generates, Observation, PredictsReward, Scores, Steps
from wmeval_adapters import diamond
from wmeval_adapters.diamond.inner import Denoiser, Layout, atari, byte, csgo
from wmeval_adapters.diamond.reward_end import RewardEnd
from wmeval_adapters.diamond.unet import Shape

MANIFESTS = Path(__file__).parent / "manifests"
SMALL = Shape(32, (1, 1), (16, 16), (False, False))
ACTIONS = 3


def named(prefix, model):
    return {f"{prefix}.{k}": v for k, v in model.state_dict().items()}


def filled(model, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in model.state_dict().values():
            value.copy_(0.2 * torch.randn(value.shape, generator=generator))
    return model


@pytest.mark.parametrize("which", ["diamond_atari_A4", "diamond_csgo"])
def test_every_name_and_shape_is_as_published(which):
    wanted = json.loads((MANIFESTS / f"{which}.json").read_text())
    with torch.device("meta"):
        if which == "diamond_csgo":
            low, high = csgo()
            own = named("denoiser", Denoiser(low)) | named("upsampler", Denoiser(high))
        else:
            rewards = RewardEnd(Shape(128, (2,) * 4, (32,) * 4, (False,) * 4), 4, 64, 512)
            own = named("denoiser", Denoiser(atari(4))) | named("rew_end_model", rewards)
    assert {k: list(v.shape) for k, v in own.items()} == wanted["keys"]
    assert sum(math.prod(v.shape) for v in own.values()) == wanted["total_elements"]


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    """A tiny Atari agent of 16 px, with a policy that is left out."""
    path = tmp_path_factory.mktemp("atari") / "Tiny.pt"
    rewards = RewardEnd(Shape(16, (1, 1), (8, 8), (False, False)), ACTIONS, 16, 12)
    tensors = named("denoiser", filled(Denoiser(Layout(SMALL, 4, ACTIONS)))) | named(
        "rew_end_model", filled(rewards, 1)
    )
    torch.save({**tensors, "actor_critic.lstm.weight": torch.zeros(2)}, path)
    return path


@pytest.fixture(scope="module")
def model(agent):
    return diamond.ADAPTER.load(agent, "cpu", {})


def seen(count, length, size=16, seed=0):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (count, length, size, size, 3), dtype=np.uint8)
    return frames, rng.integers(0, ACTIONS, (count, length - 1, 1)).astype(np.float64)


def observed(count=2, shown=5, horizon=3, seed=0):
    frames, actions = seen(count, shown + horizon, seed=seed)
    return [
        Observation(f[:shown], 15.0, a, horizon, "", np.eye(3), native=True)
        for f, a in zip(frames, actions, strict=True)
    ]


def test_a_checkpoint_says_what_it_is(agent, model):
    card = diamond.ADAPTER.completed(agent, {})
    assert card == model.card
    assert (card.view, card.actions.size, card.context[0]) == (View(15.0, 16, 16), ACTIONS, 4)
    assert card.actions.fidelity == "none"
    assert card.parameters == sum(
        p.numel() for m in (model.parts.denoiser, model.parts.reward_end) for p in m.parameters()
    )
    assert all(isinstance(model, kind) for kind in (Generates, Steps, Scores, PredictsReward))


def test_frames_follow_seeds_and_batches_agree(model):
    batch = observed()
    first, again = (model.generate(batch, [1, 2]) for _ in range(2))
    other = model.generate(batch, [3, 2])
    for a, b in zip(first, again, strict=True):
        assert a.frames.shape == (3, 16, 16, 3)
        assert np.array_equal(a.frames, b.frames)
    assert not np.array_equal(first[0].frames, other[0].frames)
    alone = model.generate(batch[:1], [1])[0].frames[0].astype(int)
    assert np.abs(alone - first[0].frames[0]).mean() < 1


def test_an_action_acts_on_the_frame_after_it(model):
    (one,) = observed(1)
    before = model.generate([one], [0])[0].frames
    for j in range(3):
        actions = one.actions.copy()
        actions[4 + j] = (actions[4 + j] + 1) % ACTIONS
        after = model.generate([replace(one, actions=actions)], [0])[0].frames
        assert np.array_equal(before[:j], after[:j])
        assert not np.array_equal(before[j], after[j])


def test_the_denoiser_is_told_the_last_frames_and_actions_in_order(model, monkeypatch):
    (one,) = observed(1)
    told = []
    whole = Denoiser.rounded

    def spy(self, x, sigma, past, actions, level=None):
        told.append((past.clone(), actions.clone()))
        return whole(self, x, sigma, past, actions, level)

    monkeypatch.setattr(Denoiser, "rounded", spy)
    model.generate([one], [0])
    past, actions = told[0]
    wanted = torch.from_numpy(one.frames[-4:]).movedim(-1, 1).float() / 127.5 - 1
    assert torch.allclose(past[0], wanted)
    assert actions[0].tolist() == one.actions[1:5, 0].tolist()
    assert told[3][1][0].tolist() == one.actions[2:6, 0].tolist()


def test_later_frames_change_no_earlier_surprise(model):
    frames, actions = seen(1, 8)
    changed = frames.copy()
    changed[:, 6:] = 255 - changed[:, 6:]
    before, after = (
        model.score([Clip(f[0], 15.0, actions[0], native=True)])[0].surprise for f in (frames, changed)
    )
    assert np.isnan(before[:4]).all()
    assert np.isfinite(before[4:]).all()
    assert np.array_equal(before[:6], after[:6], equal_nan=True)
    assert not np.allclose(before[6:], after[6:])


def test_rewards_are_signs_and_ends_probabilities_that_know_no_future(model):
    frames, actions = seen(2, 6)
    clips = [Clip(f, 15.0, a, native=True) for f, a in zip(frames, actions, strict=True)]
    (sign, end), _ = model.rewards(clips)
    assert sign.shape == end.shape == (5,)
    assert (np.abs(sign) <= 1).all()
    assert ((end > 0) & (end < 1)).all()
    later = clips[0].frames.copy()
    later[5:] = 0
    np.testing.assert_allclose(
        model.rewards([replace(clips[0], frames=later)])[0][0][:4], sign[:4], rtol=1e-4
    )


def test_stepping_gives_the_generated_frames(model):
    batch = observed()
    frames, state = model.generate(batch, [1, 2]), model.reset(batch, [1, 2])
    for t in range(3):
        state, told = model.step(state, np.stack([o.actions[4 + t] for o in batch]))
        assert all(np.array_equal(told[i], frames[i].frames[t]) for i in range(2))


def test_scene_actions_are_action_zero(model):
    (one,) = observed(1)
    scene = replace(one, actions=np.full((7, 12), 50.0), native=False)
    zero = replace(one, actions=np.zeros((7, 1)))
    assert np.array_equal(model.generate([scene], [0])[0].frames, model.generate([zero], [0])[0].frames)


def test_pictures_are_cut_to_bytes():
    x = torch.tensor([-2.0, 0.1, 2.0])
    assert torch.allclose(byte(x), torch.tensor([-1.0, 140 / 255 * 2 - 1, 1.0]))


def test_csgo_makes_small_frames_large(tmp_path):
    low = Layout(SMALL, 4, 5, multi_hot=True, noisy_past=True, offset=0.1)
    halved = Shape(32, (1,) * 5, (8,) * 5, (False,) * 5)  # so that attention in the middle is short
    high = replace(low, unet=halved, past=1, actions=None, multi_hot=False, upsampler=True)
    path = tmp_path / "csgo.pt"
    torch.save(named("denoiser", filled(Denoiser(low))) | named("upsampler", filled(Denoiser(high), 1)), path)
    model = diamond.ADAPTER.load(path, "cpu", {})
    assert model.card.view == View(15.0, 150, 280)
    assert model.card.actions.kind == "multi-binary"
    assert not model.card.capabilities & {"predicts-reward", "trains"}
    rng = np.random.default_rng(0)
    one = Observation(
        rng.integers(0, 256, (4, 150, 280, 3), dtype=np.uint8), 15.0,
        rng.integers(0, 2, (4, 5)).astype(np.float64), 1, "", np.eye(3), native=True,
    )  # fmt: skip
    frames = model.generate([one], [0])[0].frames
    assert frames.shape == (1, 150, 280, 3)
    with pytest.raises(UsageError, match="no reward model"):
        model.rewards([Clip(one.frames, 15.0, one.actions[:3], native=True)])


def test_what_is_no_checkpoint_is_told_in_a_sentence(agent, tmp_path):
    class Code:
        def __reduce__(self):
            return print, ("run",)

    whole = torch.load(agent, weights_only=True)
    cases = {
        "code.pt": ({"denoiser.x": Code()}, "never run"),
        "other.pt": ({"encoder.x": torch.zeros(1)}, "is of none of"),
        "less.pt": ({k: v for k, v in whole.items() if "conv_out" not in k}, "not as published"),
        "empty.pt": ({"actor_critic.x": torch.zeros(1)}, "no tensor `denoiser"),
        "nan.pt": ({**whole, "denoiser.inner_model.conv_in.bias": torch.full((16,), math.nan)}, "finite"),
    }
    for name, (content, told) in cases.items():
        torch.save(content, tmp_path / name)
        with pytest.raises(UsageError, match=told):
            diamond.ADAPTER.load(tmp_path / name, "cpu", {})
    with pytest.raises(EnvironmentFault, match="download it"):
        diamond.ADAPTER.load(tmp_path / "none.pt", "cpu", {})


def test_actions_that_it_does_not_know_are_told_in_a_sentence(model):
    (one,) = observed(1)
    for actions, told in ((np.full((7, 1), 9.0), "knows 0 to 2"), (np.zeros((7, 2)), "takes 1")):
        with pytest.raises(UsageError, match=told):
            model.generate([replace(one, actions=actions)], [0])
    with pytest.raises(UsageError, match="looks at 4"):
        model.generate([replace(one, frames=one.frames[:2])], [0])


def test_it_keeps_the_contract(tmp_path):
    from wmeval.check_adapter import findings

    path = tmp_path / "Tiny64.pt"
    torch.save(named("denoiser", filled(Denoiser(Layout(SMALL, 4, ACTIONS)))), path)
    assert [f.sentence for f in findings(diamond.ADAPTER.load(path, "cpu", {})) if not f.ok] == []
