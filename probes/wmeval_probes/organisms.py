"""Which probe each organism must fail, and which others it may: the matrix is diagonal but for these.

An exception is lawful where the probe's own scenes rest on the law that is broken. It stands here with its
reason, and whatever is not here must score as if nothing were wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wmeval_probes.suites.core import SUITE

OWN_BELOW, OTHERS_ABOVE = 0.3, 0.9


@dataclass(frozen=True)
class Expected:
    """The probes that an organism must fail, and those that it may fail, each with the reason."""

    own: tuple[str, ...]
    lawful: Mapping[str, str] = field(default_factory=dict)


def _all_but(own: str, reason: str, *more: str) -> dict[str, str]:
    return {name: reason for name in SUITE.probes if name != own and name not in more}


_WEIGHT = {
    "bounce": "a rise and fall under another gravity no longer fit the first bounce",
    "pendulum": "gravity drives it",
    "friction": "weight is what presses a body on the floor",
    "ramp": "gravity drives what runs down",
    "support": "what falls falls later",
    "chain": "dominoes topple by their weight",
}
_STRUCK = {
    "causality": "what is struck never starts",
    "support": "blocks fall through one another",
    "chain": "no domino strikes the next",
    "interpenetration": "bodies that meet go into one another",
    "counterfactual": "a change reaches other bodies by being struck only",
}
_LOST = {
    "continuity": "it goes behind screens and must come out",
    "containment": "a screen hides the container",
    "constancy": "bodies pass behind a screen",
    "revisit": "what is out of the picture is hidden",
}
_PLACE = "a jump is a change of place, which this probe reads"
_CLOCK = "it reads speeds or times, and all of them change"
_ABSENT = "what is not there has no physics"
_HUE = "a body is known by its hue, and beyond 30 degrees it is another or none"
_SIZE = "positions, gaps and overlaps are read from outlines, which grow"
_MEAN = "a mean of many pictures shows no body clearly"
_REST = "what should rest in its scenes moves off"

EXPECTED: Mapping[str, Expected] = {
    "low-gravity": Expected(("gravity",), _WEIGHT),
    "no-collisions": Expected(("collision",), _STRUCK),
    "leaky-walls": Expected(
        ("interpenetration",),
        {
            **{name: why for name, why in _STRUCK.items() if name not in ("interpenetration", "support")},
            "bounce": "the floor is newly met",
            "collision": "the other body is newly met",
            "containment": "the walls of the container are newly met",
        },
    ),
    "forgetful": Expected(("permanence",), _LOST),
    "vanishing": Expected(("permanence",), _all_but("permanence", _ABSENT)),
    "teleporting": Expected(("continuity",), _all_but("continuity", _PLACE, "collision", "bounce")),
    "slow-motion": Expected(("inertia",), _all_but("inertia", _CLOCK, "containment", "revisit")),
    "ignores-actions": Expected(("control",), {"revisit": "the camera is commanded, and stays"}),
    "hue-drift": Expected(
        ("constancy",),
        _all_but("constancy", _HUE, "interpenetration", "inertia", "ramp", "collision", "support"),
    ),
    "size-drift": Expected(("constancy",), _all_but("constancy", _SIZE, "containment")),
    "super-bounce": Expected(
        ("bounce",),
        {
            "collision": "restitution is judged there too",
            "counterfactual": "a hit passes on more speed than it takes",
            "chain": "dominoes bounce off one another",
        },
    ),
    "frictionless": Expected(
        ("friction",),
        {
            "ramp": "without friction a body slides where it should roll or stick",
            "support": "blocks slide off one another",
            "chain": "dominoes slide where they should topple",
        },
    ),
    "restless": Expected(
        ("inertia",),
        {
            name: _REST
            for name in (
                "causality",
                "support",
                "chain",
                "counterfactual",
                "control",
                "containment",
                "revisit",
                "permanence",
            )
        },
    ),
    "late-reaction": Expected(
        ("causality",),
        {
            "chain": "every domino starts late",
            "counterfactual": "the effect of a hit comes late",
        },
    ),
    "unstable-towers": Expected(("support",)),
    "mean-of-futures": Expected(("gravity",), _all_but("gravity", _MEAN)),
    "forgetful-camera": Expected(("revisit",)),
}
