"""What a unit asks, with nobody's answers: made once for all submissions that were asked alike.

To simulate and render it is half of what re-scoring costs, and the same for every model that sees the scenes
at the same View. It is kept in the cache of this machine under all that determines it, and can be deleted.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from wmeval.errors import EnvironmentFault
from wmeval.model import Card, Clip, Observation, Prediction, Status
from wmeval.probe import Probe
from wmeval.run.code import defined_in, source_digest
from wmeval.run.instruments import generating, loaded
from wmeval.run.plan import Plan, Unit
from wmeval.run.store import Store
from wmeval.run.truths import cache_folder, trim
from wmeval.seeds import asked_by, digest

LIMIT_BYTES = 4 << 30
_CODE = (
    "wmeval.world", "wmeval.scene", "wmeval.truth", "wmeval.camera", "wmeval.twins", "wmeval.faults",
    "wmeval.run.generate", "wmeval.run.surprise", "wmeval.run.choose", "wmeval.run.problems",
    "wmeval.run.store",
)  # fmt: skip


@dataclass(frozen=True)
class Silent:
    """A model that answers nothing, so that a unit generated with it holds the questions alone."""

    card: Card

    def generate(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return a refusal for each."""
        return [Prediction(status=Status("refused")) for _ in batch]

    def score(self, batch: list[Clip]) -> list[Prediction]:
        """Return a refusal for each."""
        return [Prediction(status=Status("refused")) for _ in batch]


def questions(plan: Plan, unit: Unit, store: Store) -> dict[str, Any]:
    """Return the record of a unit that nobody answered; its true frames are in the store.

    Raises:
        EnvironmentFault: the cases drawn here are not the planned ones, or the disk is full.
    """
    asks = loaded(unit.instrument, unit.given)
    kept, key = Store(cache_folder() / "asked"), _key(plan, unit, asks)
    if not kept.has(key):
        _make(kept, key, plan, unit, asks)
    try:
        record = _brought(kept, key, store)
    except EnvironmentFault:  # part of it was deleted
        kept.discard(key)
        _make(kept, key, plan, unit, asks)
        record = _brought(kept, key, store)
    return {**record, "unit": unit.to_json()}


def _make(kept: Store, key: str, plan: Plan, unit: Unit, asks: Any) -> None:
    silent = Silent(replace(plan.card, capabilities=frozenset(), reference=False))
    generate = generating(unit.instrument)
    kept.commit(key, generate(unit, asks, silent, plan.view, plan.request.seed, kept))
    trim(LIMIT_BYTES, "asked/blobs")


def _brought(kept: Store, key: str, store: Store) -> dict[str, Any]:
    """Return a record of the cache, whose true frames are put into the store."""
    record = kept.read(key)
    for blob in {a["truth"] for sample in record["samples"] for a in sample["arms"].values()}:
        store.put(kept.get(blob))
    return record


def _key(plan: Plan, unit: Unit, asks: Any) -> str:
    functions = (asks.case, asks.violate, asks.twin) if isinstance(asks, Probe) else (asks.choice,)
    return digest(
        {
            "unit": [unit.probe, unit.instrument, unit.tag, unit.arm, [*unit.indices], [*unit.case_ids]],
            "horizon_s": asks.horizon_s if isinstance(asks, Probe) else None,
            "view": asdict(plan.view),
            "hidden": asked_by(),
            "code": [source_digest(*_CODE), *(defined_in(f) for f in functions if callable(f))],
        }
    )
