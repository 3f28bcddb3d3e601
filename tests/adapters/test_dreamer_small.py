"""The small dreamer: parts, boundary, causality, files, training; with random weights and tiny sizes."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from wmeval.check_adapter import findings
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.model import Clip, Encodes, Generates, Imagines, Observation, Reconstructs, Scores, Steps
from wmeval_adapters import dreamer
from wmeval_adapters.dreamer import learning, net, recipe, sight
from wmeval_adapters.dreamer.corpus import Corpus
from wmeval_adapters.dreamer.model import DreamerModel
from wmeval_adapters.dreamer.picture import Painter, drawn
from wmeval_adapters.dreamer.slots import BINS, Chance, RssmConfig, expected, nothing, sampled
from wmeval_adapters.learn.clips import open_clips

TINY = RssmConfig(deter=12, hidden=10, around=6, message=5)


def random_net(seed: int = 0) -> net.Dreamer:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = net.Dreamer(TINY)
        with torch.no_grad():
            for parameter in made.parameters():
                parameter += 0.1 * torch.randn(parameter.shape)
    return made


@pytest.fixture(scope="module")
def model() -> DreamerModel:
    return DreamerModel(dreamer.ADAPTER.card, random_net())


@pytest.fixture(scope="module")
def clips(discs):
    frames, _, actions, _ = discs(3, 9, seed=5)
    return [Clip(f, 10.0, a.astype(np.float64)) for f, a in zip(frames, actions, strict=True)]


def observed(clip: Clip, shown: int) -> Observation:
    return Observation(clip.frames[:shown], 10.0, clip.actions, len(clip.frames) - shown, "", np.eye(3))


def test_it_can_do_what_its_card_says(model):
    assert all(isinstance(model, k) for k in (Generates, Steps, Scores, Encodes, Imagines, Reconstructs))


def test_it_passes_the_checks_of_adapters(model):
    assert not [f.sentence for f in findings(model) if not f.ok]


def test_a_disc_is_seen_where_it_is_and_its_mirror_image_where_that_is(discs):
    frames, _, _, state = discs(6, 2, seed=1)
    pictures = torch.from_numpy(frames[:, 0]).permute(0, 3, 1, 2)
    hue = np.argmax(np.isfinite(state[:, 0, :, 0]), 1)
    each = np.arange(6)
    told = sight.spotted(pictures)
    assert told.seen.sum(1).tolist() == [1] * 6
    np.testing.assert_allclose(told.centre[each, hue].numpy(), state[each, 0, hue, :2], atol=0.15)
    turned, flipped = sight.mirrored(told, 64), sight.spotted(pictures.flip(-1))
    for a, b in zip(vars(turned).values(), vars(flipped).values(), strict=True):
        torch.testing.assert_close(a.float(), b.float(), atol=2e-3, rtol=0)


def test_bodies_are_drawn_where_they_are_and_not_behind_screens():
    painter = Painter()
    with torch.no_grad():
        for p in painter.parameters():
            p.zero_()
        painter.net[-1].bias[0] = 20.0  # covers all of its window
    grey, point = torch.full((1, 3, 64, 64), 0.5), torch.tensor([[[30.0, 20.0]]])
    colour, kind = torch.tensor([[[1.0, 0.0, 0.0]]]), torch.zeros(1, 1, 8)
    there = torch.ones(1, 1, dtype=torch.bool)
    hidden = torch.zeros(1, 64, 64)
    hidden[:, :, :30] = 1.0
    frame, share = drawn(painter, point, kind, colour, there, hidden, grey)
    red = (frame[0, 0] > 0.9).nonzero()
    assert red.amin(0).tolist() == [12, 30]
    assert red.amax(0).tolist() == [27, 37]
    assert share.item() == pytest.approx(0.5)
    frame, share = drawn(painter, point, kind, colour, ~there, hidden, grey)
    assert torch.equal(frame, grey)
    assert share.item() == 0


def test_the_surroundings_are_sampled_in_pixels():
    ramp = torch.arange(64.0).expand(1, 2, 64, 64)
    told = sampled(ramp, torch.tensor([[[20.5, 32.0]]])).view(2, 9, 9)
    np.testing.assert_allclose(told[0, 0].numpy(), 20 + 2.25 * np.arange(-4, 5), atol=1e-4)


def test_means_of_categoricals():
    bins = torch.tensor(BINS)
    place = torch.full((1, 1, 2, len(BINS)), -30.0)
    place[..., 3], place[..., 20] = np.log(0.6), np.log(0.4)
    view = torch.full((1, 1, 8), -30.0)
    view[..., 7] = 0.0
    views = torch.linspace(0, 1, 8)
    mean, share = expected(Chance(place, view), bins, views)
    np.testing.assert_allclose(mean.numpy(), 0.6 * BINS[3] + 0.4 * BINS[20], rtol=1e-4)
    assert share.item() == pytest.approx(1.0)


def test_without_training_a_body_goes_on_as_it_did(discs):
    """At the start all departures are even around nothing: two sightings give a uniform motion."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fresh = net.Dreamer(TINY)
    with torch.no_grad():
        fresh.picture.encoder.net[-1].weight.zero_()
        fresh.picture.encoder.net[-1].bias.copy_(torch.tensor([0.0, 0.0, 4.0] + [0.0] * 8))
    frames, _, _, state = discs(4, 6, seed=3)
    hue = np.argmax(np.isfinite(state[:, 0, :, 0]), 1)
    view = DreamerModel(dreamer.ADAPTER.card, fresh)
    still = np.zeros((4, 12))
    batch = [Observation(f[:2], 10.0, still, 3, "", np.eye(3)) for f in frames]
    latents = np.stack([p.latents for p in view.imagine(batch, [0] * 4)])
    for i in range(4):
        seen = sight.spotted(torch.from_numpy(frames[i, :2]).permute(0, 3, 1, 2)).centre[:, hue[i]].numpy()
        for t in range(3):
            told = 32 * (latents[i, t, hue[i], 1:3] + 1)
            np.testing.assert_allclose(told, seen[1] + (t + 1) * (seen[1] - seen[0]), atol=0.6)


