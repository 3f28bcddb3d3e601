"""linear-latent: where its tokens lie, what its map can and cannot know, its files and its recipe."""

import json
from dataclasses import replace

import numpy as np
import pytest

from wmeval.errors import EnvironmentFault, UsageError
from wmeval.model import Clip, Encodes, Imagines, Observation, Scores
from wmeval_adapters import linear_latent
from wmeval_adapters.learn.shipped import verified
from wmeval_adapters.linear_latent import recipe, weights
from wmeval_adapters.linear_latent.dynamics import INPUTS, Dynamics, history, imagined, surprise
from wmeval_adapters.linear_latent.eye import NAMES, THERE, WIDTH, tokens

U, V = NAMES.index("u"), NAMES.index("v")
COLOURS = ((210, 20, 20), (210, 210, 20), (20, 210, 20), (20, 210, 210), (20, 20, 210), (210, 20, 210))


def disc(centre, radius, colour, hidden_left_of=None, grey=150):
    """Return a frame (64, 64, 3) with an antialiased disc."""
    fine = (np.arange(64 * 8) + 0.5) / 8
    inside = (fine[None] - centre[0]) ** 2 + (fine[:, None] - centre[1]) ** 2 <= radius**2
    if hidden_left_of is not None:
        inside &= fine[None] > hidden_left_of
    share = inside.reshape(64, 8, 64, 8).mean((1, 3))[..., None]
    return np.rint(share * np.array(colour) + (1 - share) * grey).astype(np.uint8)


@pytest.fixture(scope="module")
def model():
    return linear_latent.load(None, "cpu", {})


def falling(frames, g=0.3):
    """Return frames of a disc that is thrown and falls, in pixels per frame."""
    t = np.arange(frames)
    return np.stack([disc((14 + 1.5 * k, 20 - 1.2 * k + g / 2 * k**2), 4, COLOURS[2]) for k in t])


@pytest.mark.parametrize("slot", range(6))
def test_a_disc_is_where_it_is_in_the_slot_of_its_hue(slot):
    (z,) = tokens(disc((20.3, 41.7), 5, COLOURS[slot])[None])
    assert (z[:, THERE] > 0.5).tolist() == [s == slot for s in range(6)]
    assert z[slot, U] * 32 + 32 == pytest.approx(20.3, abs=0.05)
    assert z[slot, V] * 32 + 32 == pytest.approx(41.7, abs=0.05)
    assert not z[[s for s in range(6) if s != slot]].any(), "what is not there has no numbers"


def test_grey_shows_nothing_whatever_its_brightness():
    ramp = np.repeat(np.arange(64, dtype=np.uint8)[None, :, None] * 4, 3, 2).repeat(64, 0)
    assert not tokens(ramp[None]).any()


def test_the_lean_points_to_where_a_half_hidden_disc_goes_on():
    whole, half = tokens(np.stack([disc((30, 30), 5, COLOURS[0]), disc((30, 30), 5, COLOURS[0], 30)]))[:, 0]
    lean = NAMES.index("lean u")
    assert abs(whole[lean]) < 0.01
    # centroid of a half disc; pixels that it covers in part count whole, which makes it a little larger
    assert (half[U] - whole[U]) * 32 == pytest.approx(4 * 5 / (3 * np.pi), abs=0.2)
    assert abs(half[lean]) > 0.1


def test_tokens_of_a_frame_do_not_depend_on_other_frames():
    frames = falling(6)
    assert np.array_equal(tokens(frames)[2:4], tokens(frames[2:4]))


def test_a_map_of_constant_velocity_goes_on_straight():
    step = np.zeros((INPUTS, WIDTH))
    step[U, U] = step[V, V] = 1.0  # now
    step[WIDTH + U, U] = step[WIDTH + V, V] = -1.0  # minus before
    seen = np.zeros((4, 6, WIDTH))
    seen[:, 1, THERE] = 1.0
    seen[:, 1, U] = np.linspace(-0.3, 0.0, 4)
    told = imagined(Dynamics(step, np.ones(WIDTH)), seen, np.zeros((5, 12)))
    assert np.allclose(told[:, 1, U], 0.1 * np.arange(1, 6))
    assert not told[:, [0, 2, 3, 4, 5]].any(), "what is not in view does not come into view"
    assert np.allclose(
        surprise(Dynamics(step, np.ones(WIDTH)), np.concatenate([seen, told]), np.zeros((8, 12)))[2:], 0
    )


def test_a_body_that_came_into_view_just_now_is_taken_to_stand():
    seen = np.zeros((3, 6, WIDTH))
    seen[2, 0, [U, THERE]] = 0.5, 1.0
    step = np.zeros((INPUTS, WIDTH))
    step[U, U], step[WIDTH + U, U] = 1.0, -1.0
    told = imagined(Dynamics(step, np.ones(WIDTH)), seen, np.zeros((2, 12)))
    assert np.allclose(told[:, 0, U], 0.5)
    assert history(seen[2:]).shape == (3, 6, WIDTH)


