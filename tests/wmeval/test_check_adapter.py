import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from wmeval import View, registry
from wmeval.check_adapter import check_adapter, clips, findings, observations
from wmeval.errors import UsageError
from wmeval.model import ActionSpace, Card, Prediction
from wmeval.roster import needs

CARD = Card(
    "drift", "test", "1", "Apache-2.0", "here", frozenset({"generates", "steps", "scores", "reconstructs"}),
    View(height=32, width=32), (2, 8), None, ActionSpace("continuous", 12, "exact"), ("clip", "never"),
)  # fmt: skip


@dataclass
class Drift:
    """A tiny honest model: the last frame, brightened by the actions so far, with noise of its seed."""

    card: Card = CARD
    fault: str = ""
    asked: int = field(default=0)

    def generate(self, batch, seeds):
        self.asked += 1
        if self.fault == "touches":
            batch[0].frames[:] = 0
        if self.fault == "seeds globally":
            np.random.seed(0)
        return [self.one(o, s, len(batch)) for o, s in zip(batch, seeds, strict=True)]

    def one(self, o, seed, together):
        start = len(o.frames) - (self.fault != "acts too early")
        push = np.cumsum(np.append(o.actions, np.zeros((1, 12)), 0)[start : start + o.horizon, 0]) / 10
        noise = np.random.default_rng(None if self.fault == "ignores the seed" else seed)
        frames = o.frames[-1].astype(float) + push[:, None, None, None]
        frames = frames + noise.normal(0, 2, frames.shape)
        if self.fault == "depends on the batch":
            frames = frames - 3 * together
        if self.fault == "remembers":
            frames = frames + 5 * self.asked
        if self.fault == "floats":
            return Prediction(frames=frames)
        return Prediction(frames=frames.clip(0, 255).astype(np.uint8))

    def reset(self, batch, seeds):
        return [o.frames[-1] for o in batch]

    def step(self, state, actions):
        frames = np.stack(state)
        return state, frames[:, :-1] if self.fault == "steps badly" else frames

    def score(self, batch):
        found = []
        for clip in batch:
            frames = clip.frames.astype(float)
            gap = np.abs(np.diff(frames, axis=0, prepend=frames[:1])).mean((1, 2, 3))
            if self.fault == "looks ahead":
                gap = gap - frames.mean()
            found.append(Prediction(surprise=gap[1:] if self.fault == "short surprise" else gap))
        return found

    def reconstruct(self, batch):
        cut = 1 if self.fault == "reconstructs badly" else 0
        return [Prediction(frames=clip.frames[cut:]) for clip in batch]


def wrong(model, fresh=None):
    return {f.name: f.sentence for f in findings(model, fresh) if not f.ok}


def test_an_honest_model_passes():
    assert wrong(Drift()) == {}


@pytest.mark.parametrize(
    ("fault", "finding", "sentence"),
    [
        ("touches", "observations are left alone", "copy before writing"),
        ("seeds globally", "global randomness", "global random state of numpy"),
        ("acts too early", "causal actions", "shift actions by one"),
        ("ignores the seed", "seeds", "two different videos"),
        ("depends on the batch", "batch against single", "grey levels; allowed are 1.0"),
        ("floats", "shapes", "float64 frames (1, 32, 32, 3); expected frames (1, 32, 32, 3) uint8"),
        ("steps badly", "steps", "expected uint8 (2, 32, 32, 3)"),
        ("looks ahead", "causal surprise", "changed the surprise of earlier ones"),
        ("short surprise", "surprise", "expected (12,)"),
        ("reconstructs badly", "reconstruction", "expected uint8 (12, 32, 32, 3)"),
    ],
)
def test_each_fault_is_found_and_named(fault, finding, sentence):
    found = wrong(Drift(fault=fault))
    assert sentence in found[finding]


def test_a_card_that_promises_too_much_is_found():
    card = replace(CARD, capabilities=CARD.capabilities | {"imagines"})
    assert "imagines" in wrong(Drift(card))["capabilities"]
    assert "kept for a reference" in wrong(Drift(replace(CARD, name="noise")))["name"]
    assert "expected 1 <=" in wrong(Drift(replace(CARD, context=(4, 2))))["context"]


def test_what_a_model_is_shown_is_as_long_as_its_card_allows():
    for context, frames in [((1, 3), 3), ((2, 100), 8), ((12, 20), 12)]:
        (one,) = observations(replace(CARD, context=context), 1)
        assert (len(one.frames), one.horizon) == (frames, 4)
        assert np.abs(one.actions[:, 0]).min() > 0
    assert len(clips(CARD)[0].frames) == 12


def test_a_fresh_process_is_asked_by_name(tmp_path):
    file = tmp_path / "drift.py"
    source = Path(__file__).read_text().partition("def wrong")[0].replace("import pytest\n", "")
    file.write_text(
        source + "\nfrom wmeval.model import Adapter\nADAPTER = Adapter(CARD, lambda w, d, o: Drift())\n"
    )
    found = {f.name: f for f in check_adapter(str(file))}
    assert found["fresh process"].ok
    assert all(f.ok for f in found.values())
    elsewhere = f"60 * (__import__('os').getpid() != {os.getpid()})"
    file.write_text(file.read_text().replace("Drift())", "Drift(fault='forgets'))").replace(
        "noise.normal(0, 2", f"noise.normal({elsewhere}, 2"))  # fmt: skip
    found = {f.name: f.sentence for f in check_adapter(str(file)) if not f.ok}
    assert found == {"fresh process": "the same seed gives another video in a fresh process"}


def test_references_are_not_adapters():
    with pytest.raises(UsageError, match="is a reference"):
        check_adapter("oracle")


@pytest.mark.parametrize("name", sorted(registry.entries("models")))
def test_every_registered_adapter_keeps_the_contract(name):
    if wanted := needs(name, registry.load_adapter(name)):
        pytest.skip(f"{name} is opened with {wanted}, which its own tests give")
    for finding in check_adapter(name):
        assert finding.ok, f"{name}: {finding.name}: {finding.sentence}"
