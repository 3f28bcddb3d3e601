"""Putting a trained jepa into the package, with a card that tells how it was made and how good it is.

`python -m wmeval_adapters.jepa.ship RUN DATA [NOTE]` after `wmeval train --model jepa --out RUN`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from wmeval_adapters.jepa import NOTES, WEIGHTS, net
from wmeval_adapters.jepa.evaluate import HORIZONS
from wmeval_adapters.learn.clips import open_clips
from wmeval_adapters.learn.curves import curves
from wmeval_adapters.learn.shipped import put


def notes(found: dict[str, Any]) -> list[str]:
    """Return what a reader of a score has to know of the model."""
    told = ", ".join(
        f"{found[f'px@{h}']} px at {h} (standing still {found[f'freeze px@{h}']})"
        for h in HORIZONS
        if f"px@{h}" in found
    )
    return [
        *NOTES,
        f"held-out error of bodies that move, after {found['context']} frames of context: {told} "
        f"({found['clips']} clips)",
    ]


def ship(run: Path, data: Path, note: str = "") -> dict[str, Any]:
    """Copy RUN/jepa-small.safetensors into the package, write its card, return it."""
    from wmeval.world.dataset import data_digest

    source = run / WEIGHTS.name
    model, made = net.load(source)
    curve, seconds = curves(run / "log.jsonl")
    told = notes(made["held out"])
    card: dict[str, Any] = {
        "version": made["version"], "parameters": sum(p.numel() for p in model.parameters()),
        "seed": made["seed"],
        "steps": made["steps"], "seconds": seconds,
        "data": {
            "split": "train@0.1", "clips": len(open_clips(data).frames), "digest": data_digest(data),
            "trained": made["clips"],
        },
        "command": made["command"], "config": made["config"], "held out": made["held out"],
        "notes": [*told, note] if note else told, "curves": curve,
    }  # fmt: skip
    return put(source, WEIGHTS, card)


if __name__ == "__main__":
    shipped = ship(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:4])
    print(json.dumps({k: shipped[k] for k in ("parameters", "bytes", "held out", "notes")}, indent=1))
