"""genie: a small open Genie (tokenizer, latent actions, MaskGIT dynamics) trained here on train@0.1.

It is our own and is not DeepMind's Genie, whose name tells the kind of model: Bruce et al. 2024.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.model import ActionSpace, Adapter, Card, WorldModel
from wmeval_adapters.learn.shipped import card_beside, file_of, verified

WEIGHTS = Path(__file__).parent / "weights" / "genie-small.safetensors"


def _card() -> Card:
    made = card_beside(WEIGHTS)
    return Card(
        name="genie", family="genie", version=made.get("version", "untrained"), licence="Apache-2.0",
        source="genie-small, trained in this repository on PyBullet scenes (train@0.1, iid only)",
        capabilities=frozenset({"generates", "steps", "scores", "reconstructs", "trains"}),
        view=View(fps=10.0, height=64, width=64), context=(1, 64), horizon=None,
        actions=ActionSpace("latent", 25, "fitted"), classes=("clip + actions", "on our split"),
        parameters=made.get("parameters"), max_batch=16, notes=tuple(made.get("notes", ())),
    )  # fmt: skip


def load(weights: Path | None, device: str, options: Mapping[str, str]) -> WorldModel:
    """Return the model of a weights file (None: the shipped one; a folder: the one in it).

    Raises: EnvironmentFault where there are no weights, UsageError for files and options that do not fit.
    """
    from wmeval_adapters.genie import net
    from wmeval_adapters.genie.model import GenieModel

    for name in options:
        if name not in OPTIONS:
            raise UsageError(f"genie has no option {name!r}; it has {', '.join(sorted(OPTIONS))}")
    if device not in ("cpu", "auto"):
        raise UsageError(f"genie was asked to run on {device!r}; it runs on `--device cpu`")
    weights = file_of(weights)
    path = weights or WEIGHTS
    if weights is None:
        verified(path, card_beside(WEIGHTS).get("sha256"))
    model, made = net.load(path)
    card = CARD_STATIC if weights is None else replace(
        CARD_STATIC, version=str(made.get("version", path.stem)), notes=tuple(made.get("notes", ())),
        parameters=sum(p.numel() for p in model.parameters()),
    )  # fmt: skip
    steps, temperature = _number(options, "steps", "1"), _number(options, "temperature", "0")
    if steps < 1 or steps != int(steps) or temperature < 0:
        raise UsageError(
            f"genie was given steps={steps:g}, temperature={temperature:g}; expected a whole number of "
            "steps from 1 on and a temperature from 0 on"
        )
    return GenieModel(card, model, steps=int(steps), temperature=temperature)


def _number(options: Mapping[str, str], name: str, otherwise: str) -> float:
    try:
        return float(options.get(name, otherwise))
    except ValueError as error:
        raise UsageError(f"genie was given {name}={options[name]!r}; expected a number") from error


def train(out: Path, options: Mapping[str, str]) -> None:
    """Train into the folder `out`, continuing what is there; see wmeval_adapters.genie.recipe."""
    from wmeval_adapters.genie.recipe import train as run

    run(out, options)


OPTIONS = {
    "steps": "rounds in which the tokens of a frame are unmasked (1)",
    "temperature": "of the draws of tokens; 0 takes the likeliest (0)",
}
CARD_STATIC = _card()
ADAPTER = Adapter(CARD_STATIC, load, OPTIONS, train, shipped=WEIGHTS)
