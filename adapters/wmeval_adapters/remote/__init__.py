"""remote: a model in another process, container or machine, asked over HTTP. The protocol is docs/remote.md.

The server says what the model is: its card becomes the card, and its identity (a digest of whatever changes
its answers) a part of the version, so that results of two servers are never mixed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.model import ActionSpace, Adapter, Card, WorldModel

if TYPE_CHECKING:
    from wmeval_adapters.remote.reach import Reach

PLAN_S, OPEN_S = 2.0, 10.0  # how long a server that is just starting is waited for
OPTIONS = {
    "url": "where the server listens: http://HOST:PORT, as `wmeval serve-model` prints it",
    "timeout": "seconds that one answer may take (600)",
    "patience": "seconds to wait for a server that went away, before the run stops to be continued (60)",
    "max_mb": "megabytes that one message may have (256)",
}
NEEDS = "--set url=http://HOST:PORT"
CARD = Card(
    name="remote", family="remote", version="1", licence="the served model's", source="a server of your own",
    capabilities=frozenset({
        "generates", "steps", "scores", "encodes", "imagines", "reconstructs", "infers-actions",
        "predicts-reward",
    }),
    view=View(), context=(1, 64), horizon=None, actions=ActionSpace("none"),
    classes=("as the server says", "as the server says"),
    notes=("the server's own card takes the place of this one when a run is planned",),
)  # fmt: skip


def load(weights: Path | None, device: str, options: Mapping[str, str]) -> WorldModel:
    """Return the model that a server offers; once open, it waits for one that went away, as `patience` says.

    Raises:
        UsageError: an option is wrong, or what answers is no server of this protocol.
        EnvironmentFault: nobody answers, or the token is another.
    """
    from wmeval_adapters.remote.model import opened

    _own_only(weights)
    if device not in ("cpu", "auto"):
        raise UsageError(
            f"remote was asked to run on {device!r}, but it computes where its server does; "
            f"`wmeval serve-model --device {device}`"
        )
    return opened(_reach(options), OPEN_S)


def completed(weights: Path | None, options: Mapping[str, str]) -> Card:
    """Return the card that the server tells; see `load`."""
    from wmeval_adapters.remote.model import offered

    _own_only(weights)
    return offered(_reach(options), PLAN_S)[0]


def _own_only(weights: Path | None) -> None:
    if weights is not None:
        raise UsageError(
            f"remote was given weights {str(weights)!r}, but its server has them; "
            f"`wmeval serve-model --model NAME --weights {weights}`"
        )


def _reach(options: Mapping[str, str]) -> Reach:
    from wmeval_adapters.remote.reach import Reach, parts

    if "url" not in options:
        raise UsageError(
            "remote needs to know where the model is: `wmeval serve-model --model NAME` prints it, "
            "`--set url=http://127.0.0.1:8765` gives it"
        )
    timeout, patience, most = (
        _number(options, name, otherwise)
        for name, otherwise in (("timeout", 600.0), ("patience", 60.0), ("max_mb", 256.0))
    )
    token = os.environ.get("WMEVAL_TOKEN", "")
    return Reach(*parts(options["url"]), token, timeout, patience, max(1, int(most * (1 << 20))))


def _number(options: Mapping[str, str], name: str, otherwise: float) -> float:
    given = options.get(name, otherwise)
    try:
        value = float(given)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1e6:
        raise UsageError(f"remote was given {name}={given}; expected a number above 0, at most a million")
    return value


ADAPTER = Adapter(CARD, load, OPTIONS, completed=completed, reaches=frozenset(OPTIONS), needs=NEEDS)
