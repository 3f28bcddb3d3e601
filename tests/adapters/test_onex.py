"""1X's GENIE: names and shapes of all tensors, and tiny random checkpoints in the published layout.

No published weights were loaded here.
"""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from wmeval.camera import View  # noqa: E402
from wmeval.errors import EnvironmentFault, UsageError  # noqa: E402
from wmeval.model import Clip, Generates, Observation, Reconstructs, Scores  # noqa: E402
from wmeval.registry import load_model  # noqa: E402
from wmeval_adapters import onex  # noqa: E402
from wmeval_adapters.onex.magvit2 import PUBLISHED, Magvit2, Shape, Upsample  # noqa: E402
from wmeval_adapters.onex.published import config_of  # noqa: E402
from wmeval_adapters.onex.st_mask_git import Config, STMaskGIT, factored, joined  # noqa: E402

MANIFESTS = Path(__file__).parent / "manifests"
TINY = {
    "num_layers": 2, "num_heads": 2, "d_model": 16, "T": 4, "S": 16, "image_vocab_size": 256,
    "num_factored_vocabs": 2, "qk_norm": True, "use_mup": False, "mlp_ratio": 4.0, "attn_drop": 0.0,
    "max_corrupt_rate": 0.2,
}  # fmt: skip
SEEN = Shape(32, (32, 32, 64), 1, 8)
SIDE = 16


@pytest.mark.parametrize("which", ["1xgpt_n32_h8_d256", "magvit2"])
def test_every_name_and_shape_is_as_published(which):
    wanted = json.loads((MANIFESTS / f"{which}.json").read_text())
    with torch.device("meta"):
        if which == "magvit2":
            own = Magvit2(PUBLISHED).state_dict()
        else:
            own = STMaskGIT(Config(32, 8, 256, num_factored_vocabs=2, qk_norm=False)).state_dict()
    assert {k: list(v.shape) for k, v in own.items()} == wanted["keys"]
    assert sum(math.prod(v.shape) for v in own.values()) == wanted["total_elements"]


def shaken(net, seed):
    """Random weights under which all that is given matters."""
    generator = torch.Generator().manual_seed(seed)
    for value in net.state_dict().values():
        value.add_(0.3 * torch.randn(value.shape, generator=generator))
    return net.eval()


def saved(folder, **changes):
    """Write a model and its tokenizer as published, with what the reader leaves."""
    from safetensors.torch import save_file

    folder.mkdir()
    told = TINY | changes
    (folder / "config.json").write_text(json.dumps(told))
    names = Config.__dataclass_fields__
    net = shaken(STMaskGIT(Config(**{k: v for k, v in told.items() if k in names})), 0)
    save_file(net.state_dict(), folder / "model.safetensors")
    seen = shaken(Magvit2(SEEN), 1).state_dict()
    more = {"loss.logvar": torch.zeros(1), "model_ema.encoderconv_inweight": torch.zeros(2)}
    torch.save({"state_dict": {**seen, **more}, "epoch": 3}, folder / "magvit2.ckpt")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("onex") / "GENIE_tiny")


@pytest.fixture(scope="module")
def model(folder):
    return onex.ADAPTER.load(folder, "cpu", {})


def videos(count, length, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, length, SIDE, SIDE, 3), dtype=np.uint8)


def observed(count=2, shown=3, horizon=3):
    still = np.zeros((shown - 1 + horizon, 12))
    return [Observation(f, 2.0, still, horizon, "", np.eye(3)) for f in videos(count, shown)]


def clip(frames):
    return Clip(frames, 2.0, np.zeros((len(frames) - 1, 12)))


def test_a_checkpoint_says_what_it_is(folder, model):
    card = onex.ADAPTER.completed(folder, {})
    assert card == model.card
    assert (card.view, card.actions.kind) == (View(2.0, SIDE, SIDE), "none")
    nets = (model.parts.model, model.parts.tokenizer)
    assert card.parameters == sum(p.numel() for net in nets for p in net.parameters())
    assert all(isinstance(model, kind) for kind in (Generates, Scores, Reconstructs))
    assert "last 3 frames" in card.notes[1]


