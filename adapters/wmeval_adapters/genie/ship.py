"""Putting a trained genie into the package, with a card that tells how it was made and how good it is.

`python -m wmeval_adapters.genie.ship RUN DATA [NOTE]` after `wmeval train --model genie --out RUN`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from wmeval_adapters.genie import ADAPTER, WEIGHTS, net
from wmeval_adapters.genie.evaluate import HORIZONS, report
from wmeval_adapters.genie.model import GenieModel
from wmeval_adapters.learn.clips import Clips, open_clips
from wmeval_adapters.learn.curves import curves
from wmeval_adapters.learn.shipped import put

CONTEXTS = (8,)  # frames shown of held-out clips


def notes(made: dict[str, Any], binding: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Return what a reader of a score has to know of the model."""
    gains = ", ".join(
        f"{found[f'gain@{h}']:+.1f} +- {found[f'gain-se@{h}']:.1f}" for h in HORIZONS if f"gain@{h}" in found
    )
    bound = f"{binding['purity']} of impulses ({binding['chance']} for the most frequent code alone)"
    return [
        f"genie-small, {found['parameters'] / 1e6:.1f} M parameters, trained here on {made['clips']} "
        "PyBullet clips of train@0.1 (iid); it is not DeepMind's Genie",
        "it was taught with the simulator's image positions of bodies beside the frames (a memory of one "
        "point per hue); when it predicts it sees frames and actions only",
        "it takes what has no hue for a background that stands still after the context, and hues for bodies",
        "written, not learnt: bodies are spotted in given frames by hue; predicted tokens are ones in use of "
        "a hue near by; a body that moves less than 0.1 px a frame rests, and what rests keeps its pixels",
        "scene actions are bound to 25 latent ones by calibration clips; held-out purity: "
        f"{bound}, {binding['rest']} at rest",
        f"held-out body PSNR over freeze at {', '.join(map(str, HORIZONS))} frames: {gains} dB "
        f"({found['clips']} clips, {found['context']} frames of context)",
    ]


def ship(run: Path, data: Path, note: str = "") -> dict[str, Any]:
    """Copy RUN/genie-small.safetensors into the package, write its card, return it."""
    from wmeval.world.dataset import data_digest

    source = run / WEIGHTS.name
    model, made = net.load(source)
    clips = open_clips(data)
    held: Clips = clips.part(clips.trained, len(clips.frames))
    view = GenieModel(ADAPTER.card, model)
    found = {f"context {c}": report(view, held, context=c) for c in CONTEXTS}
    curve, seconds = curves(run / "log.jsonl")
    parameters = sum(p.numel() for p in model.parameters())
    told = notes(made, made["binding"], {**found["context 8"], "parameters": parameters})
    card: dict[str, Any] = {
        "version": made["version"], "parameters": parameters, "seed": made["seed"],
        "steps": made["steps"], "seconds": seconds,
        "data": {"split": "train@0.1", "clips": len(clips.frames), "digest": data_digest(data)},
        "command": made["command"], "binding": made["binding"], "config": made["config"],
        "held out": found, "notes": [*told, note] if note else told, "curves": curve,
    }  # fmt: skip
    return put(source, WEIGHTS, card)


if __name__ == "__main__":
    shipped = ship(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:4])
    print(json.dumps({k: shipped[k] for k in ("parameters", "bytes", "held out", "notes")}, indent=1))
