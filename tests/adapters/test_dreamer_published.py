"""DreamerV3 in the published layout: strict loading, divergence, two-hot codes, actions, causality, seeds."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wmeval.check_adapter import findings
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.model import Clip, Observation, PredictsReward
from wmeval_adapters import dreamer
from wmeval_adapters.dreamer import layout
from wmeval_adapters.dreamer.categorical import balanced, divergence, mean_of, mixed, symlog, two_hot
from wmeval_adapters.dreamer.published import BUCKETS, RANGE, Config, WorldModel

TINY = Config(
    actions=3, size=16, depth=2, smallest=4, deter=8, hidden=6, stoch=4, discrete=4, units=5,
    reward_layers=2, cont_layers=2,
)  # fmt: skip


def shapes_by_hand() -> dict[str, tuple[int, ...]]:
    """Return names and shapes of a tiny checkpoint, written out from the layout's description."""
    out: dict[str, tuple[int, ...]] = {
        "encoder._cnn.layers.0.weight": (2, 3, 4, 4), "encoder._cnn.layers.1.norm.weight": (2,),
        "encoder._cnn.layers.1.norm.bias": (2,), "encoder._cnn.layers.3.weight": (4, 2, 4, 4),
        "encoder._cnn.layers.4.norm.weight": (4,), "encoder._cnn.layers.4.norm.bias": (4,),
        "dynamics.W": (1, 8),
        "dynamics._img_in_layers.0.weight": (6, 16 + 3), "dynamics._cell.layers.GRU_linear.weight": (24, 14),
        "dynamics._cell.layers.GRU_norm.weight": (24,), "dynamics._cell.layers.GRU_norm.bias": (24,),
        "dynamics._img_out_layers.0.weight": (6, 8), "dynamics._obs_out_layers.0.weight": (6, 8 + 64),
        "dynamics._imgs_stat_layer.weight": (16, 6), "dynamics._imgs_stat_layer.bias": (16,),
        "dynamics._obs_stat_layer.weight": (16, 6), "dynamics._obs_stat_layer.bias": (16,),
        "heads.decoder._cnn._linear_layer.weight": (64, 24), "heads.decoder._cnn._linear_layer.bias": (64,),
        "heads.decoder._cnn.layers.0.weight": (4, 2, 4, 4), "heads.decoder._cnn.layers.1.norm.weight": (2,),
        "heads.decoder._cnn.layers.1.norm.bias": (2,), "heads.decoder._cnn.layers.3.weight": (2, 3, 4, 4),
        "heads.decoder._cnn.layers.3.bias": (3,),
    }  # fmt: skip
    for part in ("_img_in_layers", "_img_out_layers", "_obs_out_layers"):
        out |= {f"dynamics.{part}.1.weight": (6,), f"dynamics.{part}.1.bias": (6,)}
    for head, name, wide in (("reward", "Reward", 255), ("cont", "Cont", 1)):
        for i, inward in ((0, 24), (1, 5)):
            out[f"heads.{head}.layers.{name}_linear{i}.weight"] = (5, inward)
            out[f"heads.{head}.layers.{name}_norm{i}.weight"] = (5,)
            out[f"heads.{head}.layers.{name}_norm{i}.bias"] = (5,)
        out |= {f"heads.{head}.mean_layer.weight": (wide, 5), f"heads.{head}.mean_layer.bias": (wide,)}
    return out


def checkpoint(path, *, compiled: bool = False, change=None):
    """Write a random checkpoint as dreamerv3-torch does."""
    generator = torch.Generator().manual_seed(5)
    middle = "_orig_mod." if compiled else ""
    agent = {
        f"_wm.{middle}{k}": torch.randn(s, generator=generator) * 0.6 + (0.5 if "norm" in k else 0)
        for k, s in shapes_by_hand().items()
    }
    agent["_task_behavior.actor.layers.Actor_linear0.weight"] = torch.zeros(5, 24)
    if change:
        change(agent)
    torch.save({"agent_state_dict": agent, "optims_state_dict": {"model_opt": {"lr": 1e-4}}}, path)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("dv3") / "latest.pt")


@pytest.fixture(scope="module")
def model(path):
    return dreamer.ADAPTER.load(path, "cpu", {})


def some_clip(frames: int = 6, seed: int = 0) -> Clip:
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (frames, 16, 16, 3)).astype(np.uint8)
    return Clip(pictures, 10.0, rng.normal(size=(frames - 1, 3)), native=True)


def observed(clip: Clip, shown: int) -> Observation:
    ahead = len(clip.frames) - shown
    return Observation(clip.frames[:shown], 10.0, clip.actions, ahead, "", np.eye(3), native=True)


