"""Why a run may not be handed in, in sentences that each tell what mends it.

A board compares what was asked alike: all of a suite, by every instrument the model allows, with the dictated
seeds, measured by one version, against stored anchors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wmeval.errors import UsageError
from wmeval.run.folder import Run
from wmeval.run.machine import machine
from wmeval.run.plan import Plan, plan_of
from wmeval.run.scoring import inputs_digest
from wmeval.submission.documents import Documents
from wmeval.suite import Suite

_REPLACED = {"probes": "probe", "tasks": "task", "budgets": "budget"}  # request field -> option


def check_finished(run: Run) -> None:
    """Check that a run was scored, on scenes.

    Raises:
        UsageError: it was not; there is nothing to look at further.
    """
    if run.manifest["request"].get("truth") is not None:
        raise UsageError(
            f"{run.path} was asked with --truth; recordings of one's own cannot be compared with anyone's: "
            "hand in a run on a suite's scenes"
        )
    if not (run.path / "results.json").exists():
        raise UsageError(f"{run.path} is not finished; `wmeval run` with the same --out continues it")


def unfit(documents: Documents, suite: Suite) -> list[str]:
    """Return why a run is none of all questions of a suite, as its own documents tell."""
    results, request = documents.results, documents.manifest["request"]
    told = []
    if results["suite"] != suite.key:
        told.append(
            f"the run is of {results['suite']}; expected {suite.key}: `wmeval run --suite {suite.name}`"
        )
    if results["partial"]:
        told.append("the run is partial: it asks fewer cases than the suite holds; run it without --limit")
    if not results["complete"]:
        told.append(
            "the run is not complete: samples are missing; `wmeval run` with the same --out continues"
        )
    for name, option in _REPLACED.items():
        if request.get(name) is not None:
            told.append(f"the run was asked with --{option}, in place of what {suite.key} asks; leave it out")
    asked = request.get("instruments")
    if asked is not None and set(asked) != set(suite.instruments):
        told.append(
            f"the run was asked by {', '.join(asked)} only, and {suite.key} asks by "
            f"{', '.join(suite.instruments)}; leave --instrument out"
        )
    if request["seed"] != 0:
        told.append(
            f"the run was made with --seed {request['seed']}; seeds are dictated: run it with --seed 0"
        )
    if request.get("truth") is not None:
        told.append("the run was asked with --truth; hand in a run on a suite's scenes")
    if request.get("hidden"):
        told.append("the run is of hidden scenes; answer them with `wmeval submit --challenge`")
    local = [row for row in results["scores"] if _local(row)]
    if local:
        told.append(
            f"{len(local)} scores rest on anchors that were made on the spot (the first is of "
            f"{local[0]['probe']}, {local[0]['tag']}): {suite.key} stores none for this view; show the "
            f"model a view that has some (`wmeval describe {suite.name}`)"
        )
    return told


def mixed(run: Run) -> list[str]:
    """Return why a run is not all of the version that is installed here; the model is not needed.

    Planning the suite again takes seconds to a minute the first time.
    """
    try:
        plan = Plan.from_json(run.manifest)
        again = plan_of(plan.request, plan.card, plan.weights)
    except UsageError as fault:
        return [f"the run cannot be planned again, to check that it is of one version: {fault}"]
    told = []
    here, there = machine()["wmeval"], run.manifest["wmeval"]
    if here != there:
        told.append(f"the run is of wmeval {there}, and {here} is installed; install {there} or run it again")
    if run.manifest["suite"] != plan.suite.key:
        told.append(
            f"the run is of {run.manifest['suite']}, and {plan.suite.key} is installed; run it again"
        )  # fmt: skip
    other = {u.key for u in again.units} ^ {u.key for u in plan.units}
    if other:
        told.append(
            f"{len(other)} units are asked otherwise by the code that is installed than by the code that the "
            "run was made with; run it again, in a new folder"
        )
    elif run.results["inputs"] != inputs_digest(run.store, plan):
        told.append(
            f"the run was measured by other code than is installed; `wmeval score {run.path}` measures it "
            "again"
        )
    return told


def _local(row: Mapping[str, Any]) -> bool:
    # what imagination is measured against is made with the model's own encoder, so it is never stored
    return bool(row["anchors"] == "local" and row["instrument"] != "imagination")
