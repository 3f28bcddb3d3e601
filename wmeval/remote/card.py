"""A card that another process tells: every field looked at before anything rests on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args

from wmeval.camera import View
from wmeval.model import ActionSpace, Capability, Card
from wmeval.remote.wire import Malformed

ASKED: tuple[Capability, ...] = tuple(c for c in get_args(Capability) if c != "trains")
MOST_PIXELS = 4096  # a side
MOST_TEXT = 2000
_FIDELITY = ("exact", "lossy", "fitted", "none")
_KINDS = ("none", "discrete", "multi-binary", "continuous", "camera", "latent", "text")
_SPECIAL: Mapping[str, Any] = {
    "family": "", "source": "not told", "horizon": None, "parameters": None, "max_batch": 1,
    "context_step": 1, "notes": [], "reference": False,
}  # fmt: skip
# what else a card has with a default that tells of which kind it is: all of that goes over the wire too
_PLAIN = {
    f.name: f.default for f in fields(Card) if type(f.default) in (bool, int) and f.name not in _SPECIAL
}
_OPTIONAL: Mapping[str, Any] = {**_SPECIAL, **_PLAIN}
_REQUIRED = ("name", "version", "licence", "capabilities", "view", "context", "actions", "classes")


def read_card(told: Any) -> Card:
    """Return the card of JSON values as `Card.to_json` makes them.

    Required are name, version, licence, capabilities, view {fps, height, width}, context, actions {kind} and
    classes. What only this process can do (`trains`) is left out.

    Raises:
        Malformed: a field is missing, unknown or of another kind.
    """
    if not isinstance(told, dict):
        raise Malformed(f"the card is {type(told).__name__}; expected a JSON object")
    for name in _REQUIRED:
        if name not in told:
            raise Malformed(f"the card has no {name!r}; it needs {', '.join(_REQUIRED)}")
    if more := sorted(set(told) - {*_REQUIRED, *_OPTIONAL}):
        raise Malformed(
            f"the card has a field {more[0]!r} that no card has here; install the same version of "
            "wmeval on both sides, or leave the field out"
        )
    given = {**_OPTIONAL, **told}
    if given["reference"] is not False:
        raise Malformed("the card says that it is of a reference; those are shown the truth and never served")
    can = given["capabilities"]
    known = {*ASKED, "trains"}
    if not isinstance(can, list) or not can or not all(isinstance(c, str) and c in known for c in can):
        raise Malformed(f"the card's capabilities are {can!r}; expected some of {', '.join(ASKED)}")
    name = _text(given, "name")
    plain: dict[str, Any] = {
        n: _truth(given, n) if isinstance(d, bool) else _whole(given, n, 0) for n, d in _PLAIN.items()
    }
    return Card(
        name=name, family=_text(given, "family") or name, version=_text(given, "version"),
        licence=_text(given, "licence"), source=_text(given, "source"),
        capabilities=frozenset(can) - {"trains"}, view=_view(given["view"]),
        context=_context(given["context"]),
        horizon=None if given["horizon"] is None else _whole(given, "horizon", 1),
        actions=_actions(given["actions"]), classes=_classes(given["classes"]),
        parameters=None if given["parameters"] is None else _whole(given, "parameters", 0),
        max_batch=_whole(given, "max_batch", 1, 1024), notes=_notes(given["notes"]),
        context_step=_whole(given, "context_step", 1, 1 << 20), **plain,
    )  # fmt: skip


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given[name]
    if not isinstance(value, str) or len(value) > MOST_TEXT or not all(c.isprintable() for c in value):
        raise Malformed(f"the card's {name!r} is {str(value)[:60]!r}; expected printable text")
    return value


def _truth(given: Mapping[str, Any], name: str) -> bool:
    if not isinstance(given[name], bool):
        raise Malformed(f"the card's {name!r} is {given[name]!r}; expected true or false")
    return bool(given[name])


def _whole(given: Mapping[str, Any], name: str, least: int, most: int = 1 << 62) -> int:
    value = given[name]
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Malformed(f"the card's {name!r} is {value!r}; expected a whole number from {least} to {most}")
    return value


def _view(told: Any) -> View:
    if not isinstance(told, dict) or not {"fps", "height", "width"} <= set(told) <= {
        "fps", "height", "width", "supersample", "shadows",
    }:  # fmt: skip
        raise Malformed(f"the card's 'view' is {told!r}; expected fps, height and width")
    given = {"supersample": View.supersample, "shadows": View.shadows, **told}
    fps = given["fps"]
    if (
        isinstance(fps, bool)
        or not isinstance(fps, int | float)
        or not 0 < fps <= 1000
        or not math.isfinite(fps)
    ):
        raise Malformed(f"the card's fps are {fps!r}; expected frames per second up to 1000")
    return View(
        float(fps), _whole(given, "height", 1, MOST_PIXELS), _whole(given, "width", 1, MOST_PIXELS),
        _whole(given, "supersample", 1, 8), _truth(given, "shadows"),
    )  # fmt: skip


def _context(told: Any) -> tuple[int, int]:
    whole = isinstance(told, list) and len(told) == 2 and all(type(n) is int for n in told)
    if not whole or not 1 <= told[0] <= told[1] <= 1 << 20:
        raise Malformed(f"the card's 'context' is {told!r}; expected [fewest, most] frames, from 1 on")
    return told[0], told[1]


def _actions(told: Any) -> ActionSpace:
    if not isinstance(told, dict) or not {"kind"} <= set(told) <= {"kind", "size", "fidelity"}:
        raise Malformed(
            f"the card's 'actions' are {told!r}; expected kind, and size and fidelity if it has some"
        )
    given = {"size": 0, "fidelity": "none", **told}
    if given["kind"] not in _KINDS or given["fidelity"] not in _FIDELITY:
        raise Malformed(
            f"the card's 'actions' are {told!r}; kinds are {', '.join(_KINDS)}, "
            f"fidelities {', '.join(_FIDELITY)}"
        )
    return ActionSpace(given["kind"], _whole(given, "size", 0), given["fidelity"])


def _classes(told: Any) -> tuple[str, str]:
    if not isinstance(told, list) or len(told) != 2:
        raise Malformed(f"the card's 'classes' are {told!r}; expected [context class, training class]")
    both = {"context class": told[0], "training class": told[1]}
    return _text(both, "context class"), _text(both, "training class")


def _notes(told: Any) -> tuple[str, ...]:
    if not isinstance(told, list) or len(told) > 50:
        raise Malformed(f"the card's 'notes' are {str(told)[:60]!r}; expected a list of at most 50 texts")
    return tuple(_text({"notes": one}, "notes") for one in told)
