"""From a trained network to what is shipped: fp16 weights, the units of its numbers, and an honest card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from wmeval_probes.encoder.evaluate import evaluate
from wmeval_probes.encoder.extractor import VideoEncoder, open_encoder
from wmeval_probes.encoder.network import CLIP, Encoder
from wmeval_probes.encoder.windows import Dataset

CLIPS = 384  # training clips that the units are taken from


def ship(network: Encoder, data: Dataset, out: Path, config: Mapping[str, int]) -> None:
    """Write wmeval-enc.safetensors and card.json, with measurements on held-out clips, into `out`."""
    write_card(write_weights(network, data, out, config["seed"]), data, config)


def write_weights(network: Encoder, data: Dataset, out: Path, seed: int) -> Path:
    """Write the weights with the units of features and layers, taken on training clips; return the file."""
    from safetensors.torch import save_file

    from wmeval.measure.perceptual import layer_distances

    state = {k: _half(k, v) for k, v in network.state_dict().items() if "num_batches" not in k}
    network.load_state_dict({k: v.float() for k, v in state.items()}, strict=False)
    bare = VideoEncoder(network, torch.zeros(CLIP), torch.ones(CLIP), (1.0, 1.0, 1.0), "0" * 64)
    rng = np.random.default_rng([seed, 1])
    chosen = rng.permutation(len(data.training))[:CLIPS]
    clips = [data.frames[i] for i in chosen]
    features = np.stack([bare(c) for c in clips])
    shots = np.stack([c[int(rng.integers(len(c)))] for c in clips])
    layers = bare.layers(shots)
    scales = layer_distances(layers, [np.roll(x, 1, axis=0) for x in layers]).mean(1)
    state["feature_mean"] = torch.from_numpy(features.mean(0)).float()
    sd = features.std(0, ddof=1)
    # a number that hardly varies is no unit: divided by it, a trifle would be all of a distance
    state["feature_sd"] = torch.from_numpy(np.maximum(sd, 0.05 * np.median(sd))).float()
    state["layer_scales"] = torch.from_numpy(scales).float()
    weights = out / "wmeval-enc.safetensors"
    save_file({k: v.contiguous() for k, v in state.items()}, weights)
    return weights


def write_card(weights: Path, data: Dataset, config: Mapping[str, int]) -> None:
    """Write card.json beside the weights: what they are, how they were made, what they can tell."""
    encoder = open_encoder(weights)
    card = {
        "name": "wmeval-enc", "digest": encoder.digest,
        "what": "small video encoder trained on PyBullet scenes of the training split to tell poses, "
        "velocities, contacts and visibility of six hues; it knows no natural video, and its numbers compare "
        "only with numbers of the same digest",
        "parameters": sum(p.numel() for p in encoder.network.parameters()), "bytes": weights.stat().st_size,
        "input": "8 frames at 10 Hz, 64 x 64 px, RGB", "features": CLIP, "recipe": dict(config),
        "data": describe(data), "command": "wmeval train --features wmeval-enc "
        + " ".join(f"--set {k}={v}" for k, v in config.items()),
        "held_out": evaluate(encoder, data),
    }  # fmt: skip
    (weights.parent / "card.json").write_text(json.dumps(card, indent=1) + "\n")


def _half(name: str, value: torch.Tensor) -> torch.Tensor:
    # running variances of dead channels fall below what fp16 can hold
    return value.float() if "running" in name else value.half()


def describe(data: Dataset) -> dict[str, str | int]:
    """Return counts and a SHA-256 over the states of all clips: what the frames were rendered from."""
    told = hashlib.sha256()
    told.update(np.ascontiguousarray(data.state).tobytes())
    return {
        "clips": len(data.training), "held_out": data.held_out, "frames": int(data.frames.shape[1]),
        "sha256_of_states": told.hexdigest(),
    }  # fmt: skip
