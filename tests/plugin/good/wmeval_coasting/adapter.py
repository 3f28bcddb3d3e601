"""A model that goes on shifting the picture as it last moved, by a number of columns that can be set."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from wmeval import Observation, Prediction, View
from wmeval.model import ActionSpace, Adapter, Card

CARD = Card(
    name="shift",
    family="shift",
    version="1",
    licence="MIT",
    source="a test of plugins",
    capabilities=frozenset({"generates"}),
    view=View(),
    context=(1, 8),
    horizon=None,
    actions=ActionSpace("none"),
    classes=("one frame", "never"),
)


class Shift:
    """Rolls the last frame by a fixed number of columns a step."""

    card = CARD

    def __init__(self, columns: int) -> None:
        self.columns = columns

    def generate(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return the last frame, rolled further at each step."""
        return [
            Prediction(
                frames=np.stack(
                    [np.roll(o.frames[-1], self.columns * t, axis=1) for t in range(1, o.horizon + 1)]
                )
            )
            for o in batch
        ]


def load(weights: Path | None, device: str, options: Mapping[str, str]) -> Shift:
    """Return the model."""
    return Shift(int(options.get("columns", "2")))


ADAPTER = Adapter(CARD, load, options={"columns": "pixels a frame, to the right"})
