"""A submission is measured again: scenes, truths and measures are the server's, only the answers are theirs.

It is a process of its own (`python -m wmeval_leaderboard.rescoring FOLDER`), since it reads what was sent in.
The plan is made anew, so that the questions are the season's; every unit is generated again with a model
that says nothing, which simulates and renders all that was asked; into that record go the uploaded answers.
From there on it is a run like any other. What was reported is never read, only compared with at the end.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wmeval import registry
from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.model import ActionSpace, Card
from wmeval.run import Run, engine
from wmeval.run.machine import machine
from wmeval.run.plan import Plan, Unit, make_plan, plan_of, reaches
from wmeval.run.request import Request
from wmeval.run.scoring import anchor_tag, stored_anchor
from wmeval.run.store import Store
from wmeval.submission.check import check
from wmeval.submission.documents import Documents
from wmeval.submission.limits import Limits
from wmeval.submission.parts import Part
from wmeval_leaderboard import limited, samples, scores
from wmeval_leaderboard.asked import questions
from wmeval_leaderboard.scores import Line

TASK, UPLOADED, MEASURED, TOLD = "task.json", "uploaded", "measured", "told.json"
LATENT = (
    "what is imagined in latents is read by the model's own encoder: only who runs the model can measure it"
)
ACTED = "an episode is planned step by step with the model: only who runs the model can measure it"


def main() -> None:
    """Measure what lies in the folder that is the first argument, and write there what came of it."""
    folder = Path(sys.argv[1])
    task = json.loads((folder / TASK).read_text())
    uploaded, parts = folder / UPLOADED, [Part(*part) for part in task["parts"]]
    documents = check(
        parts, task["root"], lambda part: (uploaded / part.path).open("rb"), Limits(**task["limits"])
    )
    run = measure(documents, Store(uploaded), task["suite"], folder / MEASURED)
    told = scores.lines(run.results, run)
    reported = asked_of(run, told, scores.lines(documents.results))
    chosen = samples.write(run, folder)
    made = {
        "reported": [line.to_json() for line in reported],
        "measured": [line.to_json() for line in told],
        "differences": scores.differences(reported, told),
        "units": len(run.units),
        "samples": [sample.to_json() for sample in chosen],
    }
    (folder / TOLD).write_text(json.dumps(made, allow_nan=False))


def measure(documents: Documents, uploaded: Store, suite: str, out: Path) -> Run:
    """Return the run that a submission's answers make when all else is done here.

    Raises:
        UsageError: it does not answer the suite as this server asks it.
    """
    plan = planned(documents, suite)
    check_anchors(plan)
    plan = measurable(plan)
    store = Store(out)
    about = {"created": datetime.now(UTC).isoformat(timespec="seconds"), **machine()}
    store.write_json(engine.MANIFEST, {**plan.to_json(), **about})
    for unit in plan.units:
        own = questions(plan, unit, store)
        store.commit(unit.key, answered(unit, own, uploaded.read(unit.key), uploaded, store))
    engine.score(out)
    # what a reader is told to type is what anyone would, not how it was done here
    known = plan.suite.name if plan.suite.name in registry.entries("suites") else Path(suite).name
    shown = replace(plan.request, suite=known, executor="local", workers="auto")
    store.write_json(engine.MANIFEST, {**plan.to_json(), **about, "request": shown.to_json()})
    return Run(out)


def asked_of(run: Run, measured: Sequence[Line], reported: Sequence[Line]) -> list[Line]:
    """Return the reported lines that the season asks for: measured here, or only by who runs the model.

    Any other would be a column that all other models lack.
    """
    here = {line.key for line in measured}
    left = {
        (row["probe"], row["instrument"], row["tag"])
        for row in run.results["na"]
        if row["reason"] in (LATENT, ACTED)
    }
    return [
        line
        for line in reported
        if line.section == "na"
        or line.key in here
        or ((line.name, line.instrument, line.tag) in left and not line.row.get("matching"))
    ]


def planned(documents: Documents, suite: str) -> Plan:
    """Return the plan that this server makes for what a submission says that it was asked.

    Raises:
        UsageError: it is another one than the submission's.
    """
    manifest = documents.manifest
    asked, card = manifest["request"], _card(manifest["card"])
    known = registry.is_reference(asked["model"]) or asked["model"] in registry.entries("models")
    request = Request(
        model=asked["model"] if known else "freeze",  # a name that no file of this machine is loaded by
        suite=suite, instruments=_instruments(asked.get("instruments")), seed=asked["seed"],
        replicates=asked["replicates"], options=asked["options"], executor="inline", workers=1,
        view=_view(asked.get("view"), card),
    )  # fmt: skip
    if registry.is_reference(asked["model"]):
        plan = make_plan(replace(request, options={}))
        if asked["options"] or (plan.card.to_json(), plan.weights) != (card.to_json(), manifest["weights"]):
            raise UsageError(
                f"the reference {asked['model']!r} of the submission is not the one of this server; run it "
                f"with wmeval {machine()['wmeval']}"
            )
    elif card.reference:
        raise UsageError(f"the model {card.name!r} says that it is a reference; only those of wmeval are")
    else:
        plan = plan_of(request, card, manifest["weights"])
    _check_units(plan, documents)
    hidden = reaches(request.model)  # an address is nobody's business, and no part of a key
    shown = {k: v for k, v in asked["options"].items() if k not in hidden}
    name = Path(asked["model"]).name
    return replace(plan, request=replace(request, model=name, options=shown))


def measurable(plan: Plan) -> Plan:
    """Return the part of a plan that can be measured without the model, with the reasons for the rest."""
    kept: list[Unit] = []
    left: dict[tuple[str, str, str], str] = {}
    for unit in plan.units:
        latent = unit.instrument == "imagination" or unit.arm == "latents"
        if not latent and unit.instrument != "control":
            kept.append(unit)
        else:
            left[unit.probe, unit.instrument, unit.tag] = LATENT if latent else ACTED
    names = ("probe", "instrument", "tag")
    na = [dict(zip((*names, "reason"), (*key, why), strict=True)) for key, why in left.items()]
    return replace(plan, units=tuple(kept), na=(*plan.na, *na))


def answered(
    unit: Unit, own: Mapping[str, Any], theirs: Mapping[str, Any], uploaded: Store, store: Store
) -> dict[str, Any]:
    """Return the server's own record of a unit with the uploaded answers in it, whose arrays are kept.

    Raises:
        UsageError: the answers are to something else than was asked.
    """
    made = []
    for asked, told in zip(own["samples"], theirs["samples"], strict=True):
        where = f"sample {asked['index']} of {unit.probe} ({unit.instrument}, {unit.tag})"
        spent = {**asked["seconds"], "model": float(told["seconds"].get("model", 0.0))}
        arms = {}
        if asked["arms"] and not told["fault"] and set(told["arms"]) != set(asked["arms"]):
            raise UsageError(
                f"{where} has arms {', '.join(told['arms'])[:200]}; expected {', '.join(asked['arms'])}"
            )
        for name, arm in asked["arms"].items() if not told["fault"] else ():
            arms[name] = _filled(unit, arm, told["arms"][name], where, uploaded, store)
        fault = asked["fault"] or told["fault"]
        made.append({**asked, "fault": fault, "arms": arms, "seconds": spent})
    return {**own, "samples": made}


def _filled(
    unit: Unit, asked: Mapping[str, Any], told: Mapping[str, Any], where: str, uploaded: Store, store: Store
) -> dict[str, Any]:
    """Return an arm of the server's record with the answer that was uploaded for it."""
    if (told["shown"], told["asked"]) != (asked["shown"], asked["asked"]):
        raise UsageError(
            f"{where} was shown {told['shown']} frames and asked for {told['asked']}; expected "
            f"{asked['shown']} and {asked['asked']}"
        )
    # the clips of a scene stand in the order of their content: of another content, they are other clips
    if unit.instrument == "surprise" and told.get("truth") != asked["truth"]:
        raise UsageError(f"{where} judged other clips than this server draws; run it with the same versions")
    arm = {**asked, "status": told["status"], "detail": told["detail"]}
    if told["status"] in ("ok", "partial"):
        if not told["prediction"]:
            raise UsageError(f"{where} is {told['status']} and names no prediction; hand in the run again")
        arm["prediction"] = store.put(uploaded.get(told["prediction"]))
    if told.get("codec"):
        arm["codec"] = store.put(uploaded.get(told["codec"]))
    if told.get("codec_detail"):
        arm["codec_detail"] = str(told["codec_detail"])
    return arm