def test_names_and_shapes_are_those_written_by_hand():
    with torch.device("meta"):
        own = {k: tuple(v.shape) for k, v in WorldModel(TINY).state_dict().items()}
    assert own == shapes_by_hand()


def test_the_published_sizes_add_up():
    with torch.device("meta"):
        net = WorldModel(Config(actions=6))
    count = {n: sum(p.numel() for p in m.parameters()) for n, m in net.named_children()}
    # convolutions 3-32-64-128-256 of 4 x 4 without bias, and a scale and a shift for each channel
    assert count["encoder"] == 16 * (3 * 32 + 32 * 64 + 64 * 128 + 128 * 256) + 2 * (32 + 64 + 128 + 256)
    dense = 512 * (1024 + 6) + 1024 + 512 * 512 + 1024 + 512 * (512 + 4096) + 1024
    cell = (512 + 512) * 1536 + 2 * 1536
    assert count["dynamics"] == 512 + dense + cell + 2 * (512 * 1024 + 1024)


def test_sizes_are_read_from_shapes_and_compiled_names_are_plain(path, tmp_path):
    assert layout.sizes(layout.read(path), path) == TINY
    compiled = checkpoint(tmp_path / "c.pt", compiled=True)
    one, two = layout.load(path, {}), layout.load(compiled, {})
    assert all(torch.equal(v, two.state_dict()[k]) for k, v in one.state_dict().items())


def test_what_does_not_fit_is_told_in_a_sentence(path, tmp_path):
    def cases():
        yield lambda a: a.pop("_wm.dynamics._obs_stat_layer.bias"), "missing"
        yield lambda a: a.update({"_wm.extra": torch.zeros(1)}), "not of this model"
        yield lambda a: a.update({"_wm.encoder._mlp.layers.x.weight": torch.zeros(1)}), "vectors"
        yield lambda a: a["_wm.heads.cont.mean_layer.bias"].fill_(float("nan")), "finite"

    for i, (change, told) in enumerate(cases()):
        bad = checkpoint(tmp_path / f"{i}.pt", change=change)
        with pytest.raises(UsageError, match=told):
            layout.load(bad, {})
    (tmp_path / "junk.pt").write_bytes(b"junk")
    with pytest.raises(UsageError, match="cannot be read"):
        layout.load(tmp_path / "junk.pt", {})
    torch.save([1], tmp_path / "list.pt")
    with pytest.raises(UsageError, match="agent_state_dict"):
        layout.load(tmp_path / "list.pt", {})
    with pytest.raises(EnvironmentFault, match="no checkpoint"):
        layout.load(tmp_path / "none.pt", {})
    with pytest.raises(UsageError, match="divisor of 16"):
        layout.load(path, {"stoch": "3"})


