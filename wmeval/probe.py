"""A Probe is one physical concept asked of a model, written as a few functions.

(The field also calls a classifier on frozen latents a probe; here that is a readout.) With several arms
`event`, `measure` and `violate` take and return mappings arm -> value; with the one arm "main" they take
and return the value itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from wmeval import promises
from wmeval.scene import Case, Scene
from wmeval.tracks import Tracks
from wmeval.truth import Truth


@dataclass(frozen=True)
class Measurement:
    """The error on one case, in the probe's unit, at least 0.

    `status` is "ok", or in words why nothing could be measured (then `error` is the worst). `implied`
    holds physical quantities as this model has them, name -> (value, sigma); `evidence` what a person
    wants to see beside the number.
    """

    error: float
    status: str = "ok"
    implied: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Twin:
    """Clips whose frames are the same as a set, of which half are impossible.

    "swap" and "factorial": both scenes are lawful, and their pictures are bit-equal on the last frame up to
    `splice_s`. Crossing over there makes the impossible clips: the start of `one` with the end of `two` and
    the reverse. In a swap what differs was hidden meanwhile; in a factorial a cue that was shown (an
    obstacle, a length, a first bounce) decides the outcome. "reversal": `one` played backwards is impossible;
    `two` is the same scene, and nothing is spliced. `window_s` is where the violation is to be seen.
    """

    kind: Literal["swap", "factorial", "reversal"]
    one: Scene
    two: Scene
    splice_s: float
    window_s: tuple[float, float]


@dataclass(frozen=True)
class Probe:
    """A concept, its sampling of situations, its measure and its calibration.

    `worst` bounds the error of a case; `null` names the reference whose mean error is skill 0;
    `strengths` are the graded violations of calibration, in the unit that `strength_unit` says.
    `horizon_s` is how far after the cut the measure looks; `futures` how many re-simulations each Truth
    carries (0 = the measure asks for none). `must_see` is the violation that calibration has to tell from
    clean truths (AUROC .95). A tag "control" draws scenes in which the concept has nothing to do; they count
    as false alarms and never in skill. `twin` draws clips for surprise that nothing but the concept tells
    apart; without it, and where it returns None for a tag, surprise is asked with pairs made by `violate`.
    """

    name: str
    version: str
    unit: str
    worst: float
    null: str
    strengths: tuple[float, ...]
    strength_unit: str
    tags: tuple[str, ...]
    horizon_s: float
    case: Callable[[np.random.Generator, str], Case]
    event: Callable[[Any, Any], Any]
    measure: Callable[[Any, Any], Any]
    violate: Callable[[Any, float, np.random.Generator], Any]
    futures: int = 0
    summary: str = ""
    reduce: Callable[[Sequence[Case], Sequence[Measurement]], Mapping[str, Any]] | None = None
    must_see: float | None = None
    twin: Callable[[np.random.Generator, str], Twin | None] | None = None

    def __post_init__(self) -> None:
        if wrong := promises.malformed(self):
            raise ValueError(f"the probe {self.name!r} {wrong}")

    @property
    def key(self) -> str:
        """Name and version: "gravity@0.1"."""
        return f"{self.name}@{self.version}"

    def judge(self, tracks: Mapping[str, Tracks], truths: Mapping[str, Truth]) -> Judgement:
        """Return the bounded error of one case; its arms are judged together.

        error = s * min(error, worst) + (1 - s) * worst, with s the share of the situation that arose,
        so that a model in which nothing happens does not win by doing nothing wrong.

        Raises:
            ProbeFault: a function of the probe raised, or broke its promise (see wmeval.promises).
        """
        shares, arms = promises.happened(self, tracks, truths), promises.measured(self, tracks, truths)
        errors = {
            a: shares[a] * min(m.error, self.worst) + (1 - shares[a]) * self.worst for a, m in arms.items()
        }
        hardest = max(errors, key=lambda a: errors[a])
        return Judgement(errors[hardest], shares[hardest], arms[hardest], hardest)


@dataclass(frozen=True)
class Judgement:
    """The bounded error of a case with what it came from: the arm that went worst."""

    error: float
    event: float
    measurement: Measurement
    arm: str
