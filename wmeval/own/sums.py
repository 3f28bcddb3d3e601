"""From records to rows: fidelity, drift, action following, surprise, reward, pace, with intervals by episode.

Windows of one episode are alike, so its windows and replicates are averaged first, and n counts episodes.
A window that failed has no value; it is counted, and told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from wmeval import registry
from wmeval.own.ask import Ask
from wmeval.own.measure import FOLLOWED, NULLS
from wmeval.stats import Interval, bounded_mean, free_mean

Record = Mapping[str, Any]  # a sample, with its `episode`, and its measurement where it has one
AGES = (1, 4, 16, 64)  # frames after the context
RATES = (("GameNGen's 20 frames a second", 20.0),)  # Valevski et al. 2024, real time in one game


def fidelity(metrics: Sequence[str], records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return a row a metric, as results.json has it: value, lo, hi, n, reason, curve, rows of references."""
    made = []
    for name in metrics:
        metric = registry.load_metric(name)
        told = _known(records, name)
        means = {e: float(np.mean([np.nanmean(c) for c in cs])) for e, cs in _by_episode(told).items()}
        value = free_mean([*means.values()])
        reasons = [r["metrics"][name]["reason"] for r in records if name in r["metrics"]]
        reason = next((r for r in reasons if r), "") if not told else value.reason
        made.append(
            {
                "metric": metric.name, "entry": name, "unit": metric.unit, "better": metric.better,
                "tag": "", "value": value.mean if told else None, "lo": value.lo, "hi": value.hi,
                "n": value.n, "reason": reason or ("" if told else "no window was predicted"),
                "curve": _means(told), "curve_n": _counts(told), "failed": len(records) - len(told),
                "rows": {k: {"value": v} for k, v in _nulls(records, name).items()},
            }
        )  # fmt: skip
    return made


