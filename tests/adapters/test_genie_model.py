"""genie at the boundary: causality, seeds, batches, files; with random weights and with the shipped ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wmeval.camera import View
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.model import Clip, Generates, Observation, Reconstructs, Scores, Steps
from wmeval_adapters import genie
from wmeval_adapters.genie import net as nets
from wmeval_adapters.genie.model import GenieModel

SEEDS = [1, 2]


@pytest.fixture(scope="module")
def observations(discs):
    def make(count: int, shown: int, horizon: int) -> list[Observation]:
        frames, _, actions, _ = discs(count, shown + horizon, seed=4)
        return [
            Observation(f[:shown], 10.0, a.astype(np.float64), horizon, "", np.eye(3))
            for f, a in zip(frames, actions, strict=True)
        ]

    return make


@pytest.fixture(scope="module")
def clips(discs):
    def make(count: int, frames: int) -> list[Clip]:
        pictures, _, actions, _ = discs(count, frames, seed=5)
        return [Clip(f, 10.0, a.astype(np.float64)) for f, a in zip(pictures, actions, strict=True)]

    return make


def frames_of(model, batch, seeds=SEEDS):
    return [p.frames for p in model.generate(batch, seeds[: len(batch)])]


@pytest.fixture(scope="module")
def tiny(tiny_genie) -> GenieModel:
    return GenieModel(genie.ADAPTER.card, tiny_genie)


@pytest.fixture(scope="module")
def shipped() -> GenieModel:
    return genie.ADAPTER.load(None, "cpu", {})


@pytest.fixture(params=["tiny", "shipped"])
def model(request) -> GenieModel:
    return request.getfixturevalue(request.param)


def test_it_can_do_what_its_card_says(model):
    assert all(isinstance(model, kind) for kind in (Generates, Steps, Scores, Reconstructs))
    assert model.card.view == View()


def test_frames_have_the_shape_asked_for_and_the_same_seed_gives_the_same(model, observations):
    batch = observations(2, 5, 3)
    first, again = frames_of(model, batch), frames_of(model, batch)
    assert [f.shape for f in first] == [(3, 64, 64, 3)] * 2
    assert all(f.dtype == np.uint8 for f in first)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_any_horizon_beyond_the_window(tiny, observations):
    assert frames_of(tiny, observations(1, 8, 9))[0].shape == (9, 64, 64, 3)


def test_one_frame_alone_and_in_a_batch_agree(model, observations):
    batch = observations(2, 5, 1)
    together = frames_of(model, batch)
    for i, one in enumerate(batch):
        gap = np.abs(frames_of(model, [one])[0].astype(float) - together[i])
        assert gap.mean() < 0.5


def test_an_action_changes_no_frame_before_its_own(model, observations):
    (one,) = observations(1, 4, 4)
    before = frames_of(model, [one])[0]
    for j in range(4):
        actions = one.actions.copy()
        actions[3 + j :, :3] = 60.0
        after = frames_of(model, [replace(one, actions=actions)])[0]
        assert np.array_equal(before[:j], after[:j])


def test_an_action_changes_the_frame_that_it_leads_to(tiny, observations):
    (one,) = observations(1, 4, 2)
    actions = one.actions.copy()
    actions[3:, 0] = 60.0
    assert not np.array_equal(frames_of(tiny, [one])[0], frames_of(tiny, [replace(one, actions=actions)])[0])


def test_stepping_gives_the_generated_frames(model, observations):
    batch = observations(2, 4, 3)
    state, frames = model.reset(batch, SEEDS), frames_of(model, batch)
    for t in range(3):
        state, told = model.step(state, np.stack([o.actions[3 + t] for o in batch]))
        # The decoder's convolutions may sum in another order for another batch.
        assert np.abs(told.astype(int) - np.stack(frames)[:, t]).max() <= 1


def test_later_frames_change_no_earlier_surprise(model, clips):
    (clip,) = clips(1, 7)
    frames = clip.frames.copy()
    frames[5:] = 255 - frames[5:]
    before = model.score([clip])[0].surprise
    after = model.score([replace(clip, frames=frames)])[0].surprise
    assert before.shape == (7,)
    assert np.isnan(before[0])
    np.testing.assert_allclose(before[1:5], after[1:5], rtol=1e-5)
    assert not np.allclose(before[5:], after[5:])


def test_reconstruction_keeps_what_is_empty(model, clips):
    (clip,) = clips(1, 4)
    empty = replace(clip, frames=np.full_like(clip.frames, 128))
    (told,) = model.reconstruct([clip])
    assert told.frames.shape == clip.frames.shape
    assert np.abs(model.reconstruct([empty])[0].frames.astype(int) - 128).mean() < 30


def test_temperature_draws_from_the_seed(tiny, observations):
    warm = GenieModel(tiny.card, tiny.net, steps=3, temperature=1.0)
    batch = observations(1, 4, 2)
    assert np.array_equal(frames_of(warm, batch, [7])[0], frames_of(warm, batch, [7])[0])
    assert not np.array_equal(frames_of(warm, batch, [7])[0], frames_of(warm, batch, [8])[0])


def test_global_randomness_is_left_alone(tiny, observations):
    before = torch.get_rng_state()
    frames_of(GenieModel(tiny.card, tiny.net, temperature=1.0), observations(1, 4, 2))
    assert torch.equal(before, torch.get_rng_state())


def test_wrong_frames_are_told_in_a_sentence(tiny, observations):
    (one,) = observations(1, 4, 2)
    with pytest.raises(UsageError, match="expected uint8"):
        tiny.generate([replace(one, frames=one.frames[:, :32])], [0])


def test_a_saved_model_comes_back_the_same(tiny_genie, tmp_path, observations):
    path = tmp_path / "g.safetensors"
    nets.save(path, tiny_genie, {"seed": 3})
    one, made = nets.load(path)
    nets.save(tmp_path / "again.safetensors", one, {"seed": 3})
    two, _ = nets.load(tmp_path / "again.safetensors")
    assert made["seed"] == 3
    assert one.binding == tiny_genie.binding
    assert one.config == tiny_genie.config
    assert all(torch.equal(two.state_dict()[k], v) for k, v in one.state_dict().items())
    batch = observations(1, 4, 2)
    card = genie.ADAPTER.card
    assert np.array_equal(
        frames_of(GenieModel(card, one), batch)[0], frames_of(GenieModel(card, two), batch)[0]
    )


def test_spoilt_files_are_told_in_a_sentence(tiny_genie, tmp_path):
    from wmeval_adapters.learn import weights
    from wmeval_adapters.learn.shipped import verified

    path = tmp_path / "g.safetensors"
    with pytest.raises(EnvironmentFault, match="no weights"):
        nets.load(path)
    nets.save(path, tiny_genie, {})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match="cannot be read"):
        nets.load(path)
    path.write_bytes(whole)
    with pytest.raises(EnvironmentFault, match="not the file that was shipped"):
        verified(path, "0" * 64)
    tensors, _ = weights.read(path, "genie")
    with pytest.raises(UsageError, match="missing"):
        weights.fill(tiny_genie, {k: v for k, v in tensors.items() if "norm" not in k}, path)
    with pytest.raises(UsageError, match="shape"):
        weights.fill(tiny_genie, {**tensors, "dynamics.where": torch.zeros(3)}, path)
    with pytest.raises(UsageError, match="finite"):
        weights.fill(tiny_genie, {**tensors, "dynamics.where": tensors["dynamics.where"] / 0}, path)


def test_wrong_options_are_told_in_a_sentence(tmp_path):
    for options, told in (
        ({"stps": "2"}, "no option"),
        ({"steps": "0"}, "from 1 on"),
        ({"steps": "a"}, "number"),
    ):
        with pytest.raises(UsageError, match=told):
            genie.ADAPTER.load(None, "cpu", options)
    with pytest.raises(UsageError, match="device"):
        genie.ADAPTER.load(None, "cuda", {})


def test_shipped_weights_are_small_enough_and_told_truly(shipped):
    card = shipped.card
    assert genie.WEIGHTS.stat().st_size <= 10 * 2**20
    assert card.parameters == sum(p.numel() for p in shipped.net.parameters()) <= 5_000_000
    assert card.notes


def test_importing_the_adapter_does_not_import_torch():
    import subprocess
    import sys

    code = "import sys, wmeval_adapters.genie; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
