"""The plan of a run: which units of work answer a request, each keyed by all that determines its result.

Making a plan is deterministic and loads no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wmeval import promises, registry
from wmeval.camera import View
from wmeval.errors import ProbeFault, UsageError
from wmeval.model import ActionSpace, Card
from wmeval.probe import Probe
from wmeval.run import problems
from wmeval.run.code import file_digest, source_digest
from wmeval.run.drawn import Names, remembered
from wmeval.run.instruments import CONTROL, CONTROLLED, PLANNING, code, judged_by, lacking
from wmeval.run.request import Request
from wmeval.run.units import SCHEMA, Asking, Unit, blocks, identity, reaches
from wmeval.scene import Case
from wmeval.seeds import asked_split, digest, scene_rng
from wmeval.suite import Instrument, Suite
from wmeval.task import Task

UNKNOWN = "the truth is recordings, of whose bodies and laws nothing is known"


@dataclass(frozen=True)
class Plan:
    """What a request comes to. `na` holds {"probe", "instrument", "tag", "reason"} of what is not asked.

    The tag is empty where the reason holds for all of them.
    """

    request: Request
    card: Card
    suite: Suite
    view: View
    weights: str | None  # digest
    metrics: tuple[str, ...]
    units: tuple[Unit, ...]
    na: tuple[Mapping[str, str], ...]
    partial: bool

    @property
    def samples(self) -> int:
        """How many samples the units hold."""
        return sum(len(u.indices) for u in self.units)

    @property
    def short_key(self) -> str:
        """Eight hex digits that name the request, whatever its limit."""
        asked = identity(self.request, reaches(self.request.model))
        return digest([asked, self.card.version, self.weights])[:8]

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {
            "schema": SCHEMA,
            "request": self.request.to_json(),
            "card": self.card.to_json(),
            "suite": self.suite.key,
            "view": asdict(self.view),
            "weights": self.weights,
            "metrics": list(self.metrics),
            "units": [u.to_json() for u in self.units],
            "na": [dict(row) for row in self.na],
            "partial": self.partial,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Return the plan that a manifest holds; the model need not be there, its suite must."""
        request, card = Request.from_json(data["request"]), data["card"]
        return cls(
            request,
            Card(
                **{
                    **card,
                    "capabilities": frozenset(card["capabilities"]),
                    "view": View(**card["view"]),
                    "actions": ActionSpace(**card["actions"]),
                    **{k: tuple(card[k]) for k in ("context", "classes", "notes")},
                }
            ),
            registry.load_suite(request.suite),
            View(**data["view"]),
            data["weights"],
            tuple(data["metrics"]),
            tuple(Unit.from_json(u) for u in data["units"]),
            tuple(data["na"]),
            data["partial"],
        )


def make_plan(request: Request) -> Plan:
    """Return the plan of a request.

    Raises:
        UsageError: a name, an option or a file that is not there.
    """
    return plan_of(request, *described(request))


def plan_of(request: Request, card: Card, weights: str | None) -> Plan:
    """Return the plan of a request for a model that this card describes; see `make_plan`."""
    request.drawable()
    suite = registry.load_suite(request.suite)
    view = request.view or card.view
    if view != card.view and not card.reference:
        raise UsageError(
            f"the model {card.name!r} sees {card.view.width} x {card.view.height} px at {card.view.fps:g} "
            f"fps, and {view.width} x {view.height} at {view.fps:g} was asked for; only references see any "
            "view"
        )
    units: list[Unit] = []
    na: list[Mapping[str, str]] = []
    limit = request.limit
    fewer = limit is not None and request.truth is not None
    for asks, given, instrument in _questions(request, suite):
        asked = Asking(request, card, weights, view, suite, asks, given, instrument)
        if request.truth is not None:
            na.append(asked.na(UNKNOWN))
            continue
        made, left = problems.asked(asked) if instrument in PLANNING else _asked(asked)
        units += made
        na += left
        fewer = fewer or (limit is not None and limit < asked.count)
    metrics = tuple(suite.metrics)
    for name in metrics:
        if name not in registry.entries("metrics"):
            registry.load_metric(name)  # raises with the nearest name
    return Plan(request, card, suite, view, weights, metrics, tuple(units), tuple(na), fewer)


def _questions(request: Request, suite: Suite) -> list[tuple[Probe | Task, str, Instrument]]:
    """Return what is asked, how the registry finds it, and by which instrument.

    What a request names stands in the place of all that the suite names.

    Raises:
        UsageError: a name that is not there, or is there twice, or nothing is left to ask.
    """
    named = request.probes is not None or request.tasks is not None
    probes = [(registry.load_probe(n), n) for n in (request.probes or () if named else suite.probes)]
    tasks = [(registry.load_task(n), n) for n in (request.tasks or () if named else suite.tasks)]
    asked: list[tuple[Probe | Task, str, Instrument]] = []
    for kind, pairs, plans in (("probe", probes, False), ("task", tasks, True)):
        keys = [asks.key for asks, _ in pairs]
        if twice := [k for k in keys if keys.count(k) > 1]:
            raise UsageError(f"the {kind} {twice[0]} is asked for twice; name it once")
        ways = [i for i in request.instruments or suite.instruments if (i in PLANNING) == plans]
        if not ways and request.instruments is None:  # named, and the suite does not say how
            ways = list(PLANNING) if plans else ["rollout"]
        asked += [(asks, given, way) for asks, given in pairs for way in ways]
    if request.instruments and not asked:
        what = "tasks" if set(request.instruments) <= set(PLANNING) else "probes"
        raise UsageError(
            f"--instrument {' '.join(request.instruments)} asks {what}, and there are none; name one with "
            f"--{what[:-1]}, or a suite that has some with --suite"
        )
    return asked


