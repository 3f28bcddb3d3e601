"""What is decided of a pipeline before it is loaded: rules, folders, options, cards, codecs."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wmeval import registry
from wmeval.errors import EnvironmentFault, UsageError
from wmeval_adapters.diffusers_video import completed
from wmeval_adapters.diffusers_video.actions import CODECS, SIDE, camera_pose, push_2d, rotation
from wmeval_adapters.diffusers_video.folder import opened
from wmeval_adapters.diffusers_video.guard import NoGuardrail, guardrail
from wmeval_adapters.diffusers_video.profiles import NAMES, TABLE, Rules, profiles
from wmeval_adapters.diffusers_video.settings import settle, typed

counts = st.integers(1, 400)


@given(counts, st.sampled_from([1, 4, 8]))
def test_lengths_are_the_nearest_that_fit(frames, time):
    rules = Rules(time=time)
    up, down = rules.length(frames), rules.context(frames)
    assert down <= frames <= up
    assert up - down in (0, time)
    assert (up - 1) % time == (down - 1) % time == 0


def write(folder, kind="WanImageToVideoPipeline", components=None, **files):
    folder.mkdir(exist_ok=True)
    index = {"_class_name": kind, "_diffusers_version": "0", "vae": ["diffusers", "AutoencoderKLWan"]}
    files = {"model_index.json": {**index, **(components or {})}, **files}
    for name, value in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(value if isinstance(value, str) else json.dumps(value))
    return folder


@pytest.fixture
def wan(tmp_path):
    configs = {"vae__config.json": {"scale_factor_temporal": 4, "scale_factor_spatial": 8}}
    body = {"transformer__config.json": {"patch_size": [1, 2, 2]}}
    return write(tmp_path / "wan", **configs, **body)


@pytest.mark.parametrize("name", [*NAMES, "diffusers"])
def test_every_name_is_an_adapter_whose_card_needs_no_weights(name):
    adapter = registry.load_adapter(name)
    assert adapter.card.name == name
    assert adapter.needs.startswith("--weights")
    assert "generates" in adapter.card.capabilities
    with pytest.raises(EnvironmentFault, match=rf"{name} comes without weights; .*--weights hf:"):
        completed(name, None, {})


def test_the_table_states_sizes_and_lengths_that_its_own_rules_allow():
    for row in TABLE:
        assert row.size[0] % row.rules.space == row.size[1] % row.rules.space == 0, row.pipeline
        assert row.model == "svd" or row.frames == row.rules.length(row.frames), row.pipeline
        assert all(n == row.rules.length(n) for n in row.shows) or row.shows == (1, 1)
        assert row.source.startswith("hf:")


def test_a_card_is_completed_by_small_files_and_options(wan):
    card = completed("wan", wan, {"height": "64", "width": "96", "fps": "10"})
    assert (card.view.height, card.view.width, card.view.fps) == (64, 96, 10.0)
    assert (card.context, card.context_step, card.horizon, card.classes) == (
        (1, 1),
        1,
        80,
        ("one frame", "never"),
    )
    assert card.version.startswith("WanImageToVideoPipeline, diffusers ")
    assert "unverified" in card.licence
    assert card.actions.kind == "text"
    assert card.actions.fidelity == "lossy"


def test_options_beside_the_weights_come_before_ours_and_after_the_users(wan):
    (wan / "wmeval.json").write_text('{"height": 64, "width": 64, "fps": 8}')
    assert completed("wan", wan, {}).view.fps == 8
    assert completed("wan", wan, {"fps": "12"}).view.fps == 12


def test_the_tag_of_the_weights_is_their_licence(wan):
    (wan / "README.md").write_text("---\nlicense: apache-2.0\nlibrary_name: diffusers\n---\n# Text\n")
    assert completed("wan", wan, {}).licence == "apache-2.0 (tag of the weights' README.md)"
    (wan / "README.md").write_text("---\nlicense: other\nlicense_name: some-community\n---\n")
    assert completed("wan", wan, {}).licence.startswith("some-community")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"height": "60"}, "height=60; expected a multiple of 16, as in `--set height=64`"),
        ({"height": "tall"}, "height='tall' was given; expected a number"),
        ({"width": "32.5"}, "expected a whole number"),
        ({"fps": "0"}, "expected frames per second"),
        ({"fps": "nan"}, "expected a finite number"),
        ({"num_frames": "10"}, "expected 1 \\+ a multiple of 4.*`--set num_frames=13`"),
        ({"num_frames": "1"}, "`--set num_frames=5`"),
        ({"context": "video"}, "expected one of image"),
        ({"actions": "pusht"}, "follows no actions"),
        ({"dtype": "int8"}, "expected one of auto, float32, float16, bfloat16"),
        ({"allow-pickle": "maybe"}, "expected one of no, yes"),
    ],
)
def test_options_that_do_not_fit_are_told(wan, options, sentence):
    with pytest.raises(UsageError, match=sentence):
        settle("wan", opened(wan), options)


def test_contexts_come_in_lengths_that_the_decoder_takes(tmp_path):
    folder = opened(write(tmp_path / "s", "SkyReelsV2DiffusionForcingPipeline"))
    assert settle("skyreels", folder, {}).shows == (5, 17)
    assert settle("skyreels", folder, {"context_frames": "9"}).shows == (5, 9)
    with pytest.raises(
        UsageError, match=r"context_frames=8; expected 1 \+ a multiple of 4.*context_frames=9"
    ):
        settle("skyreels", folder, {"context_frames": "8"})


@pytest.mark.parametrize(
    ("kind", "configs", "size", "frames", "rules"),
    [
        ("LTXConditionPipeline", {
            "vae__config.json": {
                "spatio_temporal_scaling": [True] * 4, "patch_size": 4, "patch_size_t": 1,
                "spatial_compression_ratio": 32, "temporal_compression_ratio": 8,
            }
        }, (512, 704), 161, Rules(8, 32)),
        ("CogVideoXImageToVideoPipeline", {
            "vae__config.json": {"block_out_channels": [128, 256, 256, 512], "temporal_compression_ratio": 4},
            "transformer__config.json": {
                "patch_size": 2, "sample_height": 96, "sample_width": 170, "sample_frames": 81,
                "use_learned_positional_embeddings": True,
            },
        }, (768, 1360), 81, Rules(8, 16)),
        ("StableVideoDiffusionPipeline", {
            "vae__config.json": {"block_out_channels": [128, 256, 512, 512]},
            "unet__config.json": {"block_out_channels": [320, 640, 1280, 1280], "num_frames": 14},
        }, (576, 1024), 14, Rules(1, 64)),
        ("Cosmos3OmniPipeline", {
            "vae__config.json": {"scale_factor_temporal": 4, "scale_factor_spatial": 16},
            "transformer__config.json": {"latent_patch_size": 2},
        }, (720, 1280), 189, Rules(4, 16)),
        ("WanImageToVideoPipeline", {
            "vae__config.json": {"z_dim": 16}, "transformer__config.json": {"patch_size": [1, 2, 2]},
        }, (480, 832), 81, Rules(4, 16)),
    ],
)  # fmt: skip
def test_sizes_and_lengths_as_published_configurations_state_them(
    tmp_path, kind, configs, size, frames, rules
):
    vae = {
        "LTX": "AutoencoderKLLTXVideo",
        "Cog": "AutoencoderKLCogVideoX",
        "Sta": "AutoencoderKLTemporalDecoder",
    }
    parts = {"vae": ["diffusers", vae.get(kind[:3], "AutoencoderKLWan")]}
    settings = settle("diffusers", opened(write(tmp_path / "p", kind, parts, **configs)), {})
    assert (settings.profile.size, settings.profile.frames, settings.rules) == (size, frames, rules)


def test_configurations_that_are_not_what_classes_write_are_told(tmp_path):
    parts = {"vae": ["diffusers", "AutoencoderKLLTXVideo"]}
    folder = opened(write(tmp_path / "p", "LTXConditionPipeline", parts))
    with pytest.raises(UsageError, match=r"not what their classes write \(KeyError"):
        settle("ltx", folder, {})


def test_weights_of_another_family_are_refused_with_what_would_do(wan):
    with pytest.raises(UsageError, match="holds a WanImageToVideoPipeline; ltx takes LTXConditionPipeline"):
        completed("ltx", wan, {})
    assert completed("diffusers", wan, {}).name == "diffusers"


def test_what_is_no_pipeline_folder_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"no model_index\.json"):
        completed("wan", tmp_path, {})
    (tmp_path / "model_index.json").write_text("[]")
    with pytest.raises(UsageError, match="expected a JSON object"):
        completed("wan", tmp_path, {})
    (tmp_path / "model_index.json").write_text('{"_class_name": ["mine", "Mine"]}')
    with pytest.raises(UsageError, match="not code of its own"):
        completed("wan", tmp_path, {})
    with pytest.raises(UsageError, match="is a file"):
        completed("wan", tmp_path / "model_index.json", {})


def test_code_and_pickles_are_refused(tmp_path):
    own = opened(write(tmp_path / "own", components={"unet": ["my_unet", "Mine"]}))
    with pytest.raises(UsageError, match="unet \\(Mine\\) from 'my_unet', which is code of its own"):
        own.check(allow_pickle=True)
    pickled = opened(write(tmp_path / "bin", vae__model=".", **{"vae__weights.bin": "x"}))
    with pytest.raises(UsageError, match=r"pickled .*--set allow-pickle=yes"):
        pickled.check(allow_pickle=False)
    pickled.check(allow_pickle=True)


def test_parameters_are_counted_from_heads_alone(tmp_path):
    from safetensors.numpy import save_file

    folder = write(tmp_path / "w")
    save_file({"a": np.zeros((3, 4), np.float32), "b": np.zeros(5, np.float16)}, folder / "vae.safetensors")
    assert opened(folder).parameters() == 17
    (folder / "bad.safetensors").write_bytes(b"\xff" * 40)
    with pytest.raises(UsageError, match="no safetensors file"):
        opened(folder).parameters()


def test_only_toys_are_without_a_guardrail(tmp_path, monkeypatch):
    two, third = (next(p for p in profiles("cosmos") if n in p.pipeline) for n in ("Cosmos2Video", "Cosmos3"))
    folder = opened(write(tmp_path / "c", "Cosmos2VideoToWorldPipeline"))
    more, notes = guardrail(folder, two)
    assert isinstance(more["safety_checker"], NoGuardrail)
    assert "guardrail off" in notes[0]
    assert guardrail(folder, third)[0] == {"enable_safety_checker": False}
    assert guardrail(folder, profiles("wan")[0]) == ({}, ())
    monkeypatch.setattr("wmeval_adapters.diffusers_video.guard.TOY", 0)
    assert guardrail(folder, two)[0] == {}
    assert "guardrail on" in guardrail(folder, two)[1][0]
    assert guardrail(folder, third)[0] == {"enable_safety_checker": True}


class Called:
    """A pipeline's call, as signatures are written."""

    def __call__(
        self, image, guidance_scale: float = 5.0, steps: int | None = None,
        prompt: str | list[str] | None = None, dynamic: bool = False, latents: list | None = None,
        scale: int = 3, generator=None,
    ):  # fmt: skip
        """Do nothing."""


