"""linear-latent: six colour keypoints and a linear map that moves them. A plain baseline for latent models.

The encoder is written, not learnt; only the map is learnt, by ridge regression on train@0.1. It exists so
that imagination and latent surprise can be tried on something whose every number can be followed by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.model import ActionSpace, Adapter, Card, WorldModel
from wmeval_adapters.learn.shipped import card_beside, verified

WEIGHTS = Path(__file__).parent / "weights" / "linear-latent.safetensors"
CARD = WEIGHTS.with_name("card.json")
NOTES = (
    "a plain baseline: it knows neither walls, floors nor screens, and no body knows of another",
    "the encoder is written, not learnt: for each of six hues the moments of the pixels that show it",
    "learnt by ridge regression: one linear map from a hue's last three tokens, and the action, to the next",
)


def _card() -> Card:
    made = card_beside(WEIGHTS)
    return Card(
        name="linear-latent", family="linear-latent", version=made.get("version", "untrained"),
        licence="Apache-2.0", source="fitted in this repository on PyBullet scenes (train@0.1, iid only)",
        capabilities=frozenset({"encodes", "imagines", "scores", "trains"}),
        view=View(fps=10.0, height=64, width=64), context=(1, 64), horizon=None,
        actions=ActionSpace("continuous", 12, "exact"), classes=("clip + actions", "on our split"),
        parameters=made.get("parameters"), max_batch=8, notes=NOTES,
    )  # fmt: skip


def load(weights: Path | None, device: str, options: Mapping[str, str]) -> WorldModel:
    """Return the model of a weights file (None: the shipped one).

    Raises: EnvironmentFault where there are no weights, UsageError for files, devices and options that do
    not fit.
    """
    from wmeval_adapters.linear_latent import weights as on_disk
    from wmeval_adapters.linear_latent.model import LinearLatent

    for name in options:
        raise UsageError(f"linear-latent has no option {name!r}; leave it out")
    if device not in ("cpu", "auto"):
        raise UsageError(f"linear-latent was asked to run on {device!r}; it runs on `--device cpu`")
    if weights is None:
        verified(WEIGHTS, card_beside(WEIGHTS).get("sha256"))
    dynamics, made = on_disk.read(weights or WEIGHTS)
    card = CARD_STATIC if weights is None else replace(
        CARD_STATIC, version=str(made.get("version", weights.stem)), parameters=int(dynamics.step.size)
    )  # fmt: skip
    return LinearLatent(card, dynamics)


def train(out: Path, options: Mapping[str, str]) -> None:
    """Fit the map into the folder `out`; see wmeval_adapters.linear_latent.recipe."""
    from wmeval_adapters.linear_latent.recipe import train as run

    run(out, options)


CARD_STATIC = _card()
ADAPTER = Adapter(CARD_STATIC, load, {}, train, shipped=WEIGHTS)
