"""tinyworlds: a small published Genie (tokenizer, latent actions, MaskGIT dynamics), loaded as published.

None is shipped and none is trained here. The layout is that of github.com/AlmondGod/tinyworlds; this is code
of our own that reads its checkpoints. The kind of model is that of Bruce et al. 2024.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from wmeval.camera import View
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.model import ActionSpace, Adapter, Card, WorldModel

HUB = "AlmondGod/tinyworlds-models"
UNTRIED = "no published weights were loaded in this project's tests; tiny random ones in both layouts were"
CARD = Card(
    name="tinyworlds", family="tinyworlds", version="published", licence="MIT (code)",
    source=f"https://huggingface.co/{HUB} (github.com/AlmondGod/tinyworlds)",
    capabilities=frozenset({"generates", "steps", "scores", "reconstructs", "infers-actions"}),
    view=View(fps=15.0, height=64, width=64), context=(1, 64), horizon=None,
    actions=ActionSpace("latent", 4, "none"), classes=("clip", "never"), max_batch=8,
    notes=(
        "scene actions do not reach its latent actions: the code that it infers last in the context goes on",
        "it looks back on the last 3 frames, or as many as its clips in training had before their last one",
        UNTRIED,
    ),
)  # fmt: skip
OPTIONS = {
    "steps": "rounds in which the codes of a frame are unmasked (10)",
    "temperature": "of the draws of codes; 0 takes the likeliest (0.5)",
    "window": "frames that it looks back on (one less than the clips of its training)",
    "fps": "frames a second of the game that it was trained on (15)",
    "heads": "attention heads of all three networks (from their configurations)",
    "frame": "side of a frame [px] (from their configurations)",
}


def load(weights: Path | None, device: str, options: Mapping[str, str]) -> WorldModel:
    """Return the model of a folder that holds video tokenizer, latent actions and dynamics.

    Raises: EnvironmentFault where there are no weights, UsageError for files and options that do not fit.
    """
    for name in options:
        if name not in OPTIONS:
            raise UsageError(f"tinyworlds has no option {name!r}; it has {', '.join(sorted(OPTIONS))}")
    if device not in ("cpu", "auto"):
        raise UsageError(f"tinyworlds was asked to run on {device!r}; it runs on `--device cpu`")
    if weights is None:
        raise EnvironmentFault(
            f"tinyworlds needs its published weights: `hf download {HUB} --include 'sonic/*' --local-dir "
            "tinyworlds` and --weights tinyworlds/sonic"
        )
    from wmeval_adapters.tinyworlds.model import TinyworldsModel
    from wmeval_adapters.tinyworlds.published import load as checkpoint

    asked = {"frame_size": "frame", "num_heads": "heads"}
    parts = checkpoint(
        weights, {k: int(_number(options, v, 0, 1, 1024)) for k, v in asked.items() if v in options}
    )  # fmt: skip
    window = int(_number(options, "window", parts.clip - 1, 1, 63))
    side = parts.tokenizer.layout.frame
    card = replace(
        CARD, version=f"{weights.name}-{parts.digest}", parameters=parts.parameters,
        view=View(_number(options, "fps", 15.0, 0.1, 240), side, side),
        actions=ActionSpace("latent", parts.actions.quantizer.codes, "none"),
        notes=(CARD.notes[0], f"it looks back on the last {window} frames", UNTRIED),
    )  # fmt: skip
    return TinyworldsModel(
        card, parts, window=window, steps=int(_number(options, "steps", 10, 1, 256)),
        temperature=_number(options, "temperature", 0.5, 0, 100),
    )  # fmt: skip


def completed(weights: Path | None, options: Mapping[str, str]) -> Card:
    """Return the card of a folder of weights: sizes and latent actions are told by them."""
    return CARD if weights is None else load(weights, "cpu", options).card


def _number(options: Mapping[str, str], name: str, otherwise: float, least: float, most: float) -> float:
    """Return a number of the options; whole where the limits and what else there would be are."""
    whole = all(isinstance(v, int) for v in (otherwise, least, most))
    given = options.get(name, str(otherwise))
    kind = "whole number" if whole else "number"
    try:
        told = int(given) if whole else float(given)
    except ValueError as error:
        raise UsageError(f"tinyworlds was given {name}={given}; expected a {kind}") from error
    if not least <= told <= most:
        raise UsageError(f"tinyworlds was given {name}={given}; expected a {kind} from {least} to {most}")
    return told


ADAPTER = Adapter(
    CARD, load, OPTIONS, completed=completed, needs="--weights FOLDER with the three published networks"
)
