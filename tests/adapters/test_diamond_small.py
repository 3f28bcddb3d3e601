"""The small diamond: what it sees and remembers, what it must not know, and that it learns."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from wmeval.errors import EnvironmentFault, UsageError
from wmeval.model import Clip, Generates, Observation, Scores, Steps
from wmeval_adapters import diamond
from wmeval_adapters.diamond import corpus, memory, net, recipe
from wmeval_adapters.diamond.memory import followed, nothing
from wmeval_adapters.diamond.model import DiamondModel
from wmeval_adapters.diamond.rollout import follow, given_after
from wmeval_adapters.diamond.sight import cut_out, drawn, spotted
from wmeval_adapters.diamond.small import Config, SmallDenoiser
from wmeval_adapters.learn.clips import channels, open_clips, unit

TINY = Config(width=8, deep=8, blocks=1, past=2, embed=8, groups=2)


def made(stir=0.1):
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SmallDenoiser(TINY)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += stir * torch.randn(parameter.shape, generator=generator)
    return net.Small(model.eval(), torch.ones(12))


@pytest.fixture(scope="module")
def model():
    return DiamondModel(diamond.CARD_STATIC, made())


@pytest.fixture(scope="module")
def batch(discs):
    def make(count=2, shown=5, horizon=3):
        frames, _, actions, _ = discs(count, shown + horizon, seed=4)
        return [
            Observation(f[:shown], 10.0, a.astype(np.float64), horizon, "", np.eye(3))
            for f, a in zip(frames, actions, strict=True)
        ]

    return make


def frames_of(model, batch, seeds=(1, 2)):
    return [p.frames for p in model.generate(batch, list(seeds)[: len(batch)])]


def disc(centre, hue=(200, 20, 20), radius=5.0):
    v, u = np.mgrid[:64, :64] + 0.5
    share = np.clip(radius + 0.5 - np.hypot(u - centre[0], v - centre[1]), 0, 1)[..., None]
    return np.rint(share * np.array(hue) + (1 - share) * 150).astype(np.uint8)


def test_a_disc_is_seen_where_it_is_and_ends_where_it_ends():
    told = spotted(channels(disc((20.3, 41.6))[None]))
    assert told.seen[0].tolist() == [True] + [False] * 5
    assert told.points[0, 0].tolist() == pytest.approx([20.3, 41.6], abs=0.1)
    assert float(told.area[0, 0]) == pytest.approx(np.pi * 25, rel=0.1)
    assert told.edges[0, 0].flatten().tolist() == pytest.approx([15.3, 25.3, 36.6, 46.6], abs=0.6)


def test_a_look_drawn_where_it_was_cut_out_gives_the_frame_back():
    frame = channels(disc((20.3, 41.6))[None])
    wall = torch.full_like(frame, 150)
    sight = spotted(frame)
    look = cut_out(frame, wall, torch.tensor([0]), sight.points[:, 0])
    light, cover = drawn(look, sight.points[:, 0], (64, 64))
    again = unit(wall) * (1 - cover) + light
    assert float((again - unit(frame)).abs().max()) < 1e-5
    moved, _ = drawn(look, sight.points[:, 0] + torch.tensor([[3.0, -2.0]]), (64, 64))
    assert torch.allclose(moved[..., 2:60, 8:60], light[..., 4:62, 5:57], atol=1e-5)


def test_a_body_behind_a_screen_goes_on_as_before_and_comes_back_in_its_place():
    video = np.stack([disc((12.0 + 2.5 * t, 40)) for t in range(17)])
    video[:, :, 28:44] = 60  # a screen
    memories = follow(channels(video[None])).memories
    for t, at in enumerate(memories):
        assert bool(at.known[0, 0])
        assert abs(float(at.points[0, 0, 0, 0]) - (12.0 + 2.5 * t)) < 0.8
    assert max(int(m.age[0, 0]) for m in memories) >= 3
    assert int(memories[-1].age[0, 0]) == 0


def test_what_left_the_image_is_forgotten():
    video = np.stack([disc((50.0 + 4 * t, 30)) for t in range(8)])
    memories = follow(channels(video[None])).memories
    assert bool(memories[0].known[0, 0])
    assert not bool(memories[-1].known[0, 0])


def test_places_are_shared_among_cells_that_sum_to_one():
    points = torch.rand(3, 6, 2, generator=torch.Generator().manual_seed(0)) * 64
    known = torch.arange(6) < 3
    share = memory.shares(points, known.expand(3, 6), (64, 64))
    assert torch.allclose(share.sum((-1, -2)), known.float().expand(3, 6), atol=1e-5)


def test_before_anything_is_learnt_bodies_go_on_as_before():
    video = np.stack([disc((12.0 + 2.5 * t, 40)) for t in range(6)])
    seen = follow(channels(video[None, :5]))
    given = given_after(seen, 4, TINY.past, torch.zeros(1, 12))
    model = SmallDenoiser(TINY)
    told = model.expected(given)
    error = (told.mean[0].detach() - (2 * unit(channels(video[5])) - 1)).abs()
    assert float(error.mean()) < 0.01
    assert told.points[0, 0].tolist() == pytest.approx([24.5, 40], abs=0.2)


def seen_along(heights, x=lambda t: 20.0 + t):
    """Return the memory after frames of a disc at these heights."""
    frames = np.stack([disc((x(t), z)) for t, z in enumerate(heights)])
    return follow(channels(frames[None])).memories[-1]


def test_what_falls_is_foreseen_to_fall_and_what_rests_to_rest():
    falls = seen_along([12.0 + 0.6 * t**2 for t in range(7)])
    assert falls.pull[0, 0, 1].item() == pytest.approx(1.2, abs=0.1)
    assert falls.inertia[0, 0].tolist() == pytest.approx([27.0, 12.0 + 0.6 * 49], abs=0.25)
    rests = seen_along([30.0] * 7, x=lambda t: 20.0)
    assert not rests.pull.any()
    assert rests.inertia[0, 0].tolist() == pytest.approx([20.0, 30.0], abs=0.05)
    for _ in range(24):  # nothing drifts where nothing departs
        rests = rests.then(rests.inertia, torch.ones(1, 6, dtype=torch.bool), (64, 64))
    assert rests.points[0, 0, 0].tolist() == pytest.approx([20.0, 30.0], abs=0.1)


def test_a_bounce_is_passed_over_and_the_pull_goes_on():
    down = [12.0 + 0.6 * t**2 for t in range(7)]
    bounced = seen_along([*down, down[-1] - 4.0, down[-1] - 6.8])
    assert bounced.pull[0, 0, 1].item() == pytest.approx(1.2, abs=0.15)
    assert bounced.inertia[0, 0, 1].item() == pytest.approx(down[-1] - 6.8 - 2.8 + 1.2, abs=0.3)


def test_it_can_do_what_its_card_says(model):
    assert all(isinstance(model, kind) for kind in (Generates, Steps, Scores))
    assert "predicts-reward" not in model.card.capabilities


def test_seeds_batches_and_steps_agree(model, batch):
    both = batch()
    first, again = frames_of(model, both), frames_of(model, both)
    assert [f.shape for f in first] == [(3, 64, 64, 3)] * 2
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], frames_of(model, both, (7, 2))[0])
    alone = frames_of(model, both[:1])[0]
    assert np.abs(alone[0].astype(float) - first[0][0]).mean() < 0.5
    state = model.reset(both, [1, 2])
    for t in range(3):
        state, told = model.step(state, np.stack([o.actions[4 + t] for o in both]))
        assert np.array_equal(told[0], first[0][t])


def test_an_action_changes_the_frame_it_leads_to_and_none_before(model, batch):
    (one,) = batch(1, 4, 3)
    before = frames_of(model, [one])[0]
    for j in range(3):
        actions = one.actions.copy()
        actions[3 + j :, :3] = 60.0
        after = frames_of(model, [replace(one, actions=actions)])[0]
        assert np.array_equal(before[:j], after[:j])
        assert not np.array_equal(before[j], after[j])


def test_an_action_of_the_corpus_stands_beside_the_frame_before_it(disc_folder, tmp_path):
    clips = open_clips(disc_folder)
    whole = corpus.prepare(clips, tmp_path)
    rows, times = np.array([3, 5]), np.array([4, 6])
    one = corpus.batch_of(whole, rows, times, mirrored=False, past=2)
    assert np.allclose(one.given.action.numpy() * whole.scale, clips.actions[rows, times], atol=1e-4)
    assert np.allclose(
        (one.target.movedim(1, -1).numpy() + 1) * 127.5, clips.frames[rows, times + 1], atol=1e-3
    )
    assert torch.allclose(one.given.past[:, -1], unit(channels(clips.frames[rows, times])))
    flipped = corpus.batch_of(whole, rows, times, mirrored=True, past=2)
    assert torch.allclose(flipped.points[one.certain][:, 0], 64 - one.points[one.certain][:, 0], atol=1e-3)
    assert torch.allclose(flipped.given.action[:, 0], -one.given.action[:, 0])


def test_later_frames_change_no_earlier_surprise(model, discs):
    frames, _, actions, _ = discs(1, 7, seed=5)
    clip = Clip(frames[0], 10.0, actions[0].astype(np.float64))
    changed = frames[0].copy()
    changed[5:] = 255 - changed[5:]
    before, after = (model.score([c])[0].surprise for c in (clip, replace(clip, frames=changed)))
    assert np.isnan(before[0])
    assert np.array_equal(before[:5], after[:5], equal_nan=True)
    assert not np.allclose(before[5:], after[5:])


def test_a_body_that_is_not_where_it_should_be_is_surprising():
    model = DiamondModel(diamond.CARD_STATIC, made(stir=0.0))
    video = np.stack([disc((12.0 + 2.5 * t, 40)) for t in range(8)])
    odd = video.copy()
    odd[6] = disc((50, 20))
    lawful, broken = (model.score([Clip(f, 10.0, np.zeros((7, 12)))])[0].surprise for f in (video, odd))
    assert np.array_equal(lawful[:6], broken[:6], equal_nan=True)
    assert broken[6] > 3 * lawful[6]


def test_a_saved_model_comes_back_the_same(tmp_path, batch):
    net.save(tmp_path / "a.safetensors", made(), {"version": "7"})
    one = diamond.ADAPTER.load(tmp_path / "a.safetensors", "cpu", {})
    net.save(tmp_path / "b.safetensors", one.small, {"version": "7"})
    two = diamond.ADAPTER.load(tmp_path / "b.safetensors", "cpu", {})
    assert one.card.version == "7"
    assert one.small.model.config == TINY
    assert np.array_equal(frames_of(one, batch(1))[0], frames_of(two, batch(1))[0])


def test_wrong_files_options_and_frames_are_told_in_a_sentence(model, batch, tmp_path):
    (tmp_path / "cut.safetensors").write_bytes(b"x" * 40)
    with pytest.raises(UsageError, match="cannot be read"):
        diamond.ADAPTER.load(tmp_path / "cut.safetensors", "cpu", {})
    for options, told in (({"stps": "1"}, "no option"), ({"steps": "0"}, "from 1 to 100")):
        with pytest.raises(UsageError, match=told):
            diamond.ADAPTER.load(None, "cpu", options)
    with pytest.raises(UsageError, match="expected uint8"):
        model.generate([replace(batch(1)[0], frames=np.zeros((4, 32, 64, 3), np.uint8))], [0])
    for options, told in (
        ({}, "data=FOLDER"), ({"data": "x", "sed": "1"}, "no option"),
        ({"data": "x", "seed": "a"}, "numbers"),
        ({"data": "x", "steps": "0"}, "from 1 on"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=told):
            recipe.train(tmp_path / "out", options)


@pytest.mark.skipif(diamond.WEIGHTS.is_file(), reason="weights are shipped")
def test_without_weights_it_says_how_they_are_made():
    with pytest.raises(EnvironmentFault, match="wmeval train --model diamond"):
        diamond.ADAPTER.load(None, "cpu", {})


def test_training_goes_on_where_it_was_killed_and_lowers_surprise(disc_folder, tmp_path, monkeypatch):
    clips = open_clips(disc_folder)
    one = replace(clips.part(0, 1), frames=np.repeat(clips.frames[:1], 10, 0),
                  bodies=np.repeat(clips.bodies[:1], 10, 0), actions=np.repeat(clips.actions[:1], 10, 0),
                  state=np.repeat(clips.state[:1], 10, 0))  # fmt: skip
    monkeypatch.setattr(recipe, "open_clips", lambda folder: one)
    stage = replace(recipe.STAGE, steps=120, warm_up=3, peak=3e-3, ema=0.5)
    plan = recipe.Plan(disc_folder, 0, 1, 4, stage, TINY)
    path = recipe.run(plan, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == 120
    kept = path.read_bytes()
    assert recipe.run(plan, tmp_path).read_bytes() == kept
    clip = Clip(one.frames[0], 10.0, one.actions[0].astype(np.float64))
    small, told = net.load(path)
    assert told["steps"] == {"denoiser": 120}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fresh = net.Small(SmallDenoiser(TINY).eval(), small.scale)
    after, before = (
        np.nanmean(DiamondModel(diamond.CARD_STATIC, m).score([clip])[0].surprise) for m in (small, fresh)
    )
    assert after < before


def test_followed_keeps_what_a_growing_body_is(discs):
    told = followed(nothing(1), spotted(channels(disc((30, 30))[None])), 0, (64, 64))
    assert int(told.span[0, 0]) == 1
    assert int(told.looked[0, 0]) == 0


def test_it_keeps_the_contract(model):
    from wmeval.check_adapter import findings

    assert [f.sentence for f in findings(model) if not f.ok] == []
