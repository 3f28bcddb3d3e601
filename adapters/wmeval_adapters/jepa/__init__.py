"""jepa: slots in latent space that foresee themselves, trained here on train@0.1. No pixels are drawn.

Features of a slot are learnt by masked latent prediction, how slots go on by predicting latents under
actions; no gradient flows through a target. The idea is LeCun's (2022); V-JEPA 2 is beside it, in `vjepa`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from wmeval.camera import View
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.model import ActionSpace, Adapter, Card, WorldModel
from wmeval_adapters.learn.shipped import card_beside, file_of, verified

WEIGHTS = Path(__file__).parent / "weights" / "jepa-small.safetensors"
NOTES = (
    "jepa-small, trained here on PyBullet clips of train@0.1 (iid); it is neither I-JEPA nor V-JEPA",
    "written, not learnt: six opponent colours, and of each the moments that say where it is",
    "learnt from frames and actions alone: what a slot shows (masked latent prediction; the target is an "
    "average of the encoder, without gradient) and how slots go on; it is shown no position of the simulator",
    "what has no hue is taken for a background that stands still after the context",
)


def _card() -> Card:
    made = card_beside(WEIGHTS)
    return Card(
        name="jepa", family="jepa", version=made.get("version", "untrained"), licence="Apache-2.0",
        source="jepa-small, trained in this repository on PyBullet scenes (train@0.1, iid only)",
        capabilities=frozenset({"encodes", "imagines", "scores", "trains"}),
        view=View(fps=10.0, height=64, width=64), context=(1, 64), horizon=None,
        actions=ActionSpace("continuous", 12, "exact"), classes=("clip + actions", "on our split"),
        parameters=made.get("parameters"), max_batch=16, notes=tuple(made.get("notes", NOTES)),
    )  # fmt: skip


def load(weights: Path | None, device: str, options: Mapping[str, str]) -> WorldModel:
    """Return the model of a weights file (None: the shipped one; a folder: the one in it).

    Raises: EnvironmentFault where there are no weights, UsageError for files, devices and options that do
    not fit.
    """
    for name in options:
        raise UsageError(f"jepa has no option {name!r}; leave it out")
    if device not in ("cpu", "auto"):
        raise UsageError(f"jepa was asked to run on {device!r}; it runs on `--device cpu`")
    weights = file_of(weights)
    if weights is None and not WEIGHTS.is_file():
        raise EnvironmentFault(
            "no weights of jepa are shipped with this version: train them (`wmeval data make --out FOLDER`, "
            "`wmeval train --model jepa --set data=FOLDER --out RUN`), then give --weights "
            "RUN/jepa-small.safetensors"
        )
    from wmeval_adapters.jepa import net
    from wmeval_adapters.jepa.model import JepaModel

    if weights is None:
        verified(WEIGHTS, card_beside(WEIGHTS).get("sha256"))
    path = weights or WEIGHTS
    model, made = net.load(path)
    card = CARD_STATIC if weights is None else replace(
        CARD_STATIC, version=str(made.get("version", path.stem)),
        parameters=sum(p.numel() for p in model.parameters()),
    )  # fmt: skip
    return JepaModel(card, model)


def train(out: Path, options: Mapping[str, str]) -> None:
    """Train into the folder `out`, continuing what is there; see wmeval_adapters.jepa.recipe."""
    from wmeval_adapters.jepa.recipe import train as run

    run(out, options)


CARD_STATIC = _card()
ADAPTER = Adapter(CARD_STATIC, load, {}, train, shipped=WEIGHTS)
