"""jepa: what its eye sees, what its filter keeps, what it must not know, and that it learns."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from wmeval.check_adapter import findings  # noqa: E402
from wmeval.errors import EnvironmentFault, UsageError  # noqa: E402
from wmeval.model import Clip, Observation  # noqa: E402
from wmeval.registry import load_model  # noqa: E402
from wmeval_adapters import jepa as family  # noqa: E402
from wmeval_adapters.jepa import net, recipe, rollout, ship  # noqa: E402
from wmeval_adapters.jepa.eye import MIRROR, PLACE, SIDE, THERE, pictures, sight  # noqa: E402
from wmeval_adapters.jepa.features import Masked, blocks, spread_loss  # noqa: E402
from wmeval_adapters.jepa.learning import unrolled  # noqa: E402
from wmeval_adapters.jepa.model import JepaModel  # noqa: E402
from wmeval_adapters.learn.shipped import digest  # noqa: E402

TINY = net.Config(features=4, channels=4, hidden=16, scene=4)


@pytest.fixture(scope="module")
def tiny():
    """A jepa of random weights that does depend on all it is given."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = net.Jepa(TINY)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


@pytest.fixture(scope="module")
def model(tiny):
    return JepaModel(family.CARD_STATIC, tiny)


@pytest.fixture(scope="module")
def clips(discs):
    frames, _, actions, _ = discs(3, 10)
    return [Clip(f, 10.0, 40.0 * a.astype(np.float64)) for f, a in zip(frames, actions, strict=True)]


def _still(model):
    """Take all learnt motion away: what is left is constant velocity."""
    predictor = net.Jepa(TINY).predictor
    predictor.load_state_dict(model.predictor.state_dict())
    with torch.no_grad():
        predictor.move[2].weight.zero_()
        predictor.move[2].bias.zero_()
        predictor.gain.weight.zero_()
        predictor.gain.bias.copy_(torch.tensor([20.0, 20.0, -20.0]))
    return predictor


def test_a_mirror_image_is_seen_mirrored(clips):
    frames = clips[0].frames
    own, turned = sight(frames), sight(np.ascontiguousarray(frames[:, :, ::-1]))
    assert np.allclose(turned.places, own.places * MIRROR, atol=1e-4)
    assert len(own.glimpses) == (own.places[..., THERE] > 0).sum() == len(turned.glimpses)


def test_a_glimpse_holds_the_body_in_its_middle(clips):
    own = pictures(sight(clips[0].frames).glimpses)[:, 0]
    line = torch.arange(SIDE) + 0.5
    centre = torch.stack([(own.sum(k) * line).sum(1) / own.sum((1, 2)) for k in (1, 2)])
    assert (centre - SIDE / 2).abs().max() < 0.8


def test_features_fill_the_slots_that_are_in_view_and_no_others(tiny, clips):
    seen = sight(clips[0].frames)
    with torch.no_grad():
        latents = tiny.encode(torch.from_numpy(seen.places), pictures(seen.glimpses))
    there = seen.places[..., THERE] > 0
    assert latents.shape == (10, 6, TINY.width)
    assert np.array_equal(latents[..., :PLACE], seen.places)
    assert (latents[~torch.from_numpy(there)] == 0).all()
    assert (latents[torch.from_numpy(there)][:, PLACE:] != 0).any(0).all()


def test_no_gradient_reaches_the_target_and_it_follows_slowly():
    masked = Masked(4, 4)
    rng = torch.Generator().manual_seed(0)
    glimpses, places = torch.rand(8, 4, 3, SIDE, SIDE, generator=rng), torch.zeros(8, 4, 2)
    hidden = torch.zeros(8, 4, dtype=torch.bool)
    masks = blocks(32, rng).view(8, 4, 1, SIDE, SIDE)
    (masked(glimpses, masks, places, hidden) - masked.whole(glimpses)).square().sum().backward()
    assert all(p.grad is None for p in masked.target.parameters())
    assert all(p.grad is not None for p in masked.online.parameters())
    with torch.no_grad():
        masked.online.last.bias += 1
        before = masked.target.last.bias.clone()
        masked.follow(0.75)
    assert torch.allclose(masked.target.last.bias - before, torch.full((4,), 0.25))


def test_what_is_hidden_or_painted_over_reaches_no_prediction():
    masked, rng = Masked(4, 4).eval(), torch.Generator().manual_seed(0)
    glimpses, places = torch.rand(2, 4, 3, SIDE, SIDE, generator=rng), torch.zeros(2, 4, 2)
    masks = blocks(8, rng).view(2, 4, 1, SIDE, SIDE)
    hidden = torch.tensor([[True, False, False, False]] * 2)
    other = torch.where(masks > 0, glimpses, 1 - glimpses)
    other[:, 0] = 0
    with torch.no_grad():
        assert torch.equal(masked(glimpses, masks, places, hidden), masked(other, masks, places, hidden))
        assert not torch.equal(masked(glimpses, masks, places, hidden), masked(other, masks, places, ~hidden))


