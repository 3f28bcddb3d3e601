"""Organisms: the truth with exactly one fault of a stated strength, in a model's place.

They are the unit tests of the instruments: a probe must fail the organism that breaks its law, and must not
mind the others. `wmeval run --model organism:low-gravity=0.7` asks one like any model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from wmeval import faults
from wmeval.camera import View
from wmeval.errors import UsageError, unknown
from wmeval.references import REFERENCES, Frames, Reference
from wmeval.truth import Truth

Fault = Callable[[Truth, float, np.random.Generator], Truth]
FUTURES = 8  # that are averaged by mean-of-futures


@dataclass(frozen=True)
class Organism:
    """One fault: `does` says what, with the unit of `strength`; `graded` False has no other strength.

    `strength` costs a probe of that law most of its skill; `slight` is as large as a violation that
    calibration has to see.
    """

    name: str
    does: str
    strength: float
    slight: float
    fault: Fault
    graded: bool = True
    samples: int = 1  # worlds whose pictures are averaged

    def at(self, strength: float | None = None) -> Reference:
        """Return the organism at a strength (default: its own) as a reference, ready to be asked.

        Raises:
            UsageError: it has one strength only, and another was asked for.
        """
        used = self.strength if strength is None else strength
        if not self.graded and used != self.strength:
            raise UsageError(f"the organism {self.name!r} has no strengths; ask for organism:{self.name}")
        name = f"organism:{self.name}" + (f"={used:g}" if used != self.strength else "")

        def frames(
            truth: Truth, view: View, context: Frames, horizon: int, rng: np.random.Generator
        ) -> Frames:
            from wmeval.world import film, frame_split

            asked = frame_split(truth.scene, view)[1][:horizon]
            drawn = [film(self.fault(truth, used, rng), view, asked) for _ in range(self.samples)]
            if len(drawn) == 1:
                return drawn[0]
            mean: Frames = np.rint(np.mean(drawn, axis=0)).astype(np.uint8)
            return mean

        card = replace(
            REFERENCES["oracle"].card,
            name=name,
            family="organism",
            source=f"wmeval.organisms: {self.does}",
            notes=(f"the truth with one fault: {self.does}; strength {used:g}",),
        )
        return Reference(name, card, frames)


_ALL = (
    Organism("low-gravity", "gravity is weaker (factor)", 0.2, 0.75, faults.gravity),
    Organism("no-collisions", "bodies go through one another", 1.0, 1.0, faults.no_collisions, graded=False),
    Organism(
        "leaky-walls", "bodies go through what they newly meet", 1.0, 1.0, faults.leaky_walls, graded=False
    ),
    Organism("forgetful", "what was hidden for longer is gone (s)", 0.0, 0.5, faults.forget_hidden),
    Organism("vanishing", "everything is gone for a while (s)", 10.0, 0.3, faults.vanish),
    Organism("teleporting", "the first body jumps sideways (radii)", 3.0, 1.0, faults.teleport),
    Organism("slow-motion", "time goes by more slowly (factor)", 0.2, 0.75, faults.slow_motion),
    Organism(
        "ignores-actions", "only a share of an action takes effect (share)", 0.0, 0.6, faults.weak_actions
    ),
    Organism("hue-drift", "colours turn (degrees/s)", 25.0, 12.0, faults.hue_drift),
    Organism("size-drift", "bodies grow (share of their extents per s)", 0.8, 0.1, faults.size_drift),
    Organism(
        "super-bounce", "impacts return more speed than they meet (restitution)", 1.2, 1.0, faults.bouncy
    ),
    Organism("frictionless", "friction is weaker (factor)", 0.0, 0.6, faults.slippery),
    Organism("restless", "what is at rest moves off by itself (m/s)", 1.5, 0.3, faults.restless),
    Organism("late-reaction", "what is struck moves too late (s)", 0.5, 0.2, faults.late_reaction),
    Organism("unstable-towers", "what stands on something falls (m/s)", 2.5, 0.3, faults.topple),
    Organism(
        "mean-of-futures",
        f"the mean picture of {FUTURES} futures that drift apart (m/s)",
        0.8,
        0.1,
        faults.scattered,
        samples=FUTURES,
    ),
    Organism(
        "forgetful-camera", "what leaves the picture for longer is gone (s)", 0.0, 0.5, faults.forget_outside
    ),
)
ORGANISMS: Mapping[str, Organism] = {o.name: o for o in _ALL}


def organism(name: str) -> Reference:
    """Return the organism of "organism:NAME" or "organism:NAME=STRENGTH".

    Raises:
        UsageError: no such organism, or a strength that is no number of at least 0.
    """
    bare, _, given = name.removeprefix("organism:").partition("=")
    if bare not in ORGANISMS:
        raise unknown("model", name, [f"organism:{n}" for n in ORGANISMS])
    try:
        strength = float(given) if given else None
    except ValueError:
        strength = float("nan")
    if strength is not None and not 0 <= strength < float("inf"):
        raise UsageError(
            f"{name!r} was given the strength {given!r}; expected a number, as organism:{bare}=0.5"
        )
    return ORGANISMS[bare].at(strength)
