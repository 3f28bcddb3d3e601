"""Each family on a tiny pipeline of random weights: shapes, seeds, batches, lengths, refusals."""

import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from wmeval import registry
from wmeval.check_adapter import observations
from wmeval.errors import EnvironmentFault, UsageError
from wmeval_adapters.diffusers_video.profiles import Rules

pytest.importorskip("diffusers")
_spec = importlib.util.spec_from_file_location(
    "tiny_pipelines", Path(__file__).with_name("tiny_pipelines.py")
)
tiny = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tiny)
CASES = [(name, {}) for name in tiny.BUILDERS] + [
    ("ltx", {"context": "image"}),
    ("ltx", {"pipeline": "LTXImageToVideoPipeline"}),
    ("cosmos2", {"context": "image"}),
    ("cosmos3", {"context": "image"}),
]


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Tiny pipelines, each built when it is first asked for."""
    made = {}

    def folder(name):
        if name not in made:
            made[name] = tiny.build(name, tmp_path_factory.mktemp("pipelines") / name)
        return made[name]

    return folder


def load(folders, name, **options):
    return registry.load_model(tiny.MODEL_OF.get(name, name), folders(name), "cpu", options)


def frames(model, batch, seeds):
    told = model.generate(batch, seeds)
    assert [p.status.state for p in told] == ["ok"] * len(batch), told[0].status.detail
    return [p.frames for p in told]


@pytest.mark.parametrize(
    ("name", "options"), CASES, ids=lambda v: v if isinstance(v, str) else "-".join(v.values())
)
def test_a_pipeline_continues_a_scene(folders, name, options):
    model = load(folders, name, **options)
    kind = registry.load_adapter(tiny.MODEL_OF.get(name, name))
    assert model.card == kind.completed(folders(name), options)
    pair = observations(model.card, 2, ahead=3)
    first, second = frames(model, pair, [3, 4])
    assert first.shape == (3, 32, 32, 3)
    assert first.dtype == np.uint8
    (alone,) = frames(model, pair[1:], [4])  # the same seed gives the same bytes, in a batch or not
    assert np.array_equal(second, alone)
    (other,) = frames(model, pair[:1], [5])
    assert not np.array_equal(first, other)
    assert first.std() > 1


def test_actions_reach_cosmos_and_leave_the_first_frame(folders):
    model = load(folders, "cosmos3", actions="pusht")
    assert (model.card.actions.kind, model.card.actions.size) == ("continuous", 2)
    assert model.card.classes == ("one frame + actions", "never")
    assert not model.card.causal
    (seen,) = observations(model.card, 1)
    pushed = replace(seen, actions=seen.actions + 40.0)
    still, moved = frames(model, [seen, pushed], [1, 1])
    assert not np.array_equal(still, moved)


def test_what_skyreels_gives_back_first_is_the_video_it_was_given(folders):
    model = load(folders, "skyreels")
    (seen,) = observations(model.card, 1)
    outputs = []
    inner = model.pipe

    def spy(**keywords):
        outputs.append(inner(**keywords))
        return outputs[-1]

    model.pipe = spy
    (told,) = model.generate([seen], [0])
    video = np.rint(np.asarray(outputs[0].frames)[0] * 255).astype(np.uint8)
    assert np.array_equal(video[:5], seen.frames[-5:])  # 8 were shown; 5 are the most that fit 1 + 4 n
    assert np.array_equal(told.frames, video[10:14])
    assert told.status.detail.startswith("the first 10 of 14 frames are the context again (")


def fake(model, seen, made):
    """Return what a model says whose pipeline answers with `made`."""
    model.pipe = lambda **_: SimpleNamespace(frames=made[None])
    return model.generate([seen], [0])[0]


@pytest.fixture
def shown(folders):
    model = load(folders, "cosmos2")
    (seen,) = observations(model.card, 1)
    return model, seen, np.concatenate([seen.frames[-5:], np.full((4, 32, 32, 3), 128, np.uint8)]) / 255


def test_frames_that_are_the_context_again_are_measured_and_left_out(shown):
    model, seen, made = shown
    told = fake(model, seen, made)
    assert (told.frames == 128).all()
    assert told.status.detail == "the first 5 of 9 frames are the context again (99.0 dB) and left out"
    off = made.copy()
    off[:5] = np.clip(made[:5] + 1 / 255, 0, 1)
    assert 48 <= float(fake(model, seen, off).status.detail.split("(")[1].split(" dB")[0]) < 60


def test_how_many_frames_are_left_out_can_be_set(folders, shown):
    _, seen, made = shown
    model = load(folders, "cosmos2", reproduced="0")
    assert np.array_equal(fake(model, seen, made).frames, np.rint(made[:4] * 255))


def test_answers_that_cannot_be_placed_in_time_have_failed(shown):
    model, seen, made = shown
    assert "returned 8 frames where 9 were expected" in fake(model, seen, made[:8]).status.detail
    assert "expected frames of (32, 32, 3)" in fake(model, seen, made[:, :16]).status.detail
    made[-1, 0, 0, 0] = np.nan
    assert "NaN" in fake(model, seen, made).status.detail


def test_what_a_guardrail_refuses_is_refused_and_not_failed(shown):
    model, seen, _ = shown

    def says_no(**_):
        raise ValueError("Cosmos Guardrail detected unsafe text in the prompt")

    model.pipe = says_no
    assert model.generate([seen], [0])[0].status.state == "refused"


def test_published_cosmos_is_not_opened_without_its_guardrail(folders, monkeypatch):
    monkeypatch.setattr("wmeval_adapters.diffusers_video.guard.TOY", 0)
    with pytest.raises(EnvironmentFault, match="pip install cosmos_guardrail"):
        load(folders, "cosmos2")


def test_options_reach_the_pipeline_and_unknown_ones_are_refused(folders):
    model = load(folders, "wan", guidance_scale="1", negative_prompt="blurry")
    assert model.call == {
        "guidance_scale": 1.0, "negative_prompt": "blurry", "num_inference_steps": 2,
        "max_sequence_length": 16,
    }  # fmt: skip
    with pytest.raises(UsageError, match="WanImageToVideoPipeline takes no option 'steps'"):
        load(folders, "wan", steps="2")
    with pytest.raises(UsageError, match="no option 'image_embeds'"):
        load(folders, "wan", image_embeds="2")


def test_lengths_can_be_set_and_bound_the_horizon(folders):
    model = load(folders, "wan", num_frames="9")
    assert model.card.horizon == 8
    calls = []
    inner = model.pipe
    model.pipe = lambda **keywords: (calls.append(keywords["num_frames"]), inner(**keywords))[1]
    assert frames(model, observations(model.card, 1, ahead=3), [0])[0].shape[0] == 3
    assert calls == [9]


def test_the_licence_is_told_when_weights_are_loaded(folders, capfd):
    load(folders, "svd")
    assert (
        "licence: pipeline Apache-2.0; weights Stability AI community licence, unverified"
        in capfd.readouterr().err
    )


def test_a_gpu_that_is_not_there_is_told(monkeypatch):
    import torch

    from wmeval_adapters.diffusers_video.opening import device_of

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of("auto") == "cpu"
    with pytest.raises(EnvironmentFault, match="torch sees no GPU"):
        device_of("cuda:1")


def test_any_class_by_name(folders):
    kind = "SkyReelsV2DiffusionForcingImageToVideoPipeline"
    options = {"pipeline": kind, "base_num_frames": "5", "fps": "12"}
    model = registry.load_model("diffusers", folders("skyreels"), "cpu", options)
    assert model.card.name == "diffusers"
    assert model.card.version.startswith(kind)
    assert (model.card.context, model.card.view.fps) == ((1, 1), 12)
    assert frames(model, observations(model.card, 1), [0])[0].shape == (4, 32, 32, 3)


def test_classes_that_cannot_be_asked_are_told(folders):
    with pytest.raises(UsageError, match=r"diffusers .* has no pipeline 'WanPipelin'"):
        registry.load_model("diffusers", folders("wan"), "cpu", {"pipeline": "WanPipelin"})
    with pytest.raises(UsageError, match="neither an image nor a video"):
        registry.load_model("diffusers", folders("wan"), "cpu", {"pipeline": "WanPipeline"})


def test_weights_that_do_not_fit_their_class_are_told(folders, tmp_path):
    broken = tmp_path / "wan"
    shutil.copytree(folders("wan"), broken)
    (broken / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(UsageError, match="cannot be opened as WanImageToVideoPipeline"):
        registry.load_model("wan", broken, "cpu", {})


def test_rules_that_were_told_before_loading_are_held_against_the_pipeline(folders, monkeypatch):
    monkeypatch.setattr("wmeval_adapters.diffusers_video.opening.rules_of", lambda pipe: Rules(2, 16))
    with pytest.raises(UsageError, match=r"1 \+ n x 4 .* the loaded WanImageToVideoPipeline 2 and 16"):
        load(folders, "wan")


def test_a_model_of_one_frame_is_not_asked_what_needs_motion(folders):
    from wmeval.run.plan import make_plan
    from wmeval.run.request import Request

    def asked(model, **options):
        request = Request(
            tiny.MODEL_OF.get(model, model), probes=("gravity",), instruments=("rollout",), limit=2,
            weights=str(folders(model)), options=options,
        )  # fmt: skip
        return make_plan(request)

    plan = asked("wan")
    assert not plan.units
    assert plan.na[0]["reason"] == "the model sees 1 frames (0 s); one must look for 0.4 s"
    assert asked("ltx").na[0]["reason"].startswith("the model sees 9 frames (0.32 s)")
    assert len(asked("ltx", fps="20").units) == 2
