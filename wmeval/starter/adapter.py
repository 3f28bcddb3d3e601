"""A world model in one file: what is known of it before it is loaded, and how it is asked.

`wmeval check adapter ./starter.py` says whether it keeps the contract, and `wmeval run --model ./starter.py`
asks it. This one plays on the last change between two frames, so that there is something to run.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from wmeval import Observation, Prediction, View
from wmeval.model import ActionSpace, Adapter, Card

CARD = Card(
    name="starter",
    family="starter",
    version="1",  # another one whenever the model answers differently: results are kept by it
    licence="Apache-2.0",
    source="this file",
    capabilities=frozenset({"generates"}),  # wmeval/model.py has them all, each a small Protocol
    view=View(fps=10, height=64, width=64),  # scenes are drawn as the model wants to see them
    context=(2, 16),  # fewest and most frames that it can be shown
    horizon=None,  # most frames that it can predict; None = any
    actions=ActionSpace("none"),
    classes=("clip", "never"),  # it is shown a clip and was never trained on our scenes
)


class Starter:
    """The model; torch and weights belong into `load` below, so that listing models stays quick."""

    card = CARD

    def generate(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return one Prediction per observation, (horizon, H, W, 3) uint8 frames each.

        Whatever is random comes from a generator made of the seed, never from global state.
        """
        return [self.continued(observation) for observation in batch]

    def continued(self, observation: Observation) -> Prediction:
        """Return the last frame with the last change added again and again."""
        before, last = observation.frames[-2:].astype(np.float64)
        steps = np.arange(1, observation.horizon + 1)[:, None, None, None]
        frames = last + steps * (last - before)
        return Prediction(frames=frames.clip(0, 255).astype(np.uint8))


def load(weights: Path | None, device: str, options: Mapping[str, str]) -> Starter:
    """Return the model, ready to be asked; `--weights`, `--device` and `--set` arrive here."""
    return Starter()


ADAPTER = Adapter(CARD, load, options={})  # option -> what it does, for `--set option=value`
