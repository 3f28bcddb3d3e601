"""From records to results.json: skills with intervals, fidelity, implied physics, and where the time went.

Nothing is dropped: a failed sample is the worst case, an empty mean is null with a reason.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from wmeval import promises, registry
from wmeval.anchor import Anchor
from wmeval.camera import View
from wmeval.errors import ProbeFault
from wmeval.metric import SetMetric
from wmeval.probe import Measurement, Probe
from wmeval.run.code import source_digest
from wmeval.run.folder import Run
from wmeval.run.instruments import (
    CONTROL,
    PLANNING,
    failed,
    loaded,
    scoring,
    scoring_module,
    worst,
)
from wmeval.run.instruments import code as modules
from wmeval.run.plan import SCHEMA, Plan, measure_key
from wmeval.run.progress import Progress
from wmeval.run.store import Store, plain
from wmeval.seeds import digest
from wmeval.stats import MIN_N, bounded_mean, free_mean, skill_score
from wmeval.suite import Instrument, Suite

Record = Mapping[str, Any]
NA = ("probe", "instrument", "tag")  # what a reason for not asking is told of
CLASSES = ("simulate", "render", "model", "perceive", "measure")


def write_results(run: Run, tell: Any = lambda _: None) -> dict[str, Any]:
    """Score the records of a run, write results.json and return it."""
    from wmeval.run.energy import energy  # needs the world, which a finished run does not open

    plan = run.plan
    assert plan is not None
    records = list(run.records())
    suite, view = plan.suite, plan.view
    # a task may have the name of a probe
    probes = {(u.probe, u.instrument): loaded(u.instrument, u.given) for u in plan.units}
    groups: dict[tuple[str, Instrument, str], list[Record]] = defaultdict(list)
    for record in records:
        groups[record["probe"], record["instrument"], record["tag"]].append(record)
    scores: list[dict[str, Any]] = []
    planning: list[dict[str, Any]] = []
    na = [dict(r) for r in plan.na]
    for key in dict.fromkeys((u.probe, u.instrument, u.tag) for u in plan.units):
        probe, instrument, tag = probes[key[:2]], key[1], key[2]
        if instrument in PLANNING:
            planning += scoring(instrument)(probe, tag, groups[key], suite, view)
            continue
        rolled = instrument == "rollout" and tag != CONTROL
        if rolled and stored_anchor(suite, probe, tag, view) is None:
            tell(Progress("anchors", message=f"no stored anchor fits {probe.key} at this view; making one"))
        try:
            made = scoring(instrument)(probe, tag, groups[key], suite, view)
            if instrument == "rollout":
                made = [{**row, **energy(run, probe, groups[key])} for row in made]
        except ProbeFault as fault:
            made = [unanchored(probe, instrument, tag, groups[key], view, str(fault))]
        scores += [r for r in made if not r.get("unfit")]
        na += [{**{k: r[k] for k in NA}, "reason": r["unfit"]} for r in made if r.get("unfit")]
    unfit = {tuple(r.get(k, "") for k in NA) for r in na}
    results = {
        "schema": SCHEMA,
        "inputs": inputs_digest(run.store, plan),
        "model": {
            "name": plan.card.name,
            "version": plan.card.version,
            "weights": plan.weights,
            "options": dict(plan.request.options),
            "reference": plan.card.reference,
        },
        "suite": suite.key,
        "card": run.manifest.get("opened") or run.manifest["card"],
        "complete": len(records) == plan.samples,
        "partial": plan.partial,
        "samples": plan.samples,
        "failed": sum(map(failed, records)),
        "nondeterminism": len(run.store.events("nondeterminism")),
        "scores": scores,
        "fidelity": fidelity(plan, records, run.store),
        "planning": planning,
        "implied": [
            row
            for key, rows in groups.items()
            if key[1] not in ("surprise", *PLANNING) and key[2] != CONTROL and key not in unfit
            for row in implied(run, probes[key[:2]], key[1], key[2], rows)
        ],
        "speed": speed(records, run.store.events("session")),
        "na": na,
    }
    run.store.write_json("results.json", plain(results))
    return results


def inputs_digest(store: Store, plan: Plan) -> str:
    """Return the digest of all that results.json is made from, so that it is made again when that changes."""
    keys = []
    for unit in plan.units:
        if store.has(unit.key):
            asks = loaded(unit.instrument, unit.given)
            key = measure_key(unit, asks, plan.metrics, store.read(unit.key))
            keys.append([unit.key, key, store.has(key)])
    homes = sorted({scoring_module(u.instrument) for u in plan.units} | {"wmeval.run.scoring"})
    homes += [m for i in PLANNING if any(u.instrument == i for u in plan.units) for m in modules(i)]
    homes += ["wmeval.run.split", "wmeval.run.energy", "wmeval.measure.energy"]
    code = source_digest(*homes, "wmeval.stats", "wmeval.anchor", "wmeval.calibrate")
    return digest([keys, plan.to_json()["na"], plan.partial, code, anchors_digest(plan.suite)])


def stored_anchor(suite: Suite, probe: Probe, tag: str, view: View) -> Anchor | None:
    """Return the anchor that ships with the suite for this probe, tag and View, if there is one."""
    from wmeval import calibrate

    anchor: Anchor | None = calibrate.stored_anchor(suite, probe, tag, view)
    return anchor


def implied(
    run: Run, probe: Probe, instrument: Instrument, tag: str, records: Sequence[Record]
) -> list[dict[str, Any]]:
    """Return {probe, instrument, tag, name, value, lo, hi, n, reason} of each quantity as the model has it.

    The value is the median over cases, the interval that of the binomial order statistics, which holds
    whatever the distribution. What a probe reduces from all its cases comes with its own interval.
    """
    found: dict[str, list[float]] = defaultdict(list)
    for record in records:
        for name, (value, _) in record["implied"].items():
            if value is not None:
                found[name].append(value)
    rows = []
    for name, values in found.items():
        lo, hi = median_interval(values)
        rows.append({"name": name, "value": float(np.median(values)), "lo": lo, "hi": hi, "n": len(values)})
    if probe.reduce is not None and records:
        cases = [run.case(r) for r in records]
        try:
            reduced = promises.call(probe, "reduce", cases, [_measurement(r) for r in records])
        except ProbeFault as fault:
            reduced = {"reduce": {"value": None, "lo": None, "hi": None, "reason": str(fault)}}
        for name, value in reduced.items():
            rows.append({"name": name, "n": len(records), **_reduced(value)})
    of = {"probe": probe.key, "instrument": instrument, "tag": tag, "reason": ""}
    return [{**of, **row} for row in rows]


def median_interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the 95 % interval of a median from order statistics; none below 8 values.

    The count of values below the median is binomial(n, 1/2), so x(k) and x(n + 1 - k) hold it with at
    least 95 % where P(count < k) <= 2.5 % (Thompson 1936).

    >>> median_interval(range(1, 11))
    (2.0, 9.0)
    """
    n = len(values)
    if n < MIN_N:
        return None, None
    k, tail = 0, 0.0
    while tail + math.comb(n, k) / 2**n <= 0.025:
        tail += math.comb(n, k) / 2**n
        k += 1
    ordered = sorted(float(v) for v in values)
    return ordered[k - 1], ordered[n - k]


