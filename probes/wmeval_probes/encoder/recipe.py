"""How the video encoder is trained: a fixed number of steps, so that the same data gives the same weights.

Every step draws its batch from a generator of its own, seeded by (seed, step): a training that was killed
goes on from its last checkpoint as if nothing had happened.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from wmeval.errors import UsageError
from wmeval_probes.encoder.network import Encoder, Told
from wmeval_probes.encoder.windows import Dataset, Windows, batch, open_dataset

DEFAULTS = {"steps": 1500, "batch": 16, "seed": 0, "threads": 1}
PEAK = 2e-3
WARM_UP = 60  # steps
KEEP_EVERY = 100  # steps


def loss(told: Told, wanted: Windows) -> tuple[Tensor, dict[str, float]]:
    """Return the loss of a batch and its parts: what frames tell, what the clip vector tells again."""
    state = torch.from_numpy(wanted.state)
    visible = state[..., 4]
    near = state[..., :2].abs().amax(-1) < 1.2  # False for NaN too: the hue is not in the scene
    seen = (visible * near * (visible > 0.05)).clamp(0, 1)
    remembered = near * (0.3 + 0.7 * (visible > 0.05))
    target = torch.nan_to_num(state)

    def part(guess: Tensor, weight: Tensor) -> Tensor:
        total = weight.sum() + 1e-6
        place = ((guess[..., :2] - target[..., :2]).abs().sum(-1) * weight).sum() / total
        speed = ((guess[..., 2:4] - target[..., 2:4]).abs().sum(-1) * weight).sum() / total
        sight = F.binary_cross_entropy_with_logits(guess[..., 4], visible)
        touch = (guess[..., 5] - target[..., 5]).abs().mean()
        return 4 * place + speed + 0.5 * sight + touch

    occupied = torch.from_numpy(wanted.occupancy)
    parts = {
        "occupancy": F.binary_cross_entropy_with_logits(
            told.occupancy, occupied, pos_weight=torch.tensor(5.0)
        ),
        "frame": part(told.frame, seen),
        "clip": part(told.recalled, remembered),
        "worn": 0.3 * (told.worn - torch.from_numpy(wanted.worn)).abs().mean(),
    }
    total = torch.stack(list(parts.values())).sum()
    return total, {k: float(v.detach()) for k, v in parts.items()}


def as_input(frames: np.ndarray[Any, np.dtype[np.uint8]]) -> Tensor:
    """Return frames (..., H, W, 3) as float (..., 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(frames, -1, -3))).float() / 255


def settings(options: Mapping[str, str]) -> tuple[Path, dict[str, int]]:
    """Return the data folder and the whole numbers of the recipe that `options` ask for."""
    extra = set(options) - {"data", *DEFAULTS}
    if extra or "data" not in options:
        raise UsageError(
            f"training wmeval-enc takes --set data=FOLDER and any of {', '.join(DEFAULTS)}; got "
            f"{', '.join(options) or 'nothing'} (`wmeval data make --out FOLDER` makes the data)"
        )
    try:
        return Path(options["data"]), {k: int(options.get(k, v)) for k, v in DEFAULTS.items()}
    except ValueError as err:
        raise UsageError(f"the options {', '.join(DEFAULTS)} are whole numbers: {err}") from err


def train(out: Path, options: Mapping[str, str]) -> None:
    """Train into `out`, continuing from the checkpoint there; leave weights, card.json and log there.

    Raises:
        UsageError: an unknown option, no data, or a checkpoint of other settings in `out`.
    """
    from wmeval_probes.encoder.ship import ship

    folder, config = settings(options)
    data = open_dataset(folder)
    out.mkdir(parents=True, exist_ok=True)
    before = torch.get_num_threads()
    torch.set_num_threads(config["threads"])
    try:
        network = fit(out, data, config)
        ship(network, data, out, config)
    finally:
        torch.set_num_threads(before)


def fit(out: Path, data: Dataset, config: Mapping[str, int]) -> Encoder:
    """Return the trained network; keeps a checkpoint and a log (JSON lines) in `out`."""
    with torch.random.fork_rng(devices=[]):  # initial weights from the recipe's seed, not the caller's state
        torch.manual_seed(config["seed"])
        network = Encoder()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK, betas=(0.9, 0.98), weight_decay=0.02)
    start, kept = 0, out / "checkpoint.pt"
    if kept.exists():
        state = torch.load(kept, weights_only=True)
        if state["config"] != dict(config):
            raise UsageError(
                f"{kept} was made with {state['config']}, asked for is {dict(config)}; "
                "train into another folder or give the same options"
            )
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["step"]
    network.train()
    with (out / "log.jsonl").open("a") as log:
        began = time.monotonic()
        for step in range(start, config["steps"]):
            rate = PEAK * min(1.0, (step + 1) / WARM_UP)
            rate *= 0.5 * (1 + math.cos(math.pi * step / config["steps"]))
            for group in optimizer.param_groups:
                group["lr"] = rate
            windows = batch(data, config["batch"], np.random.default_rng([config["seed"], step]))
            total, parts = loss(network(as_input(windows.frames), fast=True), windows)
            optimizer.zero_grad(set_to_none=True)
            total.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            done = step + 1
            if done % 20 == 0 or done == config["steps"]:
                line = {"step": done, **parts, "seconds": time.monotonic() - began}
                log.write(json.dumps({k: round(v, 4) for k, v in line.items()}) + "\n")
                log.flush()
            if done % KEEP_EVERY == 0 or done == config["steps"]:
                state = {
                    "step": done, "network": network.state_dict(), "optimizer": optimizer.state_dict(),
                    "config": dict(config),
                }  # fmt: skip
                torch.save(state, kept.with_suffix(".tmp"))
                os.replace(kept.with_suffix(".tmp"), kept)
    return network.eval()