def test_a_token_is_its_low_and_its_high_half():
    config = Config(1, 1, 1, num_factored_vocabs=2)
    tokens = torch.tensor([0, 511, 512, 262143])
    assert factored(tokens, config).tolist() == [[0, 0], [511, 0], [0, 1], [511, 511]]
    assert torch.equal(joined(factored(tokens, config), config), tokens)


def test_the_first_channel_is_the_lowest_bit(model):
    tokenizer = model.parts.tokenizer
    told = []
    tokenizer.decoder.register_forward_pre_hook(lambda _, given: told.append(given[0]))
    with torch.inference_mode():
        tokenizer.pictures(torch.tensor([[5] + [0] * 15]))
    tokenizer.decoder._forward_pre_hooks.clear()
    assert told[0][0, :, 0, 0].tolist() == [1, -1, 1, -1, -1, -1, -1, -1]
    assert (told[0][0, :, 3, 3] == -1).all()
    seen = torch.rand(1, 3, SIDE, SIDE) * 2 - 1
    with torch.inference_mode():
        bits = tokenizer.encoder(seen)[0, :, 1, 2] > 0
        token = tokenizer.tokens(seen)[0, 4 + 2]
    assert token == sum(int(b) << i for i, b in enumerate(bits))


def test_channels_become_pixels_with_the_place_first():
    up = Upsample(2)
    up.conv1 = torch.nn.Identity()
    given = torch.arange(8.0)[None, :, None, None]  # row, column, channel
    assert up(given)[0].tolist() == [[[0, 2], [4, 6]], [[1, 3], [5, 7]]]


