"""Putting a trained dreamer into the package, with a card that tells how it was made and how good it is.

`python -m wmeval_adapters.dreamer.ship RUN DATA [NOTE]` after `wmeval train --model dreamer --out RUN`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wmeval_adapters.dreamer import ADAPTER, WEIGHTS, net
from wmeval_adapters.dreamer.model import DreamerModel
from wmeval_adapters.genie.evaluate import HORIZONS, report
from wmeval_adapters.learn.clips import Clips, open_clips
from wmeval_adapters.learn.curves import curves
from wmeval_adapters.learn.shipped import put

CONTEXTS = (4, 8, 16)  # frames shown of held-out clips


def notes(made: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Return what a reader of a score has to know of the model."""
    gains = ", ".join(
        f"{found[f'gain@{h}']:+.1f} +- {found[f'gain-se@{h}']:.1f}" for h in HORIZONS if f"gain@{h}" in found
    )
    return [
        f"dreamer-small, {found['parameters'] / 1e6:.2f} M parameters, trained here on {made['clips']} "
        "PyBullet clips of train@0.1 (iid); it is not Hafner et al.'s network: it has slots, one a hue",
        "it was taught with the simulator's image positions and visible shares of bodies beside the frames; "
        "when it predicts it sees frames and actions only",
        "it takes what has no hue for a background that stands still after the context, and hues for bodies: "
        "screens that move after the cut are not predicted",
        "written, not learnt: hues are told apart by opponent channels; a body goes on by inertia (point, "
        "speed, a lasting acceleration), from which the categoricals tell departures in bins; what a body "
        "looks like is kept from the frame that showed most of it, and its colour is copied from there",
        "a body that moves less than 0.1 px a frame rests; what the decoder misses of the last true frame "
        "goes along with its body, so that what rests keeps its pixels",
        "its training clips hold no rewards, so it predicts none; published checkpoints do",
        f"held-out body PSNR over freeze at {', '.join(map(str, HORIZONS))} frames: {gains} dB "
        f"({found['clips']} clips, {found['context']} frames of context)",
    ]


def ship(run: Path, data: Path, note: str = "") -> dict[str, Any]:
    """Copy RUN/dreamer-small.safetensors into the package, write its card, return it."""
    from wmeval.world.dataset import data_digest

    source = run / WEIGHTS.name
    model, made = net.load(source)
    clips = open_clips(data)
    held: Clips = clips.part(clips.trained, len(clips.frames))
    view = DreamerModel(ADAPTER.card, model)
    found = {f"context {c}": report(view, held, context=c) for c in CONTEXTS}
    curve, seconds = curves(run / "log.jsonl")
    parameters = sum(p.numel() for p in model.parameters())
    told = notes(made, {**found["context 8"], "parameters": parameters})
    card: dict[str, Any] = {
        "version": made["version"], "parameters": parameters, "seed": made["seed"], "steps": made["steps"],
        "batch": made["batch"], "seconds": seconds,
        "data": {"split": "train@0.1", "clips": len(clips.frames), "digest": data_digest(data)},
        "command": made["command"], "config": asdict(model.rssm.config),
        "held out": found, "notes": [*told, note] if note else told, "curves": curve,
    }  # fmt: skip
    return put(source, WEIGHTS, card)


if __name__ == "__main__":
    shipped = ship(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:4])
    print(json.dumps({k: shipped[k] for k in ("parameters", "bytes", "held out", "notes")}, indent=1))
