"""1x-genie: the published GENIE of 1X (ST-MaskGIT over MAGVIT2 tokens), loaded as published.

None is shipped and none is trained here. The layout is that of github.com/1x-technologies/1xgpt; this is code
of our own that reads its checkpoints. The kind of model is that of Bruce et al. 2024.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from wmeval.camera import View
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.model import ActionSpace, Adapter, Card, WorldModel

UNTRIED = "no published weights were loaded in this project's tests; tiny random ones in the same layout were"
CARD = Card(
    name="1x-genie", family="1x-genie", version="published", licence="Apache-2.0 (as published)",
    source="https://huggingface.co/1x-technologies/GENIE_35M and its like (github.com/1x-technologies/1xgpt)",
    capabilities=frozenset({"generates", "scores", "reconstructs"}),
    view=View(fps=2.0, height=256, width=256), context=(1, 64), horizon=None, actions=ActionSpace("none"),
    classes=("clip", "never"), max_batch=2,
    notes=(
        "the published models take no actions: what is commanded does not reach them",
        "it looks back on the last 15 frames; it was published as shown 8 and asked for 8",
        "the tokenizer sees and draws with its plain weights, not with their average",
        UNTRIED,
    ),
)  # fmt: skip
OPTIONS = {
    "tokenizer": "file of the tokenizer (magvit2.safetensors or magvit2.ckpt beside the weights)",
    "steps": "rounds in which the tokens of a frame are unmasked (2)",
    "temperature": "of the draws of tokens; 0 takes the likeliest (0)",
    "fps": "frames a second (2, every 15th of 30 as published)",
}


def load(weights: Path | None, device: str, options: Mapping[str, str]) -> WorldModel:
    """Return the model of a folder with config.json and model.safetensors, and of a tokenizer.

    Raises: EnvironmentFault where there are no weights, UsageError for files and options that do not fit.
    """
    for name in options:
        if name not in OPTIONS:
            raise UsageError(f"1x-genie has no option {name!r}; it has {', '.join(sorted(OPTIONS))}")
    if weights is None:
        raise EnvironmentFault(
            "1x-genie needs its published weights: --weights hf:1x-technologies/GENIE_35M --set "
            "tokenizer=magvit2.ckpt, of the data set 1x-technologies/worldmodel"
        )
    import torch

    from wmeval_adapters.onex.model import OneXGenieModel
    from wmeval_adapters.onex.published import load as checkpoint

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise EnvironmentFault(f"1x-genie was asked to run on {device!r}, but torch finds no GPU here")
    steps, temperature = _number(options, "steps", 2.0), _number(options, "temperature", 0.0)
    fps = _number(options, "fps", 2.0)
    if not 1 <= steps <= 256 or steps != int(steps) or not 0 <= temperature <= 100 or not 0.1 <= fps <= 240:
        raise UsageError(
            f"1x-genie was given steps={steps:g}, temperature={temperature:g}, fps={fps:g}; expected a whole "
            "number of steps from 1 to 256, a temperature from 0 to 100 and 0.1 to 240 frames a second"
        )
    given = options.get("tokenizer")
    parts = checkpoint(weights, Path(given) if given else None)
    looks = f"it looks back on the last {parts.model.config.T - 1} frames; published: shown 8 and asked for 8"
    card = replace(
        CARD, version=f"{weights.name}-{parts.digest}", view=View(fps, parts.size, parts.size),
        parameters=parts.parameters, notes=(CARD.notes[0], looks, *CARD.notes[2:]),
    )  # fmt: skip
    return OneXGenieModel(card, parts, steps=int(steps), temperature=temperature, device=device)


def completed(weights: Path | None, options: Mapping[str, str]) -> Card:
    """Return the card of weights; its version tells the files that they are in."""
    return CARD if weights is None else load(weights, "cpu", options).card


def _number(options: Mapping[str, str], name: str, otherwise: float) -> float:
    try:
        return float(options.get(name, otherwise))
    except ValueError as error:
        raise UsageError(f"1x-genie was given {name}={options[name]}; expected a number") from error


ADAPTER = Adapter(
    CARD, load, OPTIONS, completed=completed,
    needs="--weights hf:1x-technologies/GENIE_35M --set tokenizer=magvit2.ckpt",
)  # fmt: skip