def test_later_frames_change_no_earlier_surprise_or_latent(model, clips):
    clip = clips[0]
    frames = clip.frames.copy()
    frames[6:] = 255 - frames[6:]
    other = replace(clip, frames=frames)
    before, after = model.score([clip])[0].surprise, model.score([other])[0].surprise
    assert np.isnan(before[0])
    assert np.array_equal(before[1:6], after[1:6])
    assert not np.array_equal(before[6:], after[6:])
    one, two = model.encode([clip])[0].latents, model.encode([other])[0].latents
    assert np.array_equal(one[:6], two[:6])


def test_an_action_changes_what_it_leads_to_and_nothing_before(model, clips):
    for j in range(4):
        actions = clips[0].actions.copy()
        actions[4 + j, :3] += 3.0
        one, two = (
            model.imagine([observed(c, 5)], [0])[0].latents
            for c in (clips[0], replace(clips[0], actions=actions))
        )
        assert np.array_equal(one[:j], two[:j])
        assert not np.array_equal(one[j], two[j])


def test_the_action_before_a_frame_is_the_one_that_led_to_it(model, clips):
    """Watching frame t uses actions[t - 1]: what acts after the last frame changes no state at it."""
    clip = clips[0]
    actions = clip.actions.copy()
    actions[-1, :3] += 3.0
    one, two = (model.encode([c])[0].latents for c in (clip, replace(clip, actions=actions)))
    assert np.array_equal(one[:-1], two[:-1])
    assert not np.array_equal(one[-1], two[-1])


def test_alone_and_in_a_batch_agree(model, clips):
    batch = [observed(c, 5) for c in clips]
    for i, told in enumerate(model.imagine(batch, [1, 2, 3])):
        alone = model.imagine([batch[i]], [i + 1])[0].latents
        np.testing.assert_allclose(alone, told.latents, atol=1e-4)