def fidelity(plan: Plan, records: Sequence[Record], store: Store) -> list[dict[str, Any]]:
    """Return a row a metric and tag: value, lo, hi, n (cases), reason, curve over predicted frames."""
    rows = []
    shown = [r for r in records if r["instrument"] == "rollout" and r["tag"] != CONTROL]
    for tag in dict.fromkeys(r["tag"] for r in shown):
        of_tag = [r for r in shown if r["tag"] == tag]
        for name in plan.metrics:
            metric = registry.load_metric(name)
            row = {
                "metric": metric.name,
                "entry": name,
                "unit": metric.unit,
                "better": metric.better,
                "tag": tag,
            }
            asked = [r for r in of_tag if name in r["metrics"]]
            if isinstance(metric, SetMetric):
                rows.append({**row, **_of_set(metric, name, asked, store)})
            else:
                rows.append({**row, **_of_clips(name, asked), "failed": len(of_tag) - len(asked)})
    return rows


def speed(records: Sequence[Record], sessions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return where the time went: seconds of all workers by stage, wall time, and per predicted frame.

    `outside_s` is the wall time that was not spent in the model: wall - model / workers. Frames are those of
    rollouts, which is where the model makes any.
    """
    made = [r for r in records if r["instrument"] == "rollout"]
    predicting = sum(r["seconds"].get("model", 0.0) for r in made)
    spent = {stage: sum(r["seconds"].get(stage, 0.0) for r in records) for stage in CLASSES}
    frames = sum(a["asked"] for r in made for a in r["arms"].values() if a["prediction"])
    wall = sum(s["wall_s"] for s in sessions)
    last = sessions[-1] if sessions else {}
    workers = last.get("workers") or 1
    return {
        "wall_s": round(wall, 3),
        "model_s": round(spent["model"], 3),
        "outside_s": round(max(0.0, wall - spent["model"] / workers), 3),
        "stages": {stage: round(s, 3) for stage, s in spent.items()},
        "load_s": last.get("load_s"),
        "frames": frames,
        "ms_per_frame": round(1000 * predicting / frames, 3) if frames else None,
        "frames_per_s": round(frames / predicting, 3) if predicting else None,
        "workers": workers,
        "threads": last.get("threads"),
        "sessions": len(sessions),
    }


def score(
    probe: Probe, tag: str, records: Sequence[Record], suite: Suite, view: View
) -> list[dict[str, Any]]:
    """Return the row of a probe and tag that was asked by rollout."""
    from wmeval.run.split import summed

    anchor = find_anchor(suite, probe, anchor_tag(probe, tag), view)
    made = row(probe, "rollout", tag, records, anchor)
    made["split"] = summed(records) if tag != CONTROL else None
    if tag == CONTROL:
        cases: dict[str, list[bool]] = defaultdict(list)
        for record in records:
            cases[record["case_id"]].append(record["error"] > anchor.alarm_above)
        told = bounded_mean([float(np.mean(c)) for c in cases.values()], 0.0, 1.0)
        made |= {
            "alarms": told.mean, "lo": told.lo, "hi": told.hi, "skill": None, "null": None, "rows": {},
            "reason": "control scenes count as false alarms, never in skill",
        }  # fmt: skip
    return [made]


def unanchored(
    probe: Probe, instrument: Instrument, tag: str, records: Sequence[Record], view: View, why: str
) -> dict[str, Any]:
    """Return the row of a probe whose own fault keeps skill 0 and 1 from being known."""
    unknown = Anchor(probe.key, tag, view, math.nan, math.nan, 0)
    return {**row(probe, instrument, tag, records, unknown), "reason": f"no anchors can be made: {why}"}


def anchor_tag(probe: Probe, tag: str) -> str:
    """Return the tag whose anchor judges a tag: control scenes have none of their own."""
    return next(t for t in probe.tags if t != CONTROL) if tag == CONTROL else tag


def row(
    probe: Probe, instrument: Instrument, tag: str, records: Sequence[Record], anchor: Anchor
) -> dict[str, Any]:
    """Return the row of results.json's scores that the records of one probe, instrument and tag make."""
    by_case: dict[str, list[float]] = defaultdict(list)
    for record in records:
        by_case[record["case_id"]].append(record["error"])
    errors = [float(np.mean(e)) for e in by_case.values()]  # resampling cases, not samples
    made: dict[str, Any] = {
        "probe": probe.key,
        "instrument": instrument,
        "tag": tag,
        "matching": None,
        "skill": None, "lo": None, "hi": None,
        "error": mean(errors),
        "unit": probe.unit,
        "n": len(errors),
        "failed": sum(map(failed, records)),
        "found": mean([r["found"] for r in records if r["found"] is not None]),
        "given_found": mean([r["given_found"] for r in records if r["given_found"] is not None]),
        "measured": sum(r["measured"] == "ok" for r in records),
        "event": mean([r["event"] for r in records]),
        "energy": None,
        "alarms": None,
        "null": anchor.null,
        "ceiling": anchor.ceiling,
        "detectable": anchor.detectable,
        "false_alarms": anchor.false_alarms,
        "rows": {name: dict(r) for name, r in anchor.rows.items()},
        "anchors": anchor.source,
        "reason": "",
    }  # fmt: skip
    if not errors:
        made["reason"] = "no sample is finished yet"
    elif not anchor.null > anchor.ceiling:
        made["reason"] = (
            f"the null model ({anchor.null:.3g}) does no worse than the oracle ({anchor.ceiling:.3g}); "
            "`wmeval check probe` tells why"
        )
    else:
        values = np.array([anchor.value(e) for e in errors])
        told = skill_score(values, anchor.value(worst(instrument, probe)), 1.0)
        made |= {"skill": told.skill, "lo": told.lo, "hi": told.hi, "reason": told.reason}
    return made


def find_anchor(suite: Suite, probe: Probe, tag: str, view: View) -> Anchor:
    """Return the stored anchor, or one made now from development scenes."""
    from wmeval import calibrate

    anchor: Anchor = calibrate.find_anchor(suite, probe, tag, view)
    return anchor


def anchors_digest(suite: Suite) -> str:
    """Return the digest of the anchors that ship with a suite, or nothing."""
    if suite.anchors is None or not suite.anchors.is_dir():
        return ""
    files = sorted((f for f in suite.anchors.iterdir() if f.is_file()), key=lambda f: f.name)
    return digest([[f.name, f.read_text()] for f in files])


def mean(values: Iterable[float]) -> float | None:
    """Return the mean, or None of nothing."""
    known = list(values)
    return float(np.mean(known)) if known else None


def _of_clips(name: str, records: Sequence[Record]) -> dict[str, Any]:
    cells = [r["metrics"][name] for r in records]
    reasons = list(dict.fromkeys(c["reason"] for c in cells if c["reason"]))
    longest = max((len(c["curve"]) for c in cells), default=0)
    curve, counts = [], []
    for t in range(longest):
        at = [c["curve"][t] for c in cells if t < len(c["curve"]) and c["curve"][t] is not None]
        curve.append(mean(at))
        counts.append(len(at))
    cases: dict[tuple[str, str], list[float]] = defaultdict(list)
    for record, cell in zip(records, cells, strict=True):
        if cell["mean"] is not None:
            cases[record["probe"], record["case_id"]].append(cell["mean"])
    told = free_mean([float(np.mean(c)) for c in cases.values()])  # cases, not their replicates, vary freely
    return {
        "value": told.mean if cases else None,
        "lo": told.lo,
        "hi": told.hi,
        "n": told.n,
        "reason": reasons[0] if reasons else "" if cases else "no clip was predicted",
        "curve": curve,
        "curve_n": counts,
    }


def _of_set(metric: SetMetric, name: str, records: Sequence[Record], store: Store) -> dict[str, Any]:
    true, predicted = [], []
    for record in records:
        if record["features"] and not record["metrics"][name]["reason"]:
            kept, extractor = store.get(record["features"]), record["metrics"][name]["features"]
            true.append(kept[f"{extractor}.true"])
            predicted.append(kept[f"{extractor}.predicted"])
    row: dict[str, Any] = {
        "value": None, "lo": None, "hi": None, "n": len(true), "reason": "", "curve": [], "curve_n": [],
        "failed": len(records) - len(true),
    }  # fmt: skip
    reasons = list(
        dict.fromkeys(c["metrics"][name]["reason"] for c in records if c["metrics"][name]["reason"])
    )
    from wmeval.measure.features import set_value

    told = set_value(metric, np.array(true), np.array(predicted))
    if not np.isfinite(told.value):
        return {**row, "reason": "; ".join([told.reason, *reasons[:1]])}
    lo, hi = metric.interval(np.array(true), np.array(predicted)) if metric.interval else (None, None)
    return {**row, "value": told.value, "lo": lo, "hi": hi}


def _measurement(record: Record) -> Measurement:
    status = record["measured"] or record["detail"] or "failed"
    nan = float("nan")
    known = {
        k: (nan if v is None else v, float("inf") if s is None else s)
        for k, (v, s) in record["implied"].items()
    }
    return Measurement(record["error"], status, known, record["evidence"])


def _reduced(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | list):
        return {"value": value[0], "lo": value[1], "hi": value[2]}
    return {"value": value, "lo": None, "hi": None}
