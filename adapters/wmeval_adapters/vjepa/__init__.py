"""V-JEPA 2, its action-conditioned predictor, and I-JEPA: published latent models, loaded as published.

None is shipped and none is trained here. Their weights are Meta's; this is code of our own that reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wmeval.camera import View
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.model import ActionSpace, Adapter, Capability, Card, WorldModel

VIDEO = View(fps=7.5, height=256, width=256, supersample=1)  # every second frame of 15, as published
ROBOT = View(fps=4.0, height=256, width=256, supersample=1)
PICTURE = View(fps=10.0, height=224, width=224, supersample=1)
UNTRIED = "no published weights were loaded in this project's tests; tiny random ones in the same layout were"
DEVICE = {"dtype": "float32, bfloat16 or float16 (float32)"}
VIDEO_OPTIONS = {
    **DEVICE,
    "window": "frames of a window, even (16)",
    "stride": "frames from one window to the next (2)",
    "contexts": "frames shown of a window, each even (2,4,6,8,10)",
    "reduce": "over contexts: mean, or min as the published filter has it (mean)",
    "over": "mean: a frame has its window's surprise; max: the largest up to it (mean)",
}
ROBOT_OPTIONS = {
    **DEVICE,
    "frames": "frames that the predictor looks back on, at most (8)",
    "crop": "side of the image [px] (256)",
    "metres": "that the gripper is taken to move for each N s of a push (0.001)",
    "heads": "attention heads of encoder and predictor, as in 22,16 (from the widths: 64 a head)",
}


def _card(
    name: str, source: str, licence: str, view: View, can: set[Capability], actions: ActionSpace,
    context: tuple[int, int], notes: tuple[str, ...],
) -> Card:  # fmt: skip
    shown = "clip + actions" if actions.kind != "none" else "clip"
    return Card(
        name=name, family=name, version="published", licence=licence, source=source,
        capabilities=frozenset(can), view=view, context=context, horizon=None, actions=actions,
        classes=(shown, "never"), max_batch=2, notes=(*notes, UNTRIED),
    )  # fmt: skip


VJEPA2_CARD = _card(
    "vjepa2", "https://huggingface.co/facebook/vjepa2-vitl-fpc64-256 and its like (Assran et al. 2025)",
    "MIT / Apache-2.0 (as published)", VIDEO, {"encodes", "scores", "imagines"}, ActionSpace("none"), (2, 64),
    (
        "the context is encoded by itself; predictions see nothing of what follows",
        "surprise follows the protocol of Garrido et al. 2025, with one encoder for context and target",
        "two frames make one tubelet, so two frames share a latent",
    ),
)  # fmt: skip
VJEPA2_AC_CARD = _card(
    "vjepa2-ac", "vjepa2-ac-vitg.pt of github.com/facebookresearch/vjepa2 (Assran et al. 2025)",
    "MIT (as published)", ROBOT, {"encodes", "scores", "imagines"}, ActionSpace("continuous", 7, "lossy"),
    (1, 32),
    (
        "trained on a robot arm: a push on a body is given to it as a motion of the gripper, so actions are "
        "lossy and scenes are far from what it knows",
        "each frame is doubled to a tubelet and encoded by itself",
    ),
)  # fmt: skip
IJEPA_CARD = _card(
    "ijepa", "https://huggingface.co/facebook/ijepa_vith14_1k and its like (Assran et al. 2023)",
    "Apache-2.0 code, weights as published", PICTURE, {"encodes"}, ActionSpace("none"), (1, 64),
    ("features of single images; it foresees nothing in time",),
)  # fmt: skip


def load_vjepa2(weights: Path | None, device: str, options: Mapping[str, str]) -> WorldModel:
    """Return V-JEPA 2 of a folder in the transformers layout.

    Raises: EnvironmentFault without weights or transformers, UsageError for what does not fit.
    """
    from wmeval_adapters.vjepa.vjepa2 import load

    return load(_given(weights, VJEPA2_CARD, "facebook/vjepa2-vitl-fpc64-256"), device, options, VJEPA2_CARD)


def load_vjepa2_ac(weights: Path | None, device: str, options: Mapping[str, str]) -> WorldModel:
    """Return V-JEPA 2-AC of its published .pt (encoder and predictor in one file).

    Raises: EnvironmentFault without weights or transformers, UsageError for what does not fit.
    """
    from wmeval_adapters.vjepa.vjepa2_ac import load

    if weights is None:
        raise EnvironmentFault(
            "vjepa2-ac needs its published weights: download "
            "https://dl.fbaipublicfiles.com/vjepa2/vjepa2-ac-vitg.pt and give --weights vjepa2-ac-vitg.pt"
        )
    return load(weights, device, options, VJEPA2_AC_CARD)


def load_ijepa(weights: Path | None, device: str, options: Mapping[str, str]) -> WorldModel:
    """Return I-JEPA of a folder in the transformers layout.

    Raises: EnvironmentFault without weights or transformers, UsageError for what does not fit.
    """
    from wmeval_adapters.vjepa.ijepa import load

    return load(_given(weights, IJEPA_CARD, "facebook/ijepa_vith14_1k"), device, options, IJEPA_CARD)


def _given(weights: Path | None, card: Card, repository: str) -> Path:
    if weights is None:
        raise EnvironmentFault(
            f"{card.name} needs its published weights: --weights hf:{repository}, or the folder of such a "
            "repository"
        )
    if not weights.is_dir():
        raise UsageError(
            f"{weights} is a file; {card.name} expects a folder with config.json and model.safetensors"
        )
    return weights


NEEDS = "--weights FOLDER|hf:ORG/NAME (transformers layout)"
VJEPA2 = Adapter(VJEPA2_CARD, load_vjepa2, VIDEO_OPTIONS, needs=NEEDS)
VJEPA2_AC = Adapter(VJEPA2_AC_CARD, load_vjepa2_ac, ROBOT_OPTIONS, needs="--weights vjepa2-ac-vitg.pt")
IJEPA = Adapter(IJEPA_CARD, load_ijepa, DEVICE, needs=NEEDS)