def test_collapse_costs_and_white_noise_does_not():
    white = torch.randn(20000, 4, generator=torch.Generator().manual_seed(0))
    assert float(spread_loss(white)) < 0.02
    assert float(spread_loss(torch.ones(64, 4))) > 0.9
    assert float(spread_loss(white[:, :1].expand(-1, 4))) > 2


def test_a_slot_out_of_view_goes_on_and_is_met_where_it_must_be(tiny):
    """With what is learnt taken away the filter keeps a constant velocity through six hidden frames."""
    predictor = _still(tiny)
    latents = torch.zeros(1, 12, 2, TINY.width)
    for t in (0, 1, 2, 9, 10, 11):
        latents[0, t, 0, 0] = (10 + 3 * t) / 32 - 1
        latents[0, t, 0, 1] = (40 - t) / 32 - 1
        latents[0, t, 0, THERE] = 1
    with torch.no_grad():
        predictor.show[2].weight[:2].zero_()
        predictor.show[2].bias[:2].zero_()
        scene, none = predictor.look(torch.full((1, 1, 64, 64), 0.5)), torch.zeros(1, 12)
        state = predictor.begin(1, 2)
        state = predictor.correct(state, predictor.nothing(latents[:, 0]), latents[:, 0])
        for t in range(1, 10):
            state, told = predictor(state, scene, none)
            if t > 2:
                assert torch.allclose(state.at[0, 0], torch.tensor([10.0 + 3 * t, 40.0 - t]), atol=1e-3)
            if t == 9:
                assert torch.allclose(told.latent[0, 0, :2], latents[0, 9, 0, :2], atol=1e-4)
            state = predictor.correct(state, told, latents[:, t])
    assert state.known.tolist() == [[True, False]]


def test_slots_are_alike_and_strangers_have_no_say(tiny):
    rng = torch.Generator().manual_seed(1)
    latents = torch.randn(1, 5, 4, TINY.width, generator=rng) * 0.3
    latents[..., THERE] = torch.tensor([1.0, 1, 1, 0])
    actions, scene = torch.randn(1, 4, 12, generator=rng), tiny.predictor.look(torch.rand(1, 1, 64, 64))
    order = [2, 0, 3, 1]

    def last(z):
        scenes = scene[:, None].expand(-1, 5, -1, -1, -1)
        with torch.no_grad():
            state = rollout.watch(tiny, z, actions, scenes)
            return rollout.imagine(tiny, state, actions[:, :2], scene)

    told = last(latents)
    assert torch.allclose(last(latents[:, :, order]), told[:, :, order], atol=1e-5)
    assert torch.allclose(last(latents[:, :, :3]), told[:, :, :3], atol=1e-5)
    assert not torch.allclose(last(latents[:, :, :2]), told[:, :, :2], atol=1e-5)  # slots do meet


def test_contract(model):
    told = list(findings(model))
    assert {"causal imagination", "causal surprise", "imagined latents", "latents"} <= {f.name for f in told}
    assert [f.sentence for f in told if not f.ok] == []


def test_the_first_imagined_frame_follows_the_action_after_the_last_shown(model, clips):
    clip = clips[0]
    seen = Observation(clip.frames[:6], 10.0, clip.actions, 4, "", np.eye(3))
    told = model.imagine([seen], [0])[0].latents
    for acts, changed in ((5, 0), (6, 1)):  # actions[5] acts between frames 5 and 6: the first imagined
        actions = clip.actions.copy()
        actions[acts] += 500.0
        other = model.imagine([replace(seen, actions=actions)], [0])[0].latents
        assert np.array_equal(other[:changed], told[:changed])
        assert not np.array_equal(other[changed], told[changed])


def test_batch_against_single_and_seeds(model, clips):
    together = model.score(clips)
    seen = [Observation(c.frames[:6], 10.0, c.actions, 4, "", np.eye(3)) for c in clips]
    ahead = model.imagine(seen, [1, 2, 3])
    for i, clip in enumerate(clips):
        assert np.allclose(
            model.score([clip])[0].surprise, together[i].surprise, rtol=1e-4, atol=1e-5, equal_nan=True
        )
        assert np.allclose(model.imagine([seen[i]], [7 + 2**63])[0].latents, ahead[i].latents, atol=1e-4)
    with pytest.raises(UsageError, match="one length"):
        model.score([clips[0], replace(clips[1], frames=clips[1].frames[:5], actions=clips[1].actions[:4])])


def test_actions_of_another_world_are_refused(model, clips):
    with pytest.raises(UsageError, match=r"expected scene actions \(n, 12\)"):
        model.score([replace(clips[0], actions=clips[0].actions[:, :7], native=True)])


