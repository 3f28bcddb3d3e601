"""Seconds of our own models for 24 frames of 64 px of 32 scenes: `python benchmarks/speed.py [MODEL...]`."""

from __future__ import annotations

import sys
import time

from wmeval.check_adapter import observations
from wmeval.model import Generates, Imagines
from wmeval.references import Reference
from wmeval.registry import load_model

SCENES, FRAMES = 32, 24


def main() -> None:
    """Print the seconds of each model, opened beforehand and asked once for warmth."""
    for name in sys.argv[1:] or ("genie", "diamond", "dreamer", "jepa"):
        model = load_model(name)
        assert not isinstance(model, Reference)
        asked = observations(model.card, SCENES, FRAMES)
        ask = model.generate if isinstance(model, Generates) else None
        if ask is None and isinstance(model, Imagines):
            ask = model.imagine
        assert ask is not None
        ask(asked[:1], [0])
        begun = time.perf_counter()
        for start in range(0, SCENES, model.card.max_batch):
            batch = asked[start : start + model.card.max_batch]
            ask(batch, list(range(len(batch))))
        print(f"{name}: {time.perf_counter() - begun:.1f} s", flush=True)


if __name__ == "__main__":
    main()
