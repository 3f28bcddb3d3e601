"""Putting a trained diamond into the package, with a card that tells how it was made and how good it is.

`python -m wmeval_adapters.diamond.ship RUN DATA [NOTE]` after `wmeval train --model diamond --out RUN`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wmeval_adapters.diamond import ADAPTER, WEIGHTS, net
from wmeval_adapters.diamond.model import DiamondModel
from wmeval_adapters.genie.evaluate import HORIZONS, report
from wmeval_adapters.learn.clips import Clips, open_clips
from wmeval_adapters.learn.curves import curves
from wmeval_adapters.learn.shipped import put

CONTEXTS = (8,)  # frames shown of held-out clips


def notes(made: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Return what a reader of a score has to know of the model."""
    gains = ", ".join(
        f"{found[f'gain@{h}']:+.1f} +- {found[f'gain-se@{h}']:.1f}" for h in HORIZONS if f"gain@{h}" in found
    )
    return [
        f"diamond-small, {found['parameters'] / 1e6:.1f} M parameters, trained here on {made['clips']} "
        "PyBullet clips of train@0.1 (iid); it is not the published DIAMOND",
        "EDM around a mean: the network says how far each remembered body departs from going on as before, "
        "the body is drawn there again over the background, and diffusion tells the rest; 3 Euler steps",
        "it was taught with the simulator's image positions of bodies beside the frames; when it predicts it "
        "sees frames and actions only",
        "written, not learnt: bodies are spotted in given frames by hue and remembered with their look; one "
        "that is hidden goes on as before until the network says otherwise; what has no hue is a background "
        "that is remembered; a pixel that would change by less than 3 % keeps its value",
        f"held-out body PSNR over freeze at {', '.join(map(str, HORIZONS))} frames: {gains} dB "
        f"({found['clips']} clips, {found['context']} frames of context)",
    ]


def ship(run: Path, data: Path, note: str = "") -> dict[str, Any]:
    """Copy RUN/diamond-small.safetensors into the package, write its card, return it."""
    from wmeval.world.dataset import data_digest

    source = run / WEIGHTS.name
    small, made = net.load(source)
    clips = open_clips(data)
    held: Clips = clips.part(clips.trained, len(clips.frames))
    view: Any = DiamondModel(ADAPTER.card, small)
    found = {f"context {c}": report(view, held, context=c) for c in CONTEXTS}
    curve, seconds = curves(run / "log.jsonl")
    parameters = sum(p.numel() for p in small.model.parameters())
    told = notes(made, {**found[f"context {CONTEXTS[0]}"], "parameters": parameters})
    card: dict[str, Any] = {
        "version": made["version"], "parameters": parameters, "seed": made["seed"],
        "steps": made["steps"], "batch": made["batch"], "seconds": seconds,
        "data": {"split": "train@0.1", "clips": len(clips.frames), "digest": data_digest(data)},
        "command": made["command"], "config": asdict(small.model.config), "held out": found,
        "notes": [*told, note] if note else told, "curves": curve,
    }  # fmt: skip
    return put(source, WEIGHTS, card)


if __name__ == "__main__":
    shipped = ship(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:4])
    print(json.dumps({k: shipped[k] for k in ("parameters", "bytes", "held out", "notes")}, indent=1))
