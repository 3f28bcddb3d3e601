"""The plan of a run: which units of work answer a request, each keyed by all that determines its result.

Making a plan is deterministic and loads no model. A unit is one block of cases of one probe, instrument and
tag: the micro-batch is part of its key, since it may change a model's arithmetic; how many workers there
are, how far `--limit` goes and where it runs are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wmeval import promises, registry
from wmeval.camera import View
from wmeval.errors import ProbeFault, UsageError
from wmeval.model import ActionSpace, Card
from wmeval.probe import Probe
from wmeval.run.code import defined_in, file_digest, source_digest
from wmeval.run.drawn import Names, remembered
from wmeval.run.instruments import CONTROL, CONTROLLED, code, lacking, rests_on
from wmeval.run.request import Request
from wmeval.scene import Case, Scene
from wmeval.seeds import digest, scene_rng
from wmeval.suite import Instrument, Suite

SCHEMA = 1
UNKNOWN = "the truth is recordings, of whose bodies and laws nothing is known"
BLOCK = 8  # cases a unit at most: small enough to share out, large enough to batch


@dataclass(frozen=True)
class Unit:
    """One block of cases of one probe, instrument and tag. `key` names its generated samples."""

    key: str
    probe: str  # name@version
    given: str  # how the registry finds the probe
    tag: str
    indices: tuple[int, ...]
    case_ids: tuple[str, ...]
    replicate: int
    instrument: Instrument = "rollout"

    def to_json(self) -> dict[str, Any]:
        """Return the unit as JSON values."""
        return {**asdict(self), "indices": list(self.indices), "case_ids": list(self.case_ids)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Unit:
        """Return the unit that `to_json` described."""
        return cls(
            **{**data, "indices": tuple(data["indices"]), "case_ids": tuple(data["case_ids"])}
        )  # fmt: skip


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
    return plan_of(request, *_model(request))


def plan_of(request: Request, card: Card, weights: str | None) -> Plan:
    """Return the plan of a request for a model that this card describes; see `make_plan`."""
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
    seen: set[str] = set()
    for given in suite.probes if request.probes is None else request.probes:
        probe = registry.load_probe(given)
        if probe.key in seen:
            raise UsageError(f"the probe {probe.key} is asked for twice; name it once")
        seen.add(probe.key)
        for instrument in request.instruments or suite.instruments:
            if request.truth is not None:
                na.append({"probe": probe.key, "instrument": instrument, "tag": "", "reason": UNKNOWN})
                continue
            asked = _Asked(request, card, weights, view, suite, probe, given, instrument)
            made, left = _asked(asked)
            units += made
            na += left
    fewer = request.limit is not None and (request.truth is not None or request.limit < suite.cases)
    metrics = tuple(suite.metrics)
    for name in metrics:
        if name not in registry.entries("metrics"):
            registry.load_metric(name)  # raises with the nearest name
    return Plan(request, card, suite, view, weights, metrics, tuple(units), tuple(na), fewer)


@dataclass(frozen=True)
class _Asked:
    """One probe to be asked by one instrument."""

    request: Request
    card: Card
    weights: str | None
    view: View
    suite: Suite
    probe: Probe
    given: str
    instrument: Instrument

    def na(self, reason: str, tag: str = "") -> dict[str, str]:
        return {"probe": self.probe.key, "instrument": self.instrument, "tag": tag, "reason": reason}


def _asked(a: _Asked) -> tuple[list[Unit], list[Mapping[str, str]]]:
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
            units += _blocks(a, tag, made, replicate)
    return units, na


def _names(a: _Asked, tag: str, count: int) -> Names:
    """Return the ids of the cases, or in words why they cannot be asked of this model; drawn once."""
    of = [a.instrument, tag, count, asdict(a.view), [*a.card.context, a.card.context_step]]
    of += [a.card.horizon, a.probe.horizon_s, a.card.actions.fidelity, a.card.reference]
    return remembered(a.probe, [a.given, *of, a.probe.must_see], lambda: _cases(a, tag, count))


def _cases(a: _Asked, tag: str, count: int) -> Names:
    if a.instrument == "surprise":
        from wmeval.twins import question, unaskable

        questions = [question(a.probe, tag, i) for i in range(count)]
        told = unaskable(questions, a.card, a.view)
        return told or [q.case_id for q in questions]
    cases = [draw(a.probe, tag, i) for i in range(count)]
    with promises.on(f"case 0 (eval, {tag})"):
        promises.drawn_alike(a.probe, [scene_rng("eval", a.probe.key, tag, 0) for _ in range(2)], tag)
    return _inapplicable(a.card, a.view, a.probe, cases) or [c.case_id for c in cases]


def draw(probe: Probe, tag: str, index: int) -> Case:
    """Return evaluation case `index` of a probe and tag; the same on every machine.

    Raises:
        ProbeFault: `case` raised, or returned something else.
    """
    with promises.on(f"case {index} (eval, {tag})"):
        case = promises.drawn(probe, scene_rng("eval", probe.key, tag, index), tag)
    return Case(case.arms, {"split": "eval", "probe": probe.key, "tag": tag, "index": index})


def commanded(case: Case) -> bool:
    """Return whether the arms of a case differ in what is done to the actuated body."""
    scenes = list(case.arms.values())
    done = [tuple(p for p in s.pushes if p.body == s.actuated) for s in scenes if s.actuated]
    return len(done) == len(scenes) > 1 and len(set(done)) == len(done)


def frame_counts(scene: Scene, view: View, horizon_s: float) -> tuple[int, int]:
    """Return how many frames a scene has up to its cut and how many are asked for after it."""
    times = view.frame_times(scene.duration_s)
    shown = int(np.sum(times <= scene.cut_s + 1e-9))
    return shown, int(np.sum(times[shown:] <= scene.cut_s + horizon_s + 1e-9))


def measure_key(unit: Unit, probe: Probe, metrics: tuple[str, ...], generated: Mapping[str, Any]) -> str:
    """Return the key of a unit's measurement: of what was predicted, and of the code that judges it."""
    predicted = [
        [s["case_id"], {arm: [a["status"], a["prediction"], a.get("codec")] for arm, a in s["arms"].items()}]
        for s in generated["samples"]
    ]
    of = {name: metric_code(name) for name in metrics}
    return digest(
        {
            "schema": SCHEMA,
            "stage": "measure",
            "generate": unit.key,
            "predicted": predicted,
            "probe": [probe.key, defined_in(probe.measure), defined_in(probe.event)],
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


def _model(request: Request) -> tuple[Card, str | None]:
    if registry.is_reference(request.model):
        reference = registry.load_model(request.model, request.weights, options=request.options)
        return reference.card, source_digest("wmeval.references", "wmeval.organisms", "wmeval.faults")
    adapter = registry.load_adapter(request.model)
    registry.check_options(adapter, request.options)
    path = registry.weights_path(request.weights) or adapter.shipped
    card = adapter.completed(path, request.options) if adapter.completed else adapter.card
    return card, file_digest(path) if path and path.exists() else None


def reaches(model: str) -> frozenset[str]:
    """Return the options of a model that say only how it is reached, and so change no result."""
    return frozenset() if registry.is_reference(model) else registry.load_adapter(model).reaches


def identity(request: Request, without: frozenset[str]) -> dict[str, Any]:
    """Return what must be the same for two commands to write into one folder, some options left out."""
    return {**request.identity, "options": {k: v for k, v in request.options.items() if k not in without}}


def _blocks(a: _Asked, tag: str, case_ids: list[str], replicate: int) -> list[Unit]:
    world = source_digest("wmeval.world", "wmeval.scene", "wmeval.truth", "wmeval.camera")
    more = rests_on(a.instrument, a.probe)
    options = identity(a.request, reaches(a.request.model))["options"]
    size = min(BLOCK, a.card.max_batch)
    units = []
    for start in range(0, len(case_ids), size):
        ids = tuple(case_ids[start : start + size])
        key = digest(
            {
                "schema": SCHEMA,
                "stage": "generate",
                "instrument": a.instrument,
                "model": [a.card.name, a.card.version, a.weights, options],
                "probe": a.probe.key,
                "horizon_s": a.probe.horizon_s,
                "cases": list(ids),
                "view": asdict(a.view),
                "seed": a.request.seed,
                "replicate": replicate,
                "code": [world, *more] if more else world,
            }
        )
        indices = tuple(range(start, start + len(ids)))
        units.append(Unit(key, a.probe.key, a.given, tag, indices, ids, replicate, a.instrument))
    return units


def _inapplicable(card: Card, view: View, probe: Probe, cases: list[Case]) -> str:
    """Return in words why a probe cannot be asked of a model, or nothing."""
    fewest, most = card.context
    if commanded(cases[0]) and card.actions.fidelity == "none" and not card.reference:
        return "the probe commands actions, and none of a scene reaches the model"
    for scene in (s for c in cases for s in c.arms.values()):
        shown, asked = frame_counts(scene, view, probe.horizon_s)
        if shown < fewest:
            return f"the model needs {fewest} context frames; a scene shows {shown}"
        seen = (min(shown, most) - 1) // card.context_step * card.context_step
        if seen / view.fps < scene.needs_s - 1e-6 and seen + 1 < shown:
            at = f"{seen + 1} frames ({seen / view.fps:g} s)"
            return f"the model sees {at}; one must look for {scene.needs_s:g} s"
        if card.horizon is not None and asked > card.horizon:
            return f"the model predicts {card.horizon} frames; the probe asks for {asked}"
    return ""