def drift(metrics: Sequence[str], records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return how PSNR and each metric change with the age of a frame: curves, and rows at 1, 4, 16, 64.

    `curve`, `lo`, `hi` and `n` have one entry a frame after the context; `rows` has the references' curves.
    """
    made = []
    for name in dict.fromkeys((FOLLOWED, *metrics)):
        metric, told = registry.load_metric(name), _known(records, name)
        if not told:
            continue
        at = [_at(told, age) for age in range(_longest(told))]
        idle = {null: _means(_null_curves(records, null, name)) for null in NULLS}
        made.append(
            {
                "metric": metric.name, "unit": metric.unit, "better": metric.better,
                "curve": [_number(a) for a in at], "lo": [a.lo for a in at], "hi": [a.hi for a in at],
                "n": [a.n for a in at], "rows": {k: v for k, v in idle.items() if v},
                "at": [
                    {
                        "frame": age, "value": at[age - 1].mean, "lo": at[age - 1].lo,
                        "hi": at[age - 1].hi, "n": at[age - 1].n, "reason": at[age - 1].reason,
                        "rows": {k: v[age - 1] for k, v in idle.items() if len(v) >= age},
                    }
                    for age in AGES if age <= len(at)
                ],
            }
        )  # fmt: skip
    return made


def following(rollouts: Sequence[Record], others: Sequence[Record], why_not: str) -> dict[str, Any]:
    """Return the delta-PSNR [dB] by age: PSNR under what was done less PSNR under what another player did.

    0 or less is a model that does not follow; `why_not` is the reason where it was not asked.
    """
    done = {(r["place"], r["replicate"]): r for r in rollouts}
    gains: list[tuple[str, list[float]]] = []
    differs = []
    for other in others:
        mine = done.get((other["place"], other["replicate"]))
        both = [_curve(r, FOLLOWED) for r in (mine, other) if r is not None]
        if len(both) == 2 and all(both):
            gains.append((other["episode"], [a - b for a, b in zip(*both, strict=False)]))
            differs.append(other["differs"])
    if not gains:
        return {"value": None, "reason": why_not or "no window was predicted under both", "at": []}
    whole = free_mean([float(np.mean([np.mean(g) for g in gs])) for gs in _by_episode(gains).values()])
    at = [_at(gains, age) for age in range(_longest(gains))]
    return {
        "value": whole.mean, "lo": whole.lo, "hi": whole.hi, "n": whole.n, "unit": "dB",
        "reason": whole.reason, "failed": len(others) - len(gains),
        "against": "the actions of another episode after the same context, with the same seeds",
        "differs": float(np.mean(differs)),
        "curve": [_number(a) for a in at], "curve_lo": [a.lo for a in at], "curve_hi": [a.hi for a in at],
        "at": [
            {"frame": a, "value": at[a - 1].mean, "lo": at[a - 1].lo, "hi": at[a - 1].hi, "n": at[a - 1].n}
            for a in AGES if a <= len(at)
        ],
    }  # fmt: skip


def surprise(records: Sequence[Record], why_not: str) -> dict[str, Any]:
    """Return the share of windows that are stranger backwards than forwards, ties and failures told.

    A tie counts one half, a failure as lost. Both ways hold the same frames and the same steps between them;
    what cheap cues make of the same clips stands beside.
    """
    if not records:
        return {"value": None, "reason": why_not}
    told = _shares((r["episode"], _won(r["forwards"], r["backwards"])) for r in records)
    cues = {
        cue: float(np.mean([_won(*r["cues"][cue]) for r in records])) for cue in records[0]["cues"]
    }  # fmt: skip
    return {
        "value": told.mean, "lo": told.lo, "hi": told.hi, "n": told.n, "reason": told.reason,
        "windows": len(records), "failed": sum(r["status"] != "ok" for r in records),
        "contrast": "the clip played backwards against the clip as it was",
        "chance": 0.5, "rows": cues,
    }  # fmt: skip


def rewards(records: Sequence[Record], why_not: str) -> dict[str, Any]:
    """Return rows {name, value, lo, hi, n, steps, reason}: of each sign of reward and of ends, what was told.

    What never happens is most of a recording: a row each for what happened and what did not says more than
    one share of all. A step of a failed window counts as not told.
    """
    if not records:
        return {"rows": [], "reason": why_not}
    rows = []
    signs = [(r, [_sign(v) for v in r["true_reward"]]) for r in records if r["true_reward"] is not None]
    for name, sign in (("reward above 0", 1), ("no reward", 0), ("reward below 0", -1)):
        right = [
            (r["episode"], float(r["reward"] is not None and _nearest_sign(r["reward"][t]) == sign))
            for r, true in signs for t, s in enumerate(true) if s == sign
        ]  # fmt: skip
        rows += [_told(name, right)] if right or sign else []
    ends = [(r, r["true_end"]) for r in records if r["true_end"] is not None]
    for name, state in (("end", True), ("no end", False)):
        right = [
            (r["episode"], float(r["end"] is not None and (r["end"][t] > 0.5) == state))
            for r, true in ends for t, e in enumerate(true) if e == state
        ]  # fmt: skip
        rows += [_told(name, right)] if ends else []
    return {"rows": rows, "reason": "", "failed": sum(r["status"] != "ok" for r in records)}


def pace(records: Sequence[Record], rollouts: Sequence[Record], fps: float) -> dict[str, Any]:
    """Return how long a frame takes on this machine [ms], and which rates that keeps up with.

    `how` is "steps" where single steps were timed, one video at a time; else "clips": the time of whole
    predictions divided by their frames, in batches.
    """
    good = [r for r in records if r["status"] == "ok"]
    if good:
        steps = 1000 * np.array(good[0]["seconds"]["steps"])
        p50, p95 = (float(v) for v in np.percentile(steps, (50, 95)))
        made = {"how": "steps", "n": len(steps), "p50_ms": p50, "p95_ms": p95, "frames_per_s": 1000 / p50,
                "reset_ms": 1000 * good[0]["seconds"]["reset"]}  # fmt: skip
    else:
        spent = [(r["seconds"]["model"], r["ahead"]) for r in rollouts if r["status"] == "ok"]
        if not spent:
            return {"how": None, "reason": "nothing was predicted"}
        each = 1000 * np.array([s / max(1, n) for s, n in spent])
        p50, p95 = (float(v) for v in np.percentile(each, (50, 95)))
        made = {"how": "clips", "n": len(each), "p50_ms": p50, "p95_ms": p95, "frames_per_s": 1000 / p50,
                "reset_ms": None}  # fmt: skip
    rates = (*RATES, ("the truth's own rate", fps))
    made["real_time"] = [
        {"name": name, "fps": rate, "kept": p95 <= 1000 / rate} for name, rate in rates
    ]  # fmt: skip
    failed = next((r["detail"] for r in records if r["status"] != "ok"), "")
    return {**made, "reason": failed}


def why_not(ask: Ask, capability: bool, what: str) -> str:
    """Return why nothing was asked: the model cannot, or the truth does not hold it."""
    lacks = {
        "rollout": "the model does not generate frames",
        "other": "the model does not generate frames",
        "surprise": "the model does not score how surprising frames are",
        "reward": "the model predicts no rewards",
        "pace": "the model does not step",
    }
    return what if capability else lacks[ask]


def _won(forwards: float | None, back: float | None) -> float:
    if forwards is None or back is None:
        return 0.0
    # equal to nine digits is equal: the order in which numbers were added up breaks no tie
    return 0.5 if np.isclose(back, forwards, rtol=1e-9, atol=0) else float(back > forwards)


def _shares(values: Iterable[tuple[str, float]]) -> Interval:
    by: dict[str, list[float]] = defaultdict(list)
    for episode, value in values:
        by[episode].append(value)
    return bounded_mean([float(np.mean(v)) for v in by.values()], 0.0, 1.0)


def _told(name: str, right: Sequence[tuple[str, float]]) -> dict[str, Any]:
    if not right:
        return {"name": name, "value": None, "lo": None, "hi": None, "n": 0, "steps": 0,
                "reason": "it does not happen in these recordings"}  # fmt: skip
    told = _shares(right)
    return {"name": name, "value": told.mean, "lo": told.lo, "hi": told.hi, "n": told.n,
            "steps": len(right), "reason": told.reason}  # fmt: skip


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _nearest_sign(value: float) -> int:
    """Return the sign that a prediction is nearest to, of -1, 0 and 1."""
    return _sign(value) if abs(value) >= 0.5 else 0


def _curve(record: Record, name: str) -> list[float]:
    cell = record["metrics"].get(name)
    return [float("nan") if v is None else v for v in cell["curve"]] if cell else []


def _known(records: Sequence[Record], name: str) -> list[tuple[str, list[float]]]:
    return [(r["episode"], c) for r in records if (c := _curve(r, name))]


def _null_curves(records: Sequence[Record], null: str, name: str) -> list[tuple[str, list[float]]]:
    curves = [(r["episode"], r["nulls"].get(null, {}).get(name) or []) for r in records]
    return [(e, [float("nan") if v is None else v for v in c]) for e, c in curves if c]


def _nulls(records: Sequence[Record], name: str) -> dict[str, float]:
    made = {}
    for null in NULLS:
        if curves := _null_curves(records, null, name):
            means = [np.mean([np.nanmean(c) for c in cs]) for cs in _by_episode(curves).values()]
            made[null] = float(np.mean(means))
    return made


def _by_episode(curves: Sequence[tuple[str, list[float]]]) -> dict[str, list[list[float]]]:
    by: dict[str, list[list[float]]] = defaultdict(list)
    for episode, curve in curves:
        by[episode].append(curve)
    return by


def _at(curves: Sequence[tuple[str, list[float]]], age: int) -> Interval:
    """Return the mean over episodes of frames of one age, those of an episode averaged first."""
    values = []
    for group in _by_episode(curves).values():
        known = [c[age] for c in group if len(c) > age and np.isfinite(c[age])]
        if known:
            values.append(float(np.mean(known)))
    return free_mean(values)


def _means(curves: Sequence[tuple[str, list[float]]]) -> list[float | None]:
    means = []
    for age in range(_longest(curves)):
        values = [
            np.mean(known)
            for group in _by_episode(curves).values()
            if (known := [c[age] for c in group if len(c) > age and np.isfinite(c[age])])
        ]
        means.append(float(np.mean(values)) if values else None)
    return means


def _counts(curves: Sequence[tuple[str, list[float]]]) -> list[int]:
    return [_at(curves, age).n for age in range(_longest(curves))]


def _longest(curves: Sequence[tuple[str, list[float]]]) -> int:
    return max((len(c) for _, c in curves), default=0)


def _number(told: Interval) -> float | None:
    return told.mean if told.n else None
