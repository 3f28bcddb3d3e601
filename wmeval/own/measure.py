"""From predicted frames to values per frame: of the model, and of what knows nothing beside it.

It reads only what asking kept, and can be done again without the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wmeval import registry
from wmeval.camera import View
from wmeval.errors import EnvironmentFault
from wmeval.metric import Floats, Frames, Metric
from wmeval.own.ask import Unit, referred
from wmeval.references import REFERENCES
from wmeval.run.code import source_digest
from wmeval.run.plan import metric_code
from wmeval.run.store import Store, plain
from wmeval.seeds import digest, sample_seed

NULLS = ("freeze", "vanish", "blur", "noise")  # the references that need no scene
FOLLOWED = "psnr"  # what action following is measured in


def measure_key(unit: Unit, metrics: Sequence[str], asked: Mapping[str, Any]) -> str:
    """Return the key of a unit's measurement: of what was predicted and of the code that measures."""
    return digest(
        {
            "stage": "own measure",
            "asked": unit.key,
            "predicted": [[s["status"], s["prediction"], s["truth"]] for s in asked["samples"]],
            "metrics": {name: metric_code(name) for name in _of(unit, metrics)},
            "code": source_digest("wmeval.own.measure", "wmeval.references"),
        }
    )


def _of(unit: Unit, metrics: Sequence[str]) -> Sequence[str]:
    """Return what is measured: the suite's metrics and PSNR, without which there is no delta-PSNR."""
    return tuple(dict.fromkeys((*metrics, FOLLOWED))) if unit.ask == "rollout" else (FOLLOWED,)


def measured(
    unit: Unit, metrics: Sequence[str], asked: Mapping[str, Any], view: View, store: Store
) -> dict[str, Any]:
    """Return the record of a unit's measurement.

    A sample holds `metrics` {name: {curve, reason, lacking}} and, for a rollout's first replicate, `nulls`
    {reference: {name: curve}}; NaN is null.

    Raises:
        EnvironmentFault: a blob is missing, or the disk is full.
    """
    rows = []
    for sample in asked["samples"]:
        whole, shown = store.get(sample["truth"])["frames"], sample["shown"]
        truth = whole[shown:]
        made = store.get(sample["prediction"])["frames"] if sample["prediction"] else None
        row: dict[str, Any] = {"metrics": {}, "nulls": {}}
        if made is not None:
            row["metrics"] = {n: cell(n, truth[: len(made)], made) for n in _of(unit, metrics)}
        if unit.ask == "rollout" and unit.replicate == 0:
            for null in NULLS:
                seed = sample_seed(0, null, sample["truth"], 0)
                idle = referred(REFERENCES[null], whole, shown, view, seed)
                row["nulls"][null] = {n: cell(n, truth, idle)["curve"] for n in _of(unit, metrics)}
        rows.append(row)
    return {"stage": "own measure", "unit": unit.to_json(), "samples": plain(rows)}


def cell(name: str, truth: Frames, predicted: Frames) -> dict[str, Any]:
    """Return {curve, reason, lacking} of one metric on one clip; the curve has one value a frame."""
    metric = registry.load_metric(name)
    if not isinstance(metric, Metric):
        why = f"it compares sets of {metric.min_clips} clips or more, which recordings are not cut into"
        return {"curve": [], "reason": why, "lacking": False}
    # nothing marks the bodies of a recording; metrics that look at them say so by NaN
    bodies = np.zeros(truth.shape[:3], np.bool_)
    try:
        values: Floats = metric.per_frame(truth, predicted, bodies)
    except EnvironmentFault as fault:
        return {"curve": [], "reason": str(fault), "lacking": True}
    defined = bool(np.isfinite(values).any())
    return {
        "curve": values if defined else [],
        "reason": "" if defined else metric.undefined,
        "lacking": False,
    }