def test_keywords_are_typed_by_the_signature():
    text = {"guidance_scale": "3", "steps": "4", "dynamic": "yes", "scale": "2"}
    told = typed(Called, text, {"prompt"})
    assert told == {"guidance_scale": 3.0, "steps": 4, "dynamic": True, "scale": 2}
    assert [type(v) for v in told.values()] == [float, int, bool, int]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            {"guidence_scale": "3"},
            "no option 'guidence_scale'; it takes dynamic, guidance_scale, scale, steps,",
        ),
        ({"latents": "3"}, "no option 'latents'"),
        ({"prompt": "x"}, "no option 'prompt'"),
        ({"steps": "many"}, "steps='many'; expected a whole number"),
        ({"dynamic": "2"}, "expected yes or no"),
    ],
)
def test_keywords_that_do_not_fit_are_told(call, sentence):
    with pytest.raises(UsageError, match=sentence):
        typed(Called, call, {"prompt"})


def test_a_push_becomes_a_direction_in_the_picture():
    actions = np.zeros((3, 12))
    actions[0, 0] = 25.0  # an impulse to the right
    actions[1, 5] = 100.0  # a force upwards, for .1 s
    actions[2, 2] = -500.0
    assert push_2d(actions, 0.1) == pytest.approx(np.array([[0.5, 0], [0, -0.2], [0, 1]]))


