"""The boundary with models: what they say of themselves, what they may be asked, what they answer.

Frames are uint8 RGB, sRGB, `(B, T, H, W, 3)`; models convert inside. `actions[:, t]` acts between frame t
and t + 1. A scene action is float64 (12,): impulse [N s] xyz and mean force [N] xyz on the one actuated
body, camera velocity [m/s] xyz and rotation rate [rad/s] xyz. A native action is what the model's own action
space says: the number of one choice (A = 1) where it is discrete, else `size` values. Capabilities are
declared in the card and checked; they are never found by trial.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import View

Frames = NDArray[np.uint8]
Floats = NDArray[np.float64]
ACTION_DIM = 12
Capability = Literal[
    "generates", "steps", "scores", "encodes", "imagines", "reconstructs", "infers-actions",
    "predicts-reward", "trains",
]  # fmt: skip


@dataclass(frozen=True)
class ActionSpace:
    """What a model is steered by, and how faithfully scene actions reach it through its codec."""

    kind: Literal["none", "discrete", "multi-binary", "continuous", "camera", "latent", "text"]
    size: int = 0
    fidelity: Literal["exact", "lossy", "fitted", "none"] = "none"


@dataclass(frozen=True)
class Card:
    """What is known of a model before it is loaded."""

    name: str
    family: str
    version: str
    licence: str
    source: str  # where it comes from, in words or as a URL
    capabilities: frozenset[Capability]
    view: View  # what it is shown
    context: tuple[int, int]  # fewest and most frames it can be given
    horizon: int | None  # most frames it can predict; None = any
    actions: ActionSpace
    classes: tuple[str, str]  # (context class, training class): never compared across
    parameters: int | None = None
    deterministic: bool = True  # same seed, same machine, same bytes
    max_batch: int = 8
    causal: bool = True  # no action changes a frame before it; False: whole clips are made at once
    context_step: int = 1  # it looks at 1 + a multiple of this many frames, the last ones
    reference: bool = False  # a reference is the truth or a null, not a model
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the card as JSON values."""
        from dataclasses import asdict

        return {**asdict(self), "capabilities": sorted(self.capabilities)}


@dataclass(frozen=True)
class Observation:
    """All that a model may see of one scene: no truth, no seed of the scene, no names of bodies."""

    frames: Frames  # (T, H, W, 3), up to the cut
    fps: float
    actions: Floats  # (T - 1 + horizon, 12); where `native`, (T - 1 + horizon, A)
    horizon: int  # frames asked for
    caption: str
    intrinsics: Floats  # (3, 3)
    native: bool = False  # actions are in the model's own space, as recordings of its own world have them


@dataclass(frozen=True)
class Clip:
    """A whole video for models that judge or encode instead of continuing."""

    frames: Frames  # (T, H, W, 3)
    fps: float
    actions: Floats  # (T - 1, 12); where `native`, (T - 1, A)
    native: bool = False  # see Observation


@dataclass(frozen=True)
class Status:
    """How one sample went. Failure is data: it is scored as the worst, and told."""

    state: Literal["ok", "refused", "failed", "partial"] = "ok"
    detail: str = ""


@dataclass(frozen=True)
class Prediction:
    """What came back for one sample: exactly one of frames, latents and surprise, unless it failed."""

    frames: Frames | None = None  # (horizon, H, W, 3)
    latents: NDArray[np.float32] | None = None  # (horizon, tokens, D)
    surprise: Floats | None = None  # (T,), higher = more surprising, NaN where undefined
    status: Status = field(default_factory=Status)
    seconds: float = 0.0  # spent inside the model


@runtime_checkable
class WorldModel(Protocol):
    """What is under test."""

    @property
    def card(self) -> Card:
        """What it says of itself, completed with what its weights tell."""
        ...


