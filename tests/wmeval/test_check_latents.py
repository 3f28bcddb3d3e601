"""Each breach of the contract of latents is found, and told in its own sentence."""

from dataclasses import replace

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.check_latents import causal, encoded, imagined
from wmeval.model import ActionSpace, Card, Clip, Observation, Prediction

CARD = Card(
    "still", "test", "1", "Apache-2.0", "here", frozenset({"encodes", "imagines"}), View(), (1, 8), None,
    ActionSpace("continuous", 12, "exact"), ("clip + actions", "never"),
)  # fmt: skip
CLIP = Clip(np.zeros((5, 8, 8, 3), np.uint8), 10.0, np.zeros((4, 12)))
SEEN = Observation(np.zeros((3, 8, 8, 3), np.uint8), 10.0, np.zeros((6, 12)), 4, "", np.eye(3))


class Still:
    """Latents that count the pushes so far; each fault breaks one promise."""

    def __init__(self, fault=""):
        self.card, self.fault, self.asked = CARD, fault, 0

    def encode(self, batch):
        return [Prediction(latents=np.zeros((len(c.frames), 2, 3), np.float32)) for c in batch]

    def imagine(self, batch, seeds):
        self.asked += 1
        return [Prediction(latents=self.one(o)) for o in batch]

    def one(self, o):
        pushes = np.cumsum(o.actions[len(o.frames) - 1 :].sum(1))
        if self.fault == "looks ahead":
            pushes = np.append(pushes[1:], pushes[-1])
        z = np.broadcast_to(pushes[:, None, None], (o.horizon, 2, 4 if self.fault == "wide" else 3)).copy()
        if self.fault == "random":
            z += self.asked
        if self.fault == "nan":
            z[0] = np.nan
        return z[1:] if self.fault == "short" else z


@pytest.mark.parametrize(
    ("fault", "says"),
    [("", ""), ("short", r"(3, 2, 3)"), ("nan", "expected finite"), ("wide", "one readout must fit both")],
)
def test_shapes(fault, says):
    told = imagined(Still(fault), [SEEN], [CLIP])
    assert (says in told) if says else told == ""
    assert encoded(Still(), [CLIP]) == ""


@pytest.mark.parametrize(
    ("fault", "says"), [("", ""), ("looks ahead", "imagined frame 2 on"), ("random", "the same seed")]
)
def test_imagination_is_causal_and_keeps_its_seed(fault, says):
    told = causal(Still(fault), SEEN)
    assert (says in told) if says else told == ""


def test_a_model_that_says_it_is_random_is_not_held_to_a_seed():
    model = Still("random")
    model.card = replace(CARD, deterministic=False)
    assert causal(model, SEEN) == ""
