"""Which probe each organism must fail, and which others it may: the matrix is diagonal but for these.

An exception is lawful where the probe's own scenes rest on the law that is broken. It stands here with its
reason, and whatever is not here must score as if nothing were wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

OWN_BELOW, OTHERS_ABOVE = 0.3, 0.9


@dataclass(frozen=True)
class Expected:
    """The probes that an organism must fail, and those that it may fail, each with the reason."""

    own: tuple[str, ...]
    lawful: Mapping[str, str] = field(default_factory=dict)


EXPECTED: Mapping[str, Expected] = {
    "low-gravity": Expected(("gravity",)),
    "no-collisions": Expected(("collision",)),
    "leaky-walls": Expected(("interpenetration",)),
    "forgetful": Expected(("permanence",)),
    "vanishing": Expected(("permanence",)),
    "teleporting": Expected(("continuity",)),
    "slow-motion": Expected(("inertia",)),
    "ignores-actions": Expected(("control",)),
    "hue-drift": Expected(("constancy",)),
    "size-drift": Expected(("constancy",)),
    "super-bounce": Expected(("bounce",)),
    "frictionless": Expected(("friction",)),
    "restless": Expected(("inertia",)),
    "late-reaction": Expected(("causality",)),
    "unstable-towers": Expected(("support",)),
    "mean-of-futures": Expected(("gravity",)),
    "forgetful-camera": Expected(("revisit",)),
}
