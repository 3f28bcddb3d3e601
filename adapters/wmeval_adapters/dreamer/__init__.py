"""dreamer: recurrent state space models; a small one of slots, trained here, and DreamerV3 as published.

The small one is our own and is not Hafner et al.'s network: it has slots, one a hue, where theirs has one
state for the whole image. Checkpoints of dreamerv3-torch load with --weights latest.pt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from wmeval.camera import View
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.model import ActionSpace, Adapter, Capability, Card, WorldModel
from wmeval_adapters.learn.shipped import card_beside, file_of, verified

WEIGHTS = Path(__file__).parent / "weights" / "dreamer-small.safetensors"
PICTURES: frozenset[Capability] = frozenset(
    {"generates", "steps", "scores", "encodes", "imagines", "reconstructs"}
)
TRAINS: frozenset[Capability] = frozenset({"trains"})
REWARDS: frozenset[Capability] = frozenset({"predicts-reward"})


def _card() -> Card:
    made = card_beside(WEIGHTS)
    return Card(
        name="dreamer", family="dreamer", version=made.get("version", "untrained"), licence="Apache-2.0",
        source="dreamer-small, trained in this repository on PyBullet scenes (train@0.1, iid only); "
        "or a checkpoint of dreamerv3-torch (MIT)",
        capabilities=PICTURES | TRAINS, view=View(fps=10.0, height=64, width=64), context=(1, 64),
        horizon=None, actions=ActionSpace("continuous", 12, "exact"),
        classes=("clip + actions", "on our split"), parameters=made.get("parameters"), max_batch=32,
        notes=tuple(made.get("notes", ())),
    )  # fmt: skip


def load(weights: Path | None, device: str, options: Mapping[str, str]) -> WorldModel:
    """Return the model of a weights file: safetensors of our own, else a dreamerv3-torch checkpoint.

    A folder means the safetensors file in it.

    Raises: EnvironmentFault where there are no weights, UsageError for files and options that do not fit.
    """
    for name in options:
        if name not in OPTIONS:
            raise UsageError(f"dreamer has no option {name!r}; it has {', '.join(sorted(OPTIONS))}")
    if device not in ("cpu", "auto"):
        raise UsageError(f"dreamer was asked to run on {device!r}; it runs on `--device cpu`")
    temperature = _number(options, "temperature", 0.0)
    if temperature < 0:
        raise UsageError(f"dreamer was given temperature={temperature:g}; expected a number from 0 on")
    weights = file_of(weights)
    if weights is not None and weights.suffix in (".pt", ".pth", ".ckpt"):
        return _published(weights, options, temperature)
    of_published = sorted(set(options) - {"temperature"})
    if of_published:
        raise UsageError(f"{of_published[0]!r} is an option of published checkpoints: --weights latest.pt")
    if weights is None and not WEIGHTS.is_file():
        raise EnvironmentFault(
            "dreamer has no weights in this installation; `wmeval train --model dreamer --set data=FOLDER "
            "--out RUN` makes RUN/dreamer-small.safetensors, and --weights names that, or a latest.pt of "
            "dreamerv3-torch"
        )
    from wmeval_adapters.dreamer import net
    from wmeval_adapters.dreamer.model import DreamerModel

    path = weights or WEIGHTS
    if weights is None:
        verified(path, card_beside(WEIGHTS).get("sha256"))
    model, made = net.load(path)
    card = CARD_STATIC if weights is None else replace(
        CARD_STATIC, version=str(made.get("version", path.stem)), notes=tuple(made.get("notes", ())),
        parameters=sum(p.numel() for p in model.parameters()),
    )  # fmt: skip
    return DreamerModel(card, model, temperature=temperature)


def _published(path: Path, options: Mapping[str, str], temperature: float) -> WorldModel:
    from wmeval_adapters.dreamer import layout
    from wmeval_adapters.dreamer.original import OriginalModel

    kind, fps = options.get("actions", "continuous"), _number(options, "fps", 10.0)
    if kind not in ("continuous", "discrete") or fps <= 0:
        raise UsageError(
            f"dreamer was given actions={kind}, fps={fps:g}; expected actions=continuous or discrete, and "
            "frames a second above 0"
        )
    model = layout.load(path, options)
    sizes = model.config
    card = replace(
        CARD_STATIC, version=path.stem, licence="of the checkpoint's owner",
        source=f"a checkpoint of dreamerv3-torch ({path.name})", capabilities=PICTURES | REWARDS,
        view=View(fps=fps, height=sizes.size, width=sizes.size),
        actions=ActionSpace("discrete" if kind == "discrete" else "continuous", sizes.actions, "none"),
        classes=("clip + actions", "never"), parameters=sum(p.numel() for p in model.parameters()),
        max_batch=8, notes=("scene actions do not reach it; native ones do",),
    )  # fmt: skip
    return OriginalModel(card, model, temperature=temperature)


def _number(options: Mapping[str, str], name: str, otherwise: float) -> float:
    try:
        return float(options.get(name, otherwise))
    except ValueError as error:
        raise UsageError(f"dreamer was given {name}={options[name]!r}; expected a number") from error


def train(out: Path, options: Mapping[str, str]) -> None:
    """Train into the folder `out`, continuing what is there; see wmeval_adapters.dreamer.recipe."""
    from wmeval_adapters.dreamer.recipe import train as run

    run(out, options)


OPTIONS = {
    "temperature": "of the draws of the stochastic state; 0 takes its mean; published: the likeliest (0)",
    "stoch": "of a published checkpoint: number of categoricals (the square root of all codes)",
    "unimix": "of a published checkpoint: share of the uniform in each categorical (0.01)",
    "decoder": "of a published checkpoint: how its decoder ends, half or sigmoid (half)",
    "actions": "of a published checkpoint: continuous or discrete (continuous)",
    "fps": "of a published checkpoint: frames a second that it was trained on (10)",
}
CARD_STATIC = _card()
ADAPTER = Adapter(CARD_STATIC, load, OPTIONS, train, shipped=WEIGHTS)
