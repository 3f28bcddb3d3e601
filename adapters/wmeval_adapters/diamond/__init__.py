"""diamond: pixel diffusion. A small one trained here, or a published Atari or CSGO checkpoint.

The small one is our own and is not the DIAMOND of Alonso et al. 2024, whose name tells the kind of model: EDM
preconditioning and three Euler steps a frame. With `--weights FILE.pt` the published network is loaded in its
own layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from wmeval.camera import View
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.model import ActionSpace, Adapter, Card, WorldModel
from wmeval_adapters.learn.shipped import card_beside, file_of, verified

WEIGHTS = Path(__file__).parent / "weights" / "diamond-small.safetensors"


def _card() -> Card:
    made = card_beside(WEIGHTS)
    return Card(
        name="diamond", family="diamond", version=made.get("version", "untrained"), licence="Apache-2.0",
        source="diamond-small, trained in this repository on PyBullet scenes (train@0.1, iid only)",
        capabilities=frozenset({"generates", "steps", "scores", "trains"}),
        view=View(fps=10.0, height=64, width=64), context=(1, 64), horizon=None,
        actions=ActionSpace("continuous", 12, "exact"), classes=("clip + actions", "on our split"),
        parameters=made.get("parameters"), max_batch=16, notes=tuple(made.get("notes", ())),
    )  # fmt: skip


def _published(weights: Path | None) -> bool:
    """Return whether a file is a checkpoint in the published layout; the small one has its own header."""
    if weights is None or weights.suffix != ".safetensors":
        return weights is not None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(weights), framework="numpy") as file:
            return not (file.metadata() or {}).get("diamond")
    except (SafetensorError, OSError):
        return False  # the reader of the small one says what is wrong with it


def load(weights: Path | None, device: str, options: Mapping[str, str]) -> WorldModel:
    """Return the model of weights: None the shipped small one, else a small one or a published one.

    A folder means the safetensors file in it.

    Raises: EnvironmentFault where there are no weights, UsageError for files and options that do not fit.
    """
    for name in options:
        if name not in OPTIONS:
            raise UsageError(f"diamond has no option {name!r}; it has {', '.join(sorted(OPTIONS))}")
    if device not in ("cpu", "auto"):
        raise UsageError(f"diamond was asked to run on {device!r}; it runs on `--device cpu`")
    steps = _steps(options)
    weights = file_of(weights)
    if weights is None and not WEIGHTS.is_file():
        raise EnvironmentFault(
            f"no weights at {WEIGHTS}: the small diamond is not trained yet; `wmeval train --model diamond "
            "--set data=FOLDER --out RUN` makes RUN/diamond-small.safetensors, and --weights takes that, or "
            "a published checkpoint"
        )
    if _published(weights):
        from wmeval_adapters.diamond.agent import PublishedModel, Walk, card_of
        from wmeval_adapters.diamond.published import load as checkpoint

        assert weights is not None
        parts = checkpoint(weights)
        return PublishedModel(card_of(CARD_STATIC, parts, weights.stem), parts, Walk(steps=steps))
    from wmeval_adapters.diamond import net
    from wmeval_adapters.diamond.model import DiamondModel

    if weights is None:
        verified(WEIGHTS, card_beside(WEIGHTS).get("sha256"))
    small, made = net.load(weights or WEIGHTS)
    card = CARD_STATIC if weights is None else _told(made, small)
    return DiamondModel(card, small, steps=steps)


def completed(weights: Path | None, options: Mapping[str, str]) -> Card:
    """Return the card of a weights file; published checkpoints see other frames and take other actions."""
    return CARD_STATIC if weights is None else load(weights, "cpu", options).card


def _told(made: Mapping[str, Any], small: Any) -> Card:
    return replace(
        CARD_STATIC, version=str(made.get("version", "own")), notes=tuple(made.get("notes", ())),
        parameters=sum(p.numel() for p in small.model.parameters()),
    )  # fmt: skip


def _steps(options: Mapping[str, str]) -> int:
    given = options.get("steps", "3")
    if not given.isdecimal() or not 1 <= int(given) <= 100:
        raise UsageError(f"diamond was given steps={given}; expected a whole number from 1 to 100")
    return int(given)


def train(out: Path, options: Mapping[str, str]) -> None:
    """Train into the folder `out`, continuing what is there; see wmeval_adapters.diamond.recipe."""
    from wmeval_adapters.diamond.recipe import train as run

    run(out, options)


OPTIONS = {"steps": "Euler steps of a frame (3)"}
CARD_STATIC = _card()
ADAPTER = Adapter(CARD_STATIC, load, OPTIONS, train, shipped=WEIGHTS, completed=completed)
