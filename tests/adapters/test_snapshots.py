"""Weights that a training leaves on its way: when, what is in them, and that they change nothing else."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from wmeval.errors import UsageError
from wmeval.model import Observation
from wmeval_adapters import diamond
from wmeval_adapters.diamond import learning as diamond_learning
from wmeval_adapters.diamond import recipe as diamond_recipe
from wmeval_adapters.diamond.small import Config
from wmeval_adapters.learn.loop import Log, Stage, fit
from wmeval_adapters.learn.shipped import file_of
from wmeval_adapters.learn.snapshots import Snapshots, asked, header, points

STAGE = Stage("line", 16, 0.1, warm_up=2, ema=0.9)


def line(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.nn.Linear(2, 1)


def toward_one(model):
    def loss(step):
        value = (model(torch.ones(1, 2) * (1 + step % 3)) - 1).square().mean()
        return value, {"loss": float(value.detach())}

    return loss


def kept_in(folder, model, count, seen=None):
    def write(step, at):
        (at / "line.safetensors").write_bytes(str(model.weight.tolist()).encode())
        if seen is not None:
            seen.append((step, model.training))
        model.eval()
        torch.rand(3)

    return Snapshots(folder, points(STAGE.steps, count), write)


def fitted(folder, count, **given):
    folder.mkdir(exist_ok=True)
    model = line()
    kept = kept_in(folder, model, count) if count else None
    fit(STAGE, model, toward_one(model), folder, Log(folder / "log.jsonl"), snapshots=kept, **given)
    return model


def written(folder):
    return {int(p.parent.name): p.read_bytes() for p in folder.glob("stages/*/line.safetensors")}


def test_each_point_is_half_of_the_next_and_the_last_is_the_end():
    assert points(16000, 5) == (1000, 2000, 4000, 8000, 16000)
    assert points(7, 3) == (1, 3, 7)
    assert points(16000, 0) == ()
    assert points(3, 20) == (1, 3)


def test_snapshots_hold_averaged_weights_and_leave_the_training_as_it_is(tmp_path):
    plain, with_stages = fitted(tmp_path / "plain", 0), fitted(tmp_path / "kept", 3)
    assert torch.equal(plain.weight, with_stages.weight)
    assert sorted(written(tmp_path / "kept")) == [4, 8, 16]
    assert written(tmp_path / "kept")[16] == str(plain.weight.tolist()).encode()
    # the average of 8 steps is that of a training whose schedule is the same and that is cut off there
    model = line()
    with pytest.raises(KeyboardInterrupt):
        fit(STAGE, model, stopped(toward_one(model), 8), *here(tmp_path / "cut"), every_s=-1.0)
    saved = torch.load(tmp_path / "cut" / "line.pt", weights_only=True)
    assert saved["step"] == 8
    assert written(tmp_path / "kept")[8] == str(saved["average"]["weight"].tolist()).encode()


def here(folder):
    folder.mkdir(exist_ok=True)
    return folder, Log(folder / "log.jsonl")


def stopped(loss, at):
    def cut(step):
        if step == at:
            raise KeyboardInterrupt
        return loss(step)

    return cut


def test_a_writer_may_ask_the_model_something_and_draw_at_random(tmp_path):
    seen = []
    for count, name in ((0, "plain"), (2, "kept")):
        model = line()

        def noisy(step, model=model):
            value = (model(torch.rand(1, 2)) - 1).square().mean()
            assert model.training
            return value, {}

        kept = kept_in(tmp_path / name, model, count, seen) if count else None
        with torch.random.fork_rng():
            torch.manual_seed(3)
            fit(STAGE, model, noisy, *here(tmp_path / name), snapshots=kept)
    one, two = (torch.load(tmp_path / n / "line.pt", weights_only=True)["model"] for n in ("plain", "kept"))
    assert torch.equal(one["weight"], two["weight"])
    assert [step for step, _ in seen] == [8, 16]


def test_a_killed_training_leaves_the_same_snapshots(tmp_path):
    fitted(tmp_path / "whole", 4)
    for at in (3, 9, 15):
        model = line()
        with pytest.raises(KeyboardInterrupt):
            fit(STAGE, model, stopped(toward_one(model), at), *here(tmp_path / "cut"), every_s=-1.0,
                snapshots=kept_in(tmp_path / "cut", model, 4))  # fmt: skip
    fitted(tmp_path / "cut", 4)
    assert written(tmp_path / "cut") == written(tmp_path / "whole")


def test_a_point_that_has_passed_is_told_and_the_end_can_still_be_had(tmp_path):
    model = line()
    with pytest.raises(KeyboardInterrupt):
        fit(STAGE, model, stopped(toward_one(model), 5), *here(tmp_path), every_s=-1.0)
    fitted(tmp_path, 3)
    said = [json.loads(s).get("said") for s in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [s for s in said if s] == ["no snapshot of steps [4]: line.pt is at step 5 already"]
    assert sorted(written(tmp_path)) == [8, 16]
    last = written(tmp_path)[16]
    (tmp_path / "stages/16/line.safetensors").unlink()
    fitted(tmp_path, 3)
    assert written(tmp_path)[16] == last


@pytest.mark.parametrize("given", ["-1", "x", "21", "1.5"])
def test_a_wrong_number_of_points_is_told_in_a_sentence(given):
    with pytest.raises(UsageError, match=f"keep-stages={given}; expected"):
        asked({"keep-stages": given})


def test_a_folder_means_the_one_file_in_it(tmp_path):
    assert file_of(None) is None
    with pytest.raises(UsageError, match="holds 0 safetensors files; expected one"):
        file_of(tmp_path)
    (tmp_path / "a.safetensors").touch()
    assert file_of(tmp_path) == tmp_path / "a.safetensors" == file_of(tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").touch()
    with pytest.raises(UsageError, match="holds 2"):
        file_of(tmp_path)


def test_the_header_of_the_end_is_that_of_the_finished_weights():
    made = {"version": "0.1", "steps": {"line": 16}}
    assert header(made, "line", 16) == {**made, "step": 16, "of": 16}
    assert header(made, "line", 4)["version"] == "0.1-step4"


@pytest.fixture(scope="module")
def one(discs):
    frames, _, actions, _ = discs(1, 6, seed=4)
    return Observation(frames[0][:4], 10.0, actions[0].astype(np.float64), 2, "", np.eye(3))


def answered(adapter, folder, one):
    model = adapter.load(folder, "cpu", {})
    return model.card.version, model.generate([one], [1])[0].frames


def test_stages_of_diamond_load_and_differ(disc_folder, tmp_path, one, monkeypatch):
    stage = replace(diamond_recipe.STAGE, steps=4, warm_up=2, peak=3e-3, ema=0.5)
    tiny = Config(width=8, deep=8, blocks=1, past=2, embed=8, groups=2)
    plan = diamond_recipe.Plan(disc_folder, 0, 1, 4, stage, tiny, keep=2)
    whole = diamond_recipe.run(replace(plan, keep=0), tmp_path / "plain").read_bytes()
    final = diamond_recipe.run(plan, tmp_path / "kept")
    assert final.read_bytes() == whole
    stages = final.parent / "stages"
    told = [answered(diamond.ADAPTER, stages / step, one) for step in ("2", "4")]
    assert [version for version, _ in told] == ["0.1-step2", "0.1"]
    assert not np.array_equal(told[0][1], told[1][1])
    assert np.array_equal(told[1][1], answered(diamond.ADAPTER, final, one)[1])
    assert diamond.ADAPTER.completed(stages / "2", {}).version == "0.1-step2"

    # killed after the first point, with a checkpoint at every step
    calls = itertools.count()
    real = diamond_learning.losses

    def killed(*given):
        if next(calls) == 3:
            raise KeyboardInterrupt
        return real(*given)

    minutes = itertools.count(0.0, 100.0)
    monkeypatch.setattr("wmeval_adapters.learn.loop.time.monotonic", lambda: next(minutes))
    monkeypatch.setattr(diamond_learning, "losses", killed)
    with pytest.raises(KeyboardInterrupt):
        diamond_recipe.run(plan, tmp_path / "cut")
    assert diamond_recipe.run(plan, tmp_path / "cut").read_bytes() == whole
    for step in ("2", "4"):
        files = [tmp_path / run / "stages" / step / diamond_recipe.FILE for run in ("kept", "cut")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_stages_of_dreamer_load_and_differ(disc_folder, tmp_path, one):
    from wmeval_adapters import dreamer
    from wmeval_adapters.dreamer import recipe
    from wmeval_adapters.dreamer.slots import RssmConfig

    stages = tuple(replace(s, steps=4, warm_up=2) for s in recipe.STAGES)
    plan = recipe.Plan(disc_folder, 0, 1, stages, RssmConfig(), "dynamics", batch=4, keep=2)
    final = recipe.run(plan, tmp_path)
    told = [answered(dreamer.ADAPTER, tmp_path / "stages" / step, one) for step in ("2", "4")]
    assert [version for version, _ in told] == ["0.1-step2", "0.1"]
    assert not np.array_equal(told[0][1], told[1][1])
    assert np.array_equal(told[1][1], answered(dreamer.ADAPTER, final, one)[1])


@pytest.mark.parametrize(
    ("given", "points_asked"),
    [(["--keep-stages"], "5"), (["--keep-stages", "3"], "3"), ([], None), (["--set", "keep-stages=2"], "2")],
)
def test_the_command_hands_the_number_of_points_to_the_trainer(given, points_asked, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from wmeval import registry
    from wmeval.cli.train import command

    told = []
    trainee = replace(diamond.ADAPTER, train=lambda out, options: told.append(options))
    monkeypatch.setattr(registry, "load_adapter", lambda name: trainee)
    asked_for = ["--model", "diamond", "--set", "data=x", "--out", str(tmp_path), *given]
    done = CliRunner().invoke(command, asked_for)
    assert done.exit_code == 0, done.output
    assert told[0].get("keep-stages") == points_asked


def test_feature_extractors_leave_no_stages(tmp_path):
    from click.testing import CliRunner

    from wmeval.cli.train import command

    done = CliRunner().invoke(command, ["--features", "wmeval-enc", "--out", str(tmp_path), "--keep-stages"])
    assert isinstance(done.exception, UsageError)
    assert "--keep-stages is for models" in str(done.exception)


def test_stages_of_genie_load_and_differ(disc_folder, tmp_path, one, tiny_genie):
    from wmeval_adapters import genie
    from wmeval_adapters.genie import recipe

    stages = tuple(replace(s, steps=4, warm_up=2) for s in recipe.STAGES)
    plan = recipe.Plan(disc_folder, 0, 1, stages, tiny_genie.config, "polish", keep=2)
    recipe.run(plan, tmp_path)
    told = [answered(genie.ADAPTER, tmp_path / "stages" / step, one) for step in ("2", "4")]
    assert [version for version, _ in told] == ["0.1-step2", "0.1-step4"]
    kept = [genie_weights(tmp_path / "stages" / step) for step in ("2", "4")]
    assert any(not torch.equal(kept[0][k], kept[1][k]) for k in kept[0])


def genie_weights(folder):
    from wmeval_adapters.learn.weights import read

    return read(file_of(folder), "genie")[0]
