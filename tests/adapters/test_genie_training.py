"""genie's training: it learns, it goes on after a kill, it says what is missing."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from wmeval.errors import UsageError
from wmeval_adapters.genie import corpus, net, recipe
from wmeval_adapters.learn.clips import draws, open_clips
from wmeval_adapters.learn.loop import Log, Stage, fit


def _problem(step: int, model: torch.nn.Module):
    x = torch.from_numpy(draws(0, "toy", step).normal(size=(16, 3))).float()
    loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
    return loss, {"loss": float(loss.detach())}


def test_a_stage_that_was_killed_ends_where_an_unbroken_one_does(tmp_path):
    ends = []
    for name, kill in (("whole", None), ("cut", 17)):
        torch.manual_seed(1)
        out, stage = tmp_path / name, Stage("toy", 40, 0.1, warm_up=5, ema=0.9)
        out.mkdir()
        for at in (kill, None):
            model = torch.nn.Linear(3, 1)
            with torch.no_grad():
                for p in model.parameters():
                    p.fill_(0.5)

            def loss(step: int, at: int | None = at, model: torch.nn.Module = model):
                if at is not None and step == at:
                    raise KeyboardInterrupt
                return _problem(step, model)

            try:
                fit(stage, model, loss, out, Log(out / "log.jsonl"), every_s=0.0)
            except KeyboardInterrupt:
                continue
        ends.append(torch.cat([p.flatten() for p in model.parameters()]))
    assert torch.equal(*ends)


def test_a_loss_that_is_not_finite_stops_the_stage(tmp_path):
    model = torch.nn.Linear(1, 1)

    def loss(step: int):
        return model(torch.ones(1, 1)).sum() * float("nan"), {}

    with pytest.raises(FloatingPointError, match="step 0"):
        fit(Stage("toy", 4, 0.1), model, loss, tmp_path, Log(tmp_path / "log.jsonl"))


def test_training_makes_a_file_and_repeating_it_trains_nothing(tiny_genie, disc_folder, tmp_path):
    stages = tuple(replace(s, steps=4, warm_up=2) for s in recipe.STAGES)
    plan = recipe.Plan(disc_folder, 0, 1, stages, tiny_genie.config, "polish")
    first = recipe.run(plan, tmp_path).read_bytes()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in lines if line.get("step") == 4] == [s.name for s in stages]
    assert all(np.isfinite(line["loss"]) for line in lines if "loss" in line)
    model, made = net.load(tmp_path / "genie-small.safetensors")
    assert made["steps"]["dynamics"] == 4
    assert model.binding.purity is not None
    assert recipe.run(plan, tmp_path).read_bytes() == first
    again = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert sum("step" in line for line in again) == len(stages)


def test_wrong_training_options_are_told_in_a_sentence(tmp_path, disc_folder):
    for options, told in (
        ({}, "data=FOLDER"),
        ({"data": "x", "sed": "1"}, "no option"),
        ({"data": "x", "seed": "one"}, "numbers"),
        ({"data": "x", "until": "noon"}, "stage"),
        ({"data": str(tmp_path)}, r"no frames\.npy"),
    ):
        with pytest.raises(UsageError, match=told):
            recipe.train(tmp_path / "out", options)


def test_held_out_clips_are_the_last_and_never_trained_on(disc_folder):
    clips = open_clips(disc_folder)
    assert (clips.held_out, clips.trained) == (2, 22)


def test_a_body_counts_as_back_only_after_it_was_hidden():
    state = torch.zeros(1, 8, 6, 5)
    state[0, :, 1, 4] = torch.tensor([1.0, 1, 0, 0, 0.5, 1, 1, 1])
    assert corpus.returned(state)[0, :, 1].tolist() == [False] * 4 + [True] * 4
    state[0, :, 1, 4] = torch.tensor([0.0, 0, 0, 1, 1, 1, 1, 1])
    assert not bool(corpus.returned(state).any())
