"""tinyworlds: names and shapes of all tensors, and tiny random checkpoints in both published forms.

No published weights were loaded here.
"""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from wmeval.camera import View  # noqa: E402
from wmeval.errors import EnvironmentFault, UsageError  # noqa: E402
from wmeval.model import Clip, Generates, InfersActions, Observation, Reconstructs, Scores, Steps  # noqa: E402
from wmeval.registry import load_model  # noqa: E402
from wmeval_adapters import tinyworlds  # noqa: E402
from wmeval_adapters.tinyworlds.nets import Dynamics, LatentActions, Quantizer, VideoTokenizer  # noqa: E402
from wmeval_adapters.tinyworlds.sampling import known_after, next_tokens  # noqa: E402
from wmeval_adapters.tinyworlds.transformer import Layout, places, shares, sines  # noqa: E402

MANIFESTS = Path(__file__).parent / "manifests"
SIDE, ACTIONS = 16, 4
CONFIG = {"frame_size": SIDE, "num_heads": 8, "patch_size": 4, "context_length": 4, "n_actions": ACTIONS}


def nets(frame=SIDE, blocks=(1, 1, 1)):
    layouts = [Layout(frame, 4, 32, 8, 85, count) for count in blocks]
    return {
        "video_tokenizer": VideoTokenizer(layouts[0], 5, 4),
        "latent_actions": LatentActions(layouts[1], 2),
        "dynamics": Dynamics(layouts[2], 5, 4, 2),
    }


@pytest.mark.parametrize("part", ["video_tokenizer", "latent_actions", "dynamics"])
def test_every_name_and_shape_is_as_published(part):
    wanted = json.loads((MANIFESTS / f"tinyworlds_{part}.json").read_text())
    with torch.device("meta"):
        own = nets(64, (4, 2, 8))[part].state_dict()
    assert {k: list(v.shape) for k, v in own.items()} == wanted["keys"]
    assert sum(math.prod(v.shape) for v in own.values()) == wanted["total_elements"]