def _asked(a: Asking) -> tuple[list[Unit], list[Mapping[str, str]]]:
    """Return the units that ask a probe by an instrument, and why any are missing."""
    if reason := lacking(a.card, a.instrument):
        return [], [a.na(reason)]
    tags = [t for t in a.suite.tags if t in a.probe.tags and t != CONTROL]
    units: list[Unit] = []
    na: list[Mapping[str, str]] = []
    if not tags:
        na.append(a.na(f"has tags {', '.join(a.probe.tags)}, the suite {', '.join(a.suite.tags)}"))
    counts = dict.fromkeys(tags, a.suite.cases)
    if a.suite.controls and a.instrument in CONTROLLED:
        if CONTROL in a.probe.tags:
            counts[CONTROL] = a.suite.controls
        else:
            na.append(a.na("the probe draws no control scenes", CONTROL))
    for tag, count in counts.items():
        try:
            made = _names(a, tag, min(count, a.request.limit or count))
        except ProbeFault as fault:
            na.append({**a.na(str(fault), tag), "fault": "probe"})
            continue
        if isinstance(made, str):
            na.append(a.na(made, tag if units else ""))
            break
        for replicate in range(a.request.replicates if a.instrument != "surprise" else 1):
            units += blocks(a, tag, made, replicate)
    return units, na


def _names(a: Asking, tag: str, count: int) -> Names:
    """Return the ids of the cases, or in words why they cannot be asked of this model; drawn once."""
    of = [a.instrument, tag, count, asdict(a.view), [*a.card.context, a.card.context_step]]
    of += [a.card.horizon, a.probe.horizon_s, a.card.actions.fidelity, a.card.reference]
    return remembered(a.probe, [a.given, *of, a.probe.must_see], lambda: _cases(a, tag, count))


def _cases(a: Asking, tag: str, count: int) -> Names:
    if a.instrument == "surprise":
        from wmeval.twins import question, unaskable

        questions = [question(a.probe, tag, i) for i in range(count)]
        told = unaskable(questions, a.card, a.view)
        return told or [q.case_id for q in questions]
    cases = [draw(a.probe, tag, i) for i in range(count)]
    with promises.on(f"case 0 ({asked_split()}, {tag})"):
        promises.drawn_alike(a.probe, [scene_rng("eval", a.probe.key, tag, 0) for _ in range(2)], tag)
    return _inapplicable(a.card, a.view, a.probe, cases) or [c.case_id for c in cases]


def draw(probe: Probe, tag: str, index: int) -> Case:
    """Return evaluation case `index` of a probe and tag; the same on every machine.

    Raises:
        ProbeFault: `case` raised, or returned something else.
    """
    split = asked_split()
    with promises.on(f"case {index} ({split}, {tag})"):
        case = promises.drawn(probe, scene_rng("eval", probe.key, tag, index), tag)
    return Case(case.arms, {"split": split, "probe": probe.key, "tag": tag, "index": index})


def commanded(case: Case) -> bool:
    """Return whether the arms of a case differ in what is done to the actuated body."""
    scenes = list(case.arms.values())
    done = [tuple(p for p in s.pushes if p.body == s.actuated) for s in scenes if s.actuated]
    return len(done) == len(scenes) > 1 and len(set(done)) == len(done)


def measure_key(
    unit: Unit, probe: Probe | Task, metrics: tuple[str, ...], generated: Mapping[str, Any]
) -> str:
    """Return the key of a unit's measurement: of what was predicted, and of the code that judges it."""
    predicted = [
        [s["case_id"], {arm: [a["status"], a["prediction"], a.get("codec")] for arm, a in s["arms"].items()}]
        for s in generated["samples"]
    ]
    of = {name: metric_code(name) for name in metrics} if isinstance(probe, Probe) else {}
    return digest(
        {
            "schema": SCHEMA,
            "stage": "measure",
            "generate": unit.key,
            "predicted": predicted,
            "probe": [probe.key, *judged_by(probe)],
            "metrics": of,
            "code": source_digest(*code(unit.instrument)),
        }
    )


def metric_code(name: str) -> str:
    """Return the digest of the source of a metric; a plugin that is not there has none."""
    entry = registry.entries("metrics").get(name)
    if entry is None:
        return file_digest(Path(name.partition(".py")[0] + ".py"))
    try:
        return source_digest(entry.points[0].module)
    except (UsageError, ModuleNotFoundError):
        return ""


def described(request: Request) -> tuple[Card, str | None]:
    """Return the card of the model that a request names, and the digest of its weights.

    Raises:
        UsageError: there is no such model, or an option that it does not have.
    """
    if registry.is_reference(request.model):
        reference = registry.load_model(request.model, request.weights, options=request.options)
        return reference.card, source_digest("wmeval.references", "wmeval.organisms", "wmeval.faults")
    adapter = registry.load_adapter(request.model)
    registry.check_options(adapter, request.options)
    path = registry.weights_path(request.weights) or adapter.shipped
    card = adapter.completed(path, request.options) if adapter.completed else adapter.card
    return card, file_digest(path) if path and path.exists() else None


def _inapplicable(card: Card, view: View, probe: Probe, cases: list[Case]) -> str:
    """Return in words why a probe cannot be asked of a model, or nothing."""
    if commanded(cases[0]) and card.actions.fidelity == "none" and not card.reference:
        return "the probe commands actions, and none of a scene reaches the model"
    for scene in (s for c in cases for s in c.arms.values()):
        if why := problems.unseen(card, view, scene, probe.horizon_s, "probe"):
            return why
    return ""


__all__ = [
    "SCHEMA", "Plan", "Unit", "commanded", "described", "draw", "identity", "make_plan", "measure_key",
    "metric_code", "plan_of", "reaches",
]  # fmt: skip
