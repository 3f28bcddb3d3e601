"""A unit of work: one block of cases of one probe or task, keyed by all that determines its result.

The micro-batch is part of the key, since it may change a model's arithmetic; how many workers there are, how
far `--limit` goes and where it runs are not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from wmeval import registry
from wmeval.camera import View
from wmeval.errors import EnvironmentFault
from wmeval.model import Card
from wmeval.probe import Probe
from wmeval.run.code import source_digest
from wmeval.run.instruments import PLANNING, rests_on
from wmeval.run.request import Request
from wmeval.seeds import digest
from wmeval.suite import Instrument, Suite

if TYPE_CHECKING:
    from wmeval.task import Task

SCHEMA = 1
BLOCK = 8  # cases a unit at most: small enough to share out, large enough to batch
PROBLEMS: Mapping[Instrument, int] = {"choose": 4, "control": 2}  # the same of problems, which take longer


@dataclass(frozen=True)
class Unit:
    """One block of cases of one probe or task, instrument and tag. `key` names its generated samples."""

    key: str
    probe: str  # name@version of the probe or the task
    given: str  # how the registry finds it
    tag: str
    indices: tuple[int, ...]
    case_ids: tuple[str, ...]
    replicate: int
    instrument: Instrument = "rollout"
    arm: str = ""  # how a problem is planned, where there are several ways; probes have none

    def to_json(self) -> dict[str, Any]:
        """Return the unit as JSON values."""
        values = {**asdict(self), "indices": list(self.indices), "case_ids": list(self.case_ids)}
        return values if self.arm else {k: v for k, v in values.items() if k != "arm"}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Unit:
        """Return the unit that `to_json` described."""
        return cls(
            **{**data, "indices": tuple(data["indices"]), "case_ids": tuple(data["case_ids"])}
        )  # fmt: skip


@dataclass(frozen=True)
class Asking:
    """One probe or task to be asked by one instrument."""

    request: Request
    card: Card
    weights: str | None
    view: View
    suite: Suite
    asks: Probe | Task
    given: str
    instrument: Instrument

    @property
    def probe(self) -> Probe:
        """What is asked, where it is a probe."""
        assert isinstance(self.asks, Probe)
        return self.asks

    @property
    def count(self) -> int:
        """How many cases or problems the suite holds of it, a tag."""
        suite = self.suite
        if self.instrument not in PLANNING:
            return suite.cases
        episodes = suite.episodes if self.instrument == "control" else 0
        return episodes or suite.instances or suite.cases

    def na(self, reason: str, tag: str = "") -> dict[str, str]:
        """Return the row that says why something is not asked."""
        return {"probe": self.asks.key, "instrument": self.instrument, "tag": tag, "reason": reason}


def as_planned(unit: Unit, position: int, what: str, made: str) -> None:
    """Check that what a worker drew for a place in a unit, by its digest, is what was planned.

    Raises:
        EnvironmentFault: it is not.
    """
    wanted = unit.case_ids[position]
    if made != wanted:
        raise EnvironmentFault(
            f"{what} {unit.indices[position]} of {unit.probe} is {made[:12]} here and {wanted[:12]} in the "
            "plan: the code or numpy differs between the processes; use one environment and run again"
        )


def blocks(a: Asking, tag: str, case_ids: Sequence[str], replicate: int, arm: str = "") -> list[Unit]:
    """Return the units that hold some cases, in their order."""
    world = source_digest("wmeval.world", "wmeval.scene", "wmeval.truth", "wmeval.camera")
    more = rests_on(a.instrument, a.asks)
    options = identity(a.request, reaches(a.request.model))["options"]
    size = PROBLEMS[a.instrument] if a.instrument in PLANNING else min(BLOCK, a.card.max_batch)
    about: dict[str, Any] = {"arm": arm} if arm else {}
    if isinstance(a.asks, Probe):
        about["horizon_s"] = a.asks.horizon_s
    units = []
    for start in range(0, len(case_ids), size):
        ids = tuple(case_ids[start : start + size])
        key = digest(
            {
                "schema": SCHEMA,
                "stage": "generate",
                "instrument": a.instrument,
                "model": [a.card.name, a.card.version, a.weights, options],
                "probe": a.asks.key,
                "cases": list(ids),
                "view": asdict(a.view),
                "seed": a.request.seed,
                "replicate": replicate,
                "code": [world, *more] if more else world,
                **about,
            }
        )
        indices = tuple(range(start, start + len(ids)))
        units.append(Unit(key, a.asks.key, a.given, tag, indices, ids, replicate, a.instrument, arm))
    return units


def reaches(model: str) -> frozenset[str]:
    """Return the options of a model that say only how it is reached, and so change no result."""
    return frozenset() if registry.is_reference(model) else registry.load_adapter(model).reaches


def identity(request: Request, without: frozenset[str]) -> dict[str, Any]:
    """Return what must be the same for two commands to write into one folder, some options left out."""
    return {**request.identity, "options": {k: v for k, v in request.options.items() if k not in without}}
