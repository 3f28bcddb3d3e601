"""V-JEPA 2, V-JEPA 2-AC and I-JEPA: tiny random weights in the published layouts, and no others."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from wmeval.camera import View  # noqa: E402
from wmeval.check_adapter import findings  # noqa: E402
from wmeval.errors import EnvironmentFault, UsageError  # noqa: E402
from wmeval.model import Clip, Observation  # noqa: E402
from wmeval.registry import load_model  # noqa: E402
from wmeval_adapters.vjepa import ac, gripper, pixels, raw  # noqa: E402

KEYS = Path(__file__).parent / "manifests" / "vjepa2_ac_predictor.json"
SMALL = View(fps=7.5, height=48, width=48, supersample=1)


@pytest.fixture(scope="module")
def vjepa2_folder(tmp_path_factory):
    """A VJEPA2Model of random weights, saved as transformers saves it."""
    folder = tmp_path_factory.mktemp("vjepa2")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.VJEPA2Model(
            transformers.VJEPA2Config(
                crop_size=32, patch_size=16, frames_per_clip=8, hidden_size=48, num_attention_heads=2,
                num_hidden_layers=2, pred_hidden_size=48, pred_num_attention_heads=2,
                pred_num_hidden_layers=2,
            )
        )  # fmt: skip
        with torch.no_grad():  # mask tokens begin as zeros, and small weights say nothing
            for parameter in model.parameters():
                parameter += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def vjepa2(vjepa2_folder):
    model = load_model("vjepa2", vjepa2_folder, "cpu", {"window": "8", "contexts": "2,4"})
    model.card = replace(model.card, view=SMALL)
    return model


@pytest.fixture(scope="module")
def ac_file(tmp_path_factory, vjepa2_folder):
    """Encoder and predictor in one .pt, under the published names and prefixes."""
    path = tmp_path_factory.mktemp("ac") / "vjepa2-ac-tiny.pt"
    encoder = transformers.VJEPA2Model.from_pretrained(vjepa2_folder).encoder.state_dict()
    seeing = {"module.backbone.pos_embed": torch.zeros(1, 4, 48)}
    for name, value in encoder.items():
        name = name.replace("embeddings.patch_embeddings.", "patch_embed.").replace("layernorm.", "norm.")
        name = name.replace("layer.", "blocks.").replace("attention.proj", "attn.proj")
        if ".attention.query." in name:
            stem = name.replace("blocks.", "layer.").replace(".query.", ".{}.")
            value = torch.cat([encoder[stem.format(p)] for p in ("query", "key", "value")])
            name = name.replace("attention.query", "attn.qkv")
        elif ".attention." in name:
            continue
        seeing[f"module.backbone.{name}"] = value
    with torch.random.fork_rng():
        torch.manual_seed(1)
        predictor = ac.ActionPredictor(ac.Sizes(48, 48, 2, 2, 2))
    foreseeing = {f"module.{k}": v for k, v in predictor.state_dict().items()}
    torch.save({"encoder": seeing, "predictor": foreseeing, "epoch": 3}, path)
    return path


@pytest.fixture(scope="module")
def vjepa2_ac(ac_file):
    model = load_model("vjepa2-ac", ac_file, "cpu", {"crop": "32", "heads": "2,2", "frames": "4"})
    model.card = replace(model.card, view=SMALL)
    return model


def _clip(frames, seed=0):
    rng = np.random.default_rng(seed)
    shown = rng.integers(0, 255, (frames, 48, 48, 3), dtype=np.uint8)
    return Clip(shown, 7.5, rng.normal(0, 20, (frames - 1, 12)))


def _seen(clip, shown):
    return Observation(clip.frames[:shown], clip.fps, clip.actions, len(clip.frames) - shown, "", np.eye(3))


def test_manifest_of_the_published_predictor():
    known = json.loads(KEYS.read_text())
    with torch.device("meta"):
        own = ac.ActionPredictor(ac.Sizes()).state_dict()
    assert {f"predictor.{k}": list(v.shape) for k, v in own.items()} == known["keys"]
    assert sum(v.numel() for v in own.values()) == known["total_elements"] == 305220992


def test_published_encoder_fits_its_names_on_the_meta_device():
    """The giant of vjepa2-ac-vitg.pt: width 1408, 40 blocks, 22 heads, an MLP of 6144."""
    shapes = {
        "patch_embed.proj.weight": (1408, 3, 2, 16, 16), "patch_embed.proj.bias": (1408,),
        "norm.weight": (1408,), "norm.bias": (1408,),
    }  # fmt: skip
    for i in range(40):
        shapes |= {f"blocks.{i}.norm{n}.{k}": (1408,) for n in (1, 2) for k in ("weight", "bias")}
        for name, rows, columns in (
            ("attn.qkv", 4224, 1408), ("attn.proj", 1408, 1408), ("mlp.fc1", 6144, 1408),
            ("mlp.fc2", 1408, 6144),
        ):  # fmt: skip
            shapes |= {f"blocks.{i}.{name}.weight": (rows, columns), f"blocks.{i}.{name}.bias": (rows,)}
    tensors = {k: torch.empty(v, device="meta") for k, v in shapes.items()}
    config = raw.encoder_config(tensors, 256, None)
    assert config["num_attention_heads"] == 22
    assert config["num_hidden_layers"] == 40
    own = raw.encoder_on_meta(config).state_dict()
    assert {k: v.shape for k, v in raw.renamed(tensors).items()} == {k: v.shape for k, v in own.items()}


def test_frames_see_no_later_frame_and_no_later_action():
    predictor = ac.ActionPredictor(ac.Sizes(12, 24, 2, 2, 2)).eval()
    rng = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 5, 4, 12, generator=rng)
    actions, states = (torch.randn(1, 5, 7, generator=rng) for _ in range(2))
    with torch.no_grad():
        before = predictor(latents, actions, states)
        for changed in range(3):
            given = [x.clone() for x in (latents, actions, states)]
            given[changed][:, 3:] += 1
            after = predictor(*given)
            assert torch.equal(before[:, :3], after[:, :3])
            assert not torch.allclose(before[:, 3:], after[:, 3:])


def test_angles_are_repeated_as_a_whole():
    """As the weights were trained: number 0 and number D / 2 share the first frequency."""
    x = torch.zeros(1, 1, 1, 4)
    x[..., 0] = 1
    told = ac.turned(x, torch.tensor([1.0]))[0, 0, 0]
    assert torch.allclose(told, torch.tensor([np.cos(1.0), np.sin(0.01), 0, 0], dtype=torch.float32))
    assert torch.equal(ac.turned(x, torch.tensor([0.0])), x)


def test_vjepa2_predictions_do_not_change_with_the_future(vjepa2):
    """The naive call leaks: the encoder attends over all frames. Encoding the context alone leaks nothing."""
    clip = _clip(8)
    other = clip.frames.copy()
    other[4:] = 255 - other[4:]
    seen = [vjepa2._seen(f) for f in (clip.frames, other)]
    with torch.no_grad():
        own, changed = (vjepa2.foreseen(s[:4], 2) for s in seen)
        assert torch.equal(own, changed)
        places = torch.arange(16)[None]
        naive = [
            vjepa2.net(
                pixel_values_videos=s[None], context_mask=[places[:, :8]], target_mask=[places[:, 8:]]
            ).predictor_output.last_hidden_state
            for s in seen
        ]
    assert not torch.equal(*naive)  # so the test above can fail
    assert np.abs(own.numpy()).max() > 0


def test_vjepa2_surprise_is_that_of_the_window_that_ends_there(vjepa2):
    clip = _clip(10)
    (told,) = vjepa2.score([clip])
    assert np.isfinite(told.surprise).nonzero()[0].tolist() == [3, 5, 7, 9]
    window = vjepa2._seen(clip.frames)[2:10]
    with torch.no_grad():
        target = vjepa2.target(window)
        losses = [
            float((vjepa2.foreseen(window[:c], (8 - c) // 2) - target[c // 2 :]).abs().mean()) for c in (2, 4)
        ]
    assert told.surprise[9] == pytest.approx(np.mean(losses), rel=1e-5)


def test_vjepa2_largest_over_windows_and_least_over_contexts(vjepa2_folder, vjepa2):
    clip = _clip(12, 3)
    mean = vjepa2.score([clip])[0].surprise
    both = {"window": "8", "contexts": "2,4"}
    most = load_model("vjepa2", vjepa2_folder, "cpu", {**both, "over": "max"}).score([clip])[0].surprise
    least = load_model("vjepa2", vjepa2_folder, "cpu", {**both, "reduce": "min"}).score([clip])[0].surprise
    known = np.isfinite(mean)
    assert np.allclose(most[known], np.maximum.accumulate(mean[known]))
    assert (least[known] <= mean[known] + 1e-7).all()
    assert (least[known] < mean[known]).any()


def test_vjepa2_imagines_in_the_space_it_encodes(vjepa2):
    clip = _clip(9)
    for shown in (4, 5):  # an odd context doubles its first frame, so that its last tubelet ends with it
        (told,) = vjepa2.imagine([_seen(clip, shown)], [0])
        assert told.latents.shape == (9 - shown, 4, 48)
        assert np.isfinite(told.latents).all()
        assert told.latents.std() == pytest.approx(vjepa2.encode([clip])[0].latents.std(), rel=0.2)
    assert np.array_equal(told.latents[0], told.latents[1])  # two frames of a tubelet


def test_ac_imagines_what_its_own_steps_say(vjepa2_ac):
    """By hand: one step after three frames, and an action that acts only after it."""
    clip = _clip(6)
    (told,) = vjepa2_ac.imagine([_seen(clip, 3)], [0])
    with torch.no_grad():
        latents = vjepa2_ac._encoded(clip.frames[:3])
        motion = gripper.motions(clip.actions, clip.fps, 0.001)
        steps, states = (torch.from_numpy(x[:3]).float()[None] for x in (motion, gripper.poses(motion)))
        first = vjepa2_ac.predictor(latents[None], steps, states)[0, -1]
        first = torch.nn.functional.layer_norm(first, (48,))
    assert np.allclose(told.latents[0], first, atol=1e-5)
    actions = clip.actions.copy()
    actions[3:] = 0  # acts between frames 3 and 4: the first imagined frame is frame 3
    (other,) = vjepa2_ac.imagine([replace(_seen(clip, 3), actions=actions)], [0])
    assert np.array_equal(other.latents[0], told.latents[0])
    assert not np.allclose(other.latents[1], told.latents[1], atol=1e-6)


def test_poses_are_those_that_turns_one_after_another_lead_to():
    """A quarter turn about x, then one about z: not the sum of the angles."""
    turns = np.zeros((2, 7))
    turns[0, 3], turns[1, 5], turns[:, 0], turns[:, 6] = np.pi / 2, np.pi / 2, 0.1, 0.7
    told = gripper.poses(turns)
    assert np.allclose(told[1], [0.1, 0, 0, np.pi / 2, 0, 0, 0.7])
    assert np.allclose(told[2, :3], [0.2, 0, 0])
    assert np.allclose(told[2, 3:], [np.pi / 2, 0, np.pi / 2, 1.0])


def test_ac_takes_actions_of_its_own_world_as_they_are(vjepa2_ac):
    clip = _clip(5)
    own = replace(clip, actions=gripper.motions(clip.actions, clip.fps, 0.001), native=True)
    told = [vjepa2_ac.score([c])[0].surprise for c in (clip, own)]
    assert np.array_equal(*told, equal_nan=True)
    with pytest.raises(UsageError, match="of its own world"):
        vjepa2_ac.score([replace(clip, native=True)])


def test_ac_surprise_is_the_error_of_one_step(vjepa2_ac):
    clip = _clip(5)
    (told,) = vjepa2_ac.score([clip])
    assert np.isnan(told.surprise[0])
    assert np.isfinite(told.surprise[1:]).all()
    seen = _seen(clip, 3)
    ahead = vjepa2_ac.imagine([seen], [0])[0].latents[0]
    assert told.surprise[3] == pytest.approx(
        np.abs(ahead - vjepa2_ac.encode([clip])[0].latents[3]).mean(), rel=1e-4
    )


def test_ac_encodes_each_frame_by_itself(vjepa2_ac):
    clip = _clip(5)
    whole = vjepa2_ac.encode([clip])[0].latents
    alone = vjepa2_ac.encode([replace(clip, frames=clip.frames[2:3], actions=clip.actions[:0])])[0].latents
    assert np.allclose(whole[2], alone[0], atol=1e-5)


@pytest.mark.parametrize("name", ["vjepa2", "vjepa2_ac"])
def test_contract(name, request):
    told = list(findings(request.getfixturevalue(name)))
    assert len(told) >= 7
    assert [f.sentence for f in told if not f.ok] == []


@pytest.mark.parametrize("name", ["vjepa2", "vjepa2_ac"])
def test_batch_against_single_and_reload(name, request, vjepa2_folder, ac_file):
    model = request.getfixturevalue(name)
    clips = [_clip(8, 1), _clip(8, 2)]
    together = model.score(clips)
    for clip, told in zip(clips, together, strict=True):
        assert np.array_equal(model.score([clip])[0].surprise, told.surprise, equal_nan=True)
    again = (
        load_model("vjepa2", vjepa2_folder, "cpu", {"window": "8", "contexts": "2,4"})
        if name == "vjepa2"
        else load_model("vjepa2-ac", ac_file, "cpu", {"crop": "32", "heads": "2,2", "frames": "4"})
    )
    assert np.array_equal(again.score(clips)[0].surprise, together[0].surprise, equal_nan=True)


def test_ijepa_gives_features_of_single_images(tmp_path):
    config = transformers.IJepaConfig(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, image_size=32,
        patch_size=16,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.IJepaModel(config).save_pretrained(tmp_path)
    model = load_model("ijepa", tmp_path)
    clip = _clip(3)
    (told,) = model.encode([clip])
    assert told.latents.shape == (3, 4, 24)
    (alone,) = model.encode([replace(clip, frames=clip.frames[1:2], actions=clip.actions[:0])])
    assert np.allclose(told.latents[1], alone.latents[0], atol=1e-5)
    model.card = replace(model.card, view=SMALL)
    assert all(f.ok for f in findings(model))


def test_pixels_are_cut_from_the_middle_and_normalised():
    frames = np.zeros((1, 256, 256, 3), np.uint8)
    frames[:, :16] = frames[:, -16:] = 255  # what a crop of 224 of 256 leaves out
    told = pixels.normalised(frames, 224)
    assert told.shape == (1, 3, 224, 224)
    black = -torch.tensor(pixels.MEAN) / torch.tensor(pixels.SPREAD)
    assert torch.allclose(told, black.view(1, 3, 1, 1).expand_as(told), atol=1e-6)
    assert pixels.normalised(frames, 64, whole=True).max() > 2


def test_what_does_not_fit_is_said(tmp_path, ac_file, vjepa2_folder):
    for name in ("vjepa2", "vjepa2-ac", "ijepa"):
        with pytest.raises(EnvironmentFault, match="--weights"):
            load_model(name)
    with pytest.raises(UsageError, match=r"config\.json"):
        load_model("vjepa2", tmp_path)
    with pytest.raises(UsageError, match="below the window"):
        load_model("vjepa2", vjepa2_folder, "cpu", {"window": "8"})
    held = torch.load(ac_file, weights_only=True)
    del held["predictor"]["module.state_encoder.bias"]
    torch.save(held, tmp_path / "cut.pt")
    with pytest.raises(UsageError, match=r"lacks tensor .state_encoder"):
        load_model("vjepa2-ac", tmp_path / "cut.pt", "cpu", {"crop": "32", "heads": "2,2"})
    import pickle

    (tmp_path / "code.pt").write_bytes(pickle.dumps({"encoder": print}))
    with pytest.raises(UsageError, match="files that hold code are refused"):
        load_model("vjepa2-ac", tmp_path / "code.pt")