def test_stepping_gives_the_generated_frames(model, clips):
    batch = [observed(c, 5) for c in clips]
    state, told = model.reset(batch, [0] * 3), [p.frames for p in model.generate(batch, [0] * 3)]
    for t in range(4):
        state, frames = model.step(state, np.stack([c.actions[4 + t] for c in clips]))
        assert np.abs(frames.astype(int) - np.stack(told)[:, t]).max() <= 1


def test_draws_come_from_the_seed_alone(model, clips):
    warm = DreamerModel(model.card, model.net, temperature=1.0)
    one = observed(clips[0], 5)
    state = torch.get_rng_state()
    first, again, other = (warm.imagine([one], [s])[0].latents for s in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert torch.equal(state, torch.get_rng_state())


def test_a_saved_model_comes_back_the_same(tmp_path, clips):
    path = tmp_path / "d.safetensors"
    net.save(path, random_net(3), {"seed": 3})
    one, made = net.load(path)
    net.save(tmp_path / "again.safetensors", one, {"seed": 3})
    two, _ = net.load(tmp_path / "again.safetensors")
    assert made["seed"] == 3
    assert all(torch.equal(two.state_dict()[k], v) for k, v in one.state_dict().items())
    loaded = dreamer.ADAPTER.load(path, "cpu", {})
    same = DreamerModel(loaded.card, two)
    batch = [observed(clips[0], 5)]
    assert np.array_equal(loaded.generate(batch, [0])[0].frames, same.generate(batch, [0])[0].frames)
    with pytest.raises(UsageError, match="published"):
        dreamer.ADAPTER.load(path, "cpu", {"unimix": "0.1"})


def test_without_weights_it_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(dreamer, "WEIGHTS", tmp_path / "none.safetensors")
    with pytest.raises(EnvironmentFault, match="wmeval train --model dreamer"):
        dreamer.ADAPTER.load(None, "cpu", {})
    with pytest.raises(EnvironmentFault, match="no weights"):
        dreamer.ADAPTER.load(tmp_path / "other.safetensors", "cpu", {})


def test_wrong_options_and_frames_are_told_in_a_sentence(model, clips, tmp_path):
    for options, told in (({"temp": "2"}, "no option"), ({"temperature": "-1"}, "from 0 on"),
                          ({"temperature": "a"}, "number")):  # fmt: skip
        with pytest.raises(UsageError, match=told):
            dreamer.ADAPTER.load(None, "cpu", options)
    with pytest.raises(UsageError, match="device"):
        dreamer.ADAPTER.load(None, "cuda", {})
    with pytest.raises(UsageError, match="expected uint8"):
        model.score([replace(clips[0], frames=clips[0].frames[:, :32])])
    for options, told in (
        ({}, "data=FOLDER"), ({"data": "x", "sed": "1"}, "no option"),
        ({"data": "x", "seed": "one"}, "numbers"), ({"data": "x", "until": "noon"}, "stage"),
        ({"data": str(tmp_path)}, r"no frames\.npy"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=told):
            recipe.train(tmp_path / "out", options)


def plan_of(folder, steps: int = 4) -> recipe.Plan:
    stages = tuple(replace(s, steps=steps, warm_up=2) for s in recipe.STAGES)
    return recipe.Plan(folder, 0, 1, stages, TINY, "dynamics", batch=6)


def test_training_makes_a_file_and_repeating_it_trains_nothing(disc_folder, tmp_path):
    first = recipe.run(plan_of(disc_folder), tmp_path).read_bytes()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in lines if line.get("step") == 4] == ["picture", "dynamics"]
    assert all(np.isfinite(line["loss"]) for line in lines)
    _, made = net.load(tmp_path / "dreamer-small.safetensors")
    assert made["steps"] == {"picture": 4, "dynamics": 4}
    assert recipe.run(plan_of(disc_folder), tmp_path).read_bytes() == first


def test_a_training_that_was_killed_ends_where_an_unbroken_one_does(disc_folder, tmp_path, monkeypatch):
    whole = recipe.run(plan_of(disc_folder, 6), tmp_path / "whole").read_bytes()
    real, calls = learning.unrolled, []

    def killed(model, w):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(model, w)

    # every step is minutes long, so that each leaves a checkpoint
    minutes = itertools.count(0.0, 100.0)
    monkeypatch.setattr("wmeval_adapters.learn.loop.time.monotonic", lambda: next(minutes))
    monkeypatch.setattr(learning, "unrolled", killed)
    with pytest.raises(KeyboardInterrupt):
        recipe.run(plan_of(disc_folder, 6), tmp_path / "cut")
    assert recipe.run(plan_of(disc_folder, 6), tmp_path / "cut").read_bytes() == whole


def test_clips_that_are_held_out_are_never_trained_on(disc_folder, tmp_path):
    clips = open_clips(disc_folder)
    recipe.run(plan_of(disc_folder), tmp_path / "a")
    folder = tmp_path / "spoilt"
    folder.mkdir()
    for name in ("frames", "bodies", "actions", "state"):
        array = np.load(disc_folder / f"{name}.npy").copy()
        array[clips.trained :] = array[:1]
        np.save(folder / f"{name}.npy", array)
    recipe.run(plan_of(folder), tmp_path / "b")
    one, two = (net.load(tmp_path / x / "dreamer-small.safetensors")[0].state_dict() for x in "ab")
    assert all(torch.equal(one[k], two[k]) for k in one)


def learnt(corpus: Corpus, rssm, steps: int) -> list[float]:
    """Return the divergence that frames 2 and later of one clip have, before and after learning it."""
    rows, first = np.zeros(2, np.int64), np.zeros(2, np.int64)
    order = np.tile(np.argsort(~corpus.seen[0].any(0).numpy(), kind="stable")[:1], (2, 1))
    w = learning.window(corpus, rows, first, 11, np.array([9, 10]), order)
    optimiser, told = torch.optim.AdamW(rssm.parameters(), 1e-2), []
    for _ in range(steps):
        value, parts = learning.unrolled(rssm, w)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        told.append(float(parts["kl"].detach()))
    return told


def test_learning_one_clip_by_heart_lowers_its_surprise(disc_folder, tmp_path):
    recipe.run(plan_of(disc_folder), tmp_path)
    from wmeval_adapters.dreamer import corpus

    made, _ = net.load(tmp_path / "dreamer-small.safetensors")
    data = open_clips(disc_folder)
    told = learnt(corpus.read(data, made.picture, tmp_path, turned=False), made.rssm, 60)
    assert told[-1] < 0.8 * told[0]
    clip = Clip(np.array(data.frames[0]), 10.0, data.actions[0].astype(np.float64))
    view = DreamerModel(dreamer.ADAPTER.card, net.load(tmp_path / "dreamer-small.safetensors")[0])
    before = np.nanmean(view.score([clip])[0].surprise[2:9])
    view.net.rssm.load_state_dict(made.rssm.state_dict())
    assert np.nanmean(view.score([clip])[0].surprise[2:9]) < before


def test_a_known_slot_keeps_nothing_of_an_unknown_one():
    state = nothing(2, 3, TINY)
    model = random_net().rssm
    with torch.no_grad():
        prior = model.prior(state, torch.zeros(2, 12), torch.zeros(2, 2, 64, 64))
        after = model.settle(prior, state, torch.ones(2, 3, 2), torch.ones(2, 3))
    assert not any(getattr(after, k).any() for k in ("deter", "point", "speed", "bend", "view", "known"))


def test_importing_the_adapter_does_not_import_torch():
    import subprocess
    import sys

    code = "import sys, wmeval_adapters.dreamer; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