def test_an_action_is_shared_among_the_hues_in_view():
    step = np.zeros((INPUTS, WIDTH))
    step[3 * WIDTH, U] = 0.1  # impulse along x
    seen = np.zeros((3, 6, WIDTH))
    seen[:, :2, THERE] = 1.0
    push = np.zeros((1, 12))
    push[0, 0] = 4.0
    told = imagined(Dynamics(step, np.ones(WIDTH)), seen, push)
    assert np.allclose(told[0, :2, U], 0.2)


def test_the_shipped_model_has_what_its_card_says(model):
    assert all(isinstance(model, capability) for capability in (Encodes, Imagines, Scores))
    assert model.card.parameters == INPUTS * WIDTH == model.dynamics.step.size
    assert linear_latent.WEIGHTS.stat().st_size < 1 << 20
    assert any("plain baseline" in note for note in model.card.notes)


def test_the_shipped_model_goes_on_better_than_standing_still(model):
    frames = falling(14)
    (told,) = model.imagine([Observation(frames[:6], 10.0, np.zeros((13, 12)), 8, "", np.eye(3))], [0])
    true = tokens(frames)[6:, 2]
    assert told.latents.shape == (8, 6, WIDTH)
    off, still = (
        np.abs(z[:4, [U, V]] - true[:4, [U, V]]).mean()
        for z in (told.latents[:, 2], np.repeat(tokens(frames)[5:6, 2], 8, 0))
    )
    assert off < 0.5 * still


def test_a_jump_surprises_it_and_what_comes_later_changes_nothing(model):
    frames = falling(12)
    odd = frames.copy()
    odd[8:] = disc((50, 50), 4, COLOURS[2])
    lawful, broken = (model.score([Clip(f, 10.0, np.zeros((11, 12)))])[0].surprise for f in (frames, odd))
    assert np.isnan(lawful[0])
    assert broken[8] > 10 * np.nanmax(lawful)
    assert np.array_equal(lawful[:8], broken[:8], equal_nan=True)


def test_weights_that_are_not_its_own_are_refused(model, tmp_path):
    with pytest.raises(EnvironmentFault, match="no weights"):
        linear_latent.load(tmp_path / "none.safetensors", "cpu", {})
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(linear_latent.WEIGHTS.read_bytes()[:100])
    with pytest.raises(UsageError, match="cannot be read"):
        linear_latent.load(broken, "cpu", {})
    weights.save(broken, replace(model.dynamics, step=np.full((INPUTS, WIDTH), np.nan)), {})
    with pytest.raises(UsageError, match="expected finite"):
        linear_latent.load(broken, "cpu", {})
    with pytest.raises(EnvironmentFault, match="not the file that was shipped"):
        verified(broken, "0" * 64)


def make_data(folder, clips=20, frames=20):
    """Write a data folder of thrown discs, as `wmeval data make` lays it out."""
    rng = np.random.default_rng(0)
    shape = {"count": clips, "frames": frames, "split": "train@0.1", "block": 16}
    view = {"fps": 10.0, "height": 64, "width": 64, "supersample": 2, "shadows": False}
    (folder / "done").mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps({**shape, "view": view}))
    for i in range(-(-clips // 16)):
        (folder / "done" / str(i)).touch()
    from wmeval.camera import View
    from wmeval.world.dataset import layout

    for name, (kind, size) in layout(clips, frames, View()).items():
        array = np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.dtype(kind), shape=size)
        if name == "frames":
            for c in range(clips):
                start, way = rng.uniform(12, 30, 2), rng.uniform(-0.5, 1.2, 2)
                array[c] = [disc(start + way * t, 4, COLOURS[c % 6]) for t in range(frames)]
        array.flush()


def test_training_learns_motion_and_goes_on_where_it_was_killed(tmp_path):
    make_data(tmp_path / "data")
    out = tmp_path / "run"
    recipe.train(out, {"data": str(tmp_path / "data")})
    first = (out / "linear-latent.safetensors").read_bytes()
    made = json.loads((out / "card.json").read_text())
    assert made["held out"]["error@8"] < 0.2 * made["held out"]["freeze@8"]
    (out / "linear-latent.safetensors").unlink()
    (out / "tokens" / "0.npy").write_bytes(b"cut off")
    recipe.train(out, {"data": str(tmp_path / "data")})
    assert (out / "linear-latent.safetensors").read_bytes() == first
    with pytest.raises(UsageError, match="expected 20 to 20"):
        recipe.train(out, {"data": str(tmp_path / "data"), "clips": "3"})
    with pytest.raises(UsageError, match="--set data=FOLDER"):
        recipe.train(out, {})


def test_it_keeps_the_contract(model):
    from wmeval.check_adapter import findings

    assert [f.sentence for f in findings(model) if not f.ok] == []
