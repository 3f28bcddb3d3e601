"""The ways in which a probe or a task is asked, what each needs of a model, and who does its stages.

A probe is asked by rollout, imagination and surprise, a planning task by choose and control. The engine
knows of an instrument only this: the capabilities that a model must declare, three functions
(generate, measure, score), and the modules that determine what it measures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from wmeval import registry
from wmeval.model import Capability, Card
from wmeval.probe import Probe
from wmeval.run.code import defined_in, source_digest
from wmeval.suite import Instrument

if TYPE_CHECKING:
    from wmeval.camera import View
    from wmeval.model import WorldModel
    from wmeval.references import Reference
    from wmeval.run.plan import Plan
    from wmeval.run.progress import Progress
    from wmeval.run.store import Store
    from wmeval.run.units import Unit
    from wmeval.suite import Suite
    from wmeval.task import Task

UNASKED = "unasked"  # the status of what the probe could not ask, which is no failure of the model
CONTROL = "control"  # the tag of scenes in which a concept has nothing to do
NEEDS: Mapping[Instrument, tuple[Capability, ...]] = {
    "rollout": ("generates",),
    "imagination": ("imagines", "encodes"),
    "surprise": ("scores",),
}
PLANNING: tuple[Instrument, ...] = ("choose", "control")  # these ask tasks, the others probes
CONTROLLED: tuple[Instrument, ...] = ("rollout",)  # what control scenes are asked by
_DOES = {
    "generates": "generate frames",
    "imagines": "imagine in latents",
    "encodes": "encode frames",
    "scores": "score how surprising frames are",
}
_STAGES: Mapping[Instrument, tuple[str, str, str]] = {
    "rollout": ("wmeval.run.generate", "wmeval.run.measure", "wmeval.run.scoring"),
    "imagination": ("wmeval.run.imagination",) * 3,
    "surprise": ("wmeval.run.surprise",) * 3,
    "choose": ("wmeval.run.choose",) * 3,
    "control": ("wmeval.run.control",) * 3,
}
_CODE: Mapping[Instrument, tuple[str, ...]] = {
    "rollout": (
        "wmeval.perceive", "wmeval.tracks", "wmeval.probe", "wmeval.run.measure", "wmeval.run.split",
    ),
    "imagination": (
        "wmeval.perceive", "wmeval.tracks", "wmeval.probe", "wmeval.run.measure", "wmeval.run.imagination",
    ),
    "surprise": ("wmeval.twins", "wmeval.measure.surprise", "wmeval.measure.cues", "wmeval.run.surprise"),
    "choose": (
        "wmeval.perceive", "wmeval.tracks", "wmeval.task", "wmeval.run.choose", "wmeval.run.problems",
        "wmeval.run.measure", "wmeval.measure.choosing",
    ),
    "control": (
        "wmeval.task", "wmeval.run.control", "wmeval.run.problems", "wmeval.run.standing",
        "wmeval.measure.plans",
    ),
}  # fmt: skip

_READOUT = (
    "wmeval.perceive.readout", "wmeval.perceive.linear", "wmeval.run.readouts", "wmeval.run.grounds",
)  # fmt: skip

_PLANS = (
    "wmeval.plan", "wmeval.task", "wmeval.perceive", "wmeval.run.control", "wmeval.run.episode",
    "wmeval.run.foresight", "wmeval.run.sight", "wmeval.run.simulated", "wmeval.run.playing",
    "wmeval.run.problems",
)  # fmt: skip


class Generating(Protocol):
    """Asks the model: from case numbers to what it answered."""

    def __call__(
        self,
        unit: Unit,
        asks: Any,  # the Probe or the Task
        model: WorldModel | Reference,
        view: View,
        run_seed: int,
        store: Store,
    ) -> dict[str, Any]:
        """Return {"stage", "unit", "samples": [...]}; blobs are in the store.

        A sample holds index, case_id, fault (a sentence, or ""), seconds {simulate, render, model}, and
        arms {name: {status, detail, truth, prediction, shown, asked, ...}} with digests of blobs.

        Raises:
            EnvironmentFault: the cases drawn here are not the planned ones, or the disk is full.
        """
        ...


class Measuring(Protocol):
    """Judges what was answered, without the model."""

    def __call__(
        self,
        unit: Unit,
        asks: Any,
        view: View,
        metrics: Sequence[str],
        generated: Mapping[str, Any],
        store: Store,
    ) -> dict[str, Any]:
        """Return {"stage", "unit", "samples": [...]}, one row a sample with the keys of `blank`."""
        ...


class Scoring(Protocol):
    """Sums up the records of one probe or task and tag."""

    def __call__(
        self, asks: Any, tag: str, records: Sequence[Mapping[str, Any]], suite: Suite, view: View
    ) -> list[dict[str, Any]]:
        """Return the rows of results.json's scores, or of its planning where a task was asked.

        There is more than one where they must not share a table.
        """
        ...


def generating(instrument: Instrument) -> Generating:
    """Return the generate stage of an instrument; its module is imported now."""
    return cast(Generating, import_module(_STAGES[instrument][0]).generate)


def measuring(instrument: Instrument) -> Measuring:
    """Return the measure stage of an instrument; its module is imported now."""
    return cast(Measuring, import_module(_STAGES[instrument][1]).measure)


def scoring(instrument: Instrument) -> Scoring:
    """Return what turns the records of an instrument into rows of scores; its module is imported now."""
    return cast(Scoring, import_module(_STAGES[instrument][2]).score)


def scoring_module(instrument: Instrument) -> str:
    """Return the name of the module that `scoring` imports."""
    return _STAGES[instrument][2]


def loaded(instrument: Instrument, given: str) -> Any:
    """Return what a unit asks, by the name it was given: a Task where an instrument plans, else a Probe.

    Raises:
        UsageError: no such name or file, or what is there is something else.
    """
    return registry.load_task(given) if instrument in PLANNING else registry.load_probe(given)


def judged_by(asks: Probe | Task) -> list[str]:
    """Return digests of the files that say how an answer is judged, with what they import of their own."""
    judges = (asks.measure, asks.event) if isinstance(asks, Probe) else (asks.cost, asks.success)
    return [defined_in(f) for f in judges]


def prepare(plan: Plan, units: Sequence[Unit], tell: Callable[[Progress], None]) -> None:
    """Make, before any worker starts, what units need that is of the model and of no unit alone.

    Each worker would make it otherwise, and could not tell how far it is.
    """
    for instrument in ("imagination", *PLANNING):
        if of := [u for u in units if u.instrument == instrument]:
            import_module(_STAGES[instrument][0]).prepare(plan, of, tell)


def rests_on(instrument: Instrument, probe: Probe | Task) -> list[str]:
    """Return digests of what determines a generated record beside the world and the model, or nothing.

    Where a readout is fitted, and what its scores stand on is made while the model is at hand, a record holds
    both: another readout or another probe asks anew. What a planner does rests on the cost that it lowers.
    """
    if instrument == "control":
        return [source_digest(*_PLANS, *_READOUT), *judged_by(probe)]
    if instrument == "choose":
        return [source_digest(*_READOUT)]
    if instrument != "imagination" or not isinstance(probe, Probe):
        return []
    asks = (probe.case, probe.event, probe.measure, probe.violate)
    return [source_digest(*_READOUT), *sorted({defined_in(f) for f in asks})]


def code(instrument: Instrument) -> tuple[str, ...]:
    """Return the modules whose source determines what an instrument measures in given answers."""
    return _CODE[instrument]


def lacking(card: Card, instrument: Instrument, task: Task | None = None) -> str:
    """Return in words what a model cannot do that an instrument needs, or nothing."""
    if instrument == "control" and card.actions.kind == "text":
        return "the model takes its actions as words, and a planner tries numbers"
    if instrument in PLANNING:
        return str(import_module(_STAGES[instrument][0]).lacking(card, task))
    wanting = [_DOES[c] for c in NEEDS[instrument] if c not in card.capabilities]
    return f"the model does not {' or '.join(wanting)}" if wanting else ""


def worst(instrument: Instrument, probe: Probe | Task) -> float:
    """Return the error of a sample that failed: the probe's worst, 1 where an error is a share."""
    return 1.0 if instrument == "surprise" or not isinstance(probe, Probe) else probe.worst


def failed(record: Mapping[str, Any]) -> bool:
    """Return whether a record or row is of a sample that went wrong: it counts with the worst error."""
    return record["status"] not in ("ok", UNASKED)


def blank(unit: Unit, probe: Probe | Task, shown: Mapping[str, Any], why: str) -> dict[str, Any]:
    """Return the row of a sample that could not be measured for a reason: the worst error, nothing found."""
    return {
        "index": shown["index"], "case_id": shown["case_id"], "status": "failed", "detail": why,
        "error": worst(unit.instrument, probe), "event": 0.0, "measured": "",
        "arm": unit.arm or next(iter(shown["arms"]), ""), "found": 0.0, "given_found": None, "implied": {},
        "evidence": {}, "metrics": {}, "features": None, "arms": {},
        "seconds": {"perceive": 0.0, "measure": 0.0},
    }  # fmt: skip


def given_up(unit: Unit, probe: Probe | Task, generated: Mapping[str, Any], why: str) -> dict[str, Any]:
    """Return the record of a measurement that no worker survives: every sample has failed."""
    rows = [blank(unit, probe, shown, why) for shown in generated["samples"]]
    return {"stage": "measure", "unit": unit.to_json(), "samples": rows}