def _check_units(plan: Plan, documents: Documents) -> None:
    ours, theirs = plan.units, {_place(u): u for u in documents.units}
    here = machine()["wmeval"]
    for unit in ours:
        other = theirs.pop(_place(unit), None)
        where = f"{unit.probe} ({unit.instrument}, {unit.tag}, from case {unit.indices[0]})"
        if other is None:
            raise UsageError(
                f"the submission does not answer {where}, which the season's suite asks; run it whole"
            )
        if (other.indices, other.case_ids) != (unit.indices, unit.case_ids):
            raise UsageError(
                f"the submission answers other cases of {where} than this server draws; run the suite with "
                f"wmeval {here}"
            )
        if other.key != unit.key:
            raise UsageError(
                f"the submission's answers to {where} were made by another version of wmeval than this "
                f"server's {here}, or of a model, weights or options that its manifest does not name; run "
                "it again"
            )
    if theirs:
        probe, instrument, *_ = next(iter(theirs))
        raise UsageError(
            f"the submission answers {probe} ({instrument}), which the season's suite does not ask"
        )


def _place(unit: Unit) -> tuple[str, str, str, str, int, int]:
    first = unit.indices[0] if unit.indices else -1
    return unit.probe, unit.instrument, unit.tag, unit.arm, unit.replicate, first