def test_a_checkpoint_that_is_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("pwned",))

    torch.save({"agent_state_dict": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(UsageError, match="tensors alone"):
        layout.load(tmp_path / "evil.pt", {})


def test_divergence_is_the_sum_written_out():
    generator = torch.Generator().manual_seed(1)
    one, two = (torch.randn(3, 4, 5, generator=generator) for _ in range(2))
    p, q = (torch.softmax(x, -1) * 0.99 + 0.01 / 5 for x in (one, two))
    told = divergence(mixed(one), mixed(two))
    torch.testing.assert_close(told, (p * (p / q).log()).sum(-1))
    reference = torch.distributions.kl_divergence(
        torch.distributions.Categorical(probs=p), torch.distributions.Categorical(probs=q)
    )
    torch.testing.assert_close(told, reference)


def test_free_nats_stop_both_gradients_and_weights_are_half_and_a_tenth():
    post, prior = (torch.randn(2, 3, 4, requires_grad=True) for _ in range(2))
    balanced(mixed(post), mixed(prior), free=1e6).sum().backward()
    assert not post.grad.any()
    assert not prior.grad.any()
    value = balanced(mixed(post), mixed(prior), free=0.0)
    torch.testing.assert_close(value, 0.6 * divergence(mixed(post), mixed(prior)).sum(-1))


def test_two_hot_of_symlog_comes_back():
    bins = torch.linspace(-RANGE, RANGE, BUCKETS)
    x = torch.tensor([-300.0, -1.5, 0.0, 0.3, 42.0, 1e4])
    weights = two_hot(symlog(x), bins)
    torch.testing.assert_close(weights.sum(-1), torch.ones(6))
    assert ((weights > 0).sum(-1) <= 2).all()
    torch.testing.assert_close(mean_of((weights + 1e-30).log(), bins), x, rtol=1e-3, atol=1e-4)
    # at a bin all weight is on it, midway it is even: closed form
    step = float(bins[1] - bins[0])
    assert two_hot(torch.tensor(step), bins)[128].item() == pytest.approx(1.0, abs=1e-5)
    assert two_hot(torch.tensor(step / 2), bins)[127:129].tolist() == pytest.approx([0.5, 0.5], abs=1e-5)


def test_the_first_prior_is_that_of_the_learnt_state_and_the_action_led_to_the_frame(model):
    """The alignment written out: frame t's prior is stepped by actions[t - 1], frame 0's by none."""
    net, clip = model.net, some_clip(4)
    images = torch.from_numpy(clip.frames)[None].float() / 255
    state, told = net.dynamics.initial(1), []
    with torch.no_grad():
        for t in range(4):
            action = torch.from_numpy(clip.actions[t - 1 : t]).float() if t else torch.zeros(1, 3)
            deter, prior = net.dynamics.ahead(state, action)
            post = net.dynamics.told_by(deter, net.encoder(images[:, t]))
            told.append(float(divergence(post, prior).sum()))
            state = type(state)(deter, torch.nn.functional.one_hot(post.argmax(-1), post.shape[-1]).float())
    np.testing.assert_allclose(model.score([clip])[0].surprise[1:], told[1:], rtol=1e-5)


def test_an_action_changes_what_it_leads_to_and_nothing_before(model):
    clip = some_clip(8)
    before = model.generate([observed(clip, 4)], [0])[0].frames
    for j in range(4):
        actions = clip.actions.copy()
        actions[3 + j] += 5.0
        after = model.generate([observed(replace(clip, actions=actions), 4)], [0])[0].frames
        assert np.array_equal(before[:j], after[:j])
        z = [model.imagine([observed(c, 4)], [0])[0].latents for c in (clip, replace(clip, actions=actions))]
        assert np.array_equal(z[0][:j], z[1][:j])
        assert not np.array_equal(z[0][j], z[1][j])


def test_the_future_changes_no_surprise_before_it(model):
    clip = some_clip(8)
    frames = clip.frames.copy()
    frames[5:] = 255 - frames[5:]
    before, after = (model.score([c])[0].surprise for c in (clip, replace(clip, frames=frames)))
    assert np.isnan(before[0])
    assert np.array_equal(before[1:5], after[1:5])
    assert not np.array_equal(before[5:], after[5:])


def test_encoding_leaves_images_alone(model):
    images = torch.rand(2, 16, 16, 3)
    kept = images.clone()
    model.net.encoder(images)
    assert torch.equal(images, kept)


def test_alone_and_in_a_batch_agree(model):
    clips = [some_clip(6, s) for s in (1, 2)]
    both = model.encode(clips)
    for clip, told in zip(clips, both, strict=True):
        np.testing.assert_allclose(model.encode([clip])[0].latents, told.latents, atol=1e-5)


def test_stepping_gives_the_generated_frames(model):
    clip = some_clip(7)
    one = observed(clip, 4)
    state, told = model.reset([one], [3]), model.generate([one], [3])[0].frames
    for t in range(3):
        state, frames = model.step(state, clip.actions[3 + t][None])
        assert np.abs(frames[0].astype(int) - told[t]).max() <= 1


def test_draws_come_from_the_seed_alone(path):
    warm = dreamer.ADAPTER.load(path, "cpu", {"temperature": "1"})
    one = observed(some_clip(9), 3)
    state = torch.get_rng_state()
    first, again, other = (warm.imagine([one], [s])[0].latents for s in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert torch.equal(state, torch.get_rng_state())


def test_rewards_and_ends_have_one_value_a_step(model):
    assert isinstance(model, PredictsReward)
    ((reward, end),) = model.rewards([some_clip(6)])
    assert reward.shape == end.shape == (5,)
    assert ((end >= 0) & (end <= 1)).all()


def test_choices_are_one_hot(path):
    chooser = dreamer.ADAPTER.load(path, "cpu", {"actions": "discrete"})
    clip = replace(some_clip(5), actions=np.array([[0.0], [2.0], [1.0], [1.0]]))
    same = replace(clip, actions=np.eye(3)[[0, 2, 1, 1]])
    told = dreamer.ADAPTER.load(path, "cpu", {}).score([same])[0].surprise
    assert np.array_equal(chooser.score([clip])[0].surprise, told, equal_nan=True)
    with pytest.raises(UsageError, match="one of 3 choices"):
        chooser.score([same])


def test_it_passes_the_checks_of_adapters(model):
    wrong = [f.sentence for f in findings(model) if not f.ok]
    assert not wrong