@runtime_checkable
class Generates(WorldModel, Protocol):
    """Continues a video in pixels."""

    def generate(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return one Prediction with `frames` per observation; all share shapes and horizon."""
        ...


@runtime_checkable
class Steps(WorldModel, Protocol):
    """Continues a video frame by frame under actions that are chosen on the way."""

    def reset(self, batch: list[Observation], seeds: list[int]) -> Any:
        """Return the state after the contexts; it belongs to the model and is only handed back."""
        ...

    def step(self, state: Any, actions: Floats) -> tuple[Any, Frames]:
        """Return the next state and frames (B, H, W, 3) under actions (B, 12)."""
        ...


@runtime_checkable
class Scores(WorldModel, Protocol):
    """Says how surprising each frame of a video is, given the true frames before it."""

    def score(self, batch: list[Clip]) -> list[Prediction]:
        """Return one Prediction with `surprise` (T,) per clip."""
        ...


@runtime_checkable
class Encodes(WorldModel, Protocol):
    """Turns frames into latents."""

    def encode(self, batch: list[Clip]) -> list[Prediction]:
        """Return one Prediction with `latents` (T, tokens, D) per clip."""
        ...


@runtime_checkable
class Imagines(WorldModel, Protocol):
    """Continues a video in latents."""

    def imagine(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return one Prediction with `latents` (horizon, tokens, D) per observation."""
        ...


@runtime_checkable
class Reconstructs(WorldModel, Protocol):
    """Encodes and decodes, so that its own codec can be told apart from its physics."""

    def reconstruct(self, batch: list[Clip]) -> list[Prediction]:
        """Return one Prediction with `frames` (T, H, W, 3) per clip."""
        ...


@runtime_checkable
class InfersActions(WorldModel, Protocol):
    """Says which actions explain a video."""

    def infer_actions(self, batch: list[Clip]) -> list[NDArray[np.float64]]:
        """Return native actions (T - 1, size) per clip."""
        ...


@runtime_checkable
class PredictsReward(WorldModel, Protocol):
    """Predicts reward and end of episode along a video."""

    def rewards(self, batch: list[Clip]) -> list[tuple[Floats, Floats]]:
        """Return reward (T - 1,) and probability of the end (T - 1,) per clip."""
        ...


@dataclass(frozen=True)
class Adapter:
    """An entry point of `wmeval.adapters`: a static card and the functions that make the model.

    `load(weights, device, options)` returns the model; `weights` None means the shipped ones, which lie at
    `shipped` (the engine keys results by their digest). `train`, where there is one, is what
    `wmeval train --model NAME` calls.

    A run is planned with the static card, unless the adapter has `completed`: what weights and options say
    of the model before it is loaded. Options in `reaches` tell only how it is reached (an address, a time
    limit): results do not depend on them, so they are no part of a key.
    """

    card: Card
    load: Loader
    options: Mapping[str, str] = field(default_factory=dict)  # option -> what it does
    train: Trainer | None = None
    shipped: Path | None = None  # file or folder
    completed: Completer | None = None
    reaches: frozenset[str] = frozenset()
    needs: str = ""  # what must be given before it can be opened at all: "--set url=http://HOST:PORT"


class Loader(Protocol):
    """Makes a model."""

    def __call__(self, weights: Path | None, device: str, options: Mapping[str, str]) -> WorldModel:
        """Return the loaded model; raise UsageError or EnvironmentFault with the mending line.

        `device` is cpu, cuda, cuda:N, or auto: the best of this machine that the model can use.
        """
        ...


class Completer(Protocol):
    """Completes the static card with what weights and options tell, without loading the model."""

    def __call__(self, weights: Path | None, options: Mapping[str, str]) -> Card:
        """Return the card that the opened model will have; its name and version are part of every key.

        Raises:
            UsageError, EnvironmentFault: it cannot be told; the sentence holds the mending line.
        """
        ...


class Trainer(Protocol):
    """Trains a model and resumes after a kill."""

    def __call__(self, out: Path, options: Mapping[str, str]) -> None:
        """Train into the folder `out`, continuing what is there."""
        ...