def check_anchors(plan: Plan) -> None:
    """Raise where skill 0 and 1 are not stored, so that nothing is scored against anchors of its day."""
    for unit in plan.units:
        if unit.instrument != "rollout":
            continue
        probe = registry.load_probe(unit.given)
        tag = anchor_tag(probe, unit.tag)
        if stored_anchor(plan.suite, probe, tag, plan.view) is None:
            size = f"{plan.view.width} x {plan.view.height} px at {plan.view.fps:g} fps"
            raise UsageError(
                f"no anchors of {probe.key} ({tag}) are stored for {size}; hand in a run at a view that the "
                "season has anchors for"
            )


def _card(data: Mapping[str, Any]) -> Card:
    known = {f.name: data[f.name] for f in fields(Card) if f.name in data}
    actions = {k: data["actions"][k] for k in ("kind", "size", "fidelity")}
    made = {
        "capabilities": frozenset(data["capabilities"]), "view": _view(data["view"], None),
        "actions": ActionSpace(**actions), **{k: tuple(data[k]) for k in ("context", "classes", "notes")},
    }  # fmt: skip
    return Card(**{**known, **made})


def _view(data: Mapping[str, Any] | None, card: Card | None) -> View | None:
    """Return a View; None of what was asked for where the card's own was."""
    if data is None:
        return None
    view = View(**{f.name: data[f.name] for f in fields(View) if f.name in data})
    return None if card is not None and view == card.view else view


def _instruments(given: Any) -> tuple[Any, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise UsageError(
            "the instruments of the submission's request are no list of names; hand in the run again"
        )
    return tuple(given)


if __name__ == "__main__":
    limited.serve(main)