@pytest.fixture(scope="module")
def tensors():
    """Random weights under which all that is given matters."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        built = nets()
    told = {}
    for part, net in built.items():
        for value in net.state_dict().values():
            if value.is_floating_point():
                value.add_(0.3 * torch.randn(value.shape, generator=generator))
        told[part] = net.state_dict()
    return told


@pytest.fixture(scope="module")
def hub(tmp_path_factory, tensors):
    """A folder as on the hub: one dictionary a network."""
    folder = tmp_path_factory.mktemp("hub") / "tiny"
    folder.mkdir()
    for part, told in tensors.items():
        whole = {
            "model": {f"_orig_mod.{k}": v for k, v in told.items()}, "optimizer_state_dict": {"state": {}},
            "scheduler_state_dict": None, "config": CONFIG, "step": 7, "timestamp": "2025",
        }  # fmt: skip
        torch.save(whole, folder / f"tiny_{part}_step_7.pth")
    return folder


@pytest.fixture(scope="module")
def model(hub):
    return tinyworlds.ADAPTER.load(hub, "cpu", {})


def videos(count=2, length=6, seed=0):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (count, length, SIDE, SIDE, 3), dtype=np.uint8)
    return frames, rng.integers(0, ACTIONS, (count, length - 1, 1)).astype(np.float64)


def observed(count=2, shown=4, horizon=3):
    frames, actions = videos(count, shown + horizon)
    return [
        Observation(f[:shown], 15.0, a, horizon, "", np.eye(3), native=True)
        for f, a in zip(frames, actions, strict=True)
    ]


def test_a_checkpoint_says_what_it_is(hub, model, tensors):
    card = tinyworlds.ADAPTER.completed(hub, {})
    assert card == model.card
    assert (card.view, card.actions.size, card.actions.fidelity) == (View(15.0, SIDE, SIDE), ACTIONS, "none")
    learnt = sum(v.numel() for part in tensors.values() for k, v in part.items() if "basis" not in k)
    assert card.parameters == learnt
    assert model.window == 3
    kinds = (Generates, Steps, Scores, Reconstructs, InfersActions)
    assert all(isinstance(model, kind) for kind in kinds)


def test_all_forms_of_a_checkpoint_are_the_same_model(model, tensors, tmp_path):
    newer, plain = tmp_path / "newer", tmp_path / "plain"
    for part, told in tensors.items():
        path = newer / part / "checkpoints" / f"{part}_step_7"
        path.mkdir(parents=True)
        torch.save(told, path / "model_state_dict.pt")
        torch.save({"state": {}}, path / "optim_state_dict.pt")
        torch.save({"config": CONFIG, "step": 7, "scheduler_state_dict": None}, path / "state.pt")
    from safetensors.torch import save_file

    plain.mkdir()
    for part, told in tensors.items():
        save_file({k: v.contiguous() for k, v in told.items()}, plain / f"{part}.safetensors")
    wanted = model.generate(observed(1), [5])[0].frames
    for folder, options in ((newer, {}), (plain, {"heads": "8", "frame": str(SIDE)})):
        again = load_model("tinyworlds", folder, "cpu", options)
        assert np.array_equal(again.generate(observed(1), [5])[0].frames, wanted)
    with pytest.raises(UsageError, match="--set heads=8 --set frame=64"):
        load_model("tinyworlds", plain, "cpu", {})


def test_codes_are_digits_in_their_base():
    quantizer = Quantizer(5, 4)
    codes = torch.arange(1024)
    values = quantizer.values(codes)
    digits = ((values + 1) / 2 * 3).round().long()
    assert torch.equal((digits * 4 ** torch.arange(5)).sum(-1), codes)
    assert torch.equal(quantizer.indices(torch.atanh(values * 0.999)), codes)
    assert Quantizer(2, 2).values(torch.arange(4)).tolist() == [[-1, -1], [1, -1], [-1, 1], [1, 1]]


def test_places_and_times_are_sines():
    layout = Layout(16, 4, 32, 8, 85, 1)
    x, y, time = shares(32)
    where = places(layout).view(4, 4, 32)
    assert not where[..., x + y :].any()
    assert torch.equal(where[0, :, :x], where[3, :, :x])
    assert torch.equal(where[:, 0, x : x + y], where[:, 3, x : x + y])
    assert sines(4, time)[2, :2].tolist() == pytest.approx([math.sin(2), math.cos(2)])
    assert sines(4, 10)[3, 2].item() == pytest.approx(math.sin(3 / 10000**0.2))


def test_a_frame_is_filled_as_the_schedule_says(tensors):
    dynamics, quantizer = nets()["dynamics"], Quantizer(5, 4)
    dynamics.load_state_dict(tensors["dynamics"])
    asked = []
    forward = dynamics.forward

    def spy(values, masked, actions):
        asked.append(int(masked[0, -1].sum()))
        return forward(values, masked, actions)

    dynamics.forward = spy
    with torch.inference_mode():
        next_tokens(
            dynamics, quantizer, torch.zeros(1, 2, 16, dtype=torch.long), torch.ones(1, 2, 2),
            steps=10, temperature=0.5, generators=[torch.Generator()],
        )  # fmt: skip
    floor = 1
    left, wanted = 16, []
    for done in range(10):
        wanted.append(left)
        left -= left if done == 9 else max(floor, min(left, known_after(done, 10, 16) - (16 - left)))
    assert asked == wanted


def test_frames_follow_seeds_and_batches_agree(model):
    batch = observed()
    first, again = (model.generate(batch, [1, 2]) for _ in range(2))
    other = model.generate(batch, [3, 2])
    for a, b in zip(first, again, strict=True):
        assert a.frames.shape == (3, SIDE, SIDE, 3)
        assert np.array_equal(a.frames, b.frames)
    assert not np.array_equal(first[0].frames, other[0].frames)
    alone = model.generate(batch[:1], [1])[0].frames[0].astype(int)
    assert np.abs(alone - first[0].frames[0]).mean() < 1


def test_an_action_acts_on_the_frame_after_it(hub):
    model = load_model("tinyworlds", hub, "cpu", {"temperature": "0", "steps": "2"})
    (one,) = observed(1)
    before = model.generate([one], [0])[0].frames
    for j in range(3):
        actions = one.actions.copy()
        actions[3 + j] = (actions[3 + j] + 1) % ACTIONS
        after = model.generate([replace(one, actions=actions)], [0])[0].frames
        assert np.array_equal(before[:j], after[:j])
        assert not np.array_equal(before[j], after[j])


def test_the_dynamics_spare_the_first_frame_and_know_no_later_one(tensors):
    dynamics = nets()["dynamics"]
    dynamics.load_state_dict(tensors["dynamics"])
    values, masked = torch.rand(1, 4, 16, 5), torch.zeros(1, 4, 16, dtype=torch.bool)
    actions = torch.ones(1, 3, 2)
    with torch.inference_mode():
        told = dynamics(values, masked, actions)
        turned = actions.clone()
        turned[:, 1] *= -1
        acted = dynamics(values, masked, turned)
        changed = values.clone()
        changed[:, 2:] += 1
        later = dynamics(changed, masked, actions)
    assert torch.equal(told[:, :2], acted[:, :2])
    assert not torch.allclose(told[:, 2], acted[:, 2])
    assert torch.allclose(told[:, :2], later[:, :2], atol=1e-5)
    assert not torch.allclose(told[:, 2], later[:, 2])


def test_later_frames_and_actions_change_no_earlier_surprise(model):
    frames, actions = videos(1, 7)
    changed, acted = frames.copy(), actions.copy()
    changed[:, 5:] = 255 - changed[:, 5:]
    acted[:, 4:] = (acted[:, 4:] + 1) % ACTIONS
    for native in (True, False):
        told = actions if native else np.zeros((1, 6, 12))
        before = model.score([Clip(frames[0], 15.0, told[0], native)])[0].surprise
        after = model.score([Clip(changed[0], 15.0, acted[0] if native else told[0], native)])[0].surprise
        assert np.isnan(before[0])
        assert np.isfinite(before[1:]).all()
        np.testing.assert_allclose(before[:5], after[:5], rtol=1e-5)
        assert not np.allclose(before[5:], after[5:])


def test_surprise_without_actions_is_that_of_any_of_them(model):
    frames, _ = videos(1, 2)
    each = [
        model.score([Clip(frames[0], 15.0, np.full((1, 1), float(a)), native=True)])[0].surprise[1]
        for a in range(ACTIONS)
    ]
    unknown = model.score([Clip(frames[0], 15.0, np.zeros((1, 12)))])[0].surprise[1]
    tokens = (SIDE // 4) ** 2
    mean = np.logaddexp.reduce([-e * tokens for e in each]) - math.log(ACTIONS)
    assert unknown == pytest.approx(-mean / tokens, rel=1e-4)
    assert max(each) - min(each) > 1e-3


def test_actions_are_inferred_from_what_was_there_by_then(model):
    frames, _ = videos(2, 7)
    clips = [Clip(f, 15.0, np.zeros((6, 12))) for f in frames]
    told = model.infer_actions(clips)
    assert all(t.shape == (6, 1) and set(t.ravel()) <= set(range(ACTIONS)) for t in told)
    assert len(set(np.concatenate(told).ravel())) > 1
    changed = frames[0].copy()
    changed[4:] = 0
    again = model.infer_actions([Clip(changed, 15.0, np.zeros((6, 12)))])[0]
    assert np.array_equal(again[:3], told[0][:3])


def test_under_scene_actions_the_last_inferred_action_goes_on(model):
    (one,) = observed(1)
    codes = model.infer_actions([Clip(one.frames, 15.0, np.zeros((3, 12)))])[0]
    known = np.concatenate([codes, np.repeat(codes[-1:], 3, 0)])
    scene = replace(one, actions=np.full((6, 12), 50.0), native=False)
    native = replace(one, actions=known)
    wanted = model.generate([native], [0])[0].frames
    assert np.array_equal(model.generate([scene], [0])[0].frames, wanted)


def test_stepping_gives_the_generated_frames(model):
    batch = observed()
    frames, state = model.generate(batch, [1, 2]), model.reset(batch, [1, 2])
    for t in range(3):
        state, told = model.step(state, np.stack([o.actions[3 + t] for o in batch]))
        assert all(np.array_equal(told[i], frames[i].frames[t]) for i in range(2))


def test_a_reconstruction_is_what_its_tokenizer_decodes(model):
    frames, _ = videos(1, 6)
    (told,) = model.reconstruct([Clip(frames[0], 15.0, np.zeros((5, 12)))])
    assert told.frames.shape == frames[0].shape
    seen = torch.from_numpy(frames[:, :4]).movedim(-1, 2).float() / 127.5 - 1
    tokenizer = model.parts.tokenizer
    with torch.inference_mode():
        made = tokenizer.decoder(tokenizer.quantizer.values(tokenizer.tokens(seen)))
    wanted = ((made[0] + 1) * 127.5).round().clamp(0, 255).byte().movedim(1, -1).numpy()
    assert np.array_equal(told.frames[:4], wanted)


def test_the_latent_action_decoder_draws_frames(model):
    frames = torch.rand(1, 3, 3, SIDE, SIDE) * 2 - 1
    with torch.inference_mode():
        told = model.parts.actions.decoder(frames, torch.ones(1, 3, 2))
    assert told.shape == frames.shape
    assert told.abs().max() <= 1


def test_what_is_no_checkpoint_is_told_in_a_sentence(hub, tensors, tmp_path):
    class Code:
        def __reduce__(self):
            return print, ("run",)

    good = {"model": dict(tensors["dynamics"]), "config": CONFIG}
    less = {k: v for k, v in tensors["dynamics"].items() if k != "output_mlp.bias"}
    nan = {**tensors["dynamics"], "mask_token": torch.full((1, 1, 1, 5), math.nan)}
    cases = {
        "code": (Code(), "never run"),
        "list": ([1], "no mapping"),
        "less": ({**good, "model": less}, "'output_mlp.bias' is missing"),
        "nan": ({**good, "model": nan}, "not finite"),
        "moe": ({"model": {"transformer.blocks.0.ffn.router.weight": torch.ones(1)}}, "mixture of experts"),
        "heads": ({**good, "config": {**CONFIG, "num_heads": 5}}, "5 heads"),
        "size": ({**good, "config": {**CONFIG, "frame_size": 32}}, "one size"),
    }
    folder = tmp_path / "tiny"
    shutil.copytree(hub, folder)
    for content, told in cases.values():
        torch.save(content, folder / "tiny_dynamics_step_7.pth")
        with pytest.raises(UsageError, match=told):
            tinyworlds.ADAPTER.load(folder, "cpu", {})
    torch.save(good, folder / "other_dynamics_step_9.pth")
    with pytest.raises(UsageError, match="holds 2 of"):
        tinyworlds.ADAPTER.load(folder, "cpu", {})
    for weights in (None, tmp_path / "none"):
        with pytest.raises(EnvironmentFault, match="hf download"):
            tinyworlds.ADAPTER.load(weights, "cpu", {})
    for options, told in (
        ({"step": "1"}, "no option"),
        ({"steps": "x"}, "whole number"),
        ({"window": "0"}, "1"),
    ):
        with pytest.raises(UsageError, match=told):
            tinyworlds.ADAPTER.load(hub, "cpu", options)


def test_actions_that_it_does_not_know_are_told_in_a_sentence(model):
    (one,) = observed(1)
    for actions, told in ((np.full((6, 1), 9.0), "latent actions 0 to 3"), (np.zeros((6, 2)), "expected 1")):
        with pytest.raises(UsageError, match=told):
            model.generate([replace(one, actions=actions)], [0])


def test_it_keeps_the_contract(model):
    from wmeval.check_adapter import findings

    found = list(findings(model))
    assert len(found) > 8
    assert [f.sentence for f in found if not f.ok] == []
