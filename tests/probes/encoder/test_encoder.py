"""The encoder end to end: trained a few steps, killed, resumed, shipped, opened; and the shipped one."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wmeval.errors import EnvironmentFault, UsageError
from wmeval.measure.features import FVD_ENC, open_features, set_value
from wmeval.measure.perceptual import LPIPS_ENC
from wmeval.registry import load_features
from wmeval_probes.encoder import FEATURES
from wmeval_probes.encoder.corruptions import blurred
from wmeval_probes.encoder.evaluate import auroc
from wmeval_probes.encoder.extractor import SHIPPED, open_encoder, starts
from wmeval_probes.encoder.network import CLIP, WIDTHS, WINDOW
from wmeval_probes.encoder.recipe import fit
from wmeval_probes.encoder.windows import open_dataset


@pytest.fixture(scope="module")
def trained(split: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    out = tmp_path_factory.mktemp("encoder") / "out"
    FEATURES.train(out, {"data": str(split), "steps": "3", "batch": "2"})
    return out, split


def test_training_leaves_weights_and_an_honest_card(trained) -> None:
    out, _ = trained
    card = json.loads((out / "card.json").read_text())
    encoder = open_encoder(out / "wmeval-enc.safetensors")
    assert card["digest"] == encoder.digest
    assert card["recipe"] == {"steps": 3, "batch": 2, "seed": 0, "threads": 1}
    assert card["bytes"] <= 5_000_000
    assert card["data"]["clips"] + card["data"]["held_out"] == 40
    assert {"none", "blur, sigma px", "teleport, px"} <= set(card["held_out"]["ladders"])
    assert card["held_out"]["told"]["constant_place_median_px"] > 0


def test_a_killed_training_goes_on_to_the_same_weights(trained, tmp_path) -> None:
    data = open_dataset(trained[1])
    config = {"steps": 4, "batch": 2, "seed": 0, "threads": 1}
    whole = fit_into(tmp_path / "whole", data, config)
    from wmeval_probes.encoder import recipe

    kept, recipe.KEEP_EVERY = recipe.KEEP_EVERY, 2
    real = recipe.batch

    def dies(*args: object) -> object:
        if dies.calls == 3:
            raise KeyboardInterrupt
        dies.calls += 1
        return real(*args)

    dies.calls = 0
    recipe.batch = dies
    try:
        with pytest.raises(KeyboardInterrupt):
            fit_into(tmp_path / "killed", data, config)
    finally:
        recipe.batch = real
    resumed = fit_into(tmp_path / "killed", data, config)
    recipe.KEEP_EVERY = kept
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    with pytest.raises(UsageError, match="another folder"):
        fit_into(tmp_path / "killed", data, {**config, "steps": 5})


def fit_into(out: Path, data, config):
    out.mkdir(exist_ok=True)
    return fit(out, data, config)


def test_training_leaves_global_randomness_alone(trained, tmp_path) -> None:
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    fit_into(tmp_path / "x", open_dataset(trained[1]), {"steps": 1, "batch": 2, "seed": 0, "threads": 1})
    assert torch.equal(torch.rand(3), wanted)


def test_features_of_any_length_from_eight(trained) -> None:
    encoder = open_encoder(trained[0] / "wmeval-enc.safetensors")
    clip = np.asarray(np.load(trained[1] / "frames.npy", mmap_mode="r")[0])
    assert encoder.min_frames == WINDOW == 8
    assert encoder(clip[:8]).shape == (CLIP,)
    assert np.array_equal(encoder(clip), encoder(clip))
    # windows of 12 frames begin at 0 and 4
    assert starts(12) == [0, 4]
    apart = (encoder(clip[:8]) + encoder(clip[4:])) / 2
    # its maps are made in bfloat16 (8 bits), whose kernels round otherwise for two windows than for one
    assert encoder(clip) == pytest.approx(apart, abs=2**-7)
    with pytest.raises(ValueError, match="needs 8"):
        encoder(clip[:7])


def test_other_sizes_are_resized_and_layers_are_of_single_frames(trained) -> None:
    encoder = open_encoder(trained[0] / "wmeval-enc.safetensors")
    clip = np.asarray(np.load(trained[1] / "frames.npy", mmap_mode="r")[1])
    double = clip.repeat(2, axis=1).repeat(2, axis=2)
    assert np.linalg.norm(encoder(double) - encoder(clip)) < 0.3 * np.linalg.norm(
        encoder(clip[:, ::-1]) - encoder(clip)
    )
    layers = encoder.layers(clip)
    assert [x.shape for x in layers] == [
        (12, w, 64 >> i, 64 >> i) for i, w in zip((1, 2, 3), WIDTHS, strict=True)
    ]
    alone = encoder.layers(clip[5:6])
    for whole, one in zip(layers, alone, strict=True):
        assert one[0] == pytest.approx(whole[5], abs=1e-4)
    assert len(encoder.scales) == 3


def test_wrong_options_and_weights_are_told(trained, tmp_path) -> None:
    with pytest.raises(UsageError, match="data=FOLDER"):
        FEATURES.train(tmp_path, {"steps": "1"})
    with pytest.raises(UsageError, match="speed"):
        FEATURES.train(tmp_path, {"data": str(trained[1]), "speed": "1"})
    with pytest.raises(UsageError, match="whole numbers"):
        FEATURES.train(tmp_path, {"data": str(trained[1]), "steps": "many"})
    with pytest.raises(EnvironmentFault, match="wmeval train"):
        FEATURES.open(tmp_path / "none.safetensors")
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ")
    with pytest.raises(UsageError, match="does not hold"):
        FEATURES.open(bad)


def test_the_entry_point_imports_no_torch() -> None:
    program = "import sys, wmeval_probes.encoder as e; print(e.FEATURES.name, 'torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["wmeval-enc", "False"]


def test_auroc_by_counting_pairs() -> None:
    score, label = np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, True, False, True])
    assert auroc(score, label) == (1 + 0.5 + 1 + 1) / 4
    assert np.isnan(auroc(score, np.ones(4, bool)))


def test_the_shipped_encoder_is_the_registered_one_and_small() -> None:
    encoder = open_features("wmeval-enc")
    card = json.loads((SHIPPED.parent / "card.json").read_text())
    assert load_features("wmeval-enc") is FEATURES
    assert encoder.name == f"wmeval-enc:{card['digest'][:8]}"
    assert SHIPPED.stat().st_size <= 5_000_000


def test_the_shipped_card_says_that_distances_grow_with_faults() -> None:
    ladders = json.loads((SHIPPED.parent / "card.json").read_text())["held_out"]["ladders"]
    for name, rows in ladders.items():
        if name != "none":
            assert rows["fvd"] == sorted(rows["fvd"]), name
            assert rows["lpips"] == sorted(rows["lpips"]), name
    # where I3D is known to order wrongly: severe faults of time against a mild fault of looks
    looks, order = ladders["blur, sigma px"]["fvd"][2], ladders["shuffle, frames in a run"]["fvd"][3]
    assert order > looks


def test_the_shipped_metrics_order_blur(trained) -> None:
    """Not from the card: run again, on discs that the encoder has never seen."""
    frames, bodies = (np.load(trained[1] / f"{n}.npy", mmap_mode="r") for n in ("frames", "bodies"))
    rng = np.random.default_rng(0)
    encoder = open_features("wmeval-enc")
    clips = [np.asarray(f) for f in frames]
    true = np.stack([encoder(c) for c in clips])
    far, near = [], []
    for sigma in (0.5, 1.0, 2.0):
        worse = [blurred(c, np.asarray(b), sigma, rng) for c, b in zip(clips, bodies, strict=True)]
        far.append(FVD_ENC.distance(true, np.stack([encoder(w) for w in worse])))
        near.append(LPIPS_ENC.per_frame(clips[0], worse[0], np.ones(clips[0].shape[:3], bool)).mean())
    assert far == sorted(far)
    assert near == sorted(near)
    assert LPIPS_ENC.per_frame(clips[0], clips[0], np.ones(clips[0].shape[:3], bool)).max() < 1e-6
    assert "40 clips" in set_value(FVD_ENC, true, true).reason