def test_a_file_gives_the_model_back(tiny, tmp_path, clips):
    path = tmp_path / "jepa-small.safetensors"
    halves = net.Jepa(TINY)
    halves.load_state_dict({k: v.half().float() for k, v in tiny.state_dict().items()})
    net.save(path, halves, {"version": "t"})
    again = load_model("jepa", path)
    assert again.card.version == "t"
    assert again.card.parameters == sum(p.numel() for p in tiny.parameters())
    own = JepaModel(family.CARD_STATIC, halves).score(clips[:1])[0].surprise
    assert np.array_equal(again.score(clips[:1])[0].surprise, own, equal_nan=True)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UsageError, match="cut off"):
        load_model("jepa", path)


def test_overfitting_one_clip_lowers_its_surprise(clips):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        own = net.Jepa(TINY)
    model = JepaModel(family.CARD_STATIC, own)
    before = np.nanmean(model.score(clips[:1])[0].surprise)
    with torch.no_grad():
        seen = model._seen([clips[0].frames])
    actions = torch.from_numpy(clips[0].actions[None].astype(np.float32))
    optimiser = torch.optim.Adam(own.predictor.parameters(), lr=5e-3)
    behind = torch.full((1, 1, 64, 64), 0.5)
    for _ in range(40):
        optimiser.zero_grad()
        scale = torch.full((TINY.width,), 0.3)
        loss, _ = unrolled(own.predictor, seen.latents, actions, own.predictor.look(behind), 6, scale)
        loss.backward()
        optimiser.step()
    assert np.nanmean(model.score(clips[:1])[0].surprise) < before - 0.4


@pytest.fixture(scope="module")
def plan(disc_folder):
    stages = tuple(replace(s, steps=4, warm_up=2) for s in recipe.STAGES)
    return recipe.Plan(disc_folder, 0, 1, stages, TINY)


def test_training_goes_on_after_a_kill_and_ends_the_same(plan, tmp_path, monkeypatch):
    whole = recipe.run(plan, tmp_path / "whole").read_bytes()
    own, calls = recipe.predictor_loss, []

    def killed(*given):
        loss = own(*given)

        def one(step):
            calls.append(step)
            if step == 2:
                raise KeyboardInterrupt
            return loss(step)

        return one

    monkeypatch.setattr(recipe, "predictor_loss", killed)
    with pytest.raises(KeyboardInterrupt):
        recipe.run(plan, tmp_path / "cut")
    monkeypatch.undo()
    assert recipe.run(plan, tmp_path / "cut").read_bytes() == whole
    lines = [json.loads(line) for line in (tmp_path / "cut" / "log.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in lines if line.get("step") == 4] == ["features", "predictor"]
    made = json.loads((tmp_path / "cut" / "made.json").read_text())
    assert {"px@1", "px@4", "R2@4", "encoded read px", "jump told"} <= made["held out"].keys()
    with pytest.raises(UsageError, match="another --out"):
        recipe.run(replace(plan, seed=1), tmp_path / "cut")


def test_shipping_writes_a_card_that_names_the_file(plan, tmp_path, monkeypatch, disc_folder):
    recipe.run(plan, tmp_path / "run")
    weights = tmp_path / "package" / "jepa-small.safetensors"
    monkeypatch.setattr(ship, "WEIGHTS", weights)
    card = ship.ship(tmp_path / "run", disc_folder, "a note")
    assert card["sha256"] == digest(weights)
    assert card["notes"][-1] == "a note"
    assert set(card["curves"]) == set(card["seconds"]) == {"features", "predictor"}
    assert json.loads(weights.with_name("card.json").read_text()) == card


def test_without_weights_it_says_how_to_make_them(monkeypatch, tmp_path):
    monkeypatch.setattr(family, "WEIGHTS", tmp_path / "none.safetensors")
    with pytest.raises(EnvironmentFault, match="wmeval train --model jepa"):
        family.load(None, "cpu", {})
    with pytest.raises(UsageError, match="no option"):
        family.load(None, "cpu", {"steps": "2"})
    with pytest.raises(UsageError, match="--device cpu"):
        family.load(None, "cuda", {})


def test_wrong_training_options_are_told_in_a_sentence(tmp_path):
    for options, told in (
        ({}, "data=FOLDER"),
        ({"data": "x", "sed": "1"}, "no option"),
        ({"data": "x", "seed": "one"}, "numbers"),
        ({"data": "x", "minutes": "0"}, "above 0"),
        ({"data": "x", "clips": "3"}, "at least 20"),
        ({"data": str(tmp_path)}, r"no frames\.npy"),
    ):
        with pytest.raises(UsageError, match=told):
            recipe.train(tmp_path / "out", options)