def test_a_camera_that_stands_still_has_the_identity_as_its_pose():
    assert camera_pose(np.zeros((2, 12)), 0.1) == pytest.approx(np.tile([0, 0, 0, 1, 0, 0, 0, 1, 0], (2, 1)))


def test_camera_motion_is_told_in_its_own_axes():
    actions = np.zeros((2, 12))
    actions[:, 6] = 2.0  # to the right, in the world
    actions[0, 11] = np.pi / 2 / 0.5  # a quarter turn to the left about the vertical, in half a second
    first, second = camera_pose(actions, 0.5)
    assert first[:3] == pytest.approx([1, 0, 0])
    assert second[:3] == pytest.approx([0, 0, -1])  # it looks to the left now: right is behind it
    turn = np.column_stack([first[3:6], first[6:9], np.cross(first[3:6], first[6:9])])
    assert turn @ turn.T == pytest.approx(np.eye(3))
    assert turn == pytest.approx(SIDE @ rotation(np.array([0, 0, np.pi / 2])) @ SIDE.T)


def test_no_codec_claims_more_than_it_knows():
    assert {c.fidelity for c in CODECS.values()} == {"lossy"}
    assert all(c.encode(np.zeros((4, 12)), 0.1).shape == (4, c.size) for c in CODECS.values())
