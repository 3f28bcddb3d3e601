"""The curves that a training log holds, as a card shows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CURVE_EVERY = 100  # steps


def curves(log: Path) -> tuple[dict[str, list[dict[str, Any]]], dict[str, float]]:
    """Return the curve and the seconds of each stage that a log holds; a repeated step counts once."""
    lines: dict[str, dict[int, dict[str, Any]]] = {}
    for line in map(json.loads, log.read_text().splitlines()):
        if "step" in line:
            steps = lines.setdefault(line.pop("stage"), {})
            # A stage that was begun again overwrites what it had said of later steps.
            for later in [s for s in steps if s >= line["step"]]:
                del steps[later]
            steps[line["step"]] = line
    told = {
        stage: [v for s, v in sorted(steps.items()) if s % CURVE_EVERY == 0 or s == max(steps)]
        for stage, steps in lines.items()
    }
    return told, {stage: steps[max(steps)]["seconds"] for stage, steps in lines.items()}