@pytest.mark.parametrize("bare", [True, False])
def test_hiding_all_frames_at_once_is_hiding_each(bare):
    names = Config.__dataclass_fields__
    config = Config(**{k: v for k, v in TINY.items() if k in names} | {"qk_norm": bare})
    net = shaken(STMaskGIT(config), 2)
    tokens = torch.randint(0, 256, (2, 4, 16), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        together = net.each_hidden(tokens)
        for t in range(4):
            asked = tokens.clone()
            asked[:, t:] = 256
            alone = net(asked)[:, t]
            assert torch.allclose(together[:, t], alone, atol=1e-3)
            cut = net(asked[:, : t + 1])[:, t]
            assert torch.allclose(cut, alone, atol=1e-3)


def test_widths_scale_attention_and_logits_under_mup():
    names = Config.__dataclass_fields__
    config = Config(**{k: v for k, v in TINY.items() if k in names} | {"use_mup": True})
    net = STMaskGIT(config)
    assert net.narrowed == 16 / 256
    assert net.decoder.layers[0].spatial_attn.scale == 1.0  # 8 over heads of 8
    assert STMaskGIT(replace(config, use_mup=False)).narrowed == 1


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


def test_a_frame_is_unmasked_in_rounds_and_from_the_last_frames(folder, monkeypatch):
    model = load_model("1x-genie", folder, "cpu", {"steps": "3"})
    asked = []
    whole = STMaskGIT.forward

    def spy(self, tokens):
        asked.append(tokens.clone())
        return whole(self, tokens)

    monkeypatch.setattr(STMaskGIT, "forward", spy)
    (one,) = observed(1, shown=5, horizon=1)
    model.generate([one], [0])
    masked = [int((a[:, -1] == 256).sum()) for a in asked]
    assert masked == [16, *(math.ceil(math.cos(math.pi / 2 * s / 3) * 16) for s in (1, 2))]
    known = model._tokens([one.frames[-3:]])
    assert all(torch.equal(a[:, :-1], known) for a in asked)
    kept = asked[1][:, -1] != 256
    assert torch.equal(asked[1][:, -1][kept], asked[2][:, -1][kept])


def test_later_frames_change_no_earlier_surprise(model):
    frames = videos(1, 7)[0]
    changed = frames.copy()
    changed[5:] = 255 - changed[5:]
    before, after = (model.score([clip(f)])[0].surprise for f in (frames, changed))
    assert np.isnan(before[0])
    assert np.isfinite(before[1:]).all()
    np.testing.assert_allclose(before[:5], after[:5], rtol=1e-5)
    assert not np.allclose(before[5:], after[5:])


def test_surprise_is_the_cross_entropy_of_both_halves(model):
    frames = videos(1, 6)[0]
    tokens = model._tokens([frames])
    told = model.score([clip(frames)])[0].surprise
    for t in (2, 5):  # in the first window, and beyond it
        shown = tokens[:, max(0, t - 3) : t + 1].clone()
        shown[:, -1] = 256
        with torch.inference_mode():
            logits = model.parts.model(shown)[0, -1]
        halves = factored(tokens[0, t], model.parts.model.config)
        each = torch.nn.functional.cross_entropy(logits.flatten(0, 1), halves.flatten(), reduction="none")
        assert told[t] == pytest.approx(float(each.sum() / 16), rel=1e-4)


def test_all_forms_of_a_checkpoint_are_the_same_model(folder, model, tmp_path):
    from safetensors.torch import load_file, save_file

    other = tmp_path / "apart"
    other.mkdir()
    (other / "config.json").write_text(json.dumps(TINY))
    save_file(load_file(folder / "model.safetensors"), other / "model.safetensors")
    plain = torch.load(folder / "magvit2.ckpt", weights_only=True)["state_dict"]
    save_file({k: v.contiguous() for k, v in plain.items()}, tmp_path / "sees.safetensors")
    again = load_model("1x-genie", other, "cpu", {"tokenizer": str(tmp_path / "sees.safetensors")})
    a, b = (m.generate(observed(1), [4])[0].frames for m in (model, again))
    assert np.array_equal(a, b)
    with pytest.raises(EnvironmentFault, match=r"magvit2\.ckpt"):
        load_model("1x-genie", other)


def test_what_is_no_checkpoint_is_told_in_a_sentence(folder, tmp_path):
    class Code:
        def __reduce__(self):
            return print, ("run",)

    whole = torch.load(folder / "magvit2.ckpt", weights_only=True)["state_dict"]
    cases = {
        "code": ({"state_dict": Code()}, "never run"),
        "less": ({k: v for k, v in whole.items() if k != "decoder.conv_out.bias"}, "is missing"),
        "more": ({**whole, "encoder.other": torch.ones(1)}, "not of this model"),
        "nan": ({**whole, "decoder.conv_out.bias": torch.full((3,), math.nan)}, "not finite"),
        "other": ({"weight": torch.ones(1)}, "has not the layout"),
        "bits": (Magvit2(replace(SEEN, bits=9)).state_dict(), "9 bits"),
    }
    for name, (content, told) in cases.items():
        path = tmp_path / f"{name}.ckpt"
        torch.save(content, path)
        with pytest.raises(UsageError, match=told):
            onex.ADAPTER.load(folder, "cpu", {"tokenizer": str(path)})
    path = tmp_path / "config.json"
    for told, match in (
        ({"layers": 1}, "expected num_layers"), (TINY | {"S": 15}, "a square"), (TINY | {"T": "4"}, "T='4'"),
        (TINY | {"num_heads": 3}, "do not fit"), (TINY | {"image_vocab_size": 250}, "do not fit"),
    ):  # fmt: skip
        path.write_text(json.dumps(told))
        with pytest.raises(UsageError, match=match):
            config_of(path)
    for weights, match in ((None, "--set tokenizer"), (tmp_path / "none", "1x-technologies/GENIE_35M")):
        with pytest.raises(EnvironmentFault, match=match):
            onex.ADAPTER.load(weights, "cpu", {})
    for options, match in (
        ({"step": "1"}, "no option"),
        ({"steps": "x"}, "a number"),
        ({"steps": "0"}, "1 to"),
    ):
        with pytest.raises(UsageError, match=match):
            onex.ADAPTER.load(folder, "cpu", options)


def test_it_keeps_the_contract(model):
    from wmeval.check_adapter import findings

    found = list(findings(model))
    assert len(found) > 8
    assert [f.sentence for f in found if not f.ok] == []
